//! LRN <https://onnx.ai/onnx/operators/onnx__LRN.html>: each element divided by a power of the squares of the channels
//! around it. Channels last, as convolutions are.

use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::ops::conv::window;
use crate::types::{DType, Dim, TensorType};

/// The core operator, over `[…, C]`.
#[derive(Clone, Debug)]
struct Lrn {
    size: usize,
    alpha: f64,
    beta: f64,
    bias: f64,
}

impl Op for Lrn {
    fn name(&self) -> &'static str {
        "LRN"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        if inputs[0].ty.dtype != DType::F32 {
            let what = format!("LRN over element type {}; f32 is supported", inputs[0].ty.dtype);
            return Err(Diagnostic::new(Code::UnsupportedType, what));
        }
        Ok(vec![inputs[0].ty.clone()])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let channels = shape[shape.len() - 1].clone();
        let pixels = Dim::product(&shape[..shape.len() - 1]);
        let float = |v: f64| Arg::Float(DType::F32, v);
        let lrn = Arg::Struct(
            "lrn::Lrn",
            vec![
                ("size", Arg::Size(Dim::from(self.size))),
                ("alpha", float(self.alpha)),
                ("beta", float(self.beta)),
                ("bias", float(self.bias)),
            ],
        );
        let args = vec![
            Arg::Ref(Box::new(lrn)),
            Arg::Size(pixels),
            Arg::Size(channels.clone()),
            Arg::Read("x", cx.dense(0)),
            Arg::Size(channels.clone()),
            Arg::Write("y", cx.dense_output(0)),
            Arg::Size(channels),
        ];
        cx.call("lrn::lrn", args, Dim::ZERO);
        Ok(())
    }
}

/// The recipe.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let alpha = f64::from(cx.attributes.float_or("alpha", 0.0001)?);
    let beta = f64::from(cx.attributes.float_or("beta", 0.75)?);
    let bias = f64::from(cx.attributes.float_or("bias", 1.0)?);
    let size = cx.attributes.int("size")?;
    let size = cx.attributes.required("size", size)?;
    let size = usize::try_from(size).ok().filter(|s| *s > 0 && *s <= i32::MAX as usize);
    let size = size.ok_or_else(|| cx.attributes.bad("size", "must be positive"))?;
    if cx.rank(x) < 2 {
        return Err(Diagnostic::new(Code::BadInput, format!("{} has no channels", cx.ty(x))));
    }
    let pixels = window::to_channels_last(cx, x)?;
    let y = cx.add(Lrn { size, alpha, beta, bias }, &[pixels])?;
    Ok(vec![window::to_channels_first(cx, y)?])
}
