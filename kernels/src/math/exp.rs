//! Exponentials: x = n·ln 2 + r with |r| ≤ ln 2 / 2, then a polynomial in r scaled by 2^n.

/// Adding this rounds to an integer, which then stands in the low bits of the sum.
const MAGIC: f32 = 12_582_912.0;
/// ln 2 in two parts; the product of the first with any |n| < 2^15 is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// e^r − 1 for |r| ≤ ln 2 / 2.
#[inline(always)]
fn expm1_reduced(r: f32) -> f32 {
    let p = 1.388_251_9e-3;
    let p = p * r + 8.366_52e-3;
    let p = p * r + 4.166_72e-2;
    let p = p * r + 1.666_654_3e-1;
    let p = p * r + 0.5;
    p * (r * r) + r
}

/// The integer n nearest to x / ln 2, and r.
#[inline(always)]
fn reduce(x: f32) -> (i32, f32) {
    let sum = x * core::f32::consts::LOG2_E + MAGIC;
    let n = sum - MAGIC;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    ((sum.to_bits().wrapping_sub(MAGIC.to_bits())) as i32, r)
}

/// 2^n for −127 < n < 128.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `x · 2^n` for |n| ≤ 252, in two factors, so that the result may overflow to ∞ or be denormal.
#[inline(always)]
fn scale(x: f32, n: i32) -> f32 {
    let half = n >> 1;
    x * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // The comparisons let NaN through.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -105.0 { -105.0 } else { x };
    let (n, r) = reduce(x);
    scale(expm1_reduced(r) + 1.0, n)
}

/// [`exp`] of what is not positive: 0 below −87, where the result would be denormal.
#[inline(always)]
pub(crate) fn exp_not_positive(x: f32) -> f32 {
    let bounded = if x < -87.0 { -87.0 } else { x };
    let (n, r) = reduce(bounded);
    let y = (expm1_reduced(r) + 1.0) * power_of_two(n);
    if x < -87.0 { 0.0 } else { y }
}

#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    let x = if x > 129.0 { 129.0 } else { x };
    let x = if x < -152.0 { -152.0 } else { x };
    let sum = x + MAGIC;
    let n = sum - MAGIC;
    let n_bits = sum.to_bits().wrapping_sub(MAGIC.to_bits()) as i32;
    scale(expm1_reduced((x - n) * core::f32::consts::LN_2) + 1.0, n_bits)
}

#[inline(always)]
pub(super) fn expm1(x: f32) -> f32 {
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -30.0 { -30.0 } else { x };
    let (n, r) = reduce(x);
    // 2^128 is out of range: half of it, doubled at the end.
    let high = (n > 64) as i32;
    let s = power_of_two(n.wrapping_sub(high));
    let p = expm1_reduced(r) * s + (s - power_of_two(-high));
    let y = p * power_of_two(high);
    // Denormals and the sign of zero survive.
    if x.abs() < 1e-8 { x } else { y }
}

/// [`expm1`] for |x| ≤ 80, without the steps that only huge arguments need.
#[inline(always)]
pub(super) fn expm1_moderate(x: f32) -> f32 {
    let (n, r) = reduce(x);
    let s = power_of_two(n);
    expm1_reduced(r) * s + (s - 1.0)
}
