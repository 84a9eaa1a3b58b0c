//! The definition of recurrent layers, element by element: what `f64` runs on, and the oracle of the other kernels.

use super::{Activation, Kind, Layer, Operands, check, check_lengths};
use crate::math::{self, Float};
use crate::select::IndexError;

/// [`super::recurrent_f32`] for `f64`, with the recurrence matrices as the model has them.
///
/// # Panics
/// If an operand does not have its extents.
pub fn recurrent_f64(layer: &Layer<'_>, operands: Operands<'_, f64>) {
    recurrent_reference(layer, None, operands);
}

/// [`super::recurrent_lengths_f32`] for `f64`, with the recurrence matrices as the model has them.
///
/// # Errors
/// If a length is negative or larger than `time`.
///
/// # Panics
/// If an operand does not have its extents.
pub fn recurrent_lengths_f64(
    layer: &Layer<'_>,
    lengths: &[i32],
    operands: Operands<'_, f64>,
) -> Result<(), IndexError> {
    check_lengths(layer, lengths)?;
    recurrent_reference(layer, Some(lengths), operands);
    Ok(())
}

/// Runs a layer of any floating-point type, with the recurrence matrices as the model has them. Lengths beyond `time`
/// count as `time`.
///
/// # Panics
/// If an operand does not have its extents.
pub fn recurrent_reference<T: Float>(
    layer: &Layer<'_>,
    lengths: Option<&[i32]>,
    mut operands: Operands<'_, T>,
) {
    check(layer, lengths, &operands);
    if let Some(y) = &mut operands.y {
        y.fill(T::ZERO);
    }
    for direction in 0..layer.direction.count() {
        for entry in 0..layer.batch {
            let length = lengths.map_or(layer.time, |l| usize::try_from(l[entry]).unwrap_or(0));
            Entry { layer, direction, entry, length: length.min(layer.time) }.run(&mut operands);
        }
    }
}

/// One entry of the batch in one direction.
struct Entry<'a> {
    layer: &'a Layer<'a>,
    direction: usize,
    entry: usize,
    length: usize,
}

impl Entry<'_> {
    fn run<T: Float>(&self, operands: &mut Operands<'_, T>) {
        let Layer { kind, hidden, .. } = *self.layer;
        let padded = hidden.next_multiple_of(super::PANEL);
        let state = (self.direction * self.layer.batch + self.entry) * hidden;
        let (h, rest) = operands.scratch.split_at_mut(padded);
        let (next, rest) = rest.split_at_mut(padded);
        let (mut h, mut next) = (&mut h[..hidden], &mut next[..hidden]);
        // The cell, or the state under the reset gate.
        let (extra, z) = rest.split_at_mut(padded.min(rest.len()));
        for (row, initial) in [(&mut *h, operands.initial_h), (&mut *extra, operands.initial_c)] {
            row.fill(T::ZERO);
            if let Some(initial) = initial {
                row[..hidden].copy_from_slice(&initial[state..state + hidden]);
            }
        }
        for step in 0..self.length {
            let backwards = self.layer.direction.backwards(self.direction);
            let t = if backwards { self.length - 1 - step } else { step };
            let at = if self.layer.batch_first {
                self.entry * self.layer.time + t
            } else {
                t * self.layer.batch + self.entry
            };
            let number = at * self.layer.direction.count() + self.direction;
            let own = Step {
                layer: self.layer,
                direction: self.direction,
                gates: &operands.gates[number * kind.gates() * hidden..],
                recurrence: &operands.recurrence[self.direction * kind.gates() * hidden * hidden..],
                hidden_bias: operands.hidden_bias.map(|b| &b[self.direction * hidden..]),
                peepholes: operands.peepholes.map(|p| &p[self.direction * 3 * hidden..]),
            };
            match kind {
                Kind::Lstm { input_forget } => own.lstm(input_forget, h, extra, next),
                Kind::Gru { linear_before_reset: true } => own.gru_after(h, next),
                Kind::Gru { linear_before_reset: false } => own.gru_before(h, extra, z, next),
                Kind::Rnn => own.rnn(h, next),
            }
            core::mem::swap(&mut h, &mut next);
            if let Some(y) = &mut operands.y {
                y[number * hidden..(number + 1) * hidden].copy_from_slice(h);
            }
        }
        for (last, row) in [(&mut operands.last_h, &*h), (&mut operands.last_c, &*extra)] {
            if let Some(last) = last {
                let last = &mut last[state..state + hidden];
                if self.length == 0 { last.fill(T::ZERO) } else { last.copy_from_slice(&row[..hidden]) }
            }
        }
    }
}

