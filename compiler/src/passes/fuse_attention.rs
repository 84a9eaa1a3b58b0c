//! Makes one attention of a product, a map, a softmax and another product.
//!
//! ```text
//! %3 = MatMul(%q, %k) then [mul(in0, 0.125)]()
//! %4 = Rows [let t = exp(…); div(t, row_sum(t))](%3, %mask)      becomes
//! %5 = MatMul(%4, %v)                                            %6 = Attention [add(mul(in0, 0.125), in1)](%q, %kᵀ, %v, %mask)
//! %6 = Transpose(%5)                                                  in the order of the Transpose
//! ```
//! What lies between the products may be spread over several maps, with reshapes that split or merge the leading axes.
//! Heads of keys that were repeated for groups of queries are read where they are. Cheap masks of the size of the scores
//! are computed by the attention itself, each time, instead of being kept in memory.

mod mask;
mod order;
mod path;

use super::axes::{groups, refined};
use crate::diag::Diagnostic;
use crate::expr::{Expr, ExprBuilder};
use crate::ir::{Epilogue, Graph, NodeData, Rebuild, Value};
use crate::ops::attention::{Attention, MOST_BATCH_AXES, repeating_axes};
use crate::ops::map::Map;
use crate::ops::matmul::MatMul;
use crate::ops::movement::{Broadcast, Reshape, Transpose};
use crate::types::{Origin, Shape};
use path::{Path, Read};
use std::rc::Rc;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let uses = graph.use_counts();
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        match Found::of(graph, node, &uses) {
            Some(found) => found.build(graph, &mut rebuild, node)?,
            None => rebuild.copy(node)?,
        }
    }
    order::run(&rebuild.finish()?)
}

/// An attention in the old graph.
struct Found<'g> {
    path: Path<'g>,
    /// Queries `[…, m, d]` and keys `[…, n, d]`, or `[…, d, n]` if `keys_across`.
    queries: Value,
    keys: Value,
    keys_across: bool,
    values: Value,
    /// The leading axes that all operands are brought to.
    batch: Shape,
}

