//! Reductions: Reduce*, ArgMax and ArgMin, running sums and products, and pooling over all pixels.
//!
//! Specification: <https://onnx.ai/onnx/operators/>. All reductions are maps around one of four basic ones, so that a
//! norm spelled out in an exporter's nodes and the operator of that name are the same graph.

mod arg;
mod basic;
mod recipes;
mod scan;

#[cfg(test)]
mod tests;

pub use arg::Arg;
pub use basic::Reduce;
pub use scan::Scan;

pub(super) use recipes::{mean, norm, reduce};

use super::OpDef;
use crate::diag::Diagnostic;
use crate::ir::Value;
use recipes::{Kind, global_pool, reduction};

type Built = Result<Vec<Value>, Diagnostic>;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx("ReduceSum", &[1, 11, 13], "`Σ x` over any axes", |cx| reduction(cx, Kind::Sum)),
    OpDef::onnx("ReduceMean", &[1, 11, 13, 18], "`Σ x / n` over any axes", |cx| reduction(cx, Kind::Mean)),
    OpDef::onnx("ReduceMax", &[1, 11, 12, 13, 18, 20], "Largest over any axes", |cx| {
        reduction(cx, Kind::Max)
    }),
    OpDef::onnx("ReduceMin", &[1, 11, 12, 13, 18, 20], "Smallest over any axes", |cx| {
        reduction(cx, Kind::Min)
    }),
    OpDef::onnx("ReduceProd", &[1, 11, 13, 18], "`Π x` over any axes", |cx| reduction(cx, Kind::Prod)),
    OpDef::onnx("ReduceL1", &[1, 11, 13, 18], "`Σ |x|` over any axes", |cx| reduction(cx, Kind::L1)),
    OpDef::onnx("ReduceL2", &[1, 11, 13, 18], "`√Σ x²` over any axes", |cx| reduction(cx, Kind::L2)),
    OpDef::onnx("ReduceLogSum", &[1, 11, 13, 18], "`log Σ x` over any axes", |cx| {
        reduction(cx, Kind::LogSum)
    }),
    OpDef::onnx(
        "ReduceLogSumExp",
        &[1, 11, 13, 18],
        "`log Σ exp(x)` over any axes, without overflow",
        |cx| reduction(cx, Kind::LogSumExp),
    ),
    OpDef::onnx("ReduceSumSquare", &[1, 11, 13, 18], "`Σ x²` over any axes", |cx| {
        reduction(cx, Kind::SumSquare)
    }),
    OpDef::onnx("ArgMax", &[1, 11, 12, 13], "Index of the largest along an axis", |cx| arg::arg(cx, true)),
    OpDef::onnx("ArgMin", &[1, 11, 12, 13], "Index of the smallest along an axis", |cx| arg::arg(cx, false)),
    OpDef::onnx("CumSum", &[11, 14], "Running sum along an axis", |cx| scan::scan(cx, false)),
    OpDef::onnx("CumProd", &[26], "Running product along an axis", |cx| scan::scan(cx, true)),
    OpDef::onnx("GlobalAveragePool", &[1, 22], "Mean of all pixels", |cx| global_pool(cx, Kind::Mean)),
    OpDef::onnx("GlobalMaxPool", &[1, 22], "Largest of all pixels", |cx| global_pool(cx, Kind::Max)),
    OpDef::onnx("GlobalLpPool", &[2, 22], "`(Σ |x|^p)^(1/p)` of all pixels", |cx| {
        let p = cx.attributes.int_or("p", 2)?;
        global_pool(cx, Kind::Lp(p))
    }),
];
