//! The core operator.

use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op};
use crate::lir::{Arg, Packing, Place};
use crate::lower::LowerCx;
use crate::ops::host::{elements, tensor, with_size};
use crate::types::{DType, Dim, Scalar, Shape, Tensor, TensorType};
use ingrain_kernels::resize::{
    Coordinates, Interpolation, Nearest, ResizeAxis, resize_axis_f32, resize_nearest,
};

/// How an element between others comes about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// It is the nearest one; any element type.
    Nearest(Nearest),
    /// It is a weighted sum of its neighbours; f32.
    Interpolated(Interpolation),
}

/// An axis that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ResizedAxis {
    /// The new extent.
    pub extent: Dim,
    /// New positions per old one; `None` for the quotient of the extents.
    pub scale: Option<f64>,
    /// How positions correspond.
    pub coordinates: Coordinates,
}

/// The core operator.
#[derive(Clone, Debug)]
pub struct Resize {
    /// For each axis what becomes of it; `None` where it stays.
    pub axes: Vec<Option<ResizedAxis>>,
    /// How an element between others comes about.
    pub method: Method,
    /// Whether a smaller result is low-pass filtered.
    pub antialias: bool,
    /// Whether weights of positions outside go to the others, instead of to the edge.
    pub exclude_outside: bool,
    /// What stands outside a cropped region.
    pub extrapolation: f32,
}

/// Constant tables are at most this long; longer ones are made by the program.
const LONGEST: usize = 1 << 20;

/// One axis of the work.
struct Pass {
    axis: usize,
    input: Dim,
    resized: ResizedAxis,
}

impl Resize {
    fn output_shape(&self, shape: &[Dim]) -> Shape {
        let extent = |(n, axis): (&Dim, &Option<ResizedAxis>)| axis.as_ref().map_or(n, |a| &a.extent).clone();
        shape.iter().zip(&self.axes).map(extent).collect()
    }

    /// The passes, those first that leave the least to do.
    fn passes(&self, shape: &[Dim]) -> Vec<Pass> {
        let mut passes: Vec<Pass> = self
            .axes
            .iter()
            .enumerate()
            .filter_map(|(axis, resized)| {
                Some(Pass { axis, input: shape[axis].clone(), resized: resized.clone()? })
            })
            .collect();
        let growth = |pass: &Pass| match (pass.resized.extent.as_i64(), pass.input.as_i64()) {
            (Some(output), Some(input)) => output as f64 / input.max(1) as f64,
            _ => pass.resized.scale.unwrap_or(1.0),
        };
        passes.sort_by(|a, b| growth(a).total_cmp(&growth(b)));
        passes
    }

    /// The axis in numbers, if they are known.
    fn fixed(&self, pass: &Pass) -> Option<ResizeAxis> {
        let (input, output) = (pass.input.as_usize()?, pass.resized.extent.as_usize()?);
        let coordinates = pass.resized.coordinates;
        let axis = ResizeAxis::between(input, output, coordinates, self.antialias, self.exclude_outside);
        Some(ResizeAxis { scale: pass.resized.scale.unwrap_or(axis.scale), ..axis })
    }

    /// How many elements each element is made of; `None` if that depends on the run.
    fn taps(&self, pass: &Pass, interpolation: Interpolation) -> Option<usize> {
        if let Some(axis) = self.fixed(pass) {
            return Some(axis.taps(interpolation));
        }
        if self.antialias && pass.resized.scale.is_none() {
            return None;
        }
        let axis = ResizeAxis::between(1, 1, pass.resized.coordinates, self.antialias, false);
        let scale = pass.resized.scale.unwrap_or(axis.scale);
        Some(ResizeAxis { scale, ..axis }.taps(interpolation))
    }

