//! Trained models as ordinary Rust.
#![no_std]
pub use ingrain_kernels as kernels;
