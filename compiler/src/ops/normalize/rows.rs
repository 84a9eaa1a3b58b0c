//! Normalisations over trailing axes: one row map each.

use super::{Built, channels_of, exact, per_channel};
use crate::diag::{Code, Diagnostic};
use crate::expr::{ExprBuilder, ExprId, Reduction, Unary};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Floats;
use crate::types::{DType, Dim, Shape};

/// The mean of the row.
fn row_mean(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    let sum = e.reduce(Reduction::Sum, x);
    let count = e.row_length(e.dtype(x));
    e.div(sum, count)
}

/// `x` without the mean of its row, and the reciprocal of the row's standard deviation.
fn centred(e: &mut ExprBuilder, x: ExprId, epsilon: f32) -> (ExprId, ExprId) {
    let mean = row_mean(e, x);
    let difference = e.sub(x, mean);
    (difference, inverse_root_mean_square(e, difference, epsilon))
}

fn inverse_root_mean_square(e: &mut ExprBuilder, x: ExprId, epsilon: f32) -> ExprId {
    let square = e.mul(x, x);
    let variance = row_mean(e, square);
    let epsilon = e.number(variance, f64::from(epsilon));
    let shifted = e.add(variance, epsilon);
    let root = e.unary(Unary::Sqrt, shifted);
    e.unary(Unary::Reciprocal, root)
}

/// What a row is normalised by.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::ops) enum Centre {
    /// Mean and deviation.
    Mean,
    /// The root mean square.
    Zero,
}

/// How rows are normalised.
struct Rows {
    space: Shape,
    row_axes: usize,
    centre: Centre,
    epsilon: f32,
    /// The type that everything is computed in.
    wide: DType,
}

/// `x` normalised along its rows, then scaled and shifted by tensors that broadcast to it.
fn normalised(
    cx: &mut NodeCx<'_>,
    rows: Rows,
    x: Value,
    scale: Option<Value>,
    bias: Option<Value>,
) -> Result<Value, Diagnostic> {
    let dtype = cx.dtype(x);
    let mut inputs = vec![x];
    inputs.extend(scale);
    inputs.extend(bias);
    cx.map_over(rows.space, rows.row_axes, false, &inputs, |e, v| {
        let x = e.cast(v[0], rows.wide);
        let (numerator, factor) = match rows.centre {
            Centre::Mean => centred(e, x, rows.epsilon),
            Centre::Zero => (x, inverse_root_mean_square(e, x, rows.epsilon)),
        };
        let mut y = e.mul(numerator, factor);
        let mut rest = v[1..].iter();
        if scale.is_some()
            && let Some(&scale) = rest.next()
        {
            let scale = e.cast(scale, rows.wide);
            y = e.mul(y, scale);
        }
        if bias.is_some()
            && let Some(&bias) = rest.next()
        {
            let bias = e.cast(bias, rows.wide);
            y = e.add(y, bias);
        }
        e.cast(y, dtype)
    })
}

/// The type that the attribute `stash_type` gives, or a wider one.
fn stash_type(cx: &NodeCx<'_>, x: Value) -> Result<DType, Diagnostic> {
    let stash = cx.attributes.int_or("stash_type", 1)?;
    match i32::try_from(stash).ok().and_then(DType::from_onnx) {
        Some(DType::F64) => Ok(DType::F64),
        Some(dtype) if dtype.is_float() => Ok(exact(cx.dtype(x))),
        _ => Err(cx.attributes.bad("stash_type", "is not a floating-point type")),
    }
}

/// LayerNormalization, with mean and reciprocal deviation where they are used.
pub(in crate::ops) fn layer_norm(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let (scale, bias) = (cx.optional(1), cx.optional(2));
    let inputs: Vec<Value> = [Some(x), scale, bias].into_iter().flatten().collect();
    for &input in &inputs {
        cx.one_of(input, Floats)?;
    }
    let space = cx.shape(x);
    let axis = cx.axis_attribute("axis", -1, space.len())?;
    let epsilon = cx.attributes.float_or("epsilon", 1e-5)?;
    let wide = stash_type(cx, x)?;
    let row_axes = space.len() - axis;
    let rows = Rows { space: space.clone(), row_axes, centre: Centre::Mean, epsilon, wide };
    let mut results = vec![normalised(cx, rows, x, scale, bias)?];
    if cx.output_used(1) || cx.output_used(2) {
        results.push(cx.map_over(space.clone(), row_axes, true, &[x], |e, v| {
            let x = e.cast(v[0], wide);
            row_mean(e, x)
        })?);
        results.push(cx.map_over(space, row_axes, true, &[x], |e, v| {
            let x = e.cast(v[0], wide);
            centred(e, x, epsilon).1
        })?);
    }
    Ok(results)
}

