//! Linear quantisation: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear and the products of quantised tensors.
//!
//! <https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>,
//! <https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html>,
//! <https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html>,
//! <https://onnx.ai/onnx/operators/onnx__QLinearConv.html>, <https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html>,
//! <https://onnx.ai/onnx/operators/onnx__MatMulInteger.html>, <https://onnx.ai/onnx/operators/onnx__ConvInteger.html>.
//! Scaling and rounding are maps; products run on 32-bit integers.

use super::conv::{self, window};
use super::shape::axis;
use super::{NodeCx, OpDef};
use crate::diag::{Code, Diagnostic};
use crate::expr::{ExprBuilder, ExprId, Reduction, Unary};
use crate::ir::Value;
use crate::types::{DType, Dim};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "QuantizeLinear",
        domain: "",
        since: &[10, 13, 19, 21, 23, 24, 25],
        doc: "`saturate(round(x / scale) + zero_point)`, per tensor, axis or block.",
        build: build_quantize,
    },
    OpDef {
        name: "DequantizeLinear",
        domain: "",
        since: &[10, 13, 19, 21, 23, 24, 25],
        doc: "`(x - zero_point) * scale`, per tensor, axis or block.",
        build: build_dequantize,
    },
    OpDef {
        name: "DynamicQuantizeLinear",
        domain: "",
        since: &[11],
        doc: "Quantises to uint8 with a scale that fits the data, and gives scale and zero point.",
        build: build_dynamic,
    },
    OpDef {
        name: "MatMulInteger",
        domain: "",
        since: &[10],
        doc: "Product of 8-bit matrices in 32 bits.",
        build: build_matmul_integer,
    },
    OpDef {
        name: "ConvInteger",
        domain: "",
        since: &[10],
        doc: "Convolution of 8-bit tensors in 32 bits.",
        build: build_conv_integer,
    },
    OpDef {
        name: "QLinearMatMul",
        domain: "",
        since: &[10, 21],
        doc: "Product of quantised matrices, quantised again.",
        build: build_qlinear_matmul,
    },
    OpDef {
        name: "QLinearConv",
        domain: "",
        since: &[10],
        doc: "Convolution of quantised tensors, quantised again.",
        build: build_qlinear_conv,
    },
];

/// A scale or zero point in a form that broadcasts to `x`: as it is for a scalar, along `axis` for a vector, repeated
/// over blocks for a tensor of the same rank.
pub(super) fn spread(
    cx: &mut NodeCx<'_>,
    x: Value,
    parameter: Value,
    at: i64,
    block: i64,
) -> Result<Value, Diagnostic> {
    let (shape, own) = (cx.shape(x), cx.shape(parameter));
    if own.is_empty() || own.len() == 1 && own[0].is(1) {
        return cx.reshape(parameter, Vec::new());
    }
    let at = axis(at, shape.len())?;
    if block == 0 {
        if own.len() != 1 {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("scale and zero point of shape {own:?} need the attribute `block_size`"),
            ));
        }
        let mut along = vec![Dim::ONE; shape.len()];
        along[at] = own[0].clone();
        return cx.reshape(parameter, along);
    }
    if own.len() != shape.len() {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("blocks of {shape:?} need scales of as many axes, not {own:?}"),
        ));
    }
    // [.., blocks, ..] as [.., blocks, 1, ..], repeated, and cut to the extent of x.
    let block_extent = Dim::from(block);
    let mut split = own.clone();
    split.insert(at + 1, Dim::ONE);
    let mut repeated = own.clone();
    repeated.insert(at + 1, block_extent.clone());
    let mut joined = own.clone();
    joined[at] = &own[at] * &block_extent;
    let split = cx.reshape(parameter, split)?;
    let repeated = cx.expand(split, repeated)?;
    let joined = cx.reshape(repeated, joined)?;
    cx.slice(joined, at, Dim::ZERO, shape[at].clone())
}

/// Smallest and largest value of an integer type, as doubles.
fn limits(dtype: DType) -> Option<(f64, f64)> {
    Some(match dtype {
        DType::I8 => (-128.0, 127.0),
        DType::U8 => (0.0, 255.0),
        DType::I16 => (-32768.0, 32767.0),
        DType::U16 => (0.0, 65535.0),
        DType::I32 => (-2_147_483_648.0, 2_147_483_647.0),
        _ => return None,
    })
}

