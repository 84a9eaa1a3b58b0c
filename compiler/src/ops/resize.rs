//! Resize and Upsample: tensors on other grids.
//!
//! Interpolation is separable: each axis that changes is one pass of a kernel that reads a table of positions and
//! weights. With fixed extents the tables are constants; else the program makes them.

mod core;
mod recipe;
#[cfg(test)]
mod tests;

pub use core::{Method, Resize, ResizedAxis};

use super::OpDef;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "Resize",
        domain: "",
        since: &[10, 11, 13, 18, 19],
        doc: "A tensor on a larger or smaller grid, by nearest element, linear or cubic interpolation.",
        build: recipe::build,
    },
    OpDef {
        name: "Upsample",
        domain: "",
        since: &[7, 9],
        doc: "Resize under its old name.",
        build: recipe::build_upsample,
    },
];