    /// The axis as an argument of a kernel.
    fn argument(&self, pass: &Pass) -> Arg {
        let coordinates = match pass.resized.coordinates {
            Coordinates::HalfPixel => Arg::Path("resize::Coordinates::HalfPixel"),
            Coordinates::HalfPixelSymmetric => Arg::Path("resize::Coordinates::HalfPixelSymmetric"),
            Coordinates::PytorchHalfPixel => Arg::Path("resize::Coordinates::PytorchHalfPixel"),
            Coordinates::AlignCorners => Arg::Path("resize::Coordinates::AlignCorners"),
            Coordinates::Asymmetric => Arg::Path("resize::Coordinates::Asymmetric"),
            Coordinates::TfHalfPixelForNn => Arg::Path("resize::Coordinates::TfHalfPixelForNn"),
            Coordinates::TfCropAndResize { start, end } => Arg::Struct(
                "resize::Coordinates::TfCropAndResize",
                vec![("start", Arg::Float(DType::F64, start)), ("end", Arg::Float(DType::F64, end))],
            ),
        };
        let (input, output) = (Arg::Size(pass.input.clone()), Arg::Size(pass.resized.extent.clone()));
        let (antialias, exclude) = (Arg::Bool(self.antialias), Arg::Bool(self.exclude_outside));
        let axis = match pass.resized.scale {
            None => Arg::Apply(
                "resize::ResizeAxis::between",
                vec![input, output, coordinates, antialias, exclude],
            ),
            Some(scale) => Arg::Struct(
                "resize::ResizeAxis",
                vec![
                    ("input", input),
                    ("output", output),
                    ("scale", Arg::Float(DType::F64, scale)),
                    ("coordinates", coordinates),
                    ("antialias", antialias),
                    ("exclude_outside", exclude),
                ],
            ),
        };
        Arg::Ref(Box::new(axis))
    }

    /// The position that each element of an axis shows.
    fn nearest_table(&self, cx: &mut LowerCx<'_>, pass: &Pass, nearest: Nearest) -> Place {
        if let Some(axis) = self.fixed(pass).filter(|a| a.output <= LONGEST) {
            let mut index = vec![0; axis.output];
            axis.nearest_table(nearest, &mut index);
            return positions(cx, &index);
        }
        let table = cx.scratch(DType::U32, pass.resized.extent.clone());
        let rounding = match nearest {
            Nearest::RoundPreferFloor => "resize::Nearest::RoundPreferFloor",
            Nearest::RoundPreferCeil => "resize::Nearest::RoundPreferCeil",
            Nearest::Floor => "resize::Nearest::Floor",
            Nearest::Ceil => "resize::Nearest::Ceil",
        };
        let args = vec![self.argument(pass), Arg::Path(rounding), Arg::Write("positions", table.clone())];
        cx.call("resize::ResizeAxis::nearest_table", args, Dim::ZERO);
        table
    }

    /// The positions and weights that each element of an axis is made of.
    fn table(&self, cx: &mut LowerCx<'_>, pass: &Pass, method: Interpolation, taps: usize) -> [Place; 2] {
        if let Some(axis) = self.fixed(pass).filter(|a| a.output.saturating_mul(taps) <= LONGEST) {
            let (mut index, mut weight) = (vec![0; axis.output * taps], vec![0.0; axis.output * taps]);
            axis.table(method, &mut index, &mut weight);
            let weights = Tensor::from_f32s(vec![weight.len()], &weight);
            return [positions(cx, &index), cx.weight(&weights, Packing::Plain, Some("weights"))];
        }
        let len = &pass.resized.extent * &Dim::from(taps);
        let index = cx.scratch(DType::U32, len.clone());
        let weight = cx.scratch(DType::F32, len);
        let interpolation = match method {
            Interpolation::Linear => Arg::Path("resize::Interpolation::Linear"),
            Interpolation::Cubic(a) => {
                Arg::Apply("resize::Interpolation::Cubic", vec![Arg::Float(DType::F64, a)])
            }
        };
        let args = vec![
            self.argument(pass),
            interpolation,
            Arg::Write("positions", index.clone()),
            Arg::Write("weights", weight.clone()),
        ];
        cx.call("resize::ResizeAxis::table", args, Dim::ZERO);
        [index, weight]
    }

