//! Matrix products.
//!
//! The result is `c[m, n] = epilogue(a[m, k] · b[k, n])`. `a` and `c` are row-major with a distance between rows; `b`
//! is packed panels (see [`pack`]), row-major in place, or the rows of its transpose. Operands never overlap.
//!
//! Every element is one sum over `k` in ascending order, whatever the tile, the block or the number of rows and
//! columns of the call; so a product that is cut into ranges of rows or columns gives the same bits as the whole.
//! Levels with fused multiply-add (AVX2, AVX-512, NEON) agree bit for bit, the portable one rounds twice per step.
//! NaN and infinities follow IEEE arithmetic.
//!
//! The entry points are not generic and take run-time extents: the register tiles inside are instantiated here, once,
//! and never in the user's crate.

pub mod generic;
pub mod pack;
pub mod reference;

use crate::epilogue::{Epilogue, span};
use pack::PANEL;

pub use generic::{Scalar, matmul_f64, matmul_generic};

/// The right operand of a product, `[k, n]`.
pub enum Rhs<'a> {
    /// Packed panels: exactly `k * n` elements. The layout of constants.
    Panels(&'a [f32]),
    /// Row-major, read in place, with the distance between rows.
    Rows(&'a [f32], usize),
    /// The transpose `[n, k]`, row-major, as in `q · kᵀ`.
    Columns {
        /// The transpose.
        data: &'a [f32],
        /// The distance between its rows.
        ldb: usize,
        /// At least [`columns_scratch`] elements.
        scratch: &'a mut [f32],
    },
}

/// How many floats of scratch [`Rhs::Columns`] needs.
pub const fn columns_scratch(_m: usize, k: usize, n: usize) -> usize {
    let columns = if n < COLUMNS_BLOCK { n } else { COLUMNS_BLOCK };
    k * columns
}

/// How many columns of a transposed operand are packed at a time.
const COLUMNS_BLOCK: usize = 4 * PANEL;

/// `c[m, n] = epilogue(a[m, k] · b[k, n])` in f32.
///
/// `lda` and `ldc` are the distances between rows of `a` and `c`. Panics if a slice is too short for its extents.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
#[inline(never)]
pub fn matmul_f32(
    m: usize,
    k: usize,
    n: usize,
    a: &[f32],
    lda: usize,
    b: Rhs<'_>,
    c: &mut [f32],
    ldc: usize,
    epilogue: &Epilogue<'_>,
) {
    check_f32(m, k, n, a, lda, &b, c, ldc, epilogue);
    naive(m, k, n, a, lda, b, c, ldc, epilogue);
}

#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
fn check_f32(
    m: usize,
    k: usize,
    n: usize,
    a: &[f32],
    lda: usize,
    b: &Rhs<'_>,
    c: &[f32],
    ldc: usize,
    epilogue: &Epilogue<'_>,
) {
    assert!(a.len() >= span(m, k, lda), "left operand is shorter than its extents");
    assert!(c.len() >= span(m, n, ldc), "result is shorter than its extents");
    assert!(m <= 1 || ldc >= n, "rows of the result overlap");
    match b {
        Rhs::Panels(panels) => assert!(panels.len() >= k * n, "packed operand is shorter than its extents"),
        Rhs::Rows(data, ldb) => {
            assert!(data.len() >= span(k, n, *ldb), "right operand is shorter than its extents");
        }
        Rhs::Columns { data, ldb, scratch } => {
            assert!(data.len() >= span(n, k, *ldb), "right operand is shorter than its extents");
            assert!(scratch.len() >= columns_scratch(m, k, n), "scratch is too short");
        }
    }
    epilogue.check(m, n);
}

#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
fn naive(
    m: usize,
    k: usize,
    n: usize,
    a: &[f32],
    lda: usize,
    b: Rhs<'_>,
    c: &mut [f32],
    ldc: usize,
    epilogue: &Epilogue<'_>,
) {
    let at = |row: usize, column: usize| match &b {
        Rhs::Panels(panels) => panels[pack::packed_element(k, n, row, column)],
        Rhs::Rows(data, ldb) => data[row * ldb + column],
        Rhs::Columns { data, ldb, .. } => data[column * ldb + row],
    };
    for row in 0..m {
        for column in 0..n {
            let mut sum = if epilogue.residual_in_place { c[row * ldc + column] } else { 0.0 };
            for i in 0..k {
                sum += a[row * lda + i] * at(i, column);
            }
            c[row * ldc + column] = epilogue.element(row, column, sum);
        }
        if let Some(then) = epilogue.then {
            then(row, 0, &mut c[row * ldc..row * ldc + n]);
        }
    }
}

/// `batch` products of the same extents, each operand advancing by its stride; a stride of 0 repeats the operand.
///
/// Rows are numbered `entry * m + row` in the epilogue, so a residual is `[batch * m, n]` and `then` sees every
/// element once. The stride of `c` may not be 0 when `batch > 1`.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three stacks of matrices")]
#[inline(never)]
pub fn batched_matmul_f32(
    batch: usize,
    m: usize,
    k: usize,
    n: usize,
    a: &[f32],
    lda: usize,
    a_stride: usize,
    b: Rhs<'_>,
    b_stride: usize,
    c: &mut [f32],
    ldc: usize,
    c_stride: usize,
    epilogue: &Epilogue<'_>,
) {
    assert!(batch <= 1 || c_stride >= span(m, n, ldc), "results of a batch overlap");
    let mut b = b;
    for entry in 0..batch {
        let b = match &mut b {
            Rhs::Panels(panels) => Rhs::Panels(&panels[entry * b_stride..]),
            Rhs::Rows(data, ldb) => Rhs::Rows(&data[entry * b_stride..], *ldb),
            Rhs::Columns { data, ldb, scratch } => {
                Rhs::Columns { data: &data[entry * b_stride..], ldb: *ldb, scratch }
            }
        };
        let residual = epilogue.residual.map(|(data, stride)| (&data[entry * m * stride..], stride));
        let shifted = |row: usize, column: usize, values: &mut [f32]| {
            if let Some(then) = epilogue.then {
                then(entry * m + row, column, values);
            }
        };
        let then = epilogue.then.map(|_| &shifted as crate::epilogue::Then<'_>);
        let epilogue = Epilogue { residual, then, ..*epilogue };
        let (a, c) = (&a[entry * a_stride..], &mut c[entry * c_stride..]);
        matmul_f32(m, k, n, a, lda, b, c, ldc, &epilogue);
    }
}
