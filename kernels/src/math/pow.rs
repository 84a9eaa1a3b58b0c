//! Powers of f32: 2^(y·log2 |x|) in f64, then C's special cases by selection.

/// log2 of a positive normal number; any other argument gives some number.
#[inline(always)]
fn log2(x: f64) -> f64 {
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let shifted = x.to_bits().wrapping_sub(ROOT_HALF);
    // The exponent fits in the high half, which converts at every level.
    let n = ((shifted >> 32) as i32) >> 20;
    let mantissa = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff).wrapping_add(ROOT_HALF));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let v = s * s;
    let p = 0.282_948_968_250_842_1;
    let p = p * v + 0.319_902_417_130_061_9;
    let p = p * v + 0.412_209_328_684_655_15;
    let p = p * v + 0.577_077_941_651_930_6;
    let p = p * v + 0.961_796_694_115_624_3;
    let p = p * v + 2.885_390_081_777_848_6;
    s * p + f64::from(n)
}

/// 2^z; saturates beyond |z| = 300.
#[inline(always)]
fn exp2(z: f64) -> f64 {
    let z = if z > 300.0 { 300.0 } else { z };
    let z = if z < -300.0 { -300.0 } else { z };
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    let sum = z + MAGIC;
    let r = z - (sum - MAGIC);
    let p = 1.326_315_443_910_170_7e-6;
    let p = p * r + 1.531_004_428_484_568_2e-5;
    let p = p * r + 1.540_341_726_559_213_5e-4;
    let p = p * r + 1.333_345_076_534_148e-3;
    let p = p * r + 9.618_129_216_494_837e-3;
    let p = p * r + 5.550_410_940_874_759e-2;
    let p = p * r + 2.402_265_069_556_894_2e-1;
    let p = p * r + 6.931_471_805_460_921e-1;
    let p = p * r + 1.0;
    // The integer stands in the low bits of the sum; the shift drops the rest.
    p * f64::from_bits((sum.to_bits() << 52).wrapping_add(1023 << 52))
}

/// x^y with the special cases of C's `powf`.
#[inline(always)]
pub(crate) fn pow_f32(x: f32, y: f32) -> f32 {
    let a = x.abs();
    let l = log2(f64::from(a));
    let l = if a < f32::INFINITY { l } else { f64::from(a) };
    let l = if a == 0.0 { f64::NEG_INFINITY } else { l };
    let z = f64::from(y) * l;
    // (±1)^±∞ is 1.
    let z = if (a == 1.0) & !y.is_nan() { 0.0 } else { z };
    let magnitude = exp2(z) as f32;

    // From 2^24 on every float is an even integer.
    let small = y.abs() < 16_777_216.0;
    let whole = !small | (super::round::round_ties_even_f32(y) == y);
    let half = y * 0.5;
    let odd = small & whole & (super::round::round_ties_even_f32(half) != half);
    let negative = x.to_bits() & 0x8000_0000;
    let signed = f32::from_bits(magnitude.to_bits() | if odd { negative } else { 0 });
    let undefined = (x < 0.0) & (x > f32::NEG_INFINITY) & !whole;
    let result = if undefined { f32::NAN } else { signed };
    if (y == 0.0) | (x == 1.0) { 1.0 } else { result }
}
