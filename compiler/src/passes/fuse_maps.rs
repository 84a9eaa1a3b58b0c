//! Makes one map of a map and the maps that feed only it.
//!
//! ```text
//! %2 = Map[add(in0, in1)](%0, %1)
//! %3 = Map[max(in0, 0)](%2)            becomes    %3 = Map[max(add(in0, in1), 0)](%0, %1)
//! ```
//! Row maps take part: a softmax is two of them and some pointwise maps, and ends up as one. A value that several nodes
//! read is computed once and not fused, unless all of its readers have become one node: the pass repeats until nothing
//! changes.

use crate::diag::Diagnostic;
use crate::expr::{ExprBuilder, ExprId, ExprKind};
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::ops::map::Map;
use crate::types::{Dim, Shape};
use std::rc::Rc;

/// Expressions longer than this are not grown further: registers run out and compile time grows.
const LARGEST: usize = 96;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    super::until_settled(graph, round)
}

fn round(graph: &Graph) -> Result<(Graph, bool), Diagnostic> {
    let uses = graph.use_counts();
    let mut rebuild = Rebuild::new(graph);
    let mut changed = false;
    for (_, node) in graph.nodes() {
        match node.is::<Map>().and_then(|map| absorb(graph, node, map, &uses)) {
            Some(fused) => {
                let inputs = rebuild.get_all(&fused.inputs);
                let outputs = rebuild.add(Rc::new(fused.map), inputs, None, &fused.origins)?;
                rebuild.set(node.outputs[0], outputs[0]);
                changed = true;
            }
            None => rebuild.copy(node)?,
        }
    }
    Ok((rebuild.finish()?, changed))
}

struct Fused {
    map: Map,
    inputs: Vec<Value>,
    origins: Vec<crate::types::Origin>,
}

/// The iteration that a fusion runs over, so far.
#[derive(Clone)]
struct Form {
    space: Shape,
    /// Row axes of its reductions, 0 if there are none.
    row_axes: usize,
    reduced: bool,
    /// Whether an expression in it asks for positions.
    indexes: bool,
}

/// `node` with every producer inlined that only it reads and that fits; `None` if there is none.
fn absorb(graph: &Graph, node: &NodeData, map: &Map, uses: &[usize]) -> Option<Fused> {
    let row_axes = if map.expr.has_reductions() || map.reduced { map.row_axes } else { 0 };
    let mut form =
        Form { space: map.space.clone(), row_axes, reduced: map.reduced, indexes: asks_positions(map) };
    let mut absorbed = vec![false; node.inputs.len()];
    let mut size = map.expr.len();
    for (i, &input) in node.inputs.iter().enumerate() {
        let Some(producer) = graph.producer(input) else { continue };
        let Some(inner) = producer.is::<Map>() else { continue };
        let reads_here = node.inputs.iter().filter(|v| **v == input).count();
        if uses[input.0 as usize] != reads_here || size + inner.expr.len() > LARGEST {
            continue;
        }
        if let Some(next) = fits(map, &form, inner) {
            absorbed[i] = true;
            form = next;
            size += inner.expr.len();
        }
    }
    absorbed.contains(&true).then(|| inline(graph, node, map, form, &absorbed))
}

fn asks_positions(map: &Map) -> bool {
    map.expr.nodes().any(|(_, n)| matches!(n.kind, ExprKind::Index(_)))
}

/// What the fusion of `map`, `form` so far, becomes with `inner` in it, if they may fuse.
fn fits(map: &Map, form: &Form, inner: &Map) -> Option<Form> {
    let indexes = form.indexes || asks_positions(inner);
    if inner.expr.has_reductions() || inner.reduced {
        let rows = Form { row_axes: inner.row_axes, indexes, ..form.clone() };
        // Rows must be the same rows. A reduced result may only be used along with its own rows.
        let same_rows = form.row_axes == 0 && !form.reduced || form.row_axes == inner.row_axes;
        if inner.space == form.space {
            return same_rows.then_some(rows);
        }
        // A map of one element per row becomes the last step of the reduction. The rows' own positions are gone there.
        let per_row = inner.reduced && form.row_axes == 0 && inner.output_shape() == form.space;
        return (per_row && !form.indexes).then(|| Form {
            space: inner.space.clone(),
            reduced: true,
            ..rows
        });
    }
    let same = Form { indexes, ..form.clone() };
    if inner.space == form.space {
        return Some(same);
    }
    if asks_positions(inner) {
        return None;
    }
    // A smaller tensor is computed again for every element that it is broadcast to: only worth it if that is cheap,
    // or if it is one element per row of a reduction.
    let per_row = inner.space == map.space && form.reduced;
    let trivial = inner.expr.cost() <= 1 && inner.space.len() <= map.space.len();
    let single = inner.space.iter().all(|d| *d == Dim::ONE) && inner.expr.cost() <= 4;
    (per_row || trivial || single).then_some(same)
}

fn inline(graph: &Graph, node: &NodeData, map: &Map, form: Form, absorbed: &[bool]) -> Fused {
    let mut inputs: Vec<Value> = Vec::new();
    let mut origins = Vec::new();
    for (i, &input) in node.inputs.iter().enumerate().filter(|(i, _)| absorbed[*i]) {
        let producer = graph.producer(input).filter(|_| absorbed[i]);
        for origin in producer.iter().flat_map(|p| &p.origins) {
            if !origins.contains(origin) {
                origins.push(origin.clone());
            }
        }
    }
    for origin in &node.origins {
        if !origins.contains(origin) {
            origins.push(origin.clone());
        }
    }
    let mut builder = ExprBuilder::new();
    let mut slot = |builder: &mut ExprBuilder, value: Value, dtype| -> ExprId {
        let at = inputs.iter().position(|v| *v == value).unwrap_or_else(|| {
            inputs.push(value);
            inputs.len() - 1
        });
        builder.input(at, dtype)
    };
    let output = builder.inline(&map.expr, &mut |builder, i, dtype| {
        let value = node.inputs[i];
        match graph.producer(value).and_then(|p| p.is::<Map>().map(|m| (p, m))) {
            Some((producer, inner)) if absorbed[i] => {
                builder.inline(&inner.expr, &mut |b, j, dtype| slot(b, producer.inputs[j], dtype))
            }
            _ => slot(builder, value, dtype),
        }
    });
    let expr = builder.finish(output);
    let Form { space, row_axes, reduced, .. } = form;
    Fused { map: Map { expr, space, row_axes, reduced }, inputs, origins }
}
