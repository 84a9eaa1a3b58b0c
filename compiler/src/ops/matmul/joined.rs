//! Several products of one operand, side by side: the projections to queries, keys and values.
//!
//! The matrices stay constants of their own, so that each is stored once whoever else reads it.

use super::MatMul;
use super::lower::rows_of;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Reading};
use crate::lir::{Arg, Packing, Place};
use crate::lower::LowerCx;
use crate::ops::map::packed_weights;
use crate::types::{DType, Dim, Scalar, Tensor, TensorType};

/// A matrix of a [`JoinedMatMul`].
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Whether it is given as `[n, k]`.
    pub transposed: bool,
    /// Whether a bias of `n` elements follows it among the inputs.
    pub biased: bool,
}

/// The core operator: `[…, m, k] · [k, n₁ + n₂ + …] + bias` in f32, the matrices and biases given one after another.
#[derive(Clone, Debug)]
pub struct JoinedMatMul {
    /// The matrices.
    pub parts: Vec<Part>,
}

impl JoinedMatMul {
    /// The inputs of each part: its matrix and its bias.
    fn inputs(&self) -> impl Iterator<Item = (Part, usize, Option<usize>)> + '_ {
        let mut next = 1;
        self.parts.iter().map(move |&part| {
            let matrix = next;
            next += 1 + usize::from(part.biased);
            (part, matrix, part.biased.then_some(matrix + 1))
        })
    }

    fn columns(part: Part, matrix: &TensorType) -> Dim {
        matrix.shape[if part.transposed { 0 } else { 1 }].clone()
    }

    fn packing(part: Part, matrix: &TensorType) -> Option<Packing> {
        let (k, n) = if part.transposed { (1, 0) } else { (0, 1) };
        let extent = |axis: usize| matrix.shape[axis].as_usize();
        Some(Packing::Panels { batch: 1, k: extent(k)?, n: extent(n)?, transposed: part.transposed })
    }
}

