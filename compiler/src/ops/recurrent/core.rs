//! The core operator: from the gates' sums over the input to the states of all steps.

use super::activation;
use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Reading};
use crate::lir::{Arg, Packing, Place};
use crate::lower::LowerCx;
use crate::ops::host::{Stored, elements, tensor};
use crate::ops::map::packed_weights;
use crate::types::{DType, Dim, Tensor, TensorType};
use ingrain_kernels::math::Float;
use ingrain_kernels::recurrent::{
    Activation, Direction, Kind, Layer, Operands, recurrent_reference, scratch,
};

/// Which of the optional inputs there are. They follow the first two in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `[d, h]`: the bias of the state for the last gate of a GRU that resets after the product.
    pub hidden_bias: bool,
    /// `[d, 3 * h]`.
    pub peepholes: bool,
    /// `[batch]` of i32.
    pub lengths: bool,
    /// `[d, batch, h]`.
    pub initial_h: bool,
    /// `[d, batch, h]`.
    pub initial_c: bool,
}

/// The core operator: `d` directions of a layer with `g` gates and `h` elements of state.
///
/// Inputs are the gates' sums over the input and the bias, `[time, batch, d * g * h]`, and the recurrence matrices
/// `[d, g * h, h]`, then those that are [`Given`]. Results are those of `[time, batch, d, h]`, `[d, batch, h]` and
/// `[d, batch, h]` that are wanted: all states, the last state, the last cell.
#[derive(Clone, Debug)]
pub struct Recurrent {
    /// What a step computes.
    pub kind: Kind,
    /// Which way it runs.
    pub direction: Direction,
    /// The activations of each direction.
    pub activations: Vec<Activation>,
    /// Limit of the gates' sums before their activations; infinite if there is none.
    pub clip: f32,
    /// Whether `batch` comes before `time`.
    pub batch_first: bool,
    /// Elements of state.
    pub hidden: usize,
    /// Which optional inputs there are.
    pub given: Given,
    /// Which results there are.
    pub wanted: [bool; 3],
}

impl Recurrent {
    /// The positions of the optional inputs.
    fn positions(&self) -> [Option<usize>; 5] {
        let Given { hidden_bias, peepholes, lengths, initial_h, initial_c } = self.given;
        let mut next = 2;
        [hidden_bias, peepholes, lengths, initial_h, initial_c].map(|given| {
            next += usize::from(given);
            given.then(|| next - 1)
        })
    }

    /// The position of each result.
    fn results(&self) -> [Option<usize>; 3] {
        let mut next = 0;
        self.wanted.map(|wanted| {
            next += usize::from(wanted);
            wanted.then(|| next - 1)
        })
    }

    /// Steps and entries.
    fn time_and_batch<'a>(&self, gates: &'a TensorType) -> (&'a Dim, &'a Dim) {
        if self.batch_first { (&gates.shape[1], &gates.shape[0]) } else { (&gates.shape[0], &gates.shape[1]) }
    }

    fn run<T: Stored + Float>(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let lists: Vec<Option<Vec<T>>> =
            inputs.iter().map(|t| t.dtype().is_float().then(|| elements::<T>(t))).collect();
        let optional = self.positions();
        let floats = |at: usize| optional[at].and_then(|i| lists[i].as_deref());
        let lengths: Option<Vec<i32>> = optional[2].map(|i| elements(&inputs[i]));
        let ty = inputs[0].ty();
        let (time, batch) = self.time_and_batch(&ty);
        let (time, batch) = (time.as_usize()?, batch.as_usize()?);
        if lengths.iter().flatten().any(|&len| usize::try_from(len).map_or(true, |len| len > time)) {
            return None;
        }
        let directions = self.direction.count();
        let mut leading = inputs[0].shape()[..2].to_vec();
        leading.extend([directions, self.hidden]);
        let shapes = [leading, vec![directions, batch, self.hidden], vec![directions, batch, self.hidden]];
        let mut results = shapes.each_ref().map(|s| vec![T::ZERO; s.iter().product()]);
        let [y, last_h, last_c] = &mut results;
        let layer = Layer {
            kind: self.kind,
            direction: self.direction,
            activations: &self.activations,
            clip: self.clip,
            time,
            batch,
            hidden: self.hidden,
            batch_first: self.batch_first,
        };
        let operands = Operands {
            gates: lists[0].as_deref()?,
            recurrence: lists[1].as_deref()?,
            hidden_bias: floats(0),
            peepholes: floats(1),
            initial_h: floats(3),
            initial_c: floats(4),
            y: Some(y),
            last_h: Some(last_h),
            last_c: self.wanted[2].then_some(last_c),
            scratch: &mut vec![T::ZERO; batch * scratch(self.kind, self.hidden)],
        };
        recurrent_reference(&layer, lengths.as_deref(), operands);
        let all = shapes.into_iter().zip(&results).zip(self.wanted).filter(|(_, wanted)| *wanted);
        all.map(|((shape, list), _)| tensor(inputs[0].dtype(), shape, list)).collect()
    }
}

