//! Moves transposes towards the outputs, where they meet their inverses and vanish.
//!
//! Convolutions arrive between two transposes, to channels-last and back. Every operator whose axes can be permuted
//! lets the transpose of its input pass, so that between two convolutions they meet and cancel, and a whole network
//! runs channels-last with one change of layout at its edges.
//!
//! ```text
//! %2 = Transpose[0,3,1,2](%1)                  %2 = Map[max(in0, 0)](%1)
//! %3 = Map[max(in0, 0)](%2)           becomes
//! %4 = Transpose[0,2,3,1](%3)                  (%4 is %2)
//! ```
//! A transpose that moves only axes of one element takes part, since it would stop fusion, but costs nothing if it
//! stays; a reshape swallows it. Reshapes of reshapes are one, and those that merge neighbours let transposes pass.

use super::axes::groups;
use crate::diag::Diagnostic;
use crate::ir::{Graph, NodeData, Op, Rebuild, Value};
use crate::ops::movement::{Reshape, Transpose};
use crate::types::{Dim, Origin};
use std::rc::Rc;

/// Constants of at most this many bytes are transposed at compile time although they may have other readers.
const SMALL_CONSTANT: usize = 64 << 10;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        visit(&mut rebuild, node)?;
    }
    rebuild.finish()
}