/// One step of an entry.
struct Step<'a, T> {
    layer: &'a Layer<'a>,
    direction: usize,
    gates: &'a [T],
    recurrence: &'a [T],
    hidden_bias: Option<&'a [T]>,
    peepholes: Option<&'a [T]>,
}

impl<T: Float> Step<'_, T> {
    /// Row `i` of the recurrence matrix of a gate times a state.
    fn product(&self, gate: usize, i: usize, h: &[T]) -> T {
        let hidden = self.layer.hidden;
        let row = &self.recurrence[(gate * hidden + i) * hidden..][..hidden];
        row.iter().zip(h).fold(T::ZERO, |sum, (&r, &h)| sum.add(r.mul(h)))
    }

    /// What the input contributes to element `i` of a gate.
    fn input(&self, gate: usize, i: usize) -> T {
        self.gates[gate * self.layer.hidden + i]
    }

    /// Element `i` of a gate before its activation.
    fn sum(&self, gate: usize, i: usize, h: &[T]) -> T {
        self.input(gate, i).add(self.product(gate, i, h))
    }

    /// An activation of a clipped number.
    fn activate(&self, which: usize, x: T) -> T {
        let clip = T::from_f64(f64::from(self.layer.clip));
        self.activate_all(which, math::clip(x, clip.neg(), clip))
    }

    /// An activation of any number.
    fn activate_all(&self, which: usize, x: T) -> T {
        let mut x = [x];
        let activation: Activation =
            self.layer.activations[self.direction * self.layer.kind.activations() + which];
        activation.apply(&mut x);
        x[0]
    }

    fn lstm(&self, input_forget: bool, h: &[T], c: &mut [T], next: &mut [T]) {
        for (i, next) in next.iter_mut().enumerate() {
            let peep = |which: usize, c: T| {
                self.peepholes.map_or(T::ZERO, |p| p[which * self.layer.hidden + i].mul(c))
            };
            let input = self.activate(0, self.sum(0, i, h).add(peep(0, c[i])));
            let forget = if input_forget {
                T::ONE.sub(input)
            } else {
                self.activate(0, self.sum(2, i, h).add(peep(2, c[i])))
            };
            let candidate = self.activate(1, self.sum(3, i, h));
            c[i] = forget.mul(c[i]).add(input.mul(candidate));
            let output = self.activate(0, self.sum(1, i, h).add(peep(1, c[i])));
            *next = output.mul(self.activate_all(2, c[i]));
        }
    }

    fn gru_after(&self, h: &[T], next: &mut [T]) {
        for (i, next) in next.iter_mut().enumerate() {
            let update = self.activate(0, self.sum(0, i, h));
            let reset = self.activate(0, self.sum(1, i, h));
            let bias = self.hidden_bias.map_or(T::ZERO, |b| b[i]);
            let recurrent = self.product(2, i, h).add(bias);
            let candidate = self.activate(1, self.input(2, i).add(reset.mul(recurrent)));
            *next = T::ONE.sub(update).mul(candidate).add(update.mul(h[i]));
        }
    }

    fn gru_before(&self, h: &[T], reset: &mut [T], update: &mut [T], next: &mut [T]) {
        for i in 0..h.len() {
            update[i] = self.activate(0, self.sum(0, i, h));
            reset[i] = self.activate(0, self.sum(1, i, h)).mul(h[i]);
        }
        for (i, next) in next.iter_mut().enumerate() {
            let candidate = self.activate(1, self.sum(2, i, reset));
            *next = T::ONE.sub(update[i]).mul(candidate).add(update[i].mul(h[i]));
        }
    }

    fn rnn(&self, h: &[T], next: &mut [T]) {
        for (i, next) in next.iter_mut().enumerate() {
            *next = self.activate(0, self.sum(0, i, h));
        }
    }
}
