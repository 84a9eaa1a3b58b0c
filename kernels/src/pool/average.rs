//! AveragePool and LpPool.

use super::{PoolShape, Window, fold, fold_lanes};
use crate::element::Number;
use crate::math;

/// How many cells a mean divides by: those on pixels, or also those in the padding.
#[inline(always)]
fn count(count_include_pad: bool, windows: [Window; 3]) -> usize {
    let cells = |w: Window| if count_include_pad { w.counted } else { w.to - w.from };
    (cells(windows[0]) * cells(windows[1]) * cells(windows[2])).max(1)
}

/// The mean of every window; 0 where a window holds no pixel.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn average_pool_f32(
    shape: &PoolShape,
    count_include_pad: bool,
    x: &[f32],
    x_pixel_stride: usize,
    y: &mut [f32],
    y_pixel_stride: usize,
) {
    let mean = |windows, sums: &mut [f32]| {
        let scale = 1.0 / count(count_include_pad, windows) as f32;
        for sum in sums {
            *sum *= scale;
        }
    };
    fold_lanes(shape, x, x_pixel_stride, y, y_pixel_stride, 0.0, |a, b| a + b, mean);
}

/// The mean of every window, for any element type, computed in `f64`.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn average_pool<T: Number>(
    shape: &PoolShape,
    count_include_pad: bool,
    x: &[T],
    x_pixel_stride: usize,
    y: &mut [T],
    y_pixel_stride: usize,
) {
    let mean = |windows, sum: f64| T::from_f64(sum / count(count_include_pad, windows) as f64);
    fold(shape, [x_pixel_stride, y_pixel_stride], x, y, 0.0, |sum, x: T| sum + x.to_f64(), mean);
}

/// (Σ |x|^p)^(1/p) over every window, for p ≥ 1.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn lp_pool_f32(
    shape: &PoolShape,
    p: u32,
    x: &[f32],
    x_pixel_stride: usize,
    y: &mut [f32],
    y_pixel_stride: usize,
) {
    let power = p as f32;
    let root = |_, sums: &mut [f32]| {
        for sum in sums {
            *sum = if p == 2 { math::sqrt(*sum) } else { math::pow(*sum, 1.0 / power) };
        }
    };
    match p {
        1 => fold_lanes(shape, x, x_pixel_stride, y, y_pixel_stride, 0.0, |a, b| a + b.abs(), |_, _| {}),
        2 => fold_lanes(shape, x, x_pixel_stride, y, y_pixel_stride, 0.0, |a, b| a + b * b, root),
        _ => {
            let add = |a: f32, b: f32| a + math::pow(b.abs(), power);
            fold_lanes(shape, x, x_pixel_stride, y, y_pixel_stride, 0.0, add, root);
        }
    }
}

/// (Σ |x|^p)^(1/p) over every window, for any element type, computed in `f64`.
///
/// # Panics
/// If a slice is too short for the shape.
pub fn lp_pool<T: Number>(
    shape: &PoolShape,
    p: u32,
    x: &[T],
    x_pixel_stride: usize,
    y: &mut [T],
    y_pixel_stride: usize,
) {
    let p = f64::from(p);
    let add = |sum: f64, x: T| sum + libm::pow(x.to_f64().abs(), p);
    fold(shape, [x_pixel_stride, y_pixel_stride], x, y, 0.0, add, |_, sum| {
        T::from_f64(libm::pow(sum, 1.0 / p))
    });
}
