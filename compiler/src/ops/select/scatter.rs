//! ScatterElements, ScatterND, and Col2Im, which is one of them.

use super::gather::check_elements;
use super::{check_positions, sizes};
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::{LowerCx, View};
use crate::ops::NodeCx;
use crate::ops::host::{elements, tensor, with_type};
use crate::types::{DType, Dim, Tensor, TensorType};
use ingrain_kernels::select::{self, Scatter};

/// What happens to an element that an update meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// It is replaced.
    None,
    /// The update is added.
    Add,
    /// The update is multiplied in.
    Mul,
    /// The larger stays.
    Max,
    /// The smaller stays.
    Min,
}

impl Reduction {
    fn kernel(self) -> (Scatter, &'static str) {
        match self {
            Reduction::None => (Scatter::None, "select::Scatter::None"),
            Reduction::Add => (Scatter::Add, "select::Scatter::Add"),
            Reduction::Mul => (Scatter::Mul, "select::Scatter::Mul"),
            Reduction::Max => (Scatter::Max, "select::Scatter::Max"),
            Reduction::Min => (Scatter::Min, "select::Scatter::Min"),
        }
    }
}

/// The core operator: a copy of input 0 in which input 2 updates the elements that input 1 names by their positions on
/// `axis`.
#[derive(Clone, Debug)]
pub struct ScatterElements {
    /// The axis that positions are on.
    pub axis: usize,
    /// What happens to an element that an update meets.
    pub reduction: Reduction,
}

/// The core operator: a copy of input 0 in which input 2 updates the blocks that input 1 names by tuples of positions.
#[derive(Clone, Debug)]
pub struct ScatterNd {
    /// What happens to an element that an update meets.
    pub reduction: Reduction,
}

/// Checks what every scatter asks of its inputs.
fn check(inputs: &[Fact<'_>], reduction: Reduction, updates: &[Dim]) -> Result<Vec<TensorType>, Diagnostic> {
    let (x, given) = (inputs[0].ty, inputs[2].ty);
    let fault = |message: String| Err(Diagnostic::new(Code::BadInput, message));
    if given.dtype != x.dtype || given.shape != updates {
        let needed = TensorType::new(x.dtype, updates.to_vec());
        return fault(format!("updates are {given} where {needed} is needed"));
    }
    if x.dtype == DType::Bool && reduction != Reduction::None {
        return fault(format!("{x} cannot be updated by {reduction:?}"));
    }
    if x.rank() > select::MAX_RANK {
        return fault(format!("{x} has more than {} axes", select::MAX_RANK));
    }
    Ok(vec![x.clone()])
}

/// Copies the data to the output and gives the arguments that follow the positions.
fn copied(cx: &mut LowerCx<'_>) -> [Arg; 3] {
    let (indices, updates) = (cx.dense(1), cx.dense(2));
    let x = cx.input(0);
    let y = cx.dense_output(0);
    let target = View { offset: y.offset.clone(), ..View::dense(y.buffer, x.dtype, &x.shape) };
    cx.copy(&x, &target);
    [Arg::Read("indices", indices), Arg::Read("updates", updates), Arg::Update("y", y)]
}

impl Op for ScatterElements {
    fn name(&self) -> &'static str {
        "ScatterElements"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        check_positions(&inputs[1])?;
        check_elements(inputs[0].ty, &inputs[1], self.axis)?;
        check(inputs, self.reduction, &inputs[1].ty.shape)
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (x, indices) = (&inputs[0], inputs[1].to_i64s());
        let reduction = self.reduction.kernel().0;
        with_type!(x.dtype(), T => {
            let mut y: Vec<T> = elements(x);
            let updates: Vec<T> = elements(&inputs[2]);
            let shape = inputs[1].shape();
            select::scatter_elements(reduction, x.shape(), self.axis, shape, &indices, &updates, &mut y).ok()?;
            Some(vec![tensor(x.dtype(), x.shape().to_vec(), &y)?])
        })
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let mut args = vec![
            Arg::Path(self.reduction.kernel().1),
            sizes(&cx.input_type(0).shape),
            Arg::Size(Dim::from(self.axis)),
            sizes(&cx.input_type(1).shape),
        ];
        args.extend(copied(cx));
        cx.fallible_call("select::scatter_elements", args);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let axis = perm.iter().position(|&a| a == self.axis)?;
        // Where several updates meet one element the last wins, and permuting changes which is last.
        let order_matters = self.reduction == Reduction::None;
        (!order_matters).then(|| Box::new(ScatterElements { axis, ..self.clone() }) as Box<dyn Op>)
    }
}

