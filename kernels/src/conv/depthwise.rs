//! Depthwise convolution: every channel has its own window, so channels are lanes and pixels are the register block.
//!
//! Blocks of neighbouring output pixels whose windows are whole share each weight; pixels whose windows are cut by the
//! edges are computed one at a time, from the taps that remain.

#![allow(clippy::needless_range_loop, reason = "constant bounds keep the arrays in registers")]

use super::ConvShape;
use super::axis::Axis;
use super::implicit::Operands;
use crate::epilogue::Epilogue;
use crate::matmul::lanes::{Lanes, Path, with_lanes};

/// Neighbouring output pixels of one line that meet the same taps.
pub(crate) struct Block<'a> {
    /// The input that the first pixel meets with the first tap, channel 0.
    pub(crate) x: *const f32,
    /// From the input of one pixel to that of the next.
    pub(crate) step: usize,
    /// Taps that the windows have.
    pub(crate) taps: [usize; 3],
    /// From the input of one tap to that of the next.
    pub(crate) hops: [usize; 3],
    /// The first of these taps.
    pub(crate) weights: *const f32,
    /// From a tap to the next.
    pub(crate) weight_steps: [usize; 3],
    /// Channels.
    pub(crate) channels: usize,
    /// The output.
    pub(crate) y: *mut f32,
    /// From a pixel of the output to the next.
    pub(crate) y_pixel: usize,
    /// Index of the first pixel in the output.
    pub(crate) row: usize,
    /// The epilogue.
    pub(crate) epilogue: &'a Epilogue<'a>,
}

/// All channels of `P` pixels, `V` vectors at a time.
///
/// # Safety
/// The processor has the instructions of `L`; the taps of all pixels are inside of the input and weights, the pixels
/// inside of the output, bias and residual.
#[inline(always)]
pub(crate) unsafe fn pixels<L: Lanes, const P: usize, const V: usize>(block: &Block<'_>) {
    let mut channel = 0;
    // SAFETY: `channel` and the lanes after it are channels; the rest is passed on to the caller.
    unsafe {
        while channel + 16 * V <= block.channels {
            lanes::<L, P, V, false>(block, channel, L::mask(16));
            channel += 16 * V;
        }
        while channel + 16 <= block.channels {
            lanes::<L, P, 1, false>(block, channel, L::mask(16));
            channel += 16;
        }
        if channel < block.channels {
            lanes::<L, P, 1, true>(block, channel, L::mask(block.channels - channel));
        }
    }
}

#[inline(always)]
unsafe fn load<L: Lanes, const PART: bool>(from: *const f32, mask: L::Mask) -> L::V {
    // SAFETY: passed on to the caller.
    unsafe { if PART { L::load_part(from, mask) } else { L::load(from) } }
}

/// `V` vectors of channels of `P` pixels.
#[inline(always)]
unsafe fn lanes<L: Lanes, const P: usize, const V: usize, const PART: bool>(
    block: &Block<'_>,
    channel: usize,
    mask: L::Mask,
) {
    // SAFETY: passed on to the caller of `pixels`.
    unsafe {
        let y = block.y.add(block.row * block.y_pixel + channel);
        let mut sums = [[L::zero(); V]; P];
        if block.epilogue.residual_in_place {
            for p in 0..P {
                for v in 0..V {
                    sums[p][v] = load::<L, PART>(y.add(p * block.y_pixel + 16 * v), mask);
                }
            }
        }
        let (x, weights) = (block.x.wrapping_add(channel), block.weights.wrapping_add(channel));
        for d in 0..block.taps[0] {
            for h in 0..block.taps[1] {
                let mut x = x.wrapping_add(d * block.hops[0] + h * block.hops[1]);
                let mut weights = weights.wrapping_add(d * block.weight_steps[0] + h * block.weight_steps[1]);
                for _ in 0..block.taps[2] {
                    let mut weight = [L::zero(); V];
                    for v in 0..V {
                        weight[v] = load::<L, PART>(weights.add(16 * v), mask);
                    }
                    for p in 0..P {
                        for v in 0..V {
                            let x = load::<L, PART>(x.add(p * block.step + 16 * v), mask);
                            sums[p][v] = L::fma(x, weight[v], sums[p][v]);
                        }
                    }
                    x = x.wrapping_add(block.hops[2]);
                    weights = weights.wrapping_add(block.weight_steps[2]);
                }
            }
        }
        finish::<L, P, V, PART>(block, channel, mask, &mut sums);
        for p in 0..P {
            for v in 0..V {
                let y = y.add(p * block.y_pixel + 16 * v);
                if PART { L::store_part(y, mask, sums[p][v]) } else { L::store(y, sums[p][v]) }
            }
        }
    }
}

