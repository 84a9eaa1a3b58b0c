//! Pad: elements added before and after, on each axis.

use super::super::shape::axis;
use super::bounds::{larger, not_below};
use super::slice::SliceAxis;
use super::strided;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::{LowerCx, View};
use crate::ops::NodeCx;
use crate::types::{Dim, Shape, Tensor, TensorType};
use ingrain_kernels::movement::{self, MAX_RANK};

/// What the added elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadMode {
    /// The node's second input, which has the input's rank and one element.
    Constant,
    /// The tensor mirrored at its edge elements, which are not repeated.
    Reflect,
    /// The nearest element.
    Edge,
    /// The tensor repeated.
    Wrap,
}

impl PadMode {
    fn kernel(self) -> (movement::PadMode, &'static str) {
        match self {
            PadMode::Constant => (movement::PadMode::Constant, "movement::PadMode::Constant"),
            PadMode::Reflect => (movement::PadMode::Reflect, "movement::PadMode::Reflect"),
            PadMode::Edge => (movement::PadMode::Edge, "movement::PadMode::Edge"),
            PadMode::Wrap => (movement::PadMode::Wrap, "movement::PadMode::Wrap"),
        }
    }
}

/// The core operator. No amount is negative: what a model crops is a Slice.
#[derive(Clone, Debug)]
pub struct Pad {
    /// What the added elements are.
    pub mode: PadMode,
    /// Elements added before, on each axis.
    pub before: Shape,
    /// Elements added after, on each axis.
    pub after: Shape,
}

impl Pad {
    fn output_shape(&self, shape: &[Dim]) -> Shape {
        shape.iter().zip(self.before.iter().zip(&self.after)).map(|(n, (b, a))| &(n + b) + a).collect()
    }

    /// The part of the result where the input is.
    pub fn interior(&self, whole: &View, shape: &[Dim]) -> View {
        let mut view = whole.clone();
        for (axis, extent) in shape.iter().enumerate() {
            view.offset = &view.offset + &(&self.before[axis] * &view.strides[axis]);
            view.shape[axis] = extent.clone();
        }
        view
    }

    /// The added parts of the result: a slab before and one after on each padded axis, which together with the interior
    /// cover every element once.
    fn slabs(&self, whole: &View, shape: &[Dim]) -> Vec<View> {
        let mut rest = whole.clone();
        let mut slabs = Vec::new();
        for (axis, extent) in shape.iter().enumerate() {
            let behind = &self.before[axis] + extent;
            for (start, len) in [(&Dim::ZERO, &self.before[axis]), (&behind, &self.after[axis])] {
                if !len.is(0) {
                    let mut slab = rest.clone();
                    slab.offset = &slab.offset + &(start * &slab.strides[axis]);
                    slab.shape[axis] = len.clone();
                    slabs.push(slab);
                }
            }
            rest.offset = &rest.offset + &(&self.before[axis] * &rest.strides[axis]);
            rest.shape[axis] = extent.clone();
        }
        slabs
    }

