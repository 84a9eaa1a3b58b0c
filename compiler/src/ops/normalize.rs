//! Normalisation: row maps over the features, and LRN.
//!
//! `BatchNormalization` <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html> (inference),
//! `LayerNormalization` <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>, `RMSNormalization`,
//! `InstanceNormalization`, `GroupNormalization`, `MeanVarianceNormalization`, `LpNormalization` and `LRN` beside them.
//! Sums run in single precision for half-precision data.

mod lrn;

use super::{NodeCx, OpDef};
use crate::diag::{Code, Diagnostic};
use crate::expr::{Compare, ExprBuilder, ExprId, Reduction, Unary};
use crate::ir::Value;
use crate::types::{DType, Dim, Shape};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "BatchNormalization",
        domain: "",
        since: &[7, 9, 14, 15],
        doc: "`(x - mean) / sqrt(var + epsilon) * scale + B` with given statistics per channel (inference).",
        build: build_batch,
    },
    OpDef {
        name: "LayerNormalization",
        domain: "",
        since: &[17],
        doc: "Standardises over the trailing axes, then scales and shifts.",
        build: build_layer,
    },
    OpDef {
        name: "RMSNormalization",
        domain: "",
        since: &[23],
        doc: "Divides by the root mean square over the trailing axes, then scales.",
        build: build_rms,
    },
    OpDef {
        name: "InstanceNormalization",
        domain: "",
        since: &[6, 22],
        doc: "Standardises over the spatial axes, then scales and shifts per channel.",
        build: build_instance,
    },
    OpDef {
        name: "GroupNormalization",
        domain: "",
        since: &[18, 21],
        doc: "Standardises over groups of channels and the spatial axes, then scales and shifts.",
        build: build_group,
    },
    OpDef {
        name: "MeanVarianceNormalization",
        domain: "",
        since: &[9, 13],
        doc: "Standardises over the given axes.",
        build: build_mean_variance,
    },
    OpDef {
        name: "LpNormalization",
        domain: "",
        since: &[1, 22],
        doc: "Divides by the 1- or 2-norm along an axis.",
        build: build_lp,
    },
    OpDef {
        name: "LRN",
        domain: "",
        since: &[1, 13],
        doc: "Local response normalisation across channels.",
        build: lrn::build,
    },
];

/// The type that sums run in.
fn wide(dtype: DType) -> DType {
    if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype }
}

/// Mean over the row.
fn mean(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    let total = e.reduce(Reduction::Sum, x);
    let dtype = e.dtype(x);
    let n = e.row_length(dtype);
    e.div(total, n)
}

/// `1 / sqrt(mean(x²) + epsilon)` over the row.
fn inverse_root_mean_square(e: &mut ExprBuilder, x: ExprId, epsilon: f64) -> ExprId {
    let square = e.mul(x, x);
    let variance = mean(e, square);
    let epsilon = e.number(variance, epsilon);
    let sum = e.add(variance, epsilon);
    let root = e.unary(Unary::Sqrt, sum);
    e.unary(Unary::Reciprocal, root)
}

/// `(x - mean(x)) / sqrt(var(x) + epsilon)` over the row.
fn standardised(e: &mut ExprBuilder, x: ExprId, epsilon: f64) -> ExprId {
    let mean = mean(e, x);
    let centred = e.sub(x, mean);
    let inverse = inverse_root_mean_square(e, centred, epsilon);
    e.mul(centred, inverse)
}

/// Multiplies by the second and adds the third input, those that are there, in the type of `y`; the result has type
/// `dtype`.
fn scaled(
    e: &mut ExprBuilder,
    y: ExprId,
    scale: Option<ExprId>,
    shift: Option<ExprId>,
    dtype: DType,
) -> ExprId {
    let wide = e.dtype(y);
    let mut y = y;
    if let Some(scale) = scale {
        let scale = e.cast(scale, wide);
        y = e.mul(y, scale);
    }
    if let Some(shift) = shift {
        let shift = e.cast(shift, wide);
        y = e.add(y, shift);
    }
    e.cast(y, dtype)
}

/// A parameter of one element per channel, shaped to broadcast along axis 1 of `x`.
fn per_channel(cx: &mut NodeCx<'_>, x: Value, parameter: Value, what: &str) -> Result<Value, Diagnostic> {
    let (rank, own) = (cx.rank(x), cx.shape(parameter));
    if rank < 2 || own.len() != 1 || own[0].as_i64() != cx.shape(x)[1].as_i64() {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("`{what}` of type {} is not one element per channel of {}", cx.ty(parameter), cx.ty(x)),
        ));
    }
    let mut shape = vec![Dim::ONE; rank - 1];
    shape[0] = own[0].clone();
    cx.reshape(parameter, shape)
}

