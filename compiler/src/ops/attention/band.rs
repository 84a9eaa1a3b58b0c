//! The keys that a query can see at all, read off the expression of its scores.
//!
//! Masks choose between a score and a number far below, or add such a number. Where they decide by comparing sums of
//! positions (causal masks, after a cache or not, and windows), what is seen lies between two lines.

use crate::expr::{Affine, Binary, Compare, Expr, ExprId, ExprKind, Unary};
use crate::lir::Arg;
use crate::types::{DType, Dim, Scalar};

/// Numbers below this stay far below all scores even if a score is added.
const FAR_BELOW: f64 = -1e30;
/// Powers of scores that are so much smaller than the largest are zero in f32, with room to spare.
const VANISHING: f64 = 128.0;

/// For each query a number: `query * step + start`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    step: i64,
    start: Dim,
}

/// Bounds of the keys that are seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Band {
    /// The first key.
    from: Option<Line>,
    /// One past the last key.
    to: Option<Line>,
    /// Scores of keys that are not seen are far below this.
    low: Option<f64>,
}

impl Band {
    /// The bounds that scores over a space of `rank` axes have; `None` if every key may be seen.
    pub(super) fn of(scores: &Expr, rank: usize) -> Option<Band> {
        let finder = Finder { expr: scores, query: rank - 2, key: rank - 1 };
        let band = finder.seen(scores.output(), true);
        (band.from.is_some() || band.to.is_some()).then_some(band)
    }

    /// The kernel's argument.
    pub(super) fn argument(&self, keys: &Dim) -> Arg {
        let line = |line: &Option<Line>, otherwise: &Dim| {
            let (step, start) = line.as_ref().map_or((0, otherwise), |l| (l.step, &l.start));
            Arg::Struct(
                "attention::Line",
                vec![("step", Arg::Signed(Dim::from(step))), ("start", Arg::Signed(start.clone()))],
            )
        };
        Arg::Struct(
            "attention::Band",
            vec![
                ("from", line(&self.from, &Dim::ZERO)),
                ("to", line(&self.to, keys)),
                ("low", Arg::Float(DType::F32, self.low.unwrap_or(f64::NEG_INFINITY))),
            ],
        )
    }

