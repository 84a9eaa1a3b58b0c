//! The maps around linear attention and gated blocks.

use super::{Built, microsoft};
use crate::diag::{Code, Diagnostic};
use crate::expr::Unary;
use crate::ops::elements::Elements::Floats;
use crate::ops::normalize::{Centre, normalize_last};
use crate::ops::pointwise::activation::softplus;
use crate::ops::{NodeCx, OpDef};
use crate::types::DType;

/// The operators of this file.
pub static ROOM: &[OpDef] = &[
    microsoft("GatedRMSNorm", "RMSNormalization of groups of the last axis, times a gate", gated_rms_norm),
    microsoft("GatedAdd", "A tensor plus another one times a gate", |cx| {
        let inputs = [cx.input(0)?, cx.input(1)?, cx.input(2)?];
        cx.same_type(&inputs, Floats)?;
        let y = cx.map(&inputs, |e, v| {
            let gated = e.mul(v[1], v[2]);
            e.add(v[0], gated)
        })?;
        Ok(vec![y])
    }),
    microsoft("ScaledSiLU", "`z * sigmoid(z)` of `z = scale * x`", |cx| {
        let alpha = f64::from(cx.attributes.float_or("alpha", 1.0)?);
        let mut inputs = vec![cx.input(0)?];
        inputs.extend(cx.optional(1));
        let dtype = cx.one_of(inputs[0], Floats)?;
        let y = cx.map(&inputs, |e, v| {
            let scale = match v.get(1) {
                Some(&scale) => e.cast(scale, dtype),
                None => e.number(v[0], alpha),
            };
            let z = e.mul(v[0], scale);
            let gate = e.unary(Unary::Sigmoid, z);
            e.mul(z, gate)
        })?;
        Ok(vec![y])
    }),
    microsoft("LinearAttentionGate", "Decay and rate of linear attention from their projections", gate),
];

/// A group has as many elements as the scale.
fn gated_rms_norm(cx: &mut NodeCx<'_>) -> Built {
    let (x, scale, gate) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dtype = cx.same_type(&[x, scale, gate], Floats)?;
    let epsilon = cx.attributes.float_or("epsilon", 1e-5)?;
    let silu = match cx.attributes.string_or("activation", "silu")? {
        "silu" | "swish" => true,
        "sigmoid" => false,
        other => return Err(cx.attributes.bad("activation", &format!("is \"{other}\""))),
    };
    let (shape, group) = (cx.shape(x), cx.shape(scale));
    let mismatch = || Diagnostic::new(Code::BadInput, format!("{shape:?} has no groups of shape {group:?}"));
    let ([group], Some((last, leading))) = (group.as_slice(), shape.split_last()) else {
        return Err(mismatch());
    };
    let mut split = leading.to_vec();
    split.extend([last.exact_div(group).ok_or_else(mismatch)?, group.clone()]);
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let (grouped, gate) = (cx.cast(x, wide)?, cx.reshape(gate, split.clone())?);
    let (grouped, scale) = (cx.reshape(grouped, split)?, cx.cast(scale, wide)?);
    let y = normalize_last(cx, grouped, Centre::Zero, epsilon, Some(scale), None)?;
    let y = cx.map(&[y, gate], |e, v| {
        let z = e.cast(v[1], wide);
        let mut gate = e.unary(Unary::Sigmoid, z);
        if silu {
            gate = e.mul(z, gate);
        }
        let y = e.mul(v[0], gate);
        e.cast(y, dtype)
    })?;
    Ok(vec![cx.reshape(y, shape)?])
}

/// Computed in f32, as the exponential of the decay is sensitive.
fn gate(cx: &mut NodeCx<'_>) -> Built {
    let (a, bias, scale) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dtype = cx.one_of(a, Floats)?;
    cx.same_type(&[bias, scale], Floats)?;
    let decay = cx.map(&[a, bias, scale], |e, v| {
        let [a, bias, scale] = [v[0], v[1], v[2]].map(|v| e.cast(v, DType::F32));
        let sum = e.add(a, bias);
        let positive = softplus(e, sum);
        let decay = e.mul(scale, positive);
        e.cast(decay, dtype)
    })?;
    let mut results = vec![decay];
    if let Some(b) = cx.optional(3) {
        cx.one_of(b, Floats)?;
        results.push(cx.map(&[b], |e, v| {
            let b = e.cast(v[0], DType::F32);
            let rate = e.unary(Unary::Sigmoid, b);
            e.cast(rate, dtype)
        })?);
    }
    Ok(results)
}
