//! Scan: a graph that runs for each slice of its inputs.
//!
//! Before opset 9 all values had a batch axis before the scanned one: such a Scan is one over the batch, whose graph is
//! a Scan of today.

use super::branch::{graph_attribute, known};
use super::repeat::{Collected, Repeat, counter};
use crate::diag::{Code, Diagnostic};
use crate::import::body::Body;
use crate::import::raw::{RawAttribute, RawGraph, RawNode, RawValue};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::movement::{Reshape, Slice, SliceAxis};
use crate::ops::shape::axis;
use crate::types::{Dim, Origin, Symbol, Symbols, TensorType};
use std::rc::Rc;

/// An input that is read slice by slice.
struct Sliced {
    value: Value,
    axis: usize,
    /// Whether the last slice comes first.
    reversed: bool,
}

/// Scan.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let raw = graph_attribute(cx, "body")?;
    let asked = cx.attributes.int("num_scan_inputs")?.unwrap_or(0);
    let Some(scanned) = usize::try_from(asked).ok().filter(|&n| n <= cx.inputs.len()) else {
        return Err(Diagnostic::new(
            Code::BadAttribute,
            format!("`num_scan_inputs` is {asked}, the node has {} inputs", cx.inputs.len()),
        ));
    };
    if cx.opset < 9 {
        return batched(cx, raw, scanned);
    }
    let inputs = cx.all_inputs()?;
    let collected = raw.outputs.len().saturating_sub(inputs.len().saturating_sub(scanned));
    let ways = Ways {
        in_axes: list(cx, "scan_input_axes", scanned)?,
        in_reversed: list(cx, "scan_input_directions", scanned)?,
        out_axes: list(cx, "scan_output_axes", collected)?,
        out_reversed: list(cx, "scan_output_directions", collected)?,
    };
    scan(cx, raw, &inputs, &ways)
}

