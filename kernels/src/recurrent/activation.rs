//! The activations that ONNX allows in recurrent layers.

use crate::math::{self, Float};

/// An activation, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `tanh(x)`
    Tanh,
    /// `max(0, x)`
    Relu,
    /// `alpha * x + beta`
    Affine(f32, f32),
    /// `x`, or `alpha * x` below zero
    LeakyRelu(f32),
    /// `x`, or 0 below `alpha`
    ThresholdedRelu(f32),
    /// `alpha * tanh(beta * x)`
    ScaledTanh(f32, f32),
    /// `min(max(alpha * x + beta, 0), 1)`
    HardSigmoid(f32, f32),
    /// `x`, or `alpha * (e^x - 1)` below zero
    Elu(f32),
    /// `x / (1 + |x|)`
    Softsign,
    /// `log(1 + e^x)`
    Softplus,
}

impl Activation {
    /// The activation of every element.
    #[inline(always)]
    pub(super) fn apply<T: Float>(self, x: &mut [T]) {
        let of = |v: f32| T::from_f64(f64::from(v));
        match self {
            Activation::Sigmoid => map(x, Float::sigmoid),
            Activation::Tanh => map(x, Float::tanh),
            Activation::Relu => map(x, math::relu),
            Activation::Affine(alpha, beta) => {
                let (alpha, beta) = (of(alpha), of(beta));
                map(x, |x| alpha.mul(x).add(beta));
            }
            Activation::LeakyRelu(alpha) => {
                let alpha = of(alpha);
                map(x, |x| if x < T::ZERO { alpha.mul(x) } else { x });
            }
            Activation::ThresholdedRelu(alpha) => {
                let alpha = of(alpha);
                map(x, |x| if x < alpha { T::ZERO } else { x });
            }
            Activation::ScaledTanh(alpha, beta) => {
                let (alpha, beta) = (of(alpha), of(beta));
                map(x, |x| alpha.mul(beta.mul(x).tanh()));
            }
            Activation::HardSigmoid(alpha, beta) => {
                let (alpha, beta) = (of(alpha), of(beta));
                map(x, |x| math::clip(alpha.mul(x).add(beta), T::ZERO, T::ONE));
            }
            Activation::Elu(alpha) => {
                let alpha = of(alpha);
                map(x, |x| if x < T::ZERO { alpha.mul(x.expm1()) } else { x });
            }
            Activation::Softsign => map(x, |x| x.div(T::ONE.add(x.abs()))),
            Activation::Softplus => map(x, Float::softplus),
        }
    }
}

#[inline(always)]
fn map<T: Float>(x: &mut [T], f: impl Fn(T) -> T) {
    for x in x {
        *x = f(*x);
    }
}
