//! The element types of tensors, and what generic kernels may ask of them.
//!
//! Integer arithmetic wraps and no operation panics, whatever the data. Booleans are stored as `u8` 0 or 1.

use half::{bf16, f16};

use crate::math::cast;

/// A value that a tensor stores. `Default` is zero.
pub trait Element: Copy + Default + PartialOrd + Send + Sync + 'static {}

/// An element with arithmetic. Integers wrap; their division by zero gives zero.
pub trait Number: Element {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The identity of a maximum: −∞, or the smallest integer.
    const LOWEST: Self;
    /// The identity of a minimum: +∞, or the largest integer.
    const HIGHEST: Self;
    /// Whether a loop should accumulate in `f32` instead (the half precisions).
    const NARROW: bool;

    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self - other`.
    fn sub(self, other: Self) -> Self;
    /// `self * other`.
    fn mul(self, other: Self) -> Self;
    /// `self / other`; integers truncate, `x / 0` is 0 and `MIN / -1` wraps.
    fn div(self, other: Self) -> Self;
    /// The remainder with the sign of `self` (C `fmod`); integers: `x rem 0` is 0.
    fn rem(self, other: Self) -> Self;
    /// The remainder with the sign of `other` (Python `%`); integers: `x mod 0` is 0.
    fn modulo(self, other: Self) -> Self;
    /// `self` to the power `exponent`. Integers wrap; a negative integer exponent truncates the quotient `1 / x^n`.
    fn pow(self, exponent: Self) -> Self;
    /// `-self`; unsigned integers wrap.
    fn neg(self) -> Self;
    /// The magnitude; `MIN` wraps.
    fn abs(self) -> Self;
    /// −1, 0 or 1 with the sign of `self`; NaN stays NaN.
    fn sign(self) -> Self;
    /// The larger; NaN if either is NaN.
    fn max(self, other: Self) -> Self;
    /// The smaller; NaN if either is NaN.
    fn min(self, other: Self) -> Self;
    /// Whether this is NaN (never, for integers).
    fn is_nan(self) -> bool;
    /// The nearest `f64`.
    fn to_f64(self) -> f64;
    /// The nearest value; integers truncate and saturate, NaN becomes 0.
    fn from_f64(value: f64) -> Self;
}

/// An integer element.
pub trait Int: Number {
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;
    /// Bitwise exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Bitwise complement.
    fn not(self) -> Self;
    /// `self << count`; 0 when `count` is negative or not below the width.
    fn shl(self, count: Self) -> Self;
    /// `self >> count`, arithmetic for signed integers; when `count` is negative or not below the width,
    /// 0, or −1 for negative `self`.
    fn shr(self, count: Self) -> Self;
    /// The value as a subscript; `None` if negative or too large.
    fn to_usize(self) -> Option<usize>;
    /// The value as `i64`; `u64` wraps.
    fn to_i64(self) -> i64;
    /// The low bits of `value`.
    fn from_i64(value: i64) -> Self;
}

impl Element for bool {}

macro_rules! integers {
    ($($t:ident, $signed:literal;)*) => { $(
        impl Element for $t {}

        impl Number for $t {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const LOWEST: Self = $t::MIN;
            const HIGHEST: Self = $t::MAX;
            const NARROW: bool = false;

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            #[inline(always)]
            fn rem(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_rem(other) }
            }
            #[inline(always)]
            fn modulo(self, other: Self) -> Self {
                let r = Number::rem(self, other);
                if $signed && r != 0 && (r < Self::ZERO) != (other < Self::ZERO) { r.wrapping_add(other) } else { r }
            }
            #[inline]
            fn pow(self, exponent: Self) -> Self {
                if $signed && exponent < Self::ZERO {
                    let odd = exponent & 1 != 0;
                    return match self {
                        1 => 1,
                        // All bits set is −1 in a signed type, the only kind that gets here.
                        x if x == !0 => if odd { x } else { 1 },
                        _ => 0,
                    };
                }
                let (mut base, mut left, mut result) = (self, exponent, 1 as $t);
                while left != 0 {
                    if left & 1 != 0 {
                        result = result.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    left >>= 1;
                }
                result
            }
            #[inline(always)]
            fn neg(self) -> Self {
                self.wrapping_neg()
            }
            #[inline(always)]
            fn abs(self) -> Self {
                if $signed && self < Self::ZERO { self.wrapping_neg() } else { self }
            }
            #[inline(always)]
            fn sign(self) -> Self {
                let positive = (self > Self::ZERO) as $t;
                positive.wrapping_sub(($signed && self < Self::ZERO) as $t)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                if self < other { self } else { other }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
        }

        impl Int for $t {
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }
            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }
            #[inline(always)]
            fn not(self) -> Self {
                !self
            }
            #[inline(always)]
            fn shl(self, count: Self) -> Self {
                let inside = count >= Self::ZERO && (count as u64) < u64::from($t::BITS);
                if inside { self.wrapping_shl(count as u32) } else { 0 }
            }
            #[inline(always)]
            fn shr(self, count: Self) -> Self {
                let inside = count >= Self::ZERO && (count as u64) < u64::from($t::BITS);
                if inside {
                    self.wrapping_shr(count as u32)
                } else if $signed && self < Self::ZERO {
                    !0
                } else {
                    0
                }
            }
            #[inline(always)]
            fn to_usize(self) -> Option<usize> {
                usize::try_from(self).ok()
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                value as $t
            }
        }
    )* };
}

integers! {
    i8, true;
    i16, true;
    i32, true;
    i64, true;
    u8, false;
    u16, false;
    u32, false;
    u64, false;
}

macro_rules! floats {
    ($($t:ident, $pow:path, $fmod:path;)*) => { $(
        impl Element for $t {}

        impl Number for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = $t::NEG_INFINITY;
            const HIGHEST: Self = $t::INFINITY;
            const NARROW: bool = false;

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self / other
            }
            #[inline]
            fn rem(self, other: Self) -> Self {
                $fmod(self, other)
            }
            #[inline]
            fn modulo(self, other: Self) -> Self {
                let r = $fmod(self, other);
                if r == 0.0 {
                    r.copysign(other)
                } else if (r < 0.0) != (other < 0.0) {
                    r + other
                } else {
                    r
                }
            }
            #[inline(always)]
            fn pow(self, exponent: Self) -> Self {
                $pow(self, exponent)
            }
            #[inline(always)]
            fn neg(self) -> Self {
                -self
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
            #[inline(always)]
            fn sign(self) -> Self {
                // The zero keeps its sign and NaN falls through both comparisons.
                if self > 0.0 {
                    1.0
                } else if self < 0.0 {
                    -1.0
                } else {
                    self
                }
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                if (self > other) | $t::is_nan(self) { self } else { other }
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                if (self < other) | $t::is_nan(self) { self } else { other }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
        }
    )* };
}

floats! {
    f32, crate::math::pow_f32, libm::fmodf;
    f64, libm::pow, libm::fmod;
}

macro_rules! halves {
    ($($t:ident)*) => { $(
        impl Element for $t {}

        impl Number for $t {
            const ZERO: Self = $t::ZERO;
            const ONE: Self = $t::ONE;
            const LOWEST: Self = $t::NEG_INFINITY;
            const HIGHEST: Self = $t::INFINITY;
            const NARROW: bool = true;

            #[inline]
            fn add(self, other: Self) -> Self {
                cast::<f32, $t>(cast::<$t, f32>(self) + cast::<$t, f32>(other))
            }
            #[inline]
            fn sub(self, other: Self) -> Self {
                cast::<f32, $t>(cast::<$t, f32>(self) - cast::<$t, f32>(other))
            }
            #[inline]
            fn mul(self, other: Self) -> Self {
                cast::<f32, $t>(cast::<$t, f32>(self) * cast::<$t, f32>(other))
            }
            #[inline]
            fn div(self, other: Self) -> Self {
                cast::<f32, $t>(cast::<$t, f32>(self) / cast::<$t, f32>(other))
            }
            #[inline]
            fn rem(self, other: Self) -> Self {
                cast::<f32, $t>(Number::rem(cast::<$t, f32>(self), cast::<$t, f32>(other)))
            }
            #[inline]
            fn modulo(self, other: Self) -> Self {
                cast::<f32, $t>(Number::modulo(cast::<$t, f32>(self), cast::<$t, f32>(other)))
            }
            #[inline]
            fn pow(self, exponent: Self) -> Self {
                cast::<f32, $t>(Number::pow(cast::<$t, f32>(self), cast::<$t, f32>(exponent)))
            }
            #[inline]
            fn neg(self) -> Self {
                -self
            }
            #[inline]
            fn abs(self) -> Self {
                $t::from_bits(self.to_bits() & 0x7fff)
            }
            #[inline]
            fn sign(self) -> Self {
                cast::<f32, $t>(Number::sign(cast::<$t, f32>(self)))
            }
            #[inline]
            fn max(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
            #[inline]
            fn min(self, other: Self) -> Self {
                if self < other || self.is_nan() { self } else { other }
            }
            #[inline]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            #[inline]
            fn to_f64(self) -> f64 {
                $t::to_f64(self)
            }
            #[inline]
            fn from_f64(value: f64) -> Self {
                $t::from_f64(value)
            }
        }
    )* };
}

halves! { f16 bf16 }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_never_panic() {
        assert_eq!(Number::div(7i32, 0), 0);
        assert_eq!(Number::div(i32::MIN, -1), i32::MIN);
        assert_eq!(Number::rem(i8::MIN, -1), 0);
        assert_eq!(Number::modulo(-7i32, 3), 2);
        assert_eq!(Number::modulo(7i32, -3), -2);
        assert_eq!(Number::modulo(7u8, 3), 1);
        assert_eq!(Number::modulo(5i64, 0), 0);
        assert_eq!(Number::abs(i8::MIN), i8::MIN);
        assert_eq!(Number::neg(1u8), 255);
        assert_eq!((Number::sign(-9i8), Number::sign(0u16), Number::sign(4u64)), (-1, 0, 1));
    }

    #[test]
    fn integer_powers() {
        assert_eq!(Number::pow(3i32, 4), 81);
        assert_eq!(Number::pow(0i32, 0), 1);
        assert_eq!(Number::pow(2u8, 8), 0);
        assert_eq!(Number::pow(-1i32, -3), -1);
        assert_eq!(Number::pow(-1i64, -4), 1);
        assert_eq!(Number::pow(2i32, -1), 0);
        assert_eq!(Number::pow(7u32, 2), 49);
    }

    #[test]
    fn shifts_beyond_the_width() {
        assert_eq!(Int::shl(1u8, 8), 0);
        assert_eq!(Int::shl(1u8, 7), 128);
        assert_eq!(Int::shr(-8i32, 40), -1);
        assert_eq!(Int::shr(8u64, 64), 0);
        assert_eq!(Int::shl(1i32, -1), 0);
    }

    #[test]
    fn nan_wins() {
        for (a, b) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
            assert!(Number::max(a, b).is_nan() && Number::min(a, b).is_nan());
        }
        assert!(Number::max(f16::NAN, f16::ONE).is_nan() && Number::max(f16::ONE, f16::NAN).is_nan());
        assert_eq!(Number::min(bf16::ONE, bf16::ZERO), bf16::ZERO);
        assert!(Number::sign(f32::NAN).is_nan());
        assert_eq!(Number::modulo(-5.5f32, 2.0), 0.5);
        assert_eq!(Number::rem(-5.5f64, 2.0), -1.5);
    }
}