/// Rounds, adds the zero point and saturates to `dtype`.
fn requantize(e: &mut ExprBuilder, scaled: ExprId, zero: Option<ExprId>, dtype: DType) -> ExprId {
    let mut y = e.unary(Unary::Round, scaled);
    if let Some(zero) = zero {
        let float = e.dtype(y);
        let zero = e.cast(zero, float);
        y = e.add(y, zero);
    }
    if let Some((lo, hi)) = limits(dtype) {
        let (lo, hi) = (e.number(y, lo), e.number(y, hi));
        y = e.max(y, lo);
        y = e.min(y, hi);
    }
    e.cast(y, dtype)
}

fn quantized_type(cx: &NodeCx<'_>, dtype: DType) -> Result<DType, Diagnostic> {
    match limits(dtype) {
        Some(_) => Ok(dtype),
        None => Err(Diagnostic::new(
            Code::UnsupportedType,
            format!("{} to element type {dtype}; 8- and 16-bit integers are supported", cx.origin.op),
        )),
    }
}

fn build_quantize(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, scale) = (cx.input(0)?, cx.input(1)?);
    let at = cx.attributes.int_or("axis", 1)?;
    let block = cx.attributes.int_or("block_size", 0)?;
    cx.attributes.int_or("saturate", 1)?;
    cx.attributes.int_or("precision", 0)?;
    let wanted = cx.attributes.int_or("output_dtype", 0)?;
    let zero = cx.optional(2);
    let dtype = match (zero, wanted) {
        (Some(zero), _) => cx.dtype(zero),
        (None, 0) => DType::U8,
        (None, code) => i32::try_from(code).ok().and_then(DType::from_onnx).ok_or_else(|| {
            let name = i32::try_from(code).map_or("of an unknown number", DType::onnx_name);
            Diagnostic::new(Code::UnsupportedType, format!("QuantizeLinear to element type {name}"))
        })?,
    };
    let dtype = quantized_type(cx, dtype)?;
    let scale = spread(cx, x, scale, at, block)?;
    let mut inputs = vec![x, scale];
    if let Some(zero) = zero {
        inputs.push(spread(cx, x, zero, at, block)?);
    }
    let y = cx.map(&inputs, |e, v| {
        let wide = |e: &mut ExprBuilder, id: ExprId| {
            if e.dtype(id) == DType::F64 { id } else { e.cast(id, DType::F32) }
        };
        let (x, scale) = (wide(e, v[0]), wide(e, v[1]));
        let scale = if e.dtype(scale) == e.dtype(x) { scale } else { e.cast(scale, DType::F32) };
        let scaled = e.div(x, scale);
        requantize(e, scaled, v.get(2).copied(), dtype)
    })?;
    Ok(vec![y])
}

fn build_dequantize(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, scale) = (cx.input(0)?, cx.input(1)?);
    let at = cx.attributes.int_or("axis", 1)?;
    let block = cx.attributes.int_or("block_size", 0)?;
    let wanted = cx.attributes.int_or("output_dtype", 0)?;
    let dtype = match wanted {
        0 => cx.dtype(scale),
        code => {
            i32::try_from(code).ok().and_then(DType::from_onnx).filter(|d| d.is_float()).ok_or_else(|| {
                Diagnostic::new(
                    Code::BadAttribute,
                    format!("DequantizeLinear cannot give output_dtype {code}"),
                )
            })?
        }
    };
    let zero = cx.optional(2);
    let scale = spread(cx, x, scale, at, block)?;
    let mut inputs = vec![x, scale];
    if let Some(zero) = zero {
        inputs.push(spread(cx, x, zero, at, block)?);
    }
    let y = cx.map(&inputs, |e, v| {
        let float = e.dtype(v[1]);
        let centred = match v.get(2) {
            Some(&zero) => {
                let (x, zero) = (e.cast(v[0], DType::I32), e.cast(zero, DType::I32));
                e.sub(x, zero)
            }
            None => v[0],
        };
        let centred = e.cast(centred, float);
        let y = e.mul(centred, v[1]);
        e.cast(y, dtype)
    })?;
    Ok(vec![y])
}

