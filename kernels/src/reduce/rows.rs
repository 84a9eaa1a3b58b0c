//! Reductions over one row, for generated row kernels (softmax, the normalisations).
//!
//! Each takes the row's length and a closure that gives the element at a subscript. Called inside
//! [`vectorize`](crate::vectorize) with an `#[inline(always)]` closure, the loop becomes wide vector code, provided
//! that the closure subscripts slices that were cut to the row's length before: then the subscript checks vanish.
//!
//! ```
//! use ingrain_kernels::{math, reduce::rows, vectorize};
//!
//! fn softmax_row(x: &[f32], y: &mut [f32]) {
//!     let n = y.len();
//!     let x = &x[..n];
//!     vectorize(
//!         #[inline(always)]
//!         || {
//!             let largest = rows::max(n, #[inline(always)] |i| x[i]);
//!             for i in 0..n {
//!                 y[i] = math::exp(x[i] - largest);
//!             }
//!             let scale = 1.0 / rows::sum(n, #[inline(always)] |i| y[i]);
//!             for i in 0..n {
//!                 y[i] *= scale;
//!             }
//!         },
//!     );
//! }
//!
//! let mut y = [0.0; 3];
//! softmax_row(&[0.0, 0.0, 0.0], &mut y);
//! assert!((y[0] - 1.0 / 3.0).abs() < 1e-6);
//! ```
//!
//! Order: element i goes to lane i mod 16, in order; then lane j takes lane j + 8, j + 4, j + 2, j + 1.

/// The number of partial results.
pub const LANES: usize = 16;

/// Combines the lanes by halves.
#[inline(always)]
fn fold(mut lanes: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for j in 0..width {
            lanes[j] = combine(lanes[j], lanes[j + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// `combine` over `f(0) .. f(n)`, starting from `identity` in every lane.
#[inline(always)]
pub fn reduce(n: usize, identity: f32, f: impl Fn(usize) -> f32, combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [identity; LANES];
    let whole = n - n % LANES;
    let mut start = 0;
    while start < whole {
        for (j, lane) in lanes.iter_mut().enumerate() {
            let i = start + j;
            // SAFETY: `start` is a multiple of `LANES` below `whole`, so `start + LANES <= whole <= n`.
            unsafe { core::hint::assert_unchecked(i < n) };
            *lane = combine(*lane, f(i));
        }
        start += LANES;
    }
    for (lane, i) in lanes.iter_mut().zip(whole..n) {
        *lane = combine(*lane, f(i));
    }
    fold(lanes, combine)
}

/// The sum; 0 for an empty row.
#[inline(always)]
pub fn sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    reduce(n, 0.0, f, |a, b| a + b)
}

/// The product; 1 for an empty row.
#[inline(always)]
pub fn prod(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    reduce(n, 1.0, f, |a, b| a * b)
}

/// The largest element, NaN if any is NaN; −∞ for an empty row.
#[inline(always)]
pub fn max(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    reduce(n, f32::NEG_INFINITY, f, crate::math::max)
}

/// The smallest element, NaN if any is NaN; +∞ for an empty row.
#[inline(always)]
pub fn min(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    reduce(n, f32::INFINITY, f, crate::math::min)
}
