//! What a model takes and gives, read from its file without compiling it.

use crate::import::proto::{self, DimensionValue, TypeValue, ValueInfoProto};
use crate::options::ModelSource;
use crate::types::DType;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Inputs, outputs and operators of a model file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Inputs in order, those that have an initializer included.
    pub inputs: Vec<Declared>,
    /// Outputs in order.
    pub outputs: Vec<Declared>,
    /// How often each operator occurs in the graph and its subgraphs, most frequent first.
    pub operators: Vec<(String, usize)>,
    /// Operators of the graph itself in the order of its nodes.
    pub nodes: Vec<String>,
}

/// An input or output as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: Kind,
    /// Whether an initializer gives it a value: then it is no input of the compiled model.
    pub initialized: bool,
}

/// A declared type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tensor: the number of its element type, and extents if at least the rank is known.
    Tensor(i32, Option<Vec<Extent>>),
    /// Something else, by its name with an article.
    Other(&'static str),
}

/// A declared extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A number.
    Fixed(i64),
    /// A symbol by its name; an unnamed one is called after the input and the axis.
    Symbol(String),
}

impl Interface {
    /// Reads a model file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn open(path: &Path) -> Result<Interface, String> {
        let source = ModelSource::open("model", path);
        Interface::read(source.map_err(|e| format!("cannot read {}: {e}", path.display()))?.bytes)
    }

    /// Reads the bytes of a model file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(bytes: Bytes) -> Result<Interface, String> {
        let model = proto::decode(bytes).map_err(|d| d.message)?;
        let graph = model.graph.ok_or("the model has no graph")?;
        let mut initialized: BTreeSet<&str> = BTreeSet::new();
        initialized.extend(graph.initializer.iter().filter_map(|t| t.name.as_deref()));
        initialized.extend(
            graph
                .sparse_initializer
                .iter()
                .filter_map(|t| t.values.as_ref())
                .filter_map(|t| t.name.as_deref()),
        );
        let inputs = graph.input.iter().map(|v| declared(v, &initialized)).collect();
        let outputs = graph.output.iter().map(|v| declared(v, &BTreeSet::new())).collect();
        let mut counts = BTreeMap::new();
        count_operators(&graph, &mut counts);
        let mut operators: Vec<(String, usize)> = counts.into_iter().collect();
        operators.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let nodes = graph.node.iter().map(operator_name).collect();
        Ok(Interface { inputs, outputs, operators, nodes })
    }

    /// The inputs that the compiled model takes.
    pub fn required(&self) -> impl Iterator<Item = &Declared> {
        self.inputs.iter().filter(|i| !i.initialized)
    }

    /// The symbols of the inputs' extents, in order of appearance.
    pub fn symbols(&self) -> Vec<&str> {
        let mut symbols = Vec::new();
        for input in self.required() {
            if let Kind::Tensor(_, Some(extents)) = &input.kind {
                for extent in extents {
                    if let Extent::Symbol(s) = extent
                        && !symbols.contains(&s.as_str())
                    {
                        symbols.push(s.as_str());
                    }
                }
            }
        }
        symbols
    }
}

impl Declared {
    /// The element type, if it is a tensor of one that this compiler computes with.
    pub fn dtype(&self) -> Option<DType> {
        match self.kind {
            Kind::Tensor(code, _) => DType::from_onnx(code),
            Kind::Other(_) => None,
        }
    }

    /// The type's name in ONNX.
    pub fn type_text(&self) -> String {
        match self.kind {
            Kind::Tensor(code, _) => DType::onnx_name(code).to_owned(),
            Kind::Other(name) => name.to_owned(),
        }
    }

    /// The extents as text, `?` for an unknown rank.
    pub fn shape_text(&self) -> Vec<String> {
        match &self.kind {
            Kind::Tensor(_, Some(extents)) => extents
                .iter()
                .map(|e| match e {
                    Extent::Fixed(v) => v.to_string(),
                    Extent::Symbol(s) => s.clone(),
                })
                .collect(),
            _ => vec!["?".to_owned()],
        }
    }
}

fn declared(value: &ValueInfoProto, initialized: &BTreeSet<&str>) -> Declared {
    let name = value.name.clone().unwrap_or_default();
    let kind = match value.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(TypeValue::TensorType(t)) => {
            let extents = t.shape.as_ref().map(|shape| {
                let extent = |(axis, d): (usize, &proto::Dimension)| match &d.value {
                    Some(DimensionValue::DimValue(v)) if *v >= 0 => Extent::Fixed(*v),
                    Some(DimensionValue::DimParam(s)) if !s.is_empty() => Extent::Symbol(s.clone()),
                    _ => Extent::Symbol(format!("{name}_{axis}")),
                };
                shape.dim.iter().enumerate().map(extent).collect()
            });
            Kind::Tensor(t.elem_type.unwrap_or(0), extents)
        }
        Some(TypeValue::SequenceType(_)) => Kind::Other("a sequence"),
        Some(TypeValue::MapType(_)) => Kind::Other("a map"),
        Some(TypeValue::OptionalType(_)) => Kind::Other("an optional"),
        Some(TypeValue::SparseTensorType(_)) => Kind::Other("a sparse tensor"),
        Some(TypeValue::OpaqueType(_)) => Kind::Other("opaque"),
        None => Kind::Other("of no declared type"),
    };
    Declared { initialized: initialized.contains(name.as_str()), name, kind }
}

/// The operator, with its domain unless that is the default one.
fn operator_name(node: &proto::NodeProto) -> String {
    let op = node.op_type.clone().unwrap_or_default();
    match node.domain.as_deref() {
        None | Some("" | "ai.onnx") => op,
        Some(domain) => format!("{domain}.{op}"),
    }
}

fn count_operators(graph: &proto::GraphProto, counts: &mut BTreeMap<String, usize>) {
    for node in &graph.node {
        *counts.entry(operator_name(node)).or_default() += 1;
        for attribute in &node.attribute {
            for inner in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
                count_operators(inner, counts);
            }
        }
    }
}
