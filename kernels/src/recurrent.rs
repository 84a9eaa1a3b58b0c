//! Recurrent layers: the part of LSTM, GRU and RNN that goes from step to step.
//!
//! What does not depend on the state is computed before, for all steps in one product: `gates` holds
//! `x · Wᵀ + bias` for every step, entry and direction. A step adds the state times the recurrence matrix, applies the
//! activations and updates the state: <https://onnx.ai/onnx/operators/onnx__LSTM.html>, `onnx__GRU.html`,
//! `onnx__RNN.html`.
//!
//! Layouts, with `d` directions, `g` gates (4, 3 or 1) and `h` elements of state:
//! - `gates` is `[time, batch, d * g * h]`, `y` is `[time, batch, d, h]`, or both with `batch` before `time`.
//! - `recurrence` is `d * g` matrices `[h, h]`, each given as its transpose and packed in panels (see
//!   [`pack`](crate::matmul::pack)); the kernels for [`recurrent_f64`] read the transposes as they are.
//! - `initial_h`, `initial_c`, `last_h` and `last_c` are `[d, batch, h]`.
//!
//! An entry that is shorter than `time` is zero in `y` after its end, and its last state is that of its last step; an
//! entry of length zero has zeros for its last state. Reverse directions begin at the entry's own end.

mod activation;
mod cell;
mod generic;
mod isa;
pub mod linear_attention;
mod sequence;
mod tile;

#[cfg(test)]
mod tests;

use crate::matmul::lanes::{Path, with_lanes};
use crate::matmul::pack::PANEL;
use crate::select::IndexError;

pub use activation::Activation;
pub use generic::{recurrent_f64, recurrent_lengths_f64, recurrent_reference};

/// Which way a layer runs over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first step to the last.
    Forward,
    /// From the last step to the first.
    Reverse,
    /// Both, as two independent layers.
    Bidirectional,
}

impl Direction {
    /// How many layers that is.
    pub const fn count(self) -> usize {
        if matches!(self, Direction::Bidirectional) { 2 } else { 1 }
    }

    /// Whether layer `index` runs from the last step to the first.
    const fn backwards(self, index: usize) -> bool {
        matches!((self, index), (Direction::Reverse, _) | (Direction::Bidirectional, 1))
    }
}

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Gates i, o, f, c and activations f, g, h.
    Lstm {
        /// Whether the forget gate is `1 - i`.
        input_forget: bool,
    },
    /// Gates z, r, h and activations f, g.
    Gru {
        /// Whether the reset gate is applied after the product with the recurrence matrix.
        linear_before_reset: bool,
    },
    /// One gate and one activation.
    Rnn,
}

impl Kind {
    /// How many gates.
    pub const fn gates(self) -> usize {
        match self {
            Kind::Lstm { .. } => 4,
            Kind::Gru { .. } => 3,
            Kind::Rnn => 1,
        }
    }

    /// How many activations.
    pub const fn activations(self) -> usize {
        match self {
            Kind::Lstm { .. } => 3,
            Kind::Gru { .. } => 2,
            Kind::Rnn => 1,
        }
    }

    /// How many rows of state and intermediate results an entry needs.
    const fn rows(self) -> usize {
        match self {
            // The state before and after a step, and the cell.
            Kind::Lstm { .. } => 3,
            // The state before and after, the state under the reset gate, and the update gate.
            Kind::Gru { linear_before_reset: false } => 4,
            Kind::Gru { linear_before_reset: true } | Kind::Rnn => 2,
        }
    }
}

/// A recurrent layer.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// What a step computes.
    pub kind: Kind,
    /// Which way it runs.
    pub direction: Direction,
    /// The activations of each direction, one after another.
    pub activations: &'a [Activation],
    /// Sums of gates are limited to `-clip..=clip` before their activations.
    pub clip: f32,
    /// Longest number of steps.
    pub time: usize,
    /// Number of independent entries.
    pub batch: usize,
    /// Elements of state.
    pub hidden: usize,
    /// Whether `batch` comes before `time` in `gates` and `y`.
    pub batch_first: bool,
}

/// The operands of a recurrent layer.
#[derive(Debug)]
pub struct Operands<'a, T> {
    /// What the steps' sums begin with.
    pub gates: &'a [T],
    /// What the state is multiplied with.
    pub recurrence: &'a [T],
    /// `[d, h]`: added to the product for the last gate of a GRU that resets after it.
    pub hidden_bias: Option<&'a [T]>,
    /// `[d, 3 * h]`: what the cell is multiplied with for the gates i, o, f of an LSTM.
    pub peepholes: Option<&'a [T]>,
    /// The state before the first step; zero if left out.
    pub initial_h: Option<&'a [T]>,
    /// The cell before the first step; zero if left out.
    pub initial_c: Option<&'a [T]>,
    /// The state after every step.
    pub y: Option<&'a mut [T]>,
    /// The state after the last step.
    pub last_h: Option<&'a mut [T]>,
    /// The cell after the last step.
    pub last_c: Option<&'a mut [T]>,
    /// At least [`scratch`] elements.
    pub scratch: &'a mut [T],
}

