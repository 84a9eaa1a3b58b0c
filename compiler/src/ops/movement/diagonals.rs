//! Diagonals: a matrix whose elements depend on the distance between column and row only.

use super::strided;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op};
use crate::lower::LowerCx;
use crate::types::{Dim, Tensor, TensorType};

/// The core operator: element `[…, r, c]` of the result is element `[…, c - r + rows - 1]` of the input, whose last axis has
/// `rows + columns - 1` elements. A view that goes backwards along rows.
#[derive(Clone, Debug)]
pub struct Diagonals {
    /// Rows of the result.
    pub rows: Dim,
    /// Columns of the result.
    pub columns: Dim,
}

impl Op for Diagonals {
    fn name(&self) -> &'static str {
        "Diagonals"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        let count = &(&self.rows + &self.columns) - &Dim::ONE;
        if ty.shape.last() != Some(&count) {
            return Err(Diagnostic::new(
                Code::Internal,
                format!("{ty} does not hold the diagonals of {} x {}", self.rows, self.columns),
            ));
        }
        let mut shape = ty.shape[..ty.rank() - 1].to_vec();
        shape.extend([self.rows.clone(), self.columns.clone()]);
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (mut shape, mut strides) = (inputs[0].shape().to_vec(), strided::row_major(inputs[0].shape()));
        let (rows, columns) = (self.rows.as_usize()?, self.columns.as_usize()?);
        shape.pop();
        strides.pop();
        shape.extend([rows, columns]);
        strides.extend([-1, 1]);
        Some(vec![strided::gather_tensor(&inputs[0], rows.saturating_sub(1), &strides, shape)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let mut view = cx.input(0);
        let (Some(stride), Some(_)) = (view.strides.pop(), view.shape.pop()) else { return Ok(()) };
        view.offset = &view.offset + &(&(&self.rows - &Dim::ONE) * &stride);
        view.shape.extend([self.rows.clone(), self.columns.clone()]);
        view.strides.extend([-&stride, stride]);
        cx.alias(0, view);
        Ok(())
    }
}
