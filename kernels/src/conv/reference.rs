//! The naive convolutions: the oracles of every faster one. They read the packed weights, so that they also pin the
//! layout.

use super::ConvShape;
use super::generic::{scatter, window};
use crate::epilogue::Epilogue;
use crate::matmul::pack::packed_element;

/// `y = epilogue(x * weights)`, with the arguments of [`super::conv_f32`].
pub fn conv(
    shape: &ConvShape,
    x: &[f32],
    x_pixel_stride: usize,
    weights: &[f32],
    y: &mut [f32],
    y_pixel_stride: usize,
    epilogue: &Epilogue<'_>,
) {
    dense(shape, x, x_pixel_stride, weights, y, y_pixel_stride, epilogue, &window);
}

/// The transposed convolution, with the arguments of [`super::conv_transpose_f32`].
pub fn conv_transpose(
    shape: &ConvShape,
    x: &[f32],
    x_pixel_stride: usize,
    weights: &[f32],
    y: &mut [f32],
    y_pixel_stride: usize,
    epilogue: &Epilogue<'_>,
) {
    dense(shape, x, x_pixel_stride, weights, y, y_pixel_stride, epilogue, &scatter);
}

/// The depthwise convolution, with the arguments of [`super::depthwise_f32`].
pub fn depthwise(
    shape: &ConvShape,
    x: &[f32],
    x_pixel_stride: usize,
    weights: &[f32],
    y: &mut [f32],
    y_pixel_stride: usize,
    epilogue: &Epilogue<'_>,
) {
    for row in 0..shape.output_pixels() {
        for column in 0..shape.filters {
            let out = row * y_pixel_stride + column;
            let mut sum = if epilogue.residual_in_place { y[out] } else { 0.0 };
            window(shape, row, &mut |tap, pixel| {
                sum += x[pixel * x_pixel_stride + column] * weights[tap * shape.channels + column];
            });
            y[out] = epilogue.element(row, column, sum);
        }
        finish(row, shape.filters, y, y_pixel_stride, epilogue);
    }
}

/// Calls its last argument with every tap of an output pixel that meets the input, and that input pixel.
type Visit = dyn Fn(&ConvShape, usize, &mut dyn FnMut(usize, usize));

#[allow(clippy::too_many_arguments, reason = "three tensors and their strides")]
fn dense(
    shape: &ConvShape,
    x: &[f32],
    x_pixel_stride: usize,
    weights: &[f32],
    y: &mut [f32],
    y_pixel_stride: usize,
    epilogue: &Epilogue<'_>,
    visit: &Visit,
) {
    let c = shape.channels / shape.groups;
    let n = shape.filters / shape.groups;
    let k = shape.taps() * c;
    for row in 0..shape.output_pixels() {
        for column in 0..shape.filters {
            let (group, filter) = (column / n, column % n);
            let weights = &weights[group * k * n..(group + 1) * k * n];
            let out = row * y_pixel_stride + column;
            let mut sum = if epilogue.residual_in_place { y[out] } else { 0.0 };
            visit(shape, row, &mut |tap, pixel| {
                for i in 0..c {
                    let weight = weights[packed_element(k, n, tap * c + i, filter)];
                    sum += x[pixel * x_pixel_stride + group * c + i] * weight;
                }
            });
            y[out] = epilogue.element(row, column, sum);
        }
        finish(row, shape.filters, y, y_pixel_stride, epilogue);
    }
}

fn finish(row: usize, columns: usize, y: &mut [f32], y_pixel_stride: usize, epilogue: &Epilogue<'_>) {
    if let Some(then) = epilogue.then {
        then(row, 0, &mut y[row * y_pixel_stride..row * y_pixel_stride + columns]);
    }
}
