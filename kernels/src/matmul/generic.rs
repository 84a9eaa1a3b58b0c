//! Products of the other element types, over plain row-major operands.

#![allow(clippy::needless_range_loop, reason = "constant bounds keep the arrays in registers")]

use half::{bf16, f16};

/// An element type of products and convolutions: how it multiplies and accumulates.
pub trait Scalar: Copy {
    /// The type of the running sum.
    type Sum: Copy;
    /// The empty sum.
    const ZERO: Self::Sum;
    /// The sum that starts from `self`.
    fn widen(self) -> Self::Sum;
    /// `sum + a * b`; integers wrap.
    fn accumulate(sum: Self::Sum, a: Self, b: Self) -> Self::Sum;
    /// The finished sum as an element.
    fn finish(sum: Self::Sum) -> Self;
}

macro_rules! float {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            type Sum = $t;
            const ZERO: $t = 0.0;
            #[inline(always)]
            fn widen(self) -> $t { self }
            #[inline(always)]
            fn accumulate(sum: $t, a: $t, b: $t) -> $t { sum + a * b }
            #[inline(always)]
            fn finish(sum: $t) -> $t { sum }
        }
    )*};
}
float!(f32, f64);

macro_rules! integer {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            type Sum = $t;
            const ZERO: $t = 0;
            #[inline(always)]
            fn widen(self) -> $t { self }
            #[inline(always)]
            fn accumulate(sum: $t, a: $t, b: $t) -> $t { sum.wrapping_add(a.wrapping_mul(b)) }
            #[inline(always)]
            fn finish(sum: $t) -> $t { sum }
        }
    )*};
}
integer!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! narrow {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            type Sum = f32;
            const ZERO: f32 = 0.0;
            #[inline(always)]
            fn widen(self) -> f32 { self.to_f32() }
            #[inline(always)]
            fn accumulate(sum: f32, a: $t, b: $t) -> f32 { sum + a.to_f32() * b.to_f32() }
            #[inline(always)]
            fn finish(sum: f32) -> $t { <$t>::from_f32(sum) }
        }
    )*};
}
narrow!(f16, bf16);

/// Columns of a strip of the result whose sums are held at once.
const STRIP: usize = 16;

/// `c[m, n] = a[m, k] · b[k, n] (+ bias[n])` for any element type.
///
/// `b` has strides `(between rows, between columns)`, so that a transpose needs no copy. Integers wrap; `f16` and
/// `bf16` accumulate in f32 and round once.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
#[inline]
pub fn matmul_generic<T: Scalar>(
    m: usize,
    k: usize,
    n: usize,
    a: &[T],
    lda: usize,
    b: &[T],
    b_strides: (usize, usize),
    bias: Option<&[T]>,
    c: &mut [T],
    ldc: usize,
) {
    crate::isa::vectorize(
        #[inline(always)]
        || strips(m, k, n, a, lda, b, b_strides, bias, c, ldc),
    );
}

/// `batch` products like [`matmul_generic`]; each operand advances by its stride, 0 repeats it, and results follow each
/// other.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three stacks of matrices")]
pub fn batched_matmul_generic<T: Scalar>(
    batch: usize,
    m: usize,
    k: usize,
    n: usize,
    a: &[T],
    lda: usize,
    a_stride: usize,
    b: &[T],
    b_strides: (usize, usize),
    b_stride: usize,
    c: &mut [T],
) {
    for entry in 0..batch {
        let (a, b) = (&a[entry * a_stride..], &b[entry * b_stride..]);
        matmul_generic(m, k, n, a, lda, b, b_strides, None, &mut c[entry * m * n..], n);
    }
}

#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
#[inline(always)]
fn strips<T: Scalar>(
    m: usize,
    k: usize,
    n: usize,
    a: &[T],
    lda: usize,
    b: &[T],
    b_strides: (usize, usize),
    bias: Option<&[T]>,
    c: &mut [T],
    ldc: usize,
) {
    for first in (0..n).step_by(STRIP) {
        let columns = STRIP.min(n - first);
        let mut start = [T::ZERO; STRIP];
        if let Some(bias) = bias {
            for (sum, &bias) in start.iter_mut().zip(&bias[first..first + columns]) {
                *sum = bias.widen();
            }
        }
        let mut row = 0;
        while row < m {
            let (a, c) = (&a[row * lda..], &mut c[row * ldc + first..]);
            let strip = Strip { k, lda, b, b_strides, first, columns, ldc };
            row += if m - row >= ROWS {
                strip.rows::<ROWS>(a, &start, c)
            } else {
                strip.rows::<1>(a, &start, c)
            };
        }
    }
}

/// Rows of the result that share what is read of the right operand.
const ROWS: usize = 4;

/// Up to [`STRIP`] columns of a product.
struct Strip<'a, T> {
    k: usize,
    lda: usize,
    b: &'a [T],
    b_strides: (usize, usize),
    first: usize,
    columns: usize,
    ldc: usize,
}

impl<T: Scalar> Strip<'_, T> {
    /// Computes `R` rows; answers `R`.
    #[inline(always)]
    fn rows<const R: usize>(&self, a: &[T], start: &[T::Sum; STRIP], c: &mut [T]) -> usize {
        let a: [&[T]; R] = core::array::from_fn(|r| &a[r * self.lda..r * self.lda + self.k]);
        let sums = if self.b_strides.1 == 1 && self.columns == STRIP {
            self.neighbours(a, start)
        } else {
            self.scattered(a, start)
        };
        for (r, sums) in sums.iter().enumerate() {
            for (out, &sum) in c[r * self.ldc..][..self.columns].iter_mut().zip(sums) {
                *out = T::finish(sum);
            }
        }
        R
    }

    /// The sums where all columns are there, next to each other: constant bounds keep them in registers.
    #[inline(always)]
    fn neighbours<const R: usize>(&self, a: [&[T]; R], start: &[T::Sum; STRIP]) -> [[T::Sum; STRIP]; R] {
        let mut sums = [*start; R];
        for i in 0..self.k {
            let from = i * self.b_strides.0 + self.first;
            let b = self.b[from..].first_chunk::<STRIP>().expect("all columns are there");
            for r in 0..R {
                let a = a[r][i];
                for lane in 0..STRIP {
                    sums[r][lane] = T::accumulate(sums[r][lane], a, b[lane]);
                }
            }
        }
        sums
    }

    /// The sums of any columns.
    #[inline(always)]
    fn scattered<const R: usize>(&self, a: [&[T]; R], start: &[T::Sum; STRIP]) -> [[T::Sum; STRIP]; R] {
        let mut sums = [*start; R];
        for i in 0..self.k {
            let from = i * self.b_strides.0 + self.first * self.b_strides.1;
            for lane in 0..self.columns {
                let b = self.b[from + lane * self.b_strides.1];
                for (sums, a) in sums.iter_mut().zip(a) {
                    sums[lane] = T::accumulate(sums[lane], a[i], b);
                }
            }
        }
        sums
    }
}

/// [`matmul_generic`] of f64, instantiated here rather than in the user's crate.
#[allow(clippy::too_many_arguments, reason = "the extents and strides of three matrices")]
#[inline(never)]
pub fn matmul_f64(
    m: usize,
    k: usize,
    n: usize,
    a: &[f64],
    lda: usize,
    b: &[f64],
    b_strides: (usize, usize),
    bias: Option<&[f64]>,
    c: &mut [f64],
    ldc: usize,
) {
    matmul_generic(m, k, n, a, lda, b, b_strides, bias, c, ldc);
}
