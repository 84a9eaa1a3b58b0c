//! TopK.

use core::cmp::Ordering;

use crate::element::Number;
use crate::select::order;

/// The `k` largest (or smallest) elements along the middle axis of `[outer, n, inner]`, best first, with their
/// positions; of equals the one with the lower position comes first. NaN counts as larger than any number.
/// `values` and `indices` are `[outer, k, inner]`. The attribute `sorted` may be ignored: the order is always given.
///
/// # Panics
/// If `k > n`, a slice does not have its extents, or `scratch` is shorter than `n`.
#[allow(clippy::too_many_arguments, reason = "three tensors with their extents")]
pub fn top_k<T: Number>(
    largest: bool,
    outer: usize,
    n: usize,
    inner: usize,
    k: usize,
    x: &[T],
    values: &mut [T],
    indices: &mut [i64],
    scratch: &mut [u32],
) {
    assert!(
        k <= n
            && n <= u32::MAX as usize
            && x.len() == outer * n * inner
            && values.len() == outer * k * inner
            && indices.len() == values.len(),
        "a TopK's slices do not have its extents"
    );
    if k == 0 {
        return;
    }
    for o in 0..outer {
        for i in 0..inner {
            let at = |place: u32| x[(o * n + place as usize) * inner + i];
            let best = |&a: &u32, &b: &u32| {
                let order = order(at(a), at(b));
                let order = if largest { order.reverse() } else { order };
                order.then(a.cmp(&b))
            };
            let chosen = choose(k, n, &mut scratch[..n], best);
            for (rank, &place) in chosen.iter().enumerate() {
                values[(o * k + rank) * inner + i] = at(place);
                indices[(o * k + rank) * inner + i] = place.into();
            }
        }
    }
}

/// The first `k` of the places `0..n` by `best`, in order.
fn choose(k: usize, n: usize, places: &mut [u32], best: impl Fn(&u32, &u32) -> Ordering) -> &[u32] {
    // A few are kept sorted by insertion: nearly every element fails the first comparison.
    if k <= 32 {
        let mut kept = 0;
        for place in 0..n as u32 {
            if kept == k && best(&place, &places[k - 1]).is_ge() {
                continue;
            }
            let at = places[..kept].partition_point(|other| best(other, &place).is_lt());
            kept = (kept + 1).min(k);
            places.copy_within(at..kept - 1, at + 1);
            places[at] = place;
        }
        return &places[..k];
    }
    for (number, place) in places.iter_mut().enumerate() {
        *place = number as u32;
    }
    if k < n {
        places.select_nth_unstable_by(k - 1, &best);
    }
    places[..k].sort_unstable_by(&best);
    &places[..k]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    #[test]
    fn against_a_stable_sort() {
        for (outer, n, inner, k) in
            [(2, 9, 3, 4), (1, 300, 1, 40), (1, 300, 1, 300), (3, 50, 2, 1), (1, 5, 1, 0)]
        {
            let x: Vec<f32> = (0..outer * n * inner)
                .map(|i| if i % 41 == 7 { f32::NAN } else { ((i * 7919) % 23) as f32 })
                .collect();
            for largest in [true, false] {
                let mut values = vec![0.0; outer * k * inner];
                let mut indices = vec![0; values.len()];
                let mut scratch = vec![9; n];
                top_k(largest, outer, n, inner, k, &x, &mut values, &mut indices, &mut scratch);
                for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
                    let at = |p: usize| x[(o * n + p) * inner + i];
                    let key = |p: usize| if at(p).is_nan() { f32::INFINITY } else { at(p) };
                    let mut places: Vec<usize> = (0..n).collect();
                    places.sort_by(|&a, &b| {
                        let order = key(a).total_cmp(&key(b));
                        if largest { order.reverse() } else { order }
                    });
                    for (rank, &place) in places[..k].iter().enumerate() {
                        let got = (o * k + rank) * inner + i;
                        assert_eq!(indices[got], place as i64);
                        let (value, want) = (values[got], at(place));
                        assert!(value == want || value.is_nan() && want.is_nan());
                    }
                }
            }
        }
    }
}
