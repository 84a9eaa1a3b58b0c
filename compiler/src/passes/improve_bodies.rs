//! Runs all passes over the graphs inside of nodes.
//!
//! ```text
//! %3 = Branch { %2 = Add(%0, %1) } else { … }(%c, %x, 0.5)
//! becomes   %3 = Branch { %2 = Map [add(in0, 0.5)](%0) } else { … }(%c, %x)
//! ```
//! What a graph reads from outside becomes a constant in it where it is one by now, and is left out where nothing reads
//! it any more.

use crate::diag::Diagnostic;
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::types::Tensor;

/// Runs the pass.
///
/// # Errors
/// If a graph, with what is known by now, does not hold together: a model that contradicts itself.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        if node.op.bodies().is_empty() || !improved(&mut rebuild, node)? {
            rebuild.copy(node)?;
        }
    }
    rebuild.finish()
}

fn improved(rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<bool, Diagnostic> {
    let inputs = rebuild.get_all(&node.inputs);
    let bodies = node.op.bodies();
    // Inputs of a node that are not captured stand first; a body's own stand first too.
    let captured = captured_inputs(node);
    let outer = &inputs[inputs.len() - captured..];
    let constants: Vec<Option<Tensor>> = outer.iter().map(|&v| rebuild.new.constant(v).cloned()).collect();
    let mut done = Vec::with_capacity(bodies.len());
    for body in bodies {
        let body = with_constants(body, &constants)?;
        done.push(super::run(body, &[], &mut Vec::new())?);
    }
    let open: Vec<usize> = (0..captured).filter(|&i| constants[i].is_none()).collect();
    let read: Vec<Vec<bool>> = done.iter().map(|body| reads(body, open.len())).collect();
    let kept: Vec<usize> = (0..open.len()).filter(|&i| read.iter().any(|r| r[i])).collect();
    let mut slim = Vec::with_capacity(done.len());
    for body in &done {
        slim.push(with_inputs(body, open.len(), &kept)?);
    }
    let Some(op) = node.op.with_bodies(slim) else { return Ok(false) };
    let mut new_inputs = inputs[..inputs.len() - captured].to_vec();
    new_inputs.extend(kept.iter().map(|&i| outer[open[i]]));
    let outputs = rebuild.add(op.into(), new_inputs, None, &node.origins)?;
    for (&old, new) in node.outputs.iter().zip(outputs) {
        rebuild.set(old, new);
    }
    Ok(true)
}

/// How many of the last inputs of a node are the last inputs of its bodies.
fn captured_inputs(node: &NodeData) -> usize {
    node.op.bodies().iter().map(|body| body.inputs.len()).min().unwrap_or(0) - node.op.carried()
}

/// The graph with some of its last inputs made constants.
fn with_constants(body: &Graph, constants: &[Option<Tensor>]) -> Result<Graph, Diagnostic> {
    let own = body.inputs.len() - constants.len();
    let constant = |i: usize| i.checked_sub(own).and_then(|i| constants[i].as_ref());
    rebuilt(body, &|i| constant(i).is_none(), &|rebuild, i, old| {
        if let Some(tensor) = constant(i) {
            let value = rebuild.new.add_const(tensor.clone());
            rebuild.set(old, value);
        }
    })
}

/// The graph with only those of its last `open` inputs that are in `kept`.
fn with_inputs(body: &Graph, open: usize, kept: &[usize]) -> Result<Graph, Diagnostic> {
    let own = body.inputs.len() - open;
    rebuilt(body, &|i| i < own || kept.contains(&(i - own)), &|_, _, _| ())
}

fn rebuilt(
    body: &Graph,
    keep: &dyn Fn(usize) -> bool,
    replace: &dyn Fn(&mut Rebuild<'_>, usize, Value),
) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::with_inputs(body, keep);
    for (i, &input) in body.inputs.iter().enumerate() {
        replace(&mut rebuild, i, input);
    }
    for (_, node) in body.nodes() {
        rebuild.copy(node)?;
    }
    rebuild.finish()
}

/// Which of the last `open` inputs are read.
fn reads(body: &Graph, open: usize) -> Vec<bool> {
    let counts = body.use_counts();
    body.inputs[body.inputs.len() - open..].iter().map(|v| counts[v.0 as usize] > 0).collect()
}
