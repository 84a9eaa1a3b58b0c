//! Pooling, channels-last: MaxPool, AveragePool, LpPool and MaxUnpool.
//!
//! <https://onnx.ai/onnx/operators/onnx__MaxPool.html>, <https://onnx.ai/onnx/operators/onnx__AveragePool.html>,
//! <https://onnx.ai/onnx/operators/onnx__LpPool.html>, <https://onnx.ai/onnx/operators/onnx__MaxUnpool.html>. Global
//! pooling is a reduction and stands there.

use super::conv::window::{self, Window, three, three_fixed};
use super::movement::PadMode;
use super::{NodeCx, OpDef};
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::types::{DType, Dim, TensorType};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "MaxPool",
        domain: "",
        since: &[1, 8, 10, 11, 12, 22],
        doc: "Largest element of each window, and where it stands.",
        build: build_max,
    },
    OpDef {
        name: "AveragePool",
        domain: "",
        since: &[7, 10, 11, 19, 22],
        doc: "Mean of each window.",
        build: build_average,
    },
    OpDef {
        name: "LpPool",
        domain: "",
        since: &[2, 11, 18, 22],
        doc: "p-norm of each window.",
        build: build_lp,
    },
    OpDef {
        name: "MaxUnpool",
        domain: "",
        since: &[9, 11, 22],
        doc: "Puts elements back where MaxPool found them.",
        build: build_unpool,
    },
];

/// What is made of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Max,
    /// The second result counts elements of the channels-first tensor, with the first spatial axis fastest on demand.
    MaxWithIndices {
        column_major: bool,
    },
    Average {
        count_include_pad: bool,
    },
    Lp {
        p: i64,
    },
}

/// The core operator: `[N, spatial…, C]` gives `[N, windows…, C]`.
#[derive(Clone, Debug)]
struct Pool {
    kind: Kind,
    window: Window,
    /// Whether a window that reaches beyond the padding counts.
    ceil: bool,
}

impl Op for Pool {
    fn name(&self) -> &'static str {
        "Pool"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let mut ty = inputs[0].ty.clone();
        for axis in 0..self.window.kernel.len() {
            let count = self.window.count(axis, &ty.shape[axis + 1], self.ceil);
            if count.as_i64().is_some_and(|c| c < 0) {
                let what = format!("the window is larger than the padded input at spatial axis {axis}");
                return Err(Diagnostic::new(Code::BadInput, what));
            }
            ty.shape[axis + 1] = count;
        }
        let indices = TensorType::new(DType::I64, ty.shape.clone());
        Ok(if matches!(self.kind, Kind::MaxWithIndices { .. }) { vec![ty, indices] } else { vec![ty] })
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let dtype = cx.output_type(0).dtype;
        if dtype == DType::Bool {
            return Err(cx.unsupported("pooling of truth values"));
        }
        let channels = cx.input_type(0).shape[cx.input_type(0).rank() - 1].clone();
        let view = cx.input(0);
        let (x, x_stride) = match view.pixel_stride() {
            Some(stride) => (view.span(), stride),
            None => (cx.dense(0), channels.clone()),
        };
        let mut args = vec![Arg::Ref(Box::new(self.shape_argument(cx)))];
        match self.kind {
            Kind::Max => {}
            Kind::MaxWithIndices { column_major } => args.push(Arg::Bool(column_major)),
            Kind::Average { count_include_pad } => args.push(Arg::Bool(count_include_pad)),
            Kind::Lp { p } => args.push(Arg::Int(p)),
        }
        args.extend([Arg::Read("x", x), Arg::Size(x_stride)]);
        if let Kind::MaxWithIndices { .. } = self.kind {
            let (y, indices) = (cx.dense_output(0), cx.dense_output(1));
            args.extend([Arg::Write("y", y), Arg::Write("indices", indices), Arg::Size(channels)]);
            cx.generic_call("pool::max_pool_indices", vec![dtype], args, Dim::ZERO);
            return Ok(());
        }
        let output = cx.output(0);
        let (y, y_stride) = match output.pixel_stride() {
            Some(stride) => (output.span(), stride),
            None => (cx.dense_output(0), channels),
        };
        args.extend([Arg::Write("y", y), Arg::Size(y_stride)]);
        let kernel = match (self.kind, dtype) {
            (Kind::Average { .. }, DType::F32) => "pool::average_pool_f32",
            (Kind::Average { .. }, _) => "pool::average_pool",
            (Kind::Lp { .. }, DType::F32) => "pool::lp_pool_f32",
            (Kind::Lp { .. }, _) => "pool::lp_pool",
            (_, DType::F32) => "pool::max_pool_f32",
            _ => "pool::max_pool",
        };
        let generics = if dtype == DType::F32 { Vec::new() } else { vec![dtype] };
        cx.generic_call(kernel, generics, args, Dim::ZERO);
        Ok(())
    }

    fn writes_strided(&self) -> bool {
        !matches!(self.kind, Kind::MaxWithIndices { .. })
    }
}

