//! MatMul and its relatives: products over the last axis of one tensor and the second-last of another.
//!
//! `MatMul` <https://onnx.ai/onnx/operators/onnx__MatMul.html>, `Gemm`
//! <https://onnx.ai/onnx/operators/onnx__Gemm.html>. Scales, additions and activations around the product are maps
//! that fuse into its epilogue.

mod einsum;
pub mod joined;
mod lower;

use super::shape::broadcast;
use super::{NodeCx, OpDef};
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Reading, Value};
use crate::lower::LowerCx;
use crate::types::{Dim, Tensor, TensorType};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "MatMul",
        domain: "",
        since: &[1, 9, 13],
        doc: "Matrix product as in numpy.",
        build: build_matmul,
    },
    OpDef {
        name: "Gemm",
        domain: "",
        since: &[7, 9, 11, 13],
        doc: "`alpha * A' * B' + beta * C`, with A and B transposed on demand.",
        build: |cx| Ok(vec![gemm(cx)?]),
    },
    OpDef {
        name: "Einsum",
        domain: "",
        since: &[12],
        doc: "Einstein summation over one or more tensors.",
        build: einsum::build,
    },
];

/// The core operator: `[…, m, k] · […, k, n]` with the leading axes broadcast.
#[derive(Clone, Debug)]
pub struct MatMul {
    /// Whether the second operand is given as `[…, n, k]`.
    pub transposed: bool,
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (a, b) = (inputs[0].ty, inputs[1].ty);
        if a.rank() < 2 || b.rank() < 2 || a.dtype != b.dtype {
            return Err(Diagnostic::new(Code::BadInput, format!("no matrix product of {a} and {b}")));
        }
        let (a_batch, a_matrix) = a.shape.split_at(a.rank() - 2);
        let (b_batch, b_matrix) = b.shape.split_at(b.rank() - 2);
        let (k, n) =
            if self.transposed { (&b_matrix[1], &b_matrix[0]) } else { (&b_matrix[0], &b_matrix[1]) };
        if a_matrix[1] != *k {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("inner dimensions differ: {} of {a}, {k} of {b}", a_matrix[1]),
            ));
        }
        let mut shape = broadcast(a_batch, b_batch)?;
        if let Some((batch, _)) =
            [(a_batch, a), (b_batch, b)].into_iter().find(|(own, _)| !spreads(own, &shape))
        {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("the leading axes {batch:?} of {a} · {b} are not those of the product, {shape:?}"),
            ));
        }
        shape.extend([a_matrix[0].clone(), n.clone()]);
        Ok(vec![TensorType::new(a.dtype, shape)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        lower::eval(self.transposed, &inputs[0], &inputs[1])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        lower::lower(self.transposed, cx)
    }

    fn accepts_epilogue(&self) -> bool {
        true
    }

    fn weight_lanes(&self, inputs: &[&TensorType]) -> Option<(usize, usize)> {
        // Several matrices would each need a factor of their own kind.
        let rank = inputs.get(1)?.rank();
        (rank == 2).then_some((1, if self.transposed { 0 } else { 1 }))
    }

    fn reading(&self, i: usize, inputs: &[&TensorType]) -> Reading {
        lower::panels_of(self.transposed, inputs).filter(|_| i == 1).map_or(Reading::Plain, Reading::Packed)
    }

    fn writes_strided(&self) -> bool {
        true
    }
}

/// Whether each extent is that of the shape it is broadcast to, or one.
fn spreads(own: &[Dim], shape: &[Dim]) -> bool {
    own.iter().rev().zip(shape.iter().rev()).all(|(own, extent)| own == extent || own.is(1))
}

