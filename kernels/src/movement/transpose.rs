//! The two-dimensional transpose, in square tiles that live in registers.

use crate::vectorize;

const TILE: usize = 8;

/// `y[c * y_stride + r] = x[r * x_stride + c]` for `rows` r and `columns` c.
pub(super) fn transpose<T: Copy>(
    rows: usize,
    columns: usize,
    x: &[T],
    x_stride: usize,
    y: &mut [T],
    y_stride: usize,
) {
    vectorize(
        #[inline(always)]
        || {
            let (whole_rows, whole_columns) = (rows - rows % TILE, columns - columns % TILE);
            for c in (0..whole_columns).step_by(TILE) {
                for r in (0..whole_rows).step_by(TILE) {
                    tile(&x[r * x_stride + c..], x_stride, &mut y[c * y_stride + r..], y_stride);
                }
            }
            for c in 0..columns {
                let from = if c < whole_columns { whole_rows } else { 0 };
                let y = &mut y[c * y_stride..][..rows];
                for (r, y) in y.iter_mut().enumerate().skip(from) {
                    *y = x[r * x_stride + c];
                }
            }
        },
    );
}

#[inline(always)]
fn tile<T: Copy>(x: &[T], x_stride: usize, y: &mut [T], y_stride: usize) {
    let mut lines = [[x[0]; TILE]; TILE];
    for (r, line) in lines.iter_mut().enumerate() {
        line.copy_from_slice(&x[r * x_stride..][..TILE]);
    }
    for c in 0..TILE {
        let mut column = [x[0]; TILE];
        for (value, line) in column.iter_mut().zip(&lines) {
            *value = line[c];
        }
        y[c * y_stride..][..TILE].copy_from_slice(&column);
    }
}
