//! Selection against subscript-by-subscript oracles and the examples of the specification.

use super::*;
use std::{vec, vec::Vec};

#[test]
fn gathers() {
    let x: Vec<i32> = (0..24).collect();
    let mut y = vec![0; 2 * 2 * 4];
    gather(2, 3, 4, &x, &[2i64, -3], &mut y).unwrap();
    let want: Vec<i32> = [8, 0, 20, 12].iter().flat_map(|&s| s..s + 4).collect();
    assert_eq!(y, want);
    let mut y = [0; 3];
    gather(1, 24, 1, &x, &[5i32, 23, -1], &mut y).unwrap();
    assert_eq!(y, [5, 23, 23]);
    assert_eq!(gather(1, 24, 1, &x, &[0i32, 24, 0], &mut y), Err(IndexError { index: 24, bound: 24 }));
    assert_eq!(gather(1, 24, 1, &x, &[-25i64, 0, 0], &mut y), Err(IndexError { index: -25, bound: 24 }));
    assert!(gather(1, 0, 1, &[], &[i64::MIN], &mut y[..1]).is_err());
}

#[test]
fn elements() {
    let x = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let mut y = [0; 6];
    gather_elements(&[3, 3], 0, &[2, 3], &x, &[1i64, 2, 0, 2, 0, -3], &mut y).unwrap();
    assert_eq!(y, [4, 8, 3, 7, 2, 3]);
    let mut y = [0; 4];
    gather_elements(&[3, 3], 1, &[2, 2], &x, &[0i32, 0, 1, -1], &mut y).unwrap();
    assert_eq!(y, [1, 1, 5, 6]);
    let mut data = [0.0; 9];
    let updates = [1.0, 1.1, 1.2, 2.0, 2.1, 2.2];
    scatter_elements(Scatter::None, &[3, 3], 0, &[2, 3], &[1i64, 0, 2, 0, 2, 1], &updates, &mut data)
        .unwrap();
    assert_eq!(data, [2.0, 1.1, 0.0, 1.0, 0.0, 2.2, 0.0, 2.1, 1.2]);
    for (reduction, want) in [(Scatter::Add, 10), (Scatter::Mul, 24), (Scatter::Max, 4), (Scatter::Min, 1)] {
        let mut data = [9, 1, 9];
        if reduction == Scatter::Min {
            data[1] = 7;
        }
        let updates = if reduction == Scatter::Min { [3, 1, 5] } else { [3, 4, 2] };
        scatter_elements(reduction, &[3], 0, &[3], &[1i32, 1, -2], &updates, &mut data).unwrap();
        assert_eq!((data[0], data[1], data[2]), (9, want, 9), "{reduction:?}");
    }
    assert!(scatter_elements(Scatter::Add, &[2], 0, &[1], &[2i64], &[1u8], &mut [0, 0]).is_err());
}

#[test]
fn tuples() {
    let x: Vec<i32> = (0..8).collect();
    let mut y = [0; 4];
    gather_nd(1, &[2, 2, 2], 2, 2, &x, &[0i64, 1, 1, 0], &mut y).unwrap();
    assert_eq!(y, [2, 3, 4, 5]);
    gather_nd(2, &[2, 2], 1, 1, &x, &[1i64, 0], &mut y).unwrap();
    assert_eq!(y, [2, 3, 4, 5]);
    let mut y = [0; 8];
    gather_nd(1, &[8], 1, 0, &x, &[0i64; 0], &mut y).unwrap();
    assert_eq!(y[..], x[..]);
    assert!(gather_nd(1, &[2, 2, 2], 1, 3, &x, &[0i64, 0, 2], &mut y[..1]).is_err());

    let mut data = [1, 2, 3, 4, 5, 6, 7, 8];
    scatter_nd(Scatter::None, &[8], 1, &[4i64, 3, 1, -1], &[9, 10, 11, 12], &mut data).unwrap();
    assert_eq!(data, [1, 11, 3, 10, 9, 6, 7, 12]);
    scatter_nd(Scatter::Add, &[4, 2], 1, &[3i64, 3], &[1, 1, 2, 2], &mut data).unwrap();
    assert_eq!(data[6..], [10, 15]);
    assert!(scatter_nd(Scatter::Add, &[4, 2], 1, &[4i64], &[1, 1], &mut data).is_err());
}