impl<'g> Found<'g> {
    /// The attention whose second product is `node`.
    fn of(graph: &'g Graph, node: &NodeData, uses: &[usize]) -> Option<Found<'g>> {
        let second = node.is::<MatMul>().filter(|m| !m.transposed)?;
        let (shares, values) = (node.inputs[0], node.inputs[1]);
        let ty = graph.ty(node.outputs[0]);
        if second.transposed || !Attention::takes(ty.dtype) || graph.constant(values).is_some() {
            return None;
        }
        let path = Path::from(graph, shares, uses)?;
        let (queries, mut keys) = (path.product.inputs[0], path.product.inputs[1]);
        let mut keys_across = !path.product.is::<MatMul>()?.transposed;
        let one_type = [queries, keys].iter().all(|v| graph.ty(*v).dtype == ty.dtype);
        if graph.constant(keys).is_some() || !one_type {
            return None;
        }
        // Exporters transpose the keys; their own order is wanted here.
        if let Some(given) = graph.producer(keys)
            && let Some(transpose) = given.is::<Transpose>()
            && swaps_last(&transpose.perm)
        {
            keys = given.inputs[0];
            keys_across = !keys_across;
        }
        let mut batch = path.finest();
        for heads in [keys, values] {
            if let Some(finer) = repeated(graph, heads).filter(|f| groups(&batch, f).is_some())
                && finer.len() > batch.len()
            {
                batch = finer;
            }
        }
        let found = Found { path, queries, keys, keys_across, values, batch };
        (repeating_axes(&found.batch) <= MOST_BATCH_AXES && found.fits(graph, node).is_some())
            .then_some(found)
    }

    /// Nothing if an operand cannot be brought to the leading axes.
    fn fits(&self, graph: &Graph, node: &NodeData) -> Option<()> {
        for value in [self.queries, self.keys] {
            self.operand_shape(graph, value, &self.path.product_space)?;
        }
        self.operand_shape(graph, self.values, &graph.ty(node.outputs[0]).shape)?;
        for Read { value, space } in &self.path.reads {
            self.read_shape(graph, *value, space)?;
        }
        Some(())
    }

    /// The shape of an operand over the leading axes of the attention; it is an operand of a product of shape `space`.
    fn operand_shape(&self, graph: &Graph, value: Value, space: &Shape) -> Option<Shape> {
        let own = &graph.ty(value).shape;
        let (batch, matrix) = own.split_at(own.len() - 2);
        let coarse = &space[..space.len() - 2];
        let mut shape = refined(batch, coarse, &self.batch, &groups(coarse, &self.batch)?)?;
        shape.extend_from_slice(matrix);
        Some(shape)
    }

    /// The shape of something that a map over `space` reads, over the axes of the attention.
    fn read_shape(&self, graph: &Graph, value: Value, space: &Shape) -> Option<Shape> {
        let own = &graph.ty(value).shape;
        let (coarse, matrix) = space.split_at(space.len() - 2);
        let mut fine = self.batch.clone();
        fine.extend_from_slice(matrix);
        let mut parts = groups(coarse, &self.batch)?;
        parts.extend([self.batch.len()..self.batch.len() + 1, self.batch.len() + 1..fine.len()]);
        refined(own, space, &fine, &parts)
    }

    fn build(&self, graph: &Graph, rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<(), Diagnostic> {
        let mut origins = self.path.origins.clone();
        origins.extend(node.origins.iter().filter(|o| !self.path.origins.contains(o)).cloned());
        let reshaped = |rebuild: &mut Rebuild<'_>, value: Value, shape: Option<Shape>| {
            let value = rebuild.get(value);
            reshape(rebuild, value, shape.unwrap_or_default(), &origins)
        };
        let space = &self.path.product_space;
        let queries = self.operand_shape(graph, self.queries, space);
        let queries = reshaped(rebuild, self.queries, queries)?;
        let mut keys = match self.unrepeated(graph, self.keys) {
            Some(heads) => rebuild.get(heads),
            None => {
                let shape = self.operand_shape(graph, self.keys, space);
                reshaped(rebuild, self.keys, shape)?
            }
        };
        if self.keys_across {
            keys = swap_last(rebuild, keys, &origins)?;
        }
        let output = graph.ty(node.outputs[0]).shape.clone();
        let values = match self.unrepeated(graph, self.values) {
            Some(heads) => rebuild.get(heads),
            None => {
                let shape = self.operand_shape(graph, self.values, &output);
                reshaped(rebuild, self.values, shape)?
            }
        };
        let (queries, first) = mask::unscaled(rebuild, queries)?;
        let (keys, second) = mask::unscaled(rebuild, keys)?;
        let mut inputs = vec![queries, keys, values];
        for Read { value, space } in &self.path.reads {
            let shape = self.read_shape(graph, *value, space);
            inputs.push(reshaped(rebuild, *value, shape)?);
        }
        let rank = self.batch.len() + 2;
        let scores = with_factor(&self.path.scores, first * second).with_axes(&|axis| axis + rank - 2);
        let scores = mask::inlined(&mut rebuild.new, scores, &mut inputs, rank);
        let op = Attention { scores, empty: self.path.empty, perm: (0..rank).collect() };
        let result = rebuild.add(Rc::new(op), inputs, None, &origins)?[0];
        let mut result = reshape(rebuild, result, output, &origins)?;
        if let Some(epilogue) = &node.epilogue {
            result = apply(rebuild, result, epilogue, &origins)?;
        }
        rebuild.set(node.outputs[0], result);
        Ok(())
    }

    /// Keys or values as they were before they were repeated for groups of queries, over the leading axes.
    fn unrepeated(&self, graph: &Graph, value: Value) -> Option<Value> {
        let finer = repeated(graph, value).filter(|f| *f == self.batch)?;
        let merged = graph.producer(value)?.inputs[0];
        debug_assert!(finer.len() + 2 == graph.ty(merged).rank());
        Some(merged)
    }
}

/// The leading axes of a tensor of which some were repeated and then merged with their neighbours.
fn repeated(graph: &Graph, value: Value) -> Option<Shape> {
    let merge = graph.producer(value).filter(|n| n.is::<Reshape>().is_some())?;
    graph.producer(merge.inputs[0]).filter(|n| n.is::<Broadcast>().is_some())?;
    let (fine, coarse) = (&graph.ty(merge.inputs[0]).shape, &graph.ty(value).shape);
    let same = fine.len() > 2 && coarse.len() > 2 && fine[fine.len() - 2..] == coarse[coarse.len() - 2..];
    same.then(|| fine[..fine.len() - 2].to_vec())
}

fn swaps_last(perm: &[usize]) -> bool {
    let rank = perm.len();
    rank >= 2 && (0..rank - 2).all(|a| perm[a] == a) && perm[rank - 2..] == [rank - 1, rank - 2]
}

fn swap_last(rebuild: &mut Rebuild<'_>, value: Value, origins: &[Origin]) -> Result<Value, Diagnostic> {
    let rank = rebuild.new.ty(value).rank();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 2, rank - 1);
    Ok(rebuild.add(Rc::new(Transpose { perm }), vec![value], None, origins)?[0])
}

fn reshape(
    rebuild: &mut Rebuild<'_>,
    value: Value,
    shape: Shape,
    origins: &[Origin],
) -> Result<Value, Diagnostic> {
    if rebuild.new.ty(value).shape == shape {
        return Ok(value);
    }
    Ok(rebuild.add(Rc::new(Reshape { shape }), vec![value], None, origins)?[0])
}

/// The expression over `factor` times its input 0.
fn with_factor(scores: &Expr, factor: f64) -> Expr {
    let mut builder = ExprBuilder::new();
    let output = builder.inline(scores, &mut |b, i, dtype| {
        let x = b.input(i, dtype);
        if i > 0 {
            return x;
        }
        let factor = b.number(x, factor);
        b.mul(x, factor)
    });
    builder.finish(output)
}

/// What the second product did to its result, as a map of its own.
fn apply(
    rebuild: &mut Rebuild<'_>,
    value: Value,
    epilogue: &Epilogue,
    origins: &[Origin],
) -> Result<Value, Diagnostic> {
    let mut inputs = vec![value];
    inputs.extend(rebuild.get_all(&epilogue.inputs));
    let map = Map::new(epilogue.expr.clone(), rebuild.new.ty(value).shape.clone());
    Ok(rebuild.add(Rc::new(map), inputs, None, origins)?[0])
}
