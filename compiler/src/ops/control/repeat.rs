//! Loop: a graph that runs again and again.

use super::branch::{check_condition, graph_attribute, known, single};
use super::counting::{Counting, limit_from_start};
use crate::diag::{Code, Diagnostic, Diagnostics, Reported};
use crate::import::body::{Body, LARGEST_SIZE, unbounded};
use crate::import::raw::RawGraph;
use crate::ir::{Composite, Fact, Graph, Op, Value};
use crate::lir::Growing;
use crate::lower::{LowerCx, Repetition};
use crate::ops::NodeCx;
use crate::ops::generate::Dims;
use crate::ops::movement::bounds::smaller;
use crate::options::DimBinding;
use crate::types::{DType, Dim, Range, Scalar, Symbol, Symbols, Tensor, TensorType};

/// The core operator: a graph that is run for a number of iterations.
///
/// Inputs of the node: whether there is a first iteration if `asks`; the first values of what is carried; what the body
/// reads from outside. Inputs of the body: what is carried, what it reads from outside. Results of the body: whether
/// there is another iteration if `asks`; the next values of what is carried; one slice of each collected result. Results
/// of the node: the last values of what is carried, then what was collected.
#[derive(Clone)]
pub(super) struct Repeat {
    /// The body.
    pub body: Graph,
    /// The number of the iteration, from zero.
    pub counter: Symbol,
    /// Most iterations.
    pub limit: Option<Dim>,
    /// Whether the body decides on another iteration.
    pub asks: bool,
    /// How many values are carried.
    pub carried: usize,
    /// How many iterations there are: the limit, or a symbol.
    pub trips: Dim,
    /// The number of iterations that memory is planned for, if there may be more.
    pub capacity: Option<i64>,
    /// For each collected result: the axis that it is collected along, and whether the last slice comes first.
    pub collected: Vec<Collected>,
    /// Extents of carried values that change from one iteration to the next.
    pub growing: Vec<Growing>,
}

/// How slices of a result are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Collected {
    /// The axis of the iterations.
    pub axis: usize,
    /// Whether the last slice comes first.
    pub reversed: bool,
}

impl std::fmt::Debug for Repeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repeat {} {:?} {{\n{}}}", self.counter.name(), self.limit, self.body)
    }
}

impl Repeat {
    fn trips_symbol(&self) -> Option<Symbol> {
        if self.limit.as_ref() == Some(&self.trips) {
            return None;
        }
        let mut symbols = Vec::new();
        self.trips.symbols(&mut symbols);
        symbols.pop()
    }

    fn first_carried(&self) -> usize {
        usize::from(self.asks)
    }

    /// What an extent of a carried value is after the loop: where each of a known number of iterations adds the same, a
    /// known size.
    fn last(&self, symbol: &Symbol) -> Option<Dim> {
        let grown = self.growing.iter().find(|g| g.symbol == *symbol)?;
        if self.never_runs() {
            return Some(grown.first.clone());
        }
        let step = &grown.next - &Dim::symbol(symbol.clone());
        let limit = self.limit.as_ref().filter(|_| !self.asks && step.as_i64().is_some())?;
        Some(&grown.first + &(&step * limit))
    }

    /// Whether there is no iteration.
    fn never_runs(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.is(0))
    }

    /// Types of the results.
    fn types(&self) -> Vec<TensorType> {
        let results = &self.body.outputs[self.first_carried()..];
        let carried = self.body.inputs[..self.carried].iter().map(|&v| {
            let ty = self.body.ty(v);
            let shape = ty.shape.iter().map(|d| d.substitute(&|s| self.last(s)));
            TensorType::new(ty.dtype, shape.collect())
        });
        let collected = results[self.carried..].iter().zip(&self.collected).map(|((_, v), how)| {
            let mut ty = self.body.ty(*v).clone();
            ty.shape.insert(how.axis, self.trips.clone());
            ty
        });
        carried.chain(collected).collect()
    }
}

