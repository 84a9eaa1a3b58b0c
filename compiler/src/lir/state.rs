//! Values that stay in the arena from one run to the next.

use super::{BufferId, Program};
use crate::types::{Dim, Symbol};

/// A value that stays in the arena from one run to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct StatePort {
    /// Name of the ONNX input that it is.
    pub input: String,
    /// Name of the ONNX output that gives its next content.
    pub output: String,
    /// Extents before a run.
    pub shape: Vec<Dim>,
    /// The symbol that is the extent along which it grows, and its value after a run. Without one it has one size, and
    /// begins as zeros.
    pub growth: Option<(Symbol, Dim)>,
    /// Its buffer, of class `Arena`, with room for the most that it can be.
    pub buffer: BufferId,
}

impl Program {
    /// Whether a buffer keeps its content from one run to the next.
    pub fn is_state(&self, buffer: BufferId) -> bool {
        self.states.iter().any(|state| state.buffer == buffer)
    }
}
