//! What comes out: modules of Rust source, one blob of weights, and a report on each model.

mod format;
mod render;

pub use crate::plan::Blob;
pub use format::source_text;
pub use render::Face;

use crate::options::WeightsIn;
use crate::report::Report;
use proc_macro2::TokenStream;

/// The compiled form of models that ship together.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// One module for each model, in the order given.
    pub modules: Vec<Module>,
    /// The read-only weights of all modules.
    pub blob: Blob,
    /// How they come into the program.
    pub weights: WeightsIn,
}

/// The compiled form of one model.
#[derive(Clone, Debug)]
pub struct Module {
    /// The module's name.
    pub name: String,
    /// The module's items. They refer to the blob as `super::WEIGHTS`.
    pub items: TokenStream,
    /// Documentation of the module (`//!` lines without the slashes).
    pub doc: String,
    /// What was compiled, and what it costs.
    pub report: Report,
}

/// How the program takes in the blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobSource {
    /// A file read by rustc, by its path: absolute or relative to the source file that names it.
    Include(String),
    /// A file read by the linker, by its absolute path; for large blobs.
    Embed(String),
    /// A file that the program maps: from beside the executable, or else from where it is now.
    File(String),
}
