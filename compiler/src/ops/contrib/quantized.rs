//! Operators on quantised tensors.
//!
//! Those without products compute on real numbers between a dequantisation and a quantisation, which fuse with what is
//! between them into one loop. Products are formed in 32-bit integers.

use super::same::default;
use super::{Built, microsoft};
use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::ops::quantize::{dequantized, dynamic, integer_product, quantized, rescale, spread};
use crate::ops::{NodeCx, OpDef};
use crate::types::DType;

/// The operators of this file.
pub static ROOM: &[OpDef] = &[
    microsoft("QLinearAdd", "Sum of quantised tensors, quantised again", |cx| real(cx, "Add", 14, 2)),
    microsoft("QLinearMul", "Product of quantised tensors, quantised again", |cx| real(cx, "Mul", 14, 2)),
    microsoft("QLinearSigmoid", "Sigmoid of a quantised tensor", |cx| real(cx, "Sigmoid", 13, 1)),
    microsoft("QLinearLeakyRelu", "LeakyRelu of a quantised tensor", |cx| real(cx, "LeakyRelu", 16, 1)),
    microsoft("QLinearReduceMean", "ReduceMean of a quantised tensor", |cx| real(cx, "ReduceMean", 13, 1)),
    microsoft("QLinearAveragePool", "AveragePool of a quantised tensor", |cx| real(cx, "AveragePool", 19, 1)),
    microsoft("QLinearGlobalAveragePool", "GlobalAveragePool of a quantised tensor", |cx| {
        real(cx, "GlobalAveragePool", 1, 1)
    }),
    microsoft("QLinearSoftmax", "Softmax of a quantised tensor", |cx| {
        let opset = cx.attributes.int("opset")?;
        let opset = cx.attributes.required("opset", opset)?;
        real(cx, "Softmax", opset, 1)
    }),
    microsoft("QLinearConcat", "Quantised tensors one after another, of one scale", concat),
    microsoft("QLinearWhere", "Elements of one quantised tensor or another", choose),
    microsoft("QGemm", "`A' * B' + C` of quantised matrices, quantised again or not", gemm),
    microsoft("MatMulIntegerToFloat", "Product of quantised matrices as real numbers", |cx| {
        let (a, b, a_scale, b_scale) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
        let (a_zero, b_zero) = (cx.optional(4), cx.optional(5));
        let bias = cx.optional(6);
        to_float(cx, (a, a_scale, a_zero), (b, b_scale, b_zero), bias)
    }),
    microsoft(
        "DynamicQuantizeMatMul",
        "Product of a matrix, quantised on the way, and a quantised one",
        |cx| {
            let (a, b, b_scale) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
            let (b_zero, bias) = (cx.optional(3), cx.optional(4));
            let [a, a_scale, a_zero] = dynamic(cx, a)?;
            to_float(cx, (a, a_scale, Some(a_zero)), (b, b_scale, b_zero), bias)
        },
    ),
];

/// A quantised tensor, its scale, and its zero point.
type Quantized = (Value, Value, Option<Value>);

/// The quantised tensor at inputs `i..i + 3`.
fn input(cx: &NodeCx<'_>, i: usize) -> Result<Quantized, Diagnostic> {
    Ok((cx.input(i)?, cx.input(i + 1)?, cx.optional(i + 2)))
}

fn real_input(cx: &mut NodeCx<'_>, i: usize) -> Result<Value, Diagnostic> {
    let (x, scale, zero) = input(cx, i)?;
    dequantized(cx, x, scale, zero)
}

/// An operator of the default domain on real numbers: its first `count` inputs are quantised tensors, then come scale and
/// zero point of the result.
fn real(cx: &mut NodeCx<'_>, name: &str, opset: i64, count: usize) -> Built {
    let dtype = cx.dtype(cx.input(0)?);
    let (scale, zero) = (cx.input(3 * count)?, cx.optional(3 * count + 1));
    let mut inputs = Vec::with_capacity(count);
    for i in 0..count {
        inputs.push(real_input(cx, 3 * i)?);
    }
    let channels_last = cx.attributes.bool_or("channels_last", false)?;
    if channels_last {
        let x = &mut inputs[0];
        let rank = cx.rank(*x);
        if rank < 3 {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("{} has no channels after pixels", cx.ty(*x)),
            ));
        }
        let perm: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
        *x = cx.transpose(*x, &perm)?;
    }
    cx.inputs = inputs.into_iter().map(Some).collect();
    let mut y = default(cx, name, opset)?.remove(0);
    if channels_last {
        let rank = cx.rank(y);
        let perm: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
        y = cx.transpose(y, &perm)?;
    }
    Ok(vec![quantized(cx, y, scale, zero, dtype)?])
}

