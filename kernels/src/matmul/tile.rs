//! The micro-kernel: one register tile of the result, written once for all instruction sets.

#![allow(clippy::needless_range_loop, reason = "constant bounds keep the arrays in registers")]

use super::lanes::{Lanes, MAX_ROWS};
use super::pack::PANEL;
use super::product::{Product, Run};
use super::right::Right;

/// Rows of a tile that waits for memory rather than for arithmetic.
pub(crate) const FEW_ROWS: usize = 4;

/// How far ahead panels are fetched, in rows of a panel.
const fn ahead<L: Lanes>(rows: usize) -> usize {
    if rows <= FEW_ROWS { 16 } else { L::AHEAD }
}

/// A tile: up to [`MAX_ROWS`] rows by a few panels, over one block of `k`.
pub(crate) struct Tile<'a, B = f32> {
    /// The product that the tile is part of.
    pub(crate) product: &'a Product<'a, B>,
    /// First element of each row of the left operand.
    pub(crate) a: [*const f32; MAX_ROWS],
    /// Index of each row in the result.
    pub(crate) at: [usize; MAX_ROWS],
    /// The block of `k`: runs of `run_len` neighbours in a row of the left operand.
    pub(crate) runs: &'a [Run],
    /// Length of every run.
    pub(crate) run_len: usize,
    /// First element of the first panel.
    pub(crate) b: *const B,
    /// From a row of a panel to the next.
    pub(crate) b_step: usize,
    /// From a panel to the next.
    pub(crate) b_panel: usize,
    /// Part of what a later block reads, which is fetched meanwhile.
    pub(crate) later: *const B,
    /// How far every step of `k` proceeds there.
    pub(crate) later_step: usize,
    /// First column of the tile.
    pub(crate) column: usize,
    /// Columns of the last panel, 16 unless `PART`.
    pub(crate) width: usize,
    /// Whether the sums start at zero, instead of what the result holds.
    pub(crate) first: bool,
    /// Whether the sums are complete, so that the epilogue applies.
    pub(crate) last: bool,
}

/// Computes `MR` rows by `NV` panels; with `PART`, the last panel has `width` columns.
///
/// # Safety
/// The processor has the instructions of `L`. The rows, runs and panels of the tile lie inside of the operands, and
/// its rows and columns inside of the result, bias and residual.
#[inline(always)]
pub(crate) unsafe fn tile<L: Lanes, B: Right, const MR: usize, const NV: usize, const PART: bool>(
    tile: &Tile<'_, B>,
) {
    // SAFETY: what the caller promises is what every access below needs.
    unsafe {
        let mask = L::mask(tile.width);
        let mut sums = [[L::zero(); NV]; MR];
        // What will be read after the sums are formed, and what the next tile reads before, arrives meanwhile.
        if !tile.first {
            for r in 0..MR {
                let c = tile.product.c.add(tile.at[r] * tile.product.ldc + tile.column);
                for v in 0..NV {
                    L::prefetch(c.wrapping_add(16 * (NV + v)));
                }
            }
        }
        if let Some((residual, stride)) = tile.product.epilogue.residual.filter(|_| tile.last) {
            for r in 0..MR {
                let from = residual.as_ptr().add(tile.at[r] * stride + tile.column);
                for v in 0..NV {
                    L::prefetch(from.wrapping_add(16 * v));
                }
            }
        }
        if !tile.first {
            read::<L, B, MR, NV, PART>(tile, tile.product.c, tile.product.ldc, mask, &mut sums);
        }
        multiply::<L, B, MR, NV, PART>(tile, mask, &mut sums);
        if tile.last {
            finish::<L, B, MR, NV, PART>(tile, mask, &mut sums);
        }
        for r in 0..MR {
            let c = tile.product.c.add(tile.at[r] * tile.product.ldc + tile.column);
            for v in 0..NV {
                if PART && v == NV - 1 {
                    L::store_part(c.add(16 * v), mask, sums[r][v]);
                } else {
                    L::store(c.add(16 * v), sums[r][v]);
                }
            }
        }
    }
}

