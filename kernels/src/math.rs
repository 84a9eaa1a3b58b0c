//! Scalar mathematics for generated loops.
//!
//! The `f32` functions that matter for speed are branch-free polynomials: a plain loop over slices inside
//! [`vectorize`](crate::vectorize) becomes wide vector code. They never contract a multiplication and an addition,
//! so results are the same bits at every instruction-set level. The others, and all of `f64`, are libm's.
//! Half precisions go through `f32` by [`cast`](fn@cast).
//!
//! Largest errors of the `f32` functions in units in the last place (the tests hold them to it): [`exp`] 1.25,
//! [`exp2`] 1.25, [`expm1`] 2, [`log`] 1, [`tanh`] 3, [`sigmoid`] 3, [`erf`] 3, [`softplus`] 3, [`sin`] and [`cos`] 2,
//! [`pow`] 1.

mod cast;
mod erf;
mod exp;
mod log;
mod pow;
mod round;
mod tanh;
#[cfg(test)]
mod tests;
mod trig;

use crate::element::{Int, Number};

pub use cast::{Cast, cast, from_bool, to_bool};
pub(crate) use exp::exp_not_positive;
pub(crate) use pow::pow_f32;
pub use round::round_clamped;

/// A floating-point element with elementary functions.
pub trait Float: Number {
    /// e^x.
    fn exp(self) -> Self;
    /// 2^x.
    fn exp2(self) -> Self;
    /// e^x − 1, accurate near zero.
    fn expm1(self) -> Self;
    /// The natural logarithm.
    fn log(self) -> Self;
    /// log(1 + x), accurate near zero.
    fn log1p(self) -> Self;
    /// log(1 + e^x).
    fn softplus(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// 1 / (1 + e^−x).
    fn sigmoid(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// The sine of radians.
    fn sin(self) -> Self;
    /// The cosine of radians.
    fn cos(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The nearest integer, halves to even.
    fn round_ties_even(self) -> Self;
    /// The largest integer not above.
    fn floor(self) -> Self;
    /// The smallest integer not below.
    fn ceil(self) -> Self;
    /// The integer part.
    fn trunc(self) -> Self;
    /// The tangent of radians.
    fn tan(self) -> Self;
    /// The arc sine.
    fn asin(self) -> Self;
    /// The arc cosine.
    fn acos(self) -> Self;
    /// The arc tangent.
    fn atan(self) -> Self;
    /// The hyperbolic sine.
    fn sinh(self) -> Self;
    /// The hyperbolic cosine.
    fn cosh(self) -> Self;
    /// The inverse hyperbolic sine.
    fn asinh(self) -> Self;
    /// The inverse hyperbolic cosine.
    fn acosh(self) -> Self;
    /// The inverse hyperbolic tangent.
    fn atanh(self) -> Self;
    /// The logarithm of |Γ(x)|.
    fn lgamma(self) -> Self;
    /// Whether this is +∞ or −∞.
    fn is_infinite(self) -> bool;
}

macro_rules! through {
    ($t:ident: $($name:ident = $path:path),* $(,)?) => { $(
        #[inline(always)]
        fn $name(self) -> $t {
            $path(self)
        }
    )* };
}

impl Float for f32 {
    through! { f32:
        exp = exp::exp, exp2 = exp::exp2, expm1 = exp::expm1, log = log::log, log1p = libm::log1pf,
        softplus = log::softplus, tanh = tanh::tanh, sigmoid = tanh::sigmoid, erf = erf::erf, sin = trig::sin,
        cos = trig::cos, sqrt = round::sqrt_f32, round_ties_even = round::round_ties_even_f32,
        floor = round::floor_f32, ceil = round::ceil_f32, trunc = round::trunc_f32, tan = libm::tanf,
        asin = libm::asinf, acos = libm::acosf, atan = libm::atanf, sinh = libm::sinhf, cosh = libm::coshf,
        asinh = libm::asinhf, acosh = libm::acoshf, atanh = libm::atanhf, lgamma = libm::lgammaf,
    }

    #[inline(always)]
    fn is_infinite(self) -> bool {
        f32::is_infinite(self)
    }
}

impl Float for f64 {
    through! { f64:
        exp = libm::exp, exp2 = libm::exp2, expm1 = libm::expm1, log = libm::log, log1p = libm::log1p,
        tanh = libm::tanh, erf = libm::erf, sin = libm::sin, cos = libm::cos, sqrt = round::sqrt_f64,
        round_ties_even = round::round_ties_even_f64, floor = round::floor_f64, ceil = round::ceil_f64,
        trunc = round::trunc_f64, tan = libm::tan, asin = libm::asin, acos = libm::acos, atan = libm::atan,
        sinh = libm::sinh, cosh = libm::cosh, asinh = libm::asinh, acosh = libm::acosh, atanh = libm::atanh,
        lgamma = libm::lgamma,
    }

    #[inline]
    fn softplus(self) -> f64 {
        Number::max(self, 0.0) + libm::log1p(libm::exp(-self.abs()))
    }

    #[inline]
    fn sigmoid(self) -> f64 {
        let z = libm::exp(-self.abs());
        if self < 0.0 { z / (1.0 + z) } else { 1.0 / (1.0 + z) }
    }

    #[inline(always)]
    fn is_infinite(self) -> bool {
        f64::is_infinite(self)
    }
}

macro_rules! free {
    ($bound:ident: $($(#[$doc:meta])* $name:ident($($arg:ident),*);)*) => { $(
        $(#[$doc])*
        #[inline(always)]
        pub fn $name<T: $bound>(x: T $(, $arg: T)*) -> T {
            $bound::$name(x $(, $arg)*)
        }
    )* };
}

free! { Float:
    /// e^x; 0 at −∞, ∞ above 88.72 (`f32`).
    exp();
    /// 2^x.
    exp2();
    /// e^x − 1, accurate near zero.
    expm1();
    /// The natural logarithm: −∞ at 0, NaN below.
    log();
    /// log(1 + x), accurate near zero.
    log1p();
    /// log(1 + e^x), without overflow.
    softplus();
    /// The hyperbolic tangent.
    tanh();
    /// 1 / (1 + e^−x), accurate to the last denormal.
    sigmoid();
    /// The error function.
    erf();
    /// The sine of radians, at any magnitude.
    sin();
    /// The cosine of radians, at any magnitude.
    cos();
    /// The correctly rounded square root.
    sqrt();
    /// The nearest integer, halves to even (ONNX Round).
    round_ties_even();
    /// The largest integer not above.
    floor();
    /// The smallest integer not below.
    ceil();
    /// The integer part.
    trunc();
    /// The tangent of radians.
    tan();
    /// The arc sine.
    asin();
    /// The arc cosine.
    acos();
    /// The arc tangent.
    atan();
    /// The hyperbolic sine.
    sinh();
    /// The hyperbolic cosine.
    cosh();
    /// The inverse hyperbolic sine.
    asinh();
    /// The inverse hyperbolic cosine.
    acosh();
    /// The inverse hyperbolic tangent.
    atanh();
    /// The logarithm of |Γ(x)|.
    lgamma();
}

free! { Number:
    /// `x + y`; integers wrap.
    add(y);
    /// `x - y`; integers wrap.
    sub(y);
    /// `x * y`; integers wrap.
    mul(y);
    /// `x / y`; integers truncate, and division by zero gives 0.
    div(y);
    /// The remainder with the sign of `x` (ONNX Mod with `fmod = 1`).
    rem(y);
    /// The remainder with the sign of `y` (ONNX Mod with `fmod = 0`).
    modulo(y);
    /// `x` to the power `y`, with C's special cases; integers wrap.
    pow(y);
    /// The larger; NaN if either is NaN.
    max(y);
    /// The smaller; NaN if either is NaN.
    min(y);
    /// `-x`.
    neg();
    /// The magnitude.
    abs();
    /// −1, 0 or 1 with the sign of `x`; NaN stays NaN.
    sign();
}

free! { Int:
    /// Bitwise and.
    and(y);
    /// Bitwise or.
    or(y);
    /// Bitwise exclusive or.
    xor(y);
    /// Bitwise complement.
    not();
    /// `x << y`; 0 when `y` is not below the width.
    shl(y);
    /// `x >> y`, arithmetic for signed integers.
    shr(y);
}

/// 1 / √x.
#[inline(always)]
pub fn rsqrt<T: Float>(x: T) -> T {
    T::ONE.div(x.sqrt())
}

/// 1 / x.
#[inline(always)]
pub fn reciprocal<T: Float>(x: T) -> T {
    T::ONE.div(x)
}

/// `x` below zero becomes zero; NaN stays NaN.
#[inline(always)]
pub fn relu<T: Number>(x: T) -> T {
    if x < T::ZERO { T::ZERO } else { x }
}

/// `x` limited to `low..=high` (ONNX Clip: where `low > high`, `high`); NaN stays NaN.
#[inline(always)]
pub fn clip<T: Number>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// Whether `x` is NaN.
#[inline(always)]
pub fn is_nan<T: Number>(x: T) -> bool {
    x.is_nan()
}

/// Whether `x` is +∞ or −∞.
#[inline(always)]
pub fn is_infinite<T: Float>(x: T) -> bool {
    x.is_infinite()
}
