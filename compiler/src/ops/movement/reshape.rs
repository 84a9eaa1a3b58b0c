//! Reshape: the same elements in the same order under another shape.

use super::strided;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lower::{LowerCx, View};
use crate::ops::NodeCx;
use crate::types::{Dim, Shape, Tensor, TensorType};

/// The core operator. Costs nothing unless its input lies in memory in a way that the new axes cannot follow.
#[derive(Clone, Debug)]
pub struct Reshape {
    /// Shape of the result.
    pub shape: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "Reshape"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        let (have, want) = (ty.elements(), Dim::product(&self.shape));
        if have == want {
            return Ok(vec![TensorType::new(ty.dtype, self.shape.clone())]);
        }
        let result = TensorType::new(ty.dtype, self.shape.clone());
        let fixed = have.as_i64().is_some() && want.as_i64().is_some();
        let diagnostic = if fixed {
            Diagnostic::new(
                Code::BadInput,
                format!("{ty} with {have} elements cannot be reshaped to {result} with {want}"),
            )
        } else {
            Diagnostic::new(
                Code::BadInput,
                format!("{ty} with {have} elements cannot be shown to fit {result} with {want}"),
            )
            .help("fix the symbolic dimensions that differ, or export the model with matching dynamic axes")
        };
        Err(diagnostic)
    }

    fn content(&self, inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        inputs[0].content.map(<[Dim]>::to_vec)
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        Some(vec![inputs[0].reshaped(strided::numbers(&self.shape)?)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let input = cx.input(0);
        if let Some(view) = input.reshaped(&self.shape) {
            cx.alias(0, view);
            return Ok(());
        }
        let placed = cx.placed(0).filter(|p| p.buffer != input.buffer);
        if let Some((placed, target)) = placed.and_then(|p| p.reshaped(&input.shape).map(|t| (p, t))) {
            cx.copy(&input, &target);
            cx.alias(0, placed);
            return Ok(());
        }
        let place = cx.dense(0);
        let view = View { offset: place.offset, ..View::dense(place.buffer, input.dtype, &self.shape) };
        cx.alias(0, view);
        Ok(())
    }
}

/// Reshape.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let keep_zero = cx.attributes.bool_or("allowzero", false)?;
    let wanted = cx.dims_input(1, "shape")?;
    let have = cx.shape(x);
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (axis, dim) in wanted.iter().enumerate() {
        shape.push(match dim.as_i64() {
            Some(0) if !keep_zero => have.get(axis).cloned().ok_or_else(|| {
                Diagnostic::new(
                    Code::BadInput,
                    format!("`shape` keeps extent {axis} of an input with {} axes", have.len()),
                )
            })?,
            Some(-1) if open.is_none() => {
                open = Some(axis);
                Dim::ONE
            }
            Some(v) if v < 0 => {
                return Err(Diagnostic::new(Code::BadInput, format!("`shape` is {wanted:?}"))
                    .help("one extent may be -1, which takes what is left; no other may be negative"));
            }
            _ => dim.clone(),
        });
    }
    if let Some(axis) = open {
        let elements = Dim::product(&have);
        let given = Dim::product(&shape);
        let fixed = elements.as_i64().is_some() && given.as_i64().is_some();
        let rounded = || (!fixed && !given.is(0)).then(|| elements.div_floor(&given));
        shape[axis] = elements.exact_div(&given).or_else(rounded).ok_or_else(|| {
            Diagnostic::new(
                Code::BadInput,
                format!("{elements} elements cannot be divided into the shape {wanted:?}"),
            )
            .help("the extents that are given must divide the number of elements")
        })?;
    }
    Ok(vec![regrouped(cx, x, shape)?])
}

/// A value under the shape that a model asks for. Where nothing shows that the numbers of elements are equal, as where
/// a sequence is cut into windows, the program checks it.
fn regrouped(cx: &mut NodeCx<'_>, x: Value, shape: Shape) -> Result<Value, Diagnostic> {
    let own = cx.shape(x);
    let (have, want) = (Dim::product(&own), Dim::product(&shape));
    if have == want || have.as_i64().is_some() && want.as_i64().is_some() {
        return cx.reshape(x, shape);
    }
    let same = |a: &[Dim], b: &[Dim]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let front = same(&own, &shape);
    let backwards = |list: &[Dim]| list[front..].iter().rev().cloned().collect::<Vec<_>>();
    let back = same(&backwards(&own), &backwards(&shape));
    let (before, changed) = own.split_at(front);
    let (changed, after) = changed.split_at(changed.len() - back);
    let claimed = Dim::product(&shape[front..shape.len() - back]);
    let grouped = |extent: Dim| [before, &[extent], after].concat();
    let joined = cx.reshape(x, grouped(Dim::product(changed)))?;
    let claimed = cx.restate(joined, &grouped(claimed))?;
    cx.reshape(claimed, shape)
}

/// Flatten.
pub(super) fn build_flatten(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let shape = cx.shape(x);
    let given = cx.attributes.int_or("axis", 1)?;
    // The axis may also be the rank: everything is one row then.
    let axis = if given == shape.len() as i64 {
        shape.len()
    } else {
        super::super::shape::axis(given, shape.len())?
    };
    let (rows, columns) = shape.split_at(axis);
    Ok(vec![cx.reshape(x, vec![Dim::product(rows), Dim::product(columns)])?])
}

/// The axes of Squeeze and Unsqueeze: an attribute before opset 13, an input since.
fn axes_given(cx: &mut NodeCx<'_>) -> Result<Option<Vec<i64>>, Diagnostic> {
    if cx.opset < 13 {
        return Ok(cx.attributes.ints("axes")?.map(<[i64]>::to_vec));
    }
    cx.ints_input(1, "axes")
}

/// Squeeze.
pub(super) fn build_squeeze(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let mut shape = cx.shape(x);
    let dropped = match axes_given(cx)? {
        Some(list) => super::super::shape::axes(&list, shape.len())?,
        None => (0..shape.len()).filter(|&a| shape[a].is(1)).collect(),
    };
    let mut single = shape.clone();
    for &axis in dropped.iter().rev() {
        let extent = shape.remove(axis);
        single[axis] = Dim::ONE;
        if extent.range(&cx.graph.symbols).is_some_and(|r| r.lo > 1 || r.hi < 1) {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("axis {axis} of {} has extent {extent} and cannot be squeezed", cx.ty(x)),
            )
            .help("only axes of extent 1 can be"));
        }
    }
    let x = cx.restate(x, &single)?;
    Ok(vec![cx.reshape(x, shape)?])
}

/// Unsqueeze.
pub(super) fn build_unsqueeze(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let mut shape = cx.shape(x);
    let given = axes_given(cx)?;
    let given = given.ok_or_else(|| Diagnostic::new(Code::BadAttribute, "`axes` of Unsqueeze is missing"))?;
    let added = super::super::shape::axes(&given, shape.len() + given.len())?;
    if added.len() != given.len() {
        return Err(Diagnostic::new(Code::BadAttribute, format!("`axes` {given:?} names an axis twice")));
    }
    for axis in added {
        shape.insert(axis, Dim::ONE);
    }
    Ok(vec![cx.reshape(x, shape)?])
}
