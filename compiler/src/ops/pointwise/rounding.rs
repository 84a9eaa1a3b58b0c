//! Rounding and limiting.

use super::{Built, unary};
use crate::expr::{ExprId, Unary};
use crate::ops::elements::Elements::{Floats, Numbers};
use crate::ops::{NodeCx, OpDef};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx("Floor", &[6, 13], "Largest integer not above", |cx| unary(cx, Floats, Unary::Floor)),
    OpDef::onnx("Ceil", &[6, 13], "Smallest integer not below", |cx| unary(cx, Floats, Unary::Ceil)),
    OpDef::onnx("Round", &[11, 22], "Nearest integer, halves to even", |cx| unary(cx, Floats, Unary::Round)),
    OpDef::onnx("Clip", &[6, 11, 12, 13], "`min(max(x, low), high)`; either bound may be left out", clip),
];

fn clip(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let dtype = cx.one_of(x, Numbers)?;
    let bounds = if cx.opset < 11 {
        let (low, high) = (cx.attributes.float("min")?, cx.attributes.float("max")?);
        [low, high].map(|bound| bound.map(|v| cx.scalar(dtype, f64::from(v))))
    } else {
        [cx.optional(1), cx.optional(2)]
    };
    let mut inputs = vec![x];
    inputs.extend(bounds.iter().flatten());
    cx.same_type(&inputs, Numbers)?;
    let space = cx.shape(x);
    let result = cx.map_over(space, 0, false, &inputs, |e, v| {
        let mut rest = v[1..].iter();
        let mut next = |bound: Option<_>| -> Option<ExprId> { bound.and_then(|_| rest.next().copied()) };
        let (low, high) = (next(bounds[0]), next(bounds[1]));
        let x = low.map_or(v[0], |low| e.max(v[0], low));
        high.map_or(x, |high| e.min(x, high))
    })?;
    Ok(vec![result])
}
