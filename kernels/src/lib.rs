//! Numeric kernels and weight packers behind Ingrain's generated code.
//!
//! One folder per operation: its contract in prose, a naive `reference` (the oracle), the packer beside the kernel that
//! reads it, a portable kernel, and files per instruction set only where they measurably win. Hot kernels are
//! non-generic functions with const tiles inside and run-time extents outside, so that they cost no
//! instantiation in the user's build.
//!
//! The crate is `no_std` and never allocates: scratch memory is an argument.

#![no_std]

#[cfg(any(feature = "std", test))]
extern crate std;

pub mod attention;
pub mod conv;
pub mod dft;
pub mod element;
pub mod epilogue;
pub mod isa;
pub mod lrn;
pub mod math;
pub mod matmul;
pub mod movement;
pub mod pool;
pub mod recurrent;
pub mod reduce;
pub mod resize;
pub mod select;
pub mod sort;

pub use half::{bf16, f16};
pub use isa::vectorize;
