//! Which kernel computes a product, and how its operands are read.

mod half;

use crate::diag::Reported;
use crate::lir::{Arg, Packing};
use crate::lower::{LowerCx, View, epilogue};
use crate::ops::map::packed_weights;
use crate::types::{DType, Dim, Scalar, Tensor, TensorType};

/// Matrices of a view: its leading axes as one axis, if they merge.
struct Matrices {
    view: View,
    /// Elements between matrices; zero where one serves all.
    stride: Dim,
    /// Elements between rows.
    row: Dim,
    /// Elements between columns.
    column: Dim,
}

/// Adds the steps of a product.
///
/// # Errors
/// If the element type has no product.
pub(super) fn lower(transposed: bool, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
    let dtype = cx.output_type(0).dtype;
    let panels = panels_of(transposed, &[cx.input_type(0), cx.input_type(1)]);
    match (dtype, panels) {
        (DType::F32, Some(packing)) => lower_panels(transposed, packing, cx),
        (DType::F16 | DType::BF16, Some(packing)) => half::lower(transposed, packing, cx),
        (DType::Bool, _) => return Err(cx.unsupported("a matrix product of truth values")),
        _ => lower_batched(transposed, cx),
    }
    Ok(())
}

/// The layout that constant weights should have, if one matrix serves all leading indices of the first operand.
pub(super) fn panels_of(transposed: bool, inputs: &[&TensorType]) -> Option<Packing> {
    let ty = inputs.get(1).filter(|ty| matches!(ty.dtype, DType::F32 | DType::F16 | DType::BF16))?;
    let (leading, matrix) = ty.shape.split_at(ty.rank().checked_sub(2)?);
    let (k, n) = if transposed { (&matrix[1], &matrix[0]) } else { (&matrix[0], &matrix[1]) };
    let one = leading.iter().all(|d| d.is(1));
    let extents = k.as_usize().zip(n.as_usize()).filter(|_| one);
    extents.map(|(k, n)| Packing::Panels { batch: 1, k, n, transposed })
}

/// One product of all rows of the first operand with packed weights.
fn lower_panels(transposed: bool, packing: Packing, cx: &mut LowerCx<'_>) {
    let shape = cx.output_type(0).shape.clone();
    let (n, rows) = (shape[shape.len() - 1].clone(), Dim::product(&shape[..shape.len() - 1]));
    let given = &cx.input_type(1).shape;
    let k = given[given.len() - if transposed { 1 } else { 2 }].clone();
    if let Some((weights, dtype)) = half::widened_weights(cx, 1, &packing) {
        return half::lower_widened(weights, dtype, [rows, k, n], cx);
    }
    let (a, lda) = rows_of(cx, 0, &k);
    let Some(weights) = packed_weights(cx, 1, packing) else {
        return lower_batched(transposed, cx);
    };
    let epilogue = epilogue::argument(cx, None);
    let (c, ldc) = result_rows(cx, &n);
    let args = vec![
        Arg::Size(rows.clone()),
        Arg::Size(k.clone()),
        Arg::Size(n.clone()),
        Arg::Read("a", a),
        Arg::Size(lda),
        Arg::Apply("matmul::Rhs::Panels", vec![Arg::Read("weights", weights)]),
        Arg::Write("c", c),
        Arg::Size(ldc),
        epilogue,
    ];
    cx.call("matmul::matmul_f32", args, &(&rows * &k) * &n);
}

/// Input `i` as rows of `columns` elements, and the distance between them.
pub(super) fn rows_of(cx: &mut LowerCx<'_>, i: usize, columns: &Dim) -> (crate::lir::Place, Dim) {
    let view = cx.input(i);
    match view.pixel_stride() {
        Some(stride) => (view.span(), stride),
        None => (cx.dense(i), columns.clone()),
    }
}

/// The output as rows of `columns` elements, and the distance between them.
fn result_rows(cx: &mut LowerCx<'_>, columns: &Dim) -> (crate::lir::Place, Dim) {
    let output = cx.output(0);
    match output.pixel_stride() {
        Some(stride) => (output.span(), stride),
        None => (cx.dense_output(0), columns.clone()),
    }
}

