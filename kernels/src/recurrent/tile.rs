//! The product of the state with the recurrence matrices, for a few rows and 16 or more elements of every gate.
//!
//! The sums of one element's gates are formed side by side, so that the gates are applied to what is in registers.

#![allow(clippy::needless_range_loop, reason = "constant bounds keep the arrays in registers")]

use crate::matmul::lanes::Lanes;
use crate::matmul::pack::PANEL;

/// Rows of the tallest tile.
pub(super) const ROWS: usize = 4;

/// Most gates of a tile.
pub(super) const GATES: usize = 4;

/// Most sums of a tile: rows times panels times gates.
pub(super) const SUMS: usize = 16;

/// How far ahead panels are fetched, in floats.
const AHEAD: usize = 16 * PANEL;

/// The sums of a tile, for each row and panel those of all gates.
pub(super) type Sums = [[f32; PANEL]; SUMS];

/// A tile.
pub(super) struct Tile {
    /// First element of the tile's first panel in the matrix of the first gate.
    pub(super) panels: *const f32,
    /// The end of what may be read from there on.
    pub(super) end: *const f32,
    /// Elements of a row of state.
    pub(super) hidden: usize,
    /// The rows of state.
    pub(super) state: [*const f32; ROWS],
    /// What the sums of each row and gate begin with; null stands for zeros.
    pub(super) start: [[*const f32; GATES]; ROWS],
    /// Elements of the last panel, 16 unless `PART`.
    pub(super) width: usize,
}

/// Computes `MR` rows by `NB` panels of `G` gates; with `PART`, the last panel has `width` columns.
///
/// # Safety
/// The processor has the instructions of `L`. The panels of all gates end before `end`, the rows of state have `hidden`
/// elements, and what the sums begin with has as many as the panels.
#[inline(always)]
pub(super) unsafe fn tile<L: Lanes, const MR: usize, const NB: usize, const G: usize, const PART: bool>(
    tile: &Tile,
    out: &mut Sums,
) {
    // SAFETY: what the caller promises is what every access below needs.
    unsafe {
        let mask = L::mask(tile.width);
        let mut sums = [[[L::zero(); G]; NB]; MR];
        for r in 0..MR {
            for g in 0..G {
                let from = tile.start[r][g];
                for b in 0..NB {
                    if from.is_null() {
                        continue;
                    }
                    let part = PART && b == NB - 1;
                    let from = from.add(b * PANEL);
                    sums[r][b][g] = if part { L::load_part(from, mask) } else { L::load(from) };
                }
            }
        }
        multiply::<L, MR, NB, G, PART>(tile, mask, &mut sums);
        for r in 0..MR {
            for b in 0..NB {
                for g in 0..G {
                    L::store(out[(r * NB + b) * G + g].as_mut_ptr(), sums[r][b][g]);
                }
            }
        }
    }
}

/// The sums over the state, in ascending order.
#[inline(always)]
unsafe fn multiply<L: Lanes, const MR: usize, const NB: usize, const G: usize, const PART: bool>(
    tile: &Tile,
    mask: L::Mask,
    sums: &mut [[[L::V; G]; NB]; MR],
) {
    // SAFETY: the caller's promise covers the panels and the state.
    unsafe {
        let matrix = tile.hidden * tile.hidden;
        let panel = tile.hidden * PANEL;
        for k in 0..tile.hidden {
            let mut rows = [[L::zero(); G]; NB];
            for b in 0..NB {
                let part = PART && b == NB - 1;
                let step = if part { tile.width } else { PANEL };
                for g in 0..G {
                    let from = tile.panels.add(g * matrix + b * panel + k * step);
                    L::prefetch(from.wrapping_add(AHEAD));
                    // Lanes that are not there may hold anything that can be read.
                    let whole = !part || L::SLOW_PART && from.wrapping_add(PANEL) <= tile.end;
                    rows[b][g] = if whole { L::load(from) } else { L::load_part(from, mask) };
                }
            }
            for r in 0..MR {
                let x = L::splat(*tile.state[r].add(k));
                for b in 0..NB {
                    for g in 0..G {
                        sums[r][b][g] = L::fma(x, rows[b][g], sums[r][b][g]);
                    }
                }
            }
        }
    }
}
