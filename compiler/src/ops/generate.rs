//! Operators that make tensors from sizes, positions and constants.
//!
//! Specification: <https://onnx.ai/onnx/operators/>. What depends only on positions is a map over indices, so that
//! masks and ranges are computed inside the loops that read them. Shapes are contents, not data: arithmetic on them
//! happens at compile time, on symbols where sizes are symbolic.

mod constant;
pub mod dims;
mod index;
mod random;
mod window;

#[cfg(test)]
mod tests;

pub use dims::Dims;

use super::OpDef;
use crate::diag::Diagnostic;
use crate::ir::Value;

type Built = Result<Vec<Value>, Diagnostic>;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx(
        "Constant",
        &[1, 9, 11, 12, 13, 19, 21, 23, 24, 25],
        "The tensor of its attribute, of any form but strings",
        constant::constant,
    ),
    OpDef::onnx(
        "ConstantOfShape",
        &[9, 20, 21, 23, 24, 25],
        "A tensor of one value; the shape must be known at compile time or be made of symbols",
        constant::constant_of_shape,
    ),
    OpDef::onnx("Shape", &[1, 13, 15, 19, 21, 23, 24, 25], "Extents of the axes `start..end`", dims::shape),
    OpDef::onnx("Size", &[1, 13, 19, 21, 23, 24, 25], "Number of elements", dims::size),
    OpDef::onnx(
        "Range",
        &[11, 27],
        "`start`, `start + delta`, … below `limit`; the count must be known at compile time or be made of symbols",
        index::range,
    ),
    OpDef::onnx("EyeLike", &[9, 22], "Ones on the diagonal `k`, zeros elsewhere", index::eye_like),
    OpDef::onnx("Trilu", &[14], "The upper or lower triangle of matrices, zeros elsewhere", index::trilu),
    OpDef::onnx(
        "OneHot",
        &[9, 11],
        "One value where the index along a new axis is the element, another elsewhere",
        index::one_hot,
    ),
    OpDef::onnx(
        "RandomNormal",
        &[1, 22],
        "Normally distributed numbers, the same in every run",
        random::normal,
    ),
    OpDef::onnx(
        "RandomNormalLike",
        &[1, 22],
        "Normally distributed numbers in the shape of the input, the same in every run",
        random::normal_like,
    ),
    OpDef::onnx(
        "RandomUniform",
        &[1, 22],
        "Evenly distributed numbers, the same in every run",
        random::uniform,
    ),
    OpDef::onnx(
        "RandomUniformLike",
        &[1, 22],
        "Evenly distributed numbers in the shape of the input, the same in every run",
        random::uniform_like,
    ),
    OpDef::onnx("HannWindow", &[17], "The Hann window", |cx| window::cosines(cx, [0.5, 0.5, 0.0])),
    OpDef::onnx("HammingWindow", &[17], "The Hamming window", |cx| {
        window::cosines(cx, [25.0 / 46.0, 21.0 / 46.0, 0.0])
    }),
    OpDef::onnx("BlackmanWindow", &[17], "The Blackman window", |cx| window::cosines(cx, [0.42, 0.5, 0.08])),
];