/// How many elements of scratch each entry of the batch needs.
pub const fn scratch(kind: Kind, hidden: usize) -> usize {
    kind.rows().saturating_mul(hidden.next_multiple_of(PANEL))
}

/// Runs a layer over entries of `time` steps.
///
/// # Panics
/// If an operand does not have its extents.
#[inline(never)]
pub fn recurrent_f32(layer: &Layer<'_>, operands: Operands<'_, f32>) {
    run_at(Path::current(), layer, None, operands);
}

/// Runs a layer over entries with lengths of their own.
///
/// # Errors
/// If a length is negative or larger than `time`.
///
/// # Panics
/// If an operand does not have its extents.
#[inline(never)]
pub fn recurrent_lengths_f32(
    layer: &Layer<'_>,
    lengths: &[i32],
    operands: Operands<'_, f32>,
) -> Result<(), IndexError> {
    check_lengths(layer, lengths)?;
    run_at(Path::current(), layer, Some(lengths), operands);
    Ok(())
}

/// Packs `count` matrices `[hidden, hidden]`, given as their transposes, in panels: what the planner does where the
/// recurrence matrix is constant.
///
/// # Panics
/// If the slices do not have these extents.
pub fn pack_at_run_time(count: usize, hidden: usize, transposes: &[f32], panels: &mut [f32]) {
    let matrix = hidden * hidden;
    assert!(transposes.len() == count * matrix && panels.len() == count * matrix, "extents of a recurrence");
    for number in 0..count {
        for first in (0..hidden).step_by(PANEL) {
            let width = PANEL.min(hidden - first);
            let at = number * matrix + first * hidden;
            let to = &mut panels[at..at + width * hidden];
            crate::matmul::transpose::pack(Path::current(), &transposes[at..], hidden, width, hidden, to);
        }
    }
}

fn run_at(path: Path, layer: &Layer<'_>, lengths: Option<&[i32]>, operands: Operands<'_, f32>) {
    check(layer, lengths, &operands);
    // SAFETY: `path` proves the instructions, and all extents were checked.
    unsafe { with_lanes!(path, L => sequence::run::<L>(layer, lengths, operands)) }
}

fn check_lengths(layer: &Layer<'_>, lengths: &[i32]) -> Result<(), IndexError> {
    match lengths.iter().find(|&&len| usize::try_from(len).map_or(true, |len| len > layer.time)) {
        None => Ok(()),
        Some(&len) => Err(IndexError { index: i64::from(len), bound: layer.time.saturating_add(1) }),
    }
}

/// Panics where an operand does not have its extents.
fn check<T>(layer: &Layer<'_>, lengths: Option<&[i32]>, operands: &Operands<'_, T>) {
    let Layer { kind, time, batch, hidden, .. } = *layer;
    let directions = layer.direction.count();
    let steps = time.saturating_mul(batch).saturating_mul(directions);
    let state = batch.saturating_mul(directions).saturating_mul(hidden);
    let matrix = hidden.saturating_mul(hidden).saturating_mul(directions * kind.gates());
    assert!(layer.activations.len() == directions * kind.activations(), "activations of a recurrent layer");
    assert!(lengths.is_none_or(|l| l.len() == batch), "lengths of a recurrent layer");
    assert!(
        operands.gates.len() == steps.saturating_mul(kind.gates()).saturating_mul(hidden)
            && operands.recurrence.len() == matrix
            && operands.hidden_bias.is_none_or(|b| b.len() == directions * hidden)
            && operands.peepholes.is_none_or(|p| p.len() == directions * 3 * hidden)
            && operands.initial_h.is_none_or(|h| h.len() == state)
            && operands.initial_c.is_none_or(|c| c.len() == state)
            && operands.y.as_ref().is_none_or(|y| y.len() == steps.saturating_mul(hidden))
            && operands.last_h.as_ref().is_none_or(|h| h.len() == state)
            && operands.last_c.as_ref().is_none_or(|c| c.len() == state)
            && operands.scratch.len() >= scratch(kind, hidden).saturating_mul(batch),
        "operands of a recurrent layer do not have its extents"
    );
}