/// RMSNormalization.
pub(super) fn rms_norm(cx: &mut NodeCx<'_>) -> Built {
    let (x, scale) = (cx.input(0)?, cx.input(1)?);
    cx.one_of(x, Floats)?;
    cx.one_of(scale, Floats)?;
    let space = cx.shape(x);
    let axis = cx.axis_attribute("axis", -1, space.len())?;
    let epsilon = cx.attributes.float_or("epsilon", 1e-5)?;
    let wide = stash_type(cx, x)?;
    let rows = Rows { row_axes: space.len() - axis, space, centre: Centre::Zero, epsilon, wide };
    Ok(vec![normalised(cx, rows, x, Some(scale), None)?])
}

/// RMSNormalization as onnxruntime writes it: with the reciprocal of the root mean square where it is used.
pub(in crate::ops) fn simplified_layer_norm(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let (axis, epsilon) = (cx.attributes.int_or("axis", -1)?, cx.attributes.float_or("epsilon", 1e-5)?);
    let mut results = rms_norm(cx)?;
    if cx.output_used(1) {
        let (space, wide) = (cx.shape(x), stash_type(cx, x)?);
        let row_axes = space.len() - crate::ops::shape::axis(axis, space.len())?;
        results.push(cx.map_over(space, row_axes, true, &[x], |e, v| {
            let x = e.cast(v[0], wide);
            inverse_root_mean_square(e, x, epsilon)
        })?);
    }
    Ok(results)
}

/// Normalisation over the last axis.
///
/// # Errors
/// If scale or bias do not broadcast to the value.
pub(in crate::ops) fn normalize_last(
    cx: &mut NodeCx<'_>,
    x: Value,
    centre: Centre,
    epsilon: f32,
    scale: Option<Value>,
    bias: Option<Value>,
) -> Result<Value, Diagnostic> {
    let rows = Rows { space: cx.shape(x), row_axes: 1, centre, epsilon, wide: exact(cx.dtype(x)) };
    normalised(cx, rows, x, scale, bias)
}

/// InstanceNormalization: a row is the pixels of a channel.
pub(super) fn instance_norm(cx: &mut NodeCx<'_>) -> Built {
    let (x, scale, bias) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dtype = cx.same_type(&[x, scale, bias], Floats)?;
    let epsilon = cx.attributes.float_or("epsilon", 1e-5)?;
    let _ = cx.attributes.ints("consumed_inputs")?;
    let (space, channels) = channels_of(cx, x, 3)?;
    let scale = per_channel(cx, scale, &channels, space.len())?;
    let bias = per_channel(cx, bias, &channels, space.len())?;
    let rows = Rows { row_axes: space.len() - 2, space, centre: Centre::Mean, epsilon, wide: exact(dtype) };
    Ok(vec![normalised(cx, rows, x, Some(scale), Some(bias))?])
}

/// GroupNormalization: a row is the pixels of a group of channels. Scale and bias had one element per group before
/// operator set 21, and have one per channel since.
pub(super) fn group_norm(cx: &mut NodeCx<'_>) -> Built {
    let (x, scale, bias) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    cx.one_of(x, Floats)?;
    cx.same_type(&[scale, bias], Floats)?;
    let epsilon = cx.attributes.float_or("epsilon", 1e-5)?;
    let groups = cx.attributes.int("num_groups")?;
    let groups = Dim::from(cx.attributes.required("num_groups", groups)?);
    let wide = stash_type(cx, x)?;
    let of_group = cx.opset < 21;
    Ok(vec![normalize_groups(cx, x, &groups, of_group, epsilon, wide, scale, bias)?])
}

/// Normalisation over the pixels of each group of channels of `[N, C, spatial…]`. Scale and bias have one element per
/// group or else one per channel.
///
/// # Errors
/// If the channels do not divide into the groups, or the parameters do not fit.
#[allow(clippy::too_many_arguments, reason = "the operator's inputs and attributes")]
pub(in crate::ops) fn normalize_groups(
    cx: &mut NodeCx<'_>,
    x: Value,
    groups: &Dim,
    of_group: bool,
    epsilon: f32,
    wide: DType,
    scale: Value,
    bias: Value,
) -> Result<Value, Diagnostic> {
    let (shape, channels) = channels_of(cx, x, 2)?;
    let Some(group_channels) = channels.exact_div(groups).filter(|_| groups.as_i64() > Some(0)) else {
        let message = format!("{channels} channels do not divide into {groups} groups");
        return Err(Diagnostic::new(Code::BadInput, message));
    };
    let mut space = vec![shape[0].clone(), groups.clone(), group_channels.clone()];
    space.extend(shape[2..].iter().cloned());
    let parameter = |cx: &mut NodeCx<'_>, value: Value| {
        let mut own = vec![groups.clone(), if of_group { Dim::ONE } else { group_channels.clone() }];
        own.extend(std::iter::repeat_n(Dim::ONE, shape.len() - 2));
        cx.reshape(value, own)
    };
    let (scale, bias) = (parameter(cx, scale)?, parameter(cx, bias)?);
    let grouped = cx.reshape(x, space.clone())?;
    let rows = Rows { row_axes: space.len() - 2, space, centre: Centre::Mean, epsilon, wide };
    let y = normalised(cx, rows, grouped, Some(scale), Some(bias))?;
    cx.reshape(y, shape)
}
