//! What is known of the elements of small tensors: expressions of symbols.
//!
//! Integers and truth values are themselves. Floating-point numbers are counted in parts, [`PARTS`] of them in one, so
//! that halves and thirds of sizes are expressions too. Whatever is no whole number of parts is not known.

use crate::types::{DType, Dim, Scalar, Symbols};
use std::collections::BTreeSet;

/// How many parts a floating-point one has: divisible by the factors and hops by which models scale lengths.
pub const PARTS: Dim = Dim::Fixed(WHOLE);

const WHOLE: i64 = 1024 * 9 * 5 * 7;

/// A number as content.
pub fn parts_of(scalar: Scalar) -> Option<Dim> {
    if !scalar.dtype().is_float() {
        return Some(Dim::from(scalar.as_i64()));
    }
    let parts = scalar.as_f64() * WHOLE as f64;
    (parts.fract() == 0.0 && parts.abs() < (1_i64 << 52) as f64).then(|| Dim::from(parts as i64))
}

/// The number of whole ones in what is content of an element type, if it is a whole number.
pub fn whole(content: &Dim, dtype: DType) -> Option<Dim> {
    if dtype.is_float() { content.exact_div(&PARTS) } else { Some(content.clone()) }
}

/// What is known of sizes: the ranges of symbols, and expressions that are extents of values, which are not negative
/// whenever the program runs.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    pub(super) symbols: &'a Symbols,
    pub(super) extents: &'a BTreeSet<Dim>,
}

impl Sizes<'_> {
    /// What is known where nothing is.
    pub const NOTHING: Sizes<'static> = Sizes { symbols: &NO_SYMBOLS, extents: &NO_EXTENTS };

    /// Whether `dim` is known to be at least zero.
    pub fn not_negative(self, dim: &Dim) -> bool {
        let is_more = |extent: &Dim| (dim - extent).as_i64().is_some_and(|more| more >= 0);
        dim.range(self.symbols).is_some_and(|r| r.lo >= 0) || self.extents.iter().any(is_more)
    }
}

static NO_SYMBOLS: Symbols = Symbols::new();
static NO_EXTENTS: BTreeSet<Dim> = BTreeSet::new();

/// Whether an extent says something that the ranges of its symbols do not: that a difference is not negative.
pub(super) fn is_telling(extent: &Dim) -> bool {
    matches!(extent, Dim::Sum(_)) && extent.sum_of_products().iter().any(|(coefficient, _)| *coefficient < 0)
}

/// Whether the element type holds all integers up to these: beyond that it rounds, and the expressions do not.
pub(super) fn is_exact(content: &[Dim], dtype: DType, symbols: &Symbols) -> bool {
    let digits = match dtype {
        DType::F16 => 11,
        DType::BF16 => 8,
        DType::F32 => 24,
        DType::F64 => 32,
        _ => return !dtype.is_float(),
    };
    let limit = WHOLE << digits;
    content.iter().all(|d| d.range(symbols).is_some_and(|r| -limit <= r.lo && r.hi <= limit))
}
