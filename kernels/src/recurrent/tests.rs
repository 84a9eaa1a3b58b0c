//! Every kernel against the definition in `f64`.

use super::*;
use crate::isa::on_every_level;
use std::vec;
use std::vec::Vec;

/// Numbers in `-1..1`, by xorshift.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    fn numbers(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next() as f32 / (u32::MAX as f32 / 2.0) - 1.0).collect()
    }

    fn some(&mut self, len: usize) -> Option<Vec<f32>> {
        let numbers = self.numbers(len);
        (self.below(3) > 0).then_some(numbers)
    }

    fn activation(&mut self) -> Activation {
        [
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::Relu,
            Activation::Affine(0.5, 0.25),
            Activation::LeakyRelu(0.1),
            Activation::ThresholdedRelu(0.2),
            Activation::ScaledTanh(1.5, 0.75),
            Activation::HardSigmoid(0.2, 0.5),
            Activation::Elu(0.8),
            Activation::Softsign,
            Activation::Softplus,
        ][self.below(11)]
    }
}

const KINDS: [Kind; 5] = [
    Kind::Lstm { input_forget: false },
    Kind::Lstm { input_forget: true },
    Kind::Gru { linear_before_reset: false },
    Kind::Gru { linear_before_reset: true },
    Kind::Rnn,
];

fn usual(kind: Kind, direction: Direction) -> Vec<Activation> {
    let own = [Activation::Sigmoid, Activation::Tanh, Activation::Tanh];
    (0..direction.count()).flat_map(|_| own[..kind.activations()].to_vec()).collect()
}

fn panels(count: usize, hidden: usize, transposes: &[f32]) -> Vec<f32> {
    let bytes: Vec<u8> = transposes.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut packed = vec![0; bytes.len()];
    let matrix = hidden * hidden * 4;
    for (from, to) in bytes.chunks_exact(matrix.max(1)).zip(packed.chunks_exact_mut(matrix.max(1))) {
        crate::matmul::pack::pack_panels(from, 4, hidden, hidden, true, to);
    }
    let packed: Vec<f32> = packed.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
    let mut at_run_time = vec![0.0; packed.len()];
    pack_at_run_time(count, hidden, transposes, &mut at_run_time);
    assert_eq!(packed, at_run_time);
    packed
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&x| f64::from(x)).collect()
}

/// Runs a layer on random operands and compares all results with the definition's.
fn check_layer(layer: &Layer<'_>, lengths: Option<&[i32]>, random: &mut Random) {
    let (directions, gates) = (layer.direction.count(), layer.kind.gates());
    let Layer { kind, hidden, batch, time, .. } = *layer;
    let state = directions * batch * hidden;
    let x = random.numbers(time * batch * directions * gates * hidden);
    let scale = (hidden as f32).sqrt().recip();
    let recurrence: Vec<f32> =
        random.numbers(directions * gates * hidden * hidden).iter().map(|r| r * scale).collect();
    let packed = panels(directions * gates, hidden, &recurrence);
    let bias = random.some(directions * hidden);
    let peepholes = random.some(directions * 3 * hidden);
    let (initial_h, initial_c) = (random.some(state), random.some(state));
    let lstm = matches!(kind, Kind::Lstm { .. });

    let [bias_64, peepholes_64, h_64, c_64] =
        [&bias, &peepholes, &initial_h, &initial_c].map(|o| o.as_ref().map(|v| wide(v)));
    let mut expected = [vec![7.0; time * batch * directions * hidden], vec![7.0; state], vec![7.0; state]];
    let [y, last_h, last_c] = &mut expected;
    let (x_64, recurrence_64) = (wide(&x), wide(&recurrence));
    let mut scratch_64 = vec![f64::NAN; batch * scratch(kind, hidden)];
    let operands = Operands {
        gates: &x_64,
        recurrence: &recurrence_64,
        hidden_bias: bias_64.as_deref(),
        peepholes: peepholes_64.as_deref().filter(|_| lstm),
        initial_h: h_64.as_deref(),
        initial_c: c_64.as_deref().filter(|_| lstm),
        y: Some(y),
        last_h: Some(last_h),
        last_c: lstm.then_some(&mut last_c[..]),
        scratch: &mut scratch_64,
    };
    recurrent_reference(layer, lengths, operands);

    let mut got = expected.each_ref().map(|e| vec![7.0_f32; e.len()]);
    let mut scratch = vec![f32::NAN; batch * scratch(kind, hidden)];
    let [y, last_h, last_c] = &mut got;
    let operands = Operands {
        gates: &x,
        recurrence: &packed,
        hidden_bias: bias.as_deref(),
        peepholes: peepholes.as_deref().filter(|_| lstm),
        initial_h: initial_h.as_deref(),
        initial_c: initial_c.as_deref().filter(|_| lstm),
        y: Some(y),
        last_h: Some(last_h),
        last_c: lstm.then_some(&mut last_c[..]),
        scratch: &mut scratch,
    };
    match lengths {
        Some(lengths) => recurrent_lengths_f32(layer, lengths, operands).unwrap(),
        None => recurrent_f32(layer, operands),
    }
    for (expected, got) in expected.iter().zip(&got) {
        for (i, (&e, &g)) in expected.iter().zip(got).enumerate() {
            // Rounding of at most a few dozen terms per step, carried over a few steps.
            let close = (e - f64::from(g)).abs() <= 2e-5 * e.abs().max(1.0);
            assert!(close, "element {i}: {g}, not {e}: {layer:?} {lengths:?}");
        }
    }
}

