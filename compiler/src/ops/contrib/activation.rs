//! Activations with a bias or in an approximation of their own, and the one that a fused product or convolution names.

use super::{Built, microsoft};
use crate::diag::Diagnostic;
use crate::expr::{Compare, ExprBuilder, ExprId, Unary};
use crate::ir::Value;
use crate::ops::elements::Elements::Floats;
use crate::ops::pointwise::activation::{below_zero, gelu, gelu_tanh, hard_sigmoid, scaled_expm1, softplus};
use crate::ops::{NodeCx, OpDef};
use crate::types::Dim;

/// The operators of this file.
pub static ROOM: &[OpDef] = &[
    microsoft("Gelu", "`x * Φ(x)`", |cx| of_sum(cx, gelu)),
    microsoft("BiasGelu", "Gelu of a sum", |cx| of_sum(cx, gelu)),
    microsoft("FastGelu", "Gelu by tanh, of a sum if there is a bias", |cx| of_sum(cx, gelu_tanh)),
    microsoft("QuickGelu", "`x * sigmoid(alpha * x)`", |cx| {
        let alpha = f64::from(cx.attributes.float_or("alpha", 1.702)?);
        of_sum(cx, |e, x| {
            let alpha = e.number(x, alpha);
            let scaled = e.mul(x, alpha);
            let gate = e.unary(Unary::Sigmoid, scaled);
            e.mul(x, gate)
        })
    }),
    microsoft("BiasSplitGelu", "One half of a sum times Gelu of the other", split_gelu),
    microsoft("BiasAdd", "Sum of a tensor, a bias and another tensor", |cx| {
        let (x, bias, skip) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        cx.same_type(&[x, bias, skip], Floats)?;
        let y = cx.map(&[x, bias, skip], |e, v| {
            let sum = e.add(v[0], v[1]);
            e.add(sum, v[2])
        })?;
        Ok(vec![y])
    }),
];

/// A function of the first input, or of the sum of the first and the second.
fn of_sum(cx: &mut NodeCx<'_>, body: impl FnOnce(&mut ExprBuilder, ExprId) -> ExprId) -> Built {
    let mut inputs = vec![cx.input(0)?];
    inputs.extend(cx.optional(1));
    cx.same_type(&inputs, Floats)?;
    let y = cx.map(&inputs, |e, v| {
        let x = match v.get(1) {
            Some(&bias) => e.add(v[0], bias),
            None => v[0],
        };
        body(e, x)
    })?;
    Ok(vec![y])
}

fn split_gelu(cx: &mut NodeCx<'_>) -> Built {
    let (x, bias) = (cx.input(0)?, cx.input(1)?);
    cx.same_type(&[x, bias], Floats)?;
    let sum = cx.map(&[x, bias], |e, v| e.add(v[0], v[1]))?;
    let last = cx.rank(sum).saturating_sub(1);
    let half = cx.shape(sum).last().and_then(|n| n.exact_div(&Dim::from(2_usize)));
    let Some(half) = half else {
        return Err(cx.unsupported("BiasSplitGelu of a tensor whose last extent is odd"));
    };
    let left = cx.slice(sum, last, Dim::ZERO, half.clone())?;
    let right = cx.slice(sum, last, half.clone(), half)?;
    let y = cx.map(&[left, right], |e, v| {
        let gate = gelu(e, v[1]);
        e.mul(v[0], gate)
    })?;
    Ok(vec![y])
}

/// The activations that fused operators may name.
const FUSED: [&str; 14] = [
    "Relu",
    "Tanh",
    "Sigmoid",
    "LeakyRelu",
    "Clip",
    "Elu",
    "ThresholdedRelu",
    "ScaledTanh",
    "Softplus",
    "Softsign",
    "HardSigmoid",
    "HardSwish",
    "Gelu",
    "FastGelu",
];

/// The activation that the attribute `activation` of a fused operator names, with the numbers that it takes.
pub(super) fn fused(cx: &mut NodeCx<'_>, x: Value, numbers: &[f32]) -> Result<Value, Diagnostic> {
    let Some(name) = cx.attributes.string("activation")?.filter(|name| !name.is_empty()) else {
        return Ok(x);
    };
    let number = |i: usize, default: f64| numbers.get(i).map_or(default, |&v| f64::from(v));
    if !FUSED.contains(&name) {
        let what = format!("is \"{name}\" and not one of {}", FUSED.join(", "));
        return Err(cx.attributes.bad("activation", &what));
    }
    cx.map(&[x], |e, v| {
        let x = v[0];
        match name {
            "Relu" => {
                let zero = e.number(x, 0.0);
                e.max(x, zero)
            }
            "Tanh" => e.unary(Unary::Tanh, x),
            "Sigmoid" => e.unary(Unary::Sigmoid, x),
            "LeakyRelu" => {
                let alpha = e.number(x, number(0, 0.01));
                let scaled = e.mul(x, alpha);
                below_zero(e, x, scaled, x)
            }
            "Clip" => {
                let (low, high) = (e.number(x, number(0, f64::MIN)), e.number(x, number(1, f64::MAX)));
                let above = e.max(x, low);
                e.min(above, high)
            }
            "Elu" => {
                let curve = scaled_expm1(e, x, number(0, 1.0));
                below_zero(e, x, curve, x)
            }
            "ThresholdedRelu" => {
                let (alpha, zero) = (e.number(x, number(0, 1.0)), e.number(x, 0.0));
                let above = e.compare(Compare::Greater, x, alpha);
                e.select(above, x, zero)
            }
            "ScaledTanh" => {
                let (alpha, beta) = (e.number(x, number(0, 1.0)), e.number(x, number(1, 1.0)));
                let scaled = e.mul(x, beta);
                let curve = e.unary(Unary::Tanh, scaled);
                e.mul(curve, alpha)
            }
            "Softplus" => softplus(e, x),
            "Softsign" => {
                let (magnitude, one) = (e.unary(Unary::Abs, x), e.number(x, 1.0));
                let divisor = e.add(magnitude, one);
                e.div(x, divisor)
            }
            "HardSigmoid" => hard_sigmoid(e, x, number(0, 0.2), number(1, 0.5)),
            "HardSwish" => {
                let gate = hard_sigmoid(e, x, number(0, 1.0 / 6.0), number(1, 0.5));
                e.mul(x, gate)
            }
            "Gelu" => gelu(e, x),
            _ => gelu_tanh(e, x),
        }
    })
}
