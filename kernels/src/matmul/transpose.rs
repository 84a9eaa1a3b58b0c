//! Packing of a transposed right operand at run time: up to 16 of its rows become one panel.

use super::lanes::{Lanes, Path, with_lanes};
use crate::epilogue::span;

/// Packs the first `w` rows of `k` floats of `from`, `stride` apart, into one panel of `w` columns.
pub(crate) fn pack(path: Path, from: &[f32], stride: usize, w: usize, k: usize, to: &mut [f32]) {
    assert!(from.len() >= span(w, k, stride), "rows of the panel are outside of the operand");
    assert_eq!(to.len(), w * k, "a panel has w * k elements");
    let (from, to) = (from.as_ptr(), to.as_mut_ptr());
    // SAFETY: the lengths were checked, the borrows exclude overlap, `path` proves the instructions.
    unsafe { with_lanes!(path, L => L::transpose(from, stride, w, k, to)) }
}

/// `to[i * w + lane] = from[lane * stride + i]` for `i < k`, `lane < w`.
///
/// # Safety
/// `w` rows of `k` floats, `stride` apart, are readable; `k * w` floats are writable; they do not overlap.
pub(crate) unsafe fn panel(from: *const f32, stride: usize, w: usize, k: usize, to: *mut f32) {
    // SAFETY: the accesses are those the caller allows.
    unsafe { tail(from, stride, w, 0, k, to) }
}

/// [`panel`] from step `first` on.
#[inline(always)]
unsafe fn tail(from: *const f32, stride: usize, w: usize, first: usize, k: usize, to: *mut f32) {
    for i in first..k {
        for lane in 0..w {
            // SAFETY: `i < k` and `lane < w`.
            unsafe { *to.add(i * w + lane) = *from.add(lane * stride + i) };
        }
    }
}

/// [`panel`] in squares of 8 by 8.
///
/// # Safety
/// As for [`panel`], and the processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn panel_avx2(from: *const f32, stride: usize, w: usize, k: usize, to: *mut f32) {
    let mut i = 0;
    if w == 16 {
        while i + 8 <= k {
            for half in 0..2 {
                // SAFETY: rows `8 * half ..` of 16, floats `i .. i + 8` of `k`.
                unsafe { square(from.add(8 * half * stride + i), stride, to.add(i * 16 + 8 * half), 16) };
            }
            i += 8;
        }
    }
    // SAFETY: the accesses are those the caller allows.
    unsafe { tail(from, stride, w, i, k, to) }
}

/// Transposes 8 by 8 floats.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn square(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    use core::arch::x86_64::*;
    // Rows `r` and `r + 4` share a register by halves, so that the rest happens within the halves.
    // SAFETY: the caller allows 8 rows of 8 floats on both sides.
    unsafe {
        let row = |r: usize, c: usize| _mm_loadu_ps(from.add(r * from_stride + c));
        let pair =
            |r: usize, c: usize| _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(row(r, c)), row(r + 4, c));
        for c in [0, 4] {
            let (r0, r1, r2, r3) = (pair(0, c), pair(1, c), pair(2, c), pair(3, c));
            let (a, b) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
            let (d, e) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
            let store = |i: usize, v: __m256| _mm256_storeu_ps(to.add((c + i) * to_stride), v);
            store(0, _mm256_shuffle_ps::<0x44>(a, d));
            store(1, _mm256_shuffle_ps::<0xee>(a, d));
            store(2, _mm256_shuffle_ps::<0x44>(b, e));
            store(3, _mm256_shuffle_ps::<0xee>(b, e));
        }
    }
}
