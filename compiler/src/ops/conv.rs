//! Convolutions, channels-last.
//!
//! `Conv` <https://onnx.ai/onnx/operators/onnx__Conv.html>, `ConvTranspose`
//! <https://onnx.ai/onnx/operators/onnx__ConvTranspose.html>. ONNX tensors are channels-first; the recipes put
//! transposes around the core operators, which the pass `sink_transposes` then moves out of the network. Bias and
//! activation are maps that fuse into the epilogue.

pub(super) mod causal;
mod deformable;
mod forward;
mod lower;
#[cfg(test)]
mod tests;
mod transposed;
pub mod window;

pub use forward::Conv;
pub(super) use forward::{channels_last as forward_channels_last, groups, weight_window};
pub use transposed::ConvTranspose;

use super::OpDef;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "Conv",
        domain: "",
        since: &[1, 11, 22],
        doc: "Convolution over one to three spatial axes, with groups, strides, dilations and padding.",
        build: forward::build,
    },
    OpDef {
        name: "ConvTranspose",
        domain: "",
        since: &[1, 11, 22],
        doc: "Transposed convolution over one to three spatial axes.",
        build: transposed::build,
    },
    OpDef::onnx(
        "DeformConv",
        &[19, 22],
        "Convolution whose taps read where offsets say, with interpolation",
        deformable::build,
    ),
    OpDef::onnx(
        "CausalConvWithState",
        &[27],
        "Depthwise convolution over the past, which is a state",
        causal::build,
    ),
];
