//! Softmax, LogSoftmax and Hardmax: row maps.
//!
//! <https://onnx.ai/onnx/operators/onnx__Softmax.html>, <https://onnx.ai/onnx/operators/onnx__LogSoftmax.html>,
//! <https://onnx.ai/onnx/operators/onnx__Hardmax.html>. Up to opset 12 the row is everything from `axis` on, since 13
//! it is `axis` alone.

use super::{NodeCx, OpDef};
use crate::diag::Diagnostic;
use crate::expr::{Compare, ExprBuilder, ExprId, Reduction, Unary};
use crate::ir::Value;
use crate::types::{DType, Dim};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "Softmax",
        domain: "",
        since: &[1, 11, 13],
        doc: "`exp(x) / sum(exp(x))` along an axis.",
        build: |cx| rows(cx, softmax),
    },
    OpDef {
        name: "LogSoftmax",
        domain: "",
        since: &[1, 11, 13],
        doc: "`log(softmax(x))` along an axis.",
        build: |cx| rows(cx, log_softmax),
    },
    OpDef {
        name: "Hardmax",
        domain: "",
        since: &[1, 11, 13],
        doc: "One at the first largest element along an axis, zero elsewhere.",
        build: |cx| rows(cx, hardmax),
    },
];

/// An expression over a row, whose index along the row's only axis is the last argument.
type Body = fn(&mut ExprBuilder, ExprId, usize) -> ExprId;

/// Builds a map whose row is what the opset says.
fn rows(cx: &mut NodeCx<'_>, body: Body) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let since_13 = cx.opset >= 13;
    let axis = cx.axis_attribute("axis", if since_13 { -1 } else { 1 }, rank)?;
    if since_13 {
        let mut perm: Vec<usize> = (0..rank).filter(|&a| a != axis).collect();
        perm.push(axis);
        let last = cx.transpose(x, &perm)?;
        let y = along_last(cx, last, body)?;
        let inverse: Vec<usize> = (0..rank).map(|a| perm.iter().position(|&p| p == a).unwrap_or(a)).collect();
        return Ok(vec![cx.transpose(y, &inverse)?]);
    }
    let shape = cx.shape(x);
    let matrix = vec![Dim::product(&shape[..axis]), Dim::product(&shape[axis..])];
    let flat = cx.reshape(x, matrix)?;
    let y = along_last(cx, flat, body)?;
    Ok(vec![cx.reshape(y, shape)?])
}

fn along_last(cx: &mut NodeCx<'_>, x: Value, body: Body) -> Result<Value, Diagnostic> {
    let space = cx.shape(x);
    let axis = space.len() - 1;
    let dtype = cx.dtype(x);
    // Half precision is computed in single: sums of many terms need the digits.
    let wide = if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype };
    cx.map_over(space, 1, false, &[x], |e, v| {
        let x = e.cast(v[0], wide);
        let y = body(e, x, axis);
        e.cast(y, dtype)
    })
}

/// `x` minus the row's largest element, which keeps `exp` from overflowing.
fn shifted(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    let largest = e.reduce(Reduction::Max, x);
    e.sub(x, largest)
}

fn softmax(e: &mut ExprBuilder, x: ExprId, _axis: usize) -> ExprId {
    let shifted = shifted(e, x);
    let powers = e.unary(Unary::Exp, shifted);
    let total = e.reduce(Reduction::Sum, powers);
    e.div(powers, total)
}

fn log_softmax(e: &mut ExprBuilder, x: ExprId, _axis: usize) -> ExprId {
    let shifted = shifted(e, x);
    let powers = e.unary(Unary::Exp, shifted);
    let total = e.reduce(Reduction::Sum, powers);
    let log = e.unary(Unary::Log, total);
    e.sub(shifted, log)
}

fn hardmax(e: &mut ExprBuilder, x: ExprId, axis: usize) -> ExprId {
    let largest = e.reduce(Reduction::Max, x);
    let at = e.index(axis);
    let beyond = e.number(at, i64::MAX as f64);
    let is_largest = e.compare(Compare::Equal, x, largest);
    let candidates = e.select(is_largest, at, beyond);
    let first = e.reduce(Reduction::Min, candidates);
    let hit = e.compare(Compare::Equal, at, first);
    let (one, zero) = (e.number(x, 1.0), e.number(x, 0.0));
    e.select(hit, one, zero)
}
