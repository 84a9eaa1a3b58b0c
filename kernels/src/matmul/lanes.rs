//! What the micro-kernel asks of an instruction set: vectors of 16 lanes, however many registers they take.

use super::dot::{COLUMNS, Dot};
use super::right::Right;
use super::tile::Tile;
use crate::conv::depthwise::Block;
use crate::isa::{self, Level};
use half::{bf16, f16};

/// Rows of the tallest register tile of any instruction set.
pub(crate) const MAX_ROWS: usize = 14;

/// An instruction set that computes tiles.
///
/// Every method requires that the processor has the instructions of the implementing type, and is inlined into
/// functions that are compiled for them.
pub(crate) trait Lanes {
    /// 16 lanes.
    type V: Copy;
    /// Which of the 16 lanes are there.
    type Mask: Copy;
    /// Whether [`Self::load_part`] costs more than a comparison.
    const SLOW_PART: bool;
    /// Panels of the widest register tile of many rows.
    const PANELS: usize;
    /// Rows up to which a product streams its right operand, and so reads [`Self::STREAM`] panels at once.
    const STREAM_ROWS: usize;
    /// Panels of a tile of so few rows.
    const STREAM: usize;
    /// Rows up to which a tile reads [`Self::WIDE`] panels at once, so that more of them are on their way.
    const WIDE_ROWS: usize;
    /// Panels of a tile of even fewer rows.
    const WIDE: usize;

    /// How far ahead the panels of many rows are fetched, in rows of a panel; 0 where a fetch would cost the time of a read.
    const AHEAD: usize;
    /// Floats of the right operand in a block, which stays in the second cache of the processors of this instruction set.
    const BLOCK: usize;
    /// Longest block of `k`: as many floats of the rows of a tile stay in the first cache.
    const K_BLOCK: usize;
    /// Most pixels of a register block of a depthwise convolution.
    const PIXELS: usize;

    /// Rows of the tallest register tile of up to [`Self::PANELS`] panels.
    fn rows(panels: usize) -> usize;
    /// The first `w` lanes, `1 <= w <= 16`.
    unsafe fn mask(w: usize) -> Self::Mask;
    /// All lanes zero.
    unsafe fn zero() -> Self::V;
    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self::V;
    /// Reads 16 floats.
    unsafe fn load(from: *const f32) -> Self::V;
    /// Reads the floats of the lanes in `mask` and nothing else; the other lanes are zero.
    unsafe fn load_part(from: *const f32, mask: Self::Mask) -> Self::V;
    /// Reads 16 half-precision numbers.
    unsafe fn load_f16(from: *const f16) -> Self::V;
    /// Reads 16 numbers of the upper half of `f32`.
    unsafe fn load_bf16(from: *const bf16) -> Self::V;
    /// Hints that the floats at an address will be needed. Any address may be given.
    unsafe fn prefetch(at: *const f32);
    /// Hints that the floats at an address will be needed later on.
    unsafe fn prefetch_far(at: *const f32);
    /// Writes 16 floats.
    unsafe fn store(to: *mut f32, v: Self::V);
    /// Writes the lanes in `mask` and nothing else.
    unsafe fn store_part(to: *mut f32, mask: Self::Mask, v: Self::V);
    /// `a * b + c`, rounded once where the instruction set can.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a + b`.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `max(lo)` then `min(hi)`; NaN in `v` stays.
    unsafe fn clamp(v: Self::V, lo: Self::V, hi: Self::V) -> Self::V;
    /// The sum of all lanes.
    unsafe fn sum(v: Self::V) -> f32;