impl Op for Repeat {
    fn name(&self) -> &'static str {
        "Repeat"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        if self.asks {
            check_condition(inputs.first().map(|fact| fact.ty))?;
        }
        Ok(self.types())
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        if self.never_runs() {
            for k in 0..self.carried {
                let first = cx.input(self.first_carried() + k);
                cx.alias(k, first);
            }
            (0..self.collected.len()).for_each(|j| _ = cx.dense_output(self.carried + j));
            return Ok(());
        }
        let at = Dim::symbol(self.counter.clone());
        let collected = self.collected.iter().map(|how| {
            let at = if how.reversed { &(&self.trips - &Dim::ONE) - &at } else { at.clone() };
            (how.axis, at)
        });
        cx.repeat(&Repetition {
            body: &self.body,
            counter: self.counter.clone(),
            limit: self.limit.clone(),
            condition: self.asks.then_some(0),
            first_carried: self.first_carried(),
            carried: self.carried,
            collected: collected.collect(),
            growing: self.growing.clone(),
            trips: self.trips_symbol(),
            capacity: self.capacity,
        })
    }

    fn defines(&self) -> Vec<Symbol> {
        if self.never_runs() {
            return Vec::new();
        }
        self.growing.iter().map(|g| g.symbol.clone()).chain(self.trips_symbol()).collect()
    }

    fn bodies(&self) -> Vec<&Graph> {
        vec![&self.body]
    }

    fn carried(&self) -> usize {
        self.carried
    }

    fn with_bodies(&self, bodies: Vec<Graph>) -> Option<Box<dyn Op>> {
        let [body] = <[Graph; 1]>::try_from(bodies).ok()?;
        Some(Box::new(Repeat { body, ..self.clone() }))
    }
}

/// What the iterations of a node are bounded by.
struct Trips {
    limit: Option<Dim>,
    /// Whether there is a condition that changes.
    asks: bool,
    initial: Option<Value>,
}

/// Loop.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let raw = graph_attribute(cx, "body")?;
    let carried: Vec<Value> = (2..cx.inputs.len()).map(|i| cx.input(i)).collect::<Result<_, Diagnostic>>()?;
    if raw.inputs.len() != carried.len() + 2 || raw.outputs.len() < carried.len() + 1 {
        return Err(Diagnostic::new(
            Code::BadModel,
            format!(
                "the body has {} inputs and {} outputs, for {} carried values",
                raw.inputs.len(),
                raw.outputs.len(),
                carried.len()
            ),
        ));
    }
    let limit = trip_limit(cx)?;
    let initial = condition(cx)?;
    let counter = counter(cx, limit.as_ref());
    let nothing = Counting::of(counter, raw, carried.len());
    let counting = nothing.found(cx, raw, &carried);
    let start = Start { carried, limit, initial };
    if !counting.is_nothing()
        && let Attempt::Ended(outputs) = attempt(cx, raw, &start, counting)?
    {
        return Ok(outputs);
    }
    match attempt(cx, raw, &start, nothing)? {
        Attempt::Ended(outputs) => Ok(outputs),
        Attempt::Disagrees => Err(cx.unsupported("the body is another one whenever it is built")),
    }
}

/// What a loop starts with.
struct Start {
    carried: Vec<Value>,
    /// The trip count.
    limit: Option<Dim>,
    /// The first value of the condition.
    initial: Option<Value>,
}

/// How building a loop ended.
enum Attempt {
    /// With these outputs; without any if the body is wrong, which is reported.
    Ended(Vec<Value>),
    /// The body does not count as was thought.
    Disagrees,
}

