//! Steps that compute integers from nothing but sizes: what is left of shape computations.

use super::{BufferId, Class, Program, Step, Touch};
use std::collections::BTreeSet;

impl Program {
    /// How many steps write integers or truth values that are known as soon as the sizes are.
    ///
    /// Constants and the results of other such steps are all that they read. Bodies of loops do not count: what they
    /// compute depends on the iteration.
    pub fn size_steps(&self) -> usize {
        let mut known = BTreeSet::new();
        self.steps.iter().map(|step| self.sizes_of(step, &mut known)).sum()
    }

    fn sizes_of(&self, step: &Step, known: &mut BTreeSet<BufferId>) -> usize {
        if let super::StepKind::Branch(_) = step.kind {
            let steps = step.blocks().into_iter().flat_map(|block| &block.steps);
            return steps.map(|step| self.sizes_of(step, known)).sum();
        }
        let touches = step.touches();
        let sizes = step.blocks().is_empty()
            && step.binds().is_empty()
            && touches.iter().all(|(id, touch)| {
                let buffer = self.buffer(*id);
                let constant = matches!(buffer.class, Class::Const(_));
                match touch {
                    Touch::Read => constant || known.contains(id),
                    Touch::Write => !buffer.dtype.is_float(),
                    Touch::Update => known.contains(id),
                }
            });
        let written = touches.iter().filter(|(_, touch)| *touch != Touch::Read).map(|(id, _)| *id);
        if sizes {
            known.extend(written);
        } else {
            written.for_each(|id| {
                known.remove(&id);
            });
        }
        usize::from(sizes && !touches.is_empty())
    }
}
