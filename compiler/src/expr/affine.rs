//! Integers that are sums of positions: `start + Σ index[axis] * step`.
//!
//! What exporters compare to make causal masks and windows, and what they count positions with, has this form. It is
//! exact as long as nothing wraps, which indices and sizes do not.

use super::{Binary, Compare, Expr, ExprBuilder, ExprId, ExprKind, Unary};
use crate::types::{DType, Dim, Symbols};
use std::collections::BTreeMap;

/// A sum of positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affine {
    /// The value at the first position of all axes.
    pub start: Dim,
    /// What one position along an axis adds; never zero.
    pub steps: BTreeMap<usize, Dim>,
}

impl Affine {
    /// The same everywhere.
    pub fn number(start: Dim) -> Affine {
        Affine { start, steps: BTreeMap::new() }
    }

    /// What one position along `axis` adds.
    pub fn step(&self, axis: usize) -> Dim {
        self.steps.get(&axis).cloned().unwrap_or(Dim::ZERO)
    }

    /// The sum.
    pub fn plus(&self, other: &Affine) -> Affine {
        let mut sum = Affine { start: &self.start + &other.start, steps: self.steps.clone() };
        for (&axis, step) in &other.steps {
            let total = &sum.step(axis) + step;
            sum.steps.insert(axis, total);
        }
        sum.steps.retain(|_, step| !step.is(0));
        sum
    }

    /// The product with a number.
    pub fn times(&self, factor: &Dim) -> Affine {
        let steps = self.steps.iter().map(|(&axis, step)| (axis, step * factor));
        let steps = steps.filter(|(_, step)| !step.is(0)).collect();
        Affine { start: &self.start * factor, steps }
    }

    /// The difference.
    pub fn minus(&self, other: &Affine) -> Affine {
        self.plus(&other.times(&Dim::from(-1_i64)))
    }

    /// The least and the largest value over a space, where they are known.
    pub fn bounds(&self, space: &[Dim], symbols: &Symbols) -> (Option<i64>, Option<i64>) {
        let (mut least, mut most) = (Some(self.start.clone()), Some(self.start.clone()));
        for (&axis, step) in &self.steps {
            let reach = space.get(axis).map(|extent| &(extent - &Dim::ONE) * step);
            let sign = step.range(symbols).map(|r| (r.lo >= 0, r.hi <= 0));
            let grown = |bound: Option<Dim>| bound.zip(reach.clone()).map(|(b, r)| &b + &r);
            match sign {
                Some((true, _)) => most = grown(most),
                Some((_, true)) => least = grown(least),
                _ => (least, most) = (None, None),
            }
        }
        let range = |bound: Option<Dim>| bound.and_then(|b| b.range(symbols));
        (range(least).map(|r| r.lo), range(most).map(|r| r.hi))
    }
}

impl Expr {
    /// What a node is as a sum of positions, if it is one.
    pub fn affine(&self, id: ExprId) -> Option<Affine> {
        self.affines().swap_remove(id.0 as usize)
    }

    /// For each node what it is as a sum of positions.
    pub fn affines(&self) -> Vec<Option<Affine>> {
        let mut known: Vec<Option<Affine>> = Vec::with_capacity(self.len());
        for (_, node) in self.nodes() {
            let at = |id: ExprId| known[id.0 as usize].clone();
            let whole = matches!(node.dtype, DType::I64 | DType::I32);
            known.push(match node.kind {
                _ if !whole => None,
                ExprKind::Const(value) => Some(Affine::number(Dim::from(value.as_i64()))),
                ExprKind::Size(dim) => Some(Affine::number(dim)),
                ExprKind::Index(axis) => {
                    Some(Affine { start: Dim::ZERO, steps: BTreeMap::from([(axis, Dim::ONE)]) })
                }
                ExprKind::Cast(of) => at(of),
                ExprKind::Unary(Unary::Neg, of) => at(of).map(|a| a.times(&Dim::from(-1_i64))),
                ExprKind::Binary(Binary::Add, a, b) => at(a).zip(at(b)).map(|(a, b)| a.plus(&b)),
                ExprKind::Binary(Binary::Sub, a, b) => at(a).zip(at(b)).map(|(a, b)| a.minus(&b)),
                ExprKind::Binary(Binary::Mul, a, b) => {
                    at(a).zip(at(b)).and_then(|(a, b)| match (a.steps.is_empty(), b.steps.is_empty()) {
                        (_, true) => Some(a.times(&b.start)),
                        (true, _) => Some(b.times(&a.start)),
                        _ => None,
                    })
                }
                _ => None,
            });
        }
        known
    }