impl Pool {
    fn shape_argument(&self, cx: &LowerCx<'_>) -> Arg {
        let (x, y) = (&cx.input_type(0).shape, &cx.output_type(0).shape);
        let last = x.len() - 1;
        let fixed = |sizes: &[usize]| {
            Arg::Array(three_fixed(sizes, 1).into_iter().map(|s| Arg::Size(Dim::from(s))).collect())
        };
        Arg::Struct(
            "pool::PoolShape",
            vec![
                ("batch", Arg::Size(x[0].clone())),
                ("input", three(&x[1..last], &Dim::ONE)),
                ("output", three(&y[1..last], &Dim::ONE)),
                ("kernel", fixed(&self.window.kernel)),
                ("stride", fixed(&self.window.stride)),
                ("dilation", fixed(&self.window.dilation)),
                ("pad_begin", three(&self.window.begin, &Dim::ZERO)),
                ("pad_end", three(&self.window.end, &Dim::ZERO)),
                ("channels", Arg::Size(x[last].clone())),
            ],
        )
    }
}

fn build(cx: &mut NodeCx<'_>, kind: Kind) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    window::check_rank(cx, x)?;
    let spatial = cx.shape(x)[2..].to_vec();
    let window = window::read(cx, &spatial, None)?;
    let ceil = cx.attributes.bool_or("ceil_mode", false)?;
    let pixels = window::to_channels_last(cx, x)?;
    let results = cx.add_all(Pool { kind, window, ceil }, &[pixels])?;
    results.into_iter().map(|v| window::to_channels_first(cx, v)).collect()
}

fn build_max(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let column_major = cx.attributes.bool_or("storage_order", false)?;
    build(cx, if cx.output_used(1) { Kind::MaxWithIndices { column_major } } else { Kind::Max })
}

fn build_average(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let count_include_pad = cx.attributes.bool_or("count_include_pad", false)?;
    build(cx, Kind::Average { count_include_pad })
}

fn build_lp(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let p = cx.attributes.int_or("p", 2)?;
    if !(1..=i64::from(u16::MAX)).contains(&p) {
        return Err(cx.attributes.bad("p", "must be at least 1"));
    }
    build(cx, Kind::Lp { p })
}

/// The core operator: scatters elements of a channels-first tensor to flat indices of a larger one.
#[derive(Clone, Debug)]
struct Unpool {
    shape: Vec<Dim>,
}

impl Op for Unpool {
    fn name(&self) -> &'static str {
        "MaxUnpool"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        if inputs[0].ty.shape != inputs[1].ty.shape || inputs[1].ty.dtype != DType::I64 {
            let what =
                format!("indices of type {} do not fit elements of type {}", inputs[1].ty, inputs[0].ty);
            return Err(Diagnostic::new(Code::BadInput, what));
        }
        Ok(vec![TensorType::new(inputs[0].ty.dtype, self.shape.clone())])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let args = vec![
            Arg::Read("x", cx.dense(0)),
            Arg::Read("indices", cx.dense(1)),
            Arg::Write("y", cx.dense_output(0)),
        ];
        cx.fallible_call("pool::max_unpool", args);
        Ok(())
    }
}

fn build_unpool(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    window::check_rank(cx, x)?;
    let shape = cx.shape(x);
    let window = window::read(cx, &shape[2..], None)?;
    let mut inferred = shape.clone();
    for axis in 0..window.kernel.len() {
        let steps = &(&shape[axis + 2] - &Dim::ONE) * &Dim::from(window.stride[axis]);
        let full = &steps + &Dim::from(window.kernel[axis]);
        inferred[axis + 2] = &(&full - &window.begin[axis]) - &window.end[axis];
    }
    let Some(sizes) = cx.optional(2).map(|_| cx.dims_input(2, "output_shape")).transpose()? else {
        return Ok(vec![cx.add(Unpool { shape: inferred }, &[x, indices])?]);
    };
    if sizes.len() != shape.len() {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("output_shape {sizes:?} does not have {} axes", shape.len()),
        ));
    }
    // Indices count elements of the tensor that the windows span; a larger one has zeros at its ends.
    let more: Vec<Dim> = sizes.iter().zip(&inferred).map(|(s, i)| s - i).collect();
    if more.iter().any(|d| d.as_i64().is_some_and(|d| d < 0)) {
        let what = format!("output_shape {sizes:?} is smaller than {inferred:?}, which the windows span");
        return Err(Diagnostic::new(Code::BadInput, what));
    }
    let before = vec![Dim::ZERO; more.len()];
    let unpooled = cx.add(Unpool { shape: inferred }, &[x, indices])?;
    Ok(vec![cx.pad(unpooled, before, more, PadMode::Constant, None)?])
}
