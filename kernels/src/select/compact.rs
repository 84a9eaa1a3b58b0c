//! OneHot, ReverseSequence, and the outputs whose size the data decides: Compress and NonZero.

use super::{IndexError, MAX_RANK};
use crate::element::{Int, Number};

/// `y[o, d, i] = on` where `d` is `indices[o, i]`, else `off`; `y` is `[outer, depth, inner]`. Negative indices count
/// from the end; one outside the depth leaves its column `off`.
///
/// # Panics
/// If a slice does not have its extents.
#[allow(clippy::too_many_arguments, reason = "two tensors with their extents and two values")]
pub fn one_hot<T: Copy, I: Int>(
    outer: usize,
    depth: usize,
    inner: usize,
    indices: &[I],
    off: T,
    on: T,
    y: &mut [T],
) {
    assert!(
        indices.len() == outer * inner && y.len() == outer * depth * inner,
        "a one-hot's slices do not have its extents"
    );
    y.fill(off);
    for (number, &index) in indices.iter().enumerate() {
        if let Ok(d) = super::position(index, depth) {
            y[(number / inner * depth + d) * inner + number % inner] = on;
        }
    }
}

/// Keeps the positions of the middle axis whose condition is not 0, and returns how many: `y` then starts with a
/// dense `[outer, count, inner]`. A condition shorter than the axis drops the rest.
///
/// # Panics
/// If `x` does not have its extents, or `y` is too short for the result.
pub fn compress<T: Copy>(
    outer: usize,
    axis: usize,
    inner: usize,
    x: &[T],
    condition: &[u8],
    y: &mut [T],
) -> usize {
    assert!(x.len() == outer * axis * inner, "a compress's slices do not have its extents");
    let condition = &condition[..condition.len().min(axis)];
    let count = condition.iter().filter(|&&c| c != 0).count();
    let mut to = 0;
    for o in 0..outer {
        for (k, _) in condition.iter().enumerate().filter(|(_, c)| **c != 0) {
            let from = (o * axis + k) * inner;
            y[to..to + inner].copy_from_slice(&x[from..from + inner]);
            to += inner;
        }
    }
    count
}

/// The subscripts of the elements that are not zero, and their number: `y` then starts with a dense
/// `[rank, count]`. A scalar counts as one axis of one element.
///
/// # Panics
/// If `x` does not have `dims`, the rank is above 16, or `y` is too short for the result.
pub fn nonzero<T: Number>(dims: &[usize], x: &[T], y: &mut [i64]) -> usize {
    let dims = if dims.is_empty() { &[1] } else { dims };
    assert!(
        dims.len() <= MAX_RANK && x.len() == dims.iter().product(),
        "a nonzero's slice does not have its extents"
    );
    let count = x.iter().filter(|&&v| v != T::ZERO).count();
    for (to, (number, _)) in x.iter().enumerate().filter(|(_, v)| **v != T::ZERO).enumerate() {
        let mut rest = number;
        for (a, &n) in dims.iter().enumerate().rev() {
            y[a * count + to] = (rest % n) as i64;
            rest /= n;
        }
    }
    count
}

/// Reverses the first `lengths[b]` steps of every sequence. `x` and `y` are `[batch, time, inner]`, or
/// `[time, batch, inner]` if `time_first`.
///
/// # Errors
/// A length that is negative or above `time`.
///
/// # Panics
/// If a slice does not have its extents.
#[allow(clippy::too_many_arguments, reason = "three tensors with their extents")]
pub fn reverse_sequence<T: Copy>(
    time_first: bool,
    batch: usize,
    time: usize,
    inner: usize,
    lengths: &[i64],
    x: &[T],
    y: &mut [T],
) -> Result<(), IndexError> {
    assert!(
        lengths.len() == batch && x.len() == batch * time * inner && y.len() == x.len(),
        "a reversal's slices do not have its extents"
    );
    let offset = |b: usize, t: usize| if time_first { t * batch + b } else { b * time + t } * inner;
    for (b, &length) in lengths.iter().enumerate() {
        let reversed = usize::try_from(length).ok().filter(|&n| n <= time);
        let reversed = reversed.ok_or(IndexError { index: length, bound: time })?;
        for t in 0..time {
            let from = offset(b, if t < reversed { reversed - 1 - t } else { t });
            let to = offset(b, t);
            y[to..to + inner].copy_from_slice(&x[from..from + inner]);
        }
    }
    Ok(())
}
