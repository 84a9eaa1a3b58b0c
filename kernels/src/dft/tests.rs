//! Transforms against the definition, in f64.

use super::*;
use crate::isa::on_every_level;
use std::{vec, vec::Vec};

fn signal(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + 5) % 211) as f32 / 105.0 - 1.0).collect()
}

/// The definition: `x` is complex.
fn oracle(x: &[(f64, f64)], inverse: bool) -> Vec<(f64, f64)> {
    let n = x.len();
    let turn = if inverse { TAU } else { -TAU };
    let scale = if inverse { 1.0 / n as f64 } else { 1.0 };
    (0..n)
        .map(|k| {
            let mut sum = (0.0, 0.0);
            for (j, &(re, im)) in x.iter().enumerate() {
                let (s, c) = (turn * (j * k % n) as f64 / n as f64).sin_cos();
                sum = (sum.0 + re * c - im * s, sum.1 + re * s + im * c);
            }
            (sum.0 * scale, sum.1 * scale)
        })
        .collect()
}

#[test]
fn agree_with_the_definition() {
    on_every_level(|| {
        for length in [1, 2, 3, 4, 5, 6, 7, 8, 12, 15, 16, 30, 49, 64, 97, 100, 128, 480] {
            for (inverse, onesided, components) in
                [(false, false, 2), (false, true, 1), (true, false, 2), (false, false, 1), (true, true, 2)]
            {
                let kind = Dft { length, inverse, onesided };
                let (outer, inner) = (2, 3);
                // The input is as long as the transform, or one shorter or longer.
                for n in [length, length + 1, length.max(2) - 1] {
                    let n = if inverse && onesided { length / 2 + 1 } else { n };
                    let x = signal(outer * n * inner * components);
                    let mut y = vec![9.0; outer * kind.output() * inner * kind.components()];
                    let mut scratch = vec![7.0; kind.scratch()];
                    dft(&kind, outer, n, inner, components, &x, &mut y, &mut scratch);
                    let exact: Vec<f64> = x.iter().map(|&v| v.into()).collect();
                    let mut fine = vec![9.0; y.len()];
                    dft(&kind, outer, n, inner, components, &exact, &mut fine, &mut scratch);
                    for (o, i) in [(0, 0), (1, 2)] {
                        let at = |k: usize| ((o * n + k) * inner + i) * components;
                        let mut line: Vec<(f64, f64)> = (0..n)
                            .map(|k| {
                                (x[at(k)].into(), if components == 2 { x[at(k) + 1].into() } else { 0.0 })
                            })
                            .collect();
                        line.resize(length, (0.0, 0.0));
                        if inverse && onesided {
                            line[0].1 = 0.0;
                            for k in 1..length {
                                if 2 * k == length {
                                    line[k].1 = 0.0;
                                } else if 2 * k > length {
                                    line[k] = (line[length - k].0, -line[length - k].1);
                                }
                            }
                        }
                        for (k, want) in oracle(&line, inverse)[..kind.output()].iter().enumerate() {
                            let to = ((o * kind.output() + k) * inner + i) * kind.components();
                            let want = [want.0, want.1];
                            let got = to..to + kind.components();
                            for ((got, fine), want) in y[got.clone()].iter().zip(&fine[got]).zip(want) {
                                let error = (f64::from(*got) - want).abs();
                                assert!(error < 1e-6 * (length as f64).sqrt(), "{kind:?} {k}: {got} {want}");
                                assert!((fine - want).abs() < 1e-11, "{kind:?} {k}: {fine} {want}");
                            }
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn frames() {
    on_every_level(|| {
        let kind = Dft { length: 16, inverse: false, onesided: true };
        let x = signal(2 * 40);
        let window: Vec<f32> = (0..12).map(|i| i as f32 / 12.0).collect();
        let mut y = vec![0.0; 2 * 4 * 9 * 2];
        let mut scratch = vec![0.0; kind.scratch()];
        stft(&kind, 2, 40, 1, 4, 8, &x, &window, &mut y, &mut scratch);
        for (b, frame) in [(0, 0), (1, 3)] {
            let mut line: Vec<f32> = (0..12).map(|k| x[b * 40 + frame * 8 + k] * window[k]).collect();
            line.resize(16, 0.0);
            let mut want = vec![0.0; 18];
            dft(&kind, 1, 16, 1, 1, &line, &mut want, &mut vec![0.0; kind.scratch()]);
            for (got, want) in y[(b * 4 + frame) * 18..][..18].iter().zip(&want) {
                assert!((got - want).abs() < 2e-6, "{got} {want}");
            }
        }
    });
}
