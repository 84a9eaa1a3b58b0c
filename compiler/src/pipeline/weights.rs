//! What the report says of constants: which are in the model, where they are stored, and who reads them.

use crate::import::raw::{RawAttribute, RawModel};
use crate::lir::{Class, Packing, Program, Step};
use crate::plan::{Plan, Room};
use crate::report::{Report, WeightReport};
use crate::types::{Contents, Tensor};
use std::collections::BTreeMap;

/// The constants of a model: name, content and bytes.
pub(super) struct Initializers(Vec<(String, usize, u64)>);

impl Initializers {
    /// Collects initializers and the values of Constant nodes, in all graphs.
    pub(super) fn of(raw: &RawModel, contents: &mut Contents) -> Initializers {
        let mut list = Vec::new();
        let mut graphs = vec![&raw.graph];
        while let Some(graph) = graphs.pop() {
            let mut add = |name: &str, tensor: &Tensor| {
                list.push((name.to_owned(), contents.of(tensor).content, tensor.bytes().len() as u64));
            };
            graph.initializers.iter().for_each(|(name, tensor)| add(name, tensor));
            for node in &graph.nodes {
                let name = node.outputs.first().and_then(Option::as_deref).unwrap_or_default();
                for attribute in node.attributes.values() {
                    match attribute {
                        RawAttribute::Tensor(tensor) if node.op_type == "Constant" => add(name, tensor),
                        other => graphs.extend(other.graphs()),
                    }
                }
            }
        }
        Initializers(list)
    }

    /// Bytes of all, and bytes with each content counted once; a matrix and its transpose are one content.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let unique: BTreeMap<usize, u64> =
            self.0.iter().map(|(_, content, bytes)| (*content, *bytes)).collect();
        (self.0.iter().map(|(_, _, bytes)| bytes).sum(), unique.values().sum())
    }

    fn names(&self, content: usize) -> impl Iterator<Item = &String> {
        self.0.iter().filter(move |(_, c, _)| *c == content).map(|(name, ..)| name)
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
    let replaceable = program.inputs.iter().skip(program.inputs.len() - program.defaults.len());
    for ((tensor, place), port) in program.defaults.iter().zip(&plan.defaults).zip(replaceable) {
        let reads = |step: &&Step| step.touches().iter().any(|(buffer, _)| *buffer == port.buffer);
        let reader =
            |step: &Step| step.origins.first().map_or_else(|| step.summary.clone(), |o| o.to_string());
        stored.entry(place.offset).or_insert_with(|| WeightReport {
            names: vec![port.name.clone()],
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            offset: place.offset,
            bytes: place.len,
            layout: "row-major, replaceable".to_owned(),
            readers: program.steps.iter().filter(reads).map(reader).collect(),
            second_form: false,
        });
    }
    let mut steps: Vec<&Step> = plan.order.iter().rev().map(|&step| &program.steps[step]).collect();
    while let Some(step) = steps.pop() {
        steps.extend(step.blocks().into_iter().flat_map(|block| &block.steps));
        for (buffer, _) in step.own_touches() {
            let Room::Blob(place) = plan.room(buffer) else { continue };
            let Some(weight) = stored.get_mut(&place.offset) else { continue };
            let reader = step.origins.first().map_or_else(|| step.summary.clone(), |o| o.to_string());
            if !weight.readers.contains(&reader) {
                weight.readers.push(reader);
            }
        }
    }
    report.weights = stored.into_values().collect();
    report.second_form_bytes = report.weights.iter().filter(|w| w.second_form).map(|w| w.bytes).sum();
}

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