    fn lower_nearest(&self, cx: &mut LowerCx<'_>, nearest: Nearest) {
        let mut shape = cx.input_type(0).shape.clone();
        let dtype = cx.input_type(0).dtype;
        let steps = pairs(self.passes(&shape));
        let mut x = cx.dense(0);
        for (number, (pass, partner)) in steps.iter().enumerate() {
            let rows = self.nearest_table(cx, pass, nearest);
            let (columns, extent, behind) = match partner {
                Some(partner) => {
                    (self.nearest_table(cx, partner, nearest), partner.input.clone(), pass.axis + 2)
                }
                None => (positions(cx, &[0]), Dim::ONE, pass.axis + 1),
            };
            let (outer, inner) = (Dim::product(&shape[..pass.axis]), Dim::product(&shape[behind..]));
            for changed in std::iter::once(pass).chain(partner) {
                shape[changed.axis] = changed.resized.extent.clone();
            }
            let y = self.target(cx, number + 1 == steps.len(), dtype, &shape);
            let extrapolation = match dtype.is_float() {
                true => Arg::Float(dtype, self.extrapolation.into()),
                false => Arg::Int(self.extrapolation as i64),
            };
            let args = vec![
                Arg::Size(outer),
                Arg::Array(vec![Arg::Size(pass.input.clone()), Arg::Size(extent)]),
                Arg::Size(inner),
                Arg::Read("x", x),
                Arg::Read("rows", rows),
                Arg::Read("columns", columns),
                extrapolation,
                Arg::Write("y", y.clone()),
            ];
            cx.call("resize::resize_nearest", args, Dim::ZERO);
            x = y;
        }
    }

    fn lower_interpolated(&self, cx: &mut LowerCx<'_>, method: Interpolation) -> Result<(), Reported> {
        let mut shape = cx.input_type(0).shape.clone();
        let passes = self.passes(&shape);
        let mut x = cx.dense(0);
        for (number, pass) in passes.iter().enumerate() {
            let Some(taps) = self.taps(pass, method) else {
                return Err(cx.unsupported(
                    "`antialias` with symbolic sizes: how much is filtered depends on the run",
                ));
            };
            let [index, weight] = self.table(cx, pass, method, taps);
            let (outer, inner) = (Dim::product(&shape[..pass.axis]), Dim::product(&shape[pass.axis + 1..]));
            shape[pass.axis] = pass.resized.extent.clone();
            let y = self.target(cx, number + 1 == passes.len(), DType::F32, &shape);
            let macs = &Dim::product(&shape) * &Dim::from(taps);
            let args = vec![
                Arg::Size(outer),
                Arg::Size(pass.input.clone()),
                Arg::Size(pass.resized.extent.clone()),
                Arg::Size(inner),
                Arg::Read("x", x),
                Arg::Size(Dim::from(taps)),
                Arg::Read("positions", index),
                Arg::Read("weights", weight),
                Arg::Float(DType::F32, self.extrapolation.into()),
                Arg::Write("y", y.clone()),
            ];
            cx.call("resize::resize_axis_f32", args, macs);
            x = y;
        }
        Ok(())
    }

    /// Where a pass writes.
    fn target(&self, cx: &mut LowerCx<'_>, last: bool, dtype: DType, shape: &[Dim]) -> Place {
        if last { cx.dense_output(0) } else { cx.scratch(dtype, Dim::product(shape)) }
    }
}

