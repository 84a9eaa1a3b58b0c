//! The error function: erf a = 1 − e^−a·h(a) for a ≥ 0, with the polynomial h(a) ≈ −log(erfc a) / a.

use super::exp::expm1_moderate;

#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let a = x.abs();
    let a = if a > 4.0 { 4.0 } else { a };
    let h = -9.271_001e-6;
    let h = h * a + 1.177_782_8e-4;
    let h = h * a - 6.333_478_4e-4;
    let h = h * a + 1.668_011_2e-3;
    let h = h * a - 1.614_440_8e-4;
    let h = h * a - 1.915_245e-2;
    let h = h * a + 1.027_776_5e-1;
    let h = h * a + 6.366_194e-1;
    let h = h * a + core::f32::consts::FRAC_2_SQRT_PI;
    let y = -expm1_moderate(-(a * h));
    // Denormal arguments lose bits in the exponential's products, not here.
    let y = if a < 1e-10 { a * core::f32::consts::FRAC_2_SQRT_PI } else { y };
    y.copysign(x)
}