/// Builds the loop with what is thought of its iterations.
fn attempt(
    cx: &mut NodeCx<'_>,
    raw: &RawGraph,
    start: &Start,
    mut counting: Counting,
) -> Result<Attempt, Diagnostic> {
    let limit = lower_of(cx, start.limit.as_ref(), counting.limit.as_ref());
    cx.graph.symbols.insert(counting.counter.clone(), iterations(cx, limit.as_ref()));
    let Some((carried, stacked)) = stack_sequences(cx, raw, start.carried.clone(), &counting)? else {
        return Ok(Attempt::Ended(Vec::new()));
    };
    let Some(built) = settle(cx, raw, (&carried, &stacked), &counting, limit.as_ref())? else {
        return Ok(Attempt::Ended(Vec::new()));
    };
    let Built { body, results, .. } = &built;
    if !counting.is_nothing() && !counting.settles(&body.graph, results, &built.outside) {
        return Ok(Attempt::Disagrees);
    }
    cx.graph.symbols.extend(body.graph.symbols.clone());
    check_condition(Some(body.graph.ty(results[0])))?;
    let always = |graph: &Graph, value: Value| {
        graph.constant(value).and_then(|c| c.scalars().next()).is_some_and(|c| c.as_i64() != 0)
    };
    let mut trips = Trips { limit, asks: false, initial: start.initial };
    let first = start.initial.filter(|&v| !always(cx.graph, v));
    if !trips.limit.as_ref().is_some_and(|l| l.is(0)) {
        trips.asks = first.is_some() || !always(&body.graph, results[0]);
    }
    if trips.asks && counting.exact {
        let from_start =
            first.map(|first| limit_from_start(cx, first, (&body.graph, results[0]), &counting.counter));
        if let Some(exact) = &from_start {
            trips.limit = lower_of(cx, trips.limit.as_ref(), exact.as_ref());
        }
        trips.asks = from_start == Some(None);
    }
    if trips.limit.is_none() && !trips.asks {
        return Err(
            cx.unsupported("nothing ends the loop: it has no trip count and its condition stays true")
        );
    }
    let mut outputs = finish(cx, raw, &carried, &counting, trips, built)?;
    for (output, _) in outputs.iter_mut().zip(&stacked).filter(|(_, stacked)| **stacked) {
        *output = cx.composite(Composite::Stack(*output));
    }
    Ok(Attempt::Ended(outputs))
}

/// The lower of two limits, as far as there are any.
fn lower_of(cx: &NodeCx<'_>, a: Option<&Dim>, b: Option<&Dim>) -> Option<Dim> {
    match (a, b) {
        (Some(a), Some(b)) => Some(smaller(a, b, &cx.graph.symbols)),
        (a, b) => a.or(b).cloned(),
    }
}

/// The trip count as a dimension; `None` if there is none.
fn trip_limit(cx: &mut NodeCx<'_>) -> Result<Option<Dim>, Diagnostic> {
    let Some(count) = cx.optional(0) else { return Ok(None) };
    if cx.dtype(count) != DType::I64 || !cx.ty(count).elements().is(1) {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("the trip count is {}, not one 64-bit integer", cx.ty(count)),
        ));
    }
    let known = cx.dims(count).and_then(|dims| dims.into_iter().next());
    let limit = match known {
        Some(dim) => dim.maximum(&Dim::ZERO),
        None => cx.bind(count, "trip_count", &Dim::from(i64::from(i32::MAX)))?,
    };
    let none = |l: &Dim| l.range(&cx.graph.symbols).is_some_and(|r| r.hi <= 0);
    if none(&limit) {
        return Ok(Some(Dim::ZERO));
    }
    // Exporters write the largest integer where they mean that only the condition ends the loop.
    Ok(Some(limit).filter(|l| l.as_i64().is_none_or(|v| v < i64::from(i32::MAX))))
}

/// The first value of the condition, if there is one.
fn condition(cx: &NodeCx<'_>) -> Result<Option<Value>, Diagnostic> {
    let initial = cx.optional(1);
    if let Some(value) = initial {
        check_condition(Some(cx.ty(value)))?;
    }
    Ok(initial)
}

/// The symbol that counts the iterations.
pub(super) fn counter(cx: &mut NodeCx<'_>, limit: Option<&Dim>) -> Symbol {
    let range = iterations(cx, limit);
    cx.graph.new_symbol("iteration", range)
}

/// The numbers of the iterations.
fn iterations(cx: &NodeCx<'_>, limit: Option<&Dim>) -> Range {
    let most = limit.and_then(|l| l.range(&cx.graph.symbols)).map_or(i64::from(i32::MAX), |r| r.hi);
    Range { lo: 0, hi: most.saturating_sub(1).max(0) }
}

