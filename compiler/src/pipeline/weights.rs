//! What the report says of constants: which are in the model, where they are stored, and who reads them.

use super::standing::SMALL;
use crate::import::raw::{RawAttribute, RawGraph, RawModel};
use crate::lir::{BufferId, Class, Packing, Program, Step};
use crate::plan::{Plan, Room};
use crate::report::{Report, WeightReport};
use crate::types::{Contents, Origin, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// What is computed from the constants of a model may take so many bytes for each of them that has more than
/// [`SMALL`],
const ROOM_BYTES: usize = 48;
/// and one part in this many of their bytes.
const ROOM_PART: usize = 128;

/// The constants of a model.
pub(super) struct Initializers {
    /// Name, content and bytes.
    list: Vec<(String, usize, u64)>,
    /// The nodes that read each content, or what is computed from constants alone.
    readers: BTreeMap<usize, BTreeSet<Origin>>,
}

impl Initializers {
    /// Collects initializers and the values of Constant nodes, in all graphs.
    pub(super) fn of(raw: &RawModel, contents: &mut Contents) -> Initializers {
        let mut all = Initializers { list: Vec::new(), readers: BTreeMap::new() };
        all.add(&raw.graph, &BTreeMap::new(), contents);
        all
    }

    /// Adds those of a graph. `outer` says which contents values of graphs around it are made of.
    fn add(&mut self, graph: &RawGraph, outer: &BTreeMap<String, BTreeSet<usize>>, contents: &mut Contents) {
        let mut known = outer.clone();
        for (name, tensor) in &graph.initializers {
            known.insert(name.clone(), BTreeSet::from([self.note(name, tensor, contents)]));
        }
        for node in &graph.nodes {
            let mut made_of = BTreeSet::new();
            for input in node.inputs.iter().flatten() {
                let input = known.get(input).into_iter().flatten();
                made_of.extend(input.copied());
            }
            for &content in &made_of {
                self.readers.entry(content).or_default().insert(node.origin.clone());
            }
            let first = node.outputs.first().and_then(Option::as_deref).unwrap_or_default();
            for attribute in node.attributes.values() {
                match attribute {
                    RawAttribute::Tensor(tensor) if node.op_type == "Constant" => {
                        made_of.insert(self.note(first, tensor, contents));
                    }
                    other => other.graphs().iter().for_each(|graph| self.add(graph, &known, contents)),
                }
            }
            let constant = node.inputs.iter().flatten().all(|input| known.contains_key(input));
            for output in node.outputs.iter().flatten().filter(|_| constant && !made_of.is_empty()) {
                known.insert(output.clone(), made_of.clone());
            }
        }
    }

    fn note(&mut self, name: &str, tensor: &Tensor, contents: &mut Contents) -> usize {
        let content = contents.of(tensor).content;
        self.list.push((name.to_owned(), content, tensor.bytes().len() as u64));
        content
    }

    /// Which of a step's nodes read a content: those that do in the file, or else the first.
    fn readers(&self, content: Option<usize>, step: &Step) -> Vec<String> {
        let known = content.and_then(|content| self.readers.get(&content));
        let own = step.origins.iter().filter(|origin| known.is_some_and(|known| known.contains(origin)));
        let own: Vec<String> = own.map(ToString::to_string).collect();
        match step.origins.first() {
            _ if !own.is_empty() => own,
            Some(first) => vec![first.to_string()],
            None => vec![step.summary.clone()],
        }
    }

    /// Bytes of all, and bytes with each content counted once; a matrix and its transpose are one content.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let unique: BTreeMap<usize, u64> =
            self.list.iter().map(|(_, content, bytes)| (*content, *bytes)).collect();
        (self.list.iter().map(|(_, _, bytes)| bytes).sum(), unique.values().sum())
    }

    /// Bytes that what is computed from constants may take in a blob beside them: so many that the constants of the model
    /// stay within one percent and a line each. `raw` has them as the graph will.
    pub(super) fn growth(&self, raw: &RawModel) -> usize {
        let mut seen = BTreeSet::new();
        let mut bytes = 0;
        let mut graphs = vec![&raw.graph];
        while let Some(graph) = graphs.pop() {
            let mut add = |tensor: &Tensor| {
                let len = tensor.bytes().len();
                if len > SMALL && seen.insert((tensor.bytes().as_ptr().addr(), len, tensor.role())) {
                    bytes += ROOM_BYTES.min(len + SMALL - len.next_multiple_of(SMALL));
                }
            };
            graph.initializers.iter().for_each(|(_, tensor)| add(tensor));
            for node in &graph.nodes {
                for attribute in node.attributes.values() {
                    match attribute {
                        RawAttribute::Tensor(tensor) if node.op_type == "Constant" => add(tensor),
                        other => graphs.extend(other.graphs()),
                    }
                }
            }
        }
        let (_, unique) = self.bytes();
        bytes + usize::try_from(unique).unwrap_or(0) / ROOM_PART
    }

    fn names(&self, content: usize) -> impl Iterator<Item = &String> {
        self.list.iter().filter(move |(_, c, _)| *c == content).map(|(name, ..)| name)
    }
}

