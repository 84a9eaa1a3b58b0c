//! Which constants are stored in panels although not all of their readers want them so, and which are not although some
//! do.
//!
//! A product wants its weights in panels, a gather its table in rows. If both read one constant, the gather can pick a
//! row out of the panels; if something else reads it as well, or two products read it in two directions, all of them read
//! the model's order. So each constant is stored once. Of a matrix and its transpose that are both read in the model's
//! order one is stored, and the other one is a view of it. The choice is made over all readers in all programs that ship
//! together, before any of them is lowered.

use crate::ir::{Graph, NodeData, Reading, Value};
use crate::lir::{ConstData, Packing};
use crate::ops::map::unpacked_weights;
use crate::types::{Contents, Identity, Tensor, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// One part in this many of all constants may be stored in a second form where readers disagree.
const SECOND_FORMS_PART: usize = 256;

/// Constants of up to this many bytes may be there twice.
const SMALL: usize = 64;

/// The choice for constants with several readers.
#[derive(Debug, Default)]
pub struct Layouts {
    contents: Contents,
    /// Contents that are stored in panels and that others read slices of; `transposed` as seen by the first constant
    /// that has the content.
    panels: BTreeMap<usize, Packing>,
    /// Contents that must not be packed.
    plain: BTreeSet<usize>,
    /// Contents that are read in the model's order both as they are and transposed: which of the two is stored.
    stored: BTreeMap<usize, Tensor>,
}

/// How a content is read.
#[derive(Clone, Default)]
struct Readers {
    plain: bool,
    slices: bool,
    packed: Vec<Packing>,
    /// Constants that are read whole, in slices and by products: as the first one of the content, and transposed.
    forms: [[Option<Tensor>; 2]; 3],
}

/// Rows of [`Readers::forms`].
const WHOLE: usize = 0;
const SLICED: usize = 1;
const MULTIPLIED: usize = 2;

impl Readers {
    /// The constant to store where a matrix and its transpose are both read in the model's order. `packs` says that
    /// products have a form of their own, `panels` that slices are read out of it.
    fn one_form(&self, packs: bool, panels: bool) -> Option<&Tensor> {
        let read = [true, !panels, !packs];
        let form = |at: usize| {
            self.forms.iter().zip(read).filter(|(_, read)| *read).find_map(|(forms, _)| forms[at].as_ref())
        };
        let (first, turned) = (form(0)?, form(1)?);
        // Slices are best where they lie side by side.
        let sliced = &self.forms[SLICED];
        Some(if sliced[0].is_none() && sliced[1].is_some() { turned } else { first })
    }

    fn add(&mut self, other: Readers, turn: Identity) {
        self.plain |= other.plain;
        self.slices |= other.slices;
        for (own, others) in self.forms.iter_mut().flatten().zip(other.forms.into_iter().flatten()) {
            *own = own.take().or(others);
        }
        for packing in other.packed {
            let packing = turned(packing, turn);
            if !self.packed.contains(&packing) {
                self.packed.push(packing);
            }
        }
    }
}

/// How contents are read, and which of them are one constant in different variants of a model: those are read alike.
#[derive(Default)]
struct Collected {
    readers: BTreeMap<usize, Readers>,
    roles: BTreeMap<u64, Vec<Identity>>,
}

impl Collected {
    /// Contents that belong together, each as seen by the first of them, with all that read any of them.
    fn groups(self) -> Vec<(Vec<Identity>, Readers)> {
        let mut beside: BTreeMap<usize, Vec<Identity>> = BTreeMap::new();
        for pair in self.roles.values().flat_map(|identities| identities.windows(2)) {
            let turn = pair[0].transposed ^ pair[1].transposed;
            for (from, to) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                let to = Identity { content: to.content, transposed: turn };
                beside.entry(from.content).or_default().push(to);
            }
        }
        let mut seen = BTreeSet::new();
        let mut groups = Vec::new();
        for &content in self.readers.keys() {
            let mut members: Vec<Identity> = Vec::new();
            let mut open = vec![Identity { content, transposed: false }];
            let mut all = Readers::default();
            while let Some(member) = open.pop() {
                if !seen.insert(member.content) {
                    continue;
                }
                all.add(self.readers.get(&member.content).cloned().unwrap_or_default(), member);
                members.push(member);
                let next = beside.get(&member.content).into_iter().flatten();
                open.extend(next.map(|&n| Identity { transposed: n.transposed ^ member.transposed, ..n }));
            }
            if !members.is_empty() {
                groups.push((members, all));
            }
        }
        groups
    }
}

