//! Products with a transposed operand and few rows: dot products along contiguous rows.

#![allow(clippy::needless_range_loop, reason = "constant bounds keep the arrays in registers")]

use super::lanes::Lanes;

/// Rows of the transposed operand that are read at once.
pub(crate) const COLUMNS: usize = 4;

/// Dot products of one row with up to [`COLUMNS`] others.
pub(crate) struct Dot {
    /// The row.
    pub(crate) a: *const f32,
    /// The others; unused ones repeat a used one.
    pub(crate) b: [*const f32; COLUMNS],
    /// Their length.
    pub(crate) k: usize,
}

/// The sums, each over 16 interleaved lanes that are added at the end.
///
/// # Safety
/// The processor has the instructions of `L`; every row has `k` readable floats.
#[inline(always)]
pub(crate) unsafe fn dot<L: Lanes>(dot: &Dot) -> [f32; COLUMNS] {
    // SAFETY: every access is within the `k` floats of its row.
    unsafe {
        let mut sums = [L::zero(); COLUMNS];
        let mut k = 0;
        while k + 16 <= dot.k {
            let a = L::load(dot.a.add(k));
            for c in 0..COLUMNS {
                sums[c] = L::fma(a, L::load(dot.b[c].add(k)), sums[c]);
            }
            k += 16;
        }
        if k < dot.k {
            let mask = L::mask(dot.k - k);
            let a = L::load_part(dot.a.add(k), mask);
            for c in 0..COLUMNS {
                sums[c] = L::fma(a, L::load_part(dot.b[c].add(k), mask), sums[c]);
            }
        }
        let mut out = [0.0; COLUMNS];
        for c in 0..COLUMNS {
            out[c] = L::sum(sums[c]);
        }
        out
    }
}
