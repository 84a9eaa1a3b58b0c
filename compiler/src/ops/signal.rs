//! Signals: Fourier transforms and mel filters.

#[cfg(test)]
mod tests;

use super::host::{elements, tensor, with_type};
use super::{NodeCx, OpDef, shape};
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::types::{DType, Dim, Scalar, Tensor, TensorType};
use ingrain_kernels::dft;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "DFT",
        domain: "",
        since: &[17, 20],
        doc: "The discrete Fourier transform along an axis, or its inverse.",
        build: build_dft,
    },
    OpDef {
        name: "STFT",
        domain: "",
        since: &[17],
        doc: "The discrete Fourier transform of overlapping frames of a signal.",
        build: build_stft,
    },
    OpDef {
        name: "MelWeightMatrix",
        domain: "",
        since: &[17],
        doc: "The matrix that sums frequencies to mel bands; its inputs must be constant.",
        build: build_mel,
    },
];

/// What both transforms are about.
#[derive(Clone, Debug)]
pub struct Transform {
    /// Its length: longer signals are cut, shorter ones padded with zeros.
    pub length: Dim,
    /// Whether frequencies become a signal.
    pub inverse: bool,
    /// Whether only the first half of the frequencies is there.
    pub onesided: bool,
}

impl Transform {
    /// How many elements along the axis the result has.
    fn output(&self) -> Dim {
        if self.onesided && !self.inverse {
            &self.length.div_floor(&Dim::from(2_i64)) + &Dim::ONE
        } else {
            self.length.clone()
        }
    }

    /// How many components an element of the result has.
    fn components(&self) -> usize {
        if self.onesided && self.inverse { 1 } else { 2 }
    }

    fn kernel(&self) -> Option<dft::Dft> {
        Some(dft::Dft { length: self.length.as_usize()?, inverse: self.inverse, onesided: self.onesided })
    }

    fn argument(&self) -> Arg {
        let fields = vec![
            ("length", Arg::Size(self.length.clone())),
            ("inverse", Arg::Bool(self.inverse)),
            ("onesided", Arg::Bool(self.onesided)),
        ];
        Arg::Ref(Box::new(Arg::Struct("dft::Dft", fields)))
    }

    fn scratch(&self, cx: &mut LowerCx<'_>, dtype: DType) -> Arg {
        Arg::Write("scratch", cx.scratch(dtype, &self.length * &Dim::from(6_i64)))
    }
}

/// The number of components of a signal's elements: its last extent.
fn components(ty: &TensorType) -> Result<usize, Diagnostic> {
    let last = ty.shape.last().and_then(Dim::as_usize).filter(|c| (1..=2).contains(c));
    last.filter(|_| ty.dtype.is_float()).ok_or_else(|| {
        Diagnostic::new(
            Code::BadInput,
            format!(
                "{ty} is not a signal: its last axis must hold 1 real or 2 complex floating-point components"
            ),
        )
    })
}

/// The core operator: a transform along one axis of `[…, axis, …, components]`.
#[derive(Clone, Debug)]
pub struct Dft {
    /// The axis.
    pub axis: usize,
    /// The transform.
    pub transform: Transform,
}

impl Dft {
    fn output_shape(&self, ty: &TensorType) -> Vec<Dim> {
        let mut shape = ty.shape.clone();
        shape[self.axis] = self.transform.output();
        let last = shape.len() - 1;
        shape[last] = Dim::from(self.transform.components());
        shape
    }
}

impl Op for Dft {
    fn name(&self) -> &'static str {
        "DFT"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        components(ty)?;
        if self.axis + 1 >= ty.rank() {
            return Err(Diagnostic::new(
                Code::BadAttribute,
                format!("axis {} of {ty} holds components and not a signal", self.axis),
            ));
        }
        if self.transform.length.as_i64().is_some_and(|n| n < 1) {
            let message = format!("a transform of length {}", self.transform.length);
            return Err(Diagnostic::new(Code::BadInput, message));
        }
        Ok(vec![TensorType::new(ty.dtype, self.output_shape(ty))])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let x = &inputs[0];
        let kind = self.transform.kernel()?;
        let shape: Vec<usize> =
            self.output_shape(&x.ty()).iter().map(Dim::as_usize).collect::<Option<_>>()?;
        let (last, between) = x.shape()[self.axis + 1..].split_last()?;
        let (outer, inner) = (x.shape()[..self.axis].iter().product(), between.iter().product());
        let mut scratch = vec![0.0; kind.scratch()];
        let n = x.shape()[self.axis];
        with_type!(x.dtype(), T => {
            let mut y = vec![T::default(); shape.iter().product()];
            dft::dft(&kind, outer, n, inner, *last, &elements::<T>(x), &mut y, &mut scratch);
            Some(vec![tensor(x.dtype(), shape, &y)?])
        })
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let last = shape.len() - 1;
        let args = vec![
            self.transform.argument(),
            Arg::Size(Dim::product(&shape[..self.axis])),
            Arg::Size(shape[self.axis].clone()),
            Arg::Size(Dim::product(&shape[self.axis + 1..last])),
            Arg::Size(shape[last].clone()),
            Arg::Read("x", cx.dense(0)),
            Arg::Write("y", cx.dense_output(0)),
            self.transform.scratch(cx, DType::F64),
        ];
        cx.call("dft::dft", args, Dim::ZERO);
        Ok(())
    }
}