#[test]
fn edge_sizes() {
    on_every_level(|| {
        let mut random = Random(1);
        for kind in KINDS {
            for direction in [Direction::Forward, Direction::Reverse, Direction::Bidirectional] {
                for (hidden, batch, time) in [
                    (0, 1, 2),
                    (1, 1, 1),
                    (5, 2, 3),
                    (16, 1, 2),
                    (24, 4, 2),
                    (37, 5, 3),
                    (64, 1, 3),
                    (80, 9, 2),
                ] {
                    for batch_first in [false, true] {
                        let activations = usual(kind, direction);
                        let activations = &activations;
                        let layer = Layer {
                            kind,
                            direction,
                            activations,
                            clip: f32::INFINITY,
                            time,
                            batch,
                            hidden,
                            batch_first,
                        };
                        check_layer(&layer, None, &mut random);
                    }
                }
            }
        }
    });
}

#[test]
fn random_layers() {
    on_every_level(|| {
        let mut random = Random(2);
        for round in 0..200 {
            let kind = KINDS[round % KINDS.len()];
            let direction =
                [Direction::Forward, Direction::Reverse, Direction::Bidirectional][random.below(3)];
            let activations: Vec<Activation> =
                usual(kind, direction).into_iter().map(|_| random.activation()).collect();
            let (time, batch, hidden) = (random.below(5), random.below(7), random.below(40));
            let lengths: Vec<i32> = (0..batch).map(|_| random.below(time + 1) as i32).collect();
            let lengths = (random.below(2) == 0).then_some(&lengths[..]);
            let clip = if random.below(2) == 0 { 0.5 } else { f32::INFINITY };
            let batch_first = random.below(2) == 0;
            let activations = &activations;
            let layer = Layer { kind, direction, activations, clip, time, batch, hidden, batch_first };
            check_layer(&layer, lengths, &mut random);
        }
    });
}

#[test]
fn lengths_outside_are_errors() {
    let layer = Layer {
        kind: Kind::Rnn,
        direction: Direction::Forward,
        activations: &[Activation::Tanh],
        clip: f32::INFINITY,
        time: 2,
        batch: 2,
        hidden: 1,
        batch_first: false,
    };
    for (lengths, index) in [([1, 3], 3), ([-1, 2], -1)] {
        let mut scratch = [0.0; 64];
        let operands = Operands {
            gates: &[0.0; 4],
            recurrence: &[1.0],
            hidden_bias: None,
            peepholes: None,
            initial_h: None,
            initial_c: None,
            y: None,
            last_h: None,
            last_c: None,
            scratch: &mut scratch,
        };
        let result = recurrent_lengths_f32(&layer, &lengths, operands);
        assert_eq!(result, Err(IndexError { index, bound: 3 }));
    }
}

#[test]
fn an_lstm_by_hand() {
    // One element, one step: i = o = f = sigmoid(0) = 1/2, c = tanh(ln 2) = 3/5.
    let mut scratch = [0.0; 64];
    let (mut y, mut c) = ([0.0], [0.0]);
    let layer = Layer {
        kind: Kind::Lstm { input_forget: false },
        direction: Direction::Forward,
        activations: &[Activation::Sigmoid, Activation::Tanh, Activation::Tanh],
        clip: f32::INFINITY,
        time: 1,
        batch: 1,
        hidden: 1,
        batch_first: false,
    };
    let operands = Operands {
        gates: &[0.0, 0.0, 0.0, core::f32::consts::LN_2],
        recurrence: &[0.0, 0.0, 0.0, 0.0],
        hidden_bias: None,
        peepholes: None,
        initial_h: None,
        initial_c: Some(&[0.4]),
        y: Some(&mut y),
        last_h: None,
        last_c: Some(&mut c),
        scratch: &mut scratch,
    };
    recurrent_f32(&layer, operands);
    assert!((c[0] - 0.5).abs() < 1e-6, "0.4 / 2 + 0.6 / 2");
    assert!((y[0] - 0.5 * 0.5_f32.tanh()).abs() < 1e-6);
}
