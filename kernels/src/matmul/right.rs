//! The element types of a right operand: floats, and half precisions that become floats in registers.

use super::lanes::{Form, Lanes};
use super::pack::PANEL;
use super::tile::Tile;
use half::{bf16, f16};

/// Rows up to which a right operand in half precision is read in place.
pub(crate) const HALF_ROWS: usize = 4;

/// An element type of right operands.
///
/// Every method requires that the processor has the instructions of `L`.
pub(crate) trait Right: Copy {
    /// Most rows of a tile.
    const ROWS: usize;

    /// Whether [`Self::load_part`] costs more than a comparison.
    fn slow_part<L: Lanes>() -> bool;
    /// 16 elements as floats.
    unsafe fn load<L: Lanes>(from: *const Self) -> L::V;
    /// The first `w` of 16 elements as floats, where `mask` is theirs; nothing else is read.
    unsafe fn load_part<L: Lanes>(from: *const Self, w: usize, mask: L::Mask) -> L::V;
    /// [`super::tile::tile`] compiled for the instruction set.
    unsafe fn tile<L: Lanes>(form: Form, rows: usize, tile: &Tile<'_, Self>);
}

impl Right for f32 {
    const ROWS: usize = usize::MAX;

    #[inline(always)]
    fn slow_part<L: Lanes>() -> bool {
        L::SLOW_PART
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const f32) -> L::V {
        // SAFETY: passed on to the caller.
        unsafe { L::load(from) }
    }

    #[inline(always)]
    unsafe fn load_part<L: Lanes>(from: *const f32, _: usize, mask: L::Mask) -> L::V {
        // SAFETY: passed on to the caller.
        unsafe { L::load_part(from, mask) }
    }

    #[inline(always)]
    unsafe fn tile<L: Lanes>(form: Form, rows: usize, tile: &Tile<'_, f32>) {
        // SAFETY: passed on to the caller.
        unsafe { L::tile(form, rows, tile) }
    }
}

macro_rules! halves {
    ($($half:ident $load:ident;)*) => { $(
        impl Right for $half {
            const ROWS: usize = HALF_ROWS;

            #[inline(always)]
            fn slow_part<L: Lanes>() -> bool {
                true
            }

            #[inline(always)]
            unsafe fn load<L: Lanes>(from: *const $half) -> L::V {
                // SAFETY: passed on to the caller.
                unsafe { L::$load(from) }
            }

            #[inline(always)]
            unsafe fn load_part<L: Lanes>(from: *const $half, w: usize, _: L::Mask) -> L::V {
                let mut all = [$half::ZERO; PANEL];
                // SAFETY: the caller gives `w <= 16` readable elements.
                unsafe {
                    all.as_mut_ptr().copy_from_nonoverlapping(from, w);
                    L::$load(all.as_ptr())
                }
            }

            #[inline(always)]
            unsafe fn tile<L: Lanes>(form: Form, rows: usize, tile: &Tile<'_, $half>) {
                // SAFETY: passed on to the caller.
                unsafe { L::half_tile(form, rows, tile) }
            }
        }
    )* };
}
halves! {
    f16 load_f16;
    bf16 load_bf16;
}

/// Writes `len` elements as floats.
///
/// # Safety
/// The processor has the instructions of `L`; `len` elements are readable, `len` floats are writable.
#[inline(always)]
pub(crate) unsafe fn expand<L: Lanes, B: Right>(from: *const B, to: *mut f32, len: usize) {
    let whole = len - len % PANEL;
    // SAFETY: every access is within the `len` elements; the mask is that of what remains.
    unsafe {
        for i in (0..whole).step_by(PANEL) {
            L::store(to.add(i), B::load::<L>(from.add(i)));
        }
        let rest = len - whole;
        if rest > 0 {
            let mask = L::mask(rest);
            L::store_part(to.add(whole), mask, B::load_part::<L>(from.add(whole), rest, mask));
        }
    }
}
