//! RoiAlign and MaxRoiPool.

use super::check;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::ops::host::{elements, tensor};
use crate::types::{DType, Dim, Tensor, TensorType};
use ingrain_kernels::pool::{self, RoiMode};

/// The core operator: regions `[r, 4]` of images `[n, c, h, w]`; input 2 says of which image each is.
#[derive(Clone, Debug)]
pub struct RoiAlign {
    /// Average or maximum.
    pub mode: RoiMode,
    /// Whether pixel centres are at half-integers.
    pub half_pixel: bool,
    /// Samples per bin and direction; 0 chooses by the region's size.
    pub sampling_ratio: usize,
    /// From the regions' coordinates to those of the image.
    pub spatial_scale: f32,
    /// Rows and columns of the result.
    pub output: [usize; 2],
}

/// `[regions, channels, rows, columns]`.
fn output_shape(x: &TensorType, rois: &TensorType, output: [usize; 2]) -> Vec<Dim> {
    vec![rois.shape[0].clone(), x.shape[1].clone(), Dim::from(output[0]), Dim::from(output[1])]
}

fn pair(extents: [Dim; 2]) -> Arg {
    Arg::Array(extents.into_iter().map(Arg::Size).collect())
}

impl Op for RoiAlign {
    fn name(&self) -> &'static str {
        "RoiAlign"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (x, rois, images) = (inputs[0].ty, inputs[1].ty, inputs[2].ty);
        check(x, 4, "a batch of f32 images")?;
        check(rois, 2, "a list of f32 regions")?;
        if !rois.shape[1].is(4) || images.dtype != DType::I64 || images.shape != rois.shape[..1] {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("{rois} and {images} are not regions and the i64 numbers of their images"),
            ));
        }
        Ok(vec![TensorType::new(DType::F32, output_shape(x, rois, self.output))])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (x, rois) = (&inputs[0], &inputs[1]);
        let &[batch, channels, height, width] = x.shape() else { return None };
        let roi = pool::RoiAlign {
            mode: self.mode,
            half_pixel: self.half_pixel,
            sampling_ratio: self.sampling_ratio,
            spatial_scale: self.spatial_scale,
            batch,
            channels,
            input: [height, width],
            output: self.output,
        };
        let shape = vec![rois.shape()[0], channels, self.output[0], self.output[1]];
        let mut y = vec![0.0; shape.iter().product()];
        pool::roi_align(&roi, &elements(x), &elements(rois), &inputs[2].to_i64s(), &mut y).ok()?;
        Some(vec![tensor(DType::F32, shape, &y)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let x = &cx.input_type(0).shape;
        let mode = match self.mode {
            RoiMode::Average => "pool::RoiMode::Average",
            RoiMode::Max => "pool::RoiMode::Max",
        };
        let fields = vec![
            ("mode", Arg::Path(mode)),
            ("half_pixel", Arg::Bool(self.half_pixel)),
            ("sampling_ratio", Arg::Size(Dim::from(self.sampling_ratio))),
            ("spatial_scale", Arg::Float(DType::F32, self.spatial_scale.into())),
            ("batch", Arg::Size(x[0].clone())),
            ("channels", Arg::Size(x[1].clone())),
            ("input", pair([x[2].clone(), x[3].clone()])),
            ("output", pair(self.output.map(Dim::from))),
        ];
        let args = vec![
            Arg::Ref(Box::new(Arg::Struct("pool::RoiAlign", fields))),
            Arg::Read("x", cx.dense(0)),
            Arg::Read("rois", cx.dense(1)),
            Arg::Read("batch_indices", cx.dense(2)),
            Arg::Write("y", cx.dense_output(0)),
        ];
        cx.fallible_call("pool::roi_align", args);
        Ok(())
    }
}

/// The core operator: the maximum of each bin of regions `[r, 5]`, image number first, of images `[n, c, h, w]`.
#[derive(Clone, Debug)]
pub struct MaxRoiPool {
    /// From the regions' coordinates to those of the image.
    pub spatial_scale: f32,
    /// Rows and columns of the result.
    pub output: [usize; 2],
}

