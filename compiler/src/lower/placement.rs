//! Concatenation without copies: producers write straight into their part of the joined buffer.
//!
//! ```text
//! %2 = Map[…](%0)      %3 = Conv(%1, …)      %4 = Concat { axis: 1 }(%2, %3)
//! ```
//! Here `%2` and `%3` are views into the buffer of `%4`, and the Concat has nothing left to do. Reshapes and transposes
//! between the producer and the Concat are undone on the way; a Concat that feeds a Concat composes. A place is an offer:
//! a step never reads the buffer that it writes, so where a producer would, [`super::LowerCx`] keeps its result in a
//! buffer of its own.

#[cfg(test)]
mod tests;

use super::view::View;
use crate::ir::{Def, Graph, NodeData, NodeId, Value};
use crate::lir::{Buffer, BufferId, Class, Program};
use crate::ops::movement::{Concat, Reshape, Restate, Transpose};
use crate::types::{Dim, Symbol};
use std::collections::HashMap;

/// For each value that is written into a part of a larger buffer: where. `results` of the graph have their places
/// already.
pub(super) fn place(graph: &Graph, program: &mut Program, results: &[(Value, View)]) -> Vec<Option<View>> {
    let defined = |(id, node): (NodeId, &NodeData)| node.op.defines().into_iter().map(move |s| (s, id));
    let mut placement = Placement {
        graph,
        placed: vec![None; graph.value_count()],
        uses: graph.use_counts(),
        defined: graph.nodes().flat_map(defined).collect(),
    };
    for (value, view) in results {
        placement.claim_result(*value, view);
    }
    for (_, node) in graph.nodes().collect::<Vec<_>>().into_iter().rev() {
        if let Some(concat) = node.is::<Concat>() {
            placement.join(node, concat, program);
        }
    }
    placement.placed
}

struct Placement<'g> {
    graph: &'g Graph,
    placed: Vec<Option<View>>,
    uses: Vec<usize>,
    /// Which node finds the size that a symbol stands for.
    defined: HashMap<Symbol, NodeId>,
}

impl<'g> Placement<'g> {
    /// Gives the inputs of a Concat their places.
    fn join(&mut self, node: &'g NodeData, concat: &Concat, program: &mut Program) {
        let output = node.outputs[0];
        let data = self.graph.value(output);
        let nested = self.placed[output.0 as usize].is_some();
        let whole = self.placed[output.0 as usize].clone().unwrap_or_else(|| {
            View::dense(BufferId(program.buffers.len() as u32), data.ty.dtype, &data.ty.shape)
        });
        let mut before = Dim::ZERO;
        let mut any = false;
        for &input in &node.inputs {
            let extent = &self.graph.ty(input).shape[concat.axis];
            any |= self.claim(input, &concat.part(&whole, &before, extent));
            before = &before + extent;
        }
        if any && !nested {
            program.buffers.push(Buffer {
                dtype: data.ty.dtype,
                len: data.ty.elements(),
                class: Class::Arena,
                name: data.name.clone().unwrap_or_default(),
            });
            self.placed[output.0 as usize] = Some(whole);
        }
    }

    /// Places a value, if its producer can write there.
    fn claim(&mut self, value: Value, view: &View) -> bool {
        if self.graph.outputs.iter().any(|(_, v)| *v == value) {
            return false;
        }
        self.claim_result(value, view)
    }

    /// Places a value that may be a result of the graph, if its producer can write there.
    fn claim_result(&mut self, value: Value, view: &View) -> bool {
        let Def::Node(id, output) = self.graph.value(value).def else { return false };
        if self.placed[value.0 as usize].is_some() || output != 0 {
            return false;
        }
        if !self.known_before(id, view) {
            return false;
        }
        let node = self.graph.node(id);
        let placed = if let Some(before) = undone(self.graph, node, view) {
            // A reshape that has to copy copies to the place.
            self.claim(node.inputs[0], &before)
                || (node.is::<Reshape>().is_some() && self.uses[value.0 as usize] == 1)
        } else {
            node.op.writes_strided()
        };
        if placed {
            self.placed[value.0 as usize] = Some(view.clone());
        }
        placed
    }

    /// Whether all sizes that say where a view is are known when a node runs; and those of its extents, unless the node
    /// finds them itself.
    fn known_before(&self, id: NodeId, view: &View) -> bool {
        let (mut place, mut extents) = (Vec::new(), Vec::new());
        view.offset.symbols(&mut place);
        view.strides.iter().for_each(|stride| stride.symbols(&mut place));
        view.shape.iter().for_each(|extent| extent.symbols(&mut extents));
        let found = |symbol: &Symbol| self.defined.get(symbol).map(|id| id.0);
        place.iter().all(|s| found(s).is_none_or(|at| at < id.0))
            && extents.iter().all(|s| found(s).is_none_or(|at| at <= id.0))
    }
}

/// Where the input of a reshape or transpose must be for its result to be at `view`.
pub(super) fn undone(graph: &Graph, node: &NodeData, view: &View) -> Option<View> {
    if let Some(transpose) = node.is::<Transpose>() {
        return Some(view.permuted(&Transpose::inverse(&transpose.perm)));
    }
    if node.is::<Restate>().is_some() {
        return Some(View { shape: graph.ty(node.inputs[0]).shape.clone(), ..view.clone() });
    }
    node.is::<Reshape>()?;
    view.reshaped(&graph.ty(node.inputs[0]).shape)
}