/// Where each content stands first in the blob.
pub(super) type Firsts = BTreeMap<usize, u64>;

/// Finds where each content of these programs stands first.
pub(super) fn firsts<'a>(
    programs: impl Iterator<Item = (&'a Program, &'a Plan)>,
    contents: &Contents,
) -> Firsts {
    let mut firsts = Firsts::new();
    for (program, plan) in programs {
        for (at, buffer) in program.buffers.iter().enumerate() {
            if let (Class::Const(constant), Room::Blob(place)) = (&buffer.class, plan.rooms[at])
                && let Some(identity) = contents.get(&constant.tensor)
            {
                let first = firsts.entry(identity.content).or_insert(place.offset);
                *first = place.offset.min(*first);
            }
        }
    }
    firsts
}

/// Fills in what the report says of stored constants.
pub(super) fn describe(
    report: &mut Report,
    program: &Program,
    plan: &Plan,
    initializers: &Initializers,
    contents: &Contents,
    firsts: &Firsts,
) {
    let mut stored: BTreeMap<u64, WeightReport> = BTreeMap::new();
    for (at, buffer) in program.buffers.iter().enumerate() {
        let (Class::Const(constant), Room::Blob(place)) = (&buffer.class, plan.rooms[at]) else { continue };
        let content = contents.get(&constant.tensor).map(|identity| identity.content);
        let weight = stored.entry(place.offset).or_insert_with(|| WeightReport {
            names: content.iter().flat_map(|&c| initializers.names(c)).cloned().collect(),
            dtype: buffer.dtype,
            shape: constant.tensor.shape().to_vec(),
            offset: place.offset,
            bytes: place.len,
            layout: layout(&constant.packing),
            readers: Vec::new(),
            second_form: content.is_some_and(|c| firsts.get(&c).is_some_and(|&first| first != place.offset)),
        });
        if weight.names.is_empty() {
            weight.names.push(buffer.name.clone());
        }
    }
    // Where the default of an input stands.
    let mut defaults = BTreeMap::new();
    let replaceable = program.inputs.iter().skip(program.inputs.len() - program.defaults.len());
    for ((tensor, place), port) in program.defaults.iter().zip(&plan.defaults).zip(replaceable) {
        defaults.insert(port.buffer, place.offset);
        let weight = stored.entry(place.offset).or_insert_with(|| WeightReport {
            names: Vec::new(),
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            offset: place.offset,
            bytes: place.len,
            layout: layout(&Packing::Plain),
            readers: Vec::new(),
            second_form: false,
        });
        if !weight.names.contains(&port.name) {
            weight.names.push(port.name.clone());
        }
        if !weight.layout.ends_with(REPLACEABLE) {
            weight.layout.push_str(REPLACEABLE);
        }
    }
    let content_of = |buffer: BufferId| {
        let default = program.inputs.iter().rev().zip(program.defaults.iter().rev());
        let tensor = match &program.buffer(buffer).class {
            Class::Const(constant) => Some(&constant.tensor),
            _ => default.into_iter().find(|(port, _)| port.buffer == buffer).map(|(_, tensor)| tensor),
        };
        Some(contents.get(tensor?)?.content)
    };
    let mut steps: Vec<&Step> = plan.order.iter().rev().map(|&step| &program.steps[step]).collect();
    while let Some(step) = steps.pop() {
        steps.extend(step.blocks().into_iter().flat_map(|block| &block.steps));
        for (buffer, _) in step.own_touches() {
            let offset = match plan.room(buffer) {
                Room::Blob(place) => Some(place.offset),
                _ => defaults.get(&buffer).copied(),
            };
            let Some(weight) = offset.and_then(|offset| stored.get_mut(&offset)) else { continue };
            for reader in initializers.readers(content_of(buffer), step) {
                if !weight.readers.contains(&reader) {
                    weight.readers.push(reader);
                }
            }
        }
    }
    report.weights = stored.into_values().collect();
    report.second_form_bytes = report.weights.iter().filter(|w| w.second_form).map(|w| w.bytes).sum();
}