    fn evaluate<const N: usize>(&self, x: &Tensor, value: &[u8], shape: &[usize]) -> Option<Vec<u8>> {
        let begin: Vec<isize> =
            self.before.iter().map(|d| d.as_i64().and_then(|v| v.try_into().ok())).collect::<Option<_>>()?;
        let mut y = vec![[0_u8; N]; shape.iter().product()];
        let value = *value.first_chunk::<N>()?;
        movement::pad(self.mode.kernel().0, x.shape(), &begin, shape, value, x.bytes().as_chunks().0, &mut y);
        Some(y.into_flattened())
    }
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "Pad"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        let fault = |message: String| Err(Diagnostic::new(Code::BadInput, message));
        if self.before.len() != ty.rank() || self.after.len() != ty.rank() {
            return fault(format!("padding of {} axes does not fit {ty}", self.before.len()));
        }
        if ty.rank() > MAX_RANK {
            return fault(format!("{ty} has more than {MAX_RANK} axes"));
        }
        let empty =
            |axis: usize| ty.shape[axis].is(0) && !(self.before[axis].is(0) && self.after[axis].is(0));
        if self.mode != PadMode::Constant && (0..ty.rank()).any(empty) {
            return fault(format!("an axis of {ty} has no element to pad with"));
        }
        let negative = |d: &&Dim| d.as_i64().is_some_and(|d| d < 0);
        if let Some(amount) = self.before.iter().chain(&self.after).find(negative) {
            return fault(format!("{ty} cannot be padded with {amount} elements"));
        }
        if let Some(value) = inputs.get(1).filter(|v| v.ty.dtype != ty.dtype) {
            return fault(format!("{ty} cannot be padded with a value of type {}", value.ty.dtype));
        }
        Ok(vec![TensorType::new(ty.dtype, self.output_shape(&ty.shape))])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let x = &inputs[0];
        let shape = strided::numbers(&self.output_shape(&x.ty().shape))?;
        let zero = [0; 8];
        let value = inputs.get(1).map_or(&zero[..], |v| &v.bytes()[..]);
        let data = match x.dtype().size() {
            1 => self.evaluate::<1>(x, value, &shape),
            2 => self.evaluate::<2>(x, value, &shape),
            4 => self.evaluate::<4>(x, value, &shape),
            _ => self.evaluate::<8>(x, value, &shape),
        };
        Some(vec![Tensor::new(x.dtype(), shape, data?.into())?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        if self.mode == PadMode::Constant {
            let input = cx.input(0);
            let value = cx.input(1);
            let whole = cx.output(0);
            for slab in self.slabs(&whole, shape) {
                cx.copy(&value.broadcast(&slab.shape), &slab);
            }
            if !input.elements().is(0) {
                let interior = self.interior(&whole, shape);
                cx.copy(&input, &interior);
            }
            return Ok(());
        }
        let x = cx.dense(0);
        let y = cx.dense_output(0);
        let sizes =
            |dims: &[Dim]| Arg::Ref(Box::new(Arg::Array(dims.iter().cloned().map(Arg::Size).collect())));
        let begin = self.before.iter().cloned().map(Arg::Signed).collect();
        let args = vec![
            Arg::Path(self.mode.kernel().1),
            sizes(shape),
            Arg::Ref(Box::new(Arg::Array(begin))),
            sizes(&self.output_shape(shape)),
            Arg::Read("x", x),
            Arg::Write("y", y),
        ];
        cx.call("movement::extend", args, Dim::ZERO);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let of = |list: &[Dim]| perm.iter().map(|&a| list[a].clone()).collect();
        Some(Box::new(Pad { mode: self.mode, before: of(&self.before), after: of(&self.after) }))
    }

    fn writes_strided(&self) -> bool {
        self.mode == PadMode::Constant
    }
}

/// Pad: amounts and value are attributes before opset 11, inputs since.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let mode = match cx.attributes.string_or("mode", "constant")? {
        "constant" => PadMode::Constant,
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        "wrap" => PadMode::Wrap,
        other => {
            let what = format!("is \"{other}\"; constant, reflect, edge and wrap are known");
            return Err(cx.attributes.bad("mode", &what));
        }
    };
    let (pads, fill, axes) = if cx.opset < 11 {
        let given = cx.attributes.ints("pads")?;
        let pads = cx.attributes.required("pads", given)?.iter().map(|&v| Dim::from(v)).collect();
        let value = cx.attributes.float_or("value", 0.0)?;
        let dtype = cx.dtype(x);
        (pads, Some(cx.scalar(dtype, value.into())), None)
    } else {
        (cx.dims_input(1, "pads")?, cx.optional(2), cx.ints_input(3, "axes")?)
    };
    let axes = match axes {
        Some(list) => list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("`pads` has {} elements for {} axes", pads.len(), axes.len()),
        )
        .help("it holds the amounts before each axis, then the amounts after each"));
    }
    let (mut before, mut after) = (vec![Dim::ZERO; rank], vec![Dim::ZERO; rank]);
    for (i, &a) in axes.iter().enumerate() {
        before[a] = pads[i].clone();
        after[a] = pads[axes.len() + i].clone();
    }
    Ok(vec![cropped_and_padded(cx, x, before, after, mode, fill)?])
}

/// Negative amounts crop before anything is added.
fn cropped_and_padded(
    cx: &mut NodeCx<'_>,
    x: Value,
    before: Shape,
    after: Shape,
    mode: PadMode,
    fill: Option<Value>,
) -> Result<Value, Diagnostic> {
    let symbols = cx.graph.symbols.clone();
    let added = |list: &[Dim]| list.iter().map(|d| larger(d, &Dim::ZERO, &symbols)).collect::<Shape>();
    let cut = |d: &Dim| larger(&-d, &Dim::ZERO, &symbols);
    let slices = cx
        .shape(x)
        .iter()
        .zip(before.iter().zip(&after))
        .map(|(n, (b, a))| {
            let start = cut(b);
            let extent = larger(&(&(n - &start) - &cut(a)), &Dim::ZERO, &symbols);
            SliceAxis { start: if extent.is(0) { Dim::ZERO } else { start }, step: 1, extent }
        })
        .collect();
    let x = cx.slice_axes(x, slices)?;
    cx.pad(x, added(&before), added(&after), mode, fill)
}

/// CenterCropPad.
pub(super) fn build_center(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let shape = cx.shape(x);
    let wanted = cx.dims_input(1, "shape")?;
    let axes = match cx.attributes.ints("axes")? {
        Some(list) => list.iter().map(|&a| axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).collect(),
    };
    if wanted.len() != axes.len() {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("`shape` has {} elements for {} axes", wanted.len(), axes.len()),
        ));
    }
    let (mut before, mut after) = (vec![Dim::ZERO; shape.len()], vec![Dim::ZERO; shape.len()]);
    for (&a, want) in axes.iter().zip(&wanted) {
        let grown = want - &shape[a];
        let two = Dim::from(2_i64);
        // The odd element is added behind, and cut off behind.
        let half = match not_below(&grown, &Dim::ZERO, &cx.graph.symbols) {
            Some(true) => grown.div_floor(&two),
            Some(false) => grown.div_ceil(&two),
            None => {
                return Err(Diagnostic::new(
                    Code::NotConstant,
                    format!("axis {a} of {} may have to be cropped or padded to {want}", cx.ty(x)),
                )
                .help("bound the symbolic dimension so that one of them is certain"));
            }
        };
        after[a] = &grown - &half;
        before[a] = half;
    }
    Ok(vec![cropped_and_padded(cx, x, before, after, PadMode::Constant, None)?])
}