#[test]
fn one_hots() {
    let mut y = [0; 12];
    one_hot(2, 3, 2, &[0i64, 2, -1, 7], 5, 9, &mut y);
    assert_eq!(y, [9, 5, 5, 5, 5, 9, 5, 5, 5, 5, 9, 5]);
}

#[test]
fn compaction() {
    let mut y = [0; 6];
    assert_eq!(compress(2, 3, 2, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], &[0, 1], &mut y), 1);
    assert_eq!(y[..4], [3, 4, 9, 10]);
    let mut y = [0; 6];
    assert_eq!(nonzero(&[2, 3], &[1.0f32, 0.0, f32::NAN, 0.0, -0.0, 4.0], &mut y), 3);
    assert_eq!(y, [0, 0, 1, 0, 2, 2]);
    assert_eq!(nonzero(&[], &[7u8], &mut y), 1);
    assert_eq!(y[0], 0);
}

#[test]
fn reversals() {
    let x: Vec<i32> = (0..12).collect();
    let mut y = [0; 12];
    reverse_sequence(false, 2, 3, 2, &[2, 3], &x, &mut y).unwrap();
    assert_eq!(y, [2, 3, 0, 1, 4, 5, 10, 11, 8, 9, 6, 7]);
    reverse_sequence(true, 2, 3, 2, &[2, 0], &x, &mut y).unwrap();
    assert_eq!(y, [4, 5, 2, 3, 0, 1, 6, 7, 8, 9, 10, 11]);
    assert!(reverse_sequence(true, 2, 3, 2, &[2, 4], &x, &mut y).is_err());
}

#[test]
fn uniques() {
    let run = |sorted, outer, n, inner, x: &[f32]| {
        let (mut y, mut first, mut inverse) = (vec![0.0; x.len()], vec![0; n], vec![0; n]);
        let (mut counts, mut scratch) = (vec![0; n], vec![0; n]);
        let count =
            unique(sorted, outer, n, inner, x, &mut y, &mut first, &mut inverse, &mut counts, &mut scratch);
        y.truncate(outer * count * inner);
        first.truncate(count);
        counts.truncate(count);
        (y, first, inverse, counts)
    };
    let x = [2.0, 1.0, 1.0, 3.0, 4.0, 3.0];
    let (y, first, inverse, counts) = run(true, 1, 6, 1, &x);
    assert_eq!((y, first), (vec![1.0, 2.0, 3.0, 4.0], vec![1, 0, 3, 4]));
    assert_eq!((inverse, counts), (vec![1, 0, 0, 2, 3, 2], vec![2, 1, 2, 1]));
    let (y, first, inverse, counts) = run(false, 1, 6, 1, &x);
    assert_eq!((y, first), (vec![2.0, 1.0, 3.0, 4.0], vec![0, 1, 3, 4]));
    assert_eq!((inverse, counts), (vec![0, 1, 1, 2, 3, 2], vec![1, 2, 2, 1]));
    // The columns of a matrix.
    let (y, first, inverse, counts) = run(true, 2, 4, 1, &[1.0, 0.0, 1.0, 0.0, 5.0, 4.0, 5.0, 3.0]);
    assert_eq!(y, [0.0, 0.0, 1.0, 3.0, 4.0, 5.0]);
    assert_eq!((first, inverse, counts), (vec![3, 1, 0], vec![2, 1, 2, 0], vec![1, 1, 2]));
    assert_eq!(run(true, 1, 3, 1, &[f32::NAN, 1.0, f32::NAN]).3, [1, 2]);
}

