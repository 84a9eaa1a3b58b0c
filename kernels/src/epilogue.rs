//! What happens to the elements of a product or convolution after their sums are complete.
//!
//! Invariant: every element passes bias, residual, clamp and `then` exactly once and in this order, while it is still
//! in a register or in the nearest cache. An epilogue never changes which sums are formed.

/// A map over finished segments of rows: `(row, first column, values)`.
pub type Then<'a> = &'a (dyn Fn(usize, usize, &mut [f32]) + Sync);

/// What happens to a finished tile of a product while it is still in registers or in the nearest cache.
#[derive(Clone, Copy)]
pub struct Epilogue<'a> {
    /// One number per column, added first.
    pub bias: Option<&'a [f32]>,
    /// A matrix of the extents of the result and the distance between its rows, added second.
    pub residual: Option<(&'a [f32], usize)>,
    /// Add the product to what the output holds instead of overwriting it.
    pub residual_in_place: bool,
    /// Then `max(lo)` and `min(hi)`; `Relu` is `(0, +inf)`. NaN stays NaN.
    pub clamp: Option<(f32, f32)>,
    /// Any other map, after all of the above. Each element is shown exactly once.
    pub then: Option<Then<'a>>,
}

impl Epilogue<'_> {
    /// Leaves the sums as they are.
    pub const NONE: Self =
        Self { bias: None, residual: None, residual_in_place: false, clamp: None, then: None };
    /// `Relu` alone.
    pub const RELU: Self = Self { clamp: Some((0.0, f32::INFINITY)), ..Self::NONE };

    /// Panics where the operands are too short for a result of `rows` rows and `columns` columns.
    pub(crate) fn check(&self, rows: usize, columns: usize) {
        if let Some(bias) = self.bias {
            assert!(bias.len() >= columns, "bias is shorter than a row of the result");
        }
        if let Some((residual, stride)) = self.residual {
            assert!(residual.len() >= span(rows, columns, stride), "residual is smaller than the result");
        }
    }

    /// The epilogue of one element, `then` excepted: the definition that every kernel follows.
    pub(crate) fn element(&self, row: usize, column: usize, sum: f32) -> f32 {
        let mut value = sum;
        if let Some(bias) = self.bias {
            value += bias[column];
        }
        if let Some((residual, stride)) = self.residual {
            value += residual[row * stride + column];
        }
        if let Some((lo, hi)) = self.clamp {
            value = clamp(value, lo, hi);
        }
        value
    }
}

/// `max(lo)` then `min(hi)`; NaN stays NaN.
#[inline(always)]
pub(crate) fn clamp(value: f32, lo: f32, hi: f32) -> f32 {
    let value = if value < lo { lo } else { value };
    if value > hi { hi } else { value }
}

/// The number of elements from the first to the last of `rows` rows of `columns` columns, `stride` apart; more than any
/// slice has where that does not fit a `usize`.
pub(crate) const fn span(rows: usize, columns: usize, stride: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1).saturating_mul(stride).saturating_add(columns) }
}
