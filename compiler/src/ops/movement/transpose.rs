//! Transpose: axes in another order.

use super::strided;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::types::{Dim, Tensor, TensorType};

/// The core operator: `y.shape[i] = x.shape[perm[i]]`. A view.
#[derive(Clone, Debug)]
pub struct Transpose {
    /// The axis of the input that becomes axis `i`.
    pub perm: Vec<usize>,
}

impl Transpose {
    /// The order of axes that undoes `perm`.
    pub fn inverse(perm: &[usize]) -> Vec<usize> {
        let mut inverse = vec![0; perm.len()];
        for (i, &p) in perm.iter().enumerate() {
            inverse[p] = i;
        }
        inverse
    }
}

impl Op for Transpose {
    fn name(&self) -> &'static str {
        "Transpose"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        let mut sorted = self.perm.clone();
        sorted.sort_unstable();
        if sorted.iter().copied().ne(0..ty.rank()) {
            return Err(Diagnostic::new(
                Code::BadAttribute,
                format!("{:?} is not an order of the {} axes of {ty}", self.perm, ty.rank()),
            ));
        }
        let shape = self.perm.iter().map(|&a| ty.shape[a].clone()).collect();
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn content(&self, inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        let shape = inputs[0].ty.fixed_shape()?;
        let strides = strided::row_major(&shape);
        let of = |list: &[isize]| self.perm.iter().map(|&a| list[a]).collect::<Vec<_>>();
        let extents: Vec<usize> = self.perm.iter().map(|&a| shape[a]).collect();
        strided::gather(inputs[0].content?, 0, &of(&strides), &extents)
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let shape = inputs[0].shape();
        let strides = strided::row_major(shape);
        let strides: Vec<isize> = self.perm.iter().map(|&a| strides[a]).collect();
        let extents = self.perm.iter().map(|&a| shape[a]).collect();
        Some(vec![strided::gather_tensor(&inputs[0], 0, &strides, extents)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let view = cx.input(0).permuted(&self.perm);
        cx.alias(0, view);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let inverse = Transpose::inverse(perm);
        let perm = perm.iter().map(|&a| inverse[self.perm[a]]).collect();
        Some(Box::new(Transpose { perm }))
    }
}

/// Transpose.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let perm = match cx.attributes.ints("perm")? {
        Some(list) => {
            list.iter().map(|&a| super::super::shape::axis(a, rank)).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..rank).rev().collect(),
    };
    Ok(vec![cx.transpose(x, &perm)?])
}
