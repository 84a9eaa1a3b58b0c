//! Shapes as values.

use super::Built;
use crate::diag::{Diagnostic, Reported};
use crate::ir::{Fact, Op};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::types::{DType, Dim, Tensor, TensorType};

/// The core operator: 64-bit integers that are expressions of symbols.
///
/// It reads nothing. If no dimension is symbolic it becomes a constant at once.
#[derive(Clone, Debug)]
pub struct Dims {
    /// The elements.
    pub dims: Vec<Dim>,
    /// Whether the result has one axis; otherwise it has none and there is one element.
    pub list: bool,
}

impl Op for Dims {
    fn name(&self) -> &'static str {
        "Dims"
    }

    fn infer(&self, _inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let shape = if self.list { vec![Dim::from(self.dims.len())] } else { Vec::new() };
        Ok(vec![TensorType::new(DType::I64, shape)])
    }

    fn content(&self, _inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        Some(self.dims.clone())
    }

    fn eval(&self, _inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let values: Vec<i64> = self.dims.iter().map(Dim::as_i64).collect::<Option<_>>()?;
        let tensor = Tensor::from_i64s(&values);
        let shape = if self.list { vec![values.len()] } else { Vec::new() };
        Some(vec![tensor.reshaped(shape)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let output = cx.dense_output(0);
        let dims = self.dims.iter().map(|d| Arg::Signed(d.clone())).collect();
        let args = vec![Arg::Ref(Box::new(Arg::Array(dims))), Arg::Write("y", output)];
        cx.call("movement::write_sizes", args, Dim::ZERO);
        Ok(())
    }
}

/// Shape: axes `start..end`, each counted from the back if negative, and clamped.
pub(super) fn shape(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let rank = cx.rank(x) as i64;
    let clamp = |axis: i64| (if axis < 0 { axis.saturating_add(rank) } else { axis }).clamp(0, rank) as usize;
    let start = clamp(cx.attributes.int_or("start", 0)?);
    let end = clamp(cx.attributes.int_or("end", rank)?);
    let dims = cx.shape(x).get(start..end).map(<[Dim]>::to_vec).unwrap_or_default();
    Ok(vec![cx.add(Dims { dims, list: true }, &[])?])
}

/// Size: the product of all extents.
pub(super) fn size(cx: &mut NodeCx<'_>) -> Built {
    let elements = cx.ty(cx.input(0)?).elements();
    Ok(vec![cx.add(Dims { dims: vec![elements], list: false }, &[])?])
}
