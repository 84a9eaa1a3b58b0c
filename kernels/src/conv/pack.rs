//! Weight packers of convolutions, from the layouts of ONNX. Run on the host.

use super::ConvShape;
use crate::matmul::pack::{PANEL, interleave, panel_count, panel_offset, panel_width};

/// Packs `Conv` weights `[filters, channels / groups, kd, kh, kw]`, elements of `elem` bytes, into one panel matrix
/// per group: `n = filters / groups`, `k` over `(kd, kh, kw, c)`.
pub fn pack_conv(src: &[u8], elem: usize, shape: &ConvShape, dst: &mut [u8]) {
    let c = shape.channels / shape.groups;
    let n = shape.filters / shape.groups;
    let taps = shape.taps();
    pack_groups(src, elem, shape, dst, &|group| (group * n * c * taps, c * taps, taps));
}

/// Packs `ConvTranspose` weights `[channels, filters / groups, kd, kh, kw]` likewise.
pub fn pack_conv_transpose(src: &[u8], elem: usize, shape: &ConvShape, dst: &mut [u8]) {
    let c = shape.channels / shape.groups;
    let n = shape.filters / shape.groups;
    let taps = shape.taps();
    pack_groups(src, elem, shape, dst, &|group| (group * c * n * taps, taps, n * taps));
}

/// Packs depthwise weights `[channels, 1, kd, kh, kw]` into `[taps][channels]`.
pub fn pack_depthwise(src: &[u8], elem: usize, shape: &ConvShape, dst: &mut [u8]) {
    let taps = shape.taps();
    assert_eq!(src.len(), taps * shape.channels * elem, "source is not taps * channels elements");
    assert_eq!(dst.len(), src.len(), "destination is not taps * channels elements");
    interleave(src, elem, taps * elem, elem, shape.channels, taps, dst);
}

/// `layout` gives for a group its first element, and the distances between filters and between channels; taps are
/// neighbours.
fn pack_groups(
    src: &[u8],
    elem: usize,
    shape: &ConvShape,
    dst: &mut [u8],
    layout: &dyn Fn(usize) -> (usize, usize, usize),
) {
    let c = shape.channels / shape.groups;
    let n = shape.filters / shape.groups;
    let taps = shape.taps();
    let k = taps * c;
    assert_eq!(src.len(), shape.weights() * elem, "source does not have the extents of the weights");
    assert_eq!(dst.len(), src.len(), "destination does not have the extents of the weights");
    for group in 0..shape.groups {
        let (first, filter_stride, channel_stride) = layout(group);
        for panel in 0..panel_count(n) {
            let w = panel_width(n, panel);
            let mut to = (group * k * n + panel_offset(k, n, panel)) * elem;
            for tap in 0..taps {
                let from = (first + panel * PANEL * filter_stride + tap) * elem;
                let out = &mut dst[to..to + c * w * elem];
                let src = if out.is_empty() { &[] } else { &src[from..] };
                interleave(src, elem, filter_stride * elem, channel_stride * elem, w, c, out);
                to += c * w * elem;
            }
        }
    }
}

/// Packs `Conv` weights that are known only at run time, as [`pack_conv`] does.
pub fn pack_conv_at_run_time<T: Copy>(shape: &ConvShape, src: &[T], dst: &mut [T]) {
    let c = shape.channels / shape.groups;
    let n = shape.filters / shape.groups;
    let taps = shape.taps();
    pack_elements(shape, src, dst, &|group| (group * n * c * taps, c * taps, taps));
}

/// Packs `ConvTranspose` weights that are known only at run time, as [`pack_conv_transpose`] does.
pub fn pack_conv_transpose_at_run_time<T: Copy>(shape: &ConvShape, src: &[T], dst: &mut [T]) {
    let c = shape.channels / shape.groups;
    let n = shape.filters / shape.groups;
    let taps = shape.taps();
    pack_elements(shape, src, dst, &|group| (group * c * n * taps, taps, n * taps));
}

/// The packed order element by element; `layout` is that of [`pack_groups`].
fn pack_elements<T: Copy>(
    shape: &ConvShape,
    src: &[T],
    dst: &mut [T],
    layout: &dyn Fn(usize) -> (usize, usize, usize),
) {
    assert!(
        src.len() >= shape.weights() && dst.len() >= shape.weights(),
        "a slice is shorter than the weights"
    );
    let c = shape.channels / shape.groups;
    let n = shape.filters / shape.groups;
    let mut to = dst.iter_mut();
    for group in 0..shape.groups {
        let (first, filter_stride, channel_stride) = layout(group);
        for panel in 0..panel_count(n) {
            let w = panel_width(n, panel);
            for tap in 0..shape.taps() {
                for channel in 0..c {
                    let from = first + panel * PANEL * filter_stride + channel * channel_stride + tap;
                    for (lane, to) in to.by_ref().take(w).enumerate() {
                        *to = src[from + lane * filter_stride];
                    }
                }
            }
        }
    }
}
