//! The band: some lines of the input with the zeros around them, copied so that every window is regular.
//!
//! A band has the channels of one group only, so its pixels are neighbours and the taps of a line form one run.
//! It is small enough for the second cache, and serves all filters before the next one is copied.

use super::axis::Axis;

/// Floats of a band, where the lines are short enough.
const FLOATS: usize = 64 * 1024;
/// Output pixels that a band is for, at least: so often is each weight used when it comes from memory.
const PIXELS: usize = 112;

/// The extents of bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Band {
    /// Output lines of a band.
    pub(crate) lines: usize,
    /// Images of a band; more than one only if it holds all their lines.
    pub(crate) images: usize,
    /// Input lines of one plane.
    pub(crate) height: usize,
    /// Pixels of one line.
    pub(crate) width: usize,
}

impl Band {
    /// The extents for windows along `[d, h, w]` of `channels` channels over some images.
    pub(crate) fn new(axes: &[Axis; 3], channels: usize, images: usize) -> Self {
        let [d, h, w] = axes;
        let width = w.reach(w.outputs);
        let image = |lines: usize| d.taps * h.reach(lines) * width * channels;
        let pixels = h.outputs * w.outputs;
        if image(h.outputs) <= FLOATS || pixels <= PIXELS {
            let fit = FLOATS / image(h.outputs).max(1);
            let images = fit.max(PIXELS / pixels.max(1)).clamp(1, images.max(1));
            return Self { lines: h.outputs, images, height: h.reach(h.outputs), width };
        }
        let mut lines = PIXELS.div_ceil(w.outputs);
        while lines < h.outputs && image(lines + 1) <= FLOATS {
            lines += 1;
        }
        let lines = h.outputs.div_ceil(h.outputs.div_ceil(lines));
        Self { lines, images: 1, height: h.reach(lines), width }
    }

    /// At least as many floats as any band of windows with at most so many outputs and images has: a smaller tensor may
    /// have the larger band, because more of its lines and images fit.
    pub(crate) fn most(axes: &[Axis; 3], channels: usize, images: usize) -> usize {
        let [d, h, w] = axes;
        let image = |lines: usize, width: usize| {
            let lines = d.taps.saturating_mul(h.reach(lines));
            lines.saturating_mul(w.reach(width)).saturating_mul(channels)
        };
        if h.outputs == 0 || w.outputs == 0 {
            return 0;
        }
        let mut most = FLOATS.max(image(PIXELS.div_ceil(w.outputs), w.outputs));
        for width in 1..=w.outputs.min(PIXELS) {
            most = most.max(image(PIXELS.div_ceil(width), width));
            for lines in 1..=h.outputs.min(PIXELS / width) {
                let together = (PIXELS / (lines * width)).clamp(1, images.max(1));
                most = most.max(image(lines, width).saturating_mul(together));
            }
        }
        most.min(image(h.outputs, w.outputs).saturating_mul(images.max(1)))
    }

    /// Floats of one image of the band.
    pub(crate) fn image(&self, planes: usize, channels: usize) -> usize {
        planes * self.height * self.width * channels
    }
}

/// Where the pixels of one group come from.
pub(crate) struct Source<'a> {
    /// The input, from the first channel of the group on.
    pub(crate) x: &'a [f32],
    /// From a pixel to the next.
    pub(crate) pixel: usize,
    /// Channels of the group.
    pub(crate) channels: usize,
}

impl Source<'_> {
    /// Copies to `out` the plane of a band that begins `first` lines from the top of plane `plane` (D, over the batch),
    /// or zeros where there is no such plane.
    pub(crate) fn copy_plane(
        &self,
        plane: Option<usize>,
        first: isize,
        axes: &[Axis; 3],
        band: &Band,
        out: &mut [f32],
    ) {
        let [_, h, w] = axes;
        let length = band.width * self.channels;
        for (i, out) in out.chunks_exact_mut(length).take(band.height).enumerate() {
            let line = first + i as isize;
            match plane {
                Some(plane) if line >= 0 && (line as usize) < h.inputs => {
                    self.copy_line((plane * h.inputs + line as usize) * w.inputs, w, out);
                }
                _ => out.fill(0.0),
            }
        }
    }

    /// Copies one line, whose first pixel is number `first`, with zeros around it.
    fn copy_line(&self, first: usize, w: &Axis, out: &mut [f32]) {
        let width = out.len() / self.channels;
        let zeros = w.base.min(0).unsigned_abs().min(width);
        let skip = w.base.max(0).unsigned_abs().min(w.inputs);
        let pixels = (w.inputs - skip).min(width - zeros);
        let (before, rest) = out.split_at_mut(zeros * self.channels);
        let (inside, after) = rest.split_at_mut(pixels * self.channels);
        before.fill(0.0);
        after.fill(0.0);
        if pixels == 0 {
            return;
        }
        let x = &self.x[(first + skip) * self.pixel..];
        if self.pixel == self.channels {
            inside.copy_from_slice(&x[..inside.len()]);
            return;
        }
        if self.channels > 16 {
            for (out, x) in inside.chunks_exact_mut(self.channels).zip(x.chunks(self.pixel)) {
                out.copy_from_slice(&x[..self.channels]);
            }
            return;
        }
        let mut done = 0;
        // A few channels at a time in copies of constant length.
        while done < self.channels {
            done += match self.channels - done {
                16.. => self.copy_channels::<16>(done, x, inside),
                8.. => self.copy_channels::<8>(done, x, inside),
                4.. => self.copy_channels::<4>(done, x, inside),
                _ => self.copy_channels::<1>(done, x, inside),
            };
        }
    }

    /// Copies `N` channels of some pixels; answers `N`.
    #[inline(always)]
    fn copy_channels<const N: usize>(&self, first: usize, x: &[f32], out: &mut [f32]) -> usize {
        for (out, x) in out.chunks_exact_mut(self.channels).zip(x.chunks(self.pixel)) {
            if let (Some(out), Some(x)) = (out[first..].first_chunk_mut::<N>(), x[first..].first_chunk::<N>())
            {
                *out = *x;
            }
        }
        N
    }
}