fn build_batch(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let epsilon = f64::from(cx.attributes.float_or("epsilon", 1e-5)?);
    cx.attributes.float_or("momentum", 0.9)?;
    if !cx.attributes.bool_or("spatial", true)? {
        return Err(cx.unsupported("BatchNormalization with spatial = 0; export with opset 9 or later"));
    }
    if cx.attributes.bool_or("training_mode", false)? || (1..5).any(|i| cx.output_used(i)) {
        return Err(cx
            .unsupported("BatchNormalization in training mode")
            .help("export the model for inference"));
    }
    let names = ["scale", "B", "input_mean", "input_var"];
    let mut statistics = Vec::with_capacity(4);
    for (i, what) in names.iter().enumerate() {
        let parameter = cx.input(i + 1)?;
        statistics.push(per_channel(cx, x, parameter, what)?);
    }
    let [scale, shift, mean, variance] = statistics[..] else { unreachable!("four statistics") };
    let factor = cx.map(&[scale, variance], |e, v| {
        let epsilon = e.number(v[1], epsilon);
        let sum = e.add(v[1], epsilon);
        let root = e.unary(Unary::Sqrt, sum);
        let root = e.cast(root, e.dtype(v[0]));
        e.div(v[0], root)
    })?;
    let offset = cx.map(&[shift, mean, factor], |e, v| {
        let mean = e.cast(v[1], e.dtype(v[2]));
        let moved = e.mul(mean, v[2]);
        e.sub(v[0], moved)
    })?;
    let dtype = cx.dtype(x);
    Ok(vec![cx.map(&[x, factor, offset], |e, v| {
        let x = e.cast(v[0], e.dtype(v[1]));
        scaled(e, x, Some(v[1]), Some(v[2]), dtype)
    })?])
}

fn build_layer(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, scale) = (cx.input(0)?, cx.input(1)?);
    let shift = cx.optional(2);
    let epsilon = f64::from(cx.attributes.float_or("epsilon", 1e-5)?);
    cx.attributes.int_or("stash_type", 1)?;
    let (space, dtype) = (cx.shape(x), cx.dtype(x));
    let axis = cx.axis_attribute("axis", -1, space.len())?;
    let row_axes = space.len() - axis;
    let mut inputs = vec![x, scale];
    inputs.extend(shift);
    let y = cx.map_over(space.clone(), row_axes, false, &inputs, |e, v| {
        let x = e.cast(v[0], wide(dtype));
        let y = standardised(e, x, epsilon);
        scaled(e, y, Some(v[1]), v.get(2).copied(), dtype)
    })?;
    let mut outputs = vec![y];
    if cx.output_used(1) || cx.output_used(2) {
        outputs.push(cx.map_over(space.clone(), row_axes, true, &[x], |e, v| {
            let x = e.cast(v[0], wide(dtype));
            mean(e, x)
        })?);
        outputs.push(cx.map_over(space, row_axes, true, &[x], |e, v| {
            let x = e.cast(v[0], wide(dtype));
            let mean = mean(e, x);
            let centred = e.sub(x, mean);
            inverse_root_mean_square(e, centred, epsilon)
        })?);
    }
    Ok(outputs)
}

fn build_rms(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, scale) = (cx.input(0)?, cx.input(1)?);
    let epsilon = f64::from(cx.attributes.float_or("epsilon", 1e-5)?);
    cx.attributes.int_or("stash_type", 1)?;
    let (space, dtype) = (cx.shape(x), cx.dtype(x));
    let axis = cx.axis_attribute("axis", -1, space.len())?;
    let row_axes = space.len() - axis;
    Ok(vec![cx.map_over(space, row_axes, false, &[x, scale], |e, v| {
        let x = e.cast(v[0], wide(dtype));
        let inverse = inverse_root_mean_square(e, x, epsilon);
        let y = e.mul(x, inverse);
        scaled(e, y, Some(v[1]), None, dtype)
    })?])
}

/// Standardises over the last `row_axes` axes, scales and shifts.
fn standardise(
    cx: &mut NodeCx<'_>,
    x: Value,
    row_axes: usize,
    epsilon: f64,
    scale: Value,
    shift: Value,
) -> Result<Value, Diagnostic> {
    let (space, dtype) = (cx.shape(x), cx.dtype(x));
    cx.map_over(space, row_axes, false, &[x, scale, shift], |e, v| {
        let x = e.cast(v[0], wide(dtype));
        let y = standardised(e, x, epsilon);
        scaled(e, y, Some(v[1]), Some(v[2]), dtype)
    })
}

