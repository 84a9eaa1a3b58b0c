//! Writes the result of an attention in the order that a Transpose would bring it to.
//!
//! ```text
//! %1 = Attention in order [0, 1, 2, 3](…)
//! %2 = Transpose { perm: [0, 2, 1, 3] }(%1)      becomes    %2 = Attention in order [0, 2, 1, 3](…)
//! ```

use crate::diag::Diagnostic;
use crate::ir::{Graph, NodeData, Rebuild};
use crate::ops::attention::Attention;
use crate::ops::movement::{Reshape, Transpose};
use crate::passes::axes::groups;
use std::rc::Rc;

pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let uses = graph.use_counts();
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        let Some((attention, perm)) = ordered(graph, node, &uses) else {
            rebuild.copy(node)?;
            continue;
        };
        let Some(op) = attention.is::<Attention>() else { continue };
        let inputs = rebuild.get_all(&attention.inputs);
        let op = Attention { perm: perm.iter().map(|&a| op.perm[a]).collect(), ..op.clone() };
        let mut value = rebuild.add(Rc::new(op), inputs, None, &attention.origins)?[0];
        let shape = graph.ty(node.outputs[0]).shape.clone();
        if rebuild.new.ty(value).shape != shape {
            value = rebuild.add(Rc::new(Reshape { shape }), vec![value], None, &node.origins)?[0];
        }
        rebuild.set(node.outputs[0], value);
    }
    rebuild.finish()
}

/// The attention whose result `node` brings to another order, and that order. Leading axes may have been merged between.
fn ordered<'g>(graph: &'g Graph, node: &NodeData, uses: &[usize]) -> Option<(&'g NodeData, Vec<usize>)> {
    let transpose = node.is::<Transpose>()?;
    let mut value = node.inputs[0];
    let merged = &graph.ty(value).shape;
    let mut producer = graph.producer(value).filter(|_| uses[value.0 as usize] == 1)?;
    if producer.is::<Reshape>().is_some() {
        value = producer.inputs[0];
        producer = graph.producer(value).filter(|_| uses[value.0 as usize] == 1)?;
    }
    producer.is::<Attention>()?;
    let parts = groups(merged, &graph.ty(value).shape)?;
    let perm: Vec<usize> = transpose.perm.iter().flat_map(|&a| parts[a].clone()).collect();
    (perm.len() == graph.ty(value).rank() && perm.last() == Some(&(perm.len() - 1)))
        .then_some((producer, perm))
}