/// A body that is built, with its results in the order of the file.
struct Built {
    body: Body,
    results: Vec<Value>,
    growing: Vec<Growing>,
    /// The symbols that are known outside.
    outside: Symbols,
}

/// Builds the body with types of the carried values that do not change any more: extents that the body changes become
/// symbols. `None` if that failed, which is reported.
fn settle(
    cx: &mut NodeCx<'_>,
    raw: &RawGraph,
    (carried, stacked): (&[Value], &[bool]),
    counting: &Counting,
    limit: Option<&Dim>,
) -> Result<Option<Built>, Diagnostic> {
    let first: Vec<TensorType> = carried.iter().map(|&v| cx.ty(v).clone()).collect();
    let mut types = first.clone();
    let mut growing: Vec<Growing> = Vec::new();
    let outside: Symbols = cx
        .graph
        .symbols
        .iter()
        .filter(|(s, _)| **s != counting.counter)
        .map(|(s, r)| (s.clone(), *r))
        .collect();
    // Once to see what changes, once to see by how much, and once with bounds.
    for round in 0.. {
        let mut own = Diagnostics::new(cx.scope.diagnostics.model());
        let mut body = cx.body();
        open(cx, &mut body, raw, (carried, &types, stacked), counting)?;
        let Some(mut results) = cx.try_body(&mut body, raw, &mut own) else {
            cx.scope.diagnostics.append(own);
            return Ok(None);
        };
        for (i, _) in stacked.iter().enumerate().filter(|(_, stacked)| **stacked) {
            if let Some(sequence) = body.graph.composite(results[i + 1]).cloned() {
                results[i + 1] = inside(cx, &mut body, |cx| cx.stack(&sequence))?;
            }
        }
        results[0] = inside(cx, &mut body, |cx| single(cx, results[0]))?;
        let next: Vec<&TensorType> = results[1..=carried.len()].iter().map(|&v| body.graph.ty(v)).collect();
        if let Some(i) =
            (0..next.len()).find(|&i| next[i].dtype != types[i].dtype || next[i].rank() != types[i].rank())
        {
            let message = format!("the carried value {i} is {} and becomes {}", types[i], next[i]);
            return Err(cx.unsupported(message));
        }
        let changed = changed_axes(&types, &next, &growing);
        if changed.is_empty() {
            advance(&mut growing, &types, &next);
            let bounded = bound(cx, &mut growing, limit, &outside)?;
            if bounded || growing.is_empty() {
                return Ok(Some(Built { body, results, growing, outside }));
            }
        } else {
            for (i, axis) in changed {
                let range = first[i].shape[axis].range(&cx.graph.symbols);
                let most = range.map_or(1, |r| r.hi).saturating_add(16);
                let (wanted, _) = cx.data_name(i, axis);
                let symbol = cx.graph.new_symbol(&wanted, Range { lo: 0, hi: most });
                types[i].shape[axis] = Dim::symbol(symbol.clone());
                let first = first[i].shape[axis].clone();
                growing.push(Growing { symbol, first, next: Dim::ZERO, checked: false });
            }
        }
        if round > 8 {
            return Err(cx.unsupported("the shapes of carried values do not settle"));
        }
    }
    Ok(None)
}

/// Carried values with sequences stacked, and which of them are.
type Stacked = (Vec<Value>, Vec<bool>);

