//! CumSum and CumProd.

use super::Built;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Numbers;
use crate::ops::host::{self, with_type};
use crate::ops::shape::axis;
use crate::types::{Dim, Tensor, TensorType};
use ingrain_kernels::reduce::{cum_prod, cum_sum};

/// The core operator: running sums or products along an axis.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Whether elements are multiplied, or added.
    pub product: bool,
    /// The axis.
    pub axis: usize,
    /// Whether an element itself is left out of its result.
    pub exclusive: bool,
    /// Whether it runs from the end.
    pub reverse: bool,
}

impl Op for Scan {
    fn name(&self) -> &'static str {
        if self.product { "CumProd" } else { "CumSum" }
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        Ok(vec![inputs[0].ty.clone()])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let x = &inputs[0];
        let shape = x.shape();
        let [outer, n, inner] = [&shape[..self.axis], &shape[self.axis..=self.axis], &shape[self.axis + 1..]]
            .map(|part| part.iter().product::<usize>());
        let result = with_type!(x.dtype(), T => {
            let x_elements = host::elements::<T>(x);
            let mut y = x_elements.clone();
            let kernel = if self.product { cum_prod::<T> } else { cum_sum::<T> };
            kernel(self.exclusive, self.reverse, outer, n, inner, &x_elements, &mut y);
            host::tensor(x.dtype(), shape.to_vec(), &y)?
        });
        Some(vec![result])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let args = vec![
            Arg::Bool(self.exclusive),
            Arg::Bool(self.reverse),
            Arg::Size(Dim::product(&shape[..self.axis])),
            Arg::Size(shape[self.axis].clone()),
            Arg::Size(Dim::product(&shape[self.axis + 1..])),
            Arg::Read("x", cx.dense(0)),
            Arg::Write("y", cx.dense_output(0)),
        ];
        cx.call(if self.product { "reduce::cum_prod" } else { "reduce::cum_sum" }, args, Dim::ZERO);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let axis = perm.iter().position(|&old| old == self.axis)?;
        Some(Box::new(Scan { axis, ..self.clone() }))
    }
}

/// CumSum or CumProd.
pub(super) fn scan(cx: &mut NodeCx<'_>, product: bool) -> Built {
    let x = cx.input(0)?;
    cx.one_of(x, Numbers)?;
    let given = cx.ints_input(1, "axis")?.and_then(|list| list.first().copied());
    let given = given.ok_or_else(|| Diagnostic::new(Code::BadInput, "`axis` must hold one axis"))?;
    let axis = axis(given, cx.rank(x))?;
    let exclusive = cx.attributes.bool_or("exclusive", false)?;
    let reverse = cx.attributes.bool_or("reverse", false)?;
    Ok(vec![cx.add(Scan { product, axis, exclusive, reverse }, &[x])?])
}
