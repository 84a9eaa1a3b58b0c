//! Normalisations of sums, and of embeddings.

use super::{Built, microsoft};
use crate::diag::{Code, Diagnostic};
use crate::expr::{Compare, Reduction, Unary};
use crate::ir::Value;
use crate::ops::elements::Elements::{Floats, Integers};
use crate::ops::normalize::{
    Centre, exact, layer_norm, normalize_groups, normalize_last, simplified_layer_norm,
};
use crate::ops::reduce::reduce;
use crate::ops::select::gather;
use crate::ops::{NodeCx, OpDef};
use crate::types::{DType, Dim};

/// The operators of this file.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx(
        "SimplifiedLayerNormalization",
        &[1],
        "RMSNormalization, as onnxruntime writes it",
        simplified_layer_norm,
    ),
    microsoft("SimplifiedLayerNormalization", "RMSNormalization", simplified_layer_norm),
    microsoft("LayerNormalization", "As in the default domain", layer_norm),
    microsoft("SkipLayerNormalization", "LayerNormalization of a sum", |cx| skip(cx, Centre::Mean)),
    microsoft("SkipSimplifiedLayerNormalization", "RMSNormalization of a sum", |cx| skip(cx, Centre::Zero)),
    microsoft("GroupNorm", "GroupNormalization of pixels or planes, and an activation", |cx| {
        let x = cx.input(0)?;
        Ok(vec![group_norm(cx, x)?])
    }),
    microsoft("SkipGroupNorm", "GroupNorm of a sum", skip_group_norm),
    microsoft(
        "EmbedLayerNormalization",
        "LayerNormalization of the sum of word, position and segment embeddings",
        embed,
    ),
];

/// Results are the normalised sum, mean and reciprocal deviation (which only training reads), and the sum.
fn skip(cx: &mut NodeCx<'_>, centre: Centre) -> Built {
    let (x, other, gamma) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let (beta, bias) = match centre {
        Centre::Mean => (cx.optional(3), cx.optional(4)),
        Centre::Zero => (None, cx.optional(3)),
    };
    let epsilon = cx.attributes.float_or("epsilon", 1e-12)?;
    let mut inputs = vec![x, other];
    inputs.extend(bias);
    cx.same_type(&inputs, Floats)?;
    let space = cx.shape(x);
    let sum = cx.map(&inputs, |e, v| {
        let sum = e.add(v[0], v[1]);
        v.get(2).map_or(sum, |&bias| e.add(sum, bias))
    })?;
    if cx.shape(sum) != space {
        return Err(cx.unsupported(format!("{} of {} with a larger skip input", cx.origin.op, cx.ty(x))));
    }
    if cx.output_used(1) || cx.output_used(2) {
        return Err(cx.unsupported("mean and deviation as results; they are only for training"));
    }
    let y = normalize_last(cx, sum, centre, epsilon, Some(gamma), beta)?;
    Ok(vec![y, sum, sum, sum])
}

