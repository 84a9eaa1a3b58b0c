//! Losses of classification: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
//!
//! Specification: <https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html>. The element of the target's
//! class is found by comparing positions with targets, so that a loss is maps and reductions and nothing else.

use super::elements::Elements::{Floats, Integers};
use super::reduce::reduce;
use super::softmax::log_softmax_along;
use super::{NodeCx, OpDef};
use crate::diag::{Code, Diagnostic};
use crate::expr::{Binary, Compare, ExprBuilder, ExprId, Reduction, Unary};
use crate::ir::Value;
use crate::types::{DType, Dim, Scalar};

#[cfg(test)]
mod tests;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx(
        "NegativeLogLikelihoodLoss",
        &[12, 13, 22],
        "Minus the element of the target's class, weighted and averaged on demand",
        |cx| {
            let x = cx.input(0)?;
            Ok(vec![loss(cx, x)?])
        },
    ),
    OpDef::onnx(
        "SoftmaxCrossEntropyLoss",
        &[12, 13],
        "NegativeLogLikelihoodLoss of LogSoftmax over classes",
        |cx| {
            let scores = cx.input(0)?;
            cx.one_of(scores, Floats)?;
            classes(cx, scores)?;
            let x = log_softmax_along(cx, scores, 1)?;
            Ok(vec![loss(cx, x)?, x])
        },
    ),
];

/// Checks that there is an axis of classes.
fn classes(cx: &NodeCx<'_>, x: Value) -> Result<Dim, Diagnostic> {
    cx.shape(x).get(1).cloned().ok_or_else(|| {
        Diagnostic::new(
            Code::BadInput,
            format!("{} needs an axis of classes and not {}", cx.origin.op, cx.ty(x)),
        )
    })
}

/// The loss of log-probabilities `x` with classes along the second axis; targets and weights are inputs 1 and 2.
fn loss(cx: &mut NodeCx<'_>, x: Value) -> Result<Value, Diagnostic> {
    let dtype = cx.one_of(x, Floats)?;
    let (space, classes) = (cx.shape(x), classes(cx, x)?);
    let target = cx.input(1)?;
    cx.one_of(target, Integers)?;
    let mut aligned = cx.shape(target);
    aligned.insert(1.min(aligned.len()), Dim::ONE);
    let target = cx.reshape(target, aligned)?;
    let weights = match cx.optional(2) {
        Some(weights) => {
            cx.same_type(&[x, weights], Floats)?;
            let mut shape = vec![classes];
            shape.extend(std::iter::repeat_n(Dim::ONE, space.len() - 2));
            cx.reshape(weights, shape)?
        }
        None => cx.scalar(dtype, 1.0),
    };
    let ignored = cx.attributes.int("ignore_index")?;
    let kept = |e: &mut ExprBuilder, target: ExprId, value: ExprId| {
        let hit = counts(e, target, ignored);
        let zero = e.number(value, 0.0);
        e.select(hit, value, zero)
    };
    let losses = cx.map_over(space.clone(), 0, false, &[x, target, weights], |e, v| {
        let (x, weight) = (e.cast(v[0], wide(dtype)), e.cast(v[2], wide(dtype)));
        let weighted = e.mul(x, weight);
        let negative = e.unary(Unary::Neg, weighted);
        kept(e, v[1], negative)
    })?;
    let reduction = cx.attributes.string_or("reduction", "mean")?;
    let over: Vec<usize> = match reduction {
        "none" => vec![1],
        "mean" | "sum" => (0..space.len()).collect(),
        other => {
            return Err(cx.attributes.bad("reduction", &format!("is \"{other}\" and not none, mean or sum")));
        }
    };
    let mut total = reduce(cx, losses, Reduction::Sum, over.clone())?;
    if reduction == "mean" {
        let each = cx.map_over(space.clone(), 0, false, &[target, weights], |e, v| {
            let weight = e.cast(v[1], wide(dtype));
            kept(e, v[0], weight)
        })?;
        let weight = reduce(cx, each, Reduction::Sum, over.clone())?;
        total = cx.map(&[total, weight], |e, v| e.div(v[0], v[1]))?;
    }
    let shape = (0..space.len()).filter(|a| !over.contains(a)).map(|a| space[a].clone()).collect();
    let total = cx.reshape(total, shape)?;
    cx.cast(total, dtype)
}

/// Sums of half precision would overflow.
fn wide(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Whether the position along the classes is the target's, and the target counts at all.
fn counts(e: &mut ExprBuilder, target: ExprId, ignored: Option<i64>) -> ExprId {
    let target = e.cast(target, DType::I64);
    let class = e.index(1);
    let hit = e.compare(Compare::Equal, class, target);
    let Some(ignored) = ignored else { return hit };
    let ignored = e.scalar(Scalar::Int(DType::I64, ignored));
    let same = e.compare(Compare::Equal, target, ignored);
    let other = e.unary(Unary::Not, same);
    e.binary(Binary::And, hit, other)
}
