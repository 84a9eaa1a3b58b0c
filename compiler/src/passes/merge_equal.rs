//! Makes one node of nodes that compute the same from the same, and one constant of equal small ones.
//!
//! ```text
//! %2 = Transpose { perm: [1, 0] }(%0)
//! %3 = Transpose { perm: [1, 0] }(%0)   becomes   (%3 is %2)
//! ```

use crate::diag::Diagnostic;
use crate::ir::{Graph, NodeData, NodeId, Rebuild, Value};
use crate::ops::map::Map;
use crate::types::Tensor;
use std::collections::HashMap;

/// Constants of at most this many bytes are compared by their bytes; others are the same if they share memory.
const SMALL_CONSTANT: usize = 4 << 10;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    merge_constants(graph, &mut rebuild);
    // What a node computes, as text; the nodes of the old graph that compute it.
    let mut known: HashMap<String, Vec<NodeId>> = HashMap::new();
    for (id, node) in graph.nodes() {
        if node.op.has_effect() {
            rebuild.copy(node)?;
            continue;
        }
        let key = key(graph, &mut rebuild, node);
        let same = known.entry(key).or_default();
        match same.iter().find(|&&other| same_expression(graph.node(other), node)) {
            Some(&other) => {
                for (&old, &twin) in node.outputs.iter().zip(&graph.node(other).outputs) {
                    let value = rebuild.get(twin);
                    rebuild.set(old, value);
                }
            }
            None => {
                same.push(id);
                rebuild.copy(node)?;
            }
        }
    }
    rebuild.finish()
}

fn merge_constants(graph: &Graph, rebuild: &mut Rebuild<'_>) {
    let mut known: HashMap<Vec<u8>, Value> = HashMap::new();
    for index in 0..graph.value_count() {
        let value = Value(index as u32);
        let Some(tensor) = graph.constant(value) else { continue };
        let first = *known.entry(identity(tensor)).or_insert(value);
        if first != value {
            let merged = rebuild.get(first);
            rebuild.set(value, merged);
        }
    }
}

/// Bytes that are equal for equal constants.
fn identity(tensor: &Tensor) -> Vec<u8> {
    let mut identity = tensor.ty().to_string().into_bytes();
    if tensor.bytes().len() <= SMALL_CONSTANT {
        identity.extend_from_slice(tensor.bytes());
    } else {
        identity.extend(tensor.bytes().as_ptr().addr().to_le_bytes());
    }
    // What is equal in one variant of a model need not be in another.
    identity.extend(tensor.role().iter().flat_map(|role| role.to_le_bytes()));
    identity
}

fn key(graph: &Graph, rebuild: &mut Rebuild<'_>, node: &NodeData) -> String {
    let inputs = rebuild.get_all(&node.inputs);
    let types: Vec<String> = node.outputs.iter().map(|&o| graph.ty(o).to_string()).collect();
    let epilogue = node.epilogue.as_ref().map(|e| (e.expr.to_string(), rebuild.get_all(&e.inputs)));
    format!("{:?} {inputs:?} {types:?} {epilogue:?}", node.op)
}

/// The text of expressions leaves out the types of constants.
fn same_expression(a: &NodeData, b: &NodeData) -> bool {
    let maps = match (a.is::<Map>(), b.is::<Map>()) {
        (Some(a), Some(b)) => a.expr == b.expr,
        (None, None) => true,
        _ => false,
    };
    maps && a.epilogue.as_ref().map(|e| &e.expr) == b.epilogue.as_ref().map(|e| &e.expr)
}
