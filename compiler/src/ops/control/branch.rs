//! If: one of two graphs.

use super::refuse::Refuse;
use crate::diag::{Code, Diagnostic, Diagnostics, Reported};
use crate::import::body::Body;
use crate::import::raw::RawGraph;
use crate::ir::{Fact, Graph, Op, Value};
use crate::lir::Joined;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::types::{DType, Dim, Range, Symbol, Symbols, Tensor, TensorType};

/// The core operator: two graphs over the same inputs.
///
/// The first input of the node decides, the others are the inputs of both graphs.
#[derive(Clone)]
pub(super) struct Branch {
    /// Runs if the condition is true.
    pub then: Graph,
    /// Runs if it is not.
    pub otherwise: Graph,
    /// Types of the results.
    pub types: Vec<TensorType>,
    /// Extents of results that are not the same in both graphs.
    pub joined: Vec<Joined>,
}

impl std::fmt::Debug for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Branch {{\n{}}} else {{\n{}}}", self.then, self.otherwise)
    }
}

impl Op for Branch {
    fn name(&self) -> &'static str {
        "Branch"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        check_condition(inputs.first().map(|fact| fact.ty))?;
        Ok(self.types.clone())
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let (condition, captured) = inputs.split_first()?;
        let holds = condition.scalars().next()?.as_i64() != 0;
        crate::eval::evaluate(if holds { &self.then } else { &self.otherwise }, captured).ok()
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        cx.branch(&self.then, &self.otherwise, &self.joined)
    }

    fn defines(&self) -> Vec<Symbol> {
        self.joined.iter().map(|j| j.symbol.clone()).collect()
    }

    fn bodies(&self) -> Vec<&Graph> {
        vec![&self.then, &self.otherwise]
    }

    fn with_bodies(&self, bodies: Vec<Graph>) -> Option<Box<dyn Op>> {
        let [then, otherwise] = <[Graph; 2]>::try_from(bodies).ok()?;
        Some(Box::new(Branch { then, otherwise, ..self.clone() }))
    }

    fn writes_strided(&self) -> bool {
        true
    }
}

/// A condition is one truth value.
pub(super) fn check_condition(ty: Option<&TensorType>) -> Result<(), Diagnostic> {
    match ty {
        Some(ty) if ty.dtype == DType::Bool && ty.elements().is(1) => Ok(()),
        Some(ty) => {
            Err(Diagnostic::new(Code::BadInput, format!("the condition is {ty}, not one truth value")))
        }
        None => Err(Diagnostic::new(Code::BadModel, "there is no condition")),
    }
}

/// A value of as many axes that has one element; where its extents may be others, the program checks them.
pub(super) fn single(cx: &mut NodeCx<'_>, value: Value) -> Result<Value, Diagnostic> {
    let shape = cx.shape(value);
    let fixed = shape.iter().all(|d| d.as_i64().is_some());
    if fixed { Ok(value) } else { cx.restate(value, &vec![Dim::ONE; shape.len()]) }
}

/// The graph that an attribute holds.
pub(super) fn graph_attribute<'g>(cx: &NodeCx<'g>, name: &str) -> Result<&'g RawGraph, Diagnostic> {
    let graph = cx.attributes.graph(name)?;
    cx.attributes.required(name, graph)
}

