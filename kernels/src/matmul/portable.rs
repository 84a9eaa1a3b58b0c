//! Tiles in plain Rust: arrays of 16 floats, which the compiler vectorises for the target's baseline.

use super::dot::{self, COLUMNS, Dot};
use super::lanes::{Form, Lanes, by_pixels, by_rows, copy_part};
use super::right::{self, Right};
use super::tile::{self, Tile};
use super::transpose;
use crate::conv::depthwise::{self, Block};
use crate::math::cast;
use half::{bf16, f16};

/// The target's baseline.
pub(crate) struct Portable;

impl Lanes for Portable {
    type V = [f32; 16];
    type Mask = usize;
    const SLOW_PART: bool = true;
    const PANELS: usize = 1;
    const STREAM_ROWS: usize = 1;
    const STREAM: usize = 1;
    const WIDE_ROWS: usize = 0;
    const WIDE: usize = 1;
    const AHEAD: usize = 0;
    const BLOCK: usize = 40 * 1024;
    const K_BLOCK: usize = 640;
    const PIXELS: usize = 2;

    #[inline(always)]
    fn rows(_: usize) -> usize {
        2
    }

    #[inline(always)]
    unsafe fn mask(w: usize) -> usize {
        w
    }

    #[inline(always)]
    unsafe fn zero() -> [f32; 16] {
        [0.0; 16]
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 16] {
        [x; 16]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 16] {
        // SAFETY: the caller gives 16 readable floats.
        unsafe { from.cast::<[f32; 16]>().read() }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, w: usize) -> [f32; 16] {
        let mut v = [0.0; 16];
        // SAFETY: the caller gives `w <= 16` readable floats.
        unsafe { copy_part(from, v.as_mut_ptr(), w) };
        v
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> [f32; 16] {
        // SAFETY: the caller gives 16 readable numbers.
        unsafe { from.cast::<[f16; 16]>().read() }.map(cast)
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> [f32; 16] {
        // SAFETY: the caller gives 16 readable numbers.
        unsafe { from.cast::<[bf16; 16]>().read() }.map(cast)
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}

    #[inline(always)]
    unsafe fn prefetch_far(_: *const f32) {}

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: [f32; 16]) {
        // SAFETY: the caller gives room for 16 floats.
        unsafe { to.cast::<[f32; 16]>().write(v) };
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut f32, w: usize, v: [f32; 16]) {
        // SAFETY: the caller gives room for `w <= 16` floats.
        unsafe { copy_part(v.as_ptr(), to, w) };
    }

    #[inline(always)]
    unsafe fn fma(a: [f32; 16], b: [f32; 16], mut c: [f32; 16]) -> [f32; 16] {
        for i in 0..16 {
            c[i] += a[i] * b[i];
        }
        c
    }

    #[inline(always)]
    unsafe fn add(a: [f32; 16], mut b: [f32; 16]) -> [f32; 16] {
        for i in 0..16 {
            b[i] += a[i];
        }
        b
    }

    #[inline(always)]
    unsafe fn clamp(mut v: [f32; 16], lo: [f32; 16], hi: [f32; 16]) -> [f32; 16] {
        for i in 0..16 {
            v[i] = crate::epilogue::clamp(v[i], lo[i], hi[i]);
        }
        v
    }

    #[inline(always)]
    unsafe fn sum(mut v: [f32; 16]) -> f32 {
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                v[i] += v[i + half];
            }
        }
        v[0]
    }

    unsafe fn tile(form: Form, rows: usize, job: &Tile<'_>) {
        unsafe fn run<const MR: usize, const NV: usize, const PART: bool>(job: &Tile<'_>) {
            // SAFETY: passed on to the caller.
            unsafe { tile::tile::<Portable, f32, MR, NV, PART>(job) }
        }
        // SAFETY: passed on to the caller.
        unsafe {
            match form {
                Form::Whole(1) => by_rows!(rows, run, 1, false, job; 1 2),
                Form::Part => by_rows!(rows, run, 1, true, job; 1 2),
                Form::Whole(panels) => unreachable!("no tile of {panels} panels"),
            }
        }
    }

    unsafe fn half_tile<B: Right>(form: Form, rows: usize, job: &Tile<'_, B>) {
        unsafe fn run<B: Right, const MR: usize, const NV: usize, const PART: bool>(job: &Tile<'_, B>) {
            // SAFETY: passed on to the caller.
            unsafe { tile::tile::<Portable, B, MR, NV, PART>(job) }
        }
        // SAFETY: passed on to the caller.
        unsafe {
            match form {
                Form::Whole(1) => by_rows!(rows, run, B, 1, false, job; 1 2),
                Form::Part => by_rows!(rows, run, B, 1, true, job; 1 2),
                Form::Whole(panels) => unreachable!("no tile of {panels} panels"),
            }
        }
    }

    unsafe fn expand<B: Right>(from: *const B, to: *mut f32, len: usize) {
        // SAFETY: passed on to the caller.
        unsafe { right::expand::<Portable, B>(from, to, len) }
    }

    unsafe fn dot(job: &Dot) -> [f32; COLUMNS] {
        // SAFETY: passed on to the caller.
        unsafe { dot::dot::<Self>(job) }
    }

    unsafe fn depthwise(pixels: usize, block: &Block<'_>) {
        unsafe fn run<const P: usize, const V: usize>(block: &Block<'_>) {
            // SAFETY: passed on to the caller.
            unsafe { depthwise::pixels::<Portable, P, V>(block) }
        }
        // SAFETY: passed on to the caller.
        unsafe { by_pixels!(pixels, run, block; 1 x 1, 2 x 1) }
    }

    unsafe fn transpose(from: *const f32, stride: usize, w: usize, k: usize, to: *mut f32) {
        // SAFETY: passed on to the caller.
        unsafe { transpose::panel(from, stride, w, k, to) }
    }
}
