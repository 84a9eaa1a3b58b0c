//! The f32 reductions: rows by lanes, columns by accumulating whole inner rows.

use super::{Reduction, check, rows};
use crate::{math, vectorize};

/// How many elements of a long row are summed in lanes before the partial sums are added up.
const BLOCK: usize = 8192;

/// `y[o, i] = op over k of x[o, k, i]`.
///
/// A constant `op` leaves only its own code in the program.
///
/// # Panics
/// If the slices do not have `outer * n * inner` and `outer * inner` elements.
#[inline]
pub fn reduce_f32(op: Reduction, outer: usize, n: usize, inner: usize, x: &[f32], y: &mut [f32]) {
    check(outer, n, inner, x.len(), y.len());
    match op {
        Reduction::Sum => sum(n, inner, x, y),
        Reduction::Mean => mean(n, inner, x, y),
        Reduction::Max => max(n, inner, x, y),
        Reduction::Min => min(n, inner, x, y),
        Reduction::Prod => prod(n, inner, x, y),
        Reduction::L1 => l1(n, inner, x, y),
        Reduction::L2 => l2(n, inner, x, y),
        Reduction::LogSum => log_sum(n, inner, x, y),
        Reduction::LogSumExp => log_sum_exp(n, inner, x, y),
        Reduction::SumSquare => sum_square(n, inner, x, y),
    }
}

/// `finish(combine over map(x))` for every row (`inner` = 1) or column.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "extents, slices and the four parts of a reduction")]
fn run(
    n: usize,
    inner: usize,
    x: &[f32],
    y: &mut [f32],
    identity: f32,
    map: impl Fn(f32) -> f32,
    combine: impl Fn(f32, f32) -> f32,
    finish: impl Fn(f32) -> f32,
) {
    if inner == 0 {
        return;
    }
    vectorize(
        #[inline(always)]
        || {
            for (o, y) in y.chunks_exact_mut(inner).enumerate() {
                let x = &x[o * n * inner..(o + 1) * n * inner];
                if inner == 1 {
                    y[0] = identity;
                    for x in x.chunks(BLOCK) {
                        let part = rows::reduce(
                            x.len(),
                            identity,
                            #[inline(always)]
                            |i| map(x[i]),
                            &combine,
                        );
                        y[0] = combine(y[0], part);
                    }
                } else {
                    y.fill(identity);
                    for x in x.chunks_exact(inner) {
                        for (y, &x) in y.iter_mut().zip(x) {
                            *y = combine(*y, map(x));
                        }
                    }
                }
                for y in y {
                    *y = finish(*y);
                }
            }
        },
    );
}

macro_rules! reductions {
    ($($name:ident($n:ident): $identity:expr, $map:expr, $combine:expr, $finish:expr;)*) => { $(
        fn $name($n: usize, inner: usize, x: &[f32], y: &mut [f32]) {
            run($n, inner, x, y, $identity, $map, $combine, $finish);
        }
    )* };
}

reductions! {
    sum(n): 0.0, |x| x, |a, b| a + b, |y| y;
    mean(n): 0.0, |x| x, |a, b| a + b, |y| y / n as f32;
    max(n): f32::NEG_INFINITY, |x| x, math::max, |y| y;
    min(n): f32::INFINITY, |x| x, math::min, |y| y;
    prod(n): 1.0, |x| x, |a, b| a * b, |y| y;
    l1(n): 0.0, f32::abs, |a, b| a + b, |y| y;
    l2(n): 0.0, |x| x * x, |a, b| a + b, math::sqrt;
    log_sum(n): 0.0, |x| x, |a, b| a + b, math::log;
    sum_square(n): 0.0, |x| x * x, |a, b| a + b, |y| y;
}

/// Columns are handled this many at a time, with their maxima on the stack.
const COLUMNS: usize = 64;

fn log_sum_exp(n: usize, inner: usize, x: &[f32], y: &mut [f32]) {
    if inner == 0 {
        return;
    }
    // An infinite maximum must not become ∞ − ∞.
    let shift = |largest: f32| if largest.is_finite() { largest } else { 0.0 };
    vectorize(
        #[inline(always)]
        || {
            for (o, y) in y.chunks_exact_mut(inner).enumerate() {
                let x = &x[o * n * inner..(o + 1) * n * inner];
                if inner == 1 {
                    let shift = shift(rows::max(
                        x.len(),
                        #[inline(always)]
                        |i| x[i],
                    ));
                    let sum = rows::sum(
                        x.len(),
                        #[inline(always)]
                        |i| math::exp(x[i] - shift),
                    );
                    y[0] = math::log(sum) + shift;
                    continue;
                }
                for (block, y) in y.chunks_mut(COLUMNS).enumerate() {
                    let mut largest = [f32::NEG_INFINITY; COLUMNS];
                    let largest = &mut largest[..y.len()];
                    let columns = block * COLUMNS..block * COLUMNS + y.len();
                    for x in x.chunks_exact(inner) {
                        for (m, &x) in largest.iter_mut().zip(&x[columns.clone()]) {
                            *m = math::max(*m, x);
                        }
                    }
                    for m in largest.iter_mut() {
                        *m = shift(*m);
                    }
                    y.fill(0.0);
                    for x in x.chunks_exact(inner) {
                        for ((y, &m), &x) in y.iter_mut().zip(&*largest).zip(&x[columns.clone()]) {
                            *y += math::exp(x - m);
                        }
                    }
                    for (y, &m) in y.iter_mut().zip(&*largest) {
                        *y = math::log(*y) + m;
                    }
                }
            }
        },
    );
}
