//! Reductions over the middle axis of a row-major `[outer, n, inner]` tensor.
//!
//! The compiler brings any set of adjacent axes to this form. An empty axis gives the reduction's identity: 0 for
//! sums, 1 for the product, −∞ or the lowest integer for the maximum, +∞ or the highest for the minimum.
//! Maxima and minima are NaN if any element is. See [`rows`] for the reductions that generated row kernels use.

pub mod rows;

mod arg;
mod float;
mod scan;
#[cfg(test)]
mod tests;

use crate::element::Number;

pub use arg::{arg_max, arg_min};
pub use float::reduce_f32;
pub use scan::{cum_prod, cum_sum};

/// What a reduction computes; the names are ONNX's without `Reduce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Σ x
    Sum,
    /// Σ x / n; integers truncate
    Mean,
    /// max x
    Max,
    /// min x
    Min,
    /// Π x
    Prod,
    /// Σ |x|
    L1,
    /// √Σ x²
    L2,
    /// log Σ x
    LogSum,
    /// log Σ e^x, without overflow
    LogSumExp,
    /// Σ x²
    SumSquare,
}

/// Checks the extents of a reduction; the lengths must be exact.
#[track_caller]
fn check(outer: usize, n: usize, inner: usize, x: usize, y: usize) {
    assert!(x == outer * n * inner && y == outer * inner, "a reduction's slices do not have its extents");
}

/// `y[o, i] = op over k of x[o, k, i]` for any element type. [`reduce_f32`] is the fast form for `f32`.
///
/// Sums and products of integers wrap; means, norms and logarithms, and everything of the half precisions, are
/// computed in `f64` and converted at the end.
///
/// # Panics
/// If the slices do not have `outer * n * inner` and `outer * inner` elements.
pub fn reduce<T: Number>(op: Reduction, outer: usize, n: usize, inner: usize, x: &[T], y: &mut [T]) {
    check(outer, n, inner, x.len(), y.len());
    if inner == 0 {
        return;
    }
    for (o, y) in y.chunks_exact_mut(inner).enumerate() {
        let x = &x[o * n * inner..(o + 1) * n * inner];
        for (i, y) in y.iter_mut().enumerate() {
            let column = x.get(i..).unwrap_or_default().iter().step_by(inner).copied();
            *y = reduce_one(op, n, column);
        }
    }
}

fn reduce_one<T: Number>(op: Reduction, n: usize, x: impl Iterator<Item = T> + Clone) -> T {
    let wide = x.clone().map(T::to_f64);
    let squares = wide.clone().map(|x| x * x);
    match op {
        Reduction::Max => x.fold(T::LOWEST, T::max),
        Reduction::Min => x.fold(T::HIGHEST, T::min),
        Reduction::Mean => T::from_f64(wide.sum::<f64>() / n as f64),
        Reduction::L2 => T::from_f64(libm::sqrt(squares.sum())),
        Reduction::LogSum => T::from_f64(libm::log(wide.sum())),
        Reduction::LogSumExp => {
            let largest = wide.clone().fold(f64::NEG_INFINITY, Number::max);
            let shift = if largest.is_finite() { largest } else { 0.0 };
            T::from_f64(libm::log(wide.map(|x| libm::exp(x - shift)).sum()) + shift)
        }
        Reduction::Sum if T::NARROW => T::from_f64(wide.sum()),
        Reduction::Prod if T::NARROW => T::from_f64(wide.product()),
        Reduction::L1 if T::NARROW => T::from_f64(wide.map(f64::abs).sum()),
        Reduction::SumSquare if T::NARROW => T::from_f64(squares.sum()),
        Reduction::Sum => x.fold(T::ZERO, T::add),
        Reduction::Prod => x.fold(T::ONE, T::mul),
        Reduction::L1 => x.map(T::abs).fold(T::ZERO, T::add),
        Reduction::SumSquare => x.map(|x| x.mul(x)).fold(T::ZERO, T::add),
    }
}
