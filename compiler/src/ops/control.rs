//! Control flow: If, Loop and Scan.
//!
//! Their graphs become graphs of their own inside of a node, optimised like the outermost one and lowered to blocks of
//! Rust: `if`, `for` and `while`. A branch that is certainly taken becomes part of the graph around it.

mod branch;
mod counting;
mod refuse;
mod repeat;
mod scan;

#[cfg(test)]
mod tests;

use super::OpDef;

/// The operators of this room.
pub(super) const ROOM: &[OpDef] = &[
    OpDef::onnx("If", &[1, 11, 13, 16, 19, 21, 23, 24, 25], "Runs one of two graphs.", branch::build),
    OpDef::onnx(
        "Loop",
        &[1, 11, 13, 16, 19, 21, 23, 24, 25],
        "Runs a graph again and again, for a number of times or while a condition holds.",
        repeat::build,
    ),
    OpDef::onnx(
        "Scan",
        &[8, 9, 11, 16, 19, 21, 23, 24, 25],
        "Runs a graph for each slice of its inputs.",
        scan::build,
    ),
];
