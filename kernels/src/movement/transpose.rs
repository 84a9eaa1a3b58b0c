//! The two-dimensional transpose: in square tiles, or by (de)interleaving where one side is short.

use crate::vectorize;

#[cfg(target_arch = "x86_64")]
mod avx2;

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
    match (rows, columns) {
        (2, _) if y_stride == 2 => return interleave::<T, 2>(columns, x, x_stride, y),
        (3, _) if y_stride == 3 => return interleave::<T, 3>(columns, x, x_stride, y),
        (4, _) if y_stride == 4 => return interleave::<T, 4>(columns, x, x_stride, y),
        (_, 2) if x_stride == 2 && y_stride >= rows => return separate::<T, 2>(rows, x, y, y_stride),
        (_, 3) if x_stride == 3 && y_stride >= rows => return separate::<T, 3>(rows, x, y, y_stride),
        (_, 4) if x_stride == 4 && y_stride >= rows => return separate::<T, 4>(rows, x, y, y_stride),
        _ => {}
    }
    let (whole_rows, whole_columns) = (rows - rows % TILE, columns - columns % TILE);
    #[cfg(target_arch = "x86_64")]
    let done = avx2::tiles(whole_rows, whole_columns, x, x_stride, y, y_stride);
    #[cfg(not(target_arch = "x86_64"))]
    let done = false;
    if !done {
        for c in (0..whole_columns).step_by(TILE) {
            for r in (0..whole_rows).step_by(TILE) {
                tile(&x[r * x_stride + c..], x_stride, &mut y[c * y_stride + r..], y_stride);
            }
        }
    }
    for c in 0..columns {
        let from = if c < whole_columns { whole_rows } else { 0 };
        let y = &mut y[c * y_stride..][..rows];
        for (r, y) in y.iter_mut().enumerate().skip(from) {
            *y = x[r * x_stride + c];
        }
    }
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

/// `R` planes become pixels of `R` channels.
fn interleave<T: Copy, const R: usize>(columns: usize, x: &[T], x_stride: usize, y: &mut [T]) {
    let (pixels, _) = y[..columns * R].as_chunks_mut::<R>();
    let count = pixels.len();
    let planes: [&[T]; R] = core::array::from_fn(|r| &x[r * x_stride..][..count]);
    vectorize(
        #[inline(always)]
        || {
            for c in 0..count {
                pixels[c] = core::array::from_fn(
                    #[inline(always)]
                    |r| planes[r][c],
                );
            }
        },
    );
}

/// Pixels of `C` channels become planes, at least `rows` apart.
fn separate<T: Copy, const C: usize>(rows: usize, x: &[T], y: &mut [T], y_stride: usize) {
    let (pixels, _) = x[..rows * C].as_chunks::<C>();
    let count = pixels.len();
    let mut rest = y.chunks_mut(y_stride);
    // The chunks exist: the copy was found to lie inside the slice.
    let mut planes: [&mut [T]; C] =
        core::array::from_fn(|_| rest.next().map_or(&mut [][..], |plane| &mut plane[..count]));
    vectorize(
        #[inline(always)]
        || {
            for r in 0..count {
                for c in 0..C {
                    planes[c][r] = pixels[r][c];
                }
            }
        },
    );
}