impl NodeCx<'_> {
    /// `a · b`, or `a · bᵀ`, of tensors of two axes at least. Where nothing shows that their extents fit, the program
    /// checks it.
    ///
    /// # Errors
    /// If they do not.
    pub fn product(&mut self, a: Value, b: Value, transposed: bool) -> Result<Value, Diagnostic> {
        let op = MatMul { transposed };
        let (mut left, mut right) = (self.shape(a), self.shape(b));
        if left.len() < 2 || right.len() < 2 {
            return self.add(op, &[a, b]);
        }
        let (a_batch, b_batch) = (left.len() - 2, right.len() - 2);
        let depth = (left.len() - 1, if transposed { b_batch + 1 } else { b_batch });
        let common = if left[depth.0].as_i64().is_some() { &left[depth.0] } else { &right[depth.1] }.clone();
        if left[depth.0].as_i64().is_none() || right[depth.1].as_i64().is_none() {
            (left[depth.0], right[depth.1]) = (common.clone(), common);
        }
        let batch = broadcast(&left[..a_batch], &right[..b_batch])?;
        for own in [&mut left[..a_batch], &mut right[..b_batch]] {
            for (own, extent) in own.iter_mut().rev().zip(batch.iter().rev()).filter(|(own, _)| !own.is(1)) {
                *own = extent.clone();
            }
        }
        let (a, b) = (self.restate(a, &left)?, self.restate(b, &right)?);
        self.add(op, &[a, b])
    }

    /// `a · b` as numpy's matmul: tensors of one axis are a row on the left, a column on the right.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn matmul(&mut self, a: Value, b: Value) -> Result<Value, Diagnostic> {
        let (a_rank, b_rank) = (self.rank(a), self.rank(b));
        if a_rank == 0 || b_rank == 0 {
            return Err(Diagnostic::new(
                Code::BadInput,
                "a matrix product needs tensors of at least one axis",
            ));
        }
        let mut left = a;
        if a_rank == 1 {
            let shape = vec![Dim::ONE, self.shape(a)[0].clone()];
            left = self.reshape(a, shape)?;
        }
        let mut right = b;
        if b_rank == 1 {
            let shape = vec![self.shape(b)[0].clone(), Dim::ONE];
            right = self.reshape(b, shape)?;
        }
        let product = self.product(left, right, false)?;
        let mut shape = self.shape(product);
        if b_rank == 1 {
            shape.pop();
        }
        if a_rank == 1 {
            shape.remove(shape.len() - if b_rank == 1 { 1 } else { 2 });
        }
        self.reshape(product, shape)
    }
}

fn build_matmul(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    Ok(vec![cx.matmul(a, b)?])
}

/// Gemm of a node's inputs and attributes.
///
/// # Errors
/// If they do not fit.
pub(super) fn gemm(cx: &mut NodeCx<'_>) -> Result<Value, Diagnostic> {
    let (mut a, b) = (cx.input(0)?, cx.input(1)?);
    let alpha = cx.attributes.float_or("alpha", 1.0)?;
    let beta = cx.attributes.float_or("beta", 1.0)?;
    let transposed = cx.attributes.bool_or("transB", false)?;
    // Before operator set 7 this said what is the rule since.
    let _ = cx.attributes.int("broadcast")?;
    if cx.rank(a) != 2 || cx.rank(b) != 2 {
        return Err(Diagnostic::new(Code::BadInput, "Gemm multiplies matrices: tensors of two axes"));
    }
    if cx.attributes.bool_or("transA", false)? {
        a = cx.transpose(a, &[1, 0])?;
    }
    let mut y = cx.product(a, b, transposed)?;
    if alpha != 1.0 {
        y = cx.map(&[y], |e, v| {
            let alpha = e.number(v[0], f64::from(alpha));
            e.mul(v[0], alpha)
        })?;
    }
    if let Some(c) = cx.optional(2) {
        y = cx.map(&[y, c], |e, v| {
            let beta = e.number(v[1], f64::from(beta));
            let scaled = e.mul(v[1], beta);
            e.add(v[0], scaled)
        })?;
    }
    Ok(y)
}
