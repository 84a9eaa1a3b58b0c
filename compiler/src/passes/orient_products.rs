//! Brings products with weights into one form, `x · W`, whichever way round the exporter wrote them.
//!
//! ```text
//! %2 = MatMul(%0, Transpose(%w))               becomes   %2 = MatMul transposed (%0, %w)
//! %3 = Transpose(MatMul(%w, Transpose(%0)))    becomes   %3 = MatMul transposed (%0, %w)
//! ```
//! Weights are packed panels, the same for a matrix and its transpose, so orientation is free on their side. Weights on
//! the left move to the right where the other operand or the result is transposed already (two transposes meet and
//! vanish), or where transposing costs nothing because one extent is one.

use crate::diag::Diagnostic;
use crate::ir::{Graph, NodeData, Op, Rebuild, Value};
use crate::ops::map::Map;
use crate::ops::matmul::MatMul;
use crate::ops::movement::{Reshape, Transpose};
use crate::types::Dim;
use std::rc::Rc;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let readers = readers(graph);
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        match node.is::<MatMul>().filter(|_| node.epilogue.is_none()) {
            Some(product) if swaps(graph, node, product, &readers) => swap(&mut rebuild, node, product)?,
            Some(product) => straighten(&mut rebuild, node, product)?,
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

/// The nodes that read each value, and for outputs of the graph `None`.
fn readers(graph: &Graph) -> Vec<Vec<Option<&NodeData>>> {
    let mut readers = vec![Vec::new(); graph.value_count()];
    for (_, node) in graph.nodes() {
        node.reads().for_each(|value| readers[value.0 as usize].push(Some(node)));
    }
    graph.outputs.iter().for_each(|(_, value)| readers[value.0 as usize].push(None));
    readers
}

/// Takes transposes of weights on the right into the product.
fn straighten(rebuild: &mut Rebuild<'_>, node: &NodeData, product: &MatMul) -> Result<(), Diagnostic> {
    let (x, mut weights) = (rebuild.get(node.inputs[0]), rebuild.get(node.inputs[1]));
    let mut transposed = product.transposed;
    while let Some(source) = unturned(rebuild, weights, node)? {
        (weights, transposed) = (source, !transposed);
    }
    let outputs = rebuild.add(Rc::new(MatMul { transposed }), vec![x, weights], None, &node.origins)?;
    rebuild.set(node.outputs[0], outputs[0]);
    Ok(())
}

/// What weights are with their last two axes exchanged, if they are transposed, or a map of something transposed: then
/// the map is made before the transpose.
fn unturned(rebuild: &mut Rebuild<'_>, weights: Value, node: &NodeData) -> Result<Option<Value>, Diagnostic> {
    if let Some(source) = before_transpose(&rebuild.new, weights) {
        return Ok(Some(source).filter(|&v| is_weight(&rebuild.new, v)));
    }
    let graph = &rebuild.new;
    let Some(producer) = graph.producer(weights).filter(|p| p.epilogue.is_none()) else { return Ok(None) };
    let scalar = |v: Value| graph.ty(v).elements().is(1);
    let sources: Vec<Option<Value>> = producer.inputs.iter().map(|&v| before_transpose(graph, v)).collect();
    let apart = producer.inputs.iter().zip(&sources).all(|(&v, source)| source.is_some() || scalar(v));
    let turned = producer.is::<Map>().filter(|m| !m.reduced && m.space.len() == 2 && apart);
    let one = sources.iter().flatten().count() == 1 && is_weight(graph, weights);
    let Some(map) = turned.filter(|_| one).and_then(|map| map.permuted(&[1, 0])) else { return Ok(None) };
    let inputs = producer.inputs.iter().zip(sources).map(|(&v, source)| source.unwrap_or(v)).collect();
    Ok(Some(rebuild.add(Rc::from(map), inputs, None, &node.origins)?[0]))
}

/// Whether a product has weights on its left that are better off on its right.
fn swaps(graph: &Graph, node: &NodeData, product: &MatMul, readers: &[Vec<Option<&NodeData>>]) -> bool {
    let (weights, x, y) = (node.inputs[0], node.inputs[1], node.outputs[0]);
    if graph.ty(weights).rank() != 2 || !is_weight(graph, weights) || is_weight(graph, x) {
        return false;
    }
    let rank = graph.ty(x).rank();
    let columns = &graph.ty(y).shape[rank - 1];
    let turned = |node: &NodeData| node.is::<Transpose>().is_some_and(|t| exchanges_last_two(&t.perm));
    let result_turned = readers[y.0 as usize].iter().all(|reader| reader.is_some_and(turned))
        && !readers[y.0 as usize].is_empty();
    product.transposed || columns.is(1) || before_transpose(graph, x).is_some() || result_turned
}

/// `W · x` as the transpose of `xᵀ · Wᵀ`.
fn swap(rebuild: &mut Rebuild<'_>, node: &NodeData, product: &MatMul) -> Result<(), Diagnostic> {
    let (mut weights, mut x) = (rebuild.get(node.inputs[0]), rebuild.get(node.inputs[1]));
    if !product.transposed {
        x = exchanged(rebuild, x, node)?;
    }
    let mut transposed = true;
    while let Some(source) = unturned(rebuild, weights, node)? {
        (weights, transposed) = (source, !transposed);
    }
    let y = rebuild.add(Rc::new(MatMul { transposed }), vec![x, weights], None, &node.origins)?[0];
    let y = exchanged(rebuild, y, node)?;
    rebuild.set(node.outputs[0], y);
    Ok(())
}

/// A value with its last two axes exchanged.
fn exchanged(rebuild: &mut Rebuild<'_>, value: Value, node: &NodeData) -> Result<Value, Diagnostic> {
    if let Some(source) = before_transpose(&rebuild.new, value) {
        return Ok(source);
    }
    let shape = &rebuild.new.ty(value).shape;
    let rank = shape.len();
    if shape[rank - 1].is(1) || shape[rank - 2].is(1) {
        let mut shape: Vec<Dim> = shape.clone();
        shape.swap(rank - 1, rank - 2);
        return Ok(rebuild.add(Rc::new(Reshape { shape }), vec![value], None, &node.origins)?[0]);
    }
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 1, rank - 2);
    Ok(rebuild.add(Rc::new(Transpose { perm }), vec![value], None, &node.origins)?[0])
}

/// What `value` is with its last two axes exchanged, if a transpose made it so.
fn before_transpose(graph: &Graph, value: Value) -> Option<Value> {
    let producer = graph.producer(value)?;
    let transpose = producer.is::<Transpose>()?;
    exchanges_last_two(&transpose.perm).then(|| producer.inputs[0])
}

fn exchanges_last_two(perm: &[usize]) -> bool {
    let rank = perm.len();
    rank >= 2 && perm[rank - 2..] == [rank - 1, rank - 2] && perm[..rank - 2].iter().copied().eq(0..rank - 2)
}

/// Whether a value is computed from constants alone, by maps and transposes.
fn is_weight(graph: &Graph, value: Value) -> bool {
    if graph.constant(value).is_some() {
        return true;
    }
    graph.producer(value).is_some_and(|p| {
        (p.is::<Transpose>().is_some() || p.is::<Map>().is_some())
            && !p.inputs.is_empty()
            && p.inputs.iter().all(|&v| is_weight(graph, v))
    })
}
