//! Slices whose ends are computed at run time.
//!
//! The program computes where they begin and how many elements they have, by the rules of Slice, and both become
//! dimensions. So they are within the axis whatever the data say.

use super::Reshape;
use super::bounds::smaller;
use super::slice::{FAR, Slice, SliceAxis, position};
use crate::diag::Diagnostic;
use crate::expr::{Binary, Compare, Expr, ExprBuilder, ExprId, ExprKind};
use crate::ir::{Def, Graph, Value};
use crate::ops::NodeCx;
use crate::ops::bind::Element;
use crate::ops::generate::Dims;
use crate::ops::map::Map;
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
    let mut most = extent.div_ceil(&Dim::from(step.saturating_abs()));
    if let Some(distance) = apart(cx.graph, inputs[0], inputs[1]) {
        // Positions that wrap around or are cut off only come closer.
        let distance = if step > 0 { distance } else { distance.saturating_neg() };
        let count = Dim::from(distance.max(0)).div_ceil(&Dim::from(step.saturating_abs()));
        most = smaller(&most, &count, &cx.graph.symbols);
    }
    if most.is(0) {
        return Ok(SliceAxis { start: Dim::ZERO, step: 1, extent: Dim::ZERO });
    }
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
    let extent = cx.bind(count, &name, &most)?;
    Ok(SliceAxis { start, step, extent })
}

/// By how much the second of two integers is larger, if that is so whatever they are: `i + 1` after `i`.
fn apart(graph: &Graph, start: Value, end: Value) -> Option<i64> {
    let ((from, low), (to, high)) = (anchor(graph, start), anchor(graph, end));
    (from == to).then(|| high.checked_sub(low)).flatten()
}

/// What an integer is computed from by adding a constant, and the constant.
fn anchor(graph: &Graph, value: Value) -> (Value, i64) {
    let (mut value, mut more) = (value, 0_i64);
    while let Def::Node(id, 0) = graph.value(value).def {
        let node = graph.node(id);
        let single = |v: Value| graph.ty(v).elements().is(1);
        let step = match node.is::<Map>() {
            _ if node.epilogue.is_some() => None,
            Some(map) => shift(&map.expr, map.expr.output()).map(|(i, by)| (node.inputs[i], by)),
            None if node.is::<Reshape>().is_some() => Some((node.inputs[0], 0)),
            None if node.is::<Slice>().is_some() => Some((node.inputs[0], 0)).filter(|(v, _)| single(*v)),
            None => None,
        };
        let Some((from, sum)) = step.and_then(|(v, by)| Some((v, more.checked_add(by)?))) else { break };
        (value, more) = (from, sum);
    }
    (value, more)
}

/// The input that an expression adds a constant to, and the constant.
fn shift(expr: &Expr, at: ExprId) -> Option<(usize, i64)> {
    let node = expr.node(at);
    let constant = |at: ExprId| match expr.node(at).kind {
        ExprKind::Const(value) => Some(value.as_i64()),
        _ => None,
    };
    let (from, by) = match node.kind {
        _ if !node.dtype.is_int() => return None,
        ExprKind::Input(i) => return Some((i, 0)),
        ExprKind::Cast(a) => (a, 0),
        ExprKind::Binary(Binary::Add, a, b) => match (constant(a), constant(b)) {
            (_, Some(by)) => (a, by),
            (Some(by), None) => (b, by),
            (None, None) => return None,
        },
        ExprKind::Binary(Binary::Sub, a, b) => (a, constant(b)?.checked_neg()?),
        _ => return None,
    };
    let (input, more) = shift(expr, from)?;
    Some((input, more.checked_add(by)?))
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