    /// Without comparisons and sums of positions that are the same at every point of a space.
    pub fn settled(&self, space: &[Dim], symbols: &Symbols) -> Expr {
        let known = self.affines();
        let mut builder = ExprBuilder::new();
        let mut new: Vec<ExprId> = Vec::with_capacity(self.len());
        for (id, node) in self.nodes() {
            let of = |id: ExprId| known[id.0 as usize].as_ref();
            let truth = match node.kind {
                ExprKind::Compare(op, a, b) => {
                    of(a).zip(of(b)).and_then(|(a, b)| always(op, a.minus(b).bounds(space, symbols)))
                }
                _ => None,
            };
            new.push(match (truth, of(id)) {
                (Some(truth), _) => builder.scalar(crate::types::Scalar::Bool(truth)),
                (_, Some(sum)) if sum.steps.is_empty() => builder.size(sum.start.clone(), node.dtype),
                _ => builder.rebuilt(node, &|id| new[id.0 as usize]),
            });
        }
        builder.finish(new[self.output().0 as usize])
    }
}

impl ExprBuilder {
    /// A sum of positions.
    pub fn affine(&mut self, sum: &Affine, dtype: DType) -> ExprId {
        let mut total = self.size(sum.start.clone(), DType::I64);
        for (&axis, step) in &sum.steps {
            let (index, step) = (self.index(axis), self.size(step.clone(), DType::I64));
            let term = self.mul(index, step);
            total = self.add(term, total);
        }
        self.cast(total, dtype)
    }
}

/// Whether a comparison holds for all differences between two bounds, or for none.
fn always(op: Compare, (least, most): (Option<i64>, Option<i64>)) -> Option<bool> {
    let below = |bound: i64| most.is_some_and(|m| m < bound);
    let above = |bound: i64| least.is_some_and(|l| l > bound);
    let known = |holds: bool, fails: bool| if holds { Some(true) } else { fails.then_some(false) };
    match op {
        Compare::Equal => known(below(1) && above(-1), below(0) || above(0)),
        Compare::Less => known(below(0), above(-1)),
        Compare::LessOrEqual => known(below(1), above(0)),
        Compare::Greater => known(above(0), below(1)),
        Compare::GreaterOrEqual => known(above(-1), below(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Range, Symbol};

    /// The text of what is left of a comparison of two sums over `[1, n, past + n]`.
    fn settled(op: Compare, make: impl Fn(&mut ExprBuilder, ExprId, ExprId) -> (ExprId, ExprId)) -> String {
        let (n, past) = (Symbol::new("n"), Symbol::new("past"));
        let symbols =
            Symbols::from([(n.clone(), Range { lo: 1, hi: 9 }), (past.clone(), Range { lo: 0, hi: 9 })]);
        let (n, past) = (Dim::symbol(n), Dim::symbol(past));
        let mut b = ExprBuilder::new();
        let query = b.index(1);
        let first = b.size(past.clone(), DType::I64);
        let (query, key) = (b.add(query, first), b.index(2));
        let (x, y) = make(&mut b, query, key);
        let holds = b.compare(op, x, y);
        b.finish(holds).settled(&[Dim::ONE, n.clone(), &past + &n], &symbols).to_string()
    }

    #[test]
    fn comparisons_that_hold_everywhere_are_settled() {
        assert_eq!(
            settled(Compare::LessOrEqual, |_, q, k| (k, q)),
            "lessorequal(index2, add(index1, size(past)))"
        );
        let last = |b: &mut ExprBuilder| {
            let (n, past) = (Dim::symbol(Symbol::new("n")), Dim::symbol(Symbol::new("past")));
            b.size(&past + &n, DType::I64)
        };
        assert_eq!(settled(Compare::Less, |b, _, k| (k, last(b))), "1");
        assert_eq!(settled(Compare::Less, |b, q, _| (q, last(b))), "1");
        assert_eq!(settled(Compare::GreaterOrEqual, |b, q, _| (q, last(b))), "0");
        assert_eq!(settled(Compare::Equal, |b, q, k| (b.sub(q, k), b.sub(q, k))), "1");
    }

    #[test]
    fn positions_cancel() {
        let mut b = ExprBuilder::new();
        let (row, one) = (b.index(0), b.scalar(crate::types::Scalar::Int(DType::I64, 1)));
        let next = b.add(row, one);
        let difference = b.sub(next, row);
        assert_eq!(b.finish(difference).settled(&[Dim::from(4_i64)], &Symbols::new()).to_string(), "1");
    }
}
