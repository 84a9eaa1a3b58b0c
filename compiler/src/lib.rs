//! Ahead-of-time compiler from ONNX to specialised Rust.
//!
//! One river, one type per stage, each stage blind to the later ones:
//! ```text
//! bytes --import--> ir::Graph --passes--> ir::Graph --lower--> lir::Program --plan--> Plan --emit--> Artifact
//! ```
//! [`compile`] does no I/O of its own and never panics on bad input: everything wrong with a model comes back as
//! [`Diagnostics`]. The macro, build.rs and command-line faces are thin layers over it.

#![deny(unsafe_code)]

pub mod artifact;
#[cfg(feature = "build")]
pub mod build;
pub mod bundle;
#[cfg(feature = "cli")]
pub mod cli;
pub mod diag;
pub mod emit;
pub mod eval;
pub mod expr;
#[cfg(feature = "cli")]
pub mod harness;
pub mod import;
pub mod ir;
pub mod lir;
pub mod lower;
mod mapped;
pub mod ops;
pub mod options;
pub mod passes;
mod pipeline;
pub mod plan;
pub mod report;
pub mod state;
pub mod tracked;
pub mod types;

#[cfg(test)]
mod testing;

pub use artifact::{Artifact, BlobSource, Module};
pub use diag::Diagnostics;
pub use options::{DimBinding, ExternalData, ModelSource, Options};
pub use report::Report;

/// Compiles models that ship together: one module each, one blob for all.
///
/// # Errors
/// Everything that is wrong with any of the models.
pub fn compile(models: &[(ModelSource, Options)]) -> Result<Artifact, Diagnostics> {
    pipeline::compile(models)
}
