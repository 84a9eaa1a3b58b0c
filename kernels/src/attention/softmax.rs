//! The softmax of a row that is seen in tiles.

use crate::math::{self, exp_not_positive};
use crate::reduce::rows;

/// Lanes of a partial sum.
const LANES: usize = 16;

/// What is known of a row after some of its tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The largest score; NaN if any was.
    pub(super) largest: f32,
    /// The sum of `exp(score - largest)`.
    pub(super) sum: f32,
}

impl Row {
    /// A row of which nothing was seen.
    pub(super) const NEW: Row = Row { largest: f32::NEG_INFINITY, sum: 0.0 };
}

/// Replaces the scores of a tile, times `scale`, by their powers relative to the largest so far; answers the row after it,
/// and by what everything computed of the row before must be multiplied.
///
/// To be called inside of [`crate::vectorize`].
#[inline(always)]
pub(super) fn soften(scores: &mut [f32], scale: f32, before: Row) -> (Row, f32) {
    let tile = rows::max(
        scores.len(),
        #[inline(always)]
        |i| scores[i] * scale,
    );
    let largest = math::max(before.largest, tile);
    if largest == f32::NEG_INFINITY {
        // Nothing but −∞ so far: later scores may still count, and 0/0 remains if none does.
        scores.fill(0.0);
        return (Row { largest, sum: 0.0 }, 1.0);
    }
    let mut lanes = [0.0; LANES];
    let (whole, rest) = scores.as_chunks_mut::<LANES>();
    for chunk in whole {
        for (lane, score) in lanes.iter_mut().zip(chunk) {
            *score = exp_not_positive(*score * scale - largest);
            *lane += *score;
        }
    }
    for (lane, score) in lanes.iter_mut().zip(rest) {
        *score = exp_not_positive(*score * scale - largest);
        *lane += *score;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    let factor = exp_not_positive(before.largest - largest);
    (Row { largest, sum: before.sum * factor + lanes[0] }, factor)
}
