//! Concat: tensors one after another along an axis.

use super::strided;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lower::{LowerCx, View};
use crate::ops::NodeCx;
use crate::types::{Dim, Tensor, TensorType};

/// The core operator. Inputs that were computed in their place are not copied.
#[derive(Clone, Debug)]
pub struct Concat {
    /// The axis along which the inputs follow each other.
    pub axis: usize,
}

impl Concat {
    /// The part of the result that an input with `extent` elements along the axis fills, behind `before` others.
    pub fn part(&self, whole: &View, before: &Dim, extent: &Dim) -> View {
        let mut part = whole.clone();
        part.offset = &part.offset + &(before * &part.strides[self.axis]);
        part.shape[self.axis] = extent.clone();
        part
    }
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "Concat"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let fault = |message: String| Err(Diagnostic::new(Code::BadInput, message));
        let Some((first, rest)) = inputs.split_first() else {
            return fault("Concat needs an input".to_owned());
        };
        let mut ty = first.ty.clone();
        if self.axis >= ty.rank() {
            return fault(format!("{ty} has no axis {}", self.axis));
        }
        for input in rest {
            let other = input.ty;
            let fits = other.dtype == ty.dtype
                && other.rank() == ty.rank()
                && (0..ty.rank()).all(|a| a == self.axis || ty.shape[a] == other.shape[a]);
            if !fits {
                return fault(format!(
                    "{} and {other} cannot be joined along axis {}: element type and all other extents must agree",
                    first.ty, self.axis
                ));
            }
            ty.shape[self.axis] = &ty.shape[self.axis] + &other.shape[self.axis];
        }
        Ok(vec![ty])
    }

    fn content(&self, inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        let outer: usize = strided::numbers(&inputs[0].ty.shape[..self.axis])?.iter().product();
        let parts: Vec<&[Dim]> = inputs.iter().map(|f| f.content).collect::<Option<_>>()?;
        let elements: usize = parts.iter().map(|p| p.len()).sum();
        if elements > strided::CONTENT {
            return None;
        }
        let rows = |part: &&[Dim], row: usize| {
            let len = part.len() / outer;
            part[row * len..(row + 1) * len].to_vec()
        };
        Some((0..outer).flat_map(|row| parts.iter().flat_map(move |p| rows(p, row))).collect())
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let mut shape = inputs[0].shape().to_vec();
        shape[self.axis] = inputs.iter().map(|t| t.shape()[self.axis]).sum();
        let outer: usize = shape[..self.axis].iter().product();
        let total: usize = inputs.iter().map(|t| t.bytes().len()).sum();
        let mut data = Vec::with_capacity(total);
        for row in 0..outer {
            for input in inputs {
                let len = input.bytes().len() / outer;
                data.extend_from_slice(&input.bytes()[row * len..(row + 1) * len]);
            }
        }
        Some(vec![Tensor::new(inputs[0].dtype(), shape, data.into())?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let whole = match cx.placed(0) {
            Some(placed) => {
                cx.alias(0, placed.clone());
                placed
            }
            None => cx.output(0),
        };
        let mut before = Dim::ZERO;
        for i in 0..cx.input_count() {
            let input = cx.input(i);
            let extent = input.shape[self.axis].clone();
            let part = self.part(&whole, &before, &extent);
            if !input.elements().is(0) && !input.same_elements(&part) {
                // A step never reads the buffer that it writes.
                let apart = input.buffer == whole.buffer;
                let input = if apart { cx.copied(&input, "part") } else { input };
                cx.copy(&input, &part);
            }
            before = &before + &extent;
        }
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let axis = perm.iter().position(|&a| a == self.axis)?;
        Some(Box::new(Concat { axis }))
    }

    fn writes_strided(&self) -> bool {
        true
    }
}

/// Concat.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let values = cx.all_inputs()?;
    let rank = values.first().map_or(0, |&v| cx.rank(v));
    let given = cx.attributes.int("axis")?;
    let axis = super::super::shape::axis(cx.attributes.required("axis", given)?, rank)?;
    // All other extents are those of the first, also where that cannot be shown.
    let mut joined = Vec::with_capacity(values.len());
    for &value in &values {
        let own = cx.shape(value);
        let mut shape = cx.shape(values[0]);
        if own.len() == shape.len() {
            shape[axis] = own[axis].clone();
            let unlike = |(a, b): (&Dim, &Dim)| (a - b).as_i64().is_some_and(|d| d != 0);
            let clear = own.iter().zip(&shape).any(unlike);
            joined.push(if clear { value } else { cx.restate(value, &shape)? });
        } else {
            joined.push(value);
        }
    }
    Ok(vec![cx.concat(&joined, axis)?])
}
