//! MaxPool with and without indices, and MaxUnpool.

use super::{PoolShape, fold_lanes};
use crate::element::{Element, Number};
use crate::select::IndexError;

/// The largest element of every window; NaN if any is NaN, −∞ where a window holds no pixel.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn max_pool_f32(
    shape: &PoolShape,
    x: &[f32],
    x_pixel_stride: usize,
    y: &mut [f32],
    y_pixel_stride: usize,
) {
    max_pool(shape, x, x_pixel_stride, y, y_pixel_stride);
}

/// The largest element of every window, for any element type; the lowest value where a window holds no pixel.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn max_pool<T: Number>(
    shape: &PoolShape,
    x: &[T],
    x_pixel_stride: usize,
    y: &mut [T],
    y_pixel_stride: usize,
) {
    fold_lanes(shape, x, x_pixel_stride, y, y_pixel_stride, T::LOWEST, |a, b| b.max(a), |_, _| {});
}

/// The largest element of every window and where it stands: the first of equals, NaN before all. The indices count
/// elements of the whole tensor as if it were channels-first, `[batch, channels, D, H, W]`; with `column_major`
/// (`storage_order` 1) D runs fastest within an image's channel. A window without a pixel gets index 0.
///
/// # Panics
/// If a slice is too short for the shape; `indices` is laid out as `y` is.
pub fn max_pool_indices<T: Number>(
    shape: &PoolShape,
    column_major: bool,
    x: &[T],
    x_pixel_stride: usize,
    y: &mut [T],
    indices: &mut [i64],
    y_pixel_stride: usize,
) {
    shape.check(x.len(), x_pixel_stride, y.len().min(indices.len()), y_pixel_stride);
    let [depth, height, width] = shape.input;
    shape.each_pixel(|image, windows, pixel| {
        for channel in 0..shape.channels {
            let mut best: Option<(T, usize)> = None;
            shape.each_tap(image, windows, |tap, [d, h, w]| {
                let value = x[tap * x_pixel_stride + channel];
                let better = |(best, _): (T, usize)| value > best || value.is_nan() && !best.is_nan();
                if best.is_none_or(better) {
                    let at = if column_major {
                        (w * height + h) * depth + d
                    } else {
                        (d * height + h) * width + w
                    };
                    best = Some((value, (image * shape.channels + channel) * depth * height * width + at));
                }
            });
            let (value, at) = best.unwrap_or((T::LOWEST, 0));
            y[pixel * y_pixel_stride + channel] = value;
            indices[pixel * y_pixel_stride + channel] = at as i64;
        }
    });
}

/// Puts every `x[i]` at `y[indices[i]]`, and zero elsewhere.
///
/// # Errors
/// An index outside `y`; the elements before it are written.
///
/// # Panics
/// If `x` and `indices` differ in length.
pub fn max_unpool<T: Element>(x: &[T], indices: &[i64], y: &mut [T]) -> Result<(), IndexError> {
    assert_eq!(x.len(), indices.len(), "one index per element");
    y.fill(T::default());
    let bound = y.len();
    for (&x, &index) in x.iter().zip(indices) {
        let slot = usize::try_from(index).ok().and_then(|at| y.get_mut(at));
        *slot.ok_or(IndexError { index, bound })? = x;
    }
    Ok(())
}
