//! Attention of half-precision operands: a matrix at a time is widened, the rest is [`super::attention_f32`].

use super::{Extents, Operand, Scores, Strides, attention_f32, attention_scratch};
use crate::element::Element;
use crate::isa;
use crate::math::{Cast, cast};

/// How many floats of scratch [`attention_half`] needs; `group` is the extent of the last axis of the batch. Grows with
/// every argument.
pub const fn attention_half_scratch(
    group: usize,
    queries: usize,
    keys: usize,
    depth: usize,
    width: usize,
) -> usize {
    let wide = (group * queries + keys) * (depth + width);
    wide + attention_scratch(group, queries, keys, depth, width)
}

/// [`super::attention_f32`] of `f16` or `bf16` operands. Everything between operands and result is computed in f32, and
/// the result is rounded once.
///
/// Panics if a slice is too short for its extents.
#[allow(clippy::too_many_arguments, reason = "three operands, a result, and how they meet")]
pub fn attention_half<T: Element + Cast<f32>>(
    extents: &Extents,
    q: Operand<'_, T>,
    k: Operand<'_, T>,
    v: Operand<'_, T>,
    scores: &Scores<'_>,
    out: &mut [T],
    out_strides: Strides,
    scratch: &mut [f32],
) where
    f32: Cast<T>,
{
    let Extents { batch, queries, keys, depth, width } = *extents;
    if batch.contains(&0) || queries == 0 || width == 0 {
        return;
    }
    let shared = k.strides.batch[2] == 0 && v.strides.batch[2] == 0;
    // Matrices of the last axis that are computed together.
    let group = if shared { batch[2] } else { 1 };
    let (wide_q, rest) = scratch.split_at_mut(group * queries * depth);
    let (wide_k, rest) = rest.split_at_mut(keys * depth);
    let (wide_v, rest) = rest.split_at_mut(keys * width);
    let (result, rest) = rest.split_at_mut(group * queries * width);
    let matrices = |rows: usize, columns: usize| Strides { batch: [0, 0, rows * columns], row: columns };
    let one = |columns: usize| Strides { batch: [0; 3], row: columns };
    for at in 0..batch[0] * batch[1] * (batch[2] / group) {
        let [first, second, third] = [
            at / (batch[2] / group) / batch[1],
            at / (batch[2] / group) % batch[1],
            at % (batch[2] / group) * group,
        ];
        for i in 0..group {
            widen(&q, [first, second, third + i], &mut wide_q[i * queries * depth..], queries, depth);
        }
        widen(&k, [first, second, third], wide_k, keys, depth);
        widen(&v, [first, second, third], wide_v, keys, width);
        let map = |[_, _, i, query]: [usize; 4], key: usize, row: &mut [f32]| {
            if let Some(map) = scores.map {
                map([first, second, third + i, query], key, row);
            }
        };
        let inner = Scores { map: if scores.map.is_some() { Some(&map) } else { None }, ..*scores };
        attention_f32(
            &Extents { batch: [1, 1, group], ..*extents },
            Operand { data: wide_q, strides: matrices(queries, depth) },
            Operand { data: wide_k, strides: one(depth) },
            Operand { data: wide_v, strides: one(width) },
            &inner,
            result,
            matrices(queries, width),
            rest,
        );
        for row in 0..group * queries {
            let place = [first, second, third + row / queries];
            let start = out_strides.offset(place) + row % queries * out_strides.row;
            convert(&result[row * width..][..width], &mut out[start..][..width]);
        }
    }
}

/// The rows of one matrix, one after another.
fn widen<T: Element + Cast<f32>>(
    x: &Operand<'_, T>,
    at: [usize; 3],
    wide: &mut [f32],
    rows: usize,
    columns: usize,
) {
    let from = x.from(at);
    for row in 0..rows {
        convert(&from[row * x.strides.row..][..columns], &mut wide[row * columns..][..columns]);
    }
}

fn convert<T: Element + Cast<U>, U: Element>(from: &[T], to: &mut [U]) {
    isa::vectorize(
        #[inline(always)]
        || {
            for (to, from) in to.iter_mut().zip(from) {
                *to = cast(*from);
            }
        },
    );
}
