//! GridSample and AffineGrid.

use super::check;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::ops::host::{elements, tensor};
use crate::types::{DType, Dim, Tensor, TensorType};
use ingrain_kernels::resize::{self, GridMode, GridPadding, GridUnits};

/// The core operator: `x` `[n, c, spatial…]` at the points of a grid `[n, points…, axes]`, as `[n, c, points…]`.
#[derive(Clone, Debug)]
pub struct GridSample {
    /// The interpolation.
    pub mode: GridMode,
    /// What lies outside.
    pub padding: GridPadding,
    /// What the coordinates count.
    pub units: GridUnits,
}

impl Op for GridSample {
    fn name(&self) -> &'static str {
        "GridSample"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (x, grid) = (inputs[0].ty, inputs[1].ty);
        let axes = x.rank().saturating_sub(2);
        if !(1..=3).contains(&axes) {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("{x} is not [batch, channels] and one to three axes"),
            ));
        }
        check(x, axes + 2, "an f32 image")?;
        check(grid, axes + 2, "an f32 grid of points")?;
        if !grid.shape[axes + 1].is(axes as i64) || grid.shape[0] != x.shape[0] {
            return Err(Diagnostic::new(Code::BadInput, format!("{grid} is not a grid of points of {x}")));
        }
        let shape = [&x.shape[..2], &grid.shape[1..=axes]].concat();
        Ok(vec![TensorType::new(DType::F32, shape)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (x, grid) = (&inputs[0], &inputs[1]);
        let (first, spatial) = x.shape().split_at(2);
        let points = &grid.shape()[1..=spatial.len()];
        let mut input = [1; 3];
        input[..spatial.len()].copy_from_slice(spatial);
        let sample = resize::GridSample {
            mode: self.mode,
            padding: self.padding,
            units: self.units,
            batch: first[0],
            channels: first[1],
            rank: spatial.len(),
            input,
            points: points.iter().product(),
        };
        let shape = [first, points].concat();
        let mut y = vec![0.0; shape.iter().product()];
        resize::grid_sample(&sample, &elements(x), &elements(grid), &mut y);
        Some(vec![tensor(DType::F32, shape, &y)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let (x, grid) = (&cx.input_type(0).shape, &cx.input_type(1).shape);
        let spatial = &x[2..];
        let mut input = vec![Dim::ONE; 3];
        input[..spatial.len()].clone_from_slice(spatial);
        let mode = match self.mode {
            GridMode::Nearest => "resize::GridMode::Nearest",
            GridMode::Linear => "resize::GridMode::Linear",
            GridMode::Cubic => "resize::GridMode::Cubic",
        };
        let padding = match self.padding {
            GridPadding::Zeros => "resize::GridPadding::Zeros",
            GridPadding::Border => "resize::GridPadding::Border",
            GridPadding::Reflection => "resize::GridPadding::Reflection",
        };
        let units = match self.units {
            GridUnits::Centres => "resize::GridUnits::Centres",
            GridUnits::Edges => "resize::GridUnits::Edges",
            GridUnits::Elements => "resize::GridUnits::Elements",
        };
        let fields = vec![
            ("mode", Arg::Path(mode)),
            ("padding", Arg::Path(padding)),
            ("units", Arg::Path(units)),
            ("batch", Arg::Size(x[0].clone())),
            ("channels", Arg::Size(x[1].clone())),
            ("rank", Arg::Size(Dim::from(spatial.len()))),
            ("input", Arg::Array(input.into_iter().map(Arg::Size).collect())),
            ("points", Arg::Size(Dim::product(&grid[1..=spatial.len()]))),
        ];
        let args = vec![
            Arg::Ref(Box::new(Arg::Struct("resize::GridSample", fields))),
            Arg::Read("x", cx.dense(0)),
            Arg::Read("grid", cx.dense(1)),
            Arg::Write("y", cx.dense_output(0)),
        ];
        cx.call("resize::grid_sample", args, Dim::ZERO);
        Ok(())
    }
}

/// The core operator: for each map of `theta` `[n, axes, axes + 1]`, the points `[n, extents…, axes]` that it takes a
/// grid of these extents to.
#[derive(Clone, Debug)]
pub struct AffineGrid {
    /// Extents of the grid, two or three.
    pub extents: Vec<Dim>,
    /// Whether ±1 are the centres of the outermost elements, not their outer edges.
    pub align_corners: bool,
}

impl AffineGrid {
    fn output_shape(&self, batch: &Dim) -> Vec<Dim> {
        [std::slice::from_ref(batch), &self.extents, &[Dim::from(self.extents.len())]].concat()
    }
}

impl Op for AffineGrid {
    fn name(&self) -> &'static str {
        "AffineGrid"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let theta = inputs[0].ty;
        check(theta, 3, "a list of f32 matrices")?;
        let axes = self.extents.len();
        let fits = theta.shape[1].is(axes as i64) && theta.shape[2].is(axes as i64 + 1);
        if !(2..=3).contains(&axes) || !fits {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("{theta} does not map a grid of {axes} axes"),
            ));
        }
        Ok(vec![TensorType::new(DType::F32, self.output_shape(&theta.shape[0]))])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let batch = *inputs[0].shape().first()?;
        let numbers = |dims: &[Dim]| dims.iter().map(Dim::as_usize).collect::<Option<Vec<_>>>();
        let shape = numbers(&self.output_shape(&Dim::from(batch)))?;
        let mut y = vec![0.0; shape.iter().product()];
        resize::affine_grid(
            self.align_corners,
            batch,
            &numbers(&self.extents)?,
            &elements(&inputs[0]),
            &mut y,
        );
        Some(vec![tensor(DType::F32, shape, &y)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let extents = self.extents.iter().cloned().map(Arg::Size).collect();
        let args = vec![
            Arg::Bool(self.align_corners),
            Arg::Size(cx.input_type(0).shape[0].clone()),
            Arg::Ref(Box::new(Arg::Array(extents))),
            Arg::Read("theta", cx.dense(0)),
            Arg::Write("grid", cx.dense_output(0)),
        ];
        cx.call("resize::affine_grid", args, Dim::ZERO);
        Ok(())
    }
}

/// GridSample. Computed in f32, whatever the element type.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, grid) = (cx.input(0)?, cx.input(1)?);
    let mode = match cx.attributes.string_or("mode", "linear")? {
        "linear" | "bilinear" => GridMode::Linear,
        "nearest" => GridMode::Nearest,
        "cubic" | "bicubic" => GridMode::Cubic,
        other => {
            let what = format!("is \"{other}\"; linear, nearest and cubic are known");
            return Err(cx.attributes.bad("mode", &what));
        }
    };
    let padding = match cx.attributes.string_or("padding_mode", "zeros")? {
        "zeros" => GridPadding::Zeros,
        "border" => GridPadding::Border,
        "reflection" => GridPadding::Reflection,
        other => {
            let what = format!("is \"{other}\"; zeros, border and reflection are known");
            return Err(cx.attributes.bad("padding_mode", &what));
        }
    };
    let align_corners = cx.attributes.bool_or("align_corners", false)?;
    let dtype = cx.dtype(x);
    let (x, grid) = (cx.cast(x, DType::F32)?, cx.cast(grid, DType::F32)?);
    let units = GridUnits::align_corners(align_corners);
    let y = cx.add(GridSample { mode, padding, units }, &[x, grid])?;
    Ok(vec![cx.cast(y, dtype)?])
}

/// AffineGrid. Computed in f32, whatever the element type.
pub(super) fn build_affine(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let theta = cx.input(0)?;
    let size = cx.dims_input(1, "size")?;
    let align_corners = cx.attributes.bool_or("align_corners", false)?;
    if !(4..=5).contains(&size.len()) || cx.shape(theta).first() != Some(&size[0]) {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("`size` {size:?} is not [batch, channels] and two or three extents for {}", cx.ty(theta)),
        ));
    }
    let dtype = cx.dtype(theta);
    let theta = cx.cast(theta, DType::F32)?;
    let y = cx.add(AffineGrid { extents: size[2..].to_vec(), align_corners }, &[theta])?;
    Ok(vec![cx.cast(y, dtype)?])
}
