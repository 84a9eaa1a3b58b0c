//! Loops that count: carried integers that every iteration changes by the same, and conditions that compare them; and
//! carried values that no iteration changes, as exporters pass what a body reads from outside.
//!
//! A `for` is often written as a `while`: a carried index starts somewhere, the body adds to it and asks whether it is
//! still below a bound. Then the index is an expression of the iteration, and the condition is a number of iterations.
//!
//! Invariant: what is found in a trial build of the body holds for the loop only if the body, built with it, says the
//! same again; that is the induction.

use super::branch::known;
use super::repeat;
use crate::expr::{Binary, Compare, ExprId, ExprKind, Unary};
use crate::import::raw::{RawGraph, RawNode};
use crate::ir::{Def, Graph, Value, parts_of, whole};
use crate::ops::NodeCx;
use crate::ops::map::Map;
use crate::ops::movement::bounds::{larger, smaller};
use crate::ops::movement::{Reshape, Restate};
use crate::types::{DType, Dim, Range, Symbol, Symbols};

/// What is known of the iterations of a loop.
#[derive(Clone, Debug)]
pub(super) struct Counting {
    /// The number of the iteration.
    pub counter: Symbol,
    /// For each carried value, whether the body passes it on as it is.
    pub passed: Vec<bool>,
    /// For each carried value, the integer that it holds in an iteration.
    pub held: Vec<Option<Dim>>,
    /// Most iterations that the condition allows, of which the first is not asked for.
    pub limit: Option<Dim>,
    /// Whether the condition allows just as many.
    pub exact: bool,
}

impl Counting {
    /// What the nodes of a body show at once: which of so many carried values it passes on.
    pub(super) fn of(counter: Symbol, raw: &RawGraph, carried: usize) -> Counting {
        let passed = (0..carried).map(|i| passes(raw, &raw.inputs[i + 2].name, &raw.outputs[i + 1].name));
        Counting { counter, passed: passed.collect(), held: vec![None; carried], limit: None, exact: false }
    }

    /// Whether nothing is counted.
    pub(super) fn is_nothing(&self) -> bool {
        self.limit.is_none() && self.held.iter().all(Option::is_none)
    }

    /// What a trial build of the body shows. Carried integers whose first value is an expression of sizes are symbols
    /// there.
    pub(super) fn found(&self, cx: &mut NodeCx<'_>, raw: &RawGraph, carried: &[Value]) -> Counting {
        let mut found = self.clone();
        let first: Vec<Option<Dim>> =
            carried.iter().zip(&self.passed).map(|(&v, passed)| integer(cx, v).filter(|_| !passed)).collect();
        if first.iter().all(Option::is_none) {
            return found;
        }
        let outside = cx.graph.symbols.clone();
        // Decisions of the body that depend on it are asked again later. Some models compare in floating point, which
        // is exact up to here.
        let range = Range { lo: 0, hi: 1 << 23 };
        let symbols: Vec<Option<Symbol>> =
            first.iter().map(|f| f.as_ref().map(|_| cx.graph.new_symbol("carried", range))).collect();
        found.held = symbols.iter().map(|s| s.clone().map(Dim::symbol)).collect();
        let built = repeat::trial(cx, raw, carried, &found);
        symbols.iter().flatten().for_each(|s| _ = cx.graph.symbols.remove(s));
        let at = Dim::symbol(found.counter.clone());
        let Some((graph, results)) = built else { return self.clone() };
        let next = results[1..].iter().map(|&v| graph.value(v).content.as_ref()?.first());
        let held = |((first, symbol), next): ((&Option<Dim>, &Option<Symbol>), Option<&Dim>)| {
            let step = (next? - &Dim::symbol(symbol.clone()?)).as_i64()?;
            Some(first.as_ref()? + &(&Dim::from(step) * &at))
        };
        found.held = first.iter().zip(&symbols).zip(next).map(held).collect();
        let stands = |s: &Symbol| {
            let place = symbols.iter().position(|own| own.as_ref() == Some(s))?;
            found.held[place].clone()
        };
        (found.limit, found.exact) = allowed(&graph, results[0], &stands, &found.counter, &outside);
        found
    }

