//! Movement against subscript-by-subscript oracles.

use super::*;
use crate::isa::on_every_level;
use std::{vec, vec::Vec};

fn row_major(dims: &[usize]) -> Vec<isize> {
    (0..dims.len()).map(|a| dims[a + 1..].iter().product::<usize>() as isize).collect()
}

fn subscripts(dims: &[usize]) -> Vec<Vec<usize>> {
    dims.iter().fold(vec![vec![]], |all, &n| {
        all.iter().flat_map(|head| (0..n).map(move |i| [head.clone(), vec![i]].concat())).collect()
    })
}

fn at(offset: usize, index: &[usize], strides: &[isize]) -> usize {
    let sum: isize = index.iter().zip(strides).map(|(&i, &s)| i as isize * s).sum();
    (offset as isize + sum) as usize
}

fn check_copy(dims: &[usize], x_len: usize, x_offset: usize, x_strides: &[isize], y_strides: &[isize]) {
    let x: Vec<u32> = (0..x_len as u32).collect();
    let y_len = dims.iter().zip(y_strides).map(|(&n, &s)| (n - 1) * s as usize).sum::<usize>() + 4;
    let mut y = vec![u32::MAX; y_len];
    let mut want = y.clone();
    for index in subscripts(dims) {
        want[at(3, &index, y_strides)] = x[at(x_offset, &index, x_strides)];
    }
    copy_strided(dims, &x, x_offset, x_strides, &mut y, 3, y_strides);
    assert_eq!(y, want, "{dims:?} {x_strides:?} {y_strides:?}");
}

#[test]
fn permutations() {
    on_every_level(|| {
        for dims in [[2, 3, 4], [17, 8, 31], [3, 40, 9], [1, 16, 16], [33, 2, 3], [2, 25, 33], [4, 1, 37]] {
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let strides = row_major(&dims);
                let y_dims = order.map(|a| dims[a]);
                let x_strides = order.map(|a| strides[a]);
                check_copy(&y_dims, dims.iter().product(), 0, &x_strides, &row_major(&y_dims));
            }
        }
    });
}

#[test]
fn slices_broadcasts_and_reversals() {
    on_every_level(|| {
        check_copy(&[3, 4], 100, 7, &[20, 2], &[4, 1]);
        check_copy(&[3, 4], 100, 50, &[-10, -1], &[4, 1]);
        check_copy(&[3, 5, 4], 100, 9, &[0, 1, 0], &[20, 4, 1]);
        check_copy(&[3, 5, 4], 100, 9, &[1, 0, 3], &[60, 8, 2]);
        check_copy(&[], 4, 2, &[], &[]);
        check_copy(&[1, 1], 4, 2, &[7, 9], &[7, 9]);
        check_copy(&[2, 1, 6], 40, 2, &[12, 3, 2], &[1, 70, 2]);
        let mut y = [1u8; 2];
        copy_strided(&[0, 3], &[], 0, &[1, 1], &mut y, 0, &[3, 1]);
        assert_eq!(y, [1, 1]);
    });
}

#[test]
#[should_panic(expected = "leaves its slice")]
fn outside() {
    copy_strided(&[2, 2], &[0u8; 4], 0, &[2, 1], &mut [0; 4], 1, &[2, 1]);
}

/// Axis by axis, by first cropping, then extending step by step.
fn pad_line(mode: PadMode, line: &[i32], begin: isize, end: isize) -> Vec<i32> {
    let cropped = &line[(-begin).max(0) as usize..line.len() - (-end).max(0) as usize];
    let n = cropped.len() as isize;
    (-begin.max(0)..n + end.max(0))
        .map(|mut t| match mode {
            PadMode::Constant => cropped.get(t as usize).copied().unwrap_or(-1),
            PadMode::Edge => cropped[t.clamp(0, n - 1) as usize],
            PadMode::Wrap => cropped[t.rem_euclid(n) as usize],
            PadMode::Reflect => {
                while !(0..n).contains(&t) {
                    t = if t < 0 { -t } else { 2 * (n - 1) - t };
                }
                cropped[t as usize]
            }
        })
        .collect()
}

#[test]
fn pads() {
    on_every_level(|| {
        use PadMode::*;
        let dims = [3usize, 4, 2];
        let x: Vec<i32> = (0..24).collect();
        for mode in [Constant, Reflect, Edge, Wrap] {
            for (begin, end) in [
                ([0, 0, 0], [0, 0, 0]),
                ([1, 2, 0], [2, 1, 0]),
                ([-1, 5, 1], [1, -2, 3]),
                ([0, -1, 0], [0, 7, 0]),
                ([2, 0, -1], [0, 0, 4]),
            ] {
                if mode == Reflect && begin[2] == -1 {
                    continue; // One element is left: nothing to mirror.
                }
                // The oracle pads the axes one after the other.
                let (mut want, mut shape) = (x.clone(), dims);
                for a in 0..3 {
                    let inner: usize = shape[a + 1..].iter().product();
                    let outer: usize = shape[..a].iter().product();
                    let n = (shape[a] as isize + begin[a] + end[a]) as usize;
                    let mut next = vec![0; outer * n * inner];
                    for o in 0..outer {
                        for i in 0..inner {
                            let line: Vec<i32> =
                                (0..shape[a]).map(|k| want[(o * shape[a] + k) * inner + i]).collect();
                            for (k, v) in pad_line(mode, &line, begin[a], end[a]).into_iter().enumerate() {
                                next[(o * n + k) * inner + i] = v;
                            }
                        }
                    }
                    (want, shape[a]) = (next, n);
                }
                let mut y = vec![7; want.len()];
                pad(mode, &dims, &begin, &shape, -1, &x, &mut y);
                assert_eq!(y, want, "{mode:?} {begin:?} {end:?}");
            }
        }
        let mut y = [0; 3];
        pad(Constant, &[2], &[-5], &[3], 9, &[1, 2], &mut y);
        assert_eq!(y, [9, 9, 9]);
        pad(Reflect, &[1], &[1], &[3], 9, &[4], &mut y);
        assert_eq!(y, [4, 4, 4]);
    });
}

#[test]
fn sizes_are_elements() {
    let mut y = [0; 3];
    write_sizes(&[2, 0, 7], &mut y);
    assert_eq!(y, [2, 0, 7]);
}