impl Op for Recurrent {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Lstm { .. } => "LSTM",
            Kind::Gru { .. } => "GRU",
            Kind::Rnn => "RNN",
        }
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (gates, recurrence) = (inputs[0].ty, inputs[1].ty);
        let (directions, hidden) = (Dim::from(self.direction.count()), Dim::from(self.hidden));
        let rows = Dim::from(self.kind.gates().saturating_mul(self.hidden));
        let fits = gates.rank() == 3
            && gates.shape[2] == &directions * &rows
            && recurrence.shape == [directions.clone(), rows, hidden.clone()]
            && gates.dtype == recurrence.dtype;
        if !fits {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!(
                    "gates {gates} and recurrence matrices {recurrence} do not fit {directions} directions of {hidden} elements"
                ),
            ));
        }
        let (_, batch) = self.time_and_batch(gates);
        let state = vec![directions.clone(), batch.clone(), hidden.clone()];
        let shapes = [
            vec![directions.clone(), hidden.clone()],
            vec![directions.clone(), &Dim::from(3_usize) * &hidden],
            vec![batch.clone()],
            state.clone(),
            state.clone(),
        ];
        for (which, shape) in self.positions().into_iter().zip(shapes) {
            let Some(input) = which.map(|i| inputs[i].ty) else { continue };
            if input.shape != shape {
                return Err(Diagnostic::new(Code::BadInput, format!("{input} is not of shape {shape:?}")));
            }
        }
        let all = vec![gates.shape[0].clone(), gates.shape[1].clone(), directions, hidden];
        let wanted = [all, state.clone(), state].into_iter().zip(self.wanted).filter(|(_, wanted)| *wanted);
        Ok(wanted.map(|(shape, _)| TensorType::new(gates.dtype, shape)).collect())
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        match inputs[0].dtype() {
            DType::F32 => self.run::<f32>(inputs),
            DType::F64 => self.run::<f64>(inputs),
            _ => None,
        }
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let dtype = cx.output_type(0).dtype;
        let (time, batch) = self.time_and_batch(cx.input_type(0));
        let (time, batch) = (time.clone(), batch.clone());
        let optional = self.positions();
        let read = |cx: &mut LowerCx<'_>, which: usize, name: &'static str| match optional[which] {
            Some(i) => Arg::Some(Box::new(Arg::Read(name, cx.dense(i)))),
            None => Arg::None,
        };
        let gates = Arg::Read("gates", cx.dense(0));
        let recurrence = Arg::Read("recurrence", self.recurrence(cx, dtype));
        let hidden_bias = read(cx, 0, "hidden_bias");
        let peepholes = read(cx, 1, "peepholes");
        let initial_h = read(cx, 3, "initial_h");
        let initial_c = read(cx, 4, "initial_c");
        let lengths = optional[2].map(|i| Arg::Read("lengths", cx.dense(i)));
        let scratch = cx.scratch(dtype, &batch * &Dim::from(scratch(self.kind, self.hidden)));
        let mut write = |which: usize, name: &'static str| match self.results()[which] {
            Some(i) => Arg::Some(Box::new(Arg::Write(name, cx.dense_output(i)))),
            None => Arg::None,
        };
        let operands = Arg::Struct(
            "recurrent::Operands",
            vec![
                ("gates", gates),
                ("recurrence", recurrence),
                ("hidden_bias", hidden_bias),
                ("peepholes", peepholes),
                ("initial_h", initial_h),
                ("initial_c", initial_c),
                ("y", write(0, "y")),
                ("last_h", write(1, "last_h")),
                ("last_c", write(2, "last_c")),
                ("scratch", Arg::Write("scratch", scratch)),
            ],
        );
        let layer = Arg::Ref(Box::new(self.layer(&time, &batch)));
        let wide = dtype == DType::F64;
        if let Some(lengths) = lengths {
            let kernel =
                if wide { "recurrent::recurrent_lengths_f64" } else { "recurrent::recurrent_lengths_f32" };
            cx.fallible_call(kernel, vec![layer, lengths, operands]);
            return Ok(());
        }
        let matrices = Dim::from(self.direction.count() * self.kind.gates() * self.hidden * self.hidden);
        let kernel = if wide { "recurrent::recurrent_f64" } else { "recurrent::recurrent_f32" };
        cx.call(kernel, vec![layer, operands], &(&time * &batch) * &matrices);
        Ok(())
    }

    fn reading(&self, i: usize, inputs: &[&TensorType]) -> Reading {
        if i == 1 && inputs[1].dtype == DType::F32 { Reading::Packed(self.packing()) } else { Reading::Plain }
    }
}

