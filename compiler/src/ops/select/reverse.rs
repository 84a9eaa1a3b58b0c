//! ReverseSequence.

use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::ops::host::with_size;
use crate::types::{DType, Dim, Tensor, TensorType};
use ingrain_kernels::select;

/// The core operator: input 1 holds, for each sequence of input 0, how many of its first elements are reversed.
#[derive(Clone, Debug)]
pub struct ReverseSequence {
    /// Whether axis 0 is the time and axis 1 the batch, and not the other way round.
    pub time_first: bool,
}

impl ReverseSequence {
    /// The axes of batch and time.
    fn axes(&self) -> (usize, usize) {
        if self.time_first { (1, 0) } else { (0, 1) }
    }
}

impl Op for ReverseSequence {
    fn name(&self) -> &'static str {
        "ReverseSequence"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (x, lengths) = (inputs[0].ty, inputs[1].ty);
        let (batch, _) = self.axes();
        let fits = x.rank() >= 2 && lengths.dtype == DType::I64 && lengths.shape == x.shape[batch..=batch];
        if fits {
            return Ok(vec![x.clone()]);
        }
        Err(Diagnostic::new(
            Code::BadInput,
            format!("{lengths} is not one i64 length for each sequence of {x} (axis {batch})"),
        ))
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (x, lengths) = (&inputs[0], inputs[1].to_i64s());
        let (batch, time) = self.axes();
        let (batch, time) = (x.shape()[batch], x.shape()[time]);
        let inner = x.shape()[2..].iter().product();
        let data = with_size!(x.dtype().size(), N => {
            let mut y = vec![[0_u8; N]; x.len()];
            let items = x.bytes().as_chunks().0;
            select::reverse_sequence(self.time_first, batch, time, inner, &lengths, items, &mut y).ok()?;
            y.into_flattened()
        });
        Some(vec![Tensor::new(x.dtype(), x.shape().to_vec(), data.into())?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let (batch, time) = self.axes();
        let args = vec![
            Arg::Bool(self.time_first),
            Arg::Size(shape[batch].clone()),
            Arg::Size(shape[time].clone()),
            Arg::Size(Dim::product(&shape[2..])),
            Arg::Read("lengths", cx.dense(1)),
            Arg::Read("x", cx.dense(0)),
            Arg::Write("y", cx.dense_output(0)),
        ];
        cx.fallible_call("select::reverse_sequence", args);
        Ok(())
    }
}

/// ReverseSequence.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, lengths) = (cx.input(0)?, cx.input(1)?);
    let batch = cx.attributes.int_or("batch_axis", 1)?;
    let time = cx.attributes.int_or("time_axis", 0)?;
    if [batch, time] != [0, 1] && [batch, time] != [1, 0] {
        return Err(cx
            .unsupported(format!("batch_axis {batch} and time_axis {time} of ReverseSequence"))
            .help("one of them must be 0 and the other 1"));
    }
    Ok(vec![cx.add(ReverseSequence { time_first: time == 0 }, &[x, lengths])?])
}
