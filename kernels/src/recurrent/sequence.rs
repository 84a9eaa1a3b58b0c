//! The loop over steps, directions and entries, and within a step over panels of the state.
//!
//! Panels are the outer loop of a step, so that they stay in cache while the entries pass. The state before a step and
//! the one after are two buffers, which change places.

use super::cell::{Gates, Lanes16};
use super::isa::{Compiled, Form};
use super::tile::{GATES, ROWS, SUMS, Tile};
use super::{Activation, Kind, Layer, Operands};
use crate::matmul::pack::PANEL;
use core::ptr::null;

/// Runs a layer.
///
/// # Safety
/// The processor has the instructions of `L`. The operands have the layer's extents, and no length is negative or
/// larger than `time`.
pub(super) unsafe fn run<L: Compiled>(
    layer: &Layer<'_>,
    lengths: Option<&[i32]>,
    operands: Operands<'_, f32>,
) {
    let Operands { gates, recurrence, hidden_bias, peepholes, initial_h, initial_c, .. } = operands;
    let mut results = Results { y: operands.y, last_h: operands.last_h, last_c: operands.last_c };
    let hidden = layer.hidden;
    for direction in 0..layer.direction.count() {
        let matrices = layer.kind.gates() * hidden * hidden;
        let own = Own {
            layer,
            lengths,
            direction,
            gates: gates_of(layer, direction),
            padded: hidden.next_multiple_of(PANEL),
            x: gates,
            recurrence: &recurrence[direction * matrices..][..matrices],
            hidden_bias: hidden_bias.map(|b| &b[direction * hidden..][..hidden]),
            peepholes: peepholes.map(|p| &p[direction * 3 * hidden..][..3 * hidden]),
        };
        let mut state = own.state(operands.scratch, initial_h, initial_c);
        let longest = (0..layer.batch).map(|e| own.length(e)).max().unwrap_or(0);
        for step in 0..longest {
            // SAFETY: passed on to the caller.
            unsafe { own.step::<L>(step, &mut state) };
            core::mem::swap(&mut state.h, &mut state.next);
            own.finish(step, &state, &mut results);
        }
        own.clear(&mut results);
    }
}

fn gates_of<'a>(layer: &Layer<'a>, direction: usize) -> Gates<'a> {
    let count = layer.kind.activations();
    let activations = &layer.activations[direction * count..][..count];
    let input_forget = matches!(layer.kind, Kind::Lstm { input_forget: true });
    let usual = [Activation::Sigmoid, Activation::Tanh, Activation::Tanh];
    let usual = activations == &usual[..count] && layer.clip == f32::INFINITY && !input_forget;
    Gates { activations, clip: layer.clip, input_forget, usual }
}

/// Where results go.
struct Results<'a> {
    y: Option<&'a mut [f32]>,
    last_h: Option<&'a mut [f32]>,
    last_c: Option<&'a mut [f32]>,
}

/// The state of all entries, in rows of a multiple of 16 elements.
struct State<'a> {
    h: &'a mut [f32],
    next: &'a mut [f32],
    /// The cell of an LSTM, the state under the reset gate of a GRU.
    extra: &'a mut [f32],
    /// The update gate of a GRU.
    update: &'a mut [f32],
}

/// Some neighbouring entries in one step, and the elements of the state that are computed for them.
#[derive(Clone, Copy)]
struct Block {
    step: usize,
    entry: usize,
    rows: usize,
    first: usize,
    panels: usize,
}

/// A product of the state, or of what the reset gate leaves of it, with the matrices of some gates.
struct Pass<'a> {
    first_gate: usize,
    gates: usize,
    h: &'a [f32],
    /// Whether the sums of the last gate begin with the bias of the state, and not with what the input contributes.
    after_reset: bool,
}

/// What is done with finished sums: called with the number of the row of `gates`, the first of 16 elements, their place
/// in the buffers of the state, and the sums of their gates.
type Apply<'a> = &'a mut dyn FnMut(usize, usize, usize, &[Lanes16]);

/// One direction of a layer.
struct Own<'a> {
    layer: &'a Layer<'a>,
    lengths: Option<&'a [i32]>,
    direction: usize,
    gates: Gates<'a>,
    /// Distance between the state's rows.
    padded: usize,
    x: &'a [f32],
    /// The matrices of this direction.
    recurrence: &'a [f32],
    hidden_bias: Option<&'a [f32]>,
    peepholes: Option<&'a [f32]>,
}