/// A tensor of one scale as real numbers.
///
/// # Errors
/// If scale or zero point are not scalars.
pub(super) fn dequantized(
    cx: &mut NodeCx<'_>,
    x: Value,
    scale: Value,
    zero: Option<Value>,
) -> Result<Value, Diagnostic> {
    let centred = centred(cx, x, zero, 0)?;
    let scale = spread(cx, x, scale, 0, 0)?;
    cx.map(&[centred, scale], |e, v| {
        let x = e.cast(v[0], DType::F32);
        e.mul(x, v[1])
    })
}

/// Real numbers quantised with one scale.
///
/// # Errors
/// If scale or zero point are not scalars, or nothing quantises to `dtype`.
pub(super) fn quantized(
    cx: &mut NodeCx<'_>,
    x: Value,
    scale: Value,
    zero: Option<Value>,
    dtype: DType,
) -> Result<Value, Diagnostic> {
    let dtype = quantized_type(cx, dtype)?;
    let mut inputs = vec![x, spread(cx, x, scale, 0, 0)?];
    if let Some(zero) = zero {
        inputs.push(spread(cx, x, zero, 0, 0)?);
    }
    cx.map(&inputs, |e, v| {
        let scaled = e.div(v[0], v[1]);
        requantize(e, scaled, v.get(2).copied(), dtype)
    })
}

fn build_dynamic(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    Ok(dynamic(cx, x)?.to_vec())
}

/// A tensor quantised to uint8, its scale and its zero point.
///
/// # Errors
/// If it does not hold floats.
pub(super) fn dynamic(cx: &mut NodeCx<'_>, x: Value) -> Result<[Value; 3], Diagnostic> {
    let (shape, rank) = (cx.shape(x), cx.rank(x));
    let ones = vec![Dim::ONE; rank];
    // The range of the data, widened to hold zero.
    let bound = |cx: &mut NodeCx<'_>, op: Reduction| {
        let all = cx.map_over(shape.clone(), rank, true, &[x], |e, v| {
            let extreme = e.reduce(op, v[0]);
            let zero = e.number(extreme, 0.0);
            if op == Reduction::Max { e.max(extreme, zero) } else { e.min(extreme, zero) }
        })?;
        cx.reshape(all, Vec::new())
    };
    let (low, high) = (bound(cx, Reduction::Min)?, bound(cx, Reduction::Max)?);
    let scale = cx.map(&[low, high], |e, v| {
        let range = e.sub(v[1], v[0]);
        let steps = e.number(range, 255.0);
        e.div(range, steps)
    })?;
    let zero = cx.map(&[low, scale], |e, v| {
        let quotient = e.div(v[0], v[1]);
        let negated = e.unary(Unary::Neg, quotient);
        // Data that is all zero has no scale.
        let nothing = e.unary(Unary::IsNan, negated);
        let none = e.number(negated, 0.0);
        let at = e.select(nothing, none, negated);
        requantize(e, at, None, DType::U8)
    })?;
    let (scale_full, zero_full) = (cx.reshape(scale, ones.clone())?, cx.reshape(zero, ones)?);
    let y = cx.map(&[x, scale_full, zero_full], |e, v| {
        let scaled = e.div(v[0], v[1]);
        let nothing = e.unary(Unary::IsNan, scaled);
        let none = e.number(scaled, 0.0);
        let scaled = e.select(nothing, none, scaled);
        requantize(e, scaled, Some(v[2]), DType::U8)
    })?;
    Ok([y, scale, zero])
}

/// A quantised tensor as 32-bit integers with its zero point taken away. The zero point is a scalar, has the rank of
/// the tensor, or counts along `along`.
fn centred(cx: &mut NodeCx<'_>, x: Value, zero: Option<Value>, along: usize) -> Result<Value, Diagnostic> {
    let Some(zero) = zero else { return cx.cast(x, DType::I32) };
    let zero = if cx.rank(zero) == cx.rank(x) { zero } else { spread(cx, x, zero, along as i64, 0)? };
    cx.map(&[x, zero], |e, v| {
        let (x, zero) = (e.cast(v[0], DType::I32), e.cast(v[1], DType::I32));
        e.sub(x, zero)
    })
}

/// Rows of the left operand and columns of the right one may have zero points of their own.
pub(super) fn integer_product(
    cx: &mut NodeCx<'_>,
    a: (Value, Option<Value>),
    b: (Value, Option<Value>),
) -> Result<Value, Diagnostic> {
    let rows = cx.rank(a.0).saturating_sub(2);
    let columns = cx.rank(b.0).saturating_sub(1);
    let left = centred(cx, a.0, a.1, rows)?;
    let right = centred(cx, b.0, b.1, columns)?;
    cx.matmul(left, right)
}