/// What the layout of a weight says that the program may replace.
const REPLACEABLE: &str = ", replaceable";

fn layout(packing: &Packing) -> String {
    match *packing {
        Packing::Plain => "row-major".to_owned(),
        Packing::Panels { batch: 1, k, n, .. } => format!("panels of 16 columns, {k} x {n}"),
        Packing::Panels { batch, k, n, .. } => format!("{batch} times panels of 16 columns, {k} x {n}"),
        Packing::ConvPanels { groups: 1, .. } => "panels of 16 filters".to_owned(),
        Packing::ConvPanels { groups, .. } => format!("panels of 16 filters, {groups} groups"),
        Packing::Depthwise { .. } => "taps by channels".to_owned(),
        Packing::ConvTransposePanels { .. } => "panels of 16 filters, transposed convolution".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::import::text;
    use crate::options::{ModelSource, Options};
    use crate::report::WeightReport;

    fn weights(model: &str, options: Options) -> Vec<WeightReport> {
        let source = ModelSource::from_bytes("test", text::model_bytes(model));
        let artifact = crate::compile(&[(source, options)]).unwrap_or_else(|d| panic!("{d}"));
        artifact.modules.into_iter().next().map(|module| module.report.weights).unwrap_or_default()
    }

    fn floats(name: &str, shape: &str, first: usize, count: usize) -> String {
        let values: Vec<String> = (first..first + count).map(|v| v.to_string()).collect();
        format!("float[{shape}] {name} = {{{}}}", values.join(","))
    }

    /// A step that computes several nodes does not make all of them readers of all its weights.
    #[test]
    fn every_weight_is_read_by_its_own_node() {
        let names = ["q", "k", "v"];
        let constants: Vec<String> = names
            .iter()
            .enumerate()
            .flat_map(|(at, n)| {
                [
                    floats(&format!("w{n}"), "4,8", 100 * at, 32),
                    floats(&format!("b{n}"), "8", 100 * at + 50, 8),
                ]
            })
            .collect();
        let node = |n: &&str| format!("m{n} = MatMul(x, w{n}) a{n} = Add(m{n}, b{n}) {n} = Tanh(a{n})");
        let nodes: Vec<String> = names.iter().map(node).collect();
        let model = format!(
            "g (float[3,4] x) => (float[3,8] q, float[3,8] k, float[3,8] v) <{}> {{ {} }}",
            constants.join(", "),
            nodes.join(" ")
        );
        let weights = weights(&model, Options::default());
        for n in names {
            for (weight, reader) in
                [(format!("w{n}"), format!("MatMul \"m{n}\"")), (format!("b{n}"), format!("Add \"a{n}\""))]
            {
                let found = weights.iter().find(|w| w.names == [weight.as_str()]);
                assert_eq!(found.map(|w| w.readers.clone()), Some(vec![reader]), "{weight}");
            }
        }
    }

    /// What can be replaced is read where it is, also inside of a node, and has its equals among its names.
    #[test]
    fn replaceable_weights_have_readers_and_names() {
        let twice = [floats("w", "20", 0, 20), floats("v", "20", 0, 20)].join(", ");
        let model = format!(
            "g (bool c, float[20] x) => (float[20] y, float[20] z) <{twice}> {{
                z = Mul(x, v)
                y = If (c) <then_branch = a () => (float[20] p) {{ p = Add(x, w) }},
                            else_branch = b () => (float[20] q) {{ q = Sub(x, w) }}> }}"
        );
        let weights = weights(&model, Options::default().overridable("w"));
        let [weight] = &weights[..] else { panic!("{weights:?}") };
        let mut names = weight.names.clone();
        names.sort();
        assert_eq!(names, ["v", "w"]);
        assert_eq!(weight.layout, "row-major, replaceable");
        let mut readers = weight.readers.clone();
        readers.sort();
        assert_eq!(readers, ["Add \"p\"", "Mul \"z\"", "Sub \"q\""]);
    }
}
