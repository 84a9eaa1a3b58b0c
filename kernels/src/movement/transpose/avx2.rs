//! Tiles of 8 × 8 four-byte elements by AVX2 shuffles: scalar moves are bound by one store per element.

use core::arch::x86_64::{
    __m256, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps,
    _mm256_unpacklo_ps,
};

use super::TILE;
use crate::isa::{Level, level};

/// Transposes whole tiles; `false` (and nothing done) without AVX2 or for elements of another size.
pub(super) fn tiles<T: Copy>(
    rows: usize,
    columns: usize,
    x: &[T],
    x_stride: usize,
    y: &mut [T],
    y_stride: usize,
) -> bool {
    if level() < Level::Avx2 || size_of::<T>() != 4 {
        return false;
    }
    if rows == 0 || columns == 0 {
        return true;
    }
    assert!(
        x.len() >= (rows - 1) * x_stride + columns && y.len() >= (columns - 1) * y_stride + rows,
        "a transpose leaves its slice"
    );
    // SAFETY: the level says that the processor has AVX2. Elements are four bytes of plain data (`Copy`), moved but
    // never inspected, and the assertion covers every row and column that is touched.
    unsafe { run(rows, columns, x.as_ptr().cast(), x_stride, y.as_mut_ptr().cast(), y_stride) };
    true
}

/// # Safety
/// `x` and `y` must hold `rows` by `columns` elements and their transpose at these strides.
#[target_feature(enable = "avx2")]
unsafe fn run(rows: usize, columns: usize, x: *const f32, x_stride: usize, y: *mut f32, y_stride: usize) {
    for c in (0..columns).step_by(TILE) {
        for r in (0..rows).step_by(TILE) {
            // SAFETY: the caller promises the extents; `r + 8 <= rows` and `c + 8 <= columns`.
            let lines = core::array::from_fn(|k| unsafe { _mm256_loadu_ps(x.add((r + k) * x_stride + c)) });
            for (k, line) in transpose_8x8(lines).into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { _mm256_storeu_ps(y.add((c + k) * y_stride + r), line) };
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn transpose_8x8(a: [__m256; 8]) -> [__m256; 8] {
    // Pairs of rows, then fours, then the two halves.
    let mut pairs = a;
    for k in 0..4 {
        pairs[2 * k] = _mm256_unpacklo_ps(a[2 * k], a[2 * k + 1]);
        pairs[2 * k + 1] = _mm256_unpackhi_ps(a[2 * k], a[2 * k + 1]);
    }
    let mut fours = a;
    for k in 0..2 {
        let (p, q) = (4 * k, 4 * k + 2);
        fours[p] = _mm256_shuffle_ps::<0x44>(pairs[p], pairs[q]);
        fours[p + 1] = _mm256_shuffle_ps::<0xee>(pairs[p], pairs[q]);
        fours[p + 2] = _mm256_shuffle_ps::<0x44>(pairs[p + 1], pairs[q + 1]);
        fours[p + 3] = _mm256_shuffle_ps::<0xee>(pairs[p + 1], pairs[q + 1]);
    }
    let mut whole = a;
    for k in 0..4 {
        whole[k] = _mm256_permute2f128_ps::<0x20>(fours[k], fours[k + 4]);
        whole[k + 4] = _mm256_permute2f128_ps::<0x31>(fours[k], fours[k + 4]);
    }
    whole
}