/// Bias, residual and clamp.
#[inline(always)]
unsafe fn finish<L: Lanes, const P: usize, const V: usize, const PART: bool>(
    block: &Block<'_>,
    channel: usize,
    mask: L::Mask,
    sums: &mut [[L::V; V]; P],
) {
    // SAFETY: passed on to the caller of `pixels`.
    unsafe {
        if let Some(bias) = block.epilogue.bias {
            for v in 0..V {
                let bias = load::<L, PART>(bias.as_ptr().add(channel + 16 * v), mask);
                for p in 0..P {
                    sums[p][v] = L::add(sums[p][v], bias);
                }
            }
        }
        if let Some((residual, stride)) = block.epilogue.residual {
            let from = residual.as_ptr().add(block.row * stride + channel);
            for p in 0..P {
                for v in 0..V {
                    let residual = load::<L, PART>(from.add(p * stride + 16 * v), mask);
                    sums[p][v] = L::add(sums[p][v], residual);
                }
            }
        }
        if let Some((lo, hi)) = block.epilogue.clamp {
            let (lo, hi) = (L::splat(lo), L::splat(hi));
            for p in 0..P {
                for v in 0..V {
                    sums[p][v] = L::clamp(sums[p][v], lo, hi);
                }
            }
        }
    }
}

/// Computes the convolution.
///
/// # Safety
/// The tensors have the extents of the shape, the epilogue fits the output.
pub(crate) unsafe fn run(
    path: Path,
    shape: &ConvShape,
    operands: &mut Operands<'_>,
    epilogue: &Epilogue<'_>,
) {
    // SAFETY: `path` proves the instructions, the caller the rest.
    unsafe { with_lanes!(path, L => drive::<L>(shape, operands, epilogue)) }
}

unsafe fn drive<L: Lanes>(shape: &ConvShape, operands: &mut Operands<'_>, epilogue: &Epilogue<'_>) {
    let [d, h, w] = [0, 1, 2].map(|i| Axis::forward(shape, i));
    let [xd, xh, xw] = shape.input;
    let [_, kh, kw] = shape.kernel;
    let pixel = operands.x_pixel;
    let whole = w.whole();
    let mut block = Block {
        x: core::ptr::null(),
        step: w.step * pixel,
        taps: [0; 3],
        hops: [d.hop * xh * xw * pixel, h.hop * xw * pixel, w.hop * pixel],
        weights: core::ptr::null(),
        weight_steps: [kh * kw * shape.channels, kw * shape.channels, shape.channels],
        channels: shape.channels,
        y: operands.y.as_mut_ptr(),
        y_pixel: operands.y_pixel,
        row: 0,
        epilogue,
    };
    let lines = shape.batch * d.outputs * h.outputs;
    for line in 0..lines {
        let (entry, z, y) = (line / (d.outputs * h.outputs), line / h.outputs % d.outputs, line % h.outputs);
        let (cd, ch) = (d.cut(z), h.cut(y));
        let plane = (entry * xd + cd.input) * xh + ch.input;
        let mut column = 0;
        while column < w.outputs {
            let inside = whole.contains(&column);
            let count = if inside { next_block(whole.end - column, L::PIXELS) } else { 1 };
            let cw = w.cut(column);
            block.taps = [cd.taps, ch.taps, cw.taps];
            block.x = operands.x.as_ptr().wrapping_add((plane * xw + cw.input) * pixel);
            let tap = (cd.first * kh + ch.first) * kw + cw.first;
            block.weights = operands.weights.as_ptr().wrapping_add(tap * shape.channels);
            block.row = line * w.outputs + column;
            // SAFETY: the taps were cut to those inside of the input; the rest is passed on to the caller.
            unsafe { L::depthwise(count, &block) };
            if let Some(then) = epilogue.then {
                for row in block.row..block.row + count {
                    // SAFETY: the pixel is inside of the output, which nothing else accesses.
                    let values = unsafe {
                        core::slice::from_raw_parts_mut(block.y.add(row * block.y_pixel), shape.channels)
                    };
                    then(row, 0, values);
                }
            }
            column += count;
        }
    }
}

/// The size of the next block of `pixels`, so that all are as equal as possible.
#[inline(always)]
fn next_block(pixels: usize, most: usize) -> usize {
    if pixels <= most { pixels } else { pixels.div_ceil(pixels.div_ceil(most)) }
}
