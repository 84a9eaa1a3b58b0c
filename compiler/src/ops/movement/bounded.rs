//! Slices whose ends are computed at run time.
//!
//! The program computes where they begin and how many elements they have, by the rules of Slice, and both become
//! dimensions. So they are within the axis whatever the data say.

use super::slice::{FAR, SliceAxis, position};
use crate::diag::Diagnostic;
use crate::expr::{Compare, ExprBuilder, ExprId};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::bind::Element;
use crate::ops::generate::Dims;
use crate::types::{DType, Dim, Scalar};

/// The part of axis `axis`, of this extent, from one position towards another.
///
/// # Errors
/// If the extent is not bounded.
pub(super) fn within(
    cx: &mut NodeCx<'_>,
    axis: usize,
    extent: &Dim,
    (start, end): (&Element, &Element),
    step: i64,
) -> Result<SliceAxis, Diagnostic> {
    let high = if step > 0 { extent.clone() } else { extent - &Dim::ONE };
    let known = match start {
        Element::Known(at) => position(at, extent, (0, &high), &cx.graph.symbols),
        Element::Data(_) => None,
    };
    let inputs = [value(cx, start)?, value(cx, end)?, dim(cx, extent.clone())?];
    let count = cx.map(&inputs, |e, v| count(e, v, step))?;
    let (name, _) = cx.data_name(0, axis);
    let start = match known {
        Some(known) => known,
        None => {
            let first = cx.map(&[inputs[0], inputs[2], count], |e, v| {
                // Where nothing is taken, nothing is stepped over either.
                let (zero, at) = (integer(e, 0), first(e, v[0], v[1], step));
                let none = e.compare(Compare::Equal, v[2], zero);
                e.select(none, zero, at)
            })?;
            cx.bind(first, &format!("{name}_start"), extent)?
        }
    };
    let most = extent.div_ceil(&Dim::from(step.saturating_abs()));
    let extent = cx.bind(count, &name, &most)?;
    Ok(SliceAxis { start, step, extent })
}

fn value(cx: &mut NodeCx<'_>, element: &Element) -> Result<Value, Diagnostic> {
    match element {
        Element::Known(at) => dim(cx, at.clone()),
        Element::Data(value) => Ok(*value),
    }
}

fn dim(cx: &mut NodeCx<'_>, dim: Dim) -> Result<Value, Diagnostic> {
    cx.add(Dims { dims: vec![dim], list: false }, &[])
}

fn integer(e: &mut ExprBuilder, value: i64) -> ExprId {
    e.scalar(Scalar::Int(DType::I64, value))
}

/// A position counted from the front; one before the axis is -1, one behind it its extent.
fn from_front(e: &mut ExprBuilder, at: ExprId, extent: ExprId) -> ExprId {
    let (zero, beyond) = (integer(e, 0), integer(e, -1));
    let lowest = e.sub(beyond, extent);
    let at = e.min(at, extent);
    let at = e.max(at, lowest);
    let negative = e.compare(Compare::Less, at, zero);
    let wrapped = e.add(at, extent);
    e.select(negative, wrapped, at)
}

/// The first position that is taken.
fn first(e: &mut ExprBuilder, at: ExprId, extent: ExprId, step: i64) -> ExprId {
    let mut at = from_front(e, at, extent);
    if step < 0 {
        let one = integer(e, 1);
        let last = e.sub(extent, one);
        at = e.min(at, last);
    }
    let zero = integer(e, 0);
    e.max(at, zero)
}

/// How many elements there are from a start to an end on an axis.
fn count(e: &mut ExprBuilder, v: &[ExprId], step: i64) -> ExprId {
    let extent = v[2];
    let start = first(e, v[0], extent, step);
    let end = from_front(e, v[1], extent);
    let distance = if step > 0 { e.sub(end, start) } else { e.sub(start, end) };
    let zero = integer(e, 0);
    let distance = e.max(distance, zero);
    let size = step.saturating_abs().min(FAR);
    let (more, size) = (integer(e, size - 1), integer(e, size));
    let rounded = e.add(distance, more);
    let count = e.div(rounded, size);
    // An empty axis has no last element to start from.
    e.min(count, extent)
}
