//! How rooms are tested: models as text in, values, graphs or diagnostics as text out.

use crate::diag::Diagnostics;
use crate::import::{graph, raw, text};
use crate::ir::Graph;
use crate::options::{DimBinding, ExternalData, ModelSource, Options};
use crate::types::{DType, Scalar, Tensor};
use bytes::Bytes;
use std::fmt::Write;
use std::sync::Arc;

/// No files: texts hold their data.
struct NoFiles;

impl ExternalData for NoFiles {
    fn read(&self, location: &str) -> Result<Bytes, String> {
        Err(format!("there is no \"{location}\""))
    }
}

/// The graph of a model given as text; the symbols `n` and `m` may be used, from 1 to 64, and a size that depends on data
/// and is called `found`, up to 16.
fn import(model: &str) -> Result<Graph, Diagnostics> {
    let mut diagnostics = Diagnostics::new("test");
    let source = ModelSource {
        name: "test".into(),
        file: "test".into(),
        bytes: text::model_bytes(model),
        external: Arc::new(NoFiles),
        variants: Vec::new(),
    };
    let mut options = Options::default();
    for symbol in ["n", "m"]
        .into_iter()
        .filter(|s| model.contains(&format!("[{s}")) || model.contains(&format!(",{s}")))
    {
        options.dims.insert(symbol.into(), DimBinding::Range(1, 64));
    }
    if model.contains("found = ") {
        options.dims.insert("found_0".into(), DimBinding::Range(0, 16));
    }
    let built =
        raw::read(&source, &mut diagnostics).map(|raw| graph::build(&raw.graph, &options, &mut diagnostics));
    match built {
        Ok(graph) if diagnostics.is_empty() => {
            graph.verify().unwrap_or_else(|why| panic!("{why}\n{graph}"));
            Ok(graph)
        }
        _ => Err(diagnostics),
    }
}

/// The graph of a model that must be fine.
#[track_caller]
pub(crate) fn graph_of(model: &str) -> Graph {
    import(model).unwrap_or_else(|d| panic!("{d}\n{model}"))
}

/// Everything that is wrong with a model.
#[track_caller]
pub(crate) fn errors_of(model: &str) -> String {
    match import(model) {
        Ok(graph) => panic!("nothing is wrong:\n{graph}"),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

/// The outputs of a model without inputs: one line each, type and elements.
#[track_caller]
pub(crate) fn outputs_of(model: &str) -> String {
    let graph = graph_of(model);
    let outputs = crate::eval::evaluate(&graph, &[]).unwrap_or_else(|why| panic!("{why}\n{graph}"));
    let mut text = String::new();
    for ((name, _), tensor) in graph.outputs.iter().zip(&outputs) {
        writeln!(text, "{name}: {} {}", tensor.ty(), elements(tensor)).expect("strings take all text");
    }
    text
}

/// The elements, floats with at most six digits.
fn elements(tensor: &Tensor) -> String {
    let list: Vec<String> = tensor
        .scalars()
        .map(|s| match s {
            Scalar::Float(_, v) => {
                let rounded: f64 = format!("{v:.5e}").parse().unwrap_or(v);
                format!("{rounded:?}")
            }
            Scalar::Int(DType::U64, v) => v.cast_unsigned().to_string(),
            Scalar::Int(_, v) => v.to_string(),
            Scalar::Bool(v) => v.to_string(),
        })
        .collect();
    format!("{{{}}}", list.join(", "))
}

/// What statements over declared constants give as `r`: one line for each pair, the statements and the value.
#[track_caller]
pub(crate) fn values(cases: &[(&str, &str)]) -> String {
    let line = |(constants, body): &(&str, &str)| {
        let value = outputs_of(&format!("g () => (float[] r) <{constants}> {{ {body} }}"));
        format!("{body}\n{}", value.replace("r: ", "    "))
    };
    cases.iter().map(line).collect()
}

/// Everything that is wrong with the models, one after another.
#[track_caller]
pub(crate) fn all_errors_of(models: &[&str]) -> String {
    models.iter().map(|m| errors_of(m)).collect::<Vec<_>>().join("\n")
}
