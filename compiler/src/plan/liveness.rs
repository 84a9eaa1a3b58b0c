//! When each buffer is needed.

use crate::lir::{Class, Program};

/// The steps, as positions in the order of execution, from the first to the last that needs a value. Inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// First step that touches it.
    pub first: usize,
    /// Last step that touches it; one past the last step for results of the program.
    pub last: usize,
}

impl Life {
    /// Whether there is a step that needs both.
    pub(super) fn meets(self, other: Life) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The life of each buffer of the arena; `None` for inputs, constants and buffers that nobody touches.
pub(super) fn lives(program: &Program, order: &[usize]) -> Vec<Option<Life>> {
    let mut lives: Vec<Option<Life>> = vec![None; program.buffers.len()];
    let mut touch = |buffer: usize, at: usize| {
        if matches!(program.buffers[buffer].class, Class::Arena) {
            lives[buffer].get_or_insert(Life { first: at, last: at }).last = at;
        }
    };
    for (at, &step) in order.iter().enumerate() {
        for (buffer, _) in program.steps[step].touches() {
            touch(buffer.0 as usize, at);
        }
    }
    for port in &program.outputs {
        touch(port.buffer.0 as usize, order.len());
    }
    lives
}
