//! The kernels that read resize tables.

use super::OUTSIDE;
use crate::vectorize;

/// Resizes the middle axis of `x`, `[outer, input, inner]`, to `y`, `[outer, output, inner]`, by a table of `taps`
/// positions and weights per output position.
///
/// # Panics
/// If a slice does not have its extents, or a position lies outside `input`.
#[allow(clippy::too_many_arguments, reason = "two tensors with their extents and a table")]
pub fn resize_axis_f32(
    outer: usize,
    input: usize,
    output: usize,
    inner: usize,
    x: &[f32],
    taps: usize,
    index: &[u32],
    weight: &[f32],
    extrapolation: f32,
    y: &mut [f32],
) {
    assert!(
        taps > 0
            && x.len() == outer * input * inner
            && y.len() == outer * output * inner
            && index.len() == output * taps
            && weight.len() == index.len(),
        "a resize's slices do not have its extents"
    );
    if y.is_empty() {
        return;
    }
    vectorize(
        #[inline(always)]
        || {
            for o in 0..outer {
                let x = &x[o * input * inner..][..input * inner];
                let y = &mut y[o * output * inner..][..output * inner];
                for ((y, index), weight) in
                    y.chunks_exact_mut(inner).zip(index.chunks_exact(taps)).zip(weight.chunks_exact(taps))
                {
                    if index[0] == OUTSIDE {
                        y.fill(extrapolation);
                        continue;
                    }
                    let line = |tap: usize| &x[index[tap] as usize * inner..][..y.len()];
                    if let [w0, w1] = *weight {
                        let (x0, x1) = (line(0), line(1));
                        for (i, y) in y.iter_mut().enumerate() {
                            *y = w0 * x0[i] + w1 * x1[i];
                        }
                        continue;
                    }
                    if let [w0, w1, w2, w3] = *weight {
                        let (x0, x1, x2, x3) = (line(0), line(1), line(2), line(3));
                        for (i, y) in y.iter_mut().enumerate() {
                            *y = w0 * x0[i] + w1 * x1[i] + w2 * x2[i] + w3 * x3[i];
                        }
                        continue;
                    }
                    y.fill(0.0);
                    for (&at, &w) in index.iter().zip(weight) {
                        let x = &x[at as usize * inner..][..inner];
                        for (y, &x) in y.iter_mut().zip(x) {
                            *y += w * x;
                        }
                    }
                }
            }
        },
    );
}

/// Shows at output row r and column c the input row `rows[r]` and column `columns[c]`: `x` is
/// `[outer, input[0], input[1], inner]`, `y` is `[outer, rows, columns, inner]`.
///
/// # Panics
/// If a slice does not have its extents, or a position lies outside its axis.
#[allow(clippy::too_many_arguments, reason = "two tensors with their extents and two tables")]
pub fn resize_nearest<T: Copy>(
    outer: usize,
    input: [usize; 2],
    inner: usize,
    x: &[T],
    rows: &[u32],
    columns: &[u32],
    extrapolation: T,
    y: &mut [T],
) {
    let (line, plane) = (columns.len() * inner, input[0] * input[1] * inner);
    assert!(
        x.len() == outer * plane && y.len() == outer * rows.len() * line,
        "a resize's slices do not have its extents"
    );
    if y.is_empty() {
        return;
    }
    for (o, y) in y.chunks_exact_mut(rows.len() * line).enumerate() {
        let x = &x[o * plane..(o + 1) * plane];
        for (r, &row) in rows.iter().enumerate() {
            let (done, rest) = y.split_at_mut(r * line);
            let y = &mut rest[..line];
            if row == OUTSIDE {
                y.fill(extrapolation);
                continue;
            }
            // Enlarging repeats rows: the second is a plain copy of the first.
            if r > 0 && rows[r - 1] == row {
                y.copy_from_slice(&done[(r - 1) * line..]);
                continue;
            }
            let x = &x[row as usize * input[1] * inner..][..input[1] * inner];
            for (y, &column) in y.chunks_exact_mut(inner).zip(columns) {
                if column == OUTSIDE {
                    y.fill(extrapolation);
                } else if let [y] = y {
                    *y = x[column as usize];
                } else {
                    y.copy_from_slice(&x[column as usize * inner..][..inner]);
                }
            }
        }
    }
}
