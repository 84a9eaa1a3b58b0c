//! Shapes that are finer or coarser forms of each other: axes split into neighbouring axes.

use crate::types::{Dim, Shape};
use std::ops::Range;

/// For each axis of `coarse` the neighbouring axes of `fine` that it is made of, if all of it is.
pub(super) fn groups(coarse: &[Dim], fine: &[Dim]) -> Option<Vec<Range<usize>>> {
    let mut groups = Vec::with_capacity(coarse.len());
    let mut at = 0;
    for extent in coarse {
        let first = at;
        let mut product = Dim::ONE;
        if extent.is(1) {
            at += usize::from(fine.get(at).is_some_and(|d| d.is(1)));
        }
        while product != *extent {
            product = &product * fine.get(at)?;
            at += 1;
        }
        groups.push(first..at);
    }
    if fine[at..].iter().any(|d| !d.is(1)) {
        return None;
    }
    if let Some(last) = groups.last_mut() {
        last.end = fine.len();
    }
    (at == fine.len() || !groups.is_empty()).then_some(groups)
}

/// The shape of a tensor that broadcasts to `coarse`, such that it broadcasts alike to the shape that `coarse` was split
/// into.
pub(super) fn refined(own: &[Dim], coarse: &[Dim], fine: &[Dim], groups: &[Range<usize>]) -> Option<Shape> {
    let missing = coarse.len().checked_sub(own.len())?;
    let mut shape = Shape::new();
    for (axis, extent) in own.iter().enumerate() {
        let parts = &fine[groups[axis + missing].clone()];
        if *extent == coarse[axis + missing] {
            shape.extend_from_slice(parts);
        } else if extent.is(1) {
            shape.extend(parts.iter().map(|_| Dim::ONE));
        } else {
            return None;
        }
    }
    Some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dims(list: &[i64]) -> Shape {
        list.iter().map(|&d| Dim::from(d)).collect()
    }

    #[test]
    fn axes_split_into_groups() {
        let found = |a: &[i64], b: &[i64]| groups(&dims(a), &dims(b));
        assert_eq!(found(&[6, 5], &[2, 3, 5]), Some(vec![0..2, 2..3]));
        assert_eq!(found(&[6, 5], &[6, 1, 5]), Some(vec![0..1, 1..3]));
        assert_eq!(found(&[1, 5], &[5]), Some(vec![0..0, 0..1]));
        assert_eq!(found(&[1, 5, 1], &[1, 5, 1, 1]), Some(vec![0..1, 1..2, 2..4]));
        assert_eq!(found(&[6, 5], &[3, 10]), None);
        assert_eq!(found(&[6], &[6, 5]), None);
    }

    #[test]
    fn broadcast_axes_stay_broadcast() {
        let (coarse, fine) = (dims(&[6, 4, 5]), dims(&[2, 3, 4, 5]));
        let groups = groups(&coarse, &fine).unwrap();
        let found = |own: &[i64]| refined(&dims(own), &coarse, &fine, &groups);
        assert_eq!(found(&[6, 4, 5]), Some(dims(&[2, 3, 4, 5])));
        assert_eq!(found(&[1, 1, 5]), Some(dims(&[1, 1, 1, 5])));
        assert_eq!(found(&[4, 5]), Some(dims(&[4, 5])));
        assert_eq!(found(&[2, 4, 5]), None);
    }
}
