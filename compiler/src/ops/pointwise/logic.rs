//! Comparisons, logic and selection.

use super::{Built, binary, formula, operands, unary};
use crate::expr::{Binary, Compare, Unary};
use crate::ops::elements::Elements::{self, All, Booleans, Floats, Numbers};
use crate::ops::{NodeCx, OpDef};
use crate::types::Scalar;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx("Equal", &[1, 7, 11, 13, 19], "`a == b`", |cx| compare(cx, All, Compare::Equal)),
    OpDef::onnx("Less", &[1, 7, 9, 13], "`a < b`", |cx| compare(cx, Numbers, Compare::Less)),
    OpDef::onnx("LessOrEqual", &[12, 16], "`a <= b`", |cx| compare(cx, Numbers, Compare::LessOrEqual)),
    OpDef::onnx("Greater", &[1, 7, 9, 13], "`a > b`", |cx| compare(cx, Numbers, Compare::Greater)),
    OpDef::onnx("GreaterOrEqual", &[12, 16], "`a >= b`", |cx| compare(cx, Numbers, Compare::GreaterOrEqual)),
    OpDef::onnx("And", &[1, 7], "Logical and", |cx| binary(cx, Booleans, Binary::And)),
    OpDef::onnx("Or", &[1, 7], "Logical or", |cx| binary(cx, Booleans, Binary::Or)),
    OpDef::onnx("Xor", &[1, 7], "Logical exclusive or", |cx| binary(cx, Booleans, Binary::Xor)),
    OpDef::onnx("Not", &[1], "Logical not", |cx| unary(cx, Booleans, Unary::Not)),
    OpDef::onnx("IsNaN", &[9, 13, 20], "Whether an element is not a number", |cx| {
        unary(cx, Floats, Unary::IsNan)
    }),
    OpDef::onnx("IsInf", &[10, 20], "Whether an element is infinite, of either or one sign", is_inf),
    OpDef::onnx("Where", &[9, 16], "`x` where the condition holds, else `y`", |cx| {
        let inputs = cx.all_inputs()?;
        cx.one_of(cx.input(0)?, Booleans)?;
        cx.same_type(&[cx.input(1)?, cx.input(2)?], All)?;
        Ok(vec![cx.map(&inputs, |e, v| e.select(v[0], v[1], v[2]))?])
    }),
];

fn compare(cx: &mut NodeCx<'_>, allowed: Elements, op: Compare) -> Built {
    let inputs = operands(cx)?;
    cx.same_type(&inputs, allowed)?;
    Ok(vec![cx.map(&inputs, |e, v| e.compare(op, v[0], v[1]))?])
}

fn is_inf(cx: &mut NodeCx<'_>) -> Built {
    let positive = cx.attributes.bool_or("detect_positive", true)?;
    let negative = cx.attributes.bool_or("detect_negative", true)?;
    formula(cx, Floats, |e, x| {
        let (above, below) = (e.number(x, f64::INFINITY), e.number(x, f64::NEG_INFINITY));
        let (above, below) = (e.compare(Compare::Equal, x, above), e.compare(Compare::Equal, x, below));
        match (positive, negative) {
            (true, true) => e.binary(Binary::Or, above, below),
            (true, false) => above,
            (false, true) => below,
            (false, false) => e.scalar(Scalar::Bool(false)),
        }
    })
}
