//! The hyperbolic tangent and the logistic function.

use super::exp::{exp, expm1_moderate};

/// (e^2|x| − 1) / (e^2|x| + 1) with the sign of x.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let a = if a > 10.0 { 10.0 } else { a };
    let m = expm1_moderate(a + a);
    // Below this bound tanh x rounds to x; denormals would otherwise lose bits in the products.
    let y = if a < 1e-4 { a } else { m / (m + 2.0) };
    y.copysign(x)
}

/// With z = e^−|x|: 1 / (1 + z), or z / (1 + z) for negative x, which keeps tiny results accurate.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    let z = exp(-x.abs());
    let numerator = if x < 0.0 { z } else { 1.0 };
    numerator / (1.0 + z)
}
