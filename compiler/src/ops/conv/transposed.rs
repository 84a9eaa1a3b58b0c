//! ConvTranspose.

use super::forward::{add_bias, groups, weight_window};
use super::lower;
use super::window::{self, Window};
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Reading, Value};
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::types::{Dim, TensorType};

/// The core operator: `[N, spatial…, C]` with weights `[C, M / groups, window…]` gives `[N, spatial…, M]`.
#[derive(Clone, Debug)]
pub struct ConvTranspose {
    /// How the window slides over the output.
    pub window: Window,
    /// Spatial extents of the output.
    pub output: Vec<Dim>,
    /// Groups of channels and filters.
    pub groups: usize,
}

impl Op for ConvTranspose {
    fn name(&self) -> &'static str {
        "ConvTranspose"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (x, w) = (inputs[0].ty, inputs[1].ty);
        let spatial = self.window.kernel.len();
        let groups = Dim::from(self.groups);
        if x.rank() != spatial + 2
            || w.rank() != spatial + 2
            || x.dtype != w.dtype
            || w.shape[0].as_i64() != x.shape[spatial + 1].as_i64()
            || w.shape[0].exact_div(&groups).is_none()
        {
            let what = format!(
                "no transposed convolution of {x} (channels last) with weights {w} in {groups} groups"
            );
            return Err(Diagnostic::new(Code::BadInput, what));
        }
        let mut shape = vec![x.shape[0].clone()];
        shape.extend_from_slice(&self.output);
        shape.push(&w.shape[1] * &groups);
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        lower::lower(cx, &self.window, self.groups, lower::Direction::Transposed)
    }

    fn accepts_epilogue(&self) -> bool {
        true
    }

    fn reading(&self, i: usize, inputs: &[&TensorType]) -> Reading {
        if i == 1 {
            Reading::Packed(lower::packing(inputs, &self.window, self.groups, lower::Direction::Transposed))
        } else {
            Reading::Plain
        }
    }

    fn weight_lanes(&self, _inputs: &[&TensorType]) -> Option<(usize, usize)> {
        (self.groups == 1).then_some((1, 1))
    }

    fn writes_strided(&self) -> bool {
        true
    }
}

/// A transposed convolution is one convolution for each place of an output between two strides.
const MOST_PHASES: usize = 1 << 16;

/// The recipe of ConvTranspose.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, w) = (cx.input(0)?, cx.input(1)?);
    window::check_rank(cx, x)?;
    let groups = groups(cx)?;
    let kernel = weight_window(cx, w)?;
    let spatial = cx.shape(x)[2..].to_vec();
    let rank = spatial.len();
    let automatic = cx.attributes.string_or("auto_pad", "NOTSET")?;
    let mut window = window::read(cx, &spatial, Some(kernel))?;
    if window.stride.iter().try_fold(1_usize, |n, &s| n.checked_mul(s)).is_none_or(|n| n > MOST_PHASES) {
        return Err(cx.attributes.bad("strides", "is too large"));
    }
    let added = cx.attributes.ints("output_padding")?.map_or_else(|| vec![0; rank], <[i64]>::to_vec);
    let wanted = cx.attributes.ints("output_shape")?.map(<[i64]>::to_vec);
    if added.len() != rank || added.iter().any(|a| !(0..=i64::from(i32::MAX)).contains(a)) {
        return Err(cx.attributes.bad("output_padding", "needs one number per spatial axis, none negative"));
    }
    // Some exporters state the whole shape, batch and channels included.
    let wanted = wanted.map(|s| if s.len() == rank + 2 { s[2..].to_vec() } else { s });
    if wanted.as_ref().is_some_and(|s| s.len() != rank || s.iter().any(|v| *v < 0)) {
        return Err(cx.attributes.bad("output_shape", "needs one size per spatial axis"));
    }
    let mut output = Vec::with_capacity(rank);
    for axis in 0..rank {
        let stride = Dim::from(window.stride[axis]);
        let steps = &(&spatial[axis] - &Dim::ONE) * &stride;
        let full = &(&steps + &Dim::from(window.reach(axis))) + &Dim::from(added[axis]);
        let same = matches!(automatic, "SAME_UPPER" | "SAME_LOWER");
        let extent = match &wanted {
            Some(sizes) => Dim::from(sizes[axis]),
            None if same => &spatial[axis] * &stride,
            None => &(&full - &window.begin[axis]) - &window.end[axis],
        };
        if wanted.is_some() || same {
            let total = (&full - &extent).maximum(&Dim::ZERO);
            let half = total.div_floor(&Dim::from(2_i64));
            let rest = &total - &half;
            window.begin[axis] = if automatic == "SAME_UPPER" { half } else { rest };
            window.end[axis] = &total - &window.begin[axis];
        }
        output.push(extent);
    }
    let pixels = window::to_channels_last(cx, x)?;
    let product = cx.add(ConvTranspose { window, output, groups }, &[pixels, w])?;
    let biased = add_bias(cx, product, 2)?;
    Ok(vec![window::to_channels_first(cx, biased)?])
}