    /// Whether a body that was built with this says the same. It may say of more conditions that they are exact.
    pub(super) fn settles(&mut self, graph: &Graph, results: &[Value], outside: &Symbols) -> bool {
        let later = |dim: &Dim| {
            dim.substitute(&|s| (*s == self.counter).then(|| &Dim::symbol(s.clone()) + &Dim::ONE))
        };
        let agrees = self.held.iter().zip(&results[1..]).all(|(held, &next)| {
            held.as_ref().is_none_or(|h| graph.value(next).content.as_deref() == Some(&[later(h)]))
        });
        let (limit, exact) = allowed(graph, results[0], &|_| None, &self.counter, outside);
        let same = agrees && limit == self.limit;
        self.exact = exact;
        same
    }
}

/// Whether an output of a body is one of its inputs.
fn passes(raw: &RawGraph, input: &str, output: &str) -> bool {
    let mut name = output;
    // A chain is no longer than there are nodes; one that is goes round in a circle.
    for _ in 0..=raw.nodes.len() {
        if name == input {
            return true;
        }
        let makes = |n: &&RawNode| n.op_type == "Identity" && n.outputs.iter().flatten().any(|o| o == name);
        let Some(node) = raw.nodes.iter().find(makes) else { return false };
        let Some(Some(from)) = node.inputs.first() else { return false };
        name = from;
    }
    false
}

/// The integer that a value holds, an expression of sizes.
fn integer(cx: &NodeCx<'_>, value: Value) -> Option<Dim> {
    if cx.graph.composite(value).is_some() {
        return None;
    }
    let single = cx.dtype(value).is_int() && cx.rank(value) <= 1 && cx.ty(value).elements().is(1);
    cx.dims(value).filter(|_| single)?.pop()
}

/// Most iterations that a condition allows, and whether it allows just as many. `stands` says what symbols stand for.
fn allowed(
    graph: &Graph,
    condition: Value,
    stands: &dyn Fn(&Symbol) -> Option<Dim>,
    counter: &Symbol,
    outside: &Symbols,
) -> (Option<Dim>, bool) {
    let Conjuncts { comparisons, complete, .. } = Conjuncts::of(graph, condition);
    let counts: Vec<Dim> = comparisons
        .iter()
        .filter_map(|c| iterations(&c.substitute(stands), counter, outside))
        .filter(|n| known(outside, n))
        .collect();
    let exact = complete && counts.len() == comparisons.len() && !counts.is_empty();
    (counts.into_iter().reduce(|a, b| smaller(&a, &b, outside)), exact)
}

/// Comparisons that must all hold for a condition to hold. Each is a number that is positive where it does.
#[derive(Default)]
struct Conjuncts {
    comparisons: Vec<Dim>,
    /// Whether the condition holds where all of these do.
    complete: bool,
    /// Parts that were looked at: conditions may share theirs, so that there are many more ways to them than parts.
    visits: usize,
}

impl Conjuncts {
    fn of(graph: &Graph, condition: Value) -> Conjuncts {
        let mut all = Conjuncts { complete: true, ..Conjuncts::default() };
        all.add(graph, condition, true, 0);
        all
    }

    /// Adds what must hold for a value to be as `wanted`.
    fn add(&mut self, graph: &Graph, value: Value, wanted: bool, depth: usize) {
        const DEEPEST: usize = 32;
        if self.is_too_much() {
            return;
        }
        if let Some(known) = graph.constant(value).and_then(|c| c.scalars().next()) {
            self.complete &= (known.as_i64() != 0) == wanted;
            return;
        }
        let Def::Node(id, 0) = graph.value(value).def else { return self.complete = false };
        let node = graph.node(id);
        if node.is::<Reshape>().is_some() || node.is::<Restate>().is_some() {
            return self.add(graph, node.inputs[0], wanted, depth);
        }
        let Some(map) = node.is::<Map>().filter(|_| depth < DEEPEST && node.epilogue.is_none()) else {
            return self.complete = false;
        };
        self.add_term(graph, (map, &node.inputs), map.expr.output(), wanted, depth + 1);
    }

    /// Counts a visit. After too many, the rest of the condition is taken for unknown.
    fn is_too_much(&mut self) -> bool {
        const MOST: usize = 1 << 10;
        self.visits += 1;
        self.complete &= self.visits <= MOST;
        self.visits > MOST
    }

