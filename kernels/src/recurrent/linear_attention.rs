//! Linear attention: a matrix of state per head, to which every step adds an outer product and which its query reads.
//!
//! <https://onnx.ai/onnx/operators/onnx__LinearAttention.html>: with decay `g`, rate `β` and the state `S` of `key` rows by
//! `value` columns, a step is `S ← e^g S`, `r = β (v − Sᵀ k)` or `r = v`, `S ← S + k rᵀ`, `y = scale · Sᵀ q`.

use crate::math;

/// The extents and the update rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearAttention {
    /// Number of independent sequences.
    pub batch: usize,
    /// Steps.
    pub time: usize,
    /// Heads of queries, a multiple of `kv_heads`.
    pub q_heads: usize,
    /// Heads of keys, values and states.
    pub kv_heads: usize,
    /// Elements of a key or query of one head.
    pub key: usize,
    /// Elements of a value of one head.
    pub value: usize,
    /// Factor of the results.
    pub scale: f32,
}

/// The operands: queries `[batch, time, q_heads * key]`, keys and values alike.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Queries.
    pub query: &'a [f32],
    /// Keys.
    pub keys: &'a [f32],
    /// Values.
    pub values: &'a [f32],
    /// Logarithms of decays: one per element of a key, or one per head.
    pub decay: Option<&'a [f32]>,
    /// Rates of the delta rule: one per head, or one per step.
    pub beta: Option<&'a [f32]>,
    /// The states before the first step, zero if left out.
    pub past: Option<&'a [f32]>,
}

/// Runs all steps: `y` is `[batch, time, q_heads * value]`, `state` `[batch, kv_heads, key, value]`. `scratch` has `value`
/// elements.
///
/// # Panics
/// If a slice does not have its extents.
#[inline(never)]
pub fn linear_attention(
    shape: &LinearAttention,
    inputs: Inputs<'_>,
    y: &mut [f32],
    state: &mut [f32],
    scratch: &mut [f32],
) {
    let &LinearAttention { batch, time, q_heads, kv_heads, key, value, .. } = shape;
    let steps = batch * time;
    let one_of = |list: Option<&[f32]>, lengths: [usize; 2]| list.is_none_or(|l| lengths.contains(&l.len()));
    assert!(
        kv_heads > 0
            && q_heads % kv_heads == 0
            && inputs.query.len() == steps * q_heads * key
            && inputs.keys.len() == steps * kv_heads * key
            && inputs.values.len() == steps * kv_heads * value
            && one_of(inputs.decay, [steps * kv_heads * key, steps * kv_heads])
            && one_of(inputs.beta, [steps * kv_heads, steps])
            && inputs.past.is_none_or(|p| p.len() == state.len())
            && y.len() == steps * q_heads * value
            && state.len() == batch * kv_heads * key * value
            && scratch.len() >= value,
        "operands of linear attention do not have its extents"
    );
    match inputs.past {
        Some(past) => state.copy_from_slice(past),
        None => state.fill(0.0),
    }
    if key * value == 0 {
        y.fill(0.0);
        return;
    }
    let residual = &mut scratch[..value];
    crate::vectorize(
        #[inline(always)]
        || {
            for (number, state) in state.chunks_exact_mut(key * value).enumerate() {
                let (entry, head) = (number / kv_heads, number % kv_heads);
                for t in 0..time {
                    step(shape, &inputs, entry * time + t, head, state, residual, y);
                }
            }
        },
    );
}

