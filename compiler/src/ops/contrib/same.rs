//! Operators that mean what an operator of the default domain means.

use super::{Built, microsoft};
use crate::diag::{Code, Diagnostic};
use crate::ops::conv::causal;
use crate::ops::recurrent::linear;
use crate::ops::{NodeCx, OpDef, find};
use crate::types::Dim;

/// The operators of this file.
pub static ROOM: &[OpDef] = &[
    microsoft("QuantizeLinear", "As in the default domain", |cx| default(cx, "QuantizeLinear", 21)),
    microsoft("DequantizeLinear", "As in the default domain", |cx| default(cx, "DequantizeLinear", 21)),
    microsoft("Trilu", "As in the default domain", |cx| default(cx, "Trilu", 14)),
    microsoft("Range", "As in the default domain", |cx| default(cx, "Range", 11)),
    microsoft("GatherND", "As in the default domain", |cx| default(cx, "GatherND", 13)),
    microsoft("Pad", "As in the default domain", |cx| default(cx, "Pad", 13)),
    microsoft("CausalConvWithState", "As in the default domain", causal::build),
    microsoft("LinearAttention", "As in the default domain", linear::build),
    microsoft("ExpandDims", "With an axis of extent 1 added", expand_dims),
];

/// What an operator of the default domain gives for this node's inputs and attributes.
///
/// # Errors
/// Those of that operator.
pub(super) fn default(cx: &mut NodeCx<'_>, name: &str, opset: i64) -> Built {
    let Some(def) = find("", name) else {
        return Err(Diagnostic::new(Code::Internal, format!("there is no operator {name}")));
    };
    cx.opset = opset;
    (def.build)(cx)
}

fn expand_dims(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let axes = cx.ints_input(1, "axis")?.unwrap_or_default();
    let [axis] = axes[..] else {
        return Err(Diagnostic::new(Code::BadInput, format!("`axis` has {} elements", axes.len())));
    };
    let mut shape = cx.shape(x);
    let axis = crate::ops::shape::axis(axis, shape.len() + 1)?;
    shape.insert(axis, Dim::ONE);
    Ok(vec![cx.reshape(x, shape)?])
}
