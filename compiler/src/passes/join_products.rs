//! Computes products of one operand that stand close together with one call.
//!
//! ```text
//! %1 = MatMul(%0, %a) then [add(in0, in1)](%b)        %1 = MatMul(%0, %a, %b, %c)
//! %2 = MatMul(%0, %c)                        becomes  %2 = Slice[0..8](%1)
//!                                                     %3 = Slice[8..16](%1)
//! ```
//! Projections to queries, keys and values are of this form. Products with another operand in between end a group, so that
//! results do not wait in memory for layers that come much later.

use crate::diag::Diagnostic;
use crate::expr::{Binary, ExprKind};
use crate::ir::{Graph, NodeData, NodeId, Rebuild, Value};
use crate::ops::conv::Conv;
use crate::ops::matmul::MatMul;
use crate::ops::matmul::joined::{JoinedMatMul, Part};
use crate::ops::movement::{Slice, SliceAxis};
use crate::types::{DType, Dim, Origin};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Most products of a group: each needs slices of the blob.
const MOST: usize = 4;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let groups = groups(graph);
    let members: BTreeMap<NodeId, usize> =
        groups.iter().enumerate().flat_map(|(i, g)| g.iter().map(move |&id| (id, i))).collect();
    let mut rebuild = Rebuild::new(graph);
    for (id, node) in graph.nodes() {
        match members.get(&id) {
            Some(&group) if groups[group].first() == Some(&id) => join(graph, &mut rebuild, &groups[group])?,
            Some(_) => {}
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

/// Products that become one, at least two each, in order.
fn groups(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut groups: Vec<Vec<NodeId>> = Vec::new();
    let mut operand: Option<Value> = None;
    for (id, node) in graph.nodes() {
        if node.is::<MatMul>().is_none() && node.is::<Conv>().is_none() {
            continue;
        }
        let bias = part(graph, node);
        let known = operand.filter(|&o| bias.is_some() && o == node.inputs[0]);
        match groups.last_mut().filter(|g| known.is_some() && g.len() < MOST) {
            Some(group) => group.push(id),
            None if bias.is_some() => {
                groups.push(vec![id]);
                operand = Some(node.inputs[0]);
            }
            None => operand = None,
        }
    }
    groups.retain(|g| g.len() > 1);
    groups
}

/// The bias that is all that a product with one constant matrix does besides sums; `None` if it is another product.
fn part(graph: &Graph, node: &NodeData) -> Option<Option<Value>> {
    node.is::<MatMul>()?;
    let matrix = node.inputs[1];
    let ty = graph.ty(node.outputs[0]);
    let fits = graph.constant(matrix).is_some() && graph.ty(matrix).rank() == 2 && ty.dtype == DType::F32;
    let is_output = graph.outputs.iter().any(|(_, v)| *v == node.outputs[0]);
    if !fits || is_output {
        return None;
    }
    let Some(epilogue) = &node.epilogue else { return Some(None) };
    let ExprKind::Binary(Binary::Add, a, b) = epilogue.expr.node(epilogue.expr.output()).kind else {
        return None;
    };
    let mut sides = [epilogue.expr.node(a).kind, epilogue.expr.node(b).kind];
    sides.sort_by_key(|kind| matches!(kind, ExprKind::Input(1)));
    let bias =
        epilogue.inputs.first().copied().filter(|_| sides == [ExprKind::Input(0), ExprKind::Input(1)])?;
    let whole =
        graph.ty(bias).elements() == *ty.shape.last()? && graph.ty(bias).shape.last() == ty.shape.last();
    (whole && graph.constant(bias).is_some()).then_some(Some(bias))
}

fn join(graph: &Graph, rebuild: &mut Rebuild<'_>, group: &[NodeId]) -> Result<(), Diagnostic> {
    let nodes: Vec<&NodeData> = group.iter().map(|&id| graph.node(id)).collect();
    let mut inputs = vec![rebuild.get(nodes[0].inputs[0])];
    let mut parts = Vec::with_capacity(nodes.len());
    let mut origins: Vec<Origin> = Vec::new();
    for node in &nodes {
        let bias = part(graph, node).flatten();
        let transposed = node.is::<MatMul>().is_some_and(|m| m.transposed);
        parts.push(Part { transposed, biased: bias.is_some() });
        inputs.push(rebuild.get(node.inputs[1]));
        if let Some(bias) = bias {
            inputs.push(rebuild.get(bias));
        }
        origins.extend(node.origins.iter().filter(|o| !origins.contains(o)).cloned().collect::<Vec<_>>());
    }
    let joined = rebuild.add(Rc::new(JoinedMatMul { parts }), inputs, None, &origins)?[0];
    let shape = rebuild.new.ty(joined).shape.clone();
    let mut column = Dim::ZERO;
    for node in nodes {
        let extent = graph.ty(node.outputs[0]).shape.last().cloned().unwrap_or(Dim::ONE);
        let mut axes: Vec<SliceAxis> = shape.iter().map(SliceAxis::whole).collect();
        let last = axes.len() - 1;
        axes[last] = SliceAxis { start: column.clone(), step: 1, extent: extent.clone() };
        let slice = rebuild.add(Rc::new(Slice { axes }), vec![joined], None, &node.origins)?[0];
        rebuild.set(node.outputs[0], slice);
        column = &column + &extent;
    }
    Ok(())
}
