//! Running sums and products along the middle axis of `[outer, n, inner]`.

use crate::element::Number;

/// `y[o, k, i]` = the sum of `x[o, 0..=k, i]`, or of `0..k` if `exclusive`; from the end if `reverse`.
///
/// # Panics
/// If a slice does not have `outer * n * inner` elements.
pub fn cum_sum<T: Number>(
    exclusive: bool,
    reverse: bool,
    outer: usize,
    n: usize,
    inner: usize,
    x: &[T],
    y: &mut [T],
) {
    scan(exclusive, reverse, [outer, n, inner], x, y, T::ZERO, T::add);
}

/// `y[o, k, i]` = the product of `x[o, 0..=k, i]`, or of `0..k` if `exclusive`; from the end if `reverse`.
///
/// # Panics
/// If a slice does not have `outer * n * inner` elements.
pub fn cum_prod<T: Number>(
    exclusive: bool,
    reverse: bool,
    outer: usize,
    n: usize,
    inner: usize,
    x: &[T],
    y: &mut [T],
) {
    scan(exclusive, reverse, [outer, n, inner], x, y, T::ONE, T::mul);
}

#[inline(always)]
fn scan<T: Number>(
    exclusive: bool,
    reverse: bool,
    [outer, n, inner]: [usize; 3],
    x: &[T],
    y: &mut [T],
    identity: T,
    combine: impl Fn(T, T) -> T,
) {
    assert!(x.len() == outer * n * inner && y.len() == x.len(), "a scan's slices do not have its extents");
    if x.is_empty() {
        return;
    }
    for (x, y) in x.chunks_exact(n * inner).zip(y.chunks_exact_mut(n * inner)) {
        for step in 0..n {
            let at = if reverse { n - 1 - step } else { step };
            let before = if reverse { at + 1 } else { at.wrapping_sub(1) };
            for i in 0..inner {
                let here = at * inner + i;
                y[here] = match (step, exclusive) {
                    (0, true) => identity,
                    (0, false) => x[here],
                    (_, true) => combine(y[before * inner + i], x[before * inner + i]),
                    (_, false) => combine(y[before * inner + i], x[here]),
                };
            }
        }
    }
}