/// If.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let condition = cx.input(0)?;
    let condition = single(cx, condition)?;
    check_condition(Some(cx.ty(condition)))?;
    let then = graph_attribute(cx, "then_branch")?;
    let otherwise = graph_attribute(cx, "else_branch")?;
    if then.outputs.len() != otherwise.outputs.len() {
        return Err(Diagnostic::new(
            Code::BadModel,
            format!("one branch has {} outputs, the other {}", then.outputs.len(), otherwise.outputs.len()),
        ));
    }
    if let Some(known) = cx.constant(condition).and_then(|c| c.scalars().next()) {
        let taken = if known.as_i64() != 0 { then } else { otherwise };
        return Ok(cx.inline_body(taken, &[]).unwrap_or_default());
    }
    let outside = cx.graph.symbols.clone();
    let (mut first, mut second) = (cx.body(), cx.body());
    // Both graphs have the same inputs: whatever one of them reads.
    for name in then.captures.keys().chain(otherwise.captures.keys()) {
        cx.capture(&mut first, name);
        cx.capture(&mut second, name);
    }
    let model = cx.scope.diagnostics.model().to_owned();
    let (mut wrong, mut wrong_too) = (Diagnostics::new(&model), Diagnostics::new(&model));
    let built = cx.try_body(&mut first, then, &mut wrong);
    // Symbols of one branch must not be those of the other.
    second.graph.symbols.extend(first.graph.symbols.clone());
    let built_too = cx.try_body(&mut second, otherwise, &mut wrong_too);
    let (then, otherwise) = match (built, built_too) {
        (Some(a), Some(b)) => (a, b),
        (Some(_), None) if never_fits(&wrong_too) => return only(cx, condition, true, then),
        (None, Some(_)) if never_fits(&wrong) => return only(cx, condition, false, otherwise),
        _ => {
            cx.scope.diagnostics.append(wrong);
            cx.scope.diagnostics.append(wrong_too);
            return Ok(Vec::new());
        }
    };
    cx.graph.symbols.extend(second.graph.symbols.clone());
    let (types, joined, used) = join(cx, &outside, (&first, &then), (&second, &otherwise))?;
    let results = |body: &mut Body, values: &[Value]| {
        let named = used.iter().map(|&i| (format!("result {i}"), values[i]));
        body.graph.outputs = named.collect();
    };
    results(&mut first, &then);
    results(&mut second, &otherwise);
    let mut inputs = vec![condition];
    inputs.extend(first.captures.iter().map(|(outer, _)| *outer));
    let op = Branch { then: first.graph, otherwise: second.graph, types, joined };
    let values = cx.add_all(op, &inputs)?;
    // What nobody reads needs no value; any will do.
    let mut results = vec![condition; then.len()];
    for (&i, value) in used.iter().zip(values) {
        results[i] = value;
    }
    Ok(results)
}

/// Whether all that is wrong with a branch is that sizes do not fit: models hold branches for other sizes of inputs.
fn never_fits(wrong: &Diagnostics) -> bool {
    !wrong.is_empty() && wrong.iter().all(|d| d.code == Code::BadInput)
}

/// The one branch that fits the sizes of the inputs; a run that would take the other ends with an error.
fn only(
    cx: &mut NodeCx<'_>,
    condition: Value,
    expected: bool,
    taken: &RawGraph,
) -> Result<Vec<Value>, Diagnostic> {
    cx.add(Refuse { expected }, &[condition])?;
    Ok(cx.inline_body(taken, &[]).unwrap_or_default())
}

type Join = (Vec<TensorType>, Vec<Joined>, Vec<usize>);

/// The types of the results that are used, with a symbol for each extent that differs.
fn join(
    cx: &mut NodeCx<'_>,
    outside: &Symbols,
    (first, then): (&Body, &[Value]),
    (second, otherwise): (&Body, &[Value]),
) -> Result<Join, Diagnostic> {
    let (mut types, mut joined) = (Vec::new(), Vec::<Joined>::new());
    let used: Vec<usize> = (0..then.len()).filter(|&i| cx.output_used(i)).collect();
    for &i in &used {
        if first.graph.composite(then[i]).is_some() || second.graph.composite(otherwise[i]).is_some() {
            return Err(cx.unsupported(format!("output {i} is a sequence, and which one depends on data")));
        }
        let (a, b) = (first.graph.ty(then[i]).clone(), second.graph.ty(otherwise[i]).clone());
        if a.dtype != b.dtype || a.rank() != b.rank() {
            return Err(cx.unsupported(format!("output {i} is {a} of one branch and {b} of the other")));
        }
        let mut shape = Vec::with_capacity(a.rank());
        for (axis, (p, q)) in a.shape.iter().zip(&b.shape).enumerate() {
            if p == q && known(outside, p) {
                shape.push(p.clone());
                continue;
            }
            if let Some(known) = joined.iter().find(|j| j.then == *p && j.otherwise == *q) {
                shape.push(Dim::symbol(known.symbol.clone()));
                continue;
            }
            let range = |d: &Dim| d.range(&cx.graph.symbols);
            let range = match (range(p), range(q)) {
                (Some(p), Some(q)) => Range { lo: p.lo.min(q.lo).max(0), hi: p.hi.max(q.hi) },
                _ => Range { lo: 0, hi: i64::MAX },
            };
            let symbol = cx.data_symbol(i, axis, range)?;
            shape.push(Dim::symbol(symbol.clone()));
            joined.push(Joined { symbol, then: p.clone(), otherwise: q.clone() });
        }
        types.push(TensorType::new(a.dtype, shape));
    }
    Ok((types, joined, used))
}

/// Whether every symbol of this extent is among `symbols`.
pub(super) fn known(symbols: &Symbols, extent: &Dim) -> bool {
    let mut mentioned = Vec::new();
    extent.symbols(&mut mentioned);
    mentioned.iter().all(|s| symbols.contains_key(s))
}