/// The sums over the block of `k`, in ascending order.
#[inline(always)]
unsafe fn multiply<L: Lanes, B: Right, const MR: usize, const NV: usize, const PART: bool>(
    tile: &Tile<'_, B>,
    mask: L::Mask,
    sums: &mut [[L::V; NV]; MR],
) {
    // SAFETY: the caller's promise covers the runs of every row and the panel rows that they meet.
    unsafe {
        let end = tile.product.b_end;
        for (i, run) in tile.runs.iter().enumerate() {
            let mut b = tile.b.add(run.b * tile.b_step);
            let mut a = [core::ptr::null(); MR];
            for r in 0..MR {
                a[r] = tile.a[r].add(run.a);
            }
            // Close to the end of the block, the first rows of the panels that the next tile reads are fetched. With
            // more rows they come from cache anyway.
            let last = MR <= FEW_ROWS && i + 1 == tile.runs.len();
            let next = (NV * tile.b_panel)
                .wrapping_add(tile.runs[0].b * tile.b_step)
                .wrapping_sub((run.b + tile.run_len) * tile.b_step);
            let mut later = tile.later.wrapping_add(i * tile.run_len * tile.later_step);
            let (mut k, mut ahead) = (0, ahead::<L>(MR) * tile.b_step);
            let mut stop =
                if last { tile.run_len.saturating_sub(self::ahead::<L>(MR)) } else { tile.run_len };
            loop {
                while k < stop {
                    let mut panels = [L::zero(); NV];
                    for v in 0..NV {
                        let from = b.add(v * tile.b_panel);
                        if self::ahead::<L>(MR) > 0 {
                            L::prefetch(from.wrapping_add(ahead).cast());
                        }
                        // Lanes that are not there may hold anything that can be read.
                        let whole = B::slow_part::<L>() && from.wrapping_add(PANEL) <= end;
                        let part = PART && v == NV - 1 && !whole;
                        panels[v] =
                            if part { B::load_part::<L>(from, tile.width, mask) } else { B::load::<L>(from) };
                    }
                    for r in 0..MR {
                        let x = L::splat(*a[r].add(k));
                        for v in 0..NV {
                            sums[r][v] = L::fma(x, panels[v], sums[r][v]);
                        }
                    }
                    if MR > FEW_ROWS && NV > 1 {
                        L::prefetch_far(later.cast());
                        later = later.wrapping_add(tile.later_step);
                    }
                    b = b.wrapping_add(tile.b_step);
                    k += 1;
                }
                if k >= tile.run_len {
                    break;
                }
                (stop, ahead) = (tile.run_len, ahead.wrapping_add(next));
            }
        }
    }
}

/// Adds the tile of a matrix with the rows and columns of the result.
#[inline(always)]
unsafe fn read<L: Lanes, B: Right, const MR: usize, const NV: usize, const PART: bool>(
    tile: &Tile<'_, B>,
    from: *const f32,
    stride: usize,
    mask: L::Mask,
    sums: &mut [[L::V; NV]; MR],
) {
    // SAFETY: the caller's promise covers the rows and columns of the tile.
    unsafe {
        for r in 0..MR {
            let from = from.add(tile.at[r] * stride + tile.column);
            for v in 0..NV {
                let part = PART && v == NV - 1;
                let held =
                    if part { L::load_part(from.add(16 * v), mask) } else { L::load(from.add(16 * v)) };
                sums[r][v] = L::add(sums[r][v], held);
            }
        }
    }
}

/// Bias, residual and clamp.
#[inline(always)]
unsafe fn finish<L: Lanes, B: Right, const MR: usize, const NV: usize, const PART: bool>(
    tile: &Tile<'_, B>,
    mask: L::Mask,
    sums: &mut [[L::V; NV]; MR],
) {
    // SAFETY: the caller's promise covers bias and residual.
    unsafe {
        let epilogue = tile.product.epilogue;
        if let Some(bias) = epilogue.bias {
            let from = bias.as_ptr().add(tile.column);
            for v in 0..NV {
                let part = PART && v == NV - 1;
                let bias =
                    if part { L::load_part(from.add(16 * v), mask) } else { L::load(from.add(16 * v)) };
                for row in sums.iter_mut() {
                    row[v] = L::add(row[v], bias);
                }
            }
        }
        if let Some((residual, stride)) = epilogue.residual {
            read::<L, B, MR, NV, PART>(tile, residual.as_ptr(), stride, mask, sums);
        }
        if let Some((lo, hi)) = epilogue.clamp {
            let (lo, hi) = (L::splat(lo), L::splat(hi));
            for row in sums.iter_mut() {
                for v in row {
                    *v = L::clamp(*v, lo, hi);
                }
            }
        }
    }
}
