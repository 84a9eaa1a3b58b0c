//! LRN, channels-last.

use super::{Built, channels_of};
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::ops::conv::window::{to_channels_first, to_channels_last};
use crate::ops::elements::Elements::Floats;
use crate::ops::host;
use crate::types::{DType, Dim, Tensor, TensorType};
use ingrain_kernels::lrn;

/// The core operator: local response normalisation of f32 along the last axis.
#[derive(Clone, Debug)]
pub(super) struct Lrn {
    /// How many neighbours are summed, the element itself among them.
    size: usize,
    /// The factor of the mean square.
    alpha: f32,
    /// The exponent.
    beta: f32,
    /// What is added to the mean square.
    bias: f32,
}

impl Op for Lrn {
    fn name(&self) -> &'static str {
        "LRN"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        Ok(vec![inputs[0].ty.clone()])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let shape = inputs[0].shape();
        let channels = *shape.last()?;
        let x = host::elements::<f32>(&inputs[0]);
        let mut y = vec![0.0; x.len()];
        let Lrn { size, alpha, beta, bias } = *self;
        let pixels = shape[..shape.len() - 1].iter().product();
        lrn::lrn(&lrn::Lrn { size, alpha, beta, bias }, pixels, channels, &x, channels, &mut y, channels);
        Some(vec![host::tensor(DType::F32, shape.to_vec(), &y)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = cx.input_type(0).shape.clone();
        let (pixels, channels) = (Dim::product(&shape[..shape.len() - 1]), shape[shape.len() - 1].clone());
        let view = cx.input(0);
        let (x, x_stride) = match view.pixel_stride() {
            Some(stride) => (view.span(), stride),
            None => (cx.dense(0), channels.clone()),
        };
        let output = cx.output(0);
        let (y, y_stride) = match output.pixel_stride() {
            Some(stride) => (output.span(), stride),
            None => (cx.dense_output(0), channels.clone()),
        };
        let float = |v: f32| Arg::Float(DType::F32, f64::from(v));
        let attributes = Arg::Struct(
            "lrn::Lrn",
            vec![
                ("size", Arg::Size(Dim::from(self.size))),
                ("alpha", float(self.alpha)),
                ("beta", float(self.beta)),
                ("bias", float(self.bias)),
            ],
        );
        let args = vec![
            Arg::Ref(Box::new(attributes)),
            Arg::Size(pixels),
            Arg::Size(channels),
            Arg::Read("x", x),
            Arg::Size(x_stride),
            Arg::Write("y", y),
            Arg::Size(y_stride),
        ];
        cx.call("lrn::lrn", args, Dim::ZERO);
        Ok(())
    }

    fn writes_strided(&self) -> bool {
        true
    }
}

/// LRN over the second axis.
pub(super) fn lrn(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let dtype = cx.one_of(x, Floats)?;
    channels_of(cx, x, 2)?;
    let size = cx.attributes.int("size")?;
    let size = cx.attributes.required("size", size)?;
    let size = usize::try_from(size).ok().filter(|&s| s > 0).ok_or_else(|| {
        Diagnostic::new(Code::BadAttribute, format!("the attribute \"size\" is {size} and not positive"))
    })?;
    let alpha = cx.attributes.float_or("alpha", 1e-4)?;
    let beta = cx.attributes.float_or("beta", 0.75)?;
    let bias = cx.attributes.float_or("bias", 1.0)?;
    let x = cx.cast(x, DType::F32)?;
    let x = to_channels_last(cx, x)?;
    let y = cx.add(Lrn { size, alpha, beta, bias }, &[x])?;
    let y = to_channels_first(cx, y)?;
    Ok(vec![cx.cast(y, dtype)?])
}