/// The carried values as tensors. `None` if the body failed, which is reported.
fn stack_sequences(
    cx: &mut NodeCx<'_>,
    raw: &RawGraph,
    carried: Vec<Value>,
    counting: &Counting,
) -> Result<Option<Stacked>, Diagnostic> {
    let mut sequences: Vec<Option<Composite>> =
        carried.iter().map(|&v| cx.graph.composite(v).cloned()).collect();
    sequences.iter_mut().zip(&counting.passed).filter(|(_, passed)| **passed).for_each(|(s, _)| *s = None);
    let stacked = sequences.iter().map(Option::is_some).collect();
    let is_empty = |s: &Option<Composite>| matches!(s, Some(Composite::List(list)) if list.is_empty());
    let elements = if sequences.iter().any(is_empty) {
        let Some(elements) = inserted(cx, raw, &carried, counting)? else { return Ok(None) };
        elements
    } else {
        vec![None; carried.len()]
    };
    let mut values = carried;
    for (i, sequence) in sequences.iter().enumerate() {
        let Some(sequence) = sequence else { continue };
        values[i] = match elements.get(i).cloned().flatten() {
            Some(element) if is_empty(&sequences[i]) => {
                let mut space = element.shape;
                space.insert(0, Dim::ZERO);
                let zero = Scalar::from_f64(element.dtype, 0.0);
                cx.map_over(space, 0, false, &[], |e, _| e.scalar(zero))?
            }
            _ if is_empty(&sequences[i]) => {
                return Err(cx.unsupported(format!("the carried sequence {i} stays empty")));
            }
            _ => cx.stack(sequence)?,
        };
    }
    Ok(Some((values, stacked)))
}

/// For each carried sequence that is empty at first, the type of the elements that the body inserts. `None` if the body
/// failed, which is reported.
fn inserted(
    cx: &mut NodeCx<'_>,
    raw: &RawGraph,
    carried: &[Value],
    counting: &Counting,
) -> Result<Option<Vec<Option<TensorType>>>, Diagnostic> {
    let outside = cx.graph.symbols.clone();
    let mut body = open_first(cx, raw, carried, counting)?;
    let Some(results) = cx.build_body(&mut body, raw) else { return Ok(None) };
    let element = |&value: &Value| match body.graph.composite(value) {
        Some(Composite::List(list)) => {
            let ty = body.graph.ty(*list.last()?);
            ty.shape.iter().all(|d| known(&outside, d)).then(|| ty.clone())
        }
        _ => None,
    };
    Ok(Some(results[1..=carried.len()].iter().map(element).collect()))
}

/// A body as it is in the first iteration, and its results, or nothing if it cannot be built that way.
pub(super) fn trial(
    cx: &mut NodeCx<'_>,
    raw: &RawGraph,
    carried: &[Value],
    counting: &Counting,
) -> Option<(Graph, Vec<Value>)> {
    let mut body = open_first(cx, raw, carried, counting).ok()?;
    let mut unheard = Diagnostics::new(cx.scope.diagnostics.model());
    let results = cx.try_body(&mut body, raw, &mut unheard)?;
    Some((body.graph, results))
}

/// An empty body whose carried values are of the types that they have first; sequences are those of outside.
fn open_first(
    cx: &mut NodeCx<'_>,
    raw: &RawGraph,
    carried: &[Value],
    counting: &Counting,
) -> Result<Body, Diagnostic> {
    let mut body = cx.body();
    let none = vec![false; carried.len()];
    let types: Vec<TensorType> = carried.iter().map(|&v| cx.ty(v).clone()).collect();
    open(cx, &mut body, raw, (carried, &types, &none), counting)?;
    for (input, &value) in raw.inputs[2..].iter().zip(carried) {
        if cx.graph.composite(value).is_some() {
            let inner = body.capture(cx.graph, value);
            body.values.insert(input.name.clone(), inner);
        }
    }
    Ok(body)
}

/// Adds nodes to the graph of a body.
fn inside<T>(cx: &mut NodeCx<'_>, body: &mut Body, add: impl FnOnce(&mut NodeCx<'_>) -> T) -> T {
    std::mem::swap(cx.graph, &mut body.graph);
    let done = add(cx);
    std::mem::swap(cx.graph, &mut body.graph);
    done
}