    /// What is seen under both bounds. One that moves with the query says more than one that does not.
    fn and(self, other: Band) -> Band {
        let tighter = |a: Option<Line>, b: Option<Line>| match (a, b) {
            (Some(a), Some(b)) => Some(if a.step == 0 { b } else { a }),
            (a, b) => a.or(b),
        };
        Band {
            from: tighter(self.from, other.from),
            to: tighter(self.to, other.to),
            low: match (self.low, other.low) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

struct Finder<'a> {
    expr: &'a Expr,
    query: usize,
    key: usize,
}

impl Finder<'_> {
    /// Where a node may be above what its masks put in the place of scores. `outer`: nothing is added to it.
    fn seen(&self, id: ExprId, outer: bool) -> Band {
        match self.expr.node(id).kind {
            ExprKind::Select(condition, kept, masked) => {
                let under = |low: f64, band: Band, rest: ExprId| {
                    let known = band.from.is_some() || band.to.is_some();
                    let band = Band { low: known.then_some(low), ..band };
                    band.and(self.seen(rest, outer))
                };
                if let Some(low) = self.low(masked, outer) {
                    under(low, self.where_it(condition, true), kept)
                } else if let Some(low) = self.low(kept, outer) {
                    under(low, self.where_it(condition, false), masked)
                } else {
                    Band::default()
                }
            }
            ExprKind::Binary(Binary::Add, a, b) => self.seen(a, false).and(self.seen(b, false)),
            _ => Band::default(),
        }
    }

    /// The number above which scores are seen, if `id` is what a mask puts in their place.
    fn low(&self, id: ExprId, outer: bool) -> Option<f64> {
        let ExprKind::Const(Scalar::Float(_, value)) = self.expr.node(id).kind else { return None };
        if value <= FAR_BELOW {
            Some(value / 2.0)
        } else {
            outer.then_some(value + VANISHING).filter(|_| value.is_finite())
        }
    }

    /// Bounds of the keys for which a condition has this value.
    fn where_it(&self, condition: ExprId, holds: bool) -> Band {
        match self.expr.node(condition).kind {
            ExprKind::Binary(Binary::And, a, b) if holds => {
                self.where_it(a, true).and(self.where_it(b, true))
            }
            ExprKind::Binary(Binary::Or, a, b) if !holds => {
                self.where_it(a, false).and(self.where_it(b, false))
            }
            ExprKind::Unary(Unary::Not, a) => self.where_it(a, !holds),
            ExprKind::Compare(op, a, b) => {
                let (Some(a), Some(b)) = (self.expr.affine(a), self.expr.affine(b)) else {
                    return Band::default();
                };
                let (more, less) = (a.minus(&b), b.minus(&a));
                let one = Affine::number(Dim::ONE);
                // What is not negative where the comparison comes out so.
                let bounds = match (op, holds) {
                    (Compare::Equal, true) => vec![more, less],
                    (Compare::Equal, false) => Vec::new(),
                    (Compare::GreaterOrEqual, true) | (Compare::Less, false) => vec![more],
                    (Compare::LessOrEqual, true) | (Compare::Greater, false) => vec![less],
                    (Compare::Greater, true) | (Compare::LessOrEqual, false) => vec![more.minus(&one)],
                    (Compare::Less, true) | (Compare::GreaterOrEqual, false) => vec![less.minus(&one)],
                };
                bounds.iter().map(|b| self.bound(b)).fold(Band::default(), Band::and)
            }
            _ => Band::default(),
        }
    }

    /// Bounds of the keys for which a sum of positions is not negative.
    fn bound(&self, sum: &Affine) -> Band {
        let others = sum.steps.keys().any(|&axis| axis != self.query && axis != self.key);
        let (of_key, of_query) = (sum.step(self.key).as_i64(), sum.step(self.query).as_i64());
        match (of_key, of_query) {
            (Some(1), Some(step)) if !others => {
                Band { from: Some(Line { step: -step, start: -&sum.start }), ..Band::default() }
            }
            (Some(-1), Some(step)) if !others => {
                Band { to: Some(Line { step, start: &sum.start + &Dim::ONE }), ..Band::default() }
            }
            _ => Band::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::ExprBuilder;
    use crate::types::Symbol;

    /// The bounds of scores over `[heads, queries, keys]`.
    fn band(make: impl Fn(&mut ExprBuilder, ExprId, ExprId, ExprId) -> ExprId) -> String {
        let mut b = ExprBuilder::new();
        let (score, query, key) = (b.input(0, DType::F32), b.index(1), b.index(2));
        let past = b.size(Dim::symbol(Symbol::new("past")), DType::I64);
        let query = b.add(query, past);
        let scores = make(&mut b, score, query, key);
        let text = |line: &Option<Line>| match line {
            Some(Line { step, start }) => format!("{step}*query + {start}"),
            None => "-".to_owned(),
        };
        match Band::of(&b.finish(scores), 3) {
            Some(band) => format!("{} .. {}, {:?}", text(&band.from), text(&band.to), band.low),
            None => "all".to_owned(),
        }
    }

    fn float(b: &mut ExprBuilder, value: f64) -> ExprId {
        b.scalar(Scalar::from_f64(DType::F32, value))
    }

    #[test]
    fn causal_masks() {
        let chosen = |low: f64| {
            band(move |b, s, q, k| {
                let (keep, low) = (b.compare(Compare::LessOrEqual, k, q), float(b, low));
                b.select(keep, s, low)
            })
        };
        assert_eq!(chosen(f64::NEG_INFINITY), "- .. 1*query + past+1, Some(-inf)");
        assert_eq!(chosen(-10000.0), "- .. 1*query + past+1, Some(-9872.0)");
        let added = |low: f64| {
            band(move |b, s, q, k| {
                let (later, low, zero) = (b.compare(Compare::Greater, k, q), float(b, low), float(b, 0.0));
                let mask = b.select(later, low, zero);
                b.add(s, mask)
            })
        };
        assert_eq!(added(-2e38), format!("- .. 1*query + past+1, Some({:?})", f64::from(-2e38_f32) / 2.0));
        // Not low enough to be sure, whatever the scores.
        assert_eq!(added(-10000.0), "all");
    }

    #[test]
    fn windows_and_other_conditions() {
        let text = band(|b, s, q, k| {
            let (causal, distance) = (b.compare(Compare::LessOrEqual, k, q), b.sub(q, k));
            let size = b.scalar(Scalar::Int(DType::I64, 128));
            let (near, padding) = (b.compare(Compare::Less, distance, size), b.input(1, DType::Bool));
            let (both, low) = (b.binary(Binary::And, causal, near), float(b, f64::NEG_INFINITY));
            let all = b.binary(Binary::And, padding, both);
            b.select(all, s, low)
        });
        assert_eq!(text, "1*query + past-127 .. 1*query + past+1, Some(-inf)");
        let text = band(|b, s, q, k| {
            let (causal, padding) = (b.compare(Compare::LessOrEqual, k, q), b.input(1, DType::Bool));
            let (either, low) = (b.binary(Binary::Or, causal, padding), float(b, f64::NEG_INFINITY));
            b.select(either, s, low)
        });
        assert_eq!(text, "all");
    }
}
