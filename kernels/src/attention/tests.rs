use super::*;
use std::vec;
use std::vec::Vec;

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state % 2001) as f32 / 1000.0 - 1.0
        })
        .collect()
}

/// `[batch, rows, axes of batch 1 and 2, columns]`, with the two axes between rows and columns as after a projection.
fn merged(batch: [usize; 3], rows: usize, columns: usize, shared: bool) -> Strides {
    let third = if shared { 1 } else { batch[2] };
    let row = batch[1] * third * columns + 3;
    let batch = [rows * row, third * columns, if shared { 0 } else { columns }];
    Strides { batch, row }
}

struct Case {
    batch: [usize; 3],
    queries: usize,
    keys: usize,
    depth: usize,
    width: usize,
    shared: bool,
}

fn check(case: &Case, map: Option<Map<'_>>, empty: bool) {
    let Case { batch, queries, keys, depth, width, shared } = *case;
    let extents = Extents { batch, queries, keys, depth, width };
    let q_strides = merged(batch, queries, depth, false);
    let k_strides = merged(batch, keys, depth, shared);
    let v_strides = merged(batch, keys, width, shared);
    let out_strides = merged(batch, queries, width, false);
    let q = numbers(batch[0] * q_strides.batch[0], 1);
    let k = numbers(batch[0] * k_strides.batch[0], 2);
    let v = numbers(batch[0] * v_strides.batch[0], 3);
    let q = Operand { data: &q, strides: q_strides };
    let k = Operand { data: &k, strides: k_strides };
    let v = Operand { data: &v, strides: v_strides };
    let scores = Scores { scale: 0.5, map, band: None, empty };
    let mut expected = vec![7.0; batch[0] * out_strides.batch[0]];
    let mut row = vec![0.0; keys];
    reference::attention(&extents, q, k, v, &scores, &mut expected, out_strides, &mut row);
    let mut scratch = vec![f32::NAN; attention_scratch(batch[2], queries, keys, depth, width)];
    for path in Path::all() {
        let mut out = vec![7.0; expected.len()];
        attention_f32_at(path, &extents, q, k, v, &scores, &mut out, out_strides, &mut scratch);
        for (i, (&got, &want)) in out.iter().zip(&expected).enumerate() {
            let close = (got - want).abs() <= 2e-5 * want.abs().max(1.0);
            assert!(
                close || got.is_nan() && want.is_nan(),
                "{path:?} {extents:?} shared {shared}: {got} at {i} instead of {want}"
            );
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for queries in [0, 1, 2, 4, 5, 14, 17, 40] {
        for keys in [0, 1, 5, 16, 33, 100] {
            let (depth, width) = (1 + (queries * 7 + keys) % 40, 1 + (queries + keys * 3) % 37);
            cases.push(Case { batch: [2, 1, 3], queries, keys, depth, width, shared: keys % 2 == 0 });
        }
    }
    // Several tiles, and several blocks of queries.
    for (queries, keys) in [(1, 1100), (3, 600), (20, 513), (70, 1024), (150, 130)] {
        cases.push(Case { batch: [1, 2, 2], queries, keys, depth: 8, width: 20, shared: queries != 3 });
    }
    cases
}

#[test]
fn agrees_with_the_reference() {
    for case in cases() {
        check(&case, None, false);
    }
}

#[test]
fn maps_see_where_they_are() {
    let map = |at: [usize; 4], key: usize, scores: &mut [f32]| {
        for (i, score) in scores.iter_mut().enumerate() {
            let [a, b, c, query] = at;
            *score += (a + 2 * b + 3 * c) as f32 / 4.0 - (query as f32 - (key + i) as f32).abs() / 8.0;
        }
    };
    for case in cases() {
        check(&case, Some(&map), false);
    }
}

/// Causal masks leave rows without any score in the first tile, and the whole row where `queries > keys`.
#[test]
fn rows_without_scores() {
    let mask = |at: [usize; 4], key: usize, scores: &mut [f32]| {
        for (i, score) in scores.iter_mut().enumerate() {
            if (key + i).is_multiple_of(3) || at[3] < 3 || key + i < 520 && at[3] == 4 {
                *score = f32::NEG_INFINITY;
            }
        }
    };
    let lowest = |at: [usize; 4], key: usize, scores: &mut [f32]| {
        for (i, score) in scores.iter_mut().enumerate() {
            if key + i < 700 && at[3] != 1 {
                *score += f32::MIN;
            }
        }
    };
    for case in cases() {
        check(&case, Some(&mask), false);
        check(&case, Some(&mask), true);
        check(&case, Some(&lowest), false);
    }
}

#[test]
fn nan_stays_in_its_row() {
    let spoil = |at: [usize; 4], key: usize, scores: &mut [f32]| {
        if at[3] == 1 && key == 0 {
            scores[0] = f32::NAN;
        }
        if at[3] == 2 && key == 0 {
            scores[0] = f32::INFINITY;
        }
    };
    for case in cases().iter().filter(|c| c.keys > 0) {
        check(case, Some(&spoil), false);
        check(case, Some(&spoil), true);
    }
}

/// A row's bits do not depend on how many rows there are beside it, once they are more than a few.
#[test]
fn rows_do_not_depend_on_their_number() {
    let run = |queries: usize| {
        let extents = Extents { batch: [1, 1, 1], queries, keys: 700, depth: 24, width: 24 };
        let strides = Strides { batch: [0, 0, 0], row: 24 };
        let (q, k, v) = (numbers(100 * 24, 1), numbers(700 * 24, 2), numbers(700 * 24, 3));
        let of = |data| Operand { data, strides };
        let mut out = vec![0.0; queries * 24];
        let mut scratch = vec![0.0; attention_scratch(1, queries, 700, 24, 24)];
        let scores = Scores { scale: 1.0, map: None, band: None, empty: false };
        attention_f32(&extents, of(&q), of(&k), of(&v), &scores, &mut out, strides, &mut scratch);
        out
    };
    let all = run(100);
    for queries in [5, 14, 29, 60] {
        let some = run(queries);
        assert!(some.iter().zip(&all).all(|(a, b)| a.to_bits() == b.to_bits()), "{queries}");
    }
}

/// What is left out of a band does not change a bit, nor do rows that see nothing at all.
#[test]
fn bands_leave_out_what_is_masked() {
    let line = |step: isize, start: isize| Line { step, start };
    let bands = [
        // Causal, after a cache of 300 keys, with a window of 200, and the keys of a distance and beyond.
        (line(0, 0), line(1, 1)),
        (line(0, 0), line(1, 301)),
        (line(1, -199), line(1, 1)),
        (line(1, 40), line(0, isize::MAX)),
        (line(-1, 1200), line(0, 1300)),
    ];
    for (from, to) in bands {
        for lowest in [f32::NEG_INFINITY, f32::MIN] {
            for (queries, keys, group) in [(1, 1300, 3), (40, 1100, 2), (90, 1030, 1), (3, 700, 1)] {
                let count = std::sync::atomic::AtomicUsize::new(0);
                let map = |at: [usize; 4], key: usize, scores: &mut [f32]| {
                    count.fetch_add(scores.len(), std::sync::atomic::Ordering::Relaxed);
                    let query = at[3].cast_signed();
                    for (key, score) in (key..).zip(scores) {
                        let key = key.cast_signed();
                        let seen = key >= query * from.step + from.start
                            && key < (query * to.step).saturating_add(to.start);
                        // Some rows see none of the keys that the band leaves.
                        *score = if seen && query % 7 != 3 { *score } else { lowest };
                    }
                };
                let extents = Extents { batch: [1, 2, group], queries, keys, depth: 8, width: 12 };
                let strides = |columns: usize, rows: usize| Strides {
                    batch: [0, group * rows * columns, rows * columns],
                    row: columns,
                };
                let (q, k, v) = (
                    numbers(8 * 2 * group * queries, 1),
                    numbers(8 * 2 * keys, 2),
                    numbers(12 * 2 * keys, 3),
                );
                let shared = |columns: usize| Strides { batch: [0, keys * columns, 0], row: columns };
                let run = |path, band| {
                    let scores = Scores { scale: 1.0, map: Some(&map), band, empty: false };
                    let mut out = vec![0.0; 2 * group * queries * 12];
                    let mut scratch = vec![f32::NAN; attention_scratch(group, queries, keys, 8, 12)];
                    attention_f32_at(
                        path,
                        &extents,
                        Operand { data: &q, strides: strides(8, queries) },
                        Operand { data: &k, strides: shared(8) },
                        Operand { data: &v, strides: shared(12) },
                        &scores,
                        &mut out,
                        strides(12, queries),
                        &mut scratch,
                    );
                    (out, count.swap(0, std::sync::atomic::Ordering::Relaxed))
                };
                for path in Path::all() {
                    let (all, whole) = run(path, None);
                    let (some, visited) = run(path, Some(Band { from, to, low: -1e38 }));
                    let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                    assert!(all.iter().zip(&some).all(same), "{from:?} {to:?} {lowest} {queries} of {keys}");
                    assert!(visited <= whole);
                    let few = queries == 1 && to.start == 1 && from.step == 0;
                    assert!(!few || visited < whole, "{visited} of {whole} scores");
                }
            }
        }
    }
}

#[test]
fn halves_are_widened() {
    use crate::{bf16, f16};
    fn check<T: crate::element::Element + crate::math::Cast<f32>>(digits: f32)
    where
        f32: crate::math::Cast<T>,
    {
        for case in cases().iter().filter(|c| c.keys > 0) {
            let Case { batch, queries, keys, depth, width, shared } = *case;
            let extents = Extents { batch, queries, keys, depth, width };
            let halves = |len: usize, seed: u32| -> Vec<T> {
                numbers(len, seed).into_iter().map(crate::math::cast::<f32, T>).collect()
            };
            let wide = |x: &[T]| -> Vec<f32> { x.iter().map(|&x| crate::math::cast::<T, f32>(x)).collect() };
            let of = [
                merged(batch, queries, depth, false),
                merged(batch, keys, depth, shared),
                merged(batch, keys, width, shared),
                merged(batch, queries, width, false),
            ];
            let [q, k, v] = [0, 1, 2].map(|i| halves(batch[0] * of[i].batch[0], i as u32 + 1));
            let map = |at: [usize; 4], key: usize, scores: &mut [f32]| {
                for (i, score) in scores.iter_mut().enumerate() {
                    *score += (at[0] + 2 * at[1] + 3 * at[2]) as f32 - (at[3] + key + i) as f32 / 16.0;
                }
            };
            let scores = Scores { scale: 0.5, map: Some(&map), band: None, empty: false };
            let mut expected = vec![7.0; batch[0] * of[3].batch[0]];
            let mut row = vec![0.0; keys];
            let (wide_q, wide_k, wide_v) = (wide(&q), wide(&k), wide(&v));
            reference::attention(
                &extents,
                Operand { data: &wide_q, strides: of[0] },
                Operand { data: &wide_k, strides: of[1] },
                Operand { data: &wide_v, strides: of[2] },
                &scores,
                &mut expected,
                of[3],
                &mut row,
            );
            let mut out = vec![crate::math::cast::<f32, T>(7.0); expected.len()];
            let mut scratch = vec![f32::NAN; attention_half_scratch(batch[2], queries, keys, depth, width)];
            attention_half(
                &extents,
                Operand { data: &q, strides: of[0] },
                Operand { data: &k, strides: of[1] },
                Operand { data: &v, strides: of[2] },
                &scores,
                &mut out,
                of[3],
                &mut scratch,
            );
            for (&got, &want) in wide(&out).iter().zip(&expected) {
                assert!((got - want).abs() <= digits * want.abs().max(0.1), "{extents:?}: {got} not {want}");
            }
        }
    }
    // Half a unit in the last place, and what f32 leaves.
    check::<f16>(0.0006);
    check::<bf16>(0.005);
}