/// Each pass with the one over the next axis, if there is one: the kernel for nearest elements takes two.
fn pairs(mut passes: Vec<Pass>) -> Vec<(Pass, Option<Pass>)> {
    passes.sort_by_key(|p| p.axis);
    let mut pairs: Vec<(Pass, Option<Pass>)> = Vec::new();
    for pass in passes {
        match pairs.last_mut() {
            Some((first, partner @ None)) if first.axis + 1 == pass.axis => *partner = Some(pass),
            _ => pairs.push((pass, None)),
        }
    }
    pairs
}

/// A constant table of positions.
fn positions(cx: &mut LowerCx<'_>, index: &[u32]) -> Place {
    let list = index.iter().map(|&i| Scalar::Int(DType::U32, i.into()));
    let table = Tensor::from_scalars(DType::U32, vec![index.len()], list);
    cx.weight(&table, Packing::Plain, Some("positions"))
}

impl Op for Resize {
    fn name(&self) -> &'static str {
        "Resize"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        let fault = |message: String| Err(Diagnostic::new(Code::BadInput, message));
        if self.axes.len() != ty.rank() || self.axes.iter().all(Option::is_none) {
            return fault(format!("a resize of {} axes does not fit {ty}", self.axes.len()));
        }
        if matches!(self.method, Method::Interpolated(_)) && ty.dtype != DType::F32 {
            return fault(format!("{ty} cannot be interpolated"));
        }
        let large = |n: &Dim| n.as_i64().is_some_and(|n| n >= i64::from(u32::MAX));
        for (n, axis) in ty.shape.iter().zip(&self.axes).filter_map(|(n, a)| Some((n, a.as_ref()?))) {
            if (n.is(0) && !axis.extent.is(0)) || large(n) || large(&axis.extent) {
                return fault(format!(
                    "an axis of {n} elements of {ty} cannot become one of {}",
                    axis.extent
                ));
            }
        }
        Ok(vec![TensorType::new(ty.dtype, self.output_shape(&ty.shape))])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let mut x = inputs[0].clone();
        for pass in self.passes(&x.ty().shape) {
            let axis = self.fixed(&pass)?;
            let mut shape = x.shape().to_vec();
            shape[pass.axis] = axis.output;
            let outer = shape[..pass.axis].iter().product();
            let inner = shape[pass.axis + 1..].iter().product();
            let count = shape.iter().product();
            x = match self.method {
                Method::Nearest(nearest) => {
                    let mut rows = vec![0; axis.output];
                    axis.nearest_table(nearest, &mut rows);
                    let mut outside = Vec::new();
                    Scalar::from_f64(x.dtype(), self.extrapolation.into()).write(&mut outside);
                    let data = with_size!(x.dtype().size(), N => {
                        let mut y = vec![[0_u8; N]; count];
                        let (items, outside) = (x.bytes().as_chunks().0, *outside.first_chunk()?);
                        resize_nearest(outer, [axis.input, 1], inner, items, &rows, &[0], outside, &mut y);
                        y.into_flattened()
                    });
                    Tensor::new(x.dtype(), shape, data.into())?
                }
                Method::Interpolated(method) => {
                    let taps = axis.taps(method);
                    let (mut index, mut weight) =
                        (vec![0; axis.output * taps], vec![0.0; axis.output * taps]);
                    axis.table(method, &mut index, &mut weight);
                    let mut y = vec![0.0; count];
                    let (items, outside) = (elements(&x), self.extrapolation);
                    resize_axis_f32(
                        outer,
                        axis.input,
                        axis.output,
                        inner,
                        &items,
                        taps,
                        &index,
                        &weight,
                        outside,
                        &mut y,
                    );
                    tensor(DType::F32, shape, &y)?
                }
            };
        }
        Some(vec![x])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        match self.method {
            Method::Nearest(nearest) => {
                self.lower_nearest(cx, nearest);
                Ok(())
            }
            Method::Interpolated(method) => self.lower_interpolated(cx, method),
        }
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let axes = perm.iter().map(|&a| self.axes[a].clone()).collect();
        Some(Box::new(Resize { axes, ..self.clone() }))
    }
}
