//! The naive product: the oracle of every faster one.

use crate::epilogue::Epilogue;

/// `c[m, n] = epilogue(a[m, k] · b[k, n])`, all row-major; `lda`, `ldb` and `ldc` are the distances between rows.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
pub fn matmul(
    m: usize,
    k: usize,
    n: usize,
    a: &[f32],
    lda: usize,
    b: &[f32],
    ldb: usize,
    c: &mut [f32],
    ldc: usize,
    epilogue: &Epilogue<'_>,
) {
    for row in 0..m {
        for column in 0..n {
            let mut sum = if epilogue.residual_in_place { c[row * ldc + column] } else { 0.0 };
            for i in 0..k {
                sum += a[row * lda + i] * b[i * ldb + column];
            }
            c[row * ldc + column] = epilogue.element(row, column, sum);
        }
        if let Some(then) = epilogue.then {
            then(row, 0, &mut c[row * ldc..row * ldc + n]);
        }
    }
}