    fn add_term(
        &mut self,
        graph: &Graph,
        (map, inputs): (&Map, &[Value]),
        at: ExprId,
        wanted: bool,
        depth: usize,
    ) {
        if self.is_too_much() {
            return;
        }
        let number = |at: ExprId| match map.expr.node(at).kind {
            ExprKind::Input(i) => {
                let value = graph.value(inputs[i]);
                whole(value.content.as_ref()?.first()?, value.ty.dtype)
            }
            ExprKind::Const(s) => whole(&parts_of(s)?, s.dtype()),
            ExprKind::Size(dim) => Some(dim),
            _ => None,
        };
        match map.expr.node(at).kind {
            ExprKind::Input(i) => self.add(graph, inputs[i], wanted, depth),
            ExprKind::Cast(a) if map.expr.node(a).dtype == DType::Bool => {
                self.add_term(graph, (map, inputs), a, wanted, depth);
            }
            ExprKind::Unary(Unary::Not, a) => self.add_term(graph, (map, inputs), a, !wanted, depth),
            ExprKind::Binary(op, a, b) if op == if wanted { Binary::And } else { Binary::Or } => {
                self.add_term(graph, (map, inputs), a, wanted, depth);
                self.add_term(graph, (map, inputs), b, wanted, depth);
            }
            ExprKind::Compare(op, a, b) => {
                let positive = number(a).zip(number(b)).and_then(|(a, b)| positive_where(op, wanted, &a, &b));
                match positive {
                    Some(number) => self.comparisons.push(number),
                    None => self.complete = false,
                }
            }
            _ => self.complete = false,
        }
    }
}

/// A number that is positive exactly where the comparison of integers is as wanted.
fn positive_where(op: Compare, wanted: bool, a: &Dim, b: &Dim) -> Option<Dim> {
    let or_equal = |difference: Dim| &difference + &Dim::ONE;
    Some(match (op, wanted) {
        (Compare::Less, true) | (Compare::GreaterOrEqual, false) => b - a,
        (Compare::LessOrEqual, true) | (Compare::Greater, false) => or_equal(b - a),
        (Compare::Greater, true) | (Compare::LessOrEqual, false) => a - b,
        (Compare::GreaterOrEqual, true) | (Compare::Less, false) => or_equal(a - b),
        (Compare::Equal, _) => return None,
    })
}

/// After how many iterations, one at least, a number is no longer positive that falls by the same in each.
fn iterations(positive: &Dim, counter: &Symbol, symbols: &Symbols) -> Option<Dim> {
    let with = |value: Dim| positive.substitute(&|s| (s == counter).then(|| value.clone()));
    let fall = (&with(Dim::ZERO) - &with(Dim::ONE)).as_i64().filter(|&fall| fall > 0)?;
    let linear = &with(Dim::ZERO) - &(&Dim::symbol(counter.clone()) * &Dim::from(fall));
    let more = with(Dim::ZERO).div_ceil(&Dim::from(fall));
    (linear == *positive).then(|| &larger(&more, &Dim::ZERO, symbols) + &Dim::ONE)
}

/// How many iterations there are if the first one is asked for by the same condition: the limit, or none.
pub(super) fn limit_from_start(
    cx: &NodeCx<'_>,
    first: Value,
    (body, condition): (&Graph, Value),
    counter: &Symbol,
) -> Option<Dim> {
    let (first, again) = (Conjuncts::of(cx.graph, first), Conjuncts::of(body, condition));
    let ([start], [next]) = (&first.comparisons[..], &again.comparisons[..]) else { return None };
    let earlier = next.substitute(&|s| (s == counter).then(|| &Dim::symbol(s.clone()) - &Dim::ONE));
    let begin = earlier.substitute(&|s| (s == counter).then_some(Dim::ZERO));
    let fall = (&begin - next).substitute(&|s| (s == counter).then_some(Dim::ZERO)).as_i64()?;
    (first.complete && again.complete && begin == *start && fall > 0)
        .then(|| larger(&start.div_ceil(&Dim::from(fall)), &Dim::ZERO, &cx.graph.symbols))
}
