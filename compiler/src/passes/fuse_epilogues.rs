//! Gives products and convolutions the maps that follow them.
//!
//! ```text
//! %3 = Conv(%0, %1)
//! %4 = Map[max(add(in0, in1), 0)](%3, %2)     becomes    %4 = Conv(%0, %1) then [max(add(in0, in1), 0)](%2)
//! ```
//! The map may read, besides the result, tensors of the result's shape (a residual) and tensors that only its last axis
//! tells apart (a bias): that is what kernels can do while they store a row.

use crate::diag::Diagnostic;
use crate::expr::{Expr, ExprBuilder, ExprKind};
use crate::ir::{Def, Epilogue, Graph, NodeData, Rebuild, Value};
use crate::ops::map::Map;
use crate::types::{Dim, Origin};

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
        let Some((producer, epilogue)) = absorb(graph, node, &uses) else {
            rebuild.copy(node)?;
            continue;
        };
        let inputs = rebuild.get_all(&producer.inputs);
        let extra = rebuild.get_all(&epilogue.inputs);
        let mut origins: Vec<Origin> = producer.origins.clone();
        origins.extend(node.origins.iter().filter(|o| !producer.origins.contains(o)).cloned());
        let epilogue = Epilogue { expr: epilogue.expr, inputs: extra };
        let outputs = rebuild.add(producer.op.clone(), inputs, Some(epilogue), &origins)?;
        rebuild.set(node.outputs[0], outputs[0]);
        changed = true;
    }
    Ok((rebuild.finish()?, changed))
}

/// The node whose epilogue `node` becomes, and that epilogue.
fn absorb<'g>(graph: &'g Graph, node: &NodeData, uses: &[usize]) -> Option<(&'g NodeData, Epilogue)> {
    let map = node.is::<Map>().filter(|m| !m.expr.has_reductions() && !m.reduced)?;
    let indexes = map.expr.nodes().any(|(_, n)| matches!(n.kind, ExprKind::Index(_)));
    if indexes || map.expr.dtype() != crate::types::DType::F32 {
        return None;
    }
    // Of several candidates the one computed last: what it adds to is there by then.
    let (_, result) = node
        .inputs
        .iter()
        .filter_map(|&v| match graph.value(v).def {
            Def::Node(id, 0) => Some((id, v)),
            _ => None,
        })
        .filter(|&(id, v)| {
            let reads = node.inputs.iter().filter(|i| **i == v).count();
            graph.node(id).op.accepts_epilogue()
                && graph.ty(v).dtype == crate::types::DType::F32
                && graph.ty(v).shape == map.space
                && uses[v.0 as usize] == reads
        })
        .max()?;
    let producer = graph.producer(result)?;
    let others = node.inputs.iter().filter(|v| **v != result);
    others
        .clone()
        .all(|&v| readable(graph, v, &map.space))
        .then(|| compose(producer, node, map, result))
        .map(|e| (producer, e))
}

/// Whether a kernel can read `value` while it stores rows of a result of this shape.
fn readable(graph: &Graph, value: Value, space: &[Dim]) -> bool {
    let ty = graph.ty(value);
    let per_column = ty.shape.iter().rev().skip(1).all(|d| d.is(1));
    ty.dtype == crate::types::DType::F32 && (ty.shape == space || per_column)
}

/// The map of `node` applied after what `producer` does to its result already.
fn compose(producer: &NodeData, node: &NodeData, map: &Map, result: Value) -> Epilogue {
    let first = producer
        .epilogue
        .clone()
        .unwrap_or_else(|| Epilogue { expr: Expr::identity(crate::types::DType::F32), inputs: Vec::new() });
    let mut inputs = first.inputs.clone();
    let mut builder = ExprBuilder::new();
    let before = builder.inline(&first.expr, &mut |b, i, dtype| b.input(i, dtype));
    let output = builder.inline(&map.expr, &mut |b, i, dtype| {
        let value = node.inputs[i];
        if value == result {
            return before;
        }
        let at = inputs.iter().position(|v| *v == value).unwrap_or_else(|| {
            inputs.push(value);
            inputs.len() - 1
        });
        b.input(at + 1, dtype)
    });
    Epilogue { expr: builder.finish(output), inputs }
}
