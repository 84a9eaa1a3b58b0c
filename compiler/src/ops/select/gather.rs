//! Gather, GatherElements and GatherND.

use super::{check_positions, sizes};
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Reading, Value};
use crate::lir::{Arg, Packing};
use crate::lower::{LowerCx, View};
use crate::ops::NodeCx;
use crate::ops::host::with_size;
use crate::ops::movement::{SliceAxis, strided};
use crate::types::{Dim, Tensor, TensorType};
use ingrain_kernels::select;

/// The core operator: input 1 holds positions on `axis` of input 0; its axes take the place of that axis.
#[derive(Clone, Debug)]
pub struct Gather {
    /// The axis that positions are on.
    pub axis: usize,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "Gather"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        check_positions(&inputs[1])?;
        let (x, indices) = (inputs[0].ty, inputs[1].ty);
        let Some(extent) = x.shape.get(self.axis) else {
            return Err(Diagnostic::new(Code::BadInput, format!("{x} has no axis {}", self.axis)));
        };
        if let (Some(indices), Some(extent)) = (inputs[1].constant, extent.as_i64()) {
            check_range(&indices.to_i64s(), extent)?;
        }
        let shape = [&x.shape[..self.axis], &indices.shape, &x.shape[self.axis + 1..]].concat();
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn content(&self, inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        let (content, indices) = (inputs[0].content?, inputs[1].constant?);
        (inputs[0].ty.rank() == 1 && indices.len() <= strided::CONTENT).then_some(())?;
        let at =
            |i: i64| content.get(usize::try_from(if i < 0 { i + content.len() as i64 } else { i }).ok()?);
        indices.to_i64s().into_iter().map(|i| at(i).cloned()).collect()
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (x, indices) = (&inputs[0], inputs[1].to_i64s());
        let (outer, rest) = x.shape().split_at(self.axis);
        let (&extent, inner) = rest.split_first()?;
        let shape = [outer, inputs[1].shape(), inner].concat();
        let (outer, inner) = (outer.iter().product(), inner.iter().product());
        let data = with_size!(x.dtype().size(), N => {
            let mut y = vec![[0_u8; N]; shape.iter().product()];
            select::gather(outer, extent, inner, x.bytes().as_chunks().0, &indices, &mut y).ok()?;
            y.into_flattened()
        });
        Some(vec![Tensor::new(x.dtype(), shape, data.into())?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        if self.axis == 0 && lower_from_panels(cx) {
            return Ok(());
        }
        if lower_from_transpose(self.axis, cx) {
            return Ok(());
        }
        let shape = &cx.input_type(0).shape;
        let (outer, inner) = (Dim::product(&shape[..self.axis]), Dim::product(&shape[self.axis + 1..]));
        let args = vec![
            Arg::Size(outer),
            Arg::Size(shape[self.axis].clone()),
            Arg::Size(inner),
            Arg::Read("x", cx.dense(0)),
            Arg::Read("indices", cx.dense(1)),
            Arg::Write("y", cx.dense_output(0)),
        ];
        cx.fallible_call("select::gather", args);
        Ok(())
    }

    fn reading(&self, i: usize, inputs: &[&TensorType]) -> Reading {
        if i == 0 && self.axis == 0 { slices_of(inputs[0]) } else { Reading::Plain }
    }
}

/// How the slices of the first axis of a table are read.
fn slices_of(table: &TensorType) -> Reading {
    if table.rank() == 2 { Reading::Slices } else { Reading::Plain }
}

/// Adds the step that gathers slices of the first axis of a table in panels, if it is stored so.
fn lower_from_panels(cx: &mut LowerCx<'_>) -> bool {
    let Some((table, Packing::Panels { batch: 1, k, n, transposed })) = cx.panels_input(0) else {
        return false;
    };
    let args = vec![
        Arg::Size(Dim::from(k)),
        Arg::Size(Dim::from(n)),
        Arg::Read("table", table),
        Arg::Read("indices", cx.dense(1)),
        Arg::Write("y", cx.dense_output(0)),
    ];
    let kernel = if transposed { "select::gather_packed_columns" } else { "select::gather_packed_rows" };
    cx.fallible_call(kernel, args);
    true
}

/// Adds the steps that gather from a matrix whose transpose is stored, if it is: what is gathered from that one, turned.
fn lower_from_transpose(axis: usize, cx: &mut LowerCx<'_>) -> bool {
    let table = cx.input(0);
    let [rows, columns] = &table.shape[..] else { return false };
    if table.is_dense() || !table.strides[0].is(1) || table.strides[1] != *rows {
        return false;
    }
    let positions = cx.input_type(1).elements();
    // Stored is `[columns, rows]`.
    let (outer, extent, inner, found) = match axis {
        0 => (columns.clone(), rows.clone(), Dim::ONE, [columns.clone(), positions]),
        _ => (Dim::ONE, columns.clone(), rows.clone(), [positions, rows.clone()]),
    };
    let gathered = cx.scratch(table.dtype, &found[0] * &found[1]);
    let args = vec![
        Arg::Size(outer),
        Arg::Size(extent),
        Arg::Size(inner),
        Arg::Read("x", table.span()),
        Arg::Read("indices", cx.dense(1)),
        Arg::Write("y", gathered.clone()),
    ];
    cx.fallible_call("select::gather", args);
    let [first, second] = found;
    let output = cx.dense_output(0);
    let mut to = View::dense(output.buffer, table.dtype, &[second.clone(), first.clone()]);
    to.offset = output.offset;
    cx.copy(&View::turned(gathered.buffer, table.dtype, &[second, first]), &to);
    true
}

fn check_range(indices: &[i64], extent: i64) -> Result<(), Diagnostic> {
    match indices.iter().find(|&&i| i < -extent || i >= extent) {
        Some(bad) => Err(Diagnostic::new(
            Code::BadInput,
            format!("index {bad} is outside an axis of {extent} elements"),
        )),
        None => Ok(()),
    }
}

/// The core operator: element `i` of the result is the element of input 0 at `i`, but on `axis` at the position that
/// input 1 holds at `i`.
#[derive(Clone, Debug)]
pub struct GatherElements {
    /// The axis that positions are on.
    pub axis: usize,
}

/// Checks that an element selection stays within its tensor.
pub(super) fn check_elements(x: &TensorType, positions: &Fact<'_>, axis: usize) -> Result<(), Diagnostic> {
    let indices = positions.ty;
    let fits = x.rank() == indices.rank()
        && x.rank() <= select::MAX_RANK
        && axis < x.rank()
        && (0..x.rank())
            .all(|a| a == axis || (&indices.shape[a] - &x.shape[a]).as_i64().is_none_or(|over| over <= 0));
    if fits {
        return match (positions.constant, x.shape[axis].as_i64()) {
            (Some(indices), Some(extent)) => check_range(&indices.to_i64s(), extent),
            _ => Ok(()),
        };
    }
    Err(Diagnostic::new(
        Code::BadInput,
        format!("indices of type {indices} do not fit {x}: beside axis {axis} no extent may be larger"),
    ))
}

impl Op for GatherElements {
    fn name(&self) -> &'static str {
        "GatherElements"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        check_positions(&inputs[1])?;
        let (x, indices) = (inputs[0].ty, inputs[1].ty);
        check_elements(x, &inputs[1], self.axis)?;
        Ok(vec![TensorType::new(x.dtype, indices.shape.clone())])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (x, indices, shape) = (&inputs[0], inputs[1].to_i64s(), inputs[1].shape());
        let data = with_size!(x.dtype().size(), N => {
            let mut y = vec![[0_u8; N]; indices.len()];
            let items = x.bytes().as_chunks().0;
            select::gather_elements(x.shape(), self.axis, shape, items, &indices, &mut y).ok()?;
            y.into_flattened()
        });
        Some(vec![Tensor::new(x.dtype(), shape.to_vec(), data.into())?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        if let Some((table, Packing::Panels { batch: 1, k, n, transposed })) = cx.panels_input(0) {
            let args = vec![
                Arg::Size(Dim::from(k)),
                Arg::Size(Dim::from(n)),
                Arg::Bool(transposed),
                Arg::Size(Dim::from(self.axis)),
                sizes(&cx.input_type(1).shape),
                Arg::Read("table", table),
                Arg::Read("indices", cx.dense(1)),
                Arg::Write("y", cx.dense_output(0)),
            ];
            cx.fallible_call("select::gather_packed_elements", args);
            return Ok(());
        }
        let args = vec![
            sizes(&cx.input_type(0).shape),
            Arg::Size(Dim::from(self.axis)),
            sizes(&cx.input_type(1).shape),
            Arg::Read("x", cx.dense(0)),
            Arg::Read("indices", cx.dense(1)),
            Arg::Write("y", cx.dense_output(0)),
        ];
        cx.fallible_call("select::gather_elements", args);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let axis = perm.iter().position(|&a| a == self.axis)?;
        Some(Box::new(GatherElements { axis }))
    }

    fn reading(&self, i: usize, inputs: &[&TensorType]) -> Reading {
        if i == 0 { slices_of(inputs[0]) } else { Reading::Plain }
    }
}

/// The core operator: the last axis of input 1 holds tuples of positions on the axes of input 0 after the first
/// `batch_axes`, which both inputs share.
#[derive(Clone, Debug)]
pub struct GatherNd {
    /// How many leading axes both inputs share.
    pub batch_axes: usize,
}

impl GatherNd {
    /// Number of positions in a tuple.
    fn tuple(&self, indices: &TensorType) -> Option<usize> {
        indices.shape.last().filter(|_| indices.rank() > self.batch_axes).and_then(Dim::as_usize)
    }
}

impl Op for GatherNd {
    fn name(&self) -> &'static str {
        "GatherND"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        check_positions(&inputs[1])?;
        let (x, indices) = (inputs[0].ty, inputs[1].ty);
        let tuple = self.tuple(indices).filter(|t| self.batch_axes + t <= x.rank());
        let batch = self.batch_axes;
        let Some(tuple) =
            tuple.filter(|_| x.rank() <= select::MAX_RANK && x.shape[..batch] == indices.shape[..batch])
        else {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("tuples of positions of type {indices} do not fit {x} with {batch} batch axes"),
            ));
        };
        let shape = [&indices.shape[..indices.rank() - 1], &x.shape[batch + tuple..]].concat();
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (x, indices) = (&inputs[0], &inputs[1]);
        let tuple = self.tuple(&indices.ty())?;
        let (batch, dims) = x.shape().split_at(self.batch_axes);
        let tuples = &indices.shape()[self.batch_axes..indices.shape().len() - 1];
        let shape = [batch, tuples, &dims[tuple..]].concat();
        let (batch, count) = (batch.iter().product(), tuples.iter().product());
        let positions = indices.to_i64s();
        let data = with_size!(x.dtype().size(), N => {
            let mut y = vec![[0_u8; N]; shape.iter().product()];
            let items = x.bytes().as_chunks().0;
            select::gather_nd(batch, dims, count, tuple, items, &positions, &mut y).ok()?;
            y.into_flattened()
        });
        Some(vec![Tensor::new(x.dtype(), shape, data.into())?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let (x, indices) = (cx.input_type(0), cx.input_type(1));
        let Some(tuple) = self.tuple(indices) else {
            return Err(cx.unsupported("the length of the tuples of GatherND is symbolic"));
        };
        if self.batch_axes == 0 && tuple == 1 && lower_from_panels(cx) {
            return Ok(());
        }
        let tuples = &indices.shape[self.batch_axes..indices.rank() - 1];
        let args = vec![
            Arg::Size(Dim::product(&x.shape[..self.batch_axes])),
            sizes(&x.shape[self.batch_axes..]),
            Arg::Size(Dim::product(tuples)),
            Arg::Size(Dim::from(tuple)),
            Arg::Read("x", cx.dense(0)),
            Arg::Read("indices", cx.dense(1)),
            Arg::Write("y", cx.dense_output(0)),
        ];
        cx.fallible_call("select::gather_nd", args);
        Ok(())
    }

    fn reading(&self, i: usize, inputs: &[&TensorType]) -> Reading {
        let rows = i == 0 && self.batch_axes == 0 && self.tuple(inputs[1]) == Some(1);
        if rows { slices_of(inputs[0]) } else { Reading::Plain }
    }
}

/// Gather. Constant positions in equal steps are a slice.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let rank = cx.rank(x);
    let axis = cx.axis_attribute("axis", 0, rank)?;
    Ok(vec![gather(cx, x, axis, indices)?])
}

/// The slices of `axis` at the positions that `indices` holds.
pub(in crate::ops) fn gather(
    cx: &mut NodeCx<'_>,
    x: Value,
    axis: usize,
    indices: Value,
) -> Result<Value, Diagnostic> {
    let shape = cx.shape(x);
    let slice = cx.constant(indices).and_then(|t| as_slice(&t.to_i64s(), &shape[axis]));
    let Some(slice) = slice else {
        return cx.add(Gather { axis }, &[x, indices]);
    };
    let mut axes: Vec<SliceAxis> = shape.iter().map(SliceAxis::whole).collect();
    let farthest =
        cx.constant(indices).map_or(0, |t| t.to_i64s().iter().map(|&i| reach(i)).max().unwrap_or(0));
    cx.require_room(&Dim::from(farthest), &shape[axis], "positions");
    axes[axis] = slice;
    let x = cx.slice_axes(x, axes)?;
    let result = [&shape[..axis], &cx.shape(indices), &shape[axis + 1..]].concat();
    cx.reshape(x, result)
}

/// How many elements an axis must have for this position to be on it.
fn reach(position: i64) -> i64 {
    if position < 0 { position.saturating_neg() } else { position.saturating_add(1) }
}

/// The slice that positions are, if they are in equal steps within an axis of this extent.
fn as_slice(indices: &[i64], extent: &Dim) -> Option<SliceAxis> {
    let (&first, rest) = indices.split_first()?;
    let step = rest.first().map_or(1, |second| second.wrapping_sub(first));
    let even = indices.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    let last = *indices.last()?;
    // All of one sign: otherwise the steps are not what they seem.
    if !even || step == 0 || (first < 0) != (last < 0) {
        return None;
    }
    if let Some(n) = extent.as_i64() {
        check_range(&[first, last], n).ok()?;
    }
    let start = if first < 0 { extent + &Dim::from(first) } else { Dim::from(first) };
    Some(SliceAxis { start, step, extent: Dim::from(indices.len()) })
}

/// GatherElements.
pub(super) fn build_elements(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let rank = cx.rank(x);
    let axis = cx.axis_attribute("axis", 0, rank)?;
    Ok(vec![cx.add(GatherElements { axis }, &[x, indices])?])
}

/// GatherND.
pub(super) fn build_nd(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let given = if cx.opset < 12 { 0 } else { cx.attributes.int_or("batch_dims", 0)? };
    let limit = cx.rank(x).min(cx.rank(indices));
    let batch_axes = usize::try_from(given).ok().filter(|&b| b < limit).ok_or_else(|| {
        cx.attributes.bad("batch_dims", &format!("is {given}; the inputs share fewer than {limit} axes"))
    })?;
    Ok(vec![cx.add(GatherNd { batch_axes }, &[x, indices])?])
}
