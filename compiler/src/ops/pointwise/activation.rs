//! Activation functions.

use super::{Built, formula, unary};
use crate::diag::{Code, Diagnostic};
use crate::expr::{Compare, ExprBuilder, ExprId, Unary};
use crate::ops::elements::Elements::{Floats, Numbers};
use crate::ops::shape::broadcast;
use crate::ops::{NodeCx, OpDef};
use crate::types::Dim;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx("Relu", &[6, 13, 14], "`max(x, 0)`", |cx| formula(cx, Numbers, relu)),
    OpDef::onnx("LeakyRelu", &[6, 16], "`x`, or `alpha * x` below zero", |cx| {
        let alpha = attribute(cx, "alpha", 0.01)?;
        formula(cx, Floats, |e, x| {
            let alpha = e.number(x, alpha);
            let scaled = e.mul(x, alpha);
            below_zero(e, x, scaled, x)
        })
    }),
    OpDef::onnx("PRelu", &[6, 7, 9, 16], "`x`, or `slope * x` below zero", prelu),
    OpDef::onnx("ThresholdedRelu", &[10, 22], "`x` above `alpha`, else 0", |cx| {
        let alpha = attribute(cx, "alpha", 1.0)?;
        formula(cx, Floats, |e, x| {
            let (alpha, zero) = (e.number(x, alpha), e.number(x, 0.0));
            let above = e.compare(Compare::Greater, x, alpha);
            e.select(above, x, zero)
        })
    }),
    OpDef::onnx("Elu", &[6, 22], "`x`, or `alpha * (exp(x) - 1)` below zero", |cx| {
        let alpha = attribute(cx, "alpha", 1.0)?;
        formula(cx, Floats, |e, x| {
            let curve = scaled_expm1(e, x, alpha);
            below_zero(e, x, curve, x)
        })
    }),
    OpDef::onnx("Selu", &[6, 22], "`gamma * x`, or `gamma * alpha * (exp(x) - 1)` below zero", |cx| {
        let alpha = attribute(cx, "alpha", 1.673_263_2)?;
        let gamma = attribute(cx, "gamma", 1.050_701)?;
        formula(cx, Floats, |e, x| {
            let curve = scaled_expm1(e, x, alpha);
            let elu = below_zero(e, x, curve, x);
            let gamma = e.number(x, gamma);
            e.mul(elu, gamma)
        })
    }),
    OpDef::onnx("Celu", &[12], "`x`, or `alpha * (exp(x / alpha) - 1)` below zero", |cx| {
        let alpha = attribute(cx, "alpha", 1.0)?;
        formula(cx, Floats, |e, x| {
            let scale = e.number(x, alpha);
            let scaled = e.div(x, scale);
            let curve = scaled_expm1(e, scaled, alpha);
            below_zero(e, x, curve, x)
        })
    }),
    OpDef::onnx("Gelu", &[20], "`x * Φ(x)`, exactly or by tanh", |cx| {
        match cx.attributes.string_or("approximate", "none")? {
            "none" => formula(cx, Floats, gelu),
            "tanh" => formula(cx, Floats, gelu_tanh),
            other => Err(cx.attributes.bad("approximate", &format!("is \"{other}\" and not none or tanh"))),
        }
    }),
    OpDef::onnx("Sigmoid", &[6, 13], "`1 / (1 + exp(-x))`", |cx| unary(cx, Floats, Unary::Sigmoid)),
    OpDef::onnx("HardSigmoid", &[6, 22], "`alpha * x + beta` between 0 and 1", |cx| {
        let (alpha, beta) = (attribute(cx, "alpha", 0.2)?, attribute(cx, "beta", 0.5)?);
        formula(cx, Floats, |e, x| hard_sigmoid(e, x, alpha, beta))
    }),
    OpDef::onnx("HardSwish", &[14, 22], "`x * HardSigmoid(x)` with alpha 1/6 and beta 1/2", |cx| {
        formula(cx, Floats, |e, x| {
            let gate = hard_sigmoid(e, x, 1.0 / 6.0, 0.5);
            e.mul(x, gate)
        })
    }),
    OpDef::onnx("Swish", &[24], "`x * sigmoid(alpha * x)`", |cx| {
        let alpha = attribute(cx, "alpha", 1.0)?;
        formula(cx, Floats, |e, x| {
            let alpha = e.number(x, alpha);
            let scaled = e.mul(x, alpha);
            let gate = e.unary(Unary::Sigmoid, scaled);
            e.mul(x, gate)
        })
    }),
    OpDef::onnx("Mish", &[18, 22], "`x * tanh(softplus(x))`", |cx| formula(cx, Floats, mish)),
    OpDef::onnx("Tanh", &[6, 13], "Hyperbolic tangent", |cx| unary(cx, Floats, Unary::Tanh)),
    OpDef::onnx("Softplus", &[1, 22], "`log(1 + exp(x))`, without overflow", |cx| {
        formula(cx, Floats, softplus)
    }),
    OpDef::onnx("Softsign", &[1, 22], "`x / (1 + |x|)`", |cx| {
        formula(cx, Floats, |e, x| {
            let (magnitude, one) = (e.unary(Unary::Abs, x), e.number(x, 1.0));
            let divisor = e.add(magnitude, one);
            e.div(x, divisor)
        })
    }),
    OpDef::onnx("Shrink", &[9], "`x` moved towards zero by `bias`, and 0 within `lambd` of it", |cx| {
        let (bias, lambda) = (attribute(cx, "bias", 0.0)?, attribute(cx, "lambd", 0.5)?);
        formula(cx, Numbers, |e, x| shrink(e, x, bias, lambda))
    }),
    OpDef::onnx("Affine", &[1], "`alpha * x + beta`", |cx| {
        let (alpha, beta) = (attribute(cx, "alpha", 1.0)?, attribute(cx, "beta", 0.0)?);
        formula(cx, Floats, |e, x| {
            let (alpha, beta) = (e.number(x, alpha), e.number(x, beta));
            let scaled = e.mul(x, alpha);
            e.add(scaled, beta)
        })
    }),
    OpDef::onnx("ScaledTanh", &[1], "`alpha * tanh(beta * x)`", |cx| {
        let (alpha, beta) = (attribute(cx, "alpha", 1.0)?, attribute(cx, "beta", 1.0)?);
        formula(cx, Floats, |e, x| {
            let (alpha, beta) = (e.number(x, alpha), e.number(x, beta));
            let scaled = e.mul(x, beta);
            let curve = e.unary(Unary::Tanh, scaled);
            e.mul(curve, alpha)
        })
    }),
];

