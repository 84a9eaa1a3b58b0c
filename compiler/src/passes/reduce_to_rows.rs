//! Makes row maps of reductions over trailing axes, so that they fuse with what is around them.
//!
//! ```text
//! %1 = Reduce { op: Sum, axes: [1] }(%0)   becomes   %1 = Rows [row_sum(in0)] over [2, 3] reduced rows 1(%0)
//! ```

use crate::diag::Diagnostic;
use crate::expr::ExprBuilder;
use crate::ir::{Graph, NodeData, Rebuild};
use crate::ops::map::Map;
use crate::ops::reduce::Reduce;
use std::rc::Rc;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        match row_map(graph, node) {
            Some(map) => {
                let inputs = rebuild.get_all(&node.inputs);
                let outputs = rebuild.add(Rc::new(map), inputs, None, &node.origins)?;
                rebuild.set(node.outputs[0], outputs[0]);
            }
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

fn row_map(graph: &Graph, node: &NodeData) -> Option<Map> {
    let reduce = node.is::<Reduce>()?;
    let ty = graph.ty(*node.inputs.first()?);
    let row_axes = ty.rank() - reduce.axes.first()?;
    let trailing = (ty.rank() - row_axes..ty.rank()).all(|a| reduce.axes.contains(&a) || ty.shape[a].is(1));
    let mut e = ExprBuilder::new();
    let x = e.input(0, ty.dtype);
    let output = e.reduce(reduce.op, x);
    let map = Map { expr: e.finish(output), space: ty.shape.clone(), row_axes, reduced: true };
    trailing.then_some(map)
}
