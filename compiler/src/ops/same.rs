//! Values that are certainly equal, although they are results of different nodes.
//!
//! `merge_equal` makes one of them, but only after import. A size that depends on data is a symbol from the moment its
//! node is built, so nodes that count the same must be one node already then: models filter several tensors by one mask
//! and count it each time.

use super::map::Map;
use crate::diag::Diagnostic;
use crate::ir::{Def, Graph, NodeData, Op, Value};
use crate::ops::NodeCx;

/// How many pairs of nodes are compared before two values count as different.
const EFFORT: usize = 64;

/// Constants of more bytes than this are equal only if they are one value.
const SMALL: usize = 1 << 10;

impl NodeCx<'_> {
    /// Adds a core node that defines symbols, or finds the node of that kind that already has the same results: `fits`
    /// says which operator has the new one's parameters, its symbols aside.
    ///
    /// # Errors
    /// If the inputs do not fit the operator.
    pub fn add_once<T: Op>(
        &mut self,
        inputs: &[Value],
        fits: impl Fn(&T) -> bool,
        new: impl FnOnce(&mut Self) -> Result<T, Diagnostic>,
    ) -> Result<Vec<Value>, Diagnostic> {
        let graph = &*self.graph;
        let earlier = graph.nodes().map(|(_, node)| node).find(|node| {
            node.epilogue.is_none()
                && node.is::<T>().is_some_and(&fits)
                && all_same(graph, &node.inputs, inputs, &mut EFFORT.clone())
        });
        if let Some(node) = earlier {
            return Ok(node.outputs.clone());
        }
        let op = new(self)?;
        self.add_all(op, inputs)
    }
}

fn all_same(graph: &Graph, a: &[Value], b: &[Value], effort: &mut usize) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| same(graph, a, b, effort))
}

fn same(graph: &Graph, a: Value, b: Value, effort: &mut usize) -> bool {
    if a == b {
        return true;
    }
    if graph.ty(a) != graph.ty(b) {
        return false;
    }
    match (&graph.value(a).def, &graph.value(b).def) {
        (Def::Node(m, i), Def::Node(n, j)) if i == j && *effort > 0 => {
            *effort -= 1;
            let (m, n) = (graph.node(*m), graph.node(*n));
            same_operator(m, n) && all_same(graph, &m.inputs, &n.inputs, effort)
        }
        _ => match (graph.constant(a), graph.constant(b)) {
            (Some(a), Some(b)) => a.bytes().len() <= SMALL && a.bytes() == b.bytes(),
            _ => false,
        },
    }
}

fn same_operator(m: &NodeData, n: &NodeData) -> bool {
    if m.epilogue.is_some() || n.epilogue.is_some() || m.op.has_effect() || !m.op.bodies().is_empty() {
        return false;
    }
    match (m.is::<Map>(), n.is::<Map>()) {
        (Some(m), Some(n)) => m.space == n.space && m.expr == n.expr,
        (None, None) => m.op.name() == n.op.name() && format!("{:?}", m.op) == format!("{:?}", n.op),
        _ => false,
    }
}
