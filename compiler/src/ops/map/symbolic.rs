//! Expressions over dimensions: what a map of symbolic integers gives, element by element.
//!
//! Truth values are the dimensions 0 and 1. A comparison of symbolic numbers has a value where it is the same for all
//! sizes, as for `dim == -1`, by which exporters look for open extents.

use crate::expr::{Binary, Compare, Expr, ExprId, ExprKind};
use crate::types::dim::Atom;
use crate::types::{DType, Dim};

/// Element `element` of an expression over dimensions, if it has a symbolic form.
pub(super) fn element(expr: &Expr, inputs: &[&[Dim]], element: usize) -> Option<Dim> {
    let mut values: Vec<Option<Dim>> = Vec::with_capacity(expr.len());
    for (_, node) in expr.nodes() {
        let at = |id: ExprId| values[id.0 as usize].clone();
        let whole = node.dtype.is_int() || node.dtype == DType::Bool;
        values.push(match node.kind {
            ExprKind::Input(i) => inputs[i].get(if inputs[i].len() == 1 { 0 } else { element }).cloned(),
            ExprKind::Const(s) if whole => Some(Dim::from(s.as_i64())),
            ExprKind::Index(_) => Some(Dim::from(element)),
            ExprKind::Size(dim) => Some(dim),
            // Only what was a number already: a conversion to a truth value asks whether it is zero.
            ExprKind::Cast(a) if node.dtype.is_int() => at(a),
            ExprKind::Binary(op, a, b) => at(a).zip(at(b)).and_then(|(a, b)| binary(op, &a, &b, node.dtype)),
            ExprKind::Compare(op, a, b) => at(a)
                .zip(at(b))
                .and_then(|(a, b)| compare(op, &a, &b))
                .map(|holds| Dim::from(i64::from(holds))),
            ExprKind::Select(which, a, b) => match at(which).as_ref().and_then(Dim::as_i64) {
                Some(0) => at(b),
                Some(_) => at(a),
                None => at(a).filter(|a| at(b).as_ref() == Some(a)),
            },
            _ => None,
        });
    }
    values[expr.output().0 as usize].clone()
}

fn binary(op: Binary, a: &Dim, b: &Dim, dtype: DType) -> Option<Dim> {
    let truth = dtype == DType::Bool;
    match op {
        Binary::Add => Some(a + b),
        Binary::Sub => Some(a - b),
        Binary::Mul => Some(a * b),
        // Dimensions are not negative, where truncation and flooring agree.
        Binary::Div if !b.is(0) => Some(a.div_floor(b)),
        Binary::Min => Some(a.minimum(b)),
        Binary::Max => Some(a.maximum(b)),
        Binary::And if truth => Some(a * b),
        Binary::Or if truth => Some(a.maximum(b)),
        _ => None,
    }
}

/// Whether the comparison holds, if that is the same for all sizes.
fn compare(op: Compare, a: &Dim, b: &Dim) -> Option<bool> {
    let (less, more) = (positive(&(b - a)), positive(&(a - b)));
    let (at_most, at_least) = (not_negative(&(b - a)), not_negative(&(a - b)));
    let known = |holds: bool, fails: bool| if holds { Some(true) } else { fails.then_some(false) };
    match op {
        Compare::Equal => known(a == b, less || more),
        Compare::Less => known(less, at_least),
        Compare::LessOrEqual => known(at_most, more),
        Compare::Greater => known(more, at_most),
        Compare::GreaterOrEqual => known(at_least, less),
    }
}

/// Whether a dimension is above zero for all sizes.
fn positive(dim: &Dim) -> bool {
    not_negative(&(dim - &Dim::ONE))
}

/// Whether a dimension is not negative for all sizes: symbols are not, and it is a sum of such.
fn not_negative(dim: &Dim) -> bool {
    dim.sum_of_products().iter().all(|(coefficient, atoms)| {
        *coefficient >= 0
            && atoms.iter().all(|atom| match atom {
                Atom::Symbol(_) => true,
                Atom::Div(a, b) => not_negative(a) && positive(b),
                Atom::Min(a, b) => not_negative(a) && not_negative(b),
                Atom::Max(a, b) => not_negative(a) || not_negative(b),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Symbol;

    #[test]
    fn comparisons_that_hold_for_all_sizes() {
        let n = Dim::symbol(Symbol::new("n"));
        let next = &n + &Dim::ONE;
        let minus = Dim::from(-1_i64);
        assert_eq!(compare(Compare::Equal, &n, &minus), Some(false));
        assert_eq!(compare(Compare::Equal, &n, &n), Some(true));
        assert_eq!(compare(Compare::Equal, &n, &Dim::ZERO), None);
        assert_eq!(compare(Compare::Less, &n, &next), Some(true));
        assert_eq!(compare(Compare::Less, &next, &n), Some(false));
        assert_eq!(compare(Compare::LessOrEqual, &n, &n), Some(true));
        assert_eq!(compare(Compare::Greater, &n, &minus), Some(true));
        assert_eq!(compare(Compare::GreaterOrEqual, &n, &next), Some(false));
        assert_eq!(compare(Compare::Less, &n, &Dim::from(2_i64)), None);
    }

    /// The extents that exporters look for by comparison with -1.
    #[test]
    fn open_extents_are_filled_in() {
        let model = "g (float[n,3] x) => (float[] y) <int64[1] minus = {-1}, int64[2] one = {1, 1}> {
            s = Shape(x)
            open = Equal(s, minus)
            shape = Where(open, one, s)
            y = Expand(x, shape)
        }";
        let graph = crate::testing::graph_of(model);
        assert_eq!(graph.ty(graph.outputs[0].1).to_string(), "f32[n,3]");
    }
}
