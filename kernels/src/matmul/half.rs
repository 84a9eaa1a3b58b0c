//! Products with packed weights in half precision, which become floats on the way into registers.
//!
//! Sums are formed in `f32` and in the order of [`matmul_f32`](super::matmul_f32). Few rows read the weights where they
//! are, once; for more rows a block of columns is expanded and then read like any other. Products of two halves are
//! exact in `f32`, so [`matmul_f16`] and [`matmul_bf16`] give the same bits at every level.

use super::columns_scratch;
use super::lanes::{Lanes, Path, with_lanes};
use super::pack::PANEL;
use super::product::{Product, RowMap, Run, Runs};
use super::right::{HALF_ROWS, Right};
use crate::epilogue::{Epilogue, span};
use crate::isa::vectorize;
use crate::math::{Cast, cast};
use half::{bf16, f16};

/// Columns of weights that are expanded at a time.
const COLUMNS: usize = super::COLUMNS_BLOCK;
/// Columns of the result of few rows that are rounded at a time.
const FEW_ROWS_COLUMNS: usize = 16 * PANEL;
/// Rows of a left operand in half precision that are expanded at a time.
const ROWS: usize = 28;

/// How many floats of scratch [`matmul_f32_f16`] and [`matmul_f32_bf16`] need. Grows with every argument.
pub const fn half_weights_scratch(m: usize, k: usize, n: usize) -> usize {
    columns_scratch(m, k, n)
}

/// How many floats of scratch [`matmul_f16`] and [`matmul_bf16`] need. Grows with every argument.
pub const fn half_scratch(m: usize, k: usize, n: usize) -> usize {
    let rows = if m < ROWS { m } else { ROWS };
    let columns = if n < FEW_ROWS_COLUMNS { n } else { FEW_ROWS_COLUMNS };
    columns_scratch(m, k, n) + rows * (k + columns)
}

macro_rules! entries {
    ($($half:ident $wide:ident $narrow:ident $name:literal;)*) => { $(
        #[doc = concat!("[`matmul_f32`](super::matmul_f32) with panels of `", $name, "`.")]
        ///
        /// Panics if a slice is too short for its extents, the scratch shorter than [`half_weights_scratch`].
        #[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
        #[inline(never)]
        pub fn $wide(
            m: usize,
            k: usize,
            n: usize,
            a: &[f32],
            lda: usize,
            panels: &[$half],
            scratch: &mut [f32],
            c: &mut [f32],
            ldc: usize,
            epilogue: &Epilogue<'_>,
        ) {
            half_weights_at(Path::current(), m, k, n, a, lda, panels, scratch, c, ldc, epilogue);
        }

        #[doc = concat!("`c[m, n] = a[m, k] · b[k, n]` in `", $name, "`, `b` in panels. Every element is rounded once.")]
        ///
        /// Panics if a slice is too short for its extents, the scratch shorter than [`half_scratch`].
        #[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
        #[inline(never)]
        pub fn $narrow(
            m: usize,
            k: usize,
            n: usize,
            a: &[$half],
            lda: usize,
            panels: &[$half],
            scratch: &mut [f32],
            c: &mut [$half],
            ldc: usize,
        ) {
            halves_at(Path::current(), m, k, n, a, lda, panels, scratch, c, ldc);
        }
    )* };
}
entries! {
    f16 matmul_f32_f16 matmul_f16 "f16";
    bf16 matmul_f32_bf16 matmul_bf16 "bf16";
}

/// [`matmul_f32_f16`] with the instructions of `path`.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
pub(crate) fn half_weights_at<B: Right>(
    path: Path,
    m: usize,
    k: usize,
    n: usize,
    a: &[f32],
    lda: usize,
    panels: &[B],
    scratch: &mut [f32],
    c: &mut [f32],
    ldc: usize,
    epilogue: &Epilogue<'_>,
) {
    assert!(a.len() >= span(m, k, lda), "left operand is shorter than its extents");
    assert!(panels.len() >= k.saturating_mul(n), "packed operand is shorter than its extents");
    assert!(c.len() >= span(m, n, ldc), "result is shorter than its extents");
    assert!(m <= 1 || ldc >= n, "rows of the result overlap");
    assert!(scratch.len() >= half_weights_scratch(m, k, n), "scratch is too short");
    epilogue.check(m, n);
    let result = Target { rows: m, k, n, column: 0, c: c.as_mut_ptr(), ldc, epilogue };
    if m <= HALF_ROWS {
        // SAFETY: the asserts compared all extents with the slices; `c` is borrowed exclusively.
        return unsafe { result.product(path, a, lda, panels) };
    }
    for from in (0..n).step_by(COLUMNS) {
        let columns = COLUMNS.min(n - from);
        let wide = &mut scratch[..columns * k];
        expand(path, &panels[from * k..(from + columns) * k], wide);
        // SAFETY: as above, and the columns of this block are in `wide`.
        unsafe { Target { n: columns, column: from, ..result }.product(path, a, lda, wide) }
    }
}

