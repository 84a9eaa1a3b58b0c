//! Unique along an axis.

use core::cmp::Ordering;

use crate::element::Number;

/// A total order: NaN above every number and equal to itself.
#[inline(always)]
pub(crate) fn order<T: Number>(a: T, b: T) -> Ordering {
    match a.partial_cmp(&b) {
        Some(order) => order,
        None => a.is_nan().cmp(&b.is_nan()),
    }
}

/// The distinct slices along the middle axis of `[outer, n, inner]` and their number `count`; a flat Unique has
/// `outer` = `inner` = 1.
///
/// `y` then starts with a dense `[outer, count, inner]`; `first[..count]` says where each stood first, `inverse[k]`
/// which one slice k is, and `counts[..count]` how often each occurs. They are in ascending order if `sorted`, else
/// in order of first occurrence.
///
/// # Panics
/// If `x` does not have its extents, `y` is shorter than the result, `first`, `counts` or `scratch` is shorter than
/// `n`, or `inverse` does not have `n` elements.
#[allow(clippy::too_many_arguments, reason = "five tensors with their extents")]
pub fn unique<T: Number>(
    sorted: bool,
    outer: usize,
    n: usize,
    inner: usize,
    x: &[T],
    y: &mut [T],
    first: &mut [i64],
    inverse: &mut [i64],
    counts: &mut [i64],
    scratch: &mut [u32],
) -> usize {
    assert!(
        x.len() == outer * n * inner && inverse.len() == n && n <= u32::MAX as usize,
        "a unique's slices do not have its extents"
    );
    let slice = |k: u32| (0..outer).flat_map(move |o| &x[(o * n + k as usize) * inner..][..inner]);
    let compare = |a: u32, b: u32| {
        slice(a).zip(slice(b)).map(|(&a, &b)| order(a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    };
    let places = &mut scratch[..n];
    for (k, place) in places.iter_mut().enumerate() {
        *place = k as u32;
    }
    places.sort_unstable_by(|&a, &b| compare(a, b).then(a.cmp(&b)));

    let mut count = 0;
    for (at, &k) in places.iter().enumerate() {
        if at == 0 || compare(places[at - 1], k).is_ne() {
            first[count] = k.into();
            counts[count] = 0;
            count += 1;
        }
        counts[count - 1] += 1;
        inverse[k as usize] = count as i64 - 1;
    }

    if !sorted {
        let groups = &mut places[..count];
        for (g, group) in groups.iter_mut().enumerate() {
            *group = g as u32;
        }
        groups.sort_unstable_by_key(|&g| first[g as usize]);
        first[..count].sort_unstable();
        // The counts lend their place to the new numbers of the groups.
        for (number, &g) in groups.iter().enumerate() {
            counts[g as usize] = number as i64;
        }
        for group in inverse.iter_mut() {
            *group = counts[*group as usize];
        }
        counts[..count].fill(0);
        for &group in inverse.iter() {
            counts[group as usize] += 1;
        }
    }

    let mut to = 0;
    for o in 0..outer {
        for &k in &first[..count] {
            let from = (o * n + k as usize) * inner;
            y[to..to + inner].copy_from_slice(&x[from..from + inner]);
            to += inner;
        }
    }
    count
}