impl Op for JoinedMatMul {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let a = inputs[0].ty;
        let mut columns = Dim::ZERO;
        for (part, matrix, bias) in self.inputs() {
            let matrix = inputs[matrix].ty;
            let fits = matrix.rank() == 2
                && matrix.dtype == DType::F32
                && a.shape.last() == Some(&matrix.shape[if part.transposed { 1 } else { 0 }]);
            let own = if fits { JoinedMatMul::columns(part, matrix) } else { Dim::ZERO };
            if !fits || bias.is_some_and(|b| inputs[b].ty.elements() != own) {
                return Err(Diagnostic::new(
                    Code::BadInput,
                    format!("no matrix product of {a} and {matrix}"),
                ));
            }
            columns = &columns + &own;
        }
        let mut shape = a.shape.clone();
        shape.pop();
        shape.push(columns);
        Ok(vec![TensorType::new(DType::F32, shape)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let mut rows: Vec<Vec<Scalar>> = Vec::new();
        let mut columns = 0;
        for (part, matrix, bias) in self.inputs() {
            let operands = [inputs[0].clone(), inputs[matrix].clone()];
            let product = MatMul { transposed: part.transposed }.eval(&operands)?.remove(0);
            let n = *product.shape().last()?;
            let bias: Vec<f64> = match bias {
                Some(bias) => inputs[bias].scalars().map(Scalar::as_f64).collect(),
                None => vec![0.0; n],
            };
            let elements: Vec<Scalar> = product.scalars().collect();
            for (i, row) in elements.chunks(n.max(1)).enumerate() {
                if rows.len() <= i {
                    rows.push(Vec::new());
                }
                let sums = row.iter().zip(&bias).map(|(x, b)| Scalar::from_f64(DType::F32, x.as_f64() + b));
                rows[i].extend(sums);
            }
            columns += n;
        }
        let mut shape = inputs[0].shape().to_vec();
        *shape.last_mut()? = columns;
        Some(vec![Tensor::from_scalars(DType::F32, shape, rows.into_iter().flatten())])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = cx.output_type(0).shape.clone();
        let (n, m) = (shape[shape.len() - 1].clone(), Dim::product(&shape[..shape.len() - 1]));
        let k = cx.input_type(0).shape[cx.input_type(0).rank() - 1].clone();
        let (a, lda) = rows_of(cx, 0, &k);
        let output = cx.output(0);
        let (c, ldc) = match output.pixel_stride() {
            Some(stride) => (output.span(), stride),
            None => (cx.dense_output(0), n.clone()),
        };
        let mut operands = Vec::with_capacity(self.parts.len());
        for (part, matrix, bias) in self.inputs() {
            let columns = JoinedMatMul::columns(part, cx.input_type(matrix));
            let packing = JoinedMatMul::packing(part, cx.input_type(matrix));
            let panels = packing.and_then(|p| packed_weights(cx, matrix, p));
            let bias = match bias {
                Some(bias) => Arg::Some(Box::new(Arg::Read("bias", cx.dense(bias)))),
                None => Arg::None,
            };
            operands.push(Operand { columns, panels, bias, part, matrix });
        }
        let rows = Rows { m, k, a, lda, c, ldc };
        if operands.iter().all(|o| o.panels.is_some()) {
            one_call(cx, rows, operands, &n);
        } else {
            calls(cx, &rows, operands);
        }
        Ok(())
    }

    fn reading(&self, i: usize, inputs: &[&TensorType]) -> Reading {
        let part = self.inputs().find(|(_, matrix, _)| *matrix == i);
        part.and_then(|(part, matrix, _)| JoinedMatMul::packing(part, inputs[matrix]))
            .map_or(Reading::Plain, Reading::Packed)
    }

    fn writes_strided(&self) -> bool {
        true
    }
}

/// The left operand and the result.
struct Rows {
    m: Dim,
    k: Dim,
    a: Place,
    lda: Dim,
    c: Place,
    ldc: Dim,
}

/// A right operand.
struct Operand {
    columns: Dim,
    /// Nothing where the matrix is stored as the model has it, for the sake of other readers.
    panels: Option<Place>,
    bias: Arg,
    part: Part,
    matrix: usize,
}

fn one_call(cx: &mut LowerCx<'_>, rows: Rows, operands: Vec<Operand>, n: &Dim) {
    let parts = operands.into_iter().filter_map(|o| {
        let panels = Arg::Read("weights", o.panels?);
        let fields = vec![("n", Arg::Size(o.columns)), ("panels", panels), ("bias", o.bias)];
        Some(Arg::Struct("matmul::Part", fields))
    });
    let args = vec![
        Arg::Size(rows.m.clone()),
        Arg::Size(rows.k.clone()),
        Arg::Read("a", rows.a),
        Arg::Size(rows.lda),
        Arg::Ref(Box::new(Arg::Array(parts.collect()))),
        Arg::Write("c", rows.c),
        Arg::Size(rows.ldc),
    ];
    cx.call("matmul::joined_matmul_f32", args, &(&rows.m * &rows.k) * n);
}

/// A matrix in the model's order, or in that of its transpose.
fn plain(cx: &mut LowerCx<'_>, rows: &Rows, operand: &Operand) -> Arg {
    let matrix = cx.input(operand.matrix);
    let data = Arg::Read("weights", matrix.span());
    if operand.part.transposed != matrix.is_dense() {
        return Arg::Apply("matmul::Rhs::Rows", vec![data, Arg::Size(operand.columns.clone())]);
    }
    let largest = |d: &Dim| d.range(&cx.graph.symbols).map_or(0, |r| usize::try_from(r.hi).unwrap_or(0));
    let needed = ingrain_kernels::matmul::columns_scratch(
        largest(&rows.m),
        largest(&rows.k),
        largest(&operand.columns),
    );
    let scratch = cx.scratch(DType::F32, Dim::from(needed));
    Arg::Struct(
        "matmul::Rhs::Columns",
        vec![("data", data), ("ldb", Arg::Size(rows.k.clone())), ("scratch", Arg::Write("scratch", scratch))],
    )
}

/// A call for each matrix, in whatever order it is stored.
fn calls(cx: &mut LowerCx<'_>, rows: &Rows, operands: Vec<Operand>) {
    let mut column = Dim::ZERO;
    for operand in operands {
        let right = match operand.panels {
            Some(panels) => Arg::Apply("matmul::Rhs::Panels", vec![Arg::Read("weights", panels)]),
            None => plain(cx, rows, &operand),
        };
        let c = Place { offset: &rows.c.offset + &column, len: &rows.c.len - &column, ..rows.c.clone() };
        let epilogue = Arg::Struct(
            "epilogue::Epilogue",
            vec![
                ("bias", operand.bias),
                ("residual", Arg::None),
                ("residual_in_place", Arg::Bool(false)),
                ("clamp", Arg::None),
                ("then", Arg::None),
            ],
        );
        let args = vec![
            Arg::Size(rows.m.clone()),
            Arg::Size(rows.k.clone()),
            Arg::Size(operand.columns.clone()),
            Arg::Read("a", rows.a.clone()),
            Arg::Size(rows.lda.clone()),
            right,
            // Later parts leave the columns of earlier ones as they are.
            if column.is(0) { Arg::Write("c", c) } else { Arg::Update("c", c) },
            Arg::Size(rows.ldc.clone()),
            Arg::Ref(Box::new(epilogue)),
        ];
        cx.call("matmul::matmul_f32", args, &(&rows.m * &rows.k) * &operand.columns);
        column = &column + &operand.columns;
    }
}
