//! Rounding to integers and the square root, in forms that vectorise without SSE4.1 or std.

macro_rules! rounding {
    ($t:ident, $bound:literal, $nearest:ident, $floor:ident, $ceil:ident, $trunc:ident) => {
        #[inline(always)]
        pub(super) fn $nearest(x: $t) -> $t {
            let a = x.abs();
            // From this bound on there are no fractions; below it, adding it rounds them away.
            let rounded = (a + $bound) - $bound;
            let y = if a < $bound { rounded } else { a };
            y.copysign(x)
        }

        #[inline(always)]
        pub(super) fn $floor(x: $t) -> $t {
            let y = $nearest(x);
            let y = if y > x { y - 1.0 } else { y };
            y.copysign(x)
        }

        #[inline(always)]
        pub(super) fn $ceil(x: $t) -> $t {
            let y = $nearest(x);
            let y = if y < x { y + 1.0 } else { y };
            y.copysign(x)
        }

        #[inline(always)]
        pub(super) fn $trunc(x: $t) -> $t {
            $floor(x.abs()).copysign(x)
        }
    };
}

rounding!(f32, 8_388_608.0, round_ties_even_f32, floor_f32, ceil_f32, trunc_f32);
rounding!(f64, 4_503_599_627_370_496.0, round_ties_even_f64, floor_f64, ceil_f64, trunc_f64);

#[inline(always)]
pub(super) fn sqrt_f32(x: f32) -> f32 {
    #[cfg(any(feature = "std", test))]
    {
        x.sqrt()
    }
    #[cfg(all(target_arch = "x86_64", not(any(feature = "std", test))))]
    {
        use core::arch::x86_64::{_mm_cvtss_f32, _mm_set_ss, _mm_sqrt_ss};
        // SAFETY: SSE is part of the x86-64 baseline.
        unsafe { _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))) }
    }
    #[cfg(not(any(target_arch = "x86_64", feature = "std", test)))]
    {
        libm::sqrtf(x)
    }
}

#[inline(always)]
pub(super) fn sqrt_f64(x: f64) -> f64 {
    libm::sqrt(x)
}

/// The nearest integer, halves to even, after limiting `x` to `low..=high`; NaN becomes `low`. The bounds must lie
/// within ±2^22: then no saturating conversion is needed, and quantising loops vectorise.
#[inline(always)]
pub fn round_clamped(x: f32, low: f32, high: f32) -> i32 {
    const MAGIC: f32 = 12_582_912.0;
    let x = if x > low { x } else { low };
    let x = if x < high { x } else { high };
    (x + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i32
}