fn build_instance(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, scale, shift) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let epsilon = f64::from(cx.attributes.float_or("epsilon", 1e-5)?);
    if cx.rank(x) < 3 {
        return Err(Diagnostic::new(Code::BadInput, format!("{} has no spatial axes", cx.ty(x))));
    }
    let scale = per_channel(cx, x, scale, "scale")?;
    let shift = per_channel(cx, x, shift, "B")?;
    let row_axes = cx.rank(x) - 2;
    Ok(vec![standardise(cx, x, row_axes, epsilon, scale, shift)?])
}

fn build_group(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, scale, shift) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let epsilon = f64::from(cx.attributes.float_or("epsilon", 1e-5)?);
    cx.attributes.int_or("stash_type", 1)?;
    let groups = cx.attributes.int("num_groups")?;
    let groups = cx.attributes.required("num_groups", groups)?;
    let shape = cx.shape(x);
    let count = Dim::from(groups);
    let Some(members) = shape.get(1).filter(|_| groups > 0).and_then(|c| c.exact_div(&count)) else {
        return Err(cx
            .attributes
            .bad("num_groups", &format!("{groups} does not divide the channels of {}", cx.ty(x))));
    };
    let mut grouped: Shape = vec![shape[0].clone(), count.clone(), members.clone()];
    grouped.extend_from_slice(&shape[2..]);
    let row_axes = grouped.len() - 2;
    let mut parameters = Vec::with_capacity(2);
    for parameter in [scale, shift] {
        // Since opset 21 there is one per channel, before there was one per group.
        let mut along = vec![Dim::ONE; grouped.len() - 1];
        along[0] = count.clone();
        if cx.opset >= 21 {
            along[1] = members.clone();
        }
        parameters.push(cx.reshape(parameter, along)?);
    }
    let rows = cx.reshape(x, grouped)?;
    let y = standardise(cx, rows, row_axes, epsilon, parameters[0], parameters[1])?;
    Ok(vec![cx.reshape(y, shape)?])
}

/// `x` with `axes` moved to the end, mapped over them as rows, and moved back.
fn over_axes(
    cx: &mut NodeCx<'_>,
    x: Value,
    axes: &[usize],
    body: impl FnOnce(&mut ExprBuilder, ExprId) -> ExprId,
) -> Result<Value, Diagnostic> {
    let (rank, dtype) = (cx.rank(x), cx.dtype(x));
    let mut perm: Vec<usize> = (0..rank).filter(|a| !axes.contains(a)).collect();
    perm.extend(axes);
    let rows = cx.transpose(x, &perm)?;
    let space = cx.shape(rows);
    let y = cx.map_over(space, axes.len(), false, &[rows], |e, v| {
        let x = e.cast(v[0], wide(dtype));
        let y = body(e, x);
        e.cast(y, dtype)
    })?;
    let inverse: Vec<usize> = (0..rank).map(|a| perm.iter().position(|&p| p == a).unwrap_or(a)).collect();
    cx.transpose(y, &inverse)
}

fn build_mean_variance(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let given = cx.attributes.ints("axes")?.map_or_else(|| vec![0, 2, 3], <[i64]>::to_vec);
    let axes = super::shape::axes(&given, cx.rank(x))?;
    Ok(vec![over_axes(cx, x, &axes, |e, x| {
        let mean_x = mean(e, x);
        let centred = e.sub(x, mean_x);
        let square = e.mul(centred, centred);
        let variance = mean(e, square);
        let deviation = e.unary(Unary::Sqrt, variance);
        // The specification's guard against division by zero.
        let guard = e.number(deviation, 1e-9);
        let divisor = e.add(deviation, guard);
        e.div(centred, divisor)
    })?])
}

fn build_lp(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let axis = cx.axis_attribute("axis", -1, cx.rank(x))?;
    let p = cx.attributes.int_or("p", 2)?;
    if p != 1 && p != 2 {
        return Err(cx.attributes.bad("p", "must be 1 or 2"));
    }
    Ok(vec![over_axes(cx, x, &[axis], |e, x| {
        let norm = if p == 1 {
            let magnitude = e.unary(Unary::Abs, x);
            e.reduce(Reduction::Sum, magnitude)
        } else {
            let square = e.mul(x, x);
            let total = e.reduce(Reduction::Sum, square);
            e.unary(Unary::Sqrt, total)
        };
        let zero = e.number(norm, 0.0);
        let nothing = e.compare(Compare::Equal, norm, zero);
        let quotient = e.div(x, norm);
        e.select(nothing, zero, quotient)
    })?])
}
