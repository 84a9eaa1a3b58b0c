//! Lets maps compute positions and dimensions where they need them.
//!
//! ```text
//! %1 = Dims { dims: [past] }()
//! %2 = Map [add(index0, in0)] over [seq](%1)
//! %3 = Reshape { shape: [seq, 1] }(%2)
//! %4 = Map [less(in0, in1)] over [seq, n](%0, %3)    becomes    %4 = Map [less(in0, add(index0, size(past)))] over [seq, n](%0)
//! ```
//! What exporters compute from shapes and give to a map (the positions of a range, how far a causal mask is shifted, a
//! factor that depends on a length) has no place in memory then. Comparisons that come out alike everywhere are settled.

mod constants;
mod positions;

use crate::diag::Diagnostic;
use crate::expr::{Expr, ExprBuilder, ExprKind};
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::ops::map::Map;
use crate::ops::reduce::Scan;
use std::rc::Rc;

/// Expressions longer than this are not grown further.
const LARGEST: usize = 64;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        let inputs = rebuild.get_all(&node.inputs);
        let plain = if node.epilogue.is_some() {
            None
        } else if let Some(map) = node.is::<Map>() {
            inlined(&rebuild.new, map, &inputs)
        } else {
            sum_of_zeros(&rebuild.new, node, &inputs).map(|map| (map, Vec::new()))
        };
        match plain {
            Some((map, inputs)) => {
                let outputs = rebuild.add(Rc::new(map), inputs, None, &node.origins)?;
                rebuild.set(node.outputs[0], outputs[0]);
            }
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

/// A map with what is computed from positions alone inlined, and the rest of its inputs; `None` if that changes nothing.
fn inlined(graph: &Graph, map: &Map, inputs: &[Value]) -> Option<(Map, Vec<Value>)> {
    let mut size = map.expr.len();
    let known: Vec<Option<Expr>> = inputs
        .iter()
        .map(|&value| {
            // Numbers may differ from one set of weights to another.
            let computed = graph.constant(value).is_none_or(|tensor| tensor.len() > 1);
            let expr = positions::of(graph, value).filter(|e| computed && size + e.len() <= LARGEST)?;
            size += expr.len();
            let shape = &graph.ty(value).shape;
            let missing = map.space.len() - shape.len();
            Some(positions::at_axes(&expr, &|axis| {
                Some(axis + missing).filter(|&a| shape[axis] == map.space[a])
            }))
        })
        .collect();
    let sizes = |(_, n): (_, crate::expr::ExprNode)| matches!(n.kind, ExprKind::Index(_) | ExprKind::Size(_));
    if known.iter().all(Option::is_none) && !map.expr.nodes().any(sizes) {
        return None;
    }
    let mut left: Vec<Value> = Vec::new();
    let mut builder = ExprBuilder::new();
    let output = builder.inline(&map.expr, &mut |b, i, dtype| {
        if let Some(expr) = &known[i] {
            return b.inline(expr, &mut |b, j, dtype| b.input(j, dtype));
        }
        let at = left.iter().position(|v| *v == inputs[i]).unwrap_or_else(|| {
            left.push(inputs[i]);
            left.len() - 1
        });
        b.input(at, dtype)
    });
    let expr = builder.finish(output).settled(&map.space, &graph.symbols);
    // What was settled is not read any more.
    let read = expr.inputs();
    let kept: Vec<Value> = read.iter().map(|&i| left[i]).collect();
    let expr = expr.with_inputs(&|i| read.iter().position(|&r| r == i).unwrap_or(0));
    (expr != map.expr || kept != inputs).then(|| (Map { expr, ..map.clone() }, kept))
}

/// A running sum of zeros as a map. What looks for the borders of joined sequences makes one where there are none.
fn sum_of_zeros(graph: &Graph, node: &NodeData, inputs: &[Value]) -> Option<Map> {
    node.is::<Scan>().filter(|scan| !scan.product)?;
    let expr = positions::of(graph, inputs[0])?;
    let zero = matches!(expr.node(expr.output()).kind, ExprKind::Const(s) if s.as_f64() == 0.0);
    zero.then(|| Map::new(expr, graph.ty(inputs[0]).shape.clone()))
}