/// [`matmul_f16`] with the instructions of `path`.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
pub(crate) fn halves_at<B: Right + Cast<f32>>(
    path: Path,
    m: usize,
    k: usize,
    n: usize,
    a: &[B],
    lda: usize,
    panels: &[B],
    scratch: &mut [f32],
    c: &mut [B],
    ldc: usize,
) where
    f32: Cast<B>,
{
    assert!(a.len() >= span(m, k, lda), "left operand is shorter than its extents");
    assert!(panels.len() >= k.saturating_mul(n), "packed operand is shorter than its extents");
    assert!(c.len() >= span(m, n, ldc), "result is shorter than its extents");
    assert!(m <= 1 || ldc >= n, "rows of the result overlap");
    assert!(scratch.len() >= half_scratch(m, k, n), "scratch is too short");
    let few = m <= HALF_ROWS;
    let (weights, rest) = scratch.split_at_mut(columns_scratch(m, k, n));
    let (left, sums) = rest.split_at_mut(m.min(ROWS) * k);
    let block = if few { FEW_ROWS_COLUMNS } else { COLUMNS };
    for from in (0..n).step_by(block) {
        let columns = block.min(n - from);
        let panels = &panels[from * k..(from + columns) * k];
        if !few {
            expand(path, panels, &mut weights[..columns * k]);
        }
        for first in (0..m).step_by(ROWS) {
            let rows = ROWS.min(m - first);
            // The rows of a small product stay expanded.
            if from == 0 || m > ROWS {
                for row in 0..rows {
                    let at = (first + row) * lda;
                    expand(path, &a[at..at + k], &mut left[row * k..(row + 1) * k]);
                }
            }
            let c_block = sums.as_mut_ptr();
            let epilogue = &Epilogue::NONE;
            let result = Target { rows, k, n: columns, column: 0, c: c_block, ldc: columns, epilogue };
            // SAFETY: `left` has `rows * k` floats, the panels `columns * k` elements, and the rest of the scratch is
            // as long as `rows * columns` sums.
            unsafe {
                if few {
                    result.product(path, left, k, panels);
                } else {
                    result.product(path, left, k, &weights[..columns * k]);
                }
            }
            for (row, sums) in sums[..rows * columns].chunks_exact(columns).enumerate() {
                let at = (first + row) * ldc + from;
                round(sums, &mut c[at..at + columns]);
            }
        }
    }
}

/// Where a product goes.
#[derive(Clone, Copy)]
struct Target<'a> {
    rows: usize,
    k: usize,
    n: usize,
    /// The column of the result that column 0 of the right operand makes.
    column: usize,
    c: *mut f32,
    ldc: usize,
    epilogue: &'a Epilogue<'a>,
}

impl Target<'_> {
    /// The product of rows with panels.
    ///
    /// # Safety
    /// The operands have the extents of the product; the result, bias and residual have its rows and columns from
    /// `column` on, and nothing else accesses the result.
    unsafe fn product<B: Right>(self, path: Path, a: &[f32], lda: usize, panels: &[B]) {
        let product = Product {
            rows: self.rows,
            map: RowMap::matrix(lda),
            a: a.as_ptr(),
            runs: Runs { count: 1, len: self.k, at: &|_| Run { a: 0, b: 0 } },
            b: panels.as_ptr(),
            b_end: panels.as_ptr_range().end,
            b_step: PANEL,
            b_step_part: self.n % PANEL,
            b_panel: self.k * PANEL,
            n: self.n,
            c: self.c,
            ldc: self.ldc,
            column: self.column,
            epilogue: self.epilogue,
        };
        // SAFETY: passed on to the caller.
        unsafe { product.run(path) }
    }
}

/// Elements as floats.
fn expand<B: Right>(path: Path, from: &[B], to: &mut [f32]) {
    assert_eq!(from.len(), to.len(), "as many floats as elements");
    // SAFETY: the slices are equally long, `path` proves the instructions.
    unsafe { with_lanes!(path, L => L::expand(from.as_ptr(), to.as_mut_ptr(), from.len())) }
}

/// Floats as elements.
fn round<B: Copy>(from: &[f32], to: &mut [B])
where
    f32: Cast<B>,
{
    vectorize(
        #[inline(always)]
        || from.iter().zip(to).for_each(|(&from, to)| *to = cast(from)),
    );
}

#[cfg(test)]
mod tests;