/// GroupNorm of `x`, with the node's other inputs and attributes.
fn group_norm(cx: &mut NodeCx<'_>, x: Value) -> Result<Value, Diagnostic> {
    let (gamma, beta) = (cx.input(1)?, cx.input(2)?);
    let dtype = cx.one_of(x, Floats)?;
    cx.same_type(&[gamma, beta], Floats)?;
    let epsilon = cx.attributes.float_or("epsilon", 1e-5)?;
    let groups = cx.attributes.int("groups")?;
    let groups = Dim::from(cx.attributes.required("groups", groups)?);
    let swish = match cx.attributes.int("activation")? {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(cx.attributes.bad("activation", "must be 0, for none, or 1, for SiLU")),
    };
    let pixels = cx.attributes.bool_or("channels_last", true)?;
    let rank = cx.rank(x);
    if rank < 3 {
        let message = format!("{} has no spatial axes", cx.ty(x));
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    let planes = if pixels {
        let order: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
        cx.transpose(x, &order)?
    } else {
        x
    };
    let mut y = normalize_groups(cx, planes, &groups, false, epsilon, exact(dtype), gamma, beta)?;
    if pixels {
        let order: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
        y = cx.transpose(y, &order)?;
    }
    if !swish {
        return Ok(y);
    }
    cx.map(&[y], |e, v| {
        let gate = e.unary(Unary::Sigmoid, v[0]);
        e.mul(v[0], gate)
    })
}

/// Results are the normalised sum and the sum. The skip input may be `[N, C]`, or have extent 1 on spatial axes.
fn skip_group_norm(cx: &mut NodeCx<'_>) -> Built {
    let (x, mut other) = (cx.input(0)?, cx.input(3)?);
    let space = cx.shape(x);
    let last = cx.attributes.bool_or("channels_last", true)?;
    if let (2, [batch, channels]) = (cx.rank(other), &cx.shape(other)[..]) {
        let mut own = vec![Dim::ONE; space.len()];
        own[0] = batch.clone();
        own[if last { space.len() - 1 } else { 1 }] = channels.clone();
        other = cx.reshape(other, own)?;
    }
    let mut inputs = vec![x, other];
    if let Some(bias) = cx.optional(4) {
        let mut own = vec![Dim::ONE; space.len()];
        own[if last { space.len() - 1 } else { 1 }] = cx.ty(bias).elements();
        inputs.push(cx.reshape(bias, own)?);
    }
    cx.same_type(&inputs, Floats)?;
    let sum = cx.map(&inputs, |e, v| {
        let sum = e.add(v[0], v[1]);
        v.get(2).map_or(sum, |&bias| e.add(sum, bias))
    })?;
    if cx.shape(sum) != space {
        return Err(cx.unsupported(format!("SkipGroupNorm of {} with a larger skip input", cx.ty(x))));
    }
    Ok(vec![group_norm(cx, sum)?, sum])
}

/// Rows of a table.
fn rows(cx: &mut NodeCx<'_>, table: Value, ids: Value) -> Result<Value, Diagnostic> {
    cx.one_of(ids, Integers)?;
    gather(cx, table, 0, ids)
}

/// The mask's result counts the ones of each entry; without a mask it is zero.
fn embed(cx: &mut NodeCx<'_>) -> Built {
    let (ids, word, position) = (cx.input(0)?, cx.input(2)?, cx.input(3)?);
    let (gamma, beta) = (cx.input(5)?, cx.input(6)?);
    let epsilon = cx.attributes.float_or("epsilon", 1e-12)?;
    let _ = cx.attributes.int("mask_index_type")?;
    let shape = cx.shape(ids);
    let [batch, length] = shape.as_slice() else {
        return Err(cx.unsupported(format!("EmbedLayerNormalization of ids {}", cx.ty(ids))));
    };
    let positions = match cx.optional(8) {
        Some(ids) => rows(cx, position, ids)?,
        None => cx.slice(position, 0, Dim::ZERO, length.clone())?,
    };
    let mut parts = vec![rows(cx, word, ids)?, positions];
    if let (Some(ids), Some(table)) = (cx.optional(1), cx.optional(4)) {
        parts.push(rows(cx, table, ids)?);
    }
    let sum = cx.map(&parts, |e, v| v[1..].iter().fold(v[0], |sum, &v| e.add(sum, v)))?;
    let y = normalize_last(cx, sum, Centre::Mean, epsilon, Some(gamma), Some(beta))?;
    let counts = match cx.optional(7).filter(|_| cx.output_used(1)) {
        Some(mask) => {
            let mask = cx.restate(mask, &shape)?;
            let ones = cx.map(&[mask], |e, v| {
                let one = e.number(v[0], 1.0);
                let kept = e.compare(Compare::Equal, v[0], one);
                e.cast(kept, DType::I32)
            })?;
            let counts = reduce(cx, ones, Reduction::Sum, vec![1])?;
            cx.reshape(counts, vec![batch.clone()])?
        }
        None => {
            let zero = cx.scalar(DType::I32, 0.0);
            cx.expand(zero, vec![batch.clone()])?
        }
    };
    Ok(vec![y, counts, sum])
}
