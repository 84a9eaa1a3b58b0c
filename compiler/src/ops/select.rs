//! Selection: operators that read or write elements at positions that other tensors hold.
//!
//! Positions that are known at compile time become slices where a slice can say them. Those of the run are checked by
//! the kernels: one outside its axis is an error of the run, never a panic.

pub(crate) mod cache;
mod chosen;
mod found;
pub mod gather;
mod reverse;
mod scatter;
#[cfg(test)]
mod tests;

pub(super) use gather::gather;
pub use gather::{Gather, GatherElements, GatherNd};
pub use reverse::ReverseSequence;
pub use scatter::{Reduction, ScatterElements, ScatterNd};

use super::OpDef;
use crate::diag::{Code, Diagnostic};
use crate::ir::Fact;
use crate::lir::Arg;
use crate::types::{DType, Dim};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "Gather",
        domain: "",
        since: &[1, 11, 13],
        doc: "The slices of an axis at the given positions.",
        build: gather::build,
    },
    OpDef {
        name: "TensorScatter",
        domain: "",
        since: &[24],
        doc: "A cache with new elements from each entry's position on.",
        build: cache::build,
    },
    OpDef {
        name: "GatherElements",
        domain: "",
        since: &[11, 13],
        doc: "Each element from its given position along an axis.",
        build: gather::build_elements,
    },
    OpDef {
        name: "GatherND",
        domain: "",
        since: &[11, 12, 13],
        doc: "The blocks at the given tuples of positions.",
        build: gather::build_nd,
    },
    OpDef {
        name: "Scatter",
        domain: "",
        since: &[9, 11],
        doc: "ScatterElements under its old name.",
        build: scatter::build_elements,
    },
    OpDef {
        name: "ScatterElements",
        domain: "",
        since: &[11, 13, 16, 18],
        doc: "A copy in which elements at given positions along an axis are replaced or updated.",
        build: scatter::build_elements,
    },
    OpDef {
        name: "ScatterND",
        domain: "",
        since: &[11, 13, 16, 18],
        doc: "A copy in which the blocks at given tuples of positions are replaced or updated.",
        build: scatter::build_nd,
    },
    OpDef {
        name: "ReverseSequence",
        domain: "",
        since: &[10],
        doc: "Each sequence of a batch with its first elements, as many as given, in reverse.",
        build: reverse::build,
    },
    OpDef {
        name: "Compress",
        domain: "",
        since: &[9, 11],
        doc: "The slices of an axis whose condition holds.",
        build: chosen::build_compress,
    },
    OpDef {
        name: "NonZero",
        domain: "",
        since: &[9, 13],
        doc: "The positions of the elements that are not zero.",
        build: chosen::build_nonzero,
    },
    OpDef {
        name: "Unique",
        domain: "",
        since: &[11],
        doc: "The distinct elements or slices, where each stands first, and how often it occurs.",
        build: chosen::build_unique,
    },
    OpDef {
        name: "NonMaxSuppression",
        domain: "",
        since: &[10, 11],
        doc: "Boxes of high score, without those that better ones overlap.",
        build: chosen::build_suppression,
    },
    OpDef {
        name: "Col2Im",
        domain: "",
        since: &[18],
        doc: "An image from the sum of its overlapping blocks.",
        build: scatter::build_col2im,
    },
];

/// Checks that a tensor of positions has integer elements.
fn check_positions(fact: &Fact<'_>) -> Result<(), Diagnostic> {
    if matches!(fact.ty.dtype, DType::I32 | DType::I64) {
        return Ok(());
    }
    Err(Diagnostic::new(Code::BadInput, format!("positions of type {} are not integers", fact.ty))
        .help("indices must be int32 or int64; insert a Cast"))
}

/// `&[a, b, …]` of extents.
fn sizes(dims: &[Dim]) -> Arg {
    Arg::Ref(Box::new(Arg::Array(dims.iter().cloned().map(Arg::Size).collect())))
}