impl Op for ScatterNd {
    fn name(&self) -> &'static str {
        "ScatterND"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        check_positions(&inputs[1])?;
        let (x, indices) = (inputs[0].ty, inputs[1].ty);
        let tuple = indices.shape.last().and_then(Dim::as_usize).filter(|&t| t <= x.rank());
        let Some(tuple) = tuple else {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("tuples of positions of type {indices} do not fit {x}"),
            ));
        };
        let updates = [&indices.shape[..indices.rank() - 1], &x.shape[tuple..]].concat();
        check(inputs, self.reduction, &updates)
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (x, indices) = (&inputs[0], inputs[1].to_i64s());
        let tuple = *inputs[1].shape().last()?;
        let reduction = self.reduction.kernel().0;
        with_type!(x.dtype(), T => {
            let mut y: Vec<T> = elements(x);
            let updates: Vec<T> = elements(&inputs[2]);
            select::scatter_nd(reduction, x.shape(), tuple, &indices, &updates, &mut y).ok()?;
            Some(vec![tensor(x.dtype(), x.shape().to_vec(), &y)?])
        })
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let tuple = cx.input_type(1).shape.last().cloned().unwrap_or(Dim::ZERO);
        let mut args =
            vec![Arg::Path(self.reduction.kernel().1), sizes(&cx.input_type(0).shape), Arg::Size(tuple)];
        args.extend(copied(cx));
        cx.fallible_call("select::scatter_nd", args);
        Ok(())
    }
}

/// The attribute `reduction`, which exists since opset 16.
fn reduction(cx: &NodeCx<'_>) -> Result<Reduction, Diagnostic> {
    Ok(match cx.attributes.string_or("reduction", "none")? {
        "none" => Reduction::None,
        "add" => Reduction::Add,
        "mul" => Reduction::Mul,
        "max" => Reduction::Max,
        "min" => Reduction::Min,
        other => {
            let what = format!("is \"{other}\"; none, add, mul, max and min are known");
            return Err(cx.attributes.bad("reduction", &what));
        }
    })
}

/// Scatter and ScatterElements.
pub(super) fn build_elements(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let mut inputs = [cx.input(0)?, cx.input(1)?, cx.input(2)?];
    let rank = cx.rank(inputs[0]);
    let needed = cx.shape(inputs[1]);
    inputs[2] = of_needed_shape(cx, inputs[2], &needed)?;
    let axis = cx.axis_attribute("axis", 0, rank)?;
    let reduction = reduction(cx)?;
    Ok(vec![cx.add(ScatterElements { axis, reduction }, &inputs)?])
}

/// ScatterND.
pub(super) fn build_nd(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let mut inputs = [cx.input(0)?, cx.input(1)?, cx.input(2)?];
    let reduction = reduction(cx)?;
    let (x, indices) = (cx.shape(inputs[0]), cx.shape(inputs[1]));
    let tuple = indices.last().and_then(Dim::as_usize).filter(|&t| t <= x.len());
    if let (Some(tuple), Some((_, tuples))) = (tuple, indices.split_last()) {
        inputs[2] = of_needed_shape(cx, inputs[2], &[tuples, &x[tuple..]].concat())?;
    }
    Ok(vec![cx.add(ScatterNd { reduction }, &inputs)?])
}

/// Updates under the extents that positions ask for: how many there are may depend on data in two ways that must agree.
fn of_needed_shape(cx: &mut NodeCx<'_>, updates: Value, needed: &[Dim]) -> Result<Value, Diagnostic> {
    let fixed = |list: &[Dim]| list.iter().all(|d| d.as_i64().is_some());
    let given = cx.shape(updates);
    if given.len() != needed.len() || fixed(&given) && fixed(needed) {
        return Ok(updates);
    }
    cx.restate(updates, needed)
}