/// Scan, opset 8: every value has a batch axis, then the scanned ones theirs.
fn batched(cx: &mut NodeCx<'_>, raw: &RawGraph, scanned: usize) -> Result<Vec<Value>, Diagnostic> {
    if cx.optional(0).is_some() {
        return Err(cx.unsupported("sequences of different lengths in a batch (`sequence_lens`)"));
    }
    let inputs = (1..cx.inputs.len()).map(|i| cx.input(i)).collect::<Result<Vec<_>, _>>()?;
    let body = RawAttribute::Graph(Box::new(raw.clone()));
    let directions = RawAttribute::Ints(list(cx, "directions", scanned)?);
    let given = [
        ("body", body),
        ("num_scan_inputs", RawAttribute::Int(scanned as i64)),
        ("scan_input_directions", directions),
    ];
    let names = |values: &[RawValue]| values.iter().map(|v| Some(v.name.clone())).collect();
    let single = |values: &[RawValue]| {
        values.iter().map(|v| RawValue { name: v.name.clone(), ty: None }).collect::<Vec<_>>()
    };
    let entry = RawNode {
        origin: cx.origin.clone(),
        op_type: "Scan".into(),
        domain: String::new(),
        opset_version: 9,
        inputs: names(&raw.inputs),
        outputs: names(&raw.outputs),
        attributes: given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    let over_batch = RawGraph {
        name: raw.name.clone(),
        inputs: single(&raw.inputs),
        outputs: single(&raw.outputs),
        nodes: vec![entry],
        captures: raw.captures.clone(),
        ..RawGraph::default()
    };
    let [inside, outside] = [inputs.len(), raw.outputs.len()].map(|n| vec![0; n]);
    let ways = Ways {
        in_axes: inside.clone(),
        in_reversed: inside,
        out_axes: outside.clone(),
        out_reversed: outside,
    };
    scan(cx, &over_batch, &inputs, &ways)
}

/// How the scanned inputs are cut and the results collected.
struct Ways {
    in_axes: Vec<i64>,
    in_reversed: Vec<i64>,
    out_axes: Vec<i64>,
    out_reversed: Vec<i64>,
}

/// A loop over the slices of the last inputs; those before are its states.
fn scan(
    cx: &mut NodeCx<'_>,
    raw: &RawGraph,
    inputs: &[Value],
    ways: &Ways,
) -> Result<Vec<Value>, Diagnostic> {
    let Ways { in_axes, in_reversed, out_axes, out_reversed } = ways;
    let scanned = in_axes.len();
    let states = inputs.len().checked_sub(scanned).filter(|_| scanned > 0);
    let fits = |states: &usize| raw.inputs.len() == inputs.len() && raw.outputs.len() >= *states;
    let Some(states) = states.filter(fits) else {
        return Err(Diagnostic::new(
            Code::BadModel,
            format!(
                "{scanned} scanned inputs do not fit a node of {} inputs and a body of {} inputs and {} outputs",
                inputs.len(),
                raw.inputs.len(),
                raw.outputs.len()
            ),
        ));
    };
    let collected = raw.outputs.len() - states;
    let mut sliced = Vec::with_capacity(scanned);
    for (j, &value) in inputs[states..].iter().enumerate() {
        sliced.push(Sliced { value, axis: axis(in_axes[j], cx.rank(value))?, reversed: in_reversed[j] != 0 });
    }
    let mut trips = cx.shape(sliced[0].value)[sliced[0].axis].clone();
    if trips.range(&cx.graph.symbols).is_some_and(|r| r.hi <= 0) {
        trips = Dim::ZERO;
    }
    for other in &mut sliced[1..] {
        let mut shape = cx.shape(other.value);
        shape[other.axis] = trips.clone();
        other.value = cx.restate(other.value, &shape)?;
    }
    let counter = counter(cx, Some(&trips));
    let outside = cx.graph.symbols.clone();
    let mut body = cx.body();
    let types: Vec<TensorType> = inputs[..states].iter().map(|&v| cx.ty(v).clone()).collect();
    open(cx, &mut body, raw, &types, &sliced, (&counter, &trips))?;
    let Some(results) = cx.build_body(&mut body, raw) else { return Ok(Vec::new()) };
    cx.graph.symbols.extend(body.graph.symbols.clone());
    for (i, (ty, &next)) in types.iter().zip(&results).enumerate() {
        if body.graph.ty(next) != ty {
            let message = format!("state {i} is {ty} and becomes {}", body.graph.ty(next));
            return Err(Diagnostic::new(Code::BadInput, message));
        }
    }
    let used: Vec<usize> = (0..collected).filter(|&j| cx.output_used(states + j)).collect();
    let mut how = Vec::with_capacity(used.len());
    for &j in &used {
        let ty = body.graph.ty(results[states + j]);
        check_slice(cx, ty, &outside, &counter)?;
        how.push(Collected { axis: axis(out_axes[j], ty.rank() + 1)?, reversed: out_reversed[j] != 0 });
    }
    let kept = (0..states).chain(used.iter().map(|j| states + j));
    body.graph.outputs = kept.map(|i| (raw.outputs[i].name.clone(), results[i])).collect();
    let mut node_inputs = inputs[..states].to_vec();
    node_inputs.extend(body.captures.iter().map(|(outer, _)| *outer));
    let op = Repeat {
        body: body.graph,
        counter,
        limit: Some(trips.clone()),
        asks: false,
        carried: states,
        trips,
        capacity: None,
        collected: how,
        growing: Vec::new(),
    };
    let values = cx.add_all(op, &node_inputs)?;
    // What nobody reads needs no value; any will do.
    let mut outputs = values[..states].to_vec();
    outputs.resize(raw.outputs.len(), inputs[0]);
    for (&j, &value) in used.iter().zip(&values[states..]) {
        outputs[states + j] = value;
    }
    Ok(outputs)
}

/// An attribute of one number for each of `count` values; zeros if it is left out.
fn list(cx: &NodeCx<'_>, name: &str, count: usize) -> Result<Vec<i64>, Diagnostic> {
    match cx.attributes.ints(name)? {
        None => Ok(vec![0; count]),
        Some(given) if given.len() == count => Ok(given.to_vec()),
        Some(given) => Err(Diagnostic::new(
            Code::BadAttribute,
            format!("`{name}` has {} elements, {count} are needed", given.len()),
        )),
    }
}

/// Adds the inputs of the body: states, and slices of what is scanned.
fn open(
    cx: &NodeCx<'_>,
    body: &mut Body,
    raw: &RawGraph,
    states: &[TensorType],
    sliced: &[Sliced],
    (counter, trips): (&Symbol, &Dim),
) -> Result<(), Diagnostic> {
    for (input, ty) in raw.inputs.iter().zip(states) {
        let value = body.graph.add_input(&input.name, ty.clone());
        body.values.insert(input.name.clone(), value);
    }
    let at = Dim::symbol(counter.clone());
    for (input, from) in raw.inputs[states.len()..].iter().zip(sliced) {
        let whole = body.capture(cx.graph, from.value);
        let mut shape = body.graph.ty(whole).shape.clone();
        let mut axes: Vec<SliceAxis> = shape.iter().map(SliceAxis::whole).collect();
        let start = if from.reversed { &(trips - &Dim::ONE) - &at } else { at.clone() };
        axes[from.axis] = SliceAxis { start, step: 1, extent: Dim::ONE };
        let origins: Vec<Origin> = vec![cx.origin.clone()];
        let slice = body.graph.add(Rc::new(Slice { axes }), vec![whole], None, origins.clone())?;
        shape.remove(from.axis);
        let slice = body.graph.add(Rc::new(Reshape { shape }), slice, None, origins)?;
        body.values.insert(input.name.clone(), slice[0]);
    }
    Ok(())
}

/// The slices of a result must all have one shape.
fn check_slice(
    cx: &NodeCx<'_>,
    ty: &TensorType,
    outside: &Symbols,
    counter: &Symbol,
) -> Result<(), Diagnostic> {
    let changes = |d: &Dim| {
        let mut symbols = Vec::new();
        d.symbols(&mut symbols);
        symbols.contains(counter) || !known(outside, d)
    };
    if ty.shape.iter().any(changes) {
        return Err(cx.unsupported(format!("a result of type {ty} is collected, but its shape changes")));
    }
    Ok(())
}