/// A product of stacks of matrices.
fn lower_batched(transposed: bool, cx: &mut LowerCx<'_>) {
    let dtype = cx.output_type(0).dtype;
    let shape = cx.output_type(0).shape.clone();
    let (batch_shape, matrix) = shape.split_at(shape.len() - 2);
    let (m, n) = (matrix[0].clone(), matrix[1].clone());
    let k = cx.input_type(0).shape[cx.input_type(0).rank() - 1].clone();
    let batch = Dim::product(batch_shape);
    let a = matrices(cx, 0, batch_shape, false, Reads::Rows);
    let right_reads = if dtype == DType::F32 { Reads::RowsOrColumns } else { Reads::Any };
    let b = matrices(cx, 1, batch_shape, transposed, right_reads);
    let macs = &(&batch * &m) * &(&k * &n);
    if dtype != DType::F32 {
        lower_generic(cx, dtype, [&batch, &m, &k, &n], &a, &b, macs);
        return;
    }
    let c = cx.dense_output(0);
    let right = if b.column.is(1) {
        Arg::Apply("matmul::Rhs::Rows", vec![Arg::Read("b", b.view.span()), Arg::Size(b.row.clone())])
    } else {
        let scratch = cx.scratch(DType::F32, columns_scratch(cx, &m, &k, &n));
        Arg::Struct(
            "matmul::Rhs::Columns",
            vec![
                ("data", Arg::Read("b", b.view.span())),
                ("ldb", Arg::Size(b.column.clone())),
                ("scratch", Arg::Write("scratch", scratch)),
            ],
        )
    };
    let epilogue = epilogue::argument(cx, None);
    let args = vec![
        Arg::Size(batch),
        Arg::Size(m.clone()),
        Arg::Size(k),
        Arg::Size(n.clone()),
        Arg::Read("a", a.view.span()),
        Arg::Size(a.row),
        Arg::Size(a.stride),
        right,
        Arg::Size(b.stride),
        Arg::Write("c", c),
        Arg::Size(n.clone()),
        Arg::Size(&m * &n),
        epilogue,
    ];
    cx.call("matmul::batched_matmul_f32", args, macs);
}

/// Scratch for a transposed right operand, enough for the largest extents.
fn columns_scratch(cx: &LowerCx<'_>, m: &Dim, k: &Dim, n: &Dim) -> Dim {
    scratch_of(ingrain_kernels::matmul::columns_scratch, cx, [m, k, n])
}

/// Scratch of a kernel, enough for the largest extents.
fn scratch_of(kernel: fn(usize, usize, usize) -> usize, cx: &LowerCx<'_>, extents: [&Dim; 3]) -> Dim {
    let largest = |d: &Dim| d.range(&cx.graph.symbols).map_or(0, |r| usize::try_from(r.hi).unwrap_or(0));
    let [m, k, n] = extents.map(largest);
    Dim::from(kernel(m, k, n))
}

/// Products of element types without a packed kernel.
fn lower_generic(
    cx: &mut LowerCx<'_>,
    dtype: DType,
    extents: [&Dim; 4],
    a: &Matrices,
    b: &Matrices,
    macs: Dim,
) {
    let c = cx.dense_output(0);
    let args = vec![
        Arg::Size(extents[0].clone()),
        Arg::Size(extents[1].clone()),
        Arg::Size(extents[2].clone()),
        Arg::Size(extents[3].clone()),
        Arg::Read("a", a.view.span()),
        Arg::Size(a.row.clone()),
        Arg::Size(a.stride.clone()),
        Arg::Read("b", b.view.span()),
        Arg::Tuple(vec![Arg::Size(b.row.clone()), Arg::Size(b.column.clone())]),
        Arg::Size(b.stride.clone()),
        Arg::Write("c", c),
    ];
    cx.generic_call("matmul::batched_matmul_generic", vec![dtype], args, macs);
}

/// Which strides a kernel can read a stack of matrices with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// Columns must lie side by side.
    Rows,
    /// Columns or rows must lie side by side.
    RowsOrColumns,
    /// Any strides.
    Any,
}

/// Input `i` as a stack of matrices over `batch`; with `transposed` it is given with its last two axes exchanged.
/// Copied where the kernel cannot read its strides.
fn matrices(cx: &mut LowerCx<'_>, i: usize, batch: &[Dim], transposed: bool, reads: Reads) -> Matrices {
    let view = cx.input(i);
    if let Some(found) = stack(&view, batch, transposed, reads) {
        return found;
    }
    let dense = cx.dense_input_view(i);
    if let Some(found) = stack(&dense, batch, transposed, reads) {
        return found;
    }
    let mut shape = batch.to_vec();
    shape.extend_from_slice(&dense.shape[dense.shape.len() - 2..]);
    let spread = cx.copied(&dense.broadcast(&shape), "broadcast");
    let stride = &shape[shape.len() - 2] * &shape[shape.len() - 1];
    let (row, column) = matrix_strides(&spread, transposed);
    Matrices { view: spread, stride, row, column }
}

