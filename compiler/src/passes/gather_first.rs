//! Gathers from a table before the table is mapped, so that only what is gathered is.
//!
//! ```text
//! %1 = Map [f32(in0)](%table)          becomes    %1 = Gather { axis: 0 }(%table, %0)
//! %2 = Gather { axis: 0 }(%1, %0)                 %2 = Map [f32(in0)](%1)
//! ```
//! Embeddings that are stored in half precision or quantised are written down so. The table is a constant, and what it
//! is mapped with are single elements.

use crate::diag::Diagnostic;
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::ops::map::{Map, unpacked_weights};
use crate::ops::select::Gather;
use std::rc::Rc;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        match mapped_table(graph, node) {
            Some((table, producer, map)) => exchange(graph, &mut rebuild, node, table, producer, map)?,
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

/// The constant table of a gather, and the node that maps it.
fn mapped_table<'g>(graph: &'g Graph, node: &NodeData) -> Option<(Value, &'g NodeData, &'g Map)> {
    node.is::<Gather>().filter(|_| node.epilogue.is_none())?;
    let (table, producer) = unpacked_weights(graph, node.inputs[0])?;
    let rank = graph.ty(node.outputs[0]).rank();
    let fit = producer.inputs.iter().all(|&v| v == table || graph.ty(v).rank() <= rank);
    Some((table, producer, producer.is::<Map>()?)).filter(|_| fit)
}

fn exchange(
    graph: &Graph,
    rebuild: &mut Rebuild<'_>,
    node: &NodeData,
    table: Value,
    producer: &NodeData,
    map: &Map,
) -> Result<(), Diagnostic> {
    let operands = vec![rebuild.get(table), rebuild.get(node.inputs[1])];
    let gathered = rebuild.add(node.op.clone(), operands, None, &node.origins)?[0];
    let inputs = producer.inputs.iter();
    let inputs = inputs.map(|&v| if v == table { gathered } else { rebuild.get(v) }).collect();
    let map = Map::new(map.expr.clone(), graph.ty(node.outputs[0]).shape.clone());
    let mapped = rebuild.add(Rc::new(map), inputs, None, &producer.origins)?[0];
    rebuild.set(node.outputs[0], mapped);
    Ok(())
}
