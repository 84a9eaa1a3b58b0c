//! Refuse: a branch that cannot run with the sizes that the program is compiled for.

use crate::diag::{Diagnostic, Reported};
use crate::ir::{Fact, Op};
use crate::lower::LowerCx;
use crate::types::TensorType;

/// The core operator: the run ends with an error unless the condition, which is also its result, is as expected.
#[derive(Clone, Debug)]
pub(super) struct Refuse {
    /// What the condition must be.
    pub expected: bool,
}

impl Op for Refuse {
    fn name(&self) -> &'static str {
        "Refuse"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        Ok(vec![inputs[0].ty.clone()])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let view = cx.dense_input_view(0);
        if let Some(place) = view.place() {
            cx.check(
                place,
                self.expected,
                "this branch does not fit the sizes that the model was compiled for",
            );
        }
        cx.alias(0, view);
        Ok(())
    }

    fn has_effect(&self) -> bool {
        true
    }
}
