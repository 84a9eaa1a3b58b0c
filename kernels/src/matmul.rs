//! Matrix products.
//!
//! The result is `c[m, n] = epilogue(a[m, k] · b[k, n])`. `a` and `c` are row-major with a distance between rows; `b`
//! is packed panels (see [`pack`]), row-major in place, or the rows of its transpose. Operands never overlap.
//!
//! Every element is one sum over `k` in ascending order, whatever the tile, the block or the number of rows and
//! columns of the call; so a product that is cut into ranges of rows or columns gives the same bits as the whole.
//! (The one exception: up to four rows times a transpose are dot products over interleaved lanes.) Levels with fused multiply-add (AVX2, AVX-512, NEON) agree bit for bit, the portable one rounds twice per step.
//! NaN and infinities follow IEEE arithmetic.
//!
//! The entry points are not generic and take run-time extents: the register tiles inside are instantiated here, once,
//! and never in the user's crate.

pub mod generic;
pub mod half;
pub mod pack;
pub mod reference;

pub(crate) mod lanes;
pub(crate) mod product;
pub(crate) mod right;

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
mod dot;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
#[cfg(not(target_arch = "aarch64"))]
pub(crate) mod portable;
#[cfg(test)]
mod tests;
mod tile;
pub(crate) mod transpose;

use crate::epilogue::{Epilogue, span};
use lanes::Path;
use pack::PANEL;
use product::{Product, RowMap, Run, Runs};

pub use generic::{Scalar, batched_matmul_generic, matmul_f64, matmul_generic};
pub use half::{
    half_scratch, half_weights_scratch, matmul_bf16, matmul_f16, matmul_f32_bf16, matmul_f32_f16,
};

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

/// How many floats of scratch [`Rhs::Columns`] needs. Grows with every argument.
pub const fn columns_scratch(m: usize, k: usize, n: usize) -> usize {
    if m <= DOT_ROWS {
        return 0;
    }
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
    matmul_f32_at(Path::current(), m, k, n, a, lda, b, c, ldc, epilogue);
}

/// [`matmul_f32`] with the instructions of `path`.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
pub(crate) fn matmul_f32_at(
    path: Path,
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
    let runs = Runs { count: 1, len: k, at: &|_| Run { a: 0, b: 0 } };
    let mut product = Product {
        rows: m,
        map: RowMap::matrix(lda),
        a: a.as_ptr(),
        runs,
        b: core::ptr::null(),
        b_end: core::ptr::null(),
        b_step: PANEL,
        b_step_part: n % PANEL,
        b_panel: k * PANEL,
        n,
        c: c.as_mut_ptr(),
        ldc,
        column: 0,
        epilogue,
    };
    match b {
        Rhs::Panels(panels) => {
            (product.b, product.b_end) = (panels.as_ptr(), panels.as_ptr_range().end);
            // SAFETY: `check_f32` compared all extents with the slices; `c` is borrowed exclusively.
            unsafe { product.run(path) }
        }
        Rhs::Rows(data, ldb) => {
            (product.b, product.b_end) = (data.as_ptr(), data.as_ptr_range().end);
            (product.b_step, product.b_step_part, product.b_panel) = (ldb, ldb, PANEL);
            // SAFETY: as above.
            unsafe { product.run(path) }
        }
        Rhs::Columns { data, ldb, scratch: _ } if m <= DOT_ROWS => {
            // SAFETY: as above.
            unsafe { product.run_dots(path, k, lda, data.as_ptr(), ldb) }
        }
        Rhs::Columns { data, ldb, scratch } => {
            for from in (0..n).step_by(COLUMNS_BLOCK) {
                let columns = COLUMNS_BLOCK.min(n - from);
                for panel in (0..columns).step_by(PANEL) {
                    let w = PANEL.min(columns - panel);
                    let source = &data[(from + panel) * ldb..];
                    transpose::pack(path, source, ldb, w, k, &mut scratch[panel * k..(panel + w) * k]);
                }
                (product.b, product.b_end) = (scratch.as_ptr(), scratch.as_ptr_range().end);
                (product.n, product.b_step_part, product.column) = (columns, columns % PANEL, from);
                // SAFETY: as above, and the columns of this block are packed in `scratch`.
                unsafe { product.run(path) }
            }
        }
    }
}

/// One of several right operands that are packed apart and stand side by side.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Its columns.
    pub n: usize,
    /// Its packed panels.
    pub panels: &'a [f32],
    /// One number per column, added to the sums.
    pub bias: Option<&'a [f32]>,
}

/// `c[m, n₁ + n₂ + …] = a[m, k] · [b₁ b₂ …] + bias`, each part as in [`matmul_f32`].
///
/// Panics if a slice is too short for its extents.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
pub fn joined_matmul_f32(
    m: usize,
    k: usize,
    a: &[f32],
    lda: usize,
    parts: &[Part<'_>],
    c: &mut [f32],
    ldc: usize,
) {
    let mut column = 0;
    for part in parts.iter().filter(|_| m > 0) {
        let epilogue = Epilogue { bias: part.bias, ..Epilogue::NONE };
        let right = Rhs::Panels(part.panels);
        matmul_f32(m, k, part.n, a, lda, right, &mut c[column..], ldc, &epilogue);
        column += part.n;
    }
}

/// Rows up to which a transposed operand is read in place, once, by dot products.
pub(crate) const DOT_ROWS: usize = 4;

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
        Rhs::Panels(panels) => {
            assert!(panels.len() >= k.saturating_mul(n), "packed operand is shorter than its extents")
        }
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
