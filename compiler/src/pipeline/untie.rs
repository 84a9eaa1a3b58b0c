//! Makes several constants of one that is several in another variant of the model.
//!
//! One variant may have one matrix where another has two: an embedding and a projection that were trained apart. What
//! reads them then gets a constant of its own in both, so that the variants are one program. The bytes stay one.

use crate::import::raw::{RawAttribute, RawGraph};
use crate::types::{Standing, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// Places, counted over all inputs of nodes and outputs of graphs, that read a constant as another one: which constant,
/// and the number of the other.
#[derive(Default)]
pub(super) struct Places(BTreeMap<usize, (usize, usize)>);

impl Places {
    /// At these places `constant` is the one of number `part`.
    pub(super) fn take(&mut self, constant: usize, part: usize, reads: &[usize]) {
        self.0.extend(reads.iter().map(|&place| (place, (constant, part))));
    }
}

/// A walk over a graph and those in it, in the order in which places and constants are counted.
struct Walk<'a> {
    places: &'a Places,
    standings: &'a [Vec<Standing>],
    replaceable: &'a dyn Fn(&str) -> bool,
    place: usize,
    constant: usize,
    /// Names that the parts of constants got.
    names: BTreeMap<(usize, usize), String>,
    taken: BTreeSet<String>,
}

/// Gives each part of a constant a name of its own. `standings` has those of all parts of each constant.
pub(super) fn untie(
    graph: &mut RawGraph,
    places: &Places,
    standings: &[Vec<Standing>],
    replaceable: &dyn Fn(&str) -> bool,
) {
    if places.0.is_empty() {
        return;
    }
    let mut taken = BTreeSet::new();
    names_of(graph, &mut taken);
    let mut walk =
        Walk { places, standings, replaceable, place: 0, constant: 0, names: BTreeMap::new(), taken };
    walk.graph(graph);
}

fn names_of(graph: &RawGraph, names: &mut BTreeSet<String>) {
    names.extend(graph.initializers.iter().map(|(name, _)| name.clone()));
    names.extend(graph.inputs.iter().map(|input| input.name.clone()));
    for node in &graph.nodes {
        names.extend(node.outputs.iter().flatten().cloned());
        node.attributes.values().flat_map(RawAttribute::graphs).for_each(|g| names_of(g, names));
    }
}

impl Walk<'_> {
    /// Gives the names that the graph, or one in it, reads and that it does not define.
    fn graph(&mut self, graph: &mut RawGraph) -> BTreeSet<String> {
        let mut added = Vec::new();
        for (name, tensor) in &graph.initializers {
            self.parts(name, tensor, &mut added);
        }
        let mut missing = BTreeSet::new();
        for node in &mut graph.nodes {
            for input in &mut node.inputs {
                if let Some(name) = self.name_here() {
                    *input = Some(name.clone());
                    missing.insert(name);
                }
            }
            let is_constant = node.op_type == "Constant";
            let name = node.outputs.first().and_then(Option::clone).unwrap_or_default();
            for attribute in node.attributes.values_mut() {
                match attribute {
                    RawAttribute::Tensor(tensor) if is_constant => self.parts(&name, tensor, &mut added),
                    RawAttribute::Graph(graph) => missing.extend(self.graph(graph)),
                    RawAttribute::Graphs(graphs) => {
                        graphs.iter_mut().for_each(|graph| missing.extend(self.graph(graph)));
                    }
                    _ => {}
                }
            }
        }
        // An output has the name that the model gives it.
        self.place += graph.outputs.len();
        for (name, tensor) in added {
            missing.remove(&name);
            graph.initializers.push((name, tensor));
        }
        missing.iter().for_each(|name| _ = graph.captures.entry(name.clone()).or_insert(None));
        missing
    }

    /// Makes the other parts of the next constant.
    fn parts(&mut self, name: &str, tensor: &Tensor, added: &mut Vec<(String, Tensor)>) {
        let parts = self.standings.get(self.constant).map_or(&[][..], Vec::as_slice);
        for (part, standing) in parts.iter().enumerate().skip(1).filter(|_| !(self.replaceable)(name)) {
            let mut own = format!("{name}#{part}");
            while !self.taken.insert(own.clone()) {
                own.push('#');
            }
            added.push((own.clone(), tensor.clone().standing(*standing)));
            self.names.insert((self.constant, part), own);
        }
        self.constant += 1;
    }

    /// The name of the part that the next place reads, if it is not the first.
    fn name_here(&mut self) -> Option<String> {
        let part = self.places.0.get(&self.place);
        self.place += 1;
        self.names.get(part?).cloned()
    }
}
