//! Sampling: images read at points and in regions that other tensors hold.

mod grid;
mod region;

pub use grid::{AffineGrid, GridSample};
pub use region::{MaxRoiPool, RoiAlign};

use super::OpDef;
use crate::diag::{Code, Diagnostic};
use crate::types::{DType, TensorType};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "GridSample",
        domain: "",
        since: &[16, 20, 22],
        doc: "An image interpolated at the points of a grid.",
        build: grid::build,
    },
    OpDef {
        name: "AffineGrid",
        domain: "",
        since: &[20],
        doc: "The points at which an affine map of the result reads.",
        build: grid::build_affine,
    },
    OpDef {
        name: "RoiAlign",
        domain: "",
        since: &[10, 16, 22],
        doc: "Regions of images pooled to one size, with interpolation.",
        build: region::build_align,
    },
    OpDef {
        name: "MaxRoiPool",
        domain: "",
        since: &[1, 22],
        doc: "Regions of images pooled to one size, by maximum.",
        build: region::build_max,
    },
];

/// Checks that a value is f32 with so many axes; `what` says which, in words.
fn check(ty: &TensorType, rank: usize, what: &str) -> Result<(), Diagnostic> {
    if ty.dtype == DType::F32 && ty.rank() == rank {
        return Ok(());
    }
    Err(Diagnostic::new(Code::BadInput, format!("{ty} is not {what}")))
}
