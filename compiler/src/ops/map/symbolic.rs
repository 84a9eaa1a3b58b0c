//! Expressions over dimensions: what a map of symbolic integers gives, element by element.
//!
//! Truth values are the dimensions 0 and 1. A comparison of symbolic numbers has a value where it is the same for all
//! sizes, as for `dim == -1`, by which exporters look for open extents. Floating-point numbers are counted in
//! [`PARTS`](crate::ir::PARTS), so that `ceil(n / 2)` has a value however an exporter writes it.

use crate::expr::{Binary, Compare, Expr, ExprId, ExprKind, Unary};
use crate::ir::{PARTS, Sizes, parts_of};
use crate::types::dim::Atom;
use crate::types::{DType, Dim};

/// Element `element` of an expression over dimensions, if it has a symbolic form.
pub(super) fn element(expr: &Expr, inputs: &[&[Dim]], sizes: Sizes<'_>, element: usize) -> Option<Dim> {
    let mut values: Vec<Option<Dim>> = Vec::with_capacity(expr.len());
    for (_, node) in expr.nodes() {
        let at = |id: ExprId| values[id.0 as usize].clone();
        values.push(match node.kind {
            ExprKind::Input(i) => inputs[i].get(if inputs[i].len() == 1 { 0 } else { element }).cloned(),
            ExprKind::Const(s) => parts_of(s),
            ExprKind::Index(_) => Some(Dim::from(element)),
            ExprKind::Size(dim) => cast(dim, DType::I64, node.dtype, sizes),
            ExprKind::Cast(a) => at(a).and_then(|v| cast(v, expr.node(a).dtype, node.dtype, sizes)),
            ExprKind::Unary(op, a) => at(a).and_then(|v| unary(op, &v, node.dtype, sizes)),
            ExprKind::Binary(op, a, b) => match (op, at(a), at(b)) {
                (_, Some(a), Some(b)) => binary(op, &a, &b, node.dtype, sizes),
                (Binary::And, Some(known), None) | (Binary::And, None, Some(known)) if known.is(0) => {
                    Some(known)
                }
                (Binary::Or, Some(known), None) | (Binary::Or, None, Some(known))
                    if known.is(1) && node.dtype == DType::Bool =>
                {
                    Some(known)
                }
                _ => None,
            },
            ExprKind::Compare(op, a, b) => at(a)
                .zip(at(b))
                .and_then(|(a, b)| compare(op, &a, &b, sizes))
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

/// Conversions between counts of whole numbers and of parts. One to a truth value asks whether the number is zero.
fn cast(value: Dim, from: DType, to: DType, sizes: Sizes<'_>) -> Option<Dim> {
    match (from.is_float(), to.is_float()) {
        _ if to == DType::Bool => (from == DType::Bool).then_some(value),
        (false, true) => Some(&value * &PARTS),
        (true, false) => Some(truncated(&value, &PARTS, sizes)),
        _ => Some(value),
    }
}

fn unary(op: Unary, a: &Dim, dtype: DType, sizes: Sizes<'_>) -> Option<Dim> {
    let whole = |dim: Dim| if dtype.is_float() { &dim * &PARTS } else { dim };
    let part = if dtype.is_float() { PARTS } else { Dim::ONE };
    match op {
        Unary::Neg => Some(-a),
        Unary::Abs if not_negative(a, sizes) => Some(a.clone()),
        Unary::Abs if not_negative(&-a, sizes) => Some(-a),
        Unary::Not if dtype == DType::Bool => Some(&Dim::ONE - a),
        Unary::Floor => Some(whole(a.div_floor(&part))),
        Unary::Ceil => Some(whole(a.div_ceil(&part))),
        Unary::Round => a.exact_div(&part).map(whole),
        _ => None,
    }
}

/// The quotient as integers have it. Where the sign of a dimension is not known it is not negative.
fn truncated(a: &Dim, b: &Dim, sizes: Sizes<'_>) -> Dim {
    let below = a.as_i64() != Some(0) && not_negative(&-a, sizes) && positive(b, sizes);
    if below { -(-a).div_floor(b) } else { a.div_floor(b) }
}

fn binary(op: Binary, a: &Dim, b: &Dim, dtype: DType, sizes: Sizes<'_>) -> Option<Dim> {
    let truth = dtype == DType::Bool;
    match op {
        Binary::Add => Some(a + b),
        Binary::Sub => Some(a - b),
        Binary::Mul if dtype.is_float() => (a * b).exact_div(&PARTS),
        Binary::Mul => Some(a * b),
        Binary::Div if dtype.is_float() => (a * &PARTS).exact_div(b),
        Binary::Div if !b.is(0) => Some(truncated(a, b, sizes)),
        Binary::Mod if positive(b, sizes) => Some(a - &(b * &a.div_floor(b))),
        Binary::Min => Some(a.minimum(b)),
        Binary::Max => Some(a.maximum(b)),
        Binary::And if truth => Some(a * b),
        Binary::Or if truth => Some(a.maximum(b)),
        Binary::Xor if truth => Some(&(a + b) - &(&Dim::from(2_i64) * &(a * b))),
        _ => None,
    }
}

/// Whether the comparison holds, if that is the same for all sizes.
fn compare(op: Compare, a: &Dim, b: &Dim, sizes: Sizes<'_>) -> Option<bool> {
    let (less, more) = (positive(&(b - a), sizes), positive(&(a - b), sizes));
    let (at_most, at_least) = (not_negative(&(b - a), sizes), not_negative(&(a - b), sizes));
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
fn positive(dim: &Dim, sizes: Sizes<'_>) -> bool {
    not_negative(&(dim - &Dim::ONE), sizes)
}

/// Whether a dimension is not negative for all sizes: because of what is known of them, or as a sum of what is not.
fn not_negative(dim: &Dim, sizes: Sizes<'_>) -> bool {
    let of_atom = |atom: &Atom| match atom {
        Atom::Symbol(_) => true,
        Atom::Div(a, b) => not_negative(a, sizes) && positive(b, sizes),
        Atom::Min(a, b) => not_negative(a, sizes) && not_negative(b, sizes),
        Atom::Max(a, b) => not_negative(a, sizes) || not_negative(b, sizes),
    };
    let terms = dim.sum_of_products();
    terms.iter().all(|(coefficient, atoms)| *coefficient >= 0 && atoms.iter().all(of_atom))
        || sizes.not_negative(dim)
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
        assert_eq!(compare(Compare::Equal, &n, &minus, Sizes::NOTHING), Some(false));
        assert_eq!(compare(Compare::Equal, &n, &n, Sizes::NOTHING), Some(true));
        assert_eq!(compare(Compare::Equal, &n, &Dim::ZERO, Sizes::NOTHING), None);
        assert_eq!(compare(Compare::Less, &n, &next, Sizes::NOTHING), Some(true));
        assert_eq!(compare(Compare::Less, &next, &n, Sizes::NOTHING), Some(false));
        assert_eq!(compare(Compare::LessOrEqual, &n, &n, Sizes::NOTHING), Some(true));
        assert_eq!(compare(Compare::Greater, &n, &minus, Sizes::NOTHING), Some(true));
        assert_eq!(compare(Compare::GreaterOrEqual, &n, &next, Sizes::NOTHING), Some(false));
        assert_eq!(compare(Compare::Less, &n, &Dim::from(2_i64), Sizes::NOTHING), None);
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

    /// Relative positions are cut from the end: `x[-n:]` in the words of exporters.
    #[test]
    fn negative_sizes_are_positions_from_the_end() {
        let model = "g (float[5,n] x, float[n] y) => (float[] r) <int64[1] one = {1}, int64[1] far = {9223372036854775807}> {
            s = Shape(y)
            minus = Neg(s)
            r = Slice(x, minus, far, one)
        }";
        let graph = crate::testing::graph_of(model);
        assert_eq!(graph.ty(graph.outputs[0].1).to_string(), "f32[5,n]");
    }

    /// Sequences are filled up to whole blocks; exporters write the amounts as pairs, reversed.
    #[test]
    fn padding_up_to_whole_blocks() {
        let model = "g (float[2,n] x) => (float[] r) <int64 four = {4}, int64 axis = {1}, int64[1] zero = {0},
            int64[1] first = {-1}, int64[1] before = {-9223372036854775807}, int64[2] pairs = {-1, 2}, int64[1] all = {-1}> {
            s = Shape(x)
            n = Gather(s, axis)
            minus = Neg(n)
            missing = Mod(minus, four)
            more = Unsqueeze(missing, zero)
            flat = Concat <axis = 0> (zero, more, zero, zero)
            paired = Reshape(flat, pairs)
            reversed = Slice(paired, first, before, zero, first)
            turned = Transpose <perm = [1, 0]> (reversed)
            amounts = Reshape(turned, all)
            r = Pad(x, amounts)
        }";
        let graph = crate::testing::graph_of(model);
        assert_eq!(graph.ty(graph.outputs[0].1).to_string(), "f32[2,-4*floor((-n)/(4))]");
    }

    /// Sizes that exporters compute in floating point.
    #[test]
    fn scaled_sizes_are_expressions() {
        let model =
            "g (float[n] x) => (float[] a, float[] b, float[] c) <float half = {0.5}, float three = {3.0},
            float zero = {0.0}, float one = {1.0}, int64[1] axis = {0}, int64 first = {0}> {
            s = Shape(x)
            n = Gather(s, first)
            f = Cast <to = 1> (n)
            halved = Mul(f, half)
            up = Ceil(halved)
            a = Range(zero, f, one)
            u = Cast <to = 7> (up)
            us = Unsqueeze(u, axis)
            b = ConstantOfShape(us)
            third = Div(f, three)
            d = Cast <to = 7> (third)
            ds = Unsqueeze(d, axis)
            c = ConstantOfShape(ds)
        }";
        let graph = crate::testing::graph_of(model);
        let types: Vec<String> = graph.outputs.iter().map(|(_, v)| graph.ty(*v).to_string()).collect();
        assert_eq!(types, ["f32[n]", "f32[-floor((-n)/(2))]", "f32[floor((n)/(3))]"]);
    }

    /// An extent is never -1, also where its expression could be for sizes that the model refuses.
    #[test]
    fn extents_are_not_negative() {
        let model = "g (float[n] x) => (float[] y) <int64[1] minus = {-1}, int64[1] one = {1}, int64[1] two = {2}, int64[1] far = {99}> {
            cut = Slice(x, two, far)
            joined = Concat <axis = 0> (cut, cut)
            s = Shape(joined)
            open = Equal(s, minus)
            shape = Where(open, one, s)
            y = Expand(joined, shape)
        }";
        let graph = crate::testing::graph_of(model);
        let (_, y) = graph.outputs[0];
        assert_eq!(graph.producer(y).map(|n| n.op.name()), Some("Concat"), "{graph}");
    }

    /// Pairs of amounts, as TensorFlow has them, keep their form on the way to those of ONNX.
    #[test]
    fn matrices_of_sizes_are_expressions() {
        let model = "g (float[n] x) => (float[] y) <int64[1] zero = {0}, int64[1] all = {-1}, int32[1] none = {0}, int32[1] limit = {64}> {
            s = Shape(x)
            s32 = Cast <to = 6> (s)
            missing = Sub(limit, s32)
            pair = Concat <axis = 0> (none, missing)
            row = Unsqueeze(pair, zero)
            wide = Cast <to = 7> (row)
            turned = Transpose(wide)
            pads = Reshape(turned, all)
            y = Pad(x, pads)
        }";
        let graph = crate::testing::graph_of(model);
        assert_eq!(graph.ty(graph.outputs[0].1).to_string(), "f32[64]");
    }
}
