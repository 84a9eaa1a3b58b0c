//! The model as the graph builder wants it: validated, resolved, local functions inlined.
//!
//! Invariant of a [`RawGraph`]: nodes stand after everything they read; every name is defined once in its graph; a
//! name that is read is defined in the graph or in one around it, or else stands in [`RawGraph::failed`] and was
//! reported. Nodes that cannot be read are left out, their outputs stand in `failed` too, so that a later stage goes
//! on with the rest and one run lists all problems.

mod build;
mod order;
mod settle;
mod value;

pub(super) use build::{Builder, Draft, Scope};
pub use value::{RawDim, RawType, RawValue};

use super::proto::{self, AttributeType, ModelProto, OperatorSetIdProto};
use crate::diag::{Code, Diagnostic, Diagnostics, Reported};
use crate::options::ModelSource;
use crate::types::{Origin, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// Oldest version of the file format that is read. Before it, operators had no versions.
pub const MIN_IR_VERSION: i64 = 3;
/// Newest known version of the file format.
pub const MAX_IR_VERSION: i64 = 13;
/// Newest known operator set versions by domain. What is not listed is known to the rooms only.
pub const MAX_OPSETS: [(&str, i64); 2] = [("", 27), ("ai.onnx.ml", 5)];

/// A model.
#[derive(Clone, Debug)]
pub struct RawModel {
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of the operators by domain. The default domain is `""`.
    pub opsets: BTreeMap<String, i64>,
    /// What is computed.
    pub graph: RawGraph,
}

/// A graph, of a model or in an attribute.
#[derive(Clone, Debug, Default)]
pub struct RawGraph {
    /// Name.
    pub name: String,
    /// Inputs that are given at run time: those of the model that have an initializer are not among them.
    pub inputs: Vec<RawValue>,
    /// Outputs.
    pub outputs: Vec<RawValue>,
    /// Constants by name.
    pub initializers: Vec<(String, Tensor)>,
    /// Types that the file states for some values. They are hints, not always right.
    pub value_info: BTreeMap<String, RawType>,
    /// Nodes in topological order, otherwise in the order of the file.
    pub nodes: Vec<RawNode>,
    /// Values of graphs around this one that are read in it, and the first node that reads each (no node if it is
    /// passed on as an output).
    pub captures: BTreeMap<String, Option<Origin>>,
    /// Values whose definition was reported as wrong or missing; they have no other definition.
    pub failed: BTreeSet<String>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct RawNode {
    /// Where it stands in the file; nodes of local functions carry the path of names that leads to them.
    pub origin: Origin,
    /// Operator.
    pub op_type: String,
    /// Its domain; the default one is `""`.
    pub domain: String,
    /// Version of that domain's operators.
    pub opset_version: i64,
    /// Inputs; `None` where an optional one is left out.
    pub inputs: Vec<Option<String>>,
    /// Outputs; `None` where nobody wants one.
    pub outputs: Vec<Option<String>>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, RawAttribute>,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub enum RawAttribute {
    /// An integer.
    Int(i64),
    /// Integers.
    Ints(Vec<i64>),
    /// A float.
    Float(f32),
    /// Floats.
    Floats(Vec<f32>),
    /// A string, in UTF-8 by convention.
    String(Vec<u8>),
    /// Strings.
    Strings(Vec<Vec<u8>>),
    /// A tensor (a sparse one in dense form).
    Tensor(Tensor),
    /// Tensors.
    Tensors(Vec<Tensor>),
    /// A graph.
    Graph(Box<RawGraph>),
    /// Graphs.
    Graphs(Vec<RawGraph>),
    /// A type.
    TypeProto(RawType),
    /// Types.
    TypeProtos(Vec<RawType>),
}

impl RawAttribute {
    /// What it holds, in ONNX spelling.
    pub fn kind(&self) -> &'static str {
        match self {
            RawAttribute::Int(_) => "INT",
            RawAttribute::Ints(_) => "INTS",
            RawAttribute::Float(_) => "FLOAT",
            RawAttribute::Floats(_) => "FLOATS",
            RawAttribute::String(_) => "STRING",
            RawAttribute::Strings(_) => "STRINGS",
            RawAttribute::Tensor(_) => "TENSOR",
            RawAttribute::Tensors(_) => "TENSORS",
            RawAttribute::Graph(_) => "GRAPH",
            RawAttribute::Graphs(_) => "GRAPHS",
            RawAttribute::TypeProto(_) => "TYPE_PROTO",
            RawAttribute::TypeProtos(_) => "TYPE_PROTOS",
        }
    }

    /// The graphs in it.
    pub fn graphs(&self) -> &[RawGraph] {
        match self {
            RawAttribute::Graph(graph) => std::slice::from_ref(graph),
            RawAttribute::Graphs(graphs) => graphs,
            _ => &[],
        }
    }
}

/// Reads the model of `source`. What is wrong goes to `diagnostics`; the model may be usable in part.
///
/// # Errors
/// If there is no graph to go on with.
pub fn read(source: &ModelSource, diagnostics: &mut Diagnostics) -> Result<RawModel, Reported> {
    let model = proto::decode(source.bytes.clone()).map_err(|d| diagnostics.report(d))?;
    resolve(model, source, diagnostics)
}

/// Resolves a decoded model.
///
/// # Errors
/// If there is no graph to go on with.
pub fn resolve(
    mut model: ModelProto,
    source: &ModelSource,
    diagnostics: &mut Diagnostics,
) -> Result<RawModel, Reported> {
    let ir_version = model.ir_version.unwrap_or(0);
    check_ir_version(ir_version, diagnostics);
    let opsets = read_opsets(&model.opset_import, diagnostics);
    settle::settle(&mut model);
    let Some(graph) = model.graph.take() else {
        return Err(diagnostics
            .report(bad("the model has no graph").help("check that the file is a model and not a tensor")));
    };
    let graph = Builder::new(&model, &opsets, source.external.as_ref(), diagnostics).model_graph(&graph);
    Ok(RawModel { ir_version, opsets, graph })
}

fn bad(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::BadModel, message)
}

fn check_ir_version(version: i64, diagnostics: &mut Diagnostics) {
    if !(MIN_IR_VERSION..=MAX_IR_VERSION).contains(&version) {
        let help = match version < MIN_IR_VERSION {
            true => "convert the model with a recent version of the onnx package",
            false => "export for an older version of ONNX, or use a newer version of this compiler",
        };
        diagnostics.report(
            bad(format!("the model's IR version is {version}"))
                .note(format!("supported: {MIN_IR_VERSION} to {MAX_IR_VERSION}"))
                .help(help),
        );
    }
}

/// The name that a domain goes by here.
pub(super) fn domain(name: Option<&str>) -> &str {
    match name.unwrap_or("") {
        "ai.onnx" => "",
        other => other,
    }
}

/// The domain's name in messages.
fn domain_title(domain: &str) -> &str {
    if domain.is_empty() { "ai.onnx" } else { domain }
}

/// The versions that a model or a function is written for.
pub(super) fn read_opsets(
    imports: &[OperatorSetIdProto],
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, i64> {
    let mut opsets = BTreeMap::new();
    for import in imports {
        let (domain, version) = (domain(import.domain.as_deref()), import.version.unwrap_or(0));
        let newest = MAX_OPSETS.iter().find(|(d, _)| *d == domain).map_or(i64::MAX, |(_, v)| *v);
        if !(1..=newest).contains(&version) {
            let title = domain_title(domain);
            let mut d = bad(format!("the model asks for version {version} of the operators of {title}"));
            if newest != i64::MAX {
                d = d.note(format!("known versions: 1 to {newest}"));
            }
            diagnostics.report(
                d.help("export for an older operator set, or convert the model with onnx.version_converter"),
            );
        }
        if let Some(other) = opsets.insert(domain.to_owned(), version)
            && other != version
        {
            let title = domain_title(domain);
            diagnostics
                .report(bad(format!("the model asks for versions {other} and {version} of {title} at once")));
        }
    }
    opsets
}

/// What an attribute holds; files of IR version 1 and careless exporters leave it out.
fn attribute_type(attribute: &proto::AttributeProto) -> AttributeType {
    let stated = AttributeType::try_from(attribute.r#type.unwrap_or(0)).unwrap_or(AttributeType::Undefined);
    if stated != AttributeType::Undefined {
        return stated;
    }
    let present = [
        (attribute.f.is_some(), AttributeType::Float),
        (attribute.i.is_some(), AttributeType::Int),
        (attribute.s.is_some(), AttributeType::String),
        (attribute.t.is_some(), AttributeType::Tensor),
        (attribute.g.is_some(), AttributeType::Graph),
        (attribute.sparse_tensor.is_some(), AttributeType::SparseTensor),
        (attribute.tp.is_some(), AttributeType::TypeProto),
        (!attribute.floats.is_empty(), AttributeType::Floats),
        (!attribute.ints.is_empty(), AttributeType::Ints),
        (!attribute.strings.is_empty(), AttributeType::Strings),
        (!attribute.tensors.is_empty(), AttributeType::Tensors),
        (!attribute.graphs.is_empty(), AttributeType::Graphs),
        (!attribute.sparse_tensors.is_empty(), AttributeType::SparseTensors),
        (!attribute.type_protos.is_empty(), AttributeType::TypeProtos),
    ];
    present.iter().find(|(there, _)| *there).map_or(AttributeType::Undefined, |(_, ty)| *ty)
}

#[cfg(test)]
pub(in crate::import) mod tests;
