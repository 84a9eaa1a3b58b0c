//! Restate: a value under extents that are other expressions of the same numbers.
//!
//! Where a model joins or adds tensors of extents such as `h` and `2*floor(h/2)`, they must be equal whenever the model
//! runs, although no algebra shows it. The program checks that before its first step, and everything after the Restate
//! sees one expression.

use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Requirement, Value};
use crate::lower::{LowerCx, View};
use crate::ops::NodeCx;
use crate::types::{Dim, Shape, Tensor, TensorType};

/// The core operator. A view.
#[derive(Clone, Debug)]
pub struct Restate {
    /// The extents as they are to be written.
    pub shape: Shape,
}

impl Op for Restate {
    fn name(&self) -> &'static str {
        "Restate"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let ty = inputs[0].ty;
        let differ = |(a, b): (&Dim, &Dim)| (a - b).as_i64().is_some_and(|d| d != 0);
        if ty.rank() != self.shape.len() || ty.shape.iter().zip(&self.shape).any(differ) {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("{ty} does not have extents {:?}", self.shape),
            ));
        }
        Ok(vec![TensorType::new(ty.dtype, self.shape.clone())])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let same = inputs[0].ty().shape == self.shape;
        same.then(|| vec![inputs[0].clone()])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let view = View { shape: self.shape.clone(), ..cx.input(0) };
        cx.alias(0, view);
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        Some(Box::new(Restate { shape: perm.iter().map(|&a| self.shape[a].clone()).collect() }))
    }
}

impl NodeCx<'_> {
    /// A value under extents that must be equal to its own; where that cannot be shown, the program checks it.
    ///
    /// # Errors
    /// If an extent can be shown to differ whatever the symbols are.
    pub fn restate(&mut self, value: Value, shape: &[Dim]) -> Result<Value, Diagnostic> {
        let own = self.shape(value);
        if own == shape {
            return Ok(value);
        }
        for (axis, (have, want)) in own.iter().zip(shape).enumerate().filter(|(_, (a, b))| a != b) {
            let range = (have - want).range(&self.graph.symbols);
            if range.is_some_and(|r| r.lo > 0 || r.hi < 0) {
                return Err(Diagnostic::new(
                    Code::BadInput,
                    format!("axis {axis} of {} is never {want}", self.ty(value)),
                ));
            }
            if !self.graph.requirements.iter().any(|r| r.have == *have && r.want == *want) {
                let what = format!("{} \"{}\", axis {axis} (`{have}`)", self.origin.op, self.origin.name);
                self.graph.requirements.push(Requirement { have: have.clone(), want: want.clone(), what });
            }
        }
        self.add(Restate { shape: shape.to_vec() }, &[value])
    }

    /// Requires an axis to have so many elements; where that is not known, the program checks it.
    pub fn require_room(&mut self, needed: &Dim, extent: &Dim, what: &str) {
        if (extent - needed).range(&self.graph.symbols).is_some_and(|r| r.lo >= 0) {
            return;
        }
        let (have, want) = (needed.maximum(extent), extent.clone());
        if !self.graph.requirements.iter().any(|r| r.have == have && r.want == want) {
            let what =
                format!("{} \"{}\", {what} (`{needed}` of `{extent}`)", self.origin.op, self.origin.name);
            self.graph.requirements.push(Requirement { have, want, what });
        }
    }
}
