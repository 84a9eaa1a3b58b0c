//! Tiles with AVX2 and FMA: a panel row is two registers.

use super::dot::{self, COLUMNS, Dot};
use super::lanes::{Form, Lanes, by_pixels, by_rows};
use super::right::{self, Right};
use super::tile::{self, Tile};
use super::transpose;
use crate::conv::depthwise::{self, Block};
use core::arch::x86_64::*;
use half::{bf16, f16};

/// AVX2 and FMA.
pub(crate) struct Avx2;

/// Eight set words followed by eight clear ones: a window of it is a mask.
static WINDOW: [i32; 32] = {
    let mut window = [0; 32];
    let mut i = 0;
    while i < 16 {
        window[i] = -1;
        i += 1;
    }
    window
};

impl Lanes for Avx2 {
    type V = [__m256; 2];
    type Mask = [__m256i; 2];
    const SLOW_PART: bool = false;
    const PANELS: usize = 1;
    const STREAM_ROWS: usize = 2;
    const STREAM: usize = 2;
    const WIDE_ROWS: usize = 1;
    const WIDE: usize = 4;
    const AHEAD: usize = 24;
    const BLOCK: usize = 40 * 1024;
    const K_BLOCK: usize = 640;
    const PIXELS: usize = 4;

    #[inline(always)]
    fn rows(_: usize) -> usize {
        // 12 sums, 2 registers of the right operand, 1 broadcast of the left one.
        6
    }

    #[inline(always)]
    unsafe fn mask(w: usize) -> [__m256i; 2] {
        // SAFETY: the caller has AVX2; the 16 words from `16 - w` on are inside of the window.
        unsafe {
            let window = WINDOW.as_ptr().add(16 - w);
            [_mm256_loadu_si256(window.cast()), _mm256_loadu_si256(window.add(8).cast())]
        }
    }

    #[inline(always)]
    unsafe fn zero() -> [__m256; 2] {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_setzero_ps(); 2] }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> [__m256; 2] {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_set1_ps(x); 2] }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and gives 16 readable floats.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: [__m256i; 2]) -> [__m256; 2] {
        // The second address may lie past the allocation; with no lane in the mask it is not accessed.
        // SAFETY: the caller has AVX2 and the floats of the mask are readable; the others are not touched.
        unsafe { [_mm256_maskload_ps(from, mask[0]), _mm256_maskload_ps(from.wrapping_add(8), mask[1])] }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and F16C and gives 16 readable numbers.
        unsafe {
            [
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast())),
            ]
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> [__m256; 2] {
        // SAFETY: as above.
        unsafe {
            let wide = |from: *const bf16| {
                let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
            };
            [wide(from), wide(from.add(8))]
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
    unsafe fn store(to: *mut f32, v: [__m256; 2]) {
        // SAFETY: the caller has AVX2 and gives room for 16 floats.
        unsafe {
            _mm256_storeu_ps(to, v[0]);
            _mm256_storeu_ps(to.add(8), v[1]);
        }
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut f32, mask: [__m256i; 2], v: [__m256; 2]) {
        // SAFETY: the caller has AVX2 and room for the floats of the mask; the others are not touched.
        unsafe {
            _mm256_maskstore_ps(to, mask[0], v[0]);
            _mm256_maskstore_ps(to.wrapping_add(8), mask[1], v[1]);
        }
    }

    #[inline(always)]
    unsafe fn fma(a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }

    #[inline(always)]
    unsafe fn add(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn clamp(v: [__m256; 2], lo: [__m256; 2], hi: [__m256; 2]) -> [__m256; 2] {
        // The instructions answer their second operand where one is NaN.
        // SAFETY: the caller has AVX2.
        unsafe {
            [
                _mm256_min_ps(hi[0], _mm256_max_ps(lo[0], v[0])),
                _mm256_min_ps(hi[1], _mm256_max_ps(lo[1], v[1])),
            ]
        }
    }

    #[inline(always)]
    unsafe fn sum(v: [__m256; 2]) -> f32 {
        // SAFETY: the caller has AVX2.
        unsafe {
            let v = _mm256_add_ps(v[0], v[1]);
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
        }
    }

    unsafe fn tile(form: Form, rows: usize, job: &Tile<'_>) {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn run<const MR: usize, const NV: usize, const PART: bool>(job: &Tile<'_>) {
            // SAFETY: passed on to the caller.
            unsafe { tile::tile::<Avx2, f32, MR, NV, PART>(job) }
        }
        // SAFETY: passed on to the caller, who has AVX2 and FMA.
        unsafe {
            match form {
                Form::Whole(1) => by_rows!(rows, run, 1, false, job; 1 2 3 4 5 6),
                Form::Part => by_rows!(rows, run, 1, true, job; 1 2 3 4 5 6),
                Form::Whole(2) => by_rows!(rows, run, 2, false, job; 1 2),
                Form::Whole(4) => by_rows!(rows, run, 4, false, job; 1),
                Form::Whole(panels) => unreachable!("no tile of {panels} panels"),
            }
        }
    }

    unsafe fn half_tile<B: Right>(form: Form, rows: usize, job: &Tile<'_, B>) {
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn run<B: Right, const MR: usize, const NV: usize, const PART: bool>(job: &Tile<'_, B>) {
            // SAFETY: passed on to the caller.
            unsafe { tile::tile::<Avx2, B, MR, NV, PART>(job) }
        }
        // SAFETY: passed on to the caller, who has AVX2, FMA and F16C.
        unsafe {
            match form {
                Form::Whole(1) => by_rows!(rows, run, B, 1, false, job; 1 2 3 4),
                Form::Part => by_rows!(rows, run, B, 1, true, job; 1 2 3 4),
                Form::Whole(2) => by_rows!(rows, run, B, 2, false, job; 1 2),
                Form::Whole(4) => by_rows!(rows, run, B, 4, false, job; 1),
                Form::Whole(panels) => unreachable!("no tile of {panels} panels"),
            }
        }
    }

    unsafe fn expand<B: Right>(from: *const B, to: *mut f32, len: usize) {
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn run<B: Right>(from: *const B, to: *mut f32, len: usize) {
            // SAFETY: passed on to the caller.
            unsafe { right::expand::<Avx2, B>(from, to, len) }
        }
        // SAFETY: passed on to the caller, who has AVX2, FMA and F16C.
        unsafe { run(from, to, len) }
    }

    unsafe fn dot(job: &Dot) -> [f32; COLUMNS] {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn run(job: &Dot) -> [f32; COLUMNS] {
            // SAFETY: passed on to the caller.
            unsafe { dot::dot::<Avx2>(job) }
        }
        // SAFETY: passed on to the caller, who has AVX2 and FMA.
        unsafe { run(job) }
    }

    unsafe fn depthwise(pixels: usize, block: &Block<'_>) {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn run<const P: usize, const V: usize>(block: &Block<'_>) {
            // SAFETY: passed on to the caller.
            unsafe { depthwise::pixels::<Avx2, P, V>(block) }
        }
        // SAFETY: passed on to the caller, who has AVX2 and FMA.
        unsafe { by_pixels!(pixels, run, block; 1 x 4, 2 x 2, 3 x 1, 4 x 1) }
    }

    unsafe fn transpose(from: *const f32, stride: usize, w: usize, k: usize, to: *mut f32) {
        // SAFETY: passed on to the caller, who has AVX2 and FMA.
        unsafe { transpose::panel_avx2(from, stride, w, k, to) }
    }
}