/// The core operator: transforms of frames of a signal `[batch, n, components]`, each multiplied by input 1.
#[derive(Clone, Debug)]
pub struct Stft {
    /// Samples between the starts of frames.
    pub step: Dim,
    /// The transform of a frame.
    pub transform: Transform,
}

impl Stft {
    fn frames(&self, samples: &Dim) -> Dim {
        &(samples - &self.transform.length).div_floor(&self.step) + &Dim::ONE
    }
}

impl Op for Stft {
    fn name(&self) -> &'static str {
        "STFT"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (x, window) = (inputs[0].ty, inputs[1].ty);
        let length = &self.transform.length;
        let signal = components(x)?;
        let fault = |message: String| Err(Diagnostic::new(Code::BadInput, message));
        if x.rank() != 3 || x.dtype != DType::F32 {
            return fault(format!("{x} is not an f32 signal [batch, samples, components]"));
        }
        if self.transform.onesided && signal == 2 {
            return fault(format!("{x} is complex, which `onesided` cannot show"));
        }
        if self.step.as_i64().is_some_and(|s| s < 1) || length.as_i64().is_some_and(|n| n < 1) {
            return fault(format!("frames of {length} samples, {} apart", self.step));
        }
        if (&x.shape[1] - length).as_i64().is_some_and(|more| more < 0) {
            return fault(format!("{x} is shorter than a frame of {length} samples"));
        }
        if window.dtype != DType::F32 || window.shape != [length.clone()] {
            return fault(format!("{window} is not a window for frames of {length} samples"));
        }
        let frames = self.frames(&x.shape[1]);
        let shape = vec![x.shape[0].clone(), frames, self.transform.output(), Dim::from(2_i64)];
        Ok(vec![TensorType::new(DType::F32, shape)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let x = &inputs[0];
        let &[batch, n, components] = x.shape() else { return None };
        let kind = self.transform.kernel()?;
        let frames = self.frames(&Dim::from(n)).as_usize()?;
        let mut y = vec![0.0; batch * frames * kind.output() * 2];
        let mut scratch = vec![0.0; kind.scratch()];
        let (items, window) = (elements(x), elements(&inputs[1]));
        let step = self.step.as_usize()?;
        dft::stft(&kind, batch, n, components, frames, step, &items, &window, &mut y, &mut scratch);
        Some(vec![tensor(DType::F32, vec![batch, frames, kind.output(), 2], &y)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let args = vec![
            self.transform.argument(),
            Arg::Size(shape[0].clone()),
            Arg::Size(shape[1].clone()),
            Arg::Size(shape[2].clone()),
            Arg::Size(self.frames(&shape[1])),
            Arg::Size(self.step.clone()),
            Arg::Read("x", cx.dense(0)),
            Arg::Read("window", cx.dense(1)),
            Arg::Write("y", cx.dense_output(0)),
            self.transform.scratch(cx, DType::F32),
        ];
        cx.call("dft::stft", args, Dim::ZERO);
        Ok(())
    }
}

/// The one integer of input `i`; `None` if it is left out.
fn one_dim(cx: &NodeCx<'_>, i: usize, what: &str) -> Result<Option<Dim>, Diagnostic> {
    if cx.optional(i).is_none() {
        return Ok(None);
    }
    match <[Dim; 1]>::try_from(cx.dims_input(i, what)?) {
        Ok([dim]) => Ok(Some(dim)),
        Err(list) => {
            Err(Diagnostic::new(Code::BadInput, format!("`{what}` has {} elements and not one", list.len())))
        }
    }
}

/// DFT: the axis is an attribute before opset 20, an input since.
fn build_dft(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let given = if cx.opset < 20 {
        cx.attributes.int_or("axis", 1)?
    } else {
        let list = cx.ints_input(2, "axis")?;
        list.and_then(|l| l.first().copied()).unwrap_or(-2)
    };
    let axis = shape::axis(given, rank)?;
    let inverse = cx.attributes.bool_or("inverse", false)?;
    let onesided = cx.attributes.bool_or("onesided", false)?;
    let extent = cx.shape(x)[axis].clone();
    let length = match one_dim(cx, 1, "dft_length")? {
        Some(length) => length,
        None if inverse && onesided => &(&extent - &Dim::ONE) * &Dim::from(2_i64),
        None => extent,
    };
    Ok(vec![cx.add(Dft { axis, transform: Transform { length, inverse, onesided } }, &[x])?])
}

/// STFT.
fn build_stft(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let step = one_dim(cx, 1, "frame_step")?;
    let step = step.ok_or_else(|| Diagnostic::new(Code::BadModel, "STFT needs a frame_step"))?;
    let window = cx.optional(2);
    let length = match (one_dim(cx, 3, "frame_length")?, window) {
        (Some(length), _) => length,
        (None, Some(window)) => cx.ty(window).elements(),
        (None, None) => {
            return Err(Diagnostic::new(Code::BadModel, "STFT needs a window or a frame_length"));
        }
    };
    let dtype = cx.dtype(x);
    let x = cx.cast(x, DType::F32)?;
    // A signal without components is a real one.
    let x = if cx.rank(x) == 2 {
        let shape = [cx.shape(x), vec![Dim::ONE]].concat();
        cx.reshape(x, shape)?
    } else {
        x
    };
    let window = match window {
        Some(window) => cx.cast(window, DType::F32)?,
        None => {
            let one = cx.scalar(DType::F32, 1.0);
            cx.expand(one, vec![length.clone()])?
        }
    };
    let onesided = cx.attributes.bool_or("onesided", true)?;
    let transform = Transform { length, inverse: false, onesided };
    let y = cx.add(Stft { step, transform }, &[x, window])?;
    Ok(vec![cx.cast(y, dtype)?])
}

/// MelWeightMatrix: triangular filters whose corners are evenly spaced on the mel scale.
fn build_mel(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    const NAMES: [&str; 5] =
        ["num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz", "upper_edge_hertz"];
    let mut values = [0.0; 5];
    for (i, name) in NAMES.into_iter().enumerate() {
        let tensor = cx.constant_input(i, name)?;
        let Some(value) = tensor.scalars().next().filter(|_| tensor.len() == 1) else {
            let message = format!("`{name}` has {} elements and not one", tensor.len());
            return Err(Diagnostic::new(Code::BadInput, message));
        };
        values[i] = value.as_f64();
    }
    let code = cx.attributes.int_or("output_datatype", 1)?;
    let dtype = i32::try_from(code).ok().and_then(DType::from_onnx).filter(|d| *d != DType::Bool);
    let Some(dtype) = dtype else {
        return Err(cx.attributes.bad("output_datatype", &format!("is {code}, which is not a number type")));
    };
    // The matrix is made on the host; far more than any spectrogram has must not exhaust memory.
    const LIMIT: f64 = 65536.0;
    let [bands, length, rate, low, high] = values;
    let sensible = 1.0..=LIMIT;
    if !(sensible.contains(&bands) && sensible.contains(&length) && rate > 0.0) {
        let message = format!("{bands} mel bands of {length} samples at a rate of {rate}");
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    let weights = mel_weights(bands as usize, length as usize, rate, low, high);
    let shape = vec![length as usize / 2 + 1, bands as usize];
    let scalars = weights.into_iter().map(|w| Scalar::Float(DType::F64, w));
    Ok(vec![cx.tensor(Tensor::from_scalars(dtype, shape, scalars))])
}

/// The weights, frequency by frequency.
fn mel_weights(bands: usize, length: usize, rate: f64, low: f64, high: f64) -> Vec<f64> {
    let frequencies = length / 2 + 1;
    let to_mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let step = (to_mel(high) - to_mel(low)) / (bands + 2) as f64;
    let corner = |i: usize| {
        let mel = i as f64 * step + to_mel(low);
        let hertz = 700.0 * (10_f64.powf(mel / 2595.0) - 1.0);
        ((length + 1) as f64 * hertz / rate).floor() as i64
    };
    let mut weights = vec![0.0; frequencies * bands];
    let mut set = |frequency: i64, band: usize, weight: f64| {
        if let Some(row) = usize::try_from(frequency).ok().filter(|&f| f < frequencies) {
            weights[row * bands + band] = weight;
        }
    };
    let last = frequencies as i64;
    for band in 0..bands {
        let (from, center, to) = (corner(band), corner(band + 1), corner(band + 2));
        if center == from {
            set(center, band, 1.0);
        }
        for at in from.max(0)..(center + 1).min(last) {
            if center > from {
                set(at, band, (at - from) as f64 / (center - from) as f64);
            }
        }
        for at in center.max(0)..to.min(last) {
            set(at, band, (to - at) as f64 / (to - center) as f64);
        }
    }
    weights
}
