//! Convolution as a product without its left matrix: output pixels are rows, and the taps of their windows are runs of
//! `k` in the input itself, or in a band where the input has edges.

use super::ConvShape;
use super::axis::Axis;
use super::band::{Band, Source};
use crate::epilogue::Epilogue;
use crate::matmul::lanes::Path;
use crate::matmul::pack::PANEL;
use crate::matmul::product::{Product, RowMap, Run, Runs};

/// Channels from which on a tap is a run long enough not to copy the input for longer ones.
const LONG_RUN: usize = 16;

/// The operands of a convolution.
pub(crate) struct Operands<'a> {
    /// The input.
    pub(crate) x: &'a [f32],
    /// From a pixel of it to the next.
    pub(crate) x_pixel: usize,
    /// The packed weights.
    pub(crate) weights: &'a [f32],
    /// The output.
    pub(crate) y: &'a mut [f32],
    /// From a pixel of it to the next.
    pub(crate) y_pixel: usize,
    /// Room for a band.
    pub(crate) scratch: &'a mut [f32],
}

/// The images of one product: batch entries, or the planes of one entry where there are several.
fn images(shape: &ConvShape, d: &Axis) -> (usize, usize) {
    if d.outputs == 1 { (1, shape.batch) } else { (shape.batch, d.outputs) }
}

/// Whether the windows along these axes are read from a band.
fn needs_band(shape: &ConvShape, axes: &[Axis; 3]) -> bool {
    let w = &axes[2];
    let mergeable = w.taps > 1 && w.hop == 1 && w.tap_step == 1;
    let short = shape.groups > 1 && shape.channels / shape.groups < LONG_RUN;
    axes.iter().any(Axis::padded) || (mergeable && short)
}

/// How many floats of scratch the windows along these axes need.
pub(crate) fn scratch(shape: &ConvShape, axes: &[Axis; 3]) -> usize {
    let channels = shape.channels / shape.groups;
    let (_, images) = images(shape, &axes[0]);
    if !needs_band(shape, axes) || axes.iter().any(|a| a.taps == 0 || a.outputs == 0) {
        return 0;
    }
    let band = Band::new(axes, channels, images);
    band.images * band.image(axes[0].taps, channels)
}

/// How many floats of scratch are enough for windows along these axes and along any with fewer outputs, over at most so
/// many images. `padded` says whether any of them may reach outside of its input.
pub(crate) fn scratch_most(shape: &ConvShape, axes: &[Axis; 3], padded: bool) -> usize {
    if !needs_band(shape, axes) && !padded || axes.iter().any(|a| a.taps == 0) {
        return 0;
    }
    Band::most(axes, shape.channels / shape.groups, shape.batch.max(axes[0].outputs))
}

/// Computes the outputs of the axes.
///
/// # Safety
/// The tensors have the extents of the shape, the scratch is as long as [`scratch`] says, the epilogue fits the output.
pub(crate) unsafe fn run(
    path: Path,
    shape: &ConvShape,
    axes: &[Axis; 3],
    operands: &mut Operands<'_>,
    epilogue: &Epilogue<'_>,
) {
    if axes.iter().any(|a| a.outputs == 0) {
        return;
    }
    for group in 0..shape.groups {
        let windows = Windows::new(path, shape, axes, group, epilogue);
        if windows.k() == 0 || !needs_band(shape, axes) {
            // SAFETY: passed on to the caller.
            unsafe { windows.in_place(operands) };
        } else {
            // SAFETY: passed on to the caller.
            unsafe { windows.through_bands(operands) };
        }
    }
}

/// The windows of one group.
struct Windows<'a> {
    path: Path,
    shape: &'a ConvShape,
    axes: &'a [Axis; 3],
    group: usize,
    /// Channels of the group.
    channels: usize,
    /// Filters of the group.
    filters: usize,
    epilogue: &'a Epilogue<'a>,
}

/// Where windows are read. Distances are in floats.
struct Layout {
    /// The first input of the first window.
    a: *const f32,
    /// Between the planes of neighbouring taps.
    tap_plane: usize,
    /// Between lines.
    line: usize,
    /// Between pixels.
    pixel: usize,
}

/// Output pixels that make one product.
struct Rows {
    /// Index of the first in the result.
    first: usize,
    /// Images.
    images: usize,
    /// Indices in the result between images.
    image_index: usize,
    /// Floats between images.
    image: usize,
    /// Lines of an image.
    lines: usize,
}

impl<'a> Windows<'a> {
    fn new(
        path: Path,
        shape: &'a ConvShape,
        axes: &'a [Axis; 3],
        group: usize,
        epilogue: &'a Epilogue<'a>,
    ) -> Self {
        let (channels, filters) = (shape.channels / shape.groups, shape.filters / shape.groups);
        Self { path, shape, axes, group, channels, filters, epilogue }
    }

    /// Terms of each sum.
    fn k(&self) -> usize {
        self.axes.iter().map(|a| a.taps).product::<usize>() * self.channels
    }

    /// Pixels of the output from one index of an axis to the next.
    fn y_strides(&self) -> [usize; 3] {
        let [_, h, w] = self.shape.output;
        [h * w, w, 1]
    }

    /// Index in the result of an output of the axes in entry `entry` of the batch.
    fn y_index(&self, entry: usize, d: usize, h: usize) -> usize {
        let [ad, ah, aw] = self.axes;
        let [sd, sh, _] = self.y_strides();
        let [yd, ..] = self.shape.output;
        entry * yd * sd + (ad.y_first + d * ad.y_step) * sd + (ah.y_first + h * ah.y_step) * sh + aw.y_first
    }