fn visit(rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<(), Diagnostic> {
    if let Some(transpose) = node.is::<Transpose>() {
        let input = rebuild.get(node.inputs[0]);
        let output = transposed(rebuild, input, &transpose.perm, &node.origins)?;
        rebuild.set(node.outputs[0], output);
    } else if let Some(reshape) = node.is::<Reshape>() {
        let input = rebuild.get(node.inputs[0]);
        let output = match merged(&rebuild.new, input, &reshape.shape) {
            Some((source, shape, perm)) => {
                let merged = reshaped(rebuild, source, &shape, &node.origins)?;
                transposed(rebuild, merged, &perm, &node.origins)?
            }
            None => reshaped(rebuild, input, &reshape.shape, &node.origins)?,
        };
        rebuild.set(node.outputs[0], output);
    } else if !sink(rebuild, node)? {
        rebuild.copy(node)?;
    }
    Ok(())
}

/// A transpose passes a reshape that merges axes which were neighbours before it: the value to be merged, the shape that
/// it gets, and the transpose that follows.
fn merged(graph: &Graph, value: Value, shape: &[Dim]) -> Option<(Value, Vec<Dim>, Vec<usize>)> {
    let producer = graph.producer(value)?;
    let transpose = producer.is::<Transpose>()?;
    let source = producer.inputs[0];
    let own = &graph.ty(source).shape;
    if keeps_order(own, &transpose.perm) {
        return None;
    }
    let parts = groups(shape, &graph.ty(value).shape)?;
    let mut firsts = Vec::with_capacity(parts.len());
    for part in parts {
        let axes: Vec<usize> = part.map(|a| transpose.perm[a]).collect();
        if !axes.windows(2).all(|w| w[0] + 1 == w[1]) {
            return None;
        }
        firsts.push(*axes.first()?);
    }
    let mut order: Vec<usize> = (0..firsts.len()).collect();
    order.sort_by_key(|&i| firsts[i]);
    let inner = order.iter().map(|&i| shape[i].clone()).collect();
    Some((source, inner, Transpose::inverse(&order)))
}

/// Lets the transposes of the node's inputs pass through it, if that costs nothing.
fn sink(rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<bool, Diagnostic> {
    if node.epilogue.is_some() {
        return Ok(false);
    }
    let inputs = rebuild.get_all(&node.inputs);
    let rank = node.outputs.iter().map(|&o| rebuild.old_type(o).rank()).max().unwrap_or(0);
    let Some(perm) = inputs.iter().find_map(|&v| transpose_of(&rebuild.new, v).filter(|p| p.len() == rank))
    else {
        return Ok(false);
    };
    let inverse = Transpose::inverse(&perm);
    let Some(op) = node.op.permuted(&inverse) else { return Ok(false) };
    if !worth_it(&rebuild.new, &inputs, &perm) {
        return Ok(false);
    }
    let mut moved = Vec::with_capacity(inputs.len());
    for &input in &inputs {
        let mut shape = vec![Dim::ONE; rank.saturating_sub(rebuild.new.ty(input).rank())];
        shape.extend(rebuild.new.ty(input).shape.iter().cloned());
        let full = reshaped(rebuild, input, &shape, &node.origins)?;
        moved.push(transposed(rebuild, full, &inverse, &node.origins)?);
    }
    let outputs = rebuild.add(Rc::from(op), moved, None, &node.origins)?;
    for (&old, new) in node.outputs.iter().zip(outputs) {
        let value = transposed(rebuild, new, &perm, &node.origins)?;
        rebuild.set(old, value);
    }
    Ok(true)
}

/// Whether more elements stop being transposed before the node than start to be.
fn worth_it(graph: &Graph, inputs: &[Value], perm: &[usize]) -> bool {
    let weight = |v: Value| graph.ty(v).elements().as_usize().map_or(1.0, |n| n as f64);
    let (mut saved, mut spent) = (0.0, 0.0);
    for &input in inputs {
        if transpose_of(graph, input).as_deref() == Some(perm) {
            saved += weight(input);
        } else if graph.constant(input).is_none() && !moves_only_ones(graph, input, perm) {
            spent += weight(input);
        }
    }
    spent < saved
}

/// Whether `value`, with ones put in front of its axes, keeps its elements in order under `perm`.
fn moves_only_ones(graph: &Graph, value: Value, perm: &[usize]) -> bool {
    let mut shape = vec![Dim::ONE; perm.len().saturating_sub(graph.ty(value).rank())];
    shape.extend(graph.ty(value).shape.iter().cloned());
    keeps_order(&shape, &Transpose::inverse(perm))
}

/// Whether a transpose of a tensor of this shape leaves its elements in order.
fn keeps_order(shape: &[Dim], perm: &[usize]) -> bool {
    let moved: Vec<usize> = perm.iter().copied().filter(|&a| !shape[a].is(1)).collect();
    moved.is_sorted()
}

/// The permutation, if `value` is a transpose.
fn transpose_of(graph: &Graph, value: Value) -> Option<Vec<usize>> {
    as_transpose(graph, value).map(|(perm, _)| perm)
}

/// The permutation and the value it permutes, if `value` is a transpose, or a reshape that says the same.
fn as_transpose(graph: &Graph, value: Value) -> Option<(Vec<usize>, Value)> {
    let producer = graph.producer(value)?;
    let source = *producer.inputs.first()?;
    if let Some(transpose) = producer.is::<Transpose>() {
        return Some((transpose.perm.clone(), source));
    }
    producer.is::<Reshape>()?;
    let (from, to) = (&graph.ty(source).shape, &graph.ty(value).shape);
    let axes =
        |shape: &[Dim], ones: bool| (0..shape.len()).filter(|&a| shape[a].is(1) == ones).collect::<Vec<_>>();
    let mut perm = vec![0; to.len()];
    for ones in [false, true] {
        let (from_axes, to_axes) = (axes(from, ones), axes(to, ones));
        if from_axes.len() != to_axes.len() || from_axes.iter().zip(&to_axes).any(|(&f, &t)| from[f] != to[t])
        {
            return None;
        }
        for (f, t) in from_axes.into_iter().zip(to_axes) {
            perm[t] = f;
        }
    }
    (!perm.is_sorted()).then_some((perm, source))
}

/// `value` transposed: merged with the transpose that made it, folded into a constant, or as a new node.
fn transposed(
    rebuild: &mut Rebuild<'_>,
    value: Value,
    perm: &[usize],
    origins: &[Origin],
) -> Result<Value, Diagnostic> {
    if perm.is_sorted() {
        return Ok(value);
    }
    let before = as_transpose(&rebuild.new, value);
    if let Some((first, source)) = before {
        let both: Vec<usize> = perm.iter().map(|&p| first[p]).collect();
        return transposed(rebuild, source, &both, origins);
    }
    let shape = &rebuild.new.ty(value).shape;
    let of_reshape = rebuild.new.producer(value).is_some_and(|p| p.is::<Reshape>().is_some());
    if of_reshape && keeps_order(shape, perm) {
        let shape: Vec<Dim> = perm.iter().map(|&a| shape[a].clone()).collect();
        return reshaped(rebuild, value, &shape, origins);
    }
    let op = Transpose { perm: perm.to_vec() };
    if let Some(tensor) = rebuild.new.constant(value).filter(|t| t.bytes().len() <= SMALL_CONSTANT)
        && let Some(mut folded) = op.eval(std::slice::from_ref(tensor))
    {
        return Ok(rebuild.new.add_const(folded.remove(0)));
    }
    Ok(rebuild.add(Rc::new(op), vec![value], None, origins)?[0])
}

/// `value` under another shape: merged with the reshape that made it, or as a new node.
fn reshaped(
    rebuild: &mut Rebuild<'_>,
    value: Value,
    shape: &[Dim],
    origins: &[Origin],
) -> Result<Value, Diagnostic> {
    if rebuild.new.ty(value).shape == shape {
        return Ok(value);
    }
    let before = rebuild.new.producer(value).filter(|p| {
        let reorders = |t: &Transpose| !keeps_order(&rebuild.new.ty(p.inputs[0]).shape, &t.perm);
        p.is::<Reshape>().is_some() || p.is::<Transpose>().is_some_and(|t| !reorders(t))
    });
    let before = before.map(|p| p.inputs[0]);
    if let Some(source) = before {
        return reshaped(rebuild, source, shape, origins);
    }
    if let Some(tensor) = rebuild.new.constant(value).cloned()
        && let Some(fixed) = shape.iter().map(Dim::as_usize).collect::<Option<Vec<_>>>()
        && let Some(tensor) = tensor.reshaped(fixed)
    {
        return Ok(rebuild.new.add_const(tensor));
    }
    Ok(rebuild.add(Rc::new(Reshape { shape: shape.to_vec() }), vec![value], None, origins)?[0])
}
