//! ArgMax and ArgMin over the middle axis of `[outer, n, inner]`.

use super::check;
use crate::element::Number;

/// `y[o, i]` = the subscript k of the largest `x[o, k, i]`: the first of equals, or the last (`select_last_index`).
/// NaN counts as larger than any number.
///
/// # Panics
/// If `n` is 0, or the slices do not have `outer * n * inner` and `outer * inner` elements.
pub fn arg_max<T: Number>(last: bool, outer: usize, n: usize, inner: usize, x: &[T], y: &mut [i64]) {
    arg(last, outer, n, inner, x, y, |a, b| a > b);
}

/// `y[o, i]` = the subscript k of the smallest `x[o, k, i]`: the first of equals, or the last (`select_last_index`).
/// NaN counts as smaller than any number.
///
/// # Panics
/// If `n` is 0, or the slices do not have `outer * n * inner` and `outer * inner` elements.
pub fn arg_min<T: Number>(last: bool, outer: usize, n: usize, inner: usize, x: &[T], y: &mut [i64]) {
    arg(last, outer, n, inner, x, y, |a, b| a < b);
}

#[inline(always)]
fn arg<T: Number>(
    last: bool,
    outer: usize,
    n: usize,
    inner: usize,
    x: &[T],
    y: &mut [i64],
    beats: impl Fn(T, T) -> bool,
) {
    check(outer, n, inner, x.len(), y.len());
    assert!(n > 0 || y.is_empty(), "an empty axis has no largest or smallest element");
    if inner == 0 {
        return;
    }
    for (o, y) in y.chunks_exact_mut(inner).enumerate() {
        let x = &x[o * n * inner..(o + 1) * n * inner];
        for (i, y) in y.iter_mut().enumerate() {
            let mut best = x[i];
            let mut at = 0;
            for (k, &value) in x[i..].iter().step_by(inner).enumerate().skip(1) {
                let better = beats(value, best) || value.is_nan() && !best.is_nan();
                let equal = value == best || value.is_nan() && best.is_nan();
                if better || last && equal {
                    best = value;
                    at = k;
                }
            }
            *y = at as i64;
        }
    }
}
