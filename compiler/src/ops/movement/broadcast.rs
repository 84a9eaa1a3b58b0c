//! Broadcast: axes of extent one repeated, and axes added in front.

use super::super::shape::broadcast;
use super::strided;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::types::{Dim, Shape, Tensor, TensorType};

/// The core operator. A view with strides of zero.
#[derive(Clone, Debug)]
pub struct Broadcast {
    /// Shape of the result.
    pub shape: Shape,
}

impl Broadcast {
    fn strides(&self, shape: &[usize]) -> Option<(Vec<isize>, Vec<usize>)> {
        let extents = strided::numbers(&self.shape)?;
        let missing = extents.len().checked_sub(shape.len())?;
        let own = strided::row_major(shape);
        let strides = (0..extents.len())
            .map(|a| if a < missing || shape[a - missing] != extents[a] { 0 } else { own[a - missing] })
            .collect();
        Some((strides, extents))
    }
}

impl Op for Broadcast {
    fn name(&self) -> &'static str {
        "Broadcast"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        if broadcast(&ty.shape, &self.shape)? != self.shape {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("{ty} does not broadcast to {:?}", self.shape),
            ));
        }
        Ok(vec![TensorType::new(ty.dtype, self.shape.clone())])
    }

    fn content(&self, inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        let content = inputs[0].content?;
        let (strides, extents) = self.strides(&inputs[0].ty.fixed_shape()?)?;
        let elements = extents.iter().try_fold(1_usize, |n, &e| n.checked_mul(e))?;
        if elements > strided::CONTENT {
            return None;
        }
        strided::gather(content, 0, &strides, &extents)
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (strides, extents) = self.strides(inputs[0].shape())?;
        Some(vec![strided::gather_tensor(&inputs[0], 0, &strides, extents)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let view = cx.input(0).broadcast(&self.shape);
        cx.alias(0, view);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        (perm.len() == self.shape.len()).then(|| {
            Box::new(Broadcast { shape: perm.iter().map(|&a| self.shape[a].clone()).collect() })
                as Box<dyn Op>
        })
    }
}

/// Expand.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let wanted = cx.dims_input(1, "shape")?;
    let shape = broadcast(&cx.shape(x), &wanted)?;
    Ok(vec![cx.expand(x, shape)?])
}

/// Tile: every repeated axis gets a neighbour that is broadcast and then merged into it.
pub(super) fn build_tile(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let repeats = cx.dims_input(1, "repeats")?;
    let shape = cx.shape(x);
    if repeats.len() != shape.len() {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("`repeats` has {} elements for the axes of {}", repeats.len(), cx.ty(x)),
        ));
    }
    if let Some(bad) = repeats.iter().find(|r| r.as_i64().is_some_and(|v| v < 0)) {
        return Err(Diagnostic::new(Code::BadInput, format!("`repeats` holds {bad}")));
    }
    let (mut split, mut spread, mut merged) = (Vec::new(), Vec::new(), Vec::new());
    for (extent, repeat) in shape.iter().zip(&repeats) {
        if !extent.is(1) && !repeat.is(1) {
            split.push(Dim::ONE);
            spread.push(repeat.clone());
        }
        split.push(extent.clone());
        spread.push(if extent.is(1) { repeat.clone() } else { extent.clone() });
        merged.push(extent * repeat);
    }
    let x = cx.reshape(x, split)?;
    let x = cx.expand(x, spread)?;
    Ok(vec![cx.reshape(x, merged)?])
}