fn attribute(cx: &NodeCx<'_>, name: &str, default: f32) -> Result<f64, Diagnostic> {
    cx.attributes.float_or(name, default).map(f64::from)
}

fn relu(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    let zero = e.number(x, 0.0);
    e.max(x, zero)
}

/// `negative` where `x` is below zero, else `positive`.
pub(in crate::ops) fn below_zero(
    e: &mut ExprBuilder,
    x: ExprId,
    negative: ExprId,
    positive: ExprId,
) -> ExprId {
    let zero = e.number(x, 0.0);
    let below = e.compare(Compare::Less, x, zero);
    e.select(below, negative, positive)
}

/// `alpha * (exp(x) - 1)` for `x` below zero; it does not overflow above.
pub(in crate::ops) fn scaled_expm1(e: &mut ExprBuilder, x: ExprId, alpha: f64) -> ExprId {
    let (alpha, one, zero) = (e.number(x, alpha), e.number(x, 1.0), e.number(x, 0.0));
    let limited = e.min(x, zero);
    let power = e.unary(Unary::Exp, limited);
    let difference = e.sub(power, one);
    e.mul(difference, alpha)
}

/// The slope broadcasts to the data, not the data to the slope. Before operator set 7 its only axis was that of the
/// channels.
fn prelu(cx: &mut NodeCx<'_>) -> Built {
    let (x, mut slope) = (cx.input(0)?, cx.input(1)?);
    cx.same_type(&[x, slope], Numbers)?;
    let space = cx.shape(x);
    if cx.opset < 7 && cx.rank(slope) == 1 && space.len() > 2 {
        let mut shape = cx.shape(slope);
        shape.extend(std::iter::repeat_n(Dim::ONE, space.len() - 2));
        slope = cx.reshape(slope, shape)?;
    }
    if broadcast(&cx.shape(slope), &space)? != space {
        let message = format!("the slope {} does not broadcast to the data {}", cx.ty(slope), cx.ty(x));
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    let result = cx.map_over(space, 0, false, &[x, slope], |e, v| {
        let scaled = e.mul(v[0], v[1]);
        below_zero(e, v[0], scaled, v[0])
    })?;
    Ok(vec![result])
}

pub(in crate::ops) fn gelu(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    let (half, one, scale) = (e.number(x, 0.5), e.number(x, 1.0), e.number(x, FRAC_1_SQRT_2));
    let scaled = e.mul(x, scale);
    let curve = e.unary(Unary::Erf, scaled);
    let gate = e.add(curve, one);
    let halved = e.mul(x, half);
    e.mul(halved, gate)
}

pub(in crate::ops) fn gelu_tanh(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    let (half, one) = (e.number(x, 0.5), e.number(x, 1.0));
    let (cubic, scale) = (e.number(x, 0.044_715), e.number(x, (2.0 / PI).sqrt()));
    let square = e.mul(x, x);
    let third = e.mul(square, cubic);
    let factor = e.add(third, one);
    let inner = e.mul(x, factor);
    let scaled = e.mul(inner, scale);
    let curve = e.unary(Unary::Tanh, scaled);
    let gate = e.add(curve, one);
    let halved = e.mul(x, half);
    e.mul(halved, gate)
}

pub(in crate::ops) fn hard_sigmoid(e: &mut ExprBuilder, x: ExprId, alpha: f64, beta: f64) -> ExprId {
    let (alpha, beta) = (e.number(x, alpha), e.number(x, beta));
    let (zero, one) = (e.number(x, 0.0), e.number(x, 1.0));
    let scaled = e.mul(x, alpha);
    let line = e.add(scaled, beta);
    let above = e.max(line, zero);
    e.min(above, one)
}

/// `max(x, 0) + log(1 + exp(-|x|))`: the exponential does not overflow.
pub(in crate::ops) fn softplus(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    let one = e.number(x, 1.0);
    let magnitude = e.unary(Unary::Abs, x);
    let negative = e.unary(Unary::Neg, magnitude);
    let power = e.unary(Unary::Exp, negative);
    let sum = e.add(power, one);
    let log = e.unary(Unary::Log, sum);
    let positive = relu(e, x);
    e.add(positive, log)
}

/// With `w = e^x (e^x + 2)`, `tanh(log(1 + e^x))` is `w / (w + 2)`: nothing cancels, and from 20 on it is 1.
fn mish(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    // Half precision holds the square of e^x only up to 5.
    let highest = if e.dtype(x) == crate::types::DType::F16 { 5.0 } else { 20.0 };
    let (two, high) = (e.number(x, 2.0), e.number(x, highest));
    let limited = e.min(x, high);
    let power = e.unary(Unary::Exp, limited);
    let sum = e.add(power, two);
    let w = e.mul(power, sum);
    let divisor = e.add(w, two);
    let gate = e.div(w, divisor);
    e.mul(x, gate)
}

fn shrink(e: &mut ExprBuilder, x: ExprId, bias: f64, lambda: f64) -> ExprId {
    let (shift, zero) = (e.number(x, bias), e.number(x, 0.0));
    let (low, high) = (e.number(x, -lambda), e.number(x, lambda));
    let (raised, lowered) = (e.add(x, shift), e.sub(x, shift));
    let above = e.compare(Compare::Greater, x, high);
    let below = e.compare(Compare::Less, x, low);
    let right = e.select(above, lowered, zero);
    e.select(below, raised, right)
}