impl Layouts {
    /// Chooses for graphs that ship together. `speed` allows any second form. Constants are found by `contents`.
    pub fn choose(graphs: &[&Graph], speed: bool, contents: Contents) -> Layouts {
        let mut layouts = Layouts { contents, ..Layouts::default() };
        let mut collected = Collected::default();
        for graph in graphs {
            layouts.collect(graph, &mut collected);
            // What can be replaced is read as the model has it.
            graph.defaults.iter().for_each(|tensor| layouts.note(tensor, Reading::Plain, &mut collected));
        }
        let total: usize = collected.readers.keys().map(|&c| layouts.contents.bytes(c)).sum();
        let mut budget = if speed { usize::MAX } else { total / SECOND_FORMS_PART };
        for (members, readers) in collected.groups() {
            let bytes: usize = members.iter().map(|member| layouts.contents.bytes(member.content)).sum();
            match &readers.packed[..] {
                [] => {}
                [packing] if !readers.plain => {
                    for &member in members.iter().filter(|_| readers.slices) {
                        layouts.panels.insert(member.content, turned(packing.clone(), member));
                    }
                }
                forms => {
                    let second = bytes * (forms.len() - usize::from(!readers.plain && !readers.slices));
                    match budget.checked_sub(second) {
                        Some(rest) => budget = rest,
                        None => layouts.plain.extend(members.iter().map(|member| member.content)),
                    }
                }
            }
            // Variants of a model may have the two in one of them only.
            if let ([member], false) = (&members[..], speed) {
                let packs = !layouts.plain.contains(&member.content);
                let panels = layouts.panels.contains_key(&member.content);
                if let Some(form) = readers.one_form(packs, panels).filter(|_| bytes > SMALL) {
                    layouts.stored.insert(member.content, form.clone());
                }
            }
        }
        layouts
    }

    fn collect(&mut self, graph: &Graph, collected: &mut Collected) {
        let users = users(graph);
        for (_, node) in graph.nodes() {
            node.op.bodies().into_iter().for_each(|body| self.collect(body, collected));
            let inputs: Vec<&TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
            for (i, &value) in node.inputs.iter().enumerate() {
                let Some(tensor) = graph.constant(value) else { continue };
                self.note(tensor, reading_of(graph, node, i, &inputs, &users), collected);
            }
            for value in node.epilogue.iter().flat_map(|e| &e.inputs) {
                if let Some(tensor) = graph.constant(*value) {
                    self.note(tensor, Reading::Plain, collected);
                }
            }
        }
        for (_, value) in &graph.outputs {
            if let Some(tensor) = graph.constant(*value) {
                self.note(tensor, Reading::Plain, collected);
            }
        }
    }

    fn note(&mut self, tensor: &Tensor, reading: Reading, collected: &mut Collected) {
        let identity = self.contents.of(tensor);
        if let Some(role) = tensor.role() {
            let known = collected.roles.entry(role).or_default();
            if !known.contains(&identity) {
                known.push(identity);
            }
        }
        let readers = collected.readers.entry(identity.content).or_default();
        let mut form = |kind: usize| {
            readers.forms[kind][usize::from(identity.transposed)].get_or_insert_with(|| tensor.clone());
        };
        match reading {
            Reading::Plain => {
                form(WHOLE);
                readers.plain = true;
            }
            Reading::Slices => {
                form(SLICED);
                readers.slices = true;
            }
            Reading::Packed(packing) => {
                form(MULTIPLIED);
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

    /// What is stored in the place of a constant that is read in the model's order, if it is its transpose.
    pub fn transpose_of(&self, tensor: &Tensor) -> Option<&Tensor> {
        let identity = self.contents.get(tensor)?;
        let stored = self.stored.get(&identity.content)?;
        let other = self.contents.get(stored)?;
        (other.transposed != identity.transposed && stored.role() == tensor.role()).then_some(stored)
    }

    /// What is known of the contents of constants.
    pub fn into_contents(self) -> Contents {
        self.contents
    }

    /// Whether two constants, packed so, are the same elements in the same order.
    pub(super) fn are_one(&self, a: &ConstData, b: (&Tensor, &Packing)) -> bool {
        if a.tensor.role() != b.0.role() {
            return false;
        }
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
