//! ArgMax and ArgMin.

use super::Built;
use super::recipes::without;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op};
use crate::lir;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Numbers;
use crate::ops::host::{self, with_type};
use crate::types::{DType, Dim, Tensor, TensorType};
use ingrain_kernels::reduce::{arg_max, arg_min};

/// The core operator: where along an axis the largest (or smallest) element stands. The axis stays with extent one.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Whether the largest is looked for, or the smallest.
    pub largest: bool,
    /// The axis.
    pub axis: usize,
    /// Whether the last of equals is taken, or the first.
    pub last: bool,
}

impl Op for Arg {
    fn name(&self) -> &'static str {
        if self.largest { "ArgMax" } else { "ArgMin" }
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let mut shape = inputs[0].ty.shape.clone();
        if shape[self.axis].is(0) {
            let message = format!("axis {} of {} has no elements to choose from", self.axis, inputs[0].ty);
            return Err(Diagnostic::new(Code::BadInput, message));
        }
        shape[self.axis] = Dim::ONE;
        Ok(vec![TensorType::new(DType::I64, shape)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let x = &inputs[0];
        let mut shape = x.shape().to_vec();
        let [outer, n, inner] = [&shape[..self.axis], &shape[self.axis..=self.axis], &shape[self.axis + 1..]]
            .map(|part| part.iter().product::<usize>());
        shape[self.axis] = 1;
        let mut y = vec![0_i64; outer * inner];
        let kernel_runs = with_type!(x.dtype(), T => {
            let kernel = if self.largest { arg_max::<T> } else { arg_min::<T> };
            kernel(self.last, outer, n, inner, &host::elements::<T>(x), &mut y);
            true
        });
        if !kernel_runs {
            return None;
        }
        Some(vec![host::tensor(DType::I64, shape, &y)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let args = vec![
            lir::Arg::Bool(self.last),
            lir::Arg::Size(Dim::product(&shape[..self.axis])),
            lir::Arg::Size(shape[self.axis].clone()),
            lir::Arg::Size(Dim::product(&shape[self.axis + 1..])),
            lir::Arg::Read("x", cx.dense(0)),
            lir::Arg::Write("y", cx.dense_output(0)),
        ];
        cx.call(if self.largest { "reduce::arg_max" } else { "reduce::arg_min" }, args, Dim::ZERO);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let axis = perm.iter().position(|&old| old == self.axis)?;
        Some(Box::new(Arg { axis, ..self.clone() }))
    }
}

/// ArgMax or ArgMin.
pub(super) fn arg(cx: &mut NodeCx<'_>, largest: bool) -> Built {
    let x = cx.input(0)?;
    cx.one_of(x, Numbers)?;
    let axis = cx.axis_attribute("axis", 0, cx.rank(x))?;
    let last = cx.attributes.bool_or("select_last_index", false)?;
    let keep = cx.attributes.bool_or("keepdims", true)?;
    let y = cx.add(Arg { largest, axis, last }, &[x])?;
    Ok(vec![if keep { y } else { without(cx, y, &[axis])? }])
}