/// Adds the inputs of a body: the number of the iteration, the condition, which holds, and the carried values.
/// Those that are `stacked` are sequences; what is counted is an expression of the iteration.
fn open(
    cx: &mut NodeCx<'_>,
    body: &mut Body,
    raw: &RawGraph,
    (carried, types, stacked): (&[Value], &[TensorType], &[bool]),
    counting: &Counting,
) -> Result<(), Diagnostic> {
    for (i, (input, ty)) in raw.inputs[2..].iter().zip(types).enumerate() {
        let mut value = body.graph.add_input(&input.name, ty.clone());
        if stacked[i] {
            value = body.graph.add_composite(Composite::Stack(value));
        } else if let Some(held) = &counting.held[i] {
            value = inside(cx, body, |cx| count(cx, held, ty))?;
        }
        body.values.insert(input.name.clone(), value);
    }
    // What is passed on is read from outside, behind all that is carried.
    for (i, &value) in carried.iter().enumerate().filter(|(i, _)| counting.passed[*i]) {
        let inner = body.capture(cx.graph, value);
        body.values.insert(raw.inputs[i + 2].name.clone(), inner);
    }
    let counter = Dim::symbol(counting.counter.clone());
    let number = TensorType::new(DType::I64, Vec::new());
    let counter = inside(cx, body, |cx| count(cx, &counter, &number))?;
    body.values.insert(raw.inputs[0].name.clone(), counter);
    let holds = body.graph.add_const(Tensor::scalar(Scalar::Bool(true)));
    body.values.insert(raw.inputs[1].name.clone(), holds);
    Ok(())
}

/// An integer that is an expression of sizes, as a value of a type of one element.
fn count(cx: &mut NodeCx<'_>, held: &Dim, ty: &TensorType) -> Result<Value, Diagnostic> {
    let value = cx.add(Dims { dims: vec![held.clone()], list: ty.rank() == 1 }, &[])?;
    cx.cast(value, ty.dtype)
}

/// Axes of carried values that the body changes and that are not known to change yet.
fn changed_axes(types: &[TensorType], next: &[&TensorType], growing: &[Growing]) -> Vec<(usize, usize)> {
    let grows = |d: &Dim| growing.iter().any(|g| *d == Dim::symbol(g.symbol.clone()));
    let mut changed = Vec::new();
    for (i, (ty, next)) in types.iter().zip(next).enumerate() {
        for (axis, (old, new)) in ty.shape.iter().zip(&next.shape).enumerate() {
            if old != new && !grows(old) {
                changed.push((i, axis));
            }
        }
    }
    changed
}

/// Notes how growing extents change.
fn advance(growing: &mut [Growing], types: &[TensorType], next: &[&TensorType]) {
    for grown in growing {
        let symbol = Dim::symbol(grown.symbol.clone());
        for (ty, next) in types.iter().zip(next) {
            if let Some(axis) = ty.shape.iter().position(|d| *d == symbol) {
                grown.next = next.shape[axis].clone();
            }
        }
    }
}

/// Gives growing extents their bounds. Whether they had them already.
fn bound(
    cx: &mut NodeCx<'_>,
    growing: &mut [Growing],
    limit: Option<&Dim>,
    outside: &Symbols,
) -> Result<bool, Diagnostic> {
    let trips = limit.and_then(|l| l.range(&cx.graph.symbols)).map_or(i64::MAX, |r| r.hi);
    let mut right = true;
    for grown in growing {
        let symbol = Dim::symbol(grown.symbol.clone());
        let start = grown.first.range(&cx.graph.symbols).map_or(i64::MAX, |r| r.hi);
        let step = &grown.next - &symbol;
        let declared = match cx.scope.options.dims.get(grown.symbol.name()).copied() {
            Some(DimBinding::Fixed(v) | DimBinding::Range(_, v)) => v,
            None => i64::MAX,
        };
        let most = if trips == 0 {
            start
        } else if known(outside, &step) {
            let step = step.range(&cx.graph.symbols).map_or(i64::MAX, |r| r.hi.max(0));
            start.saturating_add(step.saturating_mul(trips))
        } else if known(outside, &grown.next) {
            start.max(grown.next.range(&cx.graph.symbols).map_or(i64::MAX, |r| r.hi))
        } else {
            i64::MAX
        };
        grown.checked = declared < most;
        let most = most.min(declared);
        if most > LARGEST_SIZE {
            return Err(unbounded(grown.symbol.name()));
        }
        let range = Range { lo: 0, hi: most };
        right &= cx.graph.symbols.insert(grown.symbol.clone(), range) == Some(range);
    }
    Ok(right)
}

