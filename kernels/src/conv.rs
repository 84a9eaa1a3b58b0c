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

mod axis;
mod band;
pub(crate) mod depthwise;
mod implicit;
#[cfg(test)]
mod tests;

use crate::epilogue::{Epilogue, span};
use crate::matmul::lanes::Path;
use axis::Axis;
use implicit::Operands;

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
        product(1, &self.kernel)
    }

    /// Pixels of `x`, over the batch.
    pub const fn input_pixels(&self) -> usize {
        product(self.batch, &self.input)
    }

    /// Pixels of `y`, over the batch.
    pub const fn output_pixels(&self) -> usize {
        product(self.batch, &self.output)
    }

    /// Floats of the packed weights.
    pub const fn weights(&self) -> usize {
        self.taps().saturating_mul(self.channels / self.groups).saturating_mul(self.filters)
    }
}

/// `first` times the extents; more than any slice has where that does not fit a `usize`.
const fn product(first: usize, extents: &[usize; 3]) -> usize {
    first.saturating_mul(extents[0]).saturating_mul(extents[1]).saturating_mul(extents[2])
}

/// How many floats of scratch [`conv_f32`] needs. Does not depend on the processor.
pub fn conv_scratch(shape: &ConvShape) -> usize {
    implicit::scratch(shape, &forward(shape))
}

/// How many floats of scratch [`conv_transpose_f32`] needs. Does not depend on the processor.
pub fn conv_transpose_scratch(shape: &ConvShape) -> usize {
    phases(shape).map(|axes| implicit::scratch(shape, &axes)).max().unwrap_or(0)
}

/// How many floats of scratch are enough for [`conv_f32`] of this shape and of any shape with smaller extents, which may
/// need more than the largest. `padded` says whether windows of one of them may reach outside of the input.
pub fn conv_scratch_most(shape: &ConvShape, padded: bool) -> usize {
    implicit::scratch_most(shape, &forward(shape), padded)
}

/// The same for [`conv_transpose_f32`].
pub fn conv_transpose_scratch_most(shape: &ConvShape) -> usize {
    let most = |mut axes: [Axis; 3]| {
        // Which outputs a phase has depends on the padding, which may be less.
        for (i, axis) in axes.iter_mut().enumerate() {
            axis.outputs = shape.output[i].div_ceil(shape.stride[i]);
        }
        implicit::scratch_most(shape, &axes, true)
    };
    phases(shape).map(most).max().unwrap_or(0)
}

fn forward(shape: &ConvShape) -> [Axis; 3] {
    [0, 1, 2].map(|i| Axis::forward(shape, i))
}

/// The phases of a transposed convolution: outputs that meet the same taps, and so form an ordinary convolution.
fn phases(shape: &ConvShape) -> impl Iterator<Item = [Axis; 3]> {
    let [sd, sh, sw] = shape.stride;
    (0..sd * sh * sw).map(move |phase| {
        let phases = [phase / (sh * sw), phase / sw % sh, phase % sw];
        [0, 1, 2].map(|i| Axis::transposed(shape, i, phases[i]))
    })
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
    let mut operands = Operands { x, x_pixel: x_pixel_stride, weights, y, y_pixel: y_pixel_stride, scratch };
    conv_at(Path::current(), shape, &mut operands, epilogue);
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
    let scratch = &mut [];
    let mut operands = Operands { x, x_pixel: x_pixel_stride, weights, y, y_pixel: y_pixel_stride, scratch };
    depthwise_at(Path::current(), shape, &mut operands, epilogue);
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
    let mut operands = Operands { x, x_pixel: x_pixel_stride, weights, y, y_pixel: y_pixel_stride, scratch };
    conv_transpose_at(Path::current(), shape, &mut operands, epilogue);
}

fn conv_at(path: Path, shape: &ConvShape, operands: &mut Operands<'_>, epilogue: &Epilogue<'_>) {
    check(shape, operands, epilogue);
    assert!(operands.scratch.len() >= conv_scratch(shape), "scratch is too short");
    // SAFETY: all extents were checked.
    unsafe { implicit::run(path, shape, &forward(shape), operands, epilogue) };
}

fn conv_transpose_at(path: Path, shape: &ConvShape, operands: &mut Operands<'_>, epilogue: &Epilogue<'_>) {
    check(shape, operands, epilogue);
    assert!(operands.scratch.len() >= conv_transpose_scratch(shape), "scratch is too short");
    for axes in phases(shape) {
        // SAFETY: all extents were checked.
        unsafe { implicit::run(path, shape, &axes, operands, epilogue) };
    }
}

fn depthwise_at(path: Path, shape: &ConvShape, operands: &mut Operands<'_>, epilogue: &Epilogue<'_>) {
    check(shape, operands, epilogue);
    // SAFETY: all extents were checked.
    unsafe { depthwise::run(path, shape, operands, epilogue) };
}

fn check(shape: &ConvShape, operands: &Operands<'_>, epilogue: &Epilogue<'_>) {
    let Operands { x, x_pixel, weights, y, y_pixel, .. } = operands;
    check_extents(shape, x.len(), *x_pixel, weights.len(), y.len(), *y_pixel);
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
    for i in 0..3 {
        let windows = shape.output[i].max(shape.input[i]).saturating_mul(shape.stride[i]);
        let window = shape.kernel[i].saturating_mul(shape.dilation[i]);
        let reach = windows.saturating_add(window).saturating_add(shape.pad_begin[i]);
        assert!(reach < isize::MAX as usize, "windows reach too far");
    }
    assert!(x_pixel_stride >= channels && y_pixel_stride >= filters, "pixels overlap");
    assert!(x >= span(shape.input_pixels(), channels, x_pixel_stride), "input is shorter than its extents");
    assert!(y >= span(shape.output_pixels(), filters, y_pixel_stride), "output is shorter than its extents");
    assert!(weights >= shape.weights(), "weights are shorter than their extents");
}
