//! Sorting: TopK.

#[cfg(test)]
mod tests;

use super::host::{elements, tensor, with_type};
use super::{NodeCx, OpDef};
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::types::{DType, Dim, Tensor, TensorType};
use ingrain_kernels::sort;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[OpDef {
    name: "TopK",
    domain: "",
    since: &[1, 10, 11, 24],
    doc: "The `k` largest or smallest elements along an axis, best first, and their positions.",
    build,
}];

/// The core operator. Of equal elements the one that stands first is better; NaN is larger than any number.
#[derive(Clone, Debug)]
pub struct TopK {
    /// The axis along which elements are compared.
    pub axis: usize,
    /// How many are taken.
    pub k: Dim,
    /// Whether the largest are best, and not the smallest.
    pub largest: bool,
}

impl Op for TopK {
    fn name(&self) -> &'static str {
        "TopK"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        let extent = &ty.shape[self.axis];
        let negative = self.k.as_i64().is_some_and(|k| k < 0);
        if negative || (&self.k - extent).as_i64().is_some_and(|more| more > 0) {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("TopK cannot take {} of the {extent} elements of axis {} of {ty}", self.k, self.axis),
            ));
        }
        if ty.dtype == DType::Bool {
            return Err(Diagnostic::new(Code::UnsupportedType, "TopK does not take elements of type bool"));
        }
        let mut shape = ty.shape.clone();
        shape[self.axis] = self.k.clone();
        Ok(vec![TensorType::new(ty.dtype, shape.clone()), TensorType::new(DType::I64, shape)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let x = &inputs[0];
        let k = self.k.as_usize()?;
        let mut shape = x.shape().to_vec();
        let n = std::mem::replace(&mut shape[self.axis], k);
        let (outer, inner) = (shape[..self.axis].iter().product(), shape[self.axis + 1..].iter().product());
        with_type!(x.dtype(), T => {
            let count = shape.iter().product();
            let (mut values, mut indices, mut scratch) = (vec![T::default(); count], vec![0; count], vec![0; n]);
            sort::top_k(
                self.largest, outer, n, inner, k, &elements::<T>(x), &mut values, &mut indices, &mut scratch,
            );
            Some(vec![tensor(x.dtype(), shape.clone(), &values)?, tensor(DType::I64, shape, &indices)?])
        })
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let n = shape[self.axis].clone();
        let args = vec![
            Arg::Bool(self.largest),
            Arg::Size(Dim::product(&shape[..self.axis])),
            Arg::Size(n.clone()),
            Arg::Size(Dim::product(&shape[self.axis + 1..])),
            Arg::Size(self.k.clone()),
            Arg::Read("x", cx.dense(0)),
            Arg::Write("values", cx.dense_output(0)),
            Arg::Write("indices", cx.dense_output(1)),
            Arg::Write("scratch", cx.scratch(DType::U32, n)),
        ];
        cx.call("sort::top_k", args, Dim::ZERO);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let axis = perm.iter().position(|&a| a == self.axis)?;
        Some(Box::new(TopK { axis, ..self.clone() }))
    }
}

/// TopK: the number is an attribute before opset 10, an input since. Results are always in order, so `sorted` asks for
/// nothing more.
fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let axis = cx.axis_attribute("axis", -1, rank)?;
    let k = if cx.opset < 10 {
        let given = cx.attributes.int("k")?;
        Dim::from(cx.attributes.required("k", given)?)
    } else {
        let value = cx.input(1)?;
        if !cx.ty(value).elements().is(1) {
            return Err(Diagnostic::new(Code::BadInput, format!("`K` is {}, not one element", cx.ty(value))));
        }
        match cx.dims(value).and_then(|dims| dims.into_iter().next()) {
            Some(k) => k,
            None => {
                let extent = cx.shape(x)[axis].clone();
                let (name, _) = cx.data_name(0, axis);
                cx.bind(value, &name, &extent)?
            }
        }
    };
    let largest = cx.attributes.bool_or("largest", true)?;
    cx.attributes.bool_or("sorted", true)?;
    cx.add_all(TopK { axis, k, largest }, &[x])
}
