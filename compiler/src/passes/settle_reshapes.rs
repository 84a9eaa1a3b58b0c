//! Moves reshapes behind what does not care for leading axes, until they meet others that undo them.
//!
//! ```text
//! %1 = Reshape { shape: [6, 8] }(%0)                          %1 = MatMul(%0, %w)
//! %2 = MatMul(%1, %w)                            becomes      %2 = Map […](%1, %r)
//! %3 = Reshape { shape: [2, 3, 8] }(%2)
//! %4 = Map […](%3, %r)
//! ```
//! Products with one matrix, maps and row maps take any leading axes. A transpose between a reshape that merges axes and
//! one that splits them again is a transpose of the axes themselves.

use super::axes::groups;
use crate::diag::Diagnostic;
use crate::expr::ExprKind;
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::ops::map::Map;
use crate::ops::matmul::MatMul;
use crate::ops::movement::{Reshape, Transpose};
use crate::types::{Dim, Shape};
use std::rc::Rc;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        if node.epilogue.is_some() || !settle(&mut rebuild, node)? {
            rebuild.copy(node)?;
        }
    }
    rebuild.finish()
}

/// Writes a node in another way; `false` if there is none.
fn settle(rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<bool, Diagnostic> {
    if let Some(reshape) = node.is::<Reshape>() {
        let value = rebuild.get(node.inputs[0]);
        let settled = reshaped(rebuild, value, &reshape.shape, node)?;
        rebuild.set(node.outputs[0], settled);
        return Ok(true);
    }
    if node.is::<MatMul>().is_some() {
        return product(rebuild, node);
    }
    match node.is::<Map>().filter(|m| !m.reduced && (m.row_axes == 1 || !m.expr.has_reductions())) {
        Some(map) => mapped(rebuild, node, map),
        None => Ok(false),
    }
}

/// A value under another shape, by as few movements as there are.
fn reshaped(
    rebuild: &mut Rebuild<'_>,
    value: Value,
    shape: &Shape,
    node: &NodeData,
) -> Result<Value, Diagnostic> {
    let source = source_of(&rebuild.new, value).unwrap_or(value);
    if rebuild.new.ty(source).shape == *shape {
        return Ok(source);
    }
    if let Some((inner, perm)) = transposed(&rebuild.new, value, shape) {
        return Ok(rebuild.add(Rc::new(Transpose { perm }), vec![inner], None, &node.origins)?[0]);
    }
    let op = Reshape { shape: shape.clone() };
    Ok(rebuild.add(Rc::new(op), vec![source], None, &node.origins)?[0])
}

/// What a reshape reads.
fn source_of(graph: &Graph, value: Value) -> Option<Value> {
    let node = graph.producer(value)?;
    node.is::<Reshape>().map(|_| node.inputs[0])
}

/// The value, and the order of its axes, that a reshape to `shape` gives of the transpose of merged axes.
fn transposed(graph: &Graph, value: Value, shape: &Shape) -> Option<(Value, Vec<usize>)> {
    let node = graph.producer(value)?;
    let transpose = node.is::<Transpose>()?;
    let inner = source_of(graph, node.inputs[0])?;
    let own = &graph.ty(inner).shape;
    let parts = groups(&graph.ty(node.inputs[0]).shape, own)?;
    let perm: Vec<usize> = transpose.perm.iter().flat_map(|&a| parts[a].clone()).collect();
    let moved = perm.iter().map(|&a| &own[a]);
    (perm.len() == own.len() && moved.eq(shape.iter())).then_some((inner, perm))
}

/// What a reshape that keeps the last axis reads.
fn under(graph: &Graph, value: Value) -> Option<Value> {
    let source = source_of(graph, value)?;
    let (inner, outer) = (&graph.ty(source).shape, &graph.ty(value).shape);
    (inner.len() >= 2 && outer.len() >= 2 && inner.last() == outer.last()).then_some(source)
}

/// The rows of a matrix by the axes that a reshape merged to rows, with the columns that it made: their shape.
fn unmerged(graph: &Graph, value: Value) -> Option<(Value, Shape)> {
    let source = source_of(graph, value)?;
    let (inner, outer) = (&graph.ty(source).shape, &graph.ty(value).shape);
    let parts = groups(outer, inner)?;
    let columns = parts.last()?.start;
    let mut shape = inner[..columns].to_vec();
    shape.push(outer.last()?.clone());
    (outer.len() >= 2 && shape.len() > outer.len()).then_some((source, shape))
}

/// A product of reshaped rows with one matrix.
fn product(rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<bool, Diagnostic> {
    let (rows, matrix) = (rebuild.get(node.inputs[0]), rebuild.get(node.inputs[1]));
    if rebuild.new.ty(matrix).rank() != 2 || rebuild.new.constant(matrix).is_none() {
        return Ok(false);
    }
    let inner = match (under(&rebuild.new, rows), unmerged(&rebuild.new, rows)) {
        (Some(inner), _) => inner,
        (None, Some((source, shape))) => reshaped(rebuild, source, &shape, node)?,
        (None, None) => return Ok(false),
    };
    let result = rebuild.add(node.op.clone(), vec![inner, matrix], None, &node.origins)?[0];
    let shape = rebuild.old_type(node.outputs[0]).shape.clone();
    let result = reshaped(rebuild, result, &shape, node)?;
    rebuild.set(node.outputs[0], result);
    Ok(true)
}

/// A map of what was reshaped alike, and of tensors that only the last axis tells apart.
fn mapped(rebuild: &mut Rebuild<'_>, node: &NodeData, map: &Map) -> Result<bool, Diagnostic> {
    if map.expr.nodes().any(|(_, n)| matches!(n.kind, ExprKind::Index(_))) {
        return Ok(false);
    }
    let inputs = rebuild.get_all(&node.inputs);
    let graph = &rebuild.new;
    let whole = |v: Value| graph.ty(v).shape == map.space;
    let per_column = |v: Value| graph.ty(v).shape.iter().rev().skip(1).all(|d| d.is(1));
    let Some(first) = inputs.iter().find_map(|&v| under(graph, v).filter(|_| whole(v))) else {
        return Ok(false);
    };
    let space = graph.ty(first).shape.clone();
    // What was not reshaped alike would have to be, and would part from what computes it.
    let alike = |v: Value| under(graph, v).is_some_and(|inner| graph.ty(inner).shape == space);
    if !inputs.iter().all(|&v| per_column(v) || whole(v) && (alike(v) || graph.constant(v).is_some())) {
        return Ok(false);
    }
    let mut moved = Vec::with_capacity(inputs.len());
    for value in inputs {
        let shape = if rebuild.new.ty(value).shape == map.space {
            space.clone()
        } else {
            rebuild.new.ty(value).shape.last().cloned().into_iter().collect::<Vec<Dim>>()
        };
        moved.push(reshaped(rebuild, value, &shape, node)?);
    }
    let op = Map { expr: map.expr.clone(), space, ..map.clone() };
    let result = rebuild.add(Rc::new(op), moved, None, &node.origins)?[0];
    let result = reshaped(rebuild, result, &map.space, node)?;
    rebuild.set(node.outputs[0], result);
    Ok(true)
}
