//! Logarithms: x = 2^n·(1 + f) with √½ ≤ 1 + f < √2, then a polynomial in f.

use super::exp::exp;

const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// n·ln 2 + log(1 + f) for √½ − 1 ≤ f < √2 − 1.
#[inline(always)]
fn log_reduced(f: f32, n: f32) -> f32 {
    let p = -7.634_43e-2;
    let p = p * f + 1.276_155e-1;
    let p = p * f - 1.316_019_4e-1;
    let p = p * f + 1.420_176_2e-1;
    let p = p * f - 1.662_335_7e-1;
    let p = p * f + 2.000_122_7e-1;
    let p = p * f - 2.500_082_3e-1;
    let p = p * f + 3.333_333e-1;
    let square = f * f;
    let tail = p * f * square + n * LN_2_LOW;
    (tail - 0.5 * square) + f + n * LN_2_HIGH
}

#[inline(always)]
pub(super) fn log(x: f32) -> f32 {
    // Denormals are brought into range first.
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    // The offset makes the exponent field change at √½ instead of at 1.
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let shifted = scaled.to_bits().wrapping_sub(ROOT_HALF);
    let n = (shifted as i32) >> 23;
    let mantissa = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(ROOT_HALF));
    let n = n as f32 - if tiny { 23.0 } else { 0.0 };
    let y = log_reduced(mantissa - 1.0, n);
    let y = if x < f32::INFINITY { y } else { x };
    let y = if x > 0.0 { y } else { f32::NAN };
    if x == 0.0 { f32::NEG_INFINITY } else { y }
}

/// log(1 + e^x) = max(x, 0) + log(1 + e^−|x|).
#[inline(always)]
pub(super) fn softplus(x: f32) -> f32 {
    let z = exp(-x.abs());
    // 1 + z is at most 2: one halving brings it into the polynomial's range, exactly.
    let upper = z > 0.414_213_57;
    let f = if upper { (z - 1.0) * 0.5 } else { z };
    let n = if upper { 1.0 } else { 0.0 };
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + log_reduced(f, n)
}
