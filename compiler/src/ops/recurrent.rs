//! LSTM, GRU and RNN: the input's share of all gates is one product over all steps, the rest goes from step to step.
//!
//! `LSTM` <https://onnx.ai/onnx/operators/onnx__LSTM.html>, `GRU` <https://onnx.ai/onnx/operators/onnx__GRU.html>,
//! `RNN` <https://onnx.ai/onnx/operators/onnx__RNN.html>. Where these leave it open, onnxruntime decides: the last state of
//! an entry without steps is zero, and `clip` limits the sums of gates but not the cell.

mod activation;
mod core;
pub(super) mod linear;
mod recipe;
#[cfg(test)]
mod tests;

pub use self::core::{Given, Recurrent};
pub use linear::LinearAttention;

use super::OpDef;
use ingrain_kernels::recurrent::Kind;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx("RNN", &[7, 14, 22], "A recurrent layer of one gate, in one direction or both", |cx| {
        recipe::build(cx, Kind::Rnn)
    }),
    OpDef::onnx("GRU", &[3, 7, 14, 22], "Gated recurrent units, in one direction or both", |cx| {
        let linear_before_reset = cx.attributes.bool_or("linear_before_reset", false)?;
        recipe::build(cx, Kind::Gru { linear_before_reset })
    }),
    OpDef::onnx("LSTM", &[7, 14, 22], "Long short-term memory, in one direction or both", |cx| {
        let input_forget = cx.attributes.bool_or("input_forget", false)?;
        recipe::build(cx, Kind::Lstm { input_forget })
    }),
    OpDef::onnx(
        "LinearAttention",
        &[27],
        "Attention by a matrix of state that each step decays, corrects and adds to",
        linear::build,
    ),
];
