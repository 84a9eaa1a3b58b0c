//! Slice: every `step`-th element of a range, on each axis.

use super::bounds::{larger, not_below, smaller};
use super::strided;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lower::{LowerCx, View};
use crate::ops::NodeCx;
use crate::ops::bind::Element;
use crate::types::{Dim, Symbols, Tensor, TensorType};
use std::fmt;

/// The part of one axis: elements `start + i * step` for `i < extent`, all of which exist.
#[derive(Clone, PartialEq, Eq)]
pub struct SliceAxis {
    /// First element.
    pub start: Dim,
    /// Distance to the next; negative to read backwards, never zero.
    pub step: i64,
    /// Number of elements.
    pub extent: Dim,
}

impl SliceAxis {
    /// A whole axis.
    pub fn whole(extent: &Dim) -> SliceAxis {
        SliceAxis { start: Dim::ZERO, step: 1, extent: extent.clone() }
    }

    /// Whether this is all of an axis of this extent, in order.
    pub fn is_whole(&self, extent: &Dim) -> bool {
        self.start.is(0) && self.step == 1 && self.extent == *extent
    }
}

impl fmt::Debug for SliceAxis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = &self.start + &(&self.extent * &Dim::from(self.step));
        write!(f, "{}..{end}", self.start)?;
        if self.step == 1 { Ok(()) } else { write!(f, " by {}", self.step) }
    }
}

/// The core operator. A view.
#[derive(Clone, Debug)]
pub struct Slice {
    /// What is taken of each axis.
    pub axes: Vec<SliceAxis>,
}

impl Slice {
    /// The part of a view.
    pub fn of(&self, view: &View) -> View {
        let mut part = view.clone();
        for (axis, slice) in self.axes.iter().enumerate() {
            part.offset = &part.offset + &(&slice.start * &view.strides[axis]);
            part.strides[axis] = &view.strides[axis] * &Dim::from(slice.step);
            part.shape[axis] = slice.extent.clone();
        }
        part
    }

    /// Offset and strides in a row-major tensor of this shape, and the extents of the result.
    fn strides(&self, shape: &[usize]) -> Option<(usize, Vec<isize>, Vec<usize>)> {
        let mut strides = strided::row_major(shape);
        let mut offset = 0_isize;
        for (stride, slice) in strides.iter_mut().zip(&self.axes) {
            offset += isize::try_from(slice.start.as_i64()?).ok()? * *stride;
            *stride *= isize::try_from(slice.step).ok()?;
        }
        let extents = self.axes.iter().map(|a| a.extent.as_usize()).collect::<Option<_>>()?;
        Some((usize::try_from(offset).ok()?, strides, extents))
    }
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "Slice"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        let fault = |message: String| Err(Diagnostic::new(Code::BadInput, message));
        if self.axes.len() != ty.rank() {
            return fault(format!("a slice of {} axes does not fit {ty}", self.axes.len()));
        }
        for (axis, (slice, extent)) in self.axes.iter().zip(&ty.shape).enumerate() {
            let last = &slice.start + &(&(&slice.extent - &Dim::ONE) * &Dim::from(slice.step));
            let outside = |at: &Dim| {
                at.as_i64().is_some_and(|v| v < 0) || (at - extent).as_i64().is_some_and(|v| v >= 0)
            };
            if slice.step == 0 || !slice.extent.is(0) && (outside(&slice.start) || outside(&last)) {
                return fault(format!("the slice {slice:?} is not within axis {axis} of {ty}"));
            }
        }
        let shape = self.axes.iter().map(|a| a.extent.clone()).collect();
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn content(&self, inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        let content = inputs[0].content?;
        let (offset, strides, extents) = self.strides(&inputs[0].ty.fixed_shape()?)?;
        strided::gather(content, offset, &strides, &extents)
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (offset, strides, extents) = self.strides(inputs[0].shape())?;
        Some(vec![strided::gather_tensor(&inputs[0], offset, &strides, extents)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let view = self.of(&cx.input(0));
        cx.alias(0, view);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        Some(Box::new(Slice { axes: perm.iter().map(|&a| self.axes[a].clone()).collect() }))
    }
}

/// Numbers beyond this stand for "to the end": larger than any extent, small enough to calculate with.
pub(super) const FAR: i64 = 1 << 48;

/// What a model asks of one axis, before clamping.
struct Asked<'a> {
    start: &'a Dim,
    end: &'a Dim,
    step: i64,
}

impl Asked<'_> {
    /// The part of an axis of this extent, by the rules of ONNX Slice: negative positions count from the end, and
    /// what is outside is cut off. `None` if the sign of a position is not known.
    fn within(&self, extent: &Dim, symbols: &Symbols) -> Option<SliceAxis> {
        let empty = SliceAxis { start: Dim::ZERO, step: 1, extent: Dim::ZERO };
        if extent.is(0) {
            return Some(empty);
        }
        let (low, high) = if self.step > 0 { (0, extent.clone()) } else { (-1, extent - &Dim::ONE) };
        let start = position(self.start, extent, (0, &high), symbols)?;
        let end = position(self.end, extent, (low, &high), symbols)?;
        let distance = if self.step > 0 { &end - &start } else { &start - &end };
        let step = Dim::from(self.step.saturating_abs());
        let count = larger(&distance.div_ceil(&step), &Dim::ZERO, symbols);
        Some(if count.is(0) { empty } else { SliceAxis { start, step: self.step, extent: count } })
    }
}