/// Col2Im: every column is added to the pixels of its block, found by constant positions in the padded image; then the
/// padding is cut off.
pub(super) fn build_col2im(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let known = |list: Option<Vec<i64>>| -> Option<Vec<usize>> {
        list?.into_iter().map(|v| u32::try_from(v).ok().map(|v| v as usize)).collect()
    };
    let image = known(cx.ints_input(1, "image_shape")?);
    let block = known(cx.ints_input(2, "block_shape")?);
    let (Some(image), Some(block)) = (image, block) else {
        return Err(Diagnostic::new(Code::BadInput, "an extent of the image or of its blocks is negative"));
    };
    let axes = image.len();
    let list = |name: &str, default: usize, count: usize| {
        let list =
            known(cx.attributes.ints(name)?.map(<[i64]>::to_vec).or(Some(vec![default as i64; count])));
        list.filter(|l| l.len() == count)
            .ok_or_else(|| cx.attributes.bad(name, &format!("needs {count} elements that are not negative")))
    };
    let window = Window {
        dilations: list("dilations", 1, axes)?,
        strides: list("strides", 1, axes)?,
        pads: list("pads", 0, 2 * axes)?,
        image,
        block,
    };
    let shape = cx.shape(x);
    let fits = shape.len() == 3 && window.block.len() == axes && !window.strides.contains(&0);
    let positions = if fits { window.positions() } else { None };
    let fault = |cx: &NodeCx<'_>| {
        Diagnostic::new(
            Code::BadInput,
            format!(
                "columns of type {} do not fit an image {:?} in blocks {:?}",
                cx.ty(x),
                window.image,
                window.block
            ),
        )
    };
    let Some(positions) = positions else { return Err(fault(cx)) };
    let block = Dim::from(window.block.iter().product::<usize>());
    let count = Dim::from(positions.len());
    let channels = shape[1].exact_div(&block);
    let Some(channels) = channels.filter(|_| &block * &shape[2] == count) else { return Err(fault(cx)) };

    let dtype = cx.dtype(x);
    let planes = &shape[0] * &channels;
    let columns = cx.reshape(x, vec![planes.clone(), count.clone()])?;
    let columns = cx.transpose(columns, &[1, 0])?;
    let padded = window.padded();
    let zero = cx.scalar(dtype, 0.0);
    let empty = cx.expand(zero, vec![Dim::from(padded.iter().product::<usize>()), planes.clone()])?;
    let positions = Tensor::from_i64s(&positions)
        .reshaped(vec![positions.len(), 1])
        .unwrap_or_else(|| Tensor::from_i64s(&[]));
    let positions = cx.tensor(positions);
    let y = cx.add(ScatterNd { reduction: Reduction::Add }, &[empty, positions, columns])?;
    let y = cx.transpose(y, &[1, 0])?;
    let extents = |list: &[usize]| list.iter().map(|&n| Dim::from(n)).collect::<Vec<_>>();
    let mut y = cx.reshape(y, [vec![shape[0].clone(), channels], extents(&padded)].concat())?;
    for axis in 0..axes {
        y = cx.slice(y, 2 + axis, window.pads[axis], window.image[axis])?;
    }
    Ok(vec![y])
}

/// How blocks lie on an image.
struct Window {
    image: Vec<usize>,
    block: Vec<usize>,
    dilations: Vec<usize>,
    strides: Vec<usize>,
    pads: Vec<usize>,
}

impl Window {
    fn padded(&self) -> Vec<usize> {
        let axes = self.image.len();
        (0..axes).map(|a| self.image[a] + self.pads[a] + self.pads[axes + a]).collect()
    }

    /// For every element of a block and every block, the element last: its position in the padded image.
    fn positions(&self) -> Option<Vec<i64>> {
        let padded = self.padded();
        // Far more than any image has; what a file asks for must not exhaust memory.
        const LIMIT: usize = 1 << 26;
        let mut positions = vec![0_i64];
        let mut tails = vec![0_i64];
        for (axis, &extent) in padded.iter().enumerate() {
            let reach = self.dilations[axis].checked_mul(self.block[axis].checked_sub(1)?)?;
            let blocks = extent.checked_sub(reach + 1)? / self.strides[axis] + 1;
            let count = positions.len().checked_mul(tails.len())?.checked_mul(blocks)?;
            count.checked_mul(self.block[axis]).filter(|&n| n <= LIMIT)?;
            let scaled = |list: &[i64], count: usize, step: usize| -> Vec<i64> {
                list.iter()
                    .flat_map(|p| (0..count).map(move |i| p * extent as i64 + (i * step) as i64))
                    .collect()
            };
            positions = scaled(&positions, self.block[axis], self.dilations[axis]);
            tails = scaled(&tails, blocks, self.strides[axis]);
        }
        Some(positions.iter().flat_map(|p| tails.iter().map(move |t| p + t)).collect())
    }
}
