//! Conv.

use super::lower;
use super::window::{self, Window};
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Reading, Value};
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::types::{Dim, TensorType};

/// The core operator: `[N, spatial…, C]` with weights `[M, C / groups, window…]` gives `[N, spatial…, M]`.
#[derive(Clone, Debug)]
pub struct Conv {
    /// How the window slides.
    pub window: Window,
    /// Groups of channels and filters.
    pub groups: usize,
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        "Conv"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (x, w) = (inputs[0].ty, inputs[1].ty);
        let spatial = self.window.kernel.len();
        let fault = |what: String| Err(Diagnostic::new(Code::BadInput, what));
        if x.rank() != spatial + 2 || w.rank() != spatial + 2 || x.dtype != w.dtype {
            return fault(format!("no convolution of {x} (channels last) with weights {w}"));
        }
        let groups = Dim::from(self.groups);
        let channels = &w.shape[1] * &groups;
        if channels.as_i64() != x.shape[spatial + 1].as_i64() || w.shape[0].exact_div(&groups).is_none() {
            return fault(format!(
                "weights {w} in {} groups do not fit an input of {} channels",
                self.groups,
                x.shape[spatial + 1]
            ));
        }
        let mut shape = vec![x.shape[0].clone()];
        for axis in 0..spatial {
            let count = self.window.count(axis, &x.shape[axis + 1], false);
            if count.as_i64().is_some_and(|c| c < 0) {
                return fault(format!("the window is larger than the padded input at spatial axis {axis}"));
            }
            shape.push(count);
        }
        shape.push(w.shape[0].clone());
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        lower::lower(cx, &self.window, self.groups, lower::Direction::Forward)
    }

    fn accepts_epilogue(&self) -> bool {
        true
    }

    fn reading(&self, i: usize, inputs: &[&TensorType]) -> Reading {
        if i == 1 {
            Reading::Packed(lower::packing(inputs, &self.window, self.groups, lower::Direction::Forward))
        } else {
            Reading::Plain
        }
    }

    fn weight_lanes(&self, _inputs: &[&TensorType]) -> Option<(usize, usize)> {
        Some((1, 0))
    }

    fn writes_strided(&self) -> bool {
        true
    }
}

/// The recipe of Conv.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let y = channels_last(cx)?;
    Ok(vec![window::to_channels_first(cx, y)?])
}

/// The convolution of a node with its bias, channels last.
///
/// # Errors
/// If inputs and attributes do not fit.
pub(in crate::ops) fn channels_last(cx: &mut NodeCx<'_>) -> Result<Value, Diagnostic> {
    let (x, w) = (cx.input(0)?, cx.input(1)?);
    window::check_rank(cx, x)?;
    let groups = groups(cx)?;
    let kernel = weight_window(cx, w)?;
    let spatial = cx.shape(x)[2..].to_vec();
    let window = window::read(cx, &spatial, Some(kernel))?;
    let pixels = window::to_channels_last(cx, x)?;
    let product = cx.add(Conv { window, groups }, &[pixels, w])?;
    add_bias(cx, product, 2)
}

/// The attribute `group`.
pub(in crate::ops) fn groups(cx: &NodeCx<'_>) -> Result<usize, Diagnostic> {
    let groups = cx.attributes.int_or("group", 1)?;
    usize::try_from(groups)
        .ok()
        .filter(|g| *g > 0)
        .ok_or_else(|| cx.attributes.bad("group", "must be positive"))
}

/// Extents of the window that a weight tensor holds.
pub(in crate::ops) fn weight_window(cx: &NodeCx<'_>, w: Value) -> Result<Vec<usize>, Diagnostic> {
    let fixed = cx.ty(w).fixed_shape().filter(|s| s.len() > 2);
    fixed.map(|s| s[2..].to_vec()).ok_or_else(|| {
        Diagnostic::new(
            Code::BadInput,
            format!("weights of type {} are not those of a convolution", cx.ty(w)),
        )
    })
}

/// Adds the optional bias of input `i`, one number per filter.
pub(super) fn add_bias(cx: &mut NodeCx<'_>, product: Value, i: usize) -> Result<Value, Diagnostic> {
    match cx.optional(i) {
        Some(bias) if cx.rank(bias) != 1 => {
            Err(Diagnostic::new(Code::BadInput, format!("the bias has type {}, not one axis", cx.ty(bias))))
        }
        Some(bias) => cx.map(&[product, bias], |e, v| e.add(v[0], v[1])),
        None => Ok(product),
    }
}