/// A quantised tensor in the scale of the result; unchanged if it has that.
fn in_scale(cx: &mut NodeCx<'_>, from: Quantized, scale: Value, zero: Value) -> Result<Value, Diagnostic> {
    let (x, own_scale, own_zero) = from;
    let same = |a: Value, b: Value| {
        a == b || matches!((cx.constant(a), cx.constant(b)), (Some(a), Some(b)) if a.bytes() == b.bytes())
    };
    if same(own_scale, scale) && own_zero.is_some_and(|own| same(own, zero)) {
        return Ok(x);
    }
    let dtype = cx.dtype(x);
    let x = dequantized(cx, x, own_scale, own_zero)?;
    quantized(cx, x, scale, Some(zero), dtype)
}

fn concat(cx: &mut NodeCx<'_>) -> Built {
    let (scale, zero) = (cx.input(0)?, cx.input(1)?);
    let mut parts = Vec::with_capacity(cx.inputs.len() / 3);
    for i in (2..cx.inputs.len()).step_by(3) {
        let from = input(cx, i)?;
        parts.push(in_scale(cx, from, scale, zero)?);
    }
    let Some(&first) = parts.first() else {
        return Err(Diagnostic::new(Code::BadModel, "QLinearConcat has nothing to join"));
    };
    let axis = cx.attributes.int("axis")?;
    let axis = crate::ops::shape::axis(cx.attributes.required("axis", axis)?, cx.rank(first))?;
    Ok(vec![cx.concat(&parts, axis)?])
}

fn choose(cx: &mut NodeCx<'_>) -> Built {
    let condition = cx.input(0)?;
    let (a, b) = (input(cx, 1)?, input(cx, 4)?);
    let (scale, zero) = (cx.input(7)?, cx.input(8)?);
    let a = in_scale(cx, a, scale, zero)?;
    let b = in_scale(cx, b, scale, zero)?;
    Ok(vec![cx.map(&[condition, a, b], |e, v| e.select(v[0], v[1], v[2]))?])
}

fn gemm(cx: &mut NodeCx<'_>) -> Built {
    let ((mut a, a_scale, a_zero), (mut b, b_scale, b_zero)) = (input(cx, 0)?, input(cx, 3)?);
    if cx.rank(a) != 2 || cx.rank(b) != 2 {
        return Err(Diagnostic::new(Code::BadInput, "QGemm multiplies matrices: tensors of two axes"));
    }
    if cx.attributes.bool_or("transA", false)? {
        a = cx.transpose(a, &[1, 0])?;
    }
    if cx.attributes.bool_or("transB", false)? {
        b = cx.transpose(b, &[1, 0])?;
    }
    let alpha = cx.attributes.float_or("alpha", 1.0)?;
    let mut sums = integer_product(cx, (a, a_zero), (b, b_zero))?;
    if let Some(c) = cx.optional(6) {
        sums = cx.map(&[sums, c], |e, v| e.add(v[0], v[1]))?;
    }
    let a_scale = cx.map(&[a_scale], |e, v| {
        let alpha = e.number(v[0], f64::from(alpha));
        e.mul(v[0], alpha)
    })?;
    let (a_scale, b_scale) = (spread(cx, sums, a_scale, 1, 0)?, spread(cx, sums, b_scale, 1, 0)?);
    let (Some(y_scale), Some(y_zero)) = (cx.optional(7), cx.optional(8)) else {
        return Ok(vec![scaled(cx, sums, a_scale, b_scale, None)?]);
    };
    let (y_scale, y_zero) = (spread(cx, sums, y_scale, 1, 0)?, spread(cx, sums, y_zero, 1, 0)?);
    Ok(vec![rescale(cx, sums, [a_scale, b_scale, y_scale], y_zero)?])
}

/// Rows of the left operand and columns of the right one may have scales of their own.
fn to_float(cx: &mut NodeCx<'_>, a: Quantized, b: Quantized, bias: Option<Value>) -> Built {
    let sums = integer_product(cx, (a.0, a.2), (b.0, b.2))?;
    let columns = cx.rank(sums) as i64 - 1;
    let a_scale = spread(cx, sums, a.1, columns - 1, 0)?;
    let b_scale = if cx.rank(b.1) == cx.rank(sums) { b.1 } else { spread(cx, sums, b.1, columns, 0)? };
    Ok(vec![scaled(cx, sums, a_scale, b_scale, bias)?])
}

/// 32-bit sums as real numbers.
fn scaled(
    cx: &mut NodeCx<'_>,
    sums: Value,
    a_scale: Value,
    b_scale: Value,
    bias: Option<Value>,
) -> Result<Value, Diagnostic> {
    let dtype = cx.dtype(b_scale);
    let mut inputs = vec![sums, a_scale, b_scale];
    inputs.extend(bias);
    cx.map(&inputs, |e, v| {
        let [sums, a, b] = [v[0], v[1], v[2]].map(|v| e.cast(v, DType::F32));
        let scale = e.mul(a, b);
        let y = e.mul(sums, scale);
        let y = e.cast(y, dtype);
        v.get(3).map_or(y, |&bias| e.add(y, bias))
    })
}