impl Own<'_> {
    /// The state before the first step.
    fn state<'s>(
        &self,
        scratch: &'s mut [f32],
        initial_h: Option<&[f32]>,
        initial_c: Option<&[f32]>,
    ) -> State<'s> {
        let Layer { kind, batch, hidden, .. } = *self.layer;
        let rows = batch * self.padded;
        let (h, rest) = scratch[..super::scratch(kind, hidden) * batch].split_at_mut(rows);
        let (next, rest) = rest.split_at_mut(rows);
        let (extra, update) = rest.split_at_mut(rows.min(rest.len()));
        for (to, from) in [(&mut *h, initial_h), (&mut *extra, initial_c)] {
            to.fill(0.0);
            let Some(from) = from else { continue };
            for entry in 0..batch {
                let from = &from[(self.direction * batch + entry) * hidden..][..hidden];
                to[entry * self.padded..][..hidden].copy_from_slice(from);
            }
        }
        State { h, next, extra, update }
    }

    /// How many steps an entry has.
    fn length(&self, entry: usize) -> usize {
        self.lengths.map_or(self.layer.time, |l| l[entry] as usize)
    }

    /// The number of the row of `gates` and `y` that a step of an entry reads and writes.
    fn row(&self, entry: usize, step: usize) -> usize {
        let backwards = self.layer.direction.backwards(self.direction);
        let t = if backwards { self.length(entry) - 1 - step } else { step };
        let at =
            if self.layer.batch_first { entry * self.layer.time + t } else { t * self.layer.batch + entry };
        at * self.layer.direction.count() + self.direction
    }

    /// Computes `state.next`.
    ///
    /// # Safety
    /// As for [`run`]; some entry has a step of this number.
    unsafe fn step<L: Compiled>(&self, step: usize, state: &mut State<'_>) {
        let State { h, next, extra, update } = state;
        let pass = |first_gate, gates| Pass { first_gate, gates, h, after_reset: false };
        // SAFETY: passed on to the caller.
        unsafe {
            match self.layer.kind {
                Kind::Lstm { .. } => self.pass::<L>(step, &pass(0, 4), &mut |_, element, at, sums| {
                    let peepholes = self
                        .peepholes
                        .map(|p| [0, 1, 2].map(|which| self.part(&p[which * self.layer.hidden..], element)));
                    L::lstm(
                        &self.gates,
                        &[sums[0], sums[1], sums[2], sums[3]],
                        peepholes.as_ref(),
                        lanes_mut(extra, at),
                        lanes_mut(next, at),
                    );
                }),
                Kind::Gru { linear_before_reset: true } => {
                    let all = Pass { after_reset: true, ..pass(0, 3) };
                    self.pass::<L>(step, &all, &mut |row, element, at, sums| {
                        let x = &self.x[(row * 3 + 2) * self.layer.hidden..];
                        L::gru_after(
                            &self.gates,
                            &[sums[0], sums[1], sums[2]],
                            &self.part(x, element),
                            lanes(h, at),
                            lanes_mut(next, at),
                        );
                    });
                }
                Kind::Gru { linear_before_reset: false } => {
                    self.pass::<L>(step, &pass(0, 2), &mut |_, _, at, sums| {
                        L::gru_reset(
                            &self.gates,
                            &[sums[0], sums[1]],
                            lanes(h, at),
                            lanes_mut(update, at),
                            lanes_mut(extra, at),
                        );
                    });
                    let last = Pass { first_gate: 2, gates: 1, h: extra, after_reset: false };
                    self.pass::<L>(step, &last, &mut |_, _, at, sums| {
                        L::gru_before(
                            &self.gates,
                            &[sums[0]],
                            lanes(update, at),
                            lanes(h, at),
                            lanes_mut(next, at),
                        );
                    });
                }
                Kind::Rnn => self.pass::<L>(step, &pass(0, 1), &mut |_, _, at, sums| {
                    L::rnn(&self.gates, &[sums[0]], lanes_mut(next, at));
                }),
            }
        }
    }

    /// Forms the sums of a pass for all entries that have this step.
    ///
    /// # Safety
    /// As for [`run`].
    unsafe fn pass<L: Compiled>(&self, step: usize, pass: &Pass<'_>, apply: Apply<'_>) {
        let hidden = self.layer.hidden;
        let mut first = 0;
        while first < hidden {
            let wide = L::panels(pass.gates);
            let panels = if (hidden - first) >= wide * PANEL { wide } else { 1 };
            let mut entry = 0;
            while entry < self.layer.batch {
                let tall =
                    (0..L::TALL).all(|r| entry + r < self.layer.batch && step < self.length(entry + r));
                let rows = if tall { L::TALL } else { 1 };
                if tall || step < self.length(entry) {
                    // A tall tile is one panel wide.
                    let narrow = rows > 1 || panels == 1;
                    let count = if narrow { 1 } else { panels };
                    for panel in (0..panels).step_by(count) {
                        let block = Block { step, entry, rows, first: first + panel * PANEL, panels: count };
                        // SAFETY: the entries have this step, and the panels begin within the state.
                        unsafe { self.block::<L>(block, pass, apply) };
                    }
                }
                entry += rows;
            }
            first += panels * PANEL;
        }
    }

    /// Forms the sums of a block.
    ///
    /// # Safety
    /// As for [`run`]; the block's entries have its step, and its panels, but for the last one, have 16 elements.
    unsafe fn block<L: Compiled>(&self, block: Block, pass: &Pass<'_>, apply: Apply<'_>) {
        let Layer { hidden, kind, .. } = *self.layer;
        let width = (hidden - block.first).min(PANEL);
        let form = match (block.rows, block.panels) {
            (1, 1) if width < PANEL => Form::OnePart,
            (1, 1) => Form::One,
            (1, _) => Form::Wide,
            _ if width < PANEL => Form::TallPart,
            _ => Form::Tall,
        };
        let matrices = &self.recurrence[pass.first_gate * hidden * hidden..];
        let mut tile = Tile {
            panels: matrices[block.first * hidden..].as_ptr(),
            end: matrices.as_ptr_range().end,
            hidden,
            state: [null(); ROWS],
            start: [[null(); GATES]; ROWS],
            width,
        };
        let mut rows = [0; ROWS];
        for (r, row) in rows[..block.rows].iter_mut().enumerate() {
            *row = self.row(block.entry + r, block.step);
            tile.state[r] = pass.h[(block.entry + r) * self.padded..].as_ptr();
            let x = &self.x[*row * kind.gates() * hidden..][..kind.gates() * hidden];
            for g in 0..pass.gates {
                let from = if pass.after_reset && g + 1 == pass.gates {
                    self.hidden_bias
                } else {
                    Some(&x[(pass.first_gate + g) * hidden..])
                };
                tile.start[r][g] = from.map_or(null(), |from| from[block.first..].as_ptr());
            }
        }
        let mut sums = [[0.0; PANEL]; SUMS];
        // SAFETY: the slices that the pointers were taken from have `hidden` elements per row, gate and matrix.
        unsafe { L::sums(form, pass.gates, &tile, &mut sums) };
        let mut sums = sums.chunks_exact(pass.gates);
        for (r, &row) in rows[..block.rows].iter().enumerate() {
            for panel in 0..block.panels {
                let element = block.first + panel * PANEL;
                let at = (block.entry + r) * self.padded + element;
                if let Some(sums) = sums.next() {
                    apply(row, element, at, sums);
                }
            }
        }
    }

    /// Up to 16 elements of a row from `element` on; zeros after its end.
    fn part(&self, row: &[f32], element: usize) -> Lanes16 {
        let mut lanes = [0.0; PANEL];
        let row = &row[element..self.layer.hidden];
        match row.first_chunk() {
            Some(whole) => lanes = *whole,
            None => lanes[..row.len()].copy_from_slice(row),
        }
        lanes
    }

    /// Copies what a step computed to where it is wanted.
    fn finish(&self, step: usize, state: &State<'_>, results: &mut Results<'_>) {
        let Layer { batch, hidden, .. } = *self.layer;
        for entry in 0..batch {
            let length = self.length(entry);
            if step >= length {
                continue;
            }
            let h = &state.h[entry * self.padded..][..hidden];
            if let Some(y) = &mut results.y {
                y[self.row(entry, step) * hidden..][..hidden].copy_from_slice(h);
            }
            if step + 1 == length {
                let at = (self.direction * batch + entry) * hidden;
                if let Some(last) = &mut results.last_h {
                    last[at..][..hidden].copy_from_slice(h);
                }
                if let Some(last) = &mut results.last_c {
                    last[at..][..hidden].copy_from_slice(&state.extra[entry * self.padded..][..hidden]);
                }
            }
        }
    }

    /// Fills what no step computes with zeros.
    fn clear(&self, results: &mut Results<'_>) {
        let Layer { batch, hidden, time, .. } = *self.layer;
        let directions = self.layer.direction.count();
        for entry in 0..batch {
            let length = self.length(entry);
            if let Some(y) = &mut results.y {
                for t in length..time {
                    let at = if self.layer.batch_first { entry * time + t } else { t * batch + entry };
                    y[(at * directions + self.direction) * hidden..][..hidden].fill(0.0);
                }
            }
            if length == 0 {
                let at = (self.direction * batch + entry) * hidden;
                for last in [&mut results.last_h, &mut results.last_c].into_iter().flatten() {
                    last[at..][..hidden].fill(0.0);
                }
            }
        }
    }
}

/// 16 elements of a row of state.
fn lanes(row: &[f32], at: usize) -> &Lanes16 {
    row[at..].first_chunk().expect("rows of state are multiples of 16 elements long")
}

/// 16 elements of a row of state.
fn lanes_mut(row: &mut [f32], at: usize) -> &mut Lanes16 {
    row[at..].first_chunk_mut().expect("rows of state are multiples of 16 elements long")
}