fn stack(view: &View, batch: &[Dim], transposed: bool, reads: Reads) -> Option<Matrices> {
    let mut shape = batch.to_vec();
    shape.extend_from_slice(&view.shape[view.shape.len() - 2..]);
    let view = view.broadcast(&shape);
    let (row, column) = matrix_strides(&view, transposed);
    let outer = shape.len() - 2;
    let stride = merged_stride(&view.shape[..outer], &view.strides[..outer])?;
    let readable = match reads {
        Reads::Rows => column.is(1),
        Reads::RowsOrColumns => column.is(1) || row.is(1),
        Reads::Any => true,
    };
    readable.then_some(Matrices { view, stride, row, column })
}

/// Strides between the rows and the columns of the matrix; along an axis of one element any stride will do.
fn matrix_strides(view: &View, transposed: bool) -> (Dim, Dim) {
    let rank = view.shape.len();
    let stride = |axis: usize| if view.shape[axis].is(1) { Dim::ONE } else { view.strides[axis].clone() };
    if transposed { (stride(rank - 1), stride(rank - 2)) } else { (stride(rank - 2), stride(rank - 1)) }
}

/// The distance between neighbours along `shape` taken as one axis, if its axes merge.
fn merged_stride(shape: &[Dim], strides: &[Dim]) -> Option<Dim> {
    let mut axes = (0..shape.len()).rev().filter(|&a| !shape[a].is(1));
    let Some(first) = axes.next() else { return Some(Dim::ZERO) };
    let mut expected = &strides[first] * &shape[first];
    for axis in axes {
        if strides[axis] != expected {
            return None;
        }
        expected = &strides[axis] * &shape[axis];
    }
    Some(strides[first].clone())
}

/// The product of constants, element by element.
pub(super) fn eval(transposed: bool, a: &Tensor, b: &Tensor) -> Option<Vec<Tensor>> {
    let (a_rank, b_rank) = (a.shape().len(), b.shape().len());
    let batch_a = &a.ty().shape[..a_rank - 2];
    let batch: Vec<usize> = super::broadcast(batch_a, &b.ty().shape[..b_rank - 2])
        .ok()?
        .iter()
        .map(Dim::as_usize)
        .collect::<Option<_>>()?;
    let (m, k) = (a.shape()[a_rank - 2], a.shape()[a_rank - 1]);
    let n = b.shape()[if transposed { b_rank - 2 } else { b_rank - 1 }];
    let (x, y): (Vec<Scalar>, Vec<Scalar>) = (a.scalars().collect(), b.scalars().collect());
    let mut shape = batch.clone();
    shape.extend([m, n]);
    let mut result = Vec::with_capacity(shape.iter().product());
    for entry in 0..batch.iter().product::<usize>() {
        let (from_a, from_b) = (
            matrix_of(entry, &batch, &a.shape()[..a_rank - 2]),
            matrix_of(entry, &batch, &b.shape()[..b_rank - 2]),
        );
        for i in 0..m {
            for j in 0..n {
                let terms = (0..k).map(|l| {
                    let right = if transposed { j * k + l } else { l * n + j };
                    (x[(from_a * m + i) * k + l], y[from_b * k * n + right])
                });
                result.push(dot(a.dtype(), terms));
            }
        }
    }
    Some(vec![Tensor::from_scalars(a.dtype(), shape, result)])
}

/// Number of the matrix that stands for `entry` of the broadcast leading axes.
fn matrix_of(mut entry: usize, batch: &[usize], own: &[usize]) -> usize {
    let (mut number, mut scale) = (0, 1);
    for axis in (0..batch.len()).rev() {
        let index = entry % batch[axis];
        entry /= batch[axis];
        if let Some(at) = (axis + own.len()).checked_sub(batch.len()) {
            number += scale * if own[at] == 1 { 0 } else { index };
            scale *= own[at];
        }
    }
    number
}

fn dot(dtype: DType, terms: impl Iterator<Item = (Scalar, Scalar)>) -> Scalar {
    if dtype.is_float() {
        Scalar::from_f64(dtype, terms.map(|(x, y)| x.as_f64() * y.as_f64()).sum())
    } else {
        let sum = terms.fold(0_i64, |s, (x, y)| s.wrapping_add(x.as_i64().wrapping_mul(y.as_i64())));
        Scalar::from_i64(dtype, sum)
    }
}