#[test]
fn tables_in_panels_are_gathered_like_plain_ones() {
    for (rows, columns) in [(1, 1), (3, 20), (37, 5), (40, 33)] {
        let table: Vec<u16> = (0..(rows * columns) as u16).collect();
        let bytes: Vec<u8> = table.iter().flat_map(|x| x.to_le_bytes()).collect();
        let indices: Vec<i64> = (0..50).map(|i| i * 7 % (2 * rows as i64) - rows as i64).collect();
        let mut expected = vec![0; indices.len() * columns];
        gather(1, rows, columns, &table, &indices, &mut expected).unwrap();
        for transposed in [false, true] {
            let (k, n) = if transposed { (columns, rows) } else { (rows, columns) };
            let mut packed = vec![0; bytes.len()];
            crate::matmul::pack::pack_panels(&bytes, 2, k, n, transposed, &mut packed);
            let packed: Vec<u16> = packed.chunks(2).map(|x| u16::from_le_bytes([x[0], x[1]])).collect();
            let mut y = vec![0; expected.len()];
            let gather = if transposed { gather_packed_columns } else { gather_packed_rows };
            gather(k, n, &packed, &indices, &mut y).unwrap();
            assert_eq!(y, expected, "{rows} x {columns}, transposed {transposed}");
            let error = gather(k, n, &packed, &[rows as i64], &mut y[..columns]).unwrap_err();
            assert_eq!(error, IndexError { index: rows as i64, bound: rows });
            for axis in [0, 1] {
                let bound = [rows, columns][axis] as i64;
                let dims = if axis == 0 { [rows + 2, columns] } else { [rows, columns + 2] };
                let count = (dims[0] * dims[1]) as i64;
                let indices: Vec<i64> = (0..count).map(|i| i * 7 % (2 * bound) - bound).collect();
                let (mut y, mut expected) = (vec![0; indices.len()], vec![0; indices.len()]);
                gather_elements(&[rows, columns], axis, &dims, &table, &indices, &mut expected).unwrap();
                gather_packed_elements(k, n, transposed, axis, &dims, &packed, &indices, &mut y).unwrap();
                assert_eq!(y, expected, "{rows} x {columns}, transposed {transposed}, axis {axis}");
                let error =
                    gather_packed_elements(k, n, transposed, axis, &[1, 1], &packed, &[bound], &mut y[..1]);
                assert_eq!(error, Err(IndexError { index: bound, bound: bound as usize }));
            }
        }
    }
}

#[test]
fn suppression() {
    let boxes = [
        [0.0, 0.0, 1.0, 1.0],
        [0.0, 0.1, 1.0, 1.1],
        [0.0, -0.1, 1.0, 0.9],
        [0.0, 10.0, 1.0, 11.0],
        [0.0, 10.1, 1.0, 11.1],
        [0.0, 100.0, 1.0, 101.0],
    ];
    let scores = [0.9, 0.75, 0.6, 0.95, 0.5, 0.3];
    let shape = Boxes { batch: 1, classes: 1, count: 6, center: false };
    let choose = |shape: &Boxes, boxes: &[f32], most, least| {
        let (mut y, mut scratch) = ([7; 18], [0; 6]);
        let count = non_max_suppression(shape, boxes, &scores, most, 0.5, least, &mut y, &mut scratch);
        assert!(y[..count * 3].chunks(3).all(|c| c[..2] == [0, 0]));
        y[..count * 3].iter().skip(2).step_by(3).copied().collect::<Vec<i64>>()
    };
    let corners = boxes.as_flattened();
    assert_eq!(choose(&shape, corners, 3, Some(0.0)), [3, 0, 5]);
    assert_eq!(choose(&shape, corners, 2, None), [3, 0]);
    assert_eq!(choose(&shape, corners, i64::MAX, Some(0.4)), [3, 0]);
    assert_eq!(choose(&shape, corners, 0, None), [0_i64; 0]);
    assert_eq!(choose(&shape, corners, -1, None), [0_i64; 0]);
    let turned: Vec<f32> = boxes.iter().flat_map(|[a, b, c, d]| [*c, *d, *a, *b]).collect();
    assert_eq!(choose(&shape, &turned, 3, None), [3, 0, 5]);
    let centered: Vec<f32> =
        boxes.iter().flat_map(|[a, b, c, d]| [(a + c) / 2.0, (b + d) / 2.0, c - a, d - b]).collect();
    assert_eq!(choose(&Boxes { center: true, ..shape }, &centered, 3, None), [3, 0, 5]);
    assert_eq!(choose(&shape, &[0.0; 24], 9, None), [3, 0, 1, 2, 4, 5], "empty boxes hide nothing");
}