    /// Indices in the result from an image to the next.
    fn y_image(&self) -> usize {
        let [yd, ..] = self.shape.output;
        let [sd, ..] = self.y_strides();
        if self.axes[0].outputs == 1 { yd * sd } else { self.axes[0].y_step * sd }
    }

    unsafe fn in_place(&self, operands: &mut Operands<'_>) {
        let [d, h, w] = self.axes;
        let [xd, xh, xw] = self.shape.input;
        let pixel = operands.x_pixel;
        let (entries, images) = images(self.shape, d);
        for entry in 0..entries {
            let base = |axis: &Axis| axis.base.max(0).unsigned_abs();
            let first = ((entry * xd + base(d)) * xh + base(h)) * xw + base(w);
            let layout = Layout {
                a: operands.x.as_ptr().wrapping_add(first * pixel + self.group * self.channels),
                tap_plane: d.hop * xh * xw * pixel,
                line: xw * pixel,
                pixel,
            };
            let planes = if d.outputs == 1 { xd } else { d.step };
            let rows = Rows {
                first: self.y_index(entry, 0, 0),
                images,
                image_index: self.y_image(),
                image: planes * xh * xw * pixel,
                lines: h.outputs,
            };
            // SAFETY: no window leaves the input, or `k` is 0 and nothing is read.
            unsafe { self.product(&layout, &rows, operands) };
        }
    }

    unsafe fn through_bands(&self, operands: &mut Operands<'_>) {
        let [d, h, _] = self.axes;
        let (entries, images) = images(self.shape, d);
        let band = Band::new(self.axes, self.channels, images);
        let plane = band.height * band.width * self.channels;
        let image = d.taps * plane;
        let x = operands.x.get(self.group * self.channels..).unwrap_or(&[]);
        let source = Source { x, pixel: operands.x_pixel, channels: self.channels };
        for entry in 0..entries {
            for first_image in (0..images).step_by(band.images) {
                let some = band.images.min(images - first_image);
                for line in (0..h.outputs).step_by(band.lines) {
                    let lines = band.lines.min(h.outputs - line);
                    let top = (line * h.step) as isize + h.base;
                    for i in 0..some * d.taps {
                        let (image, tap) = (first_image + i / d.taps, i % d.taps);
                        let out = &mut operands.scratch[i * plane..(i + 1) * plane];
                        source.copy_plane(self.plane(entry, image, tap), top, self.axes, &band, out);
                    }
                    let layout = Layout {
                        a: operands.scratch.as_ptr(),
                        tap_plane: plane,
                        line: band.width * self.channels,
                        pixel: self.channels,
                    };
                    let (batch, depth) = if d.outputs == 1 { (first_image, 0) } else { (entry, first_image) };
                    let rows = Rows {
                        first: self.y_index(batch, depth, line),
                        images: some,
                        image_index: self.y_image(),
                        image,
                        lines,
                    };
                    // SAFETY: the band holds all inputs of the windows of these lines and images.
                    unsafe { self.product(&layout, &rows, operands) };
                }
            }
        }
    }

    /// The input plane, over the batch, that a tap of an image meets.
    fn plane(&self, entry: usize, image: usize, tap: usize) -> Option<usize> {
        let d = &self.axes[0];
        let (batch, output) = if d.outputs == 1 { (image, 0) } else { (entry, image) };
        let plane = (output * d.step + tap * d.hop) as isize + d.base;
        (plane >= 0 && (plane as usize) < d.inputs).then(|| batch * d.inputs + plane as usize)
    }

    /// Computes the rows.
    ///
    /// # Safety
    /// All inputs of their windows are readable in the layout.
    unsafe fn product(&self, layout: &Layout, rows: &Rows, operands: &mut Operands<'_>) {
        let [d, h, w] = self.axes;
        let [_, sh, sw] = self.y_strides();
        let [_, kh, kw] = self.shape.kernel;
        let merged = layout.pixel == self.channels && w.hop == 1 && w.tap_step == 1;
        let (w_runs, len) = if merged { (1, w.taps * self.channels) } else { (w.taps, self.channels) };
        let at = |i: usize| {
            let (jd, jh, jw) = (i / (w_runs * h.taps), i / w_runs % h.taps, i % w_runs);
            let tap = (d.tap(jd) * kh + h.tap(jh)) * kw + w.tap(jw);
            Run {
                a: jd * layout.tap_plane + jh * h.hop * layout.line + jw * w.hop * layout.pixel,
                b: tap * self.channels,
            }
        };
        let k = self.shape.taps() * self.channels;
        let product = Product {
            rows: rows.images * rows.lines * w.outputs,
            map: RowMap {
                line: w.outputs,
                image: rows.lines,
                a: [rows.image, h.step * layout.line, w.step * layout.pixel],
                c: [rows.image_index, h.y_step * sh, w.y_step * sw],
                c_first: rows.first,
            },
            a: layout.a,
            runs: Runs { count: d.taps * h.taps * w_runs, len, at: &at },
            b: operands.weights.as_ptr().wrapping_add(self.group * k * self.filters),
            b_end: operands.weights.as_ptr_range().end,
            b_step: PANEL,
            b_step_part: self.filters % PANEL,
            b_panel: k * PANEL,
            n: self.filters,
            c: operands.y.as_mut_ptr(),
            ldc: operands.y_pixel,
            column: self.group * self.filters,
            epilogue: self.epilogue,
        };
        // SAFETY: the caller vouches for the windows; weights and output were checked against the shape, and the output
        // is borrowed exclusively.
        unsafe { product.run(self.path) }
    }
}