impl Recurrent {
    /// The layout of the recurrence matrices.
    fn packing(&self) -> Packing {
        let batch = self.direction.count() * self.kind.gates();
        Packing::Panels { batch, k: self.hidden, n: self.hidden, transposed: true }
    }

    /// The recurrence matrices as the kernel reads them.
    fn recurrence(&self, cx: &mut LowerCx<'_>, dtype: DType) -> Place {
        if dtype != DType::F32 {
            return cx.dense(1);
        }
        let count = self.direction.count() * self.kind.gates();
        if let Some(weights) = packed_weights(cx, 1, self.packing()) {
            return weights;
        }
        let from = cx.dense(1);
        let to = cx.scratch(dtype, from.len.clone());
        let args = vec![
            Arg::Size(Dim::from(count)),
            Arg::Size(Dim::from(self.hidden)),
            Arg::Read("transposes", from),
            Arg::Write("panels", to.clone()),
        ];
        cx.call("recurrent::pack_at_run_time", args, Dim::ZERO);
        to
    }

    fn layer(&self, time: &Dim, batch: &Dim) -> Arg {
        let kind = match self.kind {
            Kind::Lstm { input_forget } => {
                Arg::Struct("recurrent::Kind::Lstm", vec![("input_forget", Arg::Bool(input_forget))])
            }
            Kind::Gru { linear_before_reset } => {
                let after = Arg::Bool(linear_before_reset);
                Arg::Struct("recurrent::Kind::Gru", vec![("linear_before_reset", after)])
            }
            Kind::Rnn => Arg::Path("recurrent::Kind::Rnn"),
        };
        let direction = Arg::Path(match self.direction {
            Direction::Forward => "recurrent::Direction::Forward",
            Direction::Reverse => "recurrent::Direction::Reverse",
            Direction::Bidirectional => "recurrent::Direction::Bidirectional",
        });
        let activations = self.activations.iter().map(|&a| activation::argument(a)).collect();
        Arg::Struct(
            "recurrent::Layer",
            vec![
                ("kind", kind),
                ("direction", direction),
                ("activations", Arg::Ref(Box::new(Arg::Array(activations)))),
                ("clip", Arg::Float(DType::F32, f64::from(self.clip))),
                ("time", Arg::Size(time.clone())),
                ("batch", Arg::Size(batch.clone())),
                ("hidden", Arg::Size(Dim::from(self.hidden))),
                ("batch_first", Arg::Bool(self.batch_first)),
            ],
        )
    }
}
