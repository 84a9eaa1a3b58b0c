//! The core operator of reductions.

use crate::diag::{Diagnostic, Reported};
use crate::expr::{Reduction, combine, reduction_identity};
use crate::ir::{Fact, Op};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::types::{DType, Dim, Tensor, TensorType};
use std::ops::Range;

/// The core operator: one of the basic reductions over some axes, which stay with extent one.
///
/// Over trailing axes it is as good as a row map, and becomes one so that it fuses.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// What is computed. Of nothing: 0, 1, the lowest, the highest.
    pub op: Reduction,
    /// The axes, ascending.
    pub axes: Vec<usize>,
}

impl Reduce {
    /// Ranges of adjacent axes that are reduced, those of extent one aside: each is one kernel call.
    fn groups(&self, shape: &[Dim]) -> Vec<Range<usize>> {
        let mut groups: Vec<Range<usize>> = Vec::new();
        for &axis in self.axes.iter().filter(|&&a| !shape[a].is(1)) {
            match groups.last_mut() {
                Some(last) if shape[last.end..axis].iter().all(|d| d.is(1)) => last.end = axis + 1,
                _ => groups.push(axis..axis + 1),
            }
        }
        groups
    }

    fn kernel_name(&self) -> &'static str {
        match self.op {
            Reduction::Sum => "reduce::Reduction::Sum",
            Reduction::Prod => "reduce::Reduction::Prod",
            Reduction::Max => "reduce::Reduction::Max",
            Reduction::Min => "reduce::Reduction::Min",
        }
    }
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        "Reduce"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let mut ty = inputs[0].ty.clone();
        for &axis in &self.axes {
            ty.shape[axis] = Dim::ONE;
        }
        Ok(vec![ty])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let x = &inputs[0];
        let dtype = x.dtype();
        // Floats are summed wide and rounded once.
        let wide = if dtype.is_float() { DType::F64 } else { dtype };
        let mut shape = x.shape().to_vec();
        for &axis in &self.axes {
            shape[axis] = 1;
        }
        let mut strides = vec![0; shape.len()];
        let mut stride = 1;
        for axis in (0..shape.len()).rev().filter(|a| !self.axes.contains(a)) {
            strides[axis] = stride;
            stride *= shape[axis];
        }
        let mut results = vec![reduction_identity(self.op, dtype).cast(wide); shape.iter().product()];
        let mut index = vec![0; shape.len()];
        for element in x.scalars() {
            let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
            results[at] = combine(self.op, results[at], element.cast(wide));
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                if index[axis] < x.shape()[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Some(vec![Tensor::from_scalars(dtype, shape, results)])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let ty = cx.input_type(0);
        let groups = self.groups(&ty.shape);
        if groups.is_empty() {
            let view = cx.input(0);
            cx.alias(0, view);
            return Ok(());
        }
        let kernel = if ty.dtype == DType::F32 { "reduce::reduce_f32" } else { "reduce::reduce" };
        let mut shape = ty.shape.clone();
        let mut x = cx.dense(0);
        // The innermost first: it reads in order, and leaves less for the others.
        for (i, group) in groups.iter().enumerate().rev() {
            let outer = Dim::product(&shape[..group.start]);
            let n = Dim::product(&shape[group.clone()]);
            let inner = Dim::product(&shape[group.end..]);
            let y = if i == 0 { cx.dense_output(0) } else { cx.scratch(ty.dtype, &outer * &inner) };
            let args = vec![
                Arg::Path(self.kernel_name()),
                Arg::Size(outer),
                Arg::Size(n),
                Arg::Size(inner),
                Arg::Read("x", x),
                Arg::Write("y", y.clone()),
            ];
            cx.call(kernel, args, Dim::ZERO);
            shape[group.clone()].fill(Dim::ONE);
            x = y;
        }
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let axes = (0..perm.len()).filter(|&new| self.axes.contains(&perm[new])).collect();
        Some(Box::new(Reduce { op: self.op, axes }))
    }
}
