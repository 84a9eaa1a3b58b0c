//! Convolutions over channels-last pixels, `[batch, D, H, W, channels]`.
//!
//! There are always three spatial dims; a convolution of fewer has ones in front. Pixels may be farther apart than
//! their channels (`x_pixel_stride`, `y_pixel_stride`), so inputs and outputs can be slices of concatenated buffers.
//! In an epilogue a row is an output pixel (over batch, D, H, W) and a column is a filter.
//!
//! Weights are packed by [`pack`]: one panel matrix per group, `k` running over `(kd, kh, kw, c)`.

pub mod generic;
pub mod pack;
pub mod reference;

use crate::epilogue::{Epilogue, span};

pub use generic::{conv_generic, conv_transpose_generic};

/// The extents of a convolution. For a transposed one, `input` and `output` keep their meaning (`x` and `y`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Images.
    pub batch: usize,
    /// D, H, W of `x`.
    pub input: [usize; 3],
    /// D, H, W of `y`.
    pub output: [usize; 3],
    /// Taps.
    pub kernel: [usize; 3],
    /// Steps between windows.
    pub stride: [usize; 3],
    /// Steps between taps.
    pub dilation: [usize; 3],
    /// Zeros before the first pixel. Padding at the end follows from the output extents.
    pub pad_begin: [usize; 3],
    /// Channels of `x`, over all groups.
    pub channels: usize,
    /// Channels of `y`, over all groups.
    pub filters: usize,
    /// Groups, dividing `channels` and `filters`.
    pub groups: usize,
}

impl ConvShape {
    /// Taps of one filter.
    pub const fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.kernel[2]
    }

    /// Pixels of `x`, over the batch.
    pub const fn input_pixels(&self) -> usize {
        self.batch * self.input[0] * self.input[1] * self.input[2]
    }

    /// Pixels of `y`, over the batch.
    pub const fn output_pixels(&self) -> usize {
        self.batch * self.output[0] * self.output[1] * self.output[2]
    }

    /// Floats of the packed weights.
    pub const fn weights(&self) -> usize {
        self.taps() * self.channels / self.groups * self.filters
    }
}

/// How many floats of scratch [`conv_f32`] needs.
pub const fn conv_scratch(_shape: &ConvShape) -> usize {
    0
}

/// How many floats of scratch [`conv_transpose_f32`] needs.
pub const fn conv_transpose_scratch(_shape: &ConvShape) -> usize {
    0
}

/// Convolution in f32: `y = epilogue(x * weights)`, weights as [`pack::pack_conv`] packs them.
///
/// Panics if a slice is too short for the shape, or `scratch` for [`conv_scratch`].
#[allow(clippy::too_many_arguments, reason = "three tensors and their strides")]
#[inline(never)]
pub fn conv_f32(
    shape: &ConvShape,
    x: &[f32],
    x_pixel_stride: usize,
    weights: &[f32],
    y: &mut [f32],
    y_pixel_stride: usize,
    scratch: &mut [f32],
    epilogue: &Epilogue<'_>,
) {
    check(shape, x, x_pixel_stride, weights, y, y_pixel_stride, epilogue);
    assert!(scratch.len() >= conv_scratch(shape), "scratch is too short");
    reference::conv(shape, x, x_pixel_stride, weights, y, y_pixel_stride, epilogue);
}

/// Depthwise convolution in f32: as many groups as channels and filters, weights `[taps][channels]`.
///
/// Panics if a slice is too short for the shape.
#[inline(never)]
pub fn depthwise_f32(
    shape: &ConvShape,
    x: &[f32],
    x_pixel_stride: usize,
    weights: &[f32],
    y: &mut [f32],
    y_pixel_stride: usize,
    epilogue: &Epilogue<'_>,
) {
    assert!(shape.groups == shape.channels && shape.filters == shape.channels, "not a depthwise convolution");
    check(shape, x, x_pixel_stride, weights, y, y_pixel_stride, epilogue);
    reference::depthwise(shape, x, x_pixel_stride, weights, y, y_pixel_stride, epilogue);
}

/// Transposed convolution in f32, weights as [`pack::pack_conv_transpose`] packs them.
///
/// Pixel `i` of `x` adds to pixel `i * stride + tap * dilation - pad_begin` of `y`, where `y` has one.
/// Panics if a slice is too short for the shape, or `scratch` for [`conv_transpose_scratch`].
#[allow(clippy::too_many_arguments, reason = "three tensors and their strides")]
#[inline(never)]
pub fn conv_transpose_f32(
    shape: &ConvShape,
    x: &[f32],
    x_pixel_stride: usize,
    weights: &[f32],
    y: &mut [f32],
    y_pixel_stride: usize,
    scratch: &mut [f32],
    epilogue: &Epilogue<'_>,
) {
    check(shape, x, x_pixel_stride, weights, y, y_pixel_stride, epilogue);
    assert!(scratch.len() >= conv_transpose_scratch(shape), "scratch is too short");
    reference::conv_transpose(shape, x, x_pixel_stride, weights, y, y_pixel_stride, epilogue);
}

fn check(
    shape: &ConvShape,
    x: &[f32],
    x_pixel_stride: usize,
    weights: &[f32],
    y: &[f32],
    y_pixel_stride: usize,
    epilogue: &Epilogue<'_>,
) {
    check_extents(shape, x.len(), x_pixel_stride, weights.len(), y.len(), y_pixel_stride);
    epilogue.check(shape.output_pixels(), shape.filters);
}

/// Panics where a tensor of the given length is too short for the shape.
fn check_extents(
    shape: &ConvShape,
    x: usize,
    x_pixel_stride: usize,
    weights: usize,
    y: usize,
    y_pixel_stride: usize,
) {
    let ConvShape { channels, filters, groups, .. } = *shape;
    assert!(
        groups > 0 && channels.is_multiple_of(groups) && filters.is_multiple_of(groups),
        "groups divide neither"
    );
    assert!(shape.stride.iter().all(|&s| s > 0), "stride is zero");
    assert!(x_pixel_stride >= channels && y_pixel_stride >= filters, "pixels overlap");
    assert!(x >= span(shape.input_pixels(), channels, x_pixel_stride), "input is shorter than its extents");
    assert!(y >= span(shape.output_pixels(), filters, y_pixel_stride), "output is shorter than its extents");
    assert!(weights >= shape.weights(), "weights are shorter than their extents");
}
