//! Softmax, LogSoftmax and Hardmax: row maps over an axis.
//!
//! Specification: <https://onnx.ai/onnx/operators/onnx__Softmax.html>. Before operator set 13 the axes from `axis` on
//! were one row; since then `axis` alone is.

use super::elements::Elements::Floats;
use super::{NodeCx, OpDef};
use crate::diag::Diagnostic;
use crate::expr::{Compare, ExprBuilder, ExprId, Reduction, Unary};
use crate::ir::Value;
use crate::types::{DType, Dim};

#[cfg(test)]
mod tests;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx("Softmax", &[1, 11, 13], "`exp(x) / Σ exp(x)` along an axis, without overflow", |cx| {
        operator(cx, softmax)
    }),
    OpDef::onnx("LogSoftmax", &[1, 11, 13], "`x - log Σ exp(x)` along an axis, without overflow", |cx| {
        operator(cx, log_softmax)
    }),
    OpDef::onnx("Hardmax", &[1, 11, 13], "1 at the first largest element along an axis, 0 elsewhere", |cx| {
        operator(cx, hardmax)
    }),
];

/// A function of the element of a row; the last argument is the axis that the row is.
type Body = fn(&mut ExprBuilder, ExprId, usize) -> ExprId;

fn operator(cx: &mut NodeCx<'_>, body: Body) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    cx.one_of(x, Floats)?;
    if cx.opset >= 13 {
        let axis = cx.axis_attribute("axis", -1, cx.rank(x))?;
        return Ok(vec![along(cx, x, axis, body)?]);
    }
    let shape = cx.shape(x);
    let axis = cx.axis_attribute("axis", 1, shape.len().max(2))?.min(shape.len());
    let rows = vec![Dim::product(&shape[..axis]), Dim::product(&shape[axis..])];
    let matrix = cx.reshape(x, rows)?;
    let y = along(cx, matrix, 1, body)?;
    Ok(vec![cx.reshape(y, shape)?])
}

/// LogSoftmax along an axis.
///
/// # Errors
/// Never for an axis of the value.
pub(super) fn log_softmax_along(cx: &mut NodeCx<'_>, x: Value, axis: usize) -> Result<Value, Diagnostic> {
    along(cx, x, axis, log_softmax)
}

/// Rows are the last axis: another one is moved there and back.
fn along(cx: &mut NodeCx<'_>, x: Value, axis: usize, body: Body) -> Result<Value, Diagnostic> {
    let rank = cx.rank(x);
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(axis, rank - 1);
    let rows = cx.transpose(x, &perm)?;
    let (space, dtype) = (cx.shape(rows), cx.dtype(rows));
    let y = cx.map_over(space, 1, false, &[rows], |e, v| {
        // Sums of half precision would overflow.
        let exact = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let x = e.cast(v[0], exact);
        let y = body(e, x, rank - 1);
        e.cast(y, dtype)
    })?;
    // A swap is its own inverse.
    cx.transpose(y, &perm)
}

fn shifted(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    let largest = e.reduce(Reduction::Max, x);
    e.sub(x, largest)
}

fn softmax(e: &mut ExprBuilder, x: ExprId, _axis: usize) -> ExprId {
    let shifted = shifted(e, x);
    let power = e.unary(Unary::Exp, shifted);
    let sum = e.reduce(Reduction::Sum, power);
    e.div(power, sum)
}

fn log_softmax(e: &mut ExprBuilder, x: ExprId, _axis: usize) -> ExprId {
    let shifted = shifted(e, x);
    let power = e.unary(Unary::Exp, shifted);
    let sum = e.reduce(Reduction::Sum, power);
    let log = e.unary(Unary::Log, sum);
    e.sub(shifted, log)
}

/// The first position of the largest is the smallest position at which an element equals it.
fn hardmax(e: &mut ExprBuilder, x: ExprId, axis: usize) -> ExprId {
    let largest = e.reduce(Reduction::Max, x);
    let is_largest = e.compare(Compare::Equal, x, largest);
    let position = e.index(axis);
    let beyond = e.number(position, f64::MAX);
    let candidate = e.select(is_largest, position, beyond);
    let first = e.reduce(Reduction::Min, candidate);
    let here = e.compare(Compare::Equal, position, first);
    let dtype = e.dtype(x);
    e.cast(here, dtype)
}
