//! DeformConv: a convolution whose taps read where a tensor of offsets says.
//!
//! <https://onnx.ai/onnx/operators/onnx__DeformConv.html>. What the taps read is gathered by interpolation, as GridSample
//! does; the rest is a product with the weights.

use super::forward::{groups, weight_window};
use super::window::{self, Window};
use crate::diag::{Code, Diagnostic};
use crate::expr::{Binary, ExprBuilder, ExprId};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Floats;
use crate::ops::sample::GridSample;
use crate::types::{DType, Dim};
use ingrain_kernels::resize::{GridMode, GridPadding, GridUnits};

/// The recipe.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, w, offset) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dtype = cx.same_type(&[x, w, offset], Floats)?;
    window::check_rank(cx, x)?;
    let groups = groups(cx)?;
    let offset_groups = usize::try_from(cx.attributes.int_or("offset_group", 1)?)
        .ok()
        .filter(|g| *g > 0)
        .ok_or_else(|| cx.attributes.bad("offset_group", "must be positive"))?;
    let kernel = weight_window(cx, w)?;
    let (x_shape, w_shape) = (cx.shape(x), cx.shape(w));
    let spatial = &x_shape[2..];
    let window = window::read(cx, spatial, Some(kernel))?;
    let taps: usize = window.kernel.iter().product();
    let out: Vec<Dim> = (0..spatial.len()).map(|a| window.count(a, &spatial[a], false)).collect();
    let (batch, channels, filters) = (&x_shape[0], &x_shape[1], &w_shape[0]);
    let by = |n: &Dim, groups: usize| {
        n.exact_div(&Dim::from(groups)).ok_or_else(|| {
            Diagnostic::new(Code::BadInput, format!("{n} channels do not divide into {groups} groups"))
        })
    };
    let depth = &by(channels, groups)? * &Dim::from(taps);
    let images = batch * &Dim::from(offset_groups);
    let [x, w, offset] = [x, w, offset].map(|v| cx.cast(v, DType::F32));
    let grid = points(cx, &window, &out, offset?, &images)?;
    let mut image = vec![images.clone(), by(channels, offset_groups)?];
    image.extend_from_slice(spatial);
    let image = cx.reshape(x?, image)?;
    let sample =
        GridSample { mode: GridMode::Linear, padding: GridPadding::Zeros, units: GridUnits::Elements };
    let mut read = cx.add(sample, &[image, grid])?;
    if let Some(mask) = cx.optional(4) {
        let mask = cx.cast(mask, DType::F32)?;
        let mut shape = cx.shape(read);
        shape[1] = Dim::ONE;
        let mask = cx.reshape(mask, shape)?;
        read = cx.map(&[read, mask], |e, v| e.mul(v[0], v[1]))?;
    }
    let groups = Dim::from(groups);
    let group_filters = filters.exact_div(&groups).ok_or_else(|| {
        Diagnostic::new(Code::BadInput, format!("{filters} filters do not divide into {groups} groups"))
    })?;
    let columns = cx.reshape(read, vec![batch.clone(), groups.clone(), depth.clone(), Dim::product(&out)])?;
    let weights = cx.reshape(w?, vec![groups, group_filters, depth])?;
    let product = cx.product(weights, columns, false)?;
    let mut shape = vec![batch.clone(), filters.clone()];
    shape.extend(out);
    let mut y = cx.reshape(product, shape)?;
    if let Some(bias) = cx.optional(3) {
        let bias = cx.cast(bias, DType::F32)?;
        let mut along = vec![filters.clone()];
        along.extend(std::iter::repeat_n(Dim::ONE, spatial.len()));
        let bias = cx.reshape(bias, along)?;
        y = cx.map(&[y, bias], |e, v| e.add(v[0], v[1]))?;
    }
    Ok(vec![cx.cast(y, dtype)?])
}

/// Where all taps of all windows read, as a grid of GridSample `[images, taps * out0, out1.., axes]`: its coordinates are
/// pixels, the last axis comes first.
fn points(
    cx: &mut NodeCx<'_>,
    window: &Window,
    out: &[Dim],
    offset: Value,
    images: &Dim,
) -> Result<Value, Diagnostic> {
    let rank = out.len();
    let taps: usize = window.kernel.iter().product();
    let mut split = vec![images.clone(), Dim::from(taps), Dim::from(rank)];
    split.extend_from_slice(out);
    let offset = cx.reshape(offset, split)?;
    let mut space = vec![images.clone(), Dim::from(taps)];
    space.extend_from_slice(out);
    let mut column = space.clone();
    column.push(Dim::ONE);
    let mut axes = Vec::with_capacity(rank);
    for axis in (0..rank).rev() {
        let Some(begin) = window.begin[axis].as_i64() else {
            return Err(cx.unsupported("DeformConv with a padding that depends on the extents of the image"));
        };
        let own = cx.slice(offset, 2, axis, 1_usize)?;
        let own = cx.reshape(own, space.clone())?;
        let at = cx.map_over(space.clone(), 0, false, &[own], |e, v| {
            let start = window_start(e, window, axis, begin);
            e.add(start, v[0])
        })?;
        axes.push(cx.reshape(at, column.clone())?);
    }
    let grid = cx.concat(&axes, rank + 2)?;
    let mut merged = vec![images.clone(), &Dim::from(taps) * &out[0]];
    merged.extend_from_slice(&out[1..]);
    merged.push(Dim::from(rank));
    cx.reshape(grid, merged)
}

/// The pixel that a tap reads without offset, from the indices of the tap, axis 1, and the window, axes from 2 on.
fn window_start(e: &mut ExprBuilder, window: &Window, axis: usize, begin: i64) -> ExprId {
    let (tap, at) = (e.index(1), e.index(axis + 2));
    let inner: usize = window.kernel[axis + 1..].iter().product();
    let (inner, extent) = (e.number(tap, inner as f64), e.number(tap, window.kernel[axis] as f64));
    let outer = e.div(tap, inner);
    let own = e.binary(Binary::Mod, outer, extent);
    let (dilation, stride) =
        (e.number(tap, window.dilation[axis] as f64), e.number(tap, window.stride[axis] as f64));
    let (own, at) = (e.mul(own, dilation), e.mul(at, stride));
    let sum = e.add(own, at);
    let begin = e.number(sum, begin as f64);
    let pixel = e.sub(sum, begin);
    e.cast(pixel, DType::F32)
}
