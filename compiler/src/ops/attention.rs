//! Attention: a row softmax between two products, as one kernel.
//!
//! The core operator is made by `passes::fuse_attention` wherever a graph has that structure, and by nothing else: the
//! recipes of ONNX's attention operators build products, maps and softmaxes like every exporter that knows none.

mod attend;
mod band;
mod contrib;
mod lower;
mod rotary;
mod standard;
#[cfg(test)]
mod tests;

use super::map::Map;
use super::matmul::MatMul;
use super::movement::Transpose;
use super::shape::{broadcast, broadcast_all};
use super::{Build, OpDef};
use crate::diag::{Code, Diagnostic, Reported};
use crate::expr::{Expr, ExprBuilder, Reduction, Unary};
use crate::ir::{Fact, Op};
use crate::lower::LowerCx;
use crate::types::{DType, Dim, Shape, Tensor, TensorType};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx(
        "Attention",
        &[23, 24],
        "Scaled dot-product attention with masks, caches, groups of heads and soft-capping.",
        standard::build,
    ),
    OpDef::onnx("RotaryEmbedding", &[23], "Turns pairs of elements by angles of positions.", rotary::build),
    microsoft(
        "Attention",
        "Attention whose queries, keys and values are one projection of the input.",
        contrib::build_attention,
    ),
    microsoft(
        "MultiHeadAttention",
        "Attention of projected queries, keys and values.",
        contrib::build_multi_head,
    ),
    microsoft(
        "DecoderMaskedMultiHeadAttention",
        "Attention of one new position with a cache, which grows or has room.",
        contrib::build_decoder,
    ),
    microsoft(
        "GroupQueryAttention",
        "Causal attention with a cache, in which heads of queries share heads of keys.",
        contrib::build_grouped,
    ),
    microsoft("RotaryEmbedding", "Turns pairs of elements by angles of positions.", contrib::build_rotary),
];

/// An operator of onnxruntime's domain.
const fn microsoft(name: &'static str, doc: &'static str, build: Build) -> OpDef {
    OpDef { name, domain: "com.microsoft", since: &[1], doc, build }
}

/// The core operator: `softmax(scores(q · kᵀ)) · v` of `q [batch…, m, d]`, `k [batch…, n, d]`, `v [batch…, n, w]`, with the
/// leading axes broadcast. Operands and result have one type, f32, f16 or bf16; in between everything is f32.
#[derive(Clone)]
pub struct Attention {
    /// What becomes of a score before the softmax, over the space `[batch…, m, n]`. Its input 0 is the product, input
    /// `i` the node's input `i + 2`, broadcast to the space.
    pub scores: Expr,
    /// Whether rows of the softmax that are NaN count as 0.
    pub empty: bool,
    /// The axis of `[batch…, m, w]` that is axis `i` of the result. The last one stays.
    pub perm: Vec<usize>,
}

impl std::fmt::Debug for Attention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let empty = if self.empty { " or 0" } else { "" };
        write!(f, "Attention [{}]{empty} in order {:?}", self.scores, self.perm)
    }
}

/// Most axes of more than one matrix that the kernel repeats over.
pub const MOST_BATCH_AXES: usize = 3;

impl Attention {
    /// Whether operands may have this type.
    pub fn takes(dtype: DType) -> bool {
        matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
    }

    /// Extents of the leading axes.
    fn batch(operands: [&TensorType; 3]) -> Result<Shape, Diagnostic> {
        let [q, k, v] = operands.map(|ty| &ty.shape[..ty.rank() - 2]);
        broadcast(&broadcast(q, k)?, v)
    }
}

impl Op for Attention {
    fn name(&self) -> &'static str {
        "Attention"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (q, k, v) = (inputs[0].ty, inputs[1].ty, inputs[2].ty);
        let floats =
            [q, k, v].iter().all(|ty| ty.dtype == q.dtype && Attention::takes(ty.dtype) && ty.rank() >= 2);
        let last = |ty: &TensorType, from_end: usize| ty.shape[ty.rank() - from_end].clone();
        if !floats || last(q, 1) != last(k, 1) || last(k, 2) != last(v, 2) {
            return Err(Diagnostic::new(Code::BadInput, format!("no attention of {q}, {k} and {v}")));
        }
        let batch = Attention::batch([q, k, v])?;
        let mut space = batch.clone();
        space.extend([last(q, 2), last(k, 2)]);
        for (i, input) in inputs.iter().enumerate().skip(3) {
            let dtype = self.scores.input_dtype(i - 2).unwrap_or(input.ty.dtype);
            if broadcast(&input.ty.shape, &space)? != space || dtype != input.ty.dtype {
                return Err(Diagnostic::new(
                    Code::BadInput,
                    format!("input {i} of type {} does not fit scores of shape {space:?}", input.ty),
                ));
            }
        }
        let mut result = batch;
        result.extend([last(q, 2), last(v, 1)]);
        let rank = result.len();
        let mut sorted = self.perm.clone();
        sorted.sort_unstable();
        if sorted.iter().copied().ne(0..rank) || self.perm[rank - 1] != rank - 1 {
            return Err(Diagnostic::new(
                Code::Internal,
                format!("{:?} is no order of {rank} axes", self.perm),
            ));
        }
        let shape = self.perm.iter().map(|&a| result[a].clone()).collect();
        Ok(vec![TensorType::new(q.dtype, shape)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        if self.scores.sizes().next().is_some() {
            return None;
        }
        let dtype = inputs[0].dtype();
        let wide: Vec<Tensor> = inputs[..3].iter().map(|x| cast(x, DType::F32)).collect::<Option<_>>()?;
        let product = MatMul { transposed: true }.eval(&wide[..2])?.remove(0);
        let shapes = inputs[3..].iter().map(|t| t.ty().shape);
        let shapes: Vec<Shape> = shapes.chain([product.ty().shape]).collect();
        let space = broadcast_all(shapes.iter().map(Vec::as_slice)).ok()?;
        let mut operands = vec![product];
        operands.extend(inputs[3..].iter().cloned());
        let mut builder = ExprBuilder::new();
        let score = builder.inline(&self.scores, &mut |b, i, dtype| b.input(i, dtype));
        let largest = builder.reduce(Reduction::Max, score);
        let shifted = builder.sub(score, largest);
        let power = builder.unary(Unary::Exp, shifted);
        let sum = builder.reduce(Reduction::Sum, power);
        let mut share = builder.div(power, sum);
        if self.empty {
            let (nan, zero) = (builder.unary(Unary::IsNan, share), builder.number(share, 0.0));
            share = builder.select(nan, zero, share);
        }
        let softmax = Map { expr: builder.finish(share), space, row_axes: 1, reduced: false };
        let shares = softmax.eval(&operands)?.remove(0);
        let result = MatMul { transposed: false }.eval(&[shares, wide[2].clone()])?;
        Transpose { perm: self.perm.clone() }.eval(&[cast(&result[0], dtype)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        lower::lower(self, cx)
    }

    fn writes_strided(&self) -> bool {
        true
    }
}

/// A tensor in another type.
fn cast(x: &Tensor, dtype: DType) -> Option<Tensor> {
    let mut builder = ExprBuilder::new();
    let element = builder.input(0, x.dtype());
    let element = builder.cast(element, dtype);
    Map::new(builder.finish(element), x.ty().shape).eval(std::slice::from_ref(x))?.pop()
}

/// How many axes of a batch repeat something.
pub fn repeating_axes(batch: &[Dim]) -> usize {
    batch.iter().filter(|d| !d.is(1)).count()
}
