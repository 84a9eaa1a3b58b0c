//! Convolutions of the other element types, and the arithmetic of windows that the oracles share.

use super::{ConvShape, check_extents};
use crate::matmul::generic::Scalar;
use crate::matmul::pack::{PANEL, panel_count, panel_offset, panel_width};

/// The coordinates of a pixel of extents `[D, H, W]`: its image, then its position.
fn position(pixel: usize, extents: &[usize; 3]) -> (usize, [usize; 3]) {
    let [d, h, w] = *extents;
    (pixel / (d * h * w), [pixel / (h * w) % d, pixel / w % h, pixel % w])
}

/// What is called with a tap and the input pixel that it meets.
type Tap<'a> = &'a mut dyn FnMut(usize, usize);

/// Calls `f(tap, input pixel)` for every tap of the window of an output pixel that lies inside the input.
pub(crate) fn window(shape: &ConvShape, row: usize, f: Tap<'_>) {
    let (image, out) = position(row, &shape.output);
    taps(shape, f, image, &|axis, tap| {
        (out[axis] * shape.stride[axis] + tap * shape.dilation[axis]).checked_sub(shape.pad_begin[axis])
    });
}

/// Calls `f(tap, input pixel)` for every input pixel that a transposed convolution adds to an output pixel.
pub(crate) fn scatter(shape: &ConvShape, row: usize, f: Tap<'_>) {
    let (image, out) = position(row, &shape.output);
    taps(shape, f, image, &|axis, tap| {
        let reach = (out[axis] + shape.pad_begin[axis]).checked_sub(tap * shape.dilation[axis])?;
        reach.is_multiple_of(shape.stride[axis]).then(|| reach / shape.stride[axis])
    });
}

fn taps(shape: &ConvShape, f: Tap<'_>, image: usize, at: &dyn Fn(usize, usize) -> Option<usize>) {
    let inside = |axis: usize, tap: usize| at(axis, tap).filter(|&i| i < shape.input[axis]);
    let [kd, kh, kw] = shape.kernel;
    let [id, ih, iw] = shape.input;
    for d in 0..kd {
        let Some(z) = inside(0, d) else { continue };
        for h in 0..kh {
            let Some(y) = inside(1, h) else { continue };
            for w in 0..kw {
                let Some(x) = inside(2, w) else { continue };
                f((d * kh + h) * kw + w, ((image * id + z) * ih + y) * iw + x);
            }
        }
    }
}

/// Convolution of any element type; the arguments are those of [`super::conv_f32`], with a bias as the only epilogue.
#[allow(clippy::too_many_arguments, reason = "three tensors and their strides")]
pub fn conv_generic<T: Scalar>(
    shape: &ConvShape,
    x: &[T],
    x_pixel_stride: usize,
    weights: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
    y_pixel_stride: usize,
) {
    check_extents(shape, x.len(), x_pixel_stride, weights.len(), y.len(), y_pixel_stride);
    for row in 0..shape.output_pixels() {
        let y = &mut y[row * y_pixel_stride..row * y_pixel_stride + shape.filters];
        pixel(shape, x, x_pixel_stride, weights, bias, y, &|f| window(shape, row, f));
    }
}

/// Transposed convolution of any element type; the arguments are those of [`super::conv_transpose_f32`], with a bias
/// as the only epilogue.
#[allow(clippy::too_many_arguments, reason = "three tensors and their strides")]
pub fn conv_transpose_generic<T: Scalar>(
    shape: &ConvShape,
    x: &[T],
    x_pixel_stride: usize,
    weights: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
    y_pixel_stride: usize,
) {
    check_extents(shape, x.len(), x_pixel_stride, weights.len(), y.len(), y_pixel_stride);
    for row in 0..shape.output_pixels() {
        let y = &mut y[row * y_pixel_stride..row * y_pixel_stride + shape.filters];
        pixel(shape, x, x_pixel_stride, weights, bias, y, &|f| scatter(shape, row, f));
    }
}

/// One output pixel: all filters, a panel at a time.
fn pixel<T: Scalar>(
    shape: &ConvShape,
    x: &[T],
    x_pixel_stride: usize,
    weights: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
    visit: &dyn Fn(Tap<'_>),
) {
    let c = shape.channels / shape.groups;
    let n = shape.filters / shape.groups;
    let k = shape.taps() * c;
    for group in 0..shape.groups {
        let weights = &weights[group * k * n..(group + 1) * k * n];
        for panel in 0..panel_count(n) {
            let first = group * n + panel * PANEL;
            let w = panel_width(n, panel);
            let panel = &weights[panel_offset(k, n, panel)..];
            let mut sums = [T::ZERO; PANEL];
            if let Some(bias) = bias {
                for (sum, bias) in sums.iter_mut().zip(&bias[first..first + w]) {
                    *sum = bias.widen();
                }
            }
            visit(&mut |tap, pixel| {
                let x = &x[pixel * x_pixel_stride + group * c..][..c];
                for (&x, panel) in x.iter().zip(panel[tap * c * w..].chunks_exact(w)) {
                    for (sum, &weight) in sums.iter_mut().zip(panel) {
                        *sum = T::accumulate(*sum, x, weight);
                    }
                }
            });
            for (y, &sum) in y[first..first + w].iter_mut().zip(&sums) {
                *y = T::finish(sum);
            }
        }
    }
}
