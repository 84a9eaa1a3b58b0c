//! Pooling over channels-last pixels, `[batch, D, H, W, channels]`, and pooling of regions.
//!
//! There are always three spatial dims; a pooling of fewer has ones in front. Pixels may be farther apart than their
//! channels (`x_pixel_stride`, `y_pixel_stride`), so inputs and outputs can be slices of concatenated buffers. Global
//! pooling is a reduction.

mod average;
mod max;
mod roi;
#[cfg(test)]
mod tests;

pub use average::{average_pool, average_pool_f32, lp_pool, lp_pool_f32};
pub use max::{max_pool, max_pool_f32, max_pool_indices, max_unpool};
pub use roi::{RoiAlign, RoiMode, max_roi_pool, roi_align};

/// The extents of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolShape {
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
    /// Padding before the first pixel.
    pub pad_begin: [usize; 3],
    /// Padding after the last pixel. Only an average that counts padding looks at it: with `ceil_mode` a window may
    /// reach beyond it, and what lies there is not counted.
    pub pad_end: [usize; 3],
    /// Channels.
    pub channels: usize,
}

/// The taps of one window along one dim.
#[derive(Clone, Copy)]
struct Window {
    /// The taps `from..to` fall on pixels.
    from: usize,
    to: usize,
    /// The position of tap 0, which may lie in the padding.
    start: isize,
    /// How many taps fall on pixels or padding.
    counted: usize,
}

impl PoolShape {
    /// Pixels of `x`, over the batch.
    pub const fn input_pixels(&self) -> usize {
        self.batch * self.input[0] * self.input[1] * self.input[2]
    }

    /// Pixels of `y`, over the batch.
    pub const fn output_pixels(&self) -> usize {
        self.batch * self.output[0] * self.output[1] * self.output[2]
    }

    #[track_caller]
    fn check(&self, x: usize, x_pixel_stride: usize, y: usize, y_pixel_stride: usize) {
        let fits = |pixels: usize, stride: usize, len: usize| {
            pixels == 0 || stride >= self.channels && len >= (pixels - 1) * stride + self.channels
        };
        assert!(
            fits(self.input_pixels(), x_pixel_stride, x) && fits(self.output_pixels(), y_pixel_stride, y),
            "a pooling's slices are too short"
        );
    }

    fn window(&self, dim: usize, output: usize) -> Window {
        let start = (output * self.stride[dim]) as isize - self.pad_begin[dim] as isize;
        let step = self.dilation[dim].max(1);
        // How many taps lie before a position.
        let before = |end: isize| {
            let reach = (end - start).max(0) as usize;
            // A division costs as much as many taps.
            let taps = if step == 1 { reach } else { reach.div_ceil(step) };
            taps.min(self.kernel[dim])
        };
        let end = self.input[dim] as isize;
        Window { from: before(0), to: before(end), start, counted: before(end + self.pad_end[dim] as isize) }
    }

    /// Calls `f` with every output pixel: its image, the windows and the pixel's number.
    #[inline(always)]
    fn each_pixel(&self, mut f: impl FnMut(usize, [Window; 3], usize)) {
        let mut pixel = 0;
        for image in 0..self.batch {
            for d in 0..self.output[0] {
                let depth = self.window(0, d);
                for h in 0..self.output[1] {
                    let height = self.window(1, h);
                    for w in 0..self.output[2] {
                        f(image, [depth, height, self.window(2, w)], pixel);
                        pixel += 1;
                    }
                }
            }
        }
    }

    /// Calls `f` with the pixel number in `x` of every tap that falls on a pixel, and with its D, H, W.
    #[inline(always)]
    fn each_tap(&self, image: usize, windows: [Window; 3], mut f: impl FnMut(usize, [usize; 3])) {
        let at = |dim: usize, tap: usize| {
            (windows[dim].start + (tap * self.dilation[dim].max(1)) as isize) as usize
        };
        for kd in windows[0].from..windows[0].to {
            let d = at(0, kd);
            for kh in windows[1].from..windows[1].to {
                let h = at(1, kh);
                let row = ((image * self.input[0] + d) * self.input[1] + h) * self.input[2];
                for kw in windows[2].from..windows[2].to {
                    let w = at(2, kw);
                    f(row + w, [d, h, w]);
                }
            }
        }
    }
}

/// Folds every window per channel: blocks of channels stay in registers over the taps.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "two tensors and the parts of a fold")]
fn fold_lanes<T: Copy>(
    shape: &PoolShape,
    x: &[T],
    x_pixel_stride: usize,
    y: &mut [T],
    y_pixel_stride: usize,
    identity: T,
    combine: impl Fn(T, T) -> T,
    finish: impl Fn([Window; 3], &mut [T]),
) {
    shape.check(x.len(), x_pixel_stride, y.len(), y_pixel_stride);
    crate::vectorize(
        #[inline(always)]
        || {
            shape.each_pixel(
                #[inline(always)]
                |image, windows, pixel| {
                    let y = &mut y[pixel * y_pixel_stride..][..shape.channels];
                    let (wide, rest) = y[..].as_chunks_mut::<64>();
                    let mut channel = 0;
                    for y in wide {
                        block(shape, image, windows, x, x_pixel_stride, channel, y, identity, &combine);
                        channel += 64;
                    }
                    let (narrow, rest) = rest.as_chunks_mut::<16>();
                    for y in narrow {
                        block(shape, image, windows, x, x_pixel_stride, channel, y, identity, &combine);
                        channel += 16;
                    }
                    rest.fill(identity);
                    shape.each_tap(
                        image,
                        windows,
                        #[inline(always)]
                        |tap, _| {
                            let x = &x[tap * x_pixel_stride + channel..][..rest.len()];
                            for (y, &x) in rest.iter_mut().zip(x) {
                                *y = combine(*y, x);
                            }
                        },
                    );
                    finish(windows, y);
                },
            );
        },
    );
}

/// Folds the window of `N` channels from `channel` on into `y`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "two tensors and the parts of a fold")]
fn block<T: Copy, const N: usize>(
    shape: &PoolShape,
    image: usize,
    windows: [Window; 3],
    x: &[T],
    x_pixel_stride: usize,
    channel: usize,
    y: &mut [T; N],
    identity: T,
    combine: &impl Fn(T, T) -> T,
) {
    let mut lanes = [identity; N];
    shape.each_tap(
        image,
        windows,
        #[inline(always)]
        |tap, _| {
            let x = &x[tap * x_pixel_stride + channel..][..N];
            for (lane, &x) in lanes.iter_mut().zip(x) {
                *lane = combine(*lane, x);
            }
        },
    );
    *y = lanes;
}

/// Folds every window per channel, for any element and any state.
fn fold<T: Copy, S: Copy>(
    shape: &PoolShape,
    [x_pixel_stride, y_pixel_stride]: [usize; 2],
    x: &[T],
    y: &mut [T],
    start: S,
    combine: impl Fn(S, T) -> S,
    finish: impl Fn([Window; 3], S) -> T,
) {
    shape.check(x.len(), x_pixel_stride, y.len(), y_pixel_stride);
    shape.each_pixel(|image, windows, pixel| {
        for (channel, y) in y[pixel * y_pixel_stride..][..shape.channels].iter_mut().enumerate() {
            let mut state = start;
            shape
                .each_tap(image, windows, |tap, _| state = combine(state, x[tap * x_pixel_stride + channel]));
            *y = finish(windows, state);
        }
    });
}
