//! Tiles with NEON: a panel row is four registers.

use super::dot::{self, COLUMNS, Dot};
use super::lanes::{Form, Lanes, by_pixels, by_rows, copy_part};
use super::right::{self, Right};
use super::tile::{self, Tile};
use super::transpose;
use crate::conv::depthwise::{self, Block};
use core::arch::aarch64::*;
use half::{bf16, f16};

/// NEON, which every aarch64 target has.
pub(crate) struct Neon;

impl Lanes for Neon {
    type V = [float32x4_t; 4];
    type Mask = usize;
    const SLOW_PART: bool = true;
    const PANELS: usize = 1;
    const STREAM_ROWS: usize = 1;
    const STREAM: usize = 2;
    const WIDE_ROWS: usize = 1;
    const WIDE: usize = 4;
    const AHEAD: usize = 0;
    const BLOCK: usize = 40 * 1024;
    const K_BLOCK: usize = 640;
    const PIXELS: usize = 4;

    #[inline(always)]
    fn rows(_: usize) -> usize {
        // 24 sums, 4 registers of the right operand, the broadcasts of the left one in the rest.
        6
    }

    #[inline(always)]
    unsafe fn mask(w: usize) -> usize {
        w
    }

    #[inline(always)]
    unsafe fn zero() -> [float32x4_t; 4] {
        // SAFETY: NEON is there.
        unsafe { [vdupq_n_f32(0.0); 4] }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> [float32x4_t; 4] {
        // SAFETY: NEON is there.
        unsafe { [vdupq_n_f32(x); 4] }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [float32x4_t; 4] {
        // SAFETY: the caller gives 16 readable floats.
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, w: usize) -> [float32x4_t; 4] {
        let mut v = [0.0f32; 16];
        // SAFETY: the caller gives `w <= 16` readable floats.
        unsafe {
            copy_part(from, v.as_mut_ptr(), w);
            Self::load(v.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> [float32x4_t; 4] {
        /// Four numbers of half precision as floats.
        #[inline(always)]
        fn wide(bits: uint16x4_t) -> float32x4_t {
            let wide;
            // SAFETY: NEON is there; the instruction reads and writes the two registers only.
            unsafe {
                core::arch::asm!(
                    "fcvtl {wide:v}.4s, {bits:v}.4h",
                    wide = out(vreg) wide,
                    bits = in(vreg) bits,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            wide
        }
        let from: *const u16 = from.cast();
        // SAFETY: the caller gives 16 readable numbers.
        unsafe {
            [
                wide(vld1_u16(from)),
                wide(vld1_u16(from.add(4))),
                wide(vld1_u16(from.add(8))),
                wide(vld1_u16(from.add(12))),
            ]
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> [float32x4_t; 4] {
        let from: *const u16 = from.cast();
        // SAFETY: the caller gives 16 readable numbers.
        unsafe {
            let wide = |from: *const u16| vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from)));
            [wide(from), wide(from.add(4)), wide(from.add(8)), wide(from.add(12))]
        }
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}

    #[inline(always)]
    unsafe fn prefetch_far(_: *const f32) {}

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: [float32x4_t; 4]) {
        // SAFETY: the caller gives room for 16 floats.
        unsafe {
            vst1q_f32(to, v[0]);
            vst1q_f32(to.add(4), v[1]);
            vst1q_f32(to.add(8), v[2]);
            vst1q_f32(to.add(12), v[3]);
        }
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut f32, w: usize, v: [float32x4_t; 4]) {
        let mut all = [0.0f32; 16];
        // SAFETY: the caller gives room for `w <= 16` floats.
        unsafe {
            Self::store(all.as_mut_ptr(), v);
            copy_part(all.as_ptr(), to, w);
        }
    }

    #[inline(always)]
    unsafe fn fma(a: [float32x4_t; 4], b: [float32x4_t; 4], c: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: NEON is there.
        unsafe {
            [
                vfmaq_f32(c[0], a[0], b[0]),
                vfmaq_f32(c[1], a[1], b[1]),
                vfmaq_f32(c[2], a[2], b[2]),
                vfmaq_f32(c[3], a[3], b[3]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn add(a: [float32x4_t; 4], b: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: NEON is there.
        unsafe {
            [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1]), vaddq_f32(a[2], b[2]), vaddq_f32(a[3], b[3])]
        }
    }

    #[inline(always)]
    unsafe fn clamp(v: [float32x4_t; 4], lo: [float32x4_t; 4], hi: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // These instructions answer NaN where one operand is.
        // SAFETY: NEON is there.
        unsafe {
            [
                vminq_f32(hi[0], vmaxq_f32(lo[0], v[0])),
                vminq_f32(hi[1], vmaxq_f32(lo[1], v[1])),
                vminq_f32(hi[2], vmaxq_f32(lo[2], v[2])),
                vminq_f32(hi[3], vmaxq_f32(lo[3], v[3])),
            ]
        }
    }

    #[inline(always)]
    unsafe fn sum(v: [float32x4_t; 4]) -> f32 {
        // SAFETY: NEON is there.
        unsafe { vaddvq_f32(vaddq_f32(vaddq_f32(v[0], v[1]), vaddq_f32(v[2], v[3]))) }
    }

    unsafe fn tile(form: Form, rows: usize, job: &Tile<'_>) {
        unsafe fn run<const MR: usize, const NV: usize, const PART: bool>(job: &Tile<'_>) {
            // SAFETY: passed on to the caller.
            unsafe { tile::tile::<Neon, f32, MR, NV, PART>(job) }
        }
        // SAFETY: passed on to the caller.
        unsafe {
            match form {
                Form::Whole(1) => by_rows!(rows, run, 1, false, job; 1 2 3 4 5 6),
                Form::Part => by_rows!(rows, run, 1, true, job; 1 2 3 4 5 6),
                Form::Whole(2) => by_rows!(rows, run, 2, false, job; 1),
                Form::Whole(4) => by_rows!(rows, run, 4, false, job; 1),
                Form::Whole(panels) => unreachable!("no tile of {panels} panels"),
            }
        }
    }

    unsafe fn half_tile<B: Right>(form: Form, rows: usize, job: &Tile<'_, B>) {
        unsafe fn run<B: Right, const MR: usize, const NV: usize, const PART: bool>(job: &Tile<'_, B>) {
            // SAFETY: passed on to the caller.
            unsafe { tile::tile::<Neon, B, MR, NV, PART>(job) }
        }
        // SAFETY: passed on to the caller.
        unsafe {
            match form {
                Form::Whole(1) => by_rows!(rows, run, B, 1, false, job; 1 2 3 4),
                Form::Part => by_rows!(rows, run, B, 1, true, job; 1 2 3 4),
                Form::Whole(2) => by_rows!(rows, run, B, 2, false, job; 1),
                Form::Whole(4) => by_rows!(rows, run, B, 4, false, job; 1),
                Form::Whole(panels) => unreachable!("no tile of {panels} panels"),
            }
        }
    }

    unsafe fn expand<B: Right>(from: *const B, to: *mut f32, len: usize) {
        // SAFETY: passed on to the caller.
        unsafe { right::expand::<Neon, B>(from, to, len) }
    }

    unsafe fn dot(job: &Dot) -> [f32; COLUMNS] {
        // SAFETY: passed on to the caller.
        unsafe { dot::dot::<Self>(job) }
    }

    unsafe fn depthwise(pixels: usize, block: &Block<'_>) {
        unsafe fn run<const P: usize, const V: usize>(block: &Block<'_>) {
            // SAFETY: passed on to the caller.
            unsafe { depthwise::pixels::<Neon, P, V>(block) }
        }
        // SAFETY: passed on to the caller.
        unsafe { by_pixels!(pixels, run, block; 1 x 2, 2 x 2, 3 x 1, 4 x 1) }
    }

    unsafe fn transpose(from: *const f32, stride: usize, w: usize, k: usize, to: *mut f32) {
        // SAFETY: passed on to the caller.
        unsafe { transpose::panel(from, stride, w, k, to) }
    }
}