/// One step of one head.
#[inline(always)]
fn step(
    shape: &LinearAttention,
    inputs: &Inputs<'_>,
    at: usize,
    head: usize,
    state: &mut [f32],
    residual: &mut [f32],
    y: &mut [f32],
) {
    let &LinearAttention { q_heads, kv_heads, key, value, scale, .. } = shape;
    let own = at * kv_heads + head;
    let k = &inputs.keys[own * key..][..key];
    let v = &inputs.values[own * value..][..value];
    residual.copy_from_slice(v);
    let per_head = inputs.decay.is_some_and(|d| d.len() != inputs.keys.len());
    for (i, (row, &k)) in state.chunks_exact_mut(value).zip(k).enumerate() {
        if let Some(decay) = inputs.decay {
            let factor = math::exp(decay[if per_head { own } else { own * key + i }]);
            for s in row.iter_mut() {
                *s *= factor;
            }
        }
        if inputs.beta.is_some() {
            for (r, &s) in residual.iter_mut().zip(&*row) {
                *r -= k * s;
            }
        }
    }
    if let Some(beta) = inputs.beta {
        let rate = beta[if beta.len() == inputs.keys.len() / key { own } else { at }];
        for r in residual.iter_mut() {
            *r *= rate;
        }
    }
    for (row, &k) in state.chunks_exact_mut(value).zip(k) {
        for (s, &r) in row.iter_mut().zip(&*residual) {
            *s += k * r;
        }
    }
    let group = q_heads / kv_heads;
    for q_head in head * group..(head + 1) * group {
        let number = at * q_heads + q_head;
        let q = &inputs.query[number * key..][..key];
        let y = &mut y[number * value..][..value];
        y.fill(0.0);
        for (row, &q) in state.chunks_exact(value).zip(q) {
            let q = q * scale;
            for (y, &s) in y.iter_mut().zip(row) {
                *y += q * s;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::on_every_level;
    use std::{vec, vec::Vec};

    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 37 + seed * 11) % 23) as f32 / 16.0 - 0.7).collect()
    }

    /// The definition with whole matrices: every step makes a new state.
    fn expected(shape: &LinearAttention, inputs: &Inputs<'_>, state: &mut [f64], y: &mut [f64]) {
        let &LinearAttention { batch, time, q_heads, kv_heads, key, value, scale } = shape;
        let at = |list: &[f32], i: usize| f64::from(list[i]);
        for b in 0..batch {
            for h in 0..kv_heads {
                let base = (b * kv_heads + h) * key * value;
                for t in 0..time {
                    let n = (b * time + t) * kv_heads + h;
                    for i in 0..key {
                        let g = inputs.decay.map_or(0.0, |d| {
                            if d.len() == batch * time * kv_heads * key {
                                at(d, n * key + i)
                            } else {
                                at(d, n)
                            }
                        });
                        for j in 0..value {
                            state[base + i * value + j] *= g.exp();
                        }
                    }
                    let before = state.to_vec();
                    for i in 0..key {
                        for j in 0..value {
                            let mut r = at(inputs.values, n * value + j);
                            if let Some(beta) = inputs.beta {
                                let read: f64 = (0..key)
                                    .map(|l| at(inputs.keys, n * key + l) * before[base + l * value + j])
                                    .sum();
                                let one = beta.len() == batch * time && kv_heads > 1;
                                r = at(beta, if one { b * time + t } else { n }) * (r - read);
                            }
                            state[base + i * value + j] += at(inputs.keys, n * key + i) * r;
                        }
                    }
                    for q in 0..q_heads {
                        if q / (q_heads / kv_heads) != h {
                            continue;
                        }
                        let m = (b * time + t) * q_heads + q;
                        for j in 0..value {
                            let sum: f64 = (0..key)
                                .map(|i| at(inputs.query, m * key + i) * state[base + i * value + j])
                                .sum();
                            y[m * value + j] = f64::from(scale) * sum;
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn against_the_definition() {
        on_every_level(|| {
            for (batch, time, q_heads, kv_heads, key, value) in [
                (1, 1, 1, 1, 1, 1),
                (2, 3, 4, 2, 5, 7),
                (1, 4, 3, 3, 16, 20),
                (2, 0, 1, 1, 2, 2),
                (1, 2, 4, 1, 3, 33),
            ] {
                for form in 0..9 {
                    let shape = LinearAttention { batch, time, q_heads, kv_heads, key, value, scale: 0.3 };
                    let steps = batch * time;
                    let (q, k) = (numbers(steps * q_heads * key, 1), numbers(steps * kv_heads * key, 2));
                    let v = numbers(steps * kv_heads * value, 3);
                    let (by_key, by_head) =
                        (numbers(steps * kv_heads * key, 4), numbers(steps * kv_heads, 5));
                    let (rates, rate) = (numbers(steps * kv_heads, 6), numbers(steps, 7));
                    let past = numbers(batch * kv_heads * key * value, 8);
                    let inputs = Inputs {
                        query: &q,
                        keys: &k,
                        values: &v,
                        decay: [None, Some(&by_key[..]), Some(&by_head[..])][form % 3],
                        beta: [None, Some(&rates[..]), Some(&rate[..])][form / 3],
                        past: (form % 2 == 0).then_some(&past[..]),
                    };
                    let mut want_state: Vec<f64> =
                        past.iter().map(|&p| if form % 2 == 0 { f64::from(p) } else { 0.0 }).collect();
                    let mut want = vec![0.0; steps * q_heads * value];
                    expected(&shape, &inputs, &mut want_state, &mut want);
                    let (mut y, mut state) = (vec![7.0; want.len()], vec![7.0; past.len()]);
                    linear_attention(&shape, inputs, &mut y, &mut state, &mut vec![7.0; value]);
                    for (got, want) in y.iter().zip(&want).chain(state.iter().zip(&want_state)) {
                        let close = (f64::from(*got) - want).abs() <= 1e-4 * want.abs().max(1.0);
                        assert!(close, "{got}, not {want}: {shape:?} form {form}");
                    }
                }
            }
        });
    }
}
