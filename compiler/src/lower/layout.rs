//! Which constants are stored in panels although not all of their readers want them so, and which are not although some
//! do.
//!
//! A product wants its weights in panels, a gather its table in rows. If both read one constant, the gather can pick a
//! row out of the panels; if something else reads it as well, or two products read it in two directions, all of them read
//! the model's order. So each constant is stored once. The choice is made over all readers in all programs that ship
//! together, before any of them is lowered.

use crate::ir::{Graph, NodeData, Reading, Value};
use crate::lir::{ConstData, Packing};
use crate::ops::map::unpacked_weights;
use crate::types::{Contents, Identity, Tensor, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// One part in this many of all constants may be stored in a second form where readers disagree.
const SECOND_FORMS_PART: usize = 256;

/// The choice for constants with several readers.
#[derive(Debug, Default)]
pub struct Layouts {
    contents: Contents,
    /// Contents that are stored in panels and that others read slices of; `transposed` as seen by the first constant
    /// that has the content.
    panels: BTreeMap<usize, Packing>,
    /// Contents that must not be packed.
    plain: BTreeSet<usize>,
}

/// How a content is read.
#[derive(Default)]
struct Readers {
    plain: bool,
    slices: bool,
    packed: Vec<Packing>,
}

impl Layouts {
    /// Chooses for graphs that ship together. `speed` allows any second form. Constants are found by `contents`.
    pub fn choose(graphs: &[&Graph], speed: bool, contents: Contents) -> Layouts {
        let mut layouts = Layouts { contents, ..Layouts::default() };
        let mut readers: BTreeMap<usize, Readers> = BTreeMap::new();
        for graph in graphs {
            layouts.collect(graph, &mut readers);
        }
        let total: usize = readers.keys().map(|&c| layouts.contents.bytes(c)).sum();
        let mut budget = if speed { usize::MAX } else { total / SECOND_FORMS_PART };
        for (content, readers) in readers {
            let bytes = layouts.contents.bytes(content);
            match &readers.packed[..] {
                [] => {}
                [packing] if !readers.plain => {
                    if readers.slices {
                        layouts.panels.insert(content, packing.clone());
                    }
                }
                forms => {
                    let second = bytes * (forms.len() - usize::from(!readers.plain && !readers.slices));
                    match budget.checked_sub(second) {
                        Some(rest) => budget = rest,
                        None => _ = layouts.plain.insert(content),
                    }
                }
            }
        }
        layouts
    }

    fn collect(&mut self, graph: &Graph, readers: &mut BTreeMap<usize, Readers>) {
        let users = users(graph);
        for (_, node) in graph.nodes() {
            node.op.bodies().into_iter().for_each(|body| self.collect(body, readers));
            let inputs: Vec<&TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
            for (i, &value) in node.inputs.iter().enumerate() {
                let Some(tensor) = graph.constant(value) else { continue };
                self.note(tensor, reading_of(graph, node, i, &inputs, &users), readers);
            }
            for value in node.epilogue.iter().flat_map(|e| &e.inputs) {
                if let Some(tensor) = graph.constant(*value) {
                    self.note(tensor, Reading::Plain, readers);
                }
            }
        }
        for (_, value) in &graph.outputs {
            if let Some(tensor) = graph.constant(*value) {
                self.note(tensor, Reading::Plain, readers);
            }
        }
    }

    fn note(&mut self, tensor: &Tensor, reading: Reading, readers: &mut BTreeMap<usize, Readers>) {
        let identity = self.contents.of(tensor);
        let readers = readers.entry(identity.content).or_default();
        match reading {
            Reading::Plain => readers.plain = true,
            Reading::Slices => readers.slices = true,
            Reading::Packed(packing) => {
                let packing = turned(packing.plainest(), identity);
                if !readers.packed.contains(&packing) {
                    readers.packed.push(packing);
                }
            }
        }
    }

    /// Whether a reader gets this constant in a layout of its own.
    pub fn packs(&self, tensor: &Tensor) -> bool {
        self.contents.get(tensor).is_none_or(|identity| !self.plain.contains(&identity.content))
    }

    /// The panels that a reader of slices finds this constant in.
    pub fn panels(&self, tensor: &Tensor) -> Option<Packing> {
        let identity = self.contents.get(tensor)?;
        self.panels.get(&identity.content).map(|packing| turned(packing.clone(), identity))
    }

    /// What is known of the contents of constants.
    pub fn into_contents(self) -> Contents {
        self.contents
    }

    /// Whether two constants, packed so, are the same elements in the same order.
    pub(super) fn are_one(&self, a: &ConstData, b: (&Tensor, &Packing)) -> bool {
        if a.tensor.is(b.0) {
            return a.packing == *b.1;
        }
        let alike = a.tensor.dtype() == b.0.dtype() && a.tensor.len() == b.0.len();
        let Some((x, y)) = self.contents.get(&a.tensor).zip(self.contents.get(b.0)).filter(|_| alike) else {
            return false;
        };
        let panels = matches!(a.packing, Packing::Panels { batch: 1, .. });
        x.content == y.content
            && (panels || x.transposed == y.transposed)
            && turned(a.packing.clone(), x) == turned(b.1.clone(), y)
    }
}

/// The layout as seen by the first constant of the content, given as seen by this one, or the other way round.
fn turned(packing: Packing, identity: Identity) -> Packing {
    match packing {
        Packing::Panels { batch: 1, k, n, transposed } => {
            Packing::Panels { batch: 1, k, n, transposed: transposed ^ identity.transposed }
        }
        other => other,
    }
}

/// The nodes that read each value, and for outputs of the graph `None`.
fn users(graph: &Graph) -> Vec<Vec<Option<&NodeData>>> {
    let mut users = vec![Vec::new(); graph.value_count()];
    for (_, node) in graph.nodes() {
        node.reads().for_each(|value| users[value.0 as usize].push(Some(node)));
    }
    graph.outputs.iter().for_each(|(_, value)| users[value.0 as usize].push(None));
    users
}

/// How a node reads its input `i`. A map of weights reads them as its own readers want them, if they agree.
fn reading_of(
    graph: &Graph,
    node: &NodeData,
    i: usize,
    inputs: &[&TensorType],
    users: &[Vec<Option<&NodeData>>],
) -> Reading {
    let value = node.inputs[i];
    let through = unpacked_weights(graph, node.outputs[0]).is_some_and(|(weights, _)| weights == value);
    if !through {
        return node.op.reading(i, inputs);
    }
    let result = node.outputs[0];
    let mut wanted = users[result.0 as usize].iter().map(|user| match user {
        Some(user) if user.epilogue.iter().all(|e| !e.inputs.contains(&result)) => {
            reading_at(graph, user, result)
        }
        _ => Reading::Plain,
    });
    match wanted.next() {
        Some(first @ Reading::Packed(_)) if wanted.all(|other| other == first) => first,
        _ => Reading::Plain,
    }
}

fn reading_at(graph: &Graph, node: &NodeData, value: Value) -> Reading {
    let inputs: Vec<&TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
    let mut at = node.inputs.iter().enumerate().filter(|(_, v)| **v == value);
    match (at.next(), at.next()) {
        (Some((i, _)), None) => node.op.reading(i, &inputs),
        _ => Reading::Plain,
    }
}

#[cfg(test)]
mod tests;
