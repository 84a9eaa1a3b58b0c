//! What a step does with the finished sums of its gates: activations and the update of the state, 16 elements at a time.

use super::Activation;
use crate::math::{clip, sigmoid, tanh};
use crate::matmul::pack::PANEL;

/// 16 elements of a row.
pub(super) type Lanes16 = [f32; PANEL];

/// The activations of a direction and what else a step needs to know.
#[derive(Clone, Copy)]
pub(super) struct Gates<'a> {
    /// In the order of ONNX.
    pub(super) activations: &'a [Activation],
    /// Limit of the gates' sums before their activations.
    pub(super) clip: f32,
    /// Whether the forget gate of an LSTM is `1 - i`.
    pub(super) input_forget: bool,
    /// Whether activations are the default ones, and nothing else is done to the sums.
    pub(super) usual: bool,
}

impl Gates<'_> {
    /// An activation of clipped elements.
    #[inline(always)]
    fn activate(&self, which: usize, x: &mut Lanes16) {
        if self.clip < f32::INFINITY {
            for x in x.iter_mut() {
                *x = clip(*x, -self.clip, self.clip);
            }
        }
        self.activations[which].apply(x);
    }
}

/// An LSTM: `sums` are those of i, o, f and c; the peepholes those of i, o and f.
#[inline(always)]
pub(super) fn lstm(
    gates: &Gates<'_>,
    sums: &[Lanes16; 4],
    peepholes: Option<&[Lanes16; 3]>,
    c: &mut Lanes16,
    h: &mut Lanes16,
) {
    if gates.usual && peepholes.is_none() {
        for i in 0..PANEL {
            let (input, output) = (sigmoid(sums[0][i]), sigmoid(sums[1][i]));
            c[i] = sigmoid(sums[2][i]) * c[i] + input * tanh(sums[3][i]);
            h[i] = output * tanh(c[i]);
        }
        return;
    }
    let [mut input, mut output, mut forget, mut candidate] = *sums;
    if let Some([of_input, _, of_forget]) = peepholes {
        for i in 0..PANEL {
            input[i] += of_input[i] * c[i];
            forget[i] += of_forget[i] * c[i];
        }
    }
    gates.activate(0, &mut input);
    gates.activate(0, &mut forget);
    gates.activate(1, &mut candidate);
    for i in 0..PANEL {
        let forget = if gates.input_forget { 1.0 - input[i] } else { forget[i] };
        c[i] = forget * c[i] + input[i] * candidate[i];
    }
    if let Some([_, of_output, _]) = peepholes {
        for i in 0..PANEL {
            output[i] += of_output[i] * c[i];
        }
    }
    gates.activate(0, &mut output);
    let mut shown = *c;
    gates.activations[2].apply(&mut shown);
    for i in 0..PANEL {
        h[i] = output[i] * shown[i];
    }
}

/// A GRU that resets after the product: `sums` are those of z, r and the state's part of h, `x` is the input's part.
#[inline(always)]
pub(super) fn gru_after(
    gates: &Gates<'_>,
    sums: &[Lanes16; 3],
    x: &Lanes16,
    before: &Lanes16,
    h: &mut Lanes16,
) {
    if gates.usual {
        for i in 0..PANEL {
            let (update, reset) = (sigmoid(sums[0][i]), sigmoid(sums[1][i]));
            let candidate = tanh(x[i] + reset * sums[2][i]);
            h[i] = (1.0 - update) * candidate + update * before[i];
        }
        return;
    }
    let [mut update, mut reset, state] = *sums;
    gates.activate(0, &mut update);
    gates.activate(0, &mut reset);
    let mut candidate = *x;
    for i in 0..PANEL {
        candidate[i] += reset[i] * state[i];
    }
    gates.activate(1, &mut candidate);
    for i in 0..PANEL {
        h[i] = (1.0 - update[i]) * candidate[i] + update[i] * before[i];
    }
}

/// The first half of a GRU that resets before the product: `sums` are those of z and r. What is left of the state goes
/// to `reset`, the update gate to `update`.
#[inline(always)]
pub(super) fn gru_reset(
    gates: &Gates<'_>,
    sums: &[Lanes16; 2],
    before: &Lanes16,
    update: &mut Lanes16,
    reset: &mut Lanes16,
) {
    [*update, *reset] = *sums;
    gates.activate(0, update);
    gates.activate(0, reset);
    for i in 0..PANEL {
        reset[i] *= before[i];
    }
}

/// The second half: `sums` are those of h.
#[inline(always)]
pub(super) fn gru_before(
    gates: &Gates<'_>,
    sums: &[Lanes16; 1],
    update: &Lanes16,
    before: &Lanes16,
    h: &mut Lanes16,
) {
    let [mut candidate] = *sums;
    gates.activate(1, &mut candidate);
    for i in 0..PANEL {
        h[i] = (1.0 - update[i]) * candidate[i] + update[i] * before[i];
    }
}

/// A layer of one gate.
#[inline(always)]
pub(super) fn rnn(gates: &Gates<'_>, sums: &[Lanes16; 1], h: &mut Lanes16) {
    [*h] = *sums;
    gates.activate(0, h);
}