/// A position on an axis of this extent, counted from the front and within bounds. `None` if its sign is not known.
pub(super) fn position(at: &Dim, extent: &Dim, (low, high): (i64, &Dim), symbols: &Symbols) -> Option<Dim> {
    let at = at.as_i64().map_or_else(|| at.clone(), |v| Dim::from(v.clamp(-FAR, FAR)));
    let at = if not_below(&at, &Dim::ZERO, symbols)? { at } else { &at + extent };
    Some(larger(&smaller(&at, high, symbols), &Dim::from(low), symbols))
}

/// Slice: ranges are attributes before opset 10, inputs since.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let shape = cx.shape(x);
    let known = |list: &[i64]| list.iter().map(|&v| Element::Known(Dim::from(v))).collect::<Vec<_>>();
    let (starts, ends, axes, steps) = if cx.opset < 10 {
        let required = |name| {
            let list = cx.attributes.ints(name)?;
            cx.attributes.required(name, list).map(known)
        };
        let axes = cx.attributes.ints("axes")?.map(<[i64]>::to_vec);
        (required("starts")?, required("ends")?, axes, None)
    } else {
        let axes = cx.ints_input(3, "axes")?;
        (
            positions(cx, 1, "starts", shape.len())?,
            positions(cx, 2, "ends", shape.len())?,
            axes,
            cx.ints_input(4, "steps")?,
        )
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!(
                "{} starts, {} ends, {} axes and {} steps do not belong together",
                starts.len(),
                ends.len(),
                axes.len(),
                steps.len()
            ),
        ));
    }
    let mut slices: Vec<SliceAxis> = shape.iter().map(SliceAxis::whole).collect();
    for (i, &given) in axes.iter().enumerate() {
        let axis = super::super::shape::axis(given, shape.len())?;
        if steps[i] == 0 {
            return Err(Diagnostic::new(Code::BadInput, "a step of Slice is 0"));
        }
        let extent = &shape[axis];
        if let (Element::Known(start), Element::Known(end)) = (&starts[i], &ends[i]) {
            let asked = Asked { start, end, step: steps[i] };
            if let Some(slice) = asked.within(extent, &cx.graph.symbols) {
                slices[axis] = slice;
                continue;
            }
        }
        slices[axis] = super::bounded::within(cx, axis, extent, (&starts[i], &ends[i]), steps[i])?;
    }
    Ok(vec![cx.slice_axes(x, slices)?])
}

/// The elements of input `i`, `starts` or `ends` of at most `axes` axes.
fn positions(cx: &mut NodeCx<'_>, i: usize, what: &str, axes: usize) -> Result<Vec<Element>, Diagnostic> {
    let mut list = cx.input(i)?;
    if cx.rank(list) == 1 && cx.shape(list)[0].as_i64().is_none() {
        // Of a list whose length is not known, as of a part that data cut out of another, one element is expected.
        list = cx.restate(list, &[Dim::ONE])?;
    }
    let Some(count) = cx.ty(list).elements().as_usize() else { return Err(cx.not_constant(what, list)) };
    if count > axes {
        return Err(Diagnostic::new(Code::BadInput, format!("there are {count} {what} and {axes} axes")));
    }
    (0..count).map(|at| cx.element(list, at)).collect()
}

/// Split: sizes are an attribute before opset 13, an input since; left out, the parts are equal.
pub(super) fn build_split(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let axis = cx.axis_attribute("axis", 0, rank)?;
    let extent = cx.shape(x)[axis].clone();
    let parts = cx.outputs_used.len();
    let sizes = if cx.opset < 13 {
        cx.attributes.ints("split")?.map(|list| list.iter().map(|&v| Dim::from(v)).collect())
    } else if cx.optional(1).is_some() {
        Some(cx.dims_input(1, "split")?)
    } else {
        None
    };
    let uneven = cx.attributes.int("num_outputs")?.is_some();
    let sizes: Vec<Dim> = match sizes {
        Some(sizes) => sizes,
        None => equal_parts(&extent, parts, uneven)?,
    };
    let total = sizes.iter().fold(Dim::ZERO, |sum, size| &sum + size);
    if sizes.len() != parts || total != extent {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("{parts} outputs of sizes {sizes:?} do not make up axis {axis} of {}", cx.ty(x)),
        ));
    }
    let mut start = Dim::ZERO;
    let mut outputs = Vec::with_capacity(parts);
    for size in sizes {
        outputs.push(cx.slice(x, axis, start.clone(), size.clone())?);
        start = &start + &size;
    }
    Ok(outputs)
}

/// Sizes of `parts` equal parts; where `uneven`, the last may be smaller.
fn equal_parts(extent: &Dim, parts: usize, uneven: bool) -> Result<Vec<Dim>, Diagnostic> {
    let count = Dim::from(parts);
    if let Some(size) = extent.exact_div(&count) {
        return Ok(vec![size; parts]);
    }
    let size = extent.div_ceil(&count);
    let last = extent - &(&size * &Dim::from(parts.saturating_sub(1)));
    if !uneven || last.as_i64().is_some_and(|v| v < 0) {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("{extent} elements do not split into {parts} equal parts"),
        )
        .help("give the sizes of the parts, or fix the dimension if it is symbolic"));
    }
    let mut sizes = vec![size; parts - 1];
    sizes.push(last);
    Ok(sizes)
}