    /// [`super::tile::tile`] of the form and number of rows, compiled for this instruction set.
    unsafe fn tile(form: Form, rows: usize, tile: &Tile<'_>);
    /// The same with a right operand in half precision, of at most [`HALF_ROWS`](super::right::HALF_ROWS) rows.
    unsafe fn half_tile<B: Right>(form: Form, rows: usize, tile: &Tile<'_, B>);
    /// [`super::right::expand`], compiled for this instruction set.
    unsafe fn expand<B: Right>(from: *const B, to: *mut f32, len: usize);
    /// [`super::dot::dot`], compiled for this instruction set.
    unsafe fn dot(dot: &Dot) -> [f32; COLUMNS];
    /// [`crate::conv::depthwise::pixels`] of up to [`Self::PIXELS`] pixels, compiled for this instruction set.
    unsafe fn depthwise(pixels: usize, block: &Block<'_>);
    /// [`super::transpose::panel`], compiled for this instruction set.
    unsafe fn transpose(from: *const f32, stride: usize, w: usize, k: usize, to: *mut f32);
}

/// Copies `w <= 16` floats in pieces of constant length.
///
/// # Safety
/// `w` floats are readable and writable, and do not overlap.
#[inline(always)]
pub(crate) unsafe fn copy_part(from: *const f32, to: *mut f32, w: usize) {
    let mut at = 0;
    for piece in [16, 8, 4, 2, 1] {
        if w & piece != 0 {
            // SAFETY: the pieces taken add up to `w`.
            unsafe { to.add(at).copy_from_nonoverlapping(from.add(at), piece) };
            at += piece;
        }
    }
}

/// How many panels a tile covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// So many panels of 16 columns: up to [`Lanes::PANELS`] with at most [`Lanes::rows`] rows, [`Lanes::STREAM`] with at
    /// most [`Lanes::STREAM_ROWS`], [`Lanes::WIDE`] with at most [`Lanes::WIDE_ROWS`].
    Whole(usize),
    /// One panel of less than 16 columns.
    Part,
}

/// Evaluates an expression in which `$lanes` names the instruction set of a path.
macro_rules! with_lanes {
    ($path:expr, $lanes:ident => $body:expr) => {
        match $path.level() {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Level::Avx512 => {
                type $lanes = $crate::matmul::avx512::Avx512;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Level::Avx2 => {
                type $lanes = $crate::matmul::avx2::Avx2;
                $body
            }
            #[cfg(target_arch = "aarch64")]
            _ => {
                type $lanes = $crate::matmul::neon::Neon;
                $body
            }
            #[cfg(not(target_arch = "aarch64"))]
            _ => {
                type $lanes = $crate::matmul::portable::Portable;
                $body
            }
        }
    };
}
pub(crate) use with_lanes;

/// Calls `run::<rows, panels, part>(tile)` for a run-time number of rows out of those listed. A type before the panels
/// comes first.
macro_rules! by_rows {
    ($rows:expr, $run:ident, $b:ident, $panels:literal, $part:literal, $tile:expr; $($listed:literal)*) => {
        match $rows {
            $($listed => $run::<$b, $listed, $panels, $part>($tile),)*
            rows => unreachable!("no tile of {rows} rows"),
        }
    };
    ($rows:expr, $run:ident, $panels:literal, $part:literal, $tile:expr; $($listed:literal)*) => {
        match $rows {
            $($listed => $run::<$listed, $panels, $part>($tile),)*
            rows => unreachable!("no tile of {rows} rows"),
        }
    };
}
pub(crate) use by_rows;

/// Calls `run::<pixels, vectors>(block)` for a run-time number of pixels out of those listed.
macro_rules! by_pixels {
    ($pixels:expr, $run:ident, $block:expr; $($listed:literal x $vectors:literal),*) => {
        match $pixels {
            $($listed => $run::<$listed, $vectors>($block),)*
            pixels => unreachable!("no block of {pixels} pixels"),
        }
    };
}
pub(crate) use by_pixels;

/// A level that this processor has: proof that its instructions may be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path(Level);

impl Path {
    /// What [`isa::level`] chose.
    pub(crate) fn current() -> Self {
        Self(isa::level())
    }

    /// Every level of this processor.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Level::Baseline, Level::Avx2, Level::Avx512].into_iter().filter(|&l| l <= isa::supported()).map(Self)
    }

    /// The level.
    pub(crate) fn level(self) -> Level {
        self.0
    }
}
