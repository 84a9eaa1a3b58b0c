//! CausalConvWithState: a depthwise convolution that looks back, with what it looks back at as a state.

use super::forward::{Conv, add_bias};
use super::window::{self, Window};
use crate::diag::{Code, Diagnostic};
use crate::expr::Unary;
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Floats;
use crate::types::Dim;

/// The recipe. The input `[batch, channels, length]` follows the state, the last of what a window before it would read; the
/// end of both is the next state.
pub(in crate::ops) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, w) = (cx.input(0)?, cx.input(1)?);
    let dtype = cx.same_type(&[x, w], Floats)?;
    for (name, expected) in [("ndim", 1), ("state_window", 0), ("channels_last", 0)] {
        if cx.attributes.int_or(name, expected)? != expected {
            return Err(cx.unsupported(format!("CausalConvWithState with another `{name}` than {expected}")));
        }
    }
    let dilation = usize::try_from(cx.attributes.int_or("dilation", 1)?)
        .ok()
        .filter(|d| *d > 0)
        .ok_or_else(|| cx.attributes.bad("dilation", "is not positive"))?;
    let silu = match cx.attributes.string_or("activation", "none")? {
        "none" | "" => false,
        "silu" | "swish" => true,
        other => {
            return Err(cx.attributes.bad("activation", &format!("is \"{other}\" and not none or silu")));
        }
    };
    let (x_shape, weights) = (cx.shape(x), cx.ty(w).fixed_shape());
    let Some([channels, 1, taps]) = weights.as_deref() else {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("weights {} are not [channels, 1, k]", cx.ty(w)),
        ));
    };
    if x_shape.len() != 3 || *taps == 0 {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("{} is not [batch, channels, length]", cx.ty(x)),
        ));
    }
    let kept = Dim::from((taps - 1).saturating_mul(dilation));
    let state_shape = vec![x_shape[0].clone(), x_shape[1].clone(), kept.clone()];
    let past = match cx.optional(3) {
        Some(past) => cx.restate(past, &state_shape)?,
        None => {
            let zero = cx.scalar(dtype, 0.0);
            cx.expand(zero, state_shape)?
        }
    };
    let all = cx.concat(&[past, x], 2)?;
    let present = cx.slice(all, 2, x_shape[2].clone(), kept)?;
    let window = Window {
        kernel: vec![*taps],
        stride: vec![1],
        dilation: vec![dilation],
        begin: vec![Dim::ZERO],
        end: vec![Dim::ZERO],
    };
    let pixels = window::to_channels_last(cx, all)?;
    let product = cx.add(Conv { window, groups: *channels }, &[pixels, w])?;
    let mut y = add_bias(cx, product, 2)?;
    if silu {
        y = cx.map(&[y], |e, v| {
            let gate = e.unary(Unary::Sigmoid, v[0]);
            e.mul(v[0], gate)
        })?;
    }
    Ok(vec![window::to_channels_first(cx, y)?, present])
}
