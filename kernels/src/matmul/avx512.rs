//! Tiles with AVX-512: a panel row is one register.

use super::dot::{self, COLUMNS, Dot};
use super::lanes::{Form, Lanes, by_pixels, by_rows};
use super::right::{self, Right};
use super::tile::{self, Tile};
use super::transpose;
use crate::conv::depthwise::{self, Block};
use core::arch::x86_64::*;
use half::{bf16, f16};

/// AVX-512 F, VL, BW, DQ.
pub(crate) struct Avx512;

impl Lanes for Avx512 {
    type V = __m512;
    type Mask = __mmask16;
    const SLOW_PART: bool = false;
    const PANELS: usize = 4;
    const STREAM_ROWS: usize = 4;
    const STREAM: usize = 4;
    const WIDE_ROWS: usize = 2;
    const WIDE: usize = 8;
    const AHEAD: usize = 0;
    const BLOCK: usize = 128 * 1024;
    const K_BLOCK: usize = 1024;
    const PIXELS: usize = 8;

    #[inline(always)]
    fn rows(panels: usize) -> usize {
        // Sums, a register for each panel and one for the left operand, of which fewest elements are read where tiles
        // are wide: reading limits the narrow ones.
        match panels {
            4.. => 6,
            3 => 9,
            _ => 14,
        }
    }

    #[inline(always)]
    unsafe fn mask(w: usize) -> __mmask16 {
        (u32::MAX >> (32 - w)) as __mmask16
    }

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller has AVX-512 and gives 16 readable floats.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: __mmask16) -> __m512 {
        // SAFETY: the caller has AVX-512 and the floats of the mask are readable; the others are not touched.
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> __m512 {
        // SAFETY: the caller has AVX-512 and gives 16 readable numbers.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> __m512 {
        // SAFETY: as above.
        unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
        }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn prefetch_far(at: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m512) {
        // SAFETY: the caller has AVX-512 and gives room for 16 floats.
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut f32, mask: __mmask16, v: __m512) {
        // SAFETY: the caller has AVX-512 and room for the floats of the mask; the others are not touched.
        unsafe { _mm512_mask_storeu_ps(to, mask, v) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn clamp(v: __m512, lo: __m512, hi: __m512) -> __m512 {
        // The instructions answer their second operand where one is NaN.
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_min_ps(hi, _mm512_max_ps(lo, v)) }
    }

    #[inline(always)]
    unsafe fn sum(v: __m512) -> f32 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_reduce_add_ps(v) }
    }

    unsafe fn tile(form: Form, rows: usize, job: &Tile<'_>) {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        unsafe fn run<const MR: usize, const NV: usize, const PART: bool>(job: &Tile<'_>) {
            // SAFETY: passed on to the caller.
            unsafe { tile::tile::<Avx512, f32, MR, NV, PART>(job) }
        }
        // SAFETY: passed on to the caller, who has AVX-512.
        unsafe {
            match form {
                Form::Whole(8) => by_rows!(rows, run, 8, false, job; 1 2),
                Form::Whole(4) => by_rows!(rows, run, 4, false, job; 1 2 3 4 5 6),
                Form::Whole(3) => by_rows!(rows, run, 3, false, job; 1 2 3 4 5 6 7 8 9),
                Form::Whole(2) => by_rows!(rows, run, 2, false, job; 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
                Form::Whole(1) | Form::Part => {
                    by_rows!(rows, run, 1, true, job; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
                }
                Form::Whole(panels) => unreachable!("no tile of {panels} panels"),
            }
        }
    }

    unsafe fn half_tile<B: Right>(form: Form, rows: usize, job: &Tile<'_, B>) {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c")]
        unsafe fn run<B: Right, const MR: usize, const NV: usize, const PART: bool>(job: &Tile<'_, B>) {
            // SAFETY: passed on to the caller.
            unsafe { tile::tile::<Avx512, B, MR, NV, PART>(job) }
        }
        // SAFETY: passed on to the caller, who has AVX-512.
        unsafe {
            match form {
                Form::Whole(8) => by_rows!(rows, run, B, 8, false, job; 1 2),
                Form::Whole(4) => by_rows!(rows, run, B, 4, false, job; 1 2 3 4),
                Form::Whole(3) => by_rows!(rows, run, B, 3, false, job; 1 2 3 4),
                Form::Whole(2) => by_rows!(rows, run, B, 2, false, job; 1 2 3 4),
                Form::Whole(1) | Form::Part => by_rows!(rows, run, B, 1, true, job; 1 2 3 4),
                Form::Whole(panels) => unreachable!("no tile of {panels} panels"),
            }
        }
    }

    unsafe fn expand<B: Right>(from: *const B, to: *mut f32, len: usize) {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c")]
        unsafe fn run<B: Right>(from: *const B, to: *mut f32, len: usize) {
            // SAFETY: passed on to the caller.
            unsafe { right::expand::<Avx512, B>(from, to, len) }
        }
        // SAFETY: passed on to the caller, who has AVX-512.
        unsafe { run(from, to, len) }
    }

    unsafe fn dot(job: &Dot) -> [f32; COLUMNS] {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        unsafe fn run(job: &Dot) -> [f32; COLUMNS] {
            // SAFETY: passed on to the caller.
            unsafe { dot::dot::<Avx512>(job) }
        }
        // SAFETY: passed on to the caller, who has AVX-512.
        unsafe { run(job) }
    }

    unsafe fn depthwise(pixels: usize, block: &Block<'_>) {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        unsafe fn run<const P: usize, const V: usize>(block: &Block<'_>) {
            // SAFETY: passed on to the caller.
            unsafe { depthwise::pixels::<Avx512, P, V>(block) }
        }
        // SAFETY: passed on to the caller, who has AVX-512.
        unsafe { by_pixels!(pixels, run, block; 1 x 4, 2 x 4, 3 x 4, 4 x 4, 5 x 2, 6 x 2, 7 x 2, 8 x 2) }
    }

    unsafe fn transpose(from: *const f32, stride: usize, w: usize, k: usize, to: *mut f32) {
        // SAFETY: passed on to the caller, who has AVX-512.
        unsafe { transpose::panel_avx2(from, stride, w, k, to) }
    }
}
