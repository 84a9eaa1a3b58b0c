//! The naive attention: the oracle of the blocked one.

use super::{Extents, Operand, Scores, Strides};

/// [`super::attention_f32`], one query at a time and in f64 between the scores and the result.
#[allow(clippy::too_many_arguments, reason = "three operands, a result, and how they meet")]
pub fn attention(
    extents: &Extents,
    q: Operand<'_>,
    k: Operand<'_>,
    v: Operand<'_>,
    scores: &Scores<'_>,
    out: &mut [f32],
    out_strides: Strides,
    row: &mut [f32],
) {
    let Extents { batch, queries, keys, depth, width } = *extents;
    let row = &mut row[..keys];
    let entries = batch[0] * batch[1] * batch[2];
    for (entry, query) in (0..entries).flat_map(|e| (0..queries).map(move |query| (e, query))) {
        let at = [entry / (batch[1] * batch[2]), entry / batch[2] % batch[1], entry % batch[2]];
        let start = |strides: &Strides, row: usize| strides.offset(at) + row * strides.row;
        let x = &q.data[start(&q.strides, query)..][..depth];
        for (key, score) in row.iter_mut().enumerate() {
            let y = &k.data[start(&k.strides, key)..][..depth];
            *score = x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>() * scores.scale;
        }
        if let Some(map) = scores.map {
            map([at[0], at[1], at[2], query], 0, row);
        }
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, crate::math::max);
        let power = |score: f32| libm::exp(f64::from(score) - f64::from(largest));
        let sum: f64 = row.iter().map(|&s| power(s)).sum();
        for column in 0..width {
            let mut total = 0.0;
            for (key, &score) in row.iter().enumerate() {
                total += power(score) / sum * f64::from(v.data[start(&v.strides, key) + column]);
            }
            let masked = scores.empty && sum.is_nan();
            out[start(&out_strides, query) + column] = if masked { 0.0 } else { total as f32 };
        }
    }
}