/// Adds the node.
fn finish(
    cx: &mut NodeCx<'_>,
    raw: &RawGraph,
    carried: &[Value],
    counting: &Counting,
    trips: Trips,
    built: Built,
) -> Result<Vec<Value>, Diagnostic> {
    let Built { mut body, results, growing, outside } = built;
    let all = carried.len();
    // What is passed on need not be carried, nor what is counted, where its last value is known.
    let (left_out, kept): (Vec<usize>, Vec<usize>) =
        (0..all).partition(|&i| counting.held[i].is_some() && (!trips.asks || !cx.output_used(i)));
    left_out.iter().rev().for_each(|&i| _ = body.graph.inputs.remove(i));
    let used: Vec<usize> = (all..raw.outputs.len() - 1).filter(|&i| cx.output_used(i)).collect();
    let total = match (&trips.limit, trips.asks) {
        (Some(limit), false) => limit.clone(),
        _ if used.is_empty() => Dim::ZERO,
        (limit, _) => {
            let most = limit.as_ref().and_then(|l| l.range(&cx.graph.symbols)).map_or(i64::MAX, |r| r.hi);
            Dim::symbol(cx.data_symbol(used[0], 0, Range { lo: 0, hi: most.max(1) })?)
        }
    };
    let most = |d: &Dim| d.range(&cx.graph.symbols).map_or(i64::MAX, |r| r.hi);
    if !used.is_empty() && most(&total) > LARGEST_SIZE {
        return Err(unbounded(&cx.data_name(used[0], 0).0));
    }
    let may_outgrow = !used.is_empty() && trips.limit.as_ref().is_none_or(|l| most(&total) < most(l));
    let capacity = may_outgrow.then(|| most(&total));
    let outputs = std::iter::once(0).filter(|_| trips.asks).chain(kept.iter().chain(&used).map(|i| i + 1));
    body.graph.outputs = outputs.map(|i| (raw.outputs[i].name.clone(), results[i])).collect();
    for &i in &used {
        let shape = &body.graph.ty(results[i + 1]).shape;
        if !shape.iter().all(|d| known(&outside, d)) {
            let name = &raw.outputs[i + 1].name;
            return Err(cx.unsupported(format!("\"{name}\" is collected, but its shape changes: {shape:?}")));
        }
    }
    let mut inputs: Vec<Value> = Vec::new();
    if trips.asks {
        inputs.push(match trips.initial {
            Some(value) => value,
            None => cx.tensor(Tensor::scalar(Scalar::Bool(true))),
        });
    }
    inputs.extend(kept.iter().map(|&i| carried[i]));
    inputs.extend(body.captures.iter().map(|(outer, _)| *outer));
    let op = Repeat {
        body: body.graph,
        counter: counting.counter.clone(),
        limit: trips.limit,
        asks: trips.asks,
        carried: kept.len(),
        trips: total.clone(),
        capacity,
        collected: used.iter().map(|_| Collected { axis: 0, reversed: false }).collect(),
        growing,
    };
    let values = cx.add_all(op, &inputs)?;
    // What nobody reads needs no value; any will do.
    let mut outputs = vec![carried.first().copied().unwrap_or(Value(0)); raw.outputs.len() - 1];
    for (&i, &value) in kept.iter().chain(&used).zip(&values) {
        outputs[i] = value;
    }
    for i in left_out {
        if counting.passed[i] {
            outputs[i] = carried[i];
        }
        let Some(held) = counting.held[i].as_ref().filter(|_| cx.output_used(i)) else { continue };
        let last = held.substitute(&|s| (*s == counting.counter).then(|| total.clone()));
        let ty = cx.ty(carried[i]).clone();
        outputs[i] = count(cx, &last, &ty)?;
    }
    Ok(outputs)
}
