//! Comparing symbolic dimensions by what is known of their symbols.

use crate::types::{Dim, Symbols};

/// Whether `a >= b`; `None` where that depends on the symbols.
pub fn not_below(a: &Dim, b: &Dim, symbols: &Symbols) -> Option<bool> {
    let range = (a - b).range(symbols)?;
    if range.lo >= 0 {
        Some(true)
    } else if range.hi < 0 {
        Some(false)
    } else {
        None
    }
}

/// The larger of two.
pub fn larger(a: &Dim, b: &Dim, symbols: &Symbols) -> Dim {
    match (not_below(a, b, symbols), not_below(b, a, symbols)) {
        (Some(true), _) => a.clone(),
        (_, Some(true)) => b.clone(),
        _ => a.maximum(b),
    }
}

/// The smaller of two.
pub fn smaller(a: &Dim, b: &Dim, symbols: &Symbols) -> Dim {
    match (not_below(a, b, symbols), not_below(b, a, symbols)) {
        (Some(true), _) => b.clone(),
        (_, Some(true)) => a.clone(),
        _ => a.minimum(b),
    }
}
