//! Joins neighbouring slices of one value where a concatenation puts them side by side again.
//!
//! ```text
//! %1 = Slice[0..8](%0)
//! %2 = Slice[8..16](%0)
//! %3 = Concat(%1, %2, %9)        becomes    %3 = Concat(%0, %9)
//! ```
//! Split-and-concatenate blocks do this; the joined value can then be computed in its place in the result.

use crate::diag::Diagnostic;
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::ops::movement::{Concat, Slice, SliceAxis};
use crate::types::Dim;
use std::rc::Rc;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        match node.is::<Concat>() {
            Some(concat) => join(&mut rebuild, node, concat)?,
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

fn join(rebuild: &mut Rebuild<'_>, node: &NodeData, concat: &Concat) -> Result<(), Diagnostic> {
    let mut parts: Vec<Value> = Vec::with_capacity(node.inputs.len());
    for input in rebuild.get_all(&node.inputs) {
        let joined = parts.last().and_then(|&last| neighbours(&rebuild.new, last, input, concat.axis));
        match joined {
            Some((source, axes)) => {
                let shape = &rebuild.new.ty(source).shape;
                let whole = axes.iter().zip(shape).all(|(a, extent)| a.is_whole(extent));
                parts.pop();
                parts.push(if whole {
                    source
                } else {
                    rebuild.add(Rc::new(Slice { axes }), vec![source], None, &node.origins)?[0]
                });
            }
            None => parts.push(input),
        }
    }
    let value = match parts[..] {
        [only] => only,
        _ => rebuild.add(node.op.clone(), parts, None, &node.origins)?[0],
    };
    rebuild.set(node.outputs[0], value);
    Ok(())
}

/// The value that `a` and `b` are neighbouring slices of along `axis`, and the slice of both.
fn neighbours(graph: &Graph, a: Value, b: Value, axis: usize) -> Option<(Value, Vec<SliceAxis>)> {
    let slice = |v: Value| graph.producer(v).and_then(|p| p.is::<Slice>().map(|s| (p.inputs[0], &s.axes)));
    let ((source, first), (other, second)) = (slice(a)?, slice(b)?);
    let same_elsewhere = (0..first.len()).filter(|&i| i != axis).all(|i| first[i] == second[i]);
    let (x, y) = (&first[axis], &second[axis]);
    let adjacent = x.step == y.step && &x.start + &(&x.extent * &Dim::from(x.step)) == y.start;
    (source == other && same_elsewhere && adjacent).then(|| {
        let mut axes = first.clone();
        axes[axis].extent = &x.extent + &y.extent;
        (source, axes)
    })
}
