//! Random numbers.
//!
//! A program keeps nothing from run to run unless it is told to, so its noise is a function of the position: the hash of
//! the element's number and of the node's seed. It is the same in every run and on every machine; a node without a seed
//! has one made of its name.

use super::Built;
use crate::diag::{Code, Diagnostic};
use crate::expr::{Binary, ExprBuilder, ExprId, Unary};
use crate::ops::NodeCx;
use crate::ops::pointwise::cast::element_type;
use crate::types::{DType, Dim, Scalar, Shape};
use xxhash_rust::xxh3::xxh3_64;

/// RandomNormal.
pub(super) fn normal(cx: &mut NodeCx<'_>) -> Built {
    let shape = shape_given(cx)?;
    normals(cx, shape, DType::F32)
}

/// RandomNormalLike.
pub(super) fn normal_like(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    normals(cx, cx.shape(x), cx.dtype(x))
}

/// RandomUniform.
pub(super) fn uniform(cx: &mut NodeCx<'_>) -> Built {
    let shape = shape_given(cx)?;
    uniforms(cx, shape, DType::F32)
}

/// RandomUniformLike.
pub(super) fn uniform_like(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    uniforms(cx, cx.shape(x), cx.dtype(x))
}

fn shape_given(cx: &mut NodeCx<'_>) -> Result<Shape, Diagnostic> {
    let shape = cx.attributes.ints("shape")?.map(<[i64]>::to_vec);
    Ok(cx.attributes.required("shape", shape)?.into_iter().map(Dim::from).collect())
}

/// `mean + scale * sqrt(-2 ln u) * cos(2 pi v)` with `u` in (0, 1] and `v` in [0, 1).
fn normals(cx: &mut NodeCx<'_>, shape: Shape, default: DType) -> Built {
    let dtype = float_type(cx, default)?;
    let (mean, scale) = (cx.attributes.float_or("mean", 0.0)?, cx.attributes.float_or("scale", 1.0)?);
    let seed = seed(cx)?;
    let space = shape.clone();
    let result = cx.map_over(shape, 0, false, &[], |e, _| {
        let number = element_number(e, &space);
        let (u, v) = (fraction(e, number, seed), fraction(e, number, seed ^ 0x9e37_79b9));
        let (tiny, twice, turn) =
            (float(e, 0.5_f64.powi(24)), float(e, -2.0), float(e, std::f64::consts::TAU));
        let (u, angle) = (e.add(u, tiny), e.mul(turn, v));
        let (log, cosine) = (e.unary(Unary::Log, u), e.unary(Unary::Cos, angle));
        let square = e.mul(twice, log);
        let length = e.unary(Unary::Sqrt, square);
        let drawn = e.mul(length, cosine);
        placed(e, drawn, mean, scale, dtype)
    })?;
    Ok(vec![result])
}

/// `low + (high - low) * u` with `u` in [0, 1).
fn uniforms(cx: &mut NodeCx<'_>, shape: Shape, default: DType) -> Built {
    let dtype = float_type(cx, default)?;
    let (low, high) = (cx.attributes.float_or("low", 0.0)?, cx.attributes.float_or("high", 1.0)?);
    let seed = seed(cx)?;
    let space = shape.clone();
    let result = cx.map_over(shape, 0, false, &[], |e, _| {
        let number = element_number(e, &space);
        let drawn = fraction(e, number, seed);
        placed(e, drawn, low, high - low, dtype)
    })?;
    Ok(vec![result])
}

fn float_type(cx: &mut NodeCx<'_>, default: DType) -> Result<DType, Diagnostic> {
    let dtype = element_type(cx, "dtype")?.unwrap_or(default);
    if dtype.is_float() {
        return Ok(dtype);
    }
    let message = format!("{} does not give elements of type {dtype}", cx.origin.op);
    Err(Diagnostic::new(Code::UnsupportedType, message).help("set `dtype` to a floating-point type"))
}

fn seed(cx: &mut NodeCx<'_>) -> Result<u32, Diagnostic> {
    Ok(match cx.attributes.float("seed")? {
        Some(seed) => seed.to_bits(),
        None => xxh3_64(cx.origin.name.as_bytes()) as u32,
    })
}

/// The number of the element in row-major order, as a 32-bit integer.
fn element_number(e: &mut ExprBuilder, space: &[Dim]) -> ExprId {
    let mut number = e.scalar(Scalar::Int(DType::I64, 0));
    for (axis, extent) in space.iter().enumerate() {
        let (extent, index) = (e.size(extent.clone(), DType::I64), e.index(axis));
        let rows = e.mul(number, extent);
        number = e.add(rows, index);
    }
    e.cast(number, DType::U32)
}

/// A number in [0, 1) with 24 bits: the hash of an element's number. The two rounds of multiplying by odd numbers and
/// folding high bits onto low ones change half of the bits for each bit of the argument.
fn fraction(e: &mut ExprBuilder, number: ExprId, seed: u32) -> ExprId {
    let word = |e: &mut ExprBuilder, v: u32| e.scalar(Scalar::Int(DType::U32, i64::from(v)));
    let mix = word(e, seed.wrapping_mul(0x9e37_79b1) ^ 0x85eb_ca6b);
    let mut bits = e.binary(Binary::Xor, number, mix);
    for (shift, factor) in [(16, 0x7feb_352d), (15, 0x846c_a68b), (16, 1)] {
        let places = word(e, shift);
        let high = e.binary(Binary::ShiftRight, bits, places);
        let folded = e.binary(Binary::Xor, bits, high);
        let factor = word(e, factor);
        bits = e.mul(folded, factor);
    }
    let eight = word(e, 8);
    let top = e.binary(Binary::ShiftRight, bits, eight);
    let (top, step) = (e.cast(top, DType::F32), float(e, 0.5_f64.powi(24)));
    e.mul(top, step)
}

fn float(e: &mut ExprBuilder, value: f64) -> ExprId {
    e.scalar(Scalar::from_f64(DType::F32, value))
}

fn placed(e: &mut ExprBuilder, drawn: ExprId, start: f32, scale: f32, dtype: DType) -> ExprId {
    let (start, scale) = (float(e, f64::from(start)), float(e, f64::from(scale)));
    let scaled = e.mul(scale, drawn);
    let moved = e.add(start, scaled);
    e.cast(moved, dtype)
}