fn build_matmul_integer(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    let (a_zero, b_zero) = (cx.optional(2), cx.optional(3));
    Ok(vec![integer_product(cx, (a, a_zero), (b, b_zero))?])
}

/// A convolution of centred integers, channels last.
fn integer_conv(
    cx: &mut NodeCx<'_>,
    x: (Value, Option<Value>),
    w: (Value, Option<Value>),
) -> Result<Value, Diagnostic> {
    window::check_rank(cx, x.0)?;
    let groups = conv::groups(cx)?;
    let kernel = conv::weight_window(cx, w.0)?;
    let spatial = cx.shape(x.0)[2..].to_vec();
    let window = window::read(cx, &spatial, Some(kernel))?;
    let image = centred(cx, x.0, x.1, 1)?;
    let weights = centred(cx, w.0, w.1, 0)?;
    let pixels = window::to_channels_last(cx, image)?;
    cx.add(conv::Conv { window, groups }, &[pixels, weights])
}

fn build_conv_integer(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, w) = (cx.input(0)?, cx.input(1)?);
    let (x_zero, w_zero) = (cx.optional(2), cx.optional(3));
    let sums = integer_conv(cx, (x, x_zero), (w, w_zero))?;
    Ok(vec![window::to_channels_first(cx, sums)?])
}

/// 32-bit sums as the quantised result: scaled by `a_scale * b_scale / y_scale`, rounded and saturated.
pub(super) fn rescale(
    cx: &mut NodeCx<'_>,
    sums: Value,
    scales: [Value; 3],
    y_zero: Value,
) -> Result<Value, Diagnostic> {
    let dtype = quantized_type(cx, cx.dtype(y_zero))?;
    let [a_scale, b_scale, y_scale] = scales;
    cx.map(&[sums, a_scale, b_scale, y_scale, y_zero], |e, v| {
        let float = |e: &mut ExprBuilder, id| e.cast(id, DType::F32);
        let (sums, a, b, y) = (float(e, v[0]), float(e, v[1]), float(e, v[2]), float(e, v[3]));
        let product = e.mul(a, b);
        let scale = e.div(product, y);
        let scaled = e.mul(sums, scale);
        requantize(e, scaled, Some(v[4]), dtype)
    })
}

fn build_qlinear_matmul(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let v = cx.all_inputs()?;
    let &[a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero] = v.as_slice() else {
        return Err(Diagnostic::new(
            Code::BadModel,
            format!("QLinearMatMul needs 8 inputs, it has {}", v.len()),
        ));
    };
    let sums = integer_product(cx, (a, Some(a_zero)), (b, Some(b_zero)))?;
    let rank = cx.rank(sums);
    let rows = if cx.rank(a_scale) == cx.rank(sums) {
        a_scale
    } else {
        spread(cx, sums, a_scale, rank as i64 - 2, 0)?
    };
    let columns = if cx.rank(b_scale) == cx.rank(sums) {
        b_scale
    } else {
        spread(cx, sums, b_scale, rank as i64 - 1, 0)?
    };
    let (y_scale, y_zero) = (spread(cx, sums, y_scale, 0, 0)?, spread(cx, sums, y_zero, 0, 0)?);
    Ok(vec![rescale(cx, sums, [rows, columns, y_scale], y_zero)?])
}

fn build_qlinear_conv(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let [x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero] =
        [0, 1, 2, 3, 4, 5, 6, 7].map(|i| cx.input(i));
    let (x_scale, w_scale, y_scale, y_zero) = (x_scale?, w_scale?, y_scale?, y_zero?);
    let mut sums = integer_conv(cx, (x?, Some(x_zero?)), (w?, Some(w_zero?)))?;
    if let Some(bias) = cx.optional(8) {
        sums = cx.map(&[sums, bias], |e, v| e.add(v[0], v[1]))?;
    }
    let last = cx.rank(sums) as i64 - 1;
    let scales = [x_scale, w_scale, y_scale].map(|s| spread(cx, sums, s, last, 0));
    let [x_scale, w_scale, y_scale] = scales;
    let y_zero = spread(cx, sums, y_zero, last, 0)?;
    let y = rescale(cx, sums, [x_scale?, w_scale?, y_scale?], y_zero)?;
    Ok(vec![window::to_channels_first(cx, y)?])
}