impl Op for MaxRoiPool {
    fn name(&self) -> &'static str {
        "MaxRoiPool"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (x, rois) = (inputs[0].ty, inputs[1].ty);
        check(x, 4, "a batch of f32 images")?;
        check(rois, 2, "a list of f32 regions")?;
        if !rois.shape[1].is(5) {
            return Err(Diagnostic::new(Code::BadInput, format!("{rois} is not a list of regions [r, 5]")));
        }
        Ok(vec![TensorType::new(DType::F32, output_shape(x, rois, self.output))])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (x, rois) = (&inputs[0], &inputs[1]);
        let &[batch, channels, height, width] = x.shape() else { return None };
        let shape = vec![rois.shape()[0], channels, self.output[0], self.output[1]];
        let mut y = vec![0.0; shape.iter().product()];
        let (input, scale) = ([height, width], self.spatial_scale);
        pool::max_roi_pool(batch, channels, input, self.output, scale, &elements(x), &elements(rois), &mut y)
            .ok()?;
        Some(vec![tensor(DType::F32, shape, &y)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let x = &cx.input_type(0).shape;
        let args = vec![
            Arg::Size(x[0].clone()),
            Arg::Size(x[1].clone()),
            pair([x[2].clone(), x[3].clone()]),
            pair(self.output.map(Dim::from)),
            Arg::Float(DType::F32, self.spatial_scale.into()),
            Arg::Read("x", cx.dense(0)),
            Arg::Read("rois", cx.dense(1)),
            Arg::Write("y", cx.dense_output(0)),
        ];
        cx.fallible_call("pool::max_roi_pool", args);
        Ok(())
    }
}

/// RoiAlign. Computed in f32, whatever the element type.
pub(super) fn build_align(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, rois, images) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let mode = match cx.attributes.string_or("mode", "avg")? {
        "avg" => RoiMode::Average,
        "max" => RoiMode::Max,
        other => return Err(cx.attributes.bad("mode", &format!("is \"{other}\"; avg and max are known"))),
    };
    let default = if cx.opset < 16 { "output_half_pixel" } else { "half_pixel" };
    let half_pixel = match cx.attributes.string_or("coordinate_transformation_mode", default)? {
        "half_pixel" => true,
        "output_half_pixel" => false,
        other => {
            let what = format!("is \"{other}\"; half_pixel and output_half_pixel are known");
            return Err(cx.attributes.bad("coordinate_transformation_mode", &what));
        }
    };
    let output = [extent(cx, "output_height", 1)?, extent(cx, "output_width", 1)?];
    let sampling_ratio = extent(cx, "sampling_ratio", 0)?;
    let spatial_scale = cx.attributes.float_or("spatial_scale", 1.0)?;
    let dtype = cx.dtype(x);
    let (x, rois) = (cx.cast(x, DType::F32)?, cx.cast(rois, DType::F32)?);
    let op = RoiAlign { mode, half_pixel, sampling_ratio, spatial_scale, output };
    let y = cx.add(op, &[x, rois, images])?;
    Ok(vec![cx.cast(y, dtype)?])
}

/// An attribute that holds a size.
fn extent(cx: &NodeCx<'_>, name: &str, default: i64) -> Result<usize, Diagnostic> {
    let given = cx.attributes.int_or(name, default)?;
    usize::try_from(given).map_err(|_| cx.attributes.bad(name, &format!("is {given}")))
}

/// MaxRoiPool. Computed in f32, whatever the element type.
pub(super) fn build_max(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, rois) = (cx.input(0)?, cx.input(1)?);
    let given = cx.attributes.ints("pooled_shape")?;
    let output = match cx.attributes.required("pooled_shape", given)? {
        &[rows, columns] => usize::try_from(rows).ok().zip(usize::try_from(columns).ok()),
        _ => None,
    };
    let Some((rows, columns)) = output else {
        return Err(cx.attributes.bad("pooled_shape", "is not a number of rows and one of columns"));
    };
    let spatial_scale = cx.attributes.float_or("spatial_scale", 1.0)?;
    let dtype = cx.dtype(x);
    let (x, rois) = (cx.cast(x, DType::F32)?, cx.cast(rois, DType::F32)?);
    let y = cx.add(MaxRoiPool { spatial_scale, output: [rows, columns] }, &[x, rois])?;
    Ok(vec![cx.cast(y, dtype)?])
}
