//! Test data in the layout of ONNX's backend tests: `test_data_set_*/{input,output}_*.pb` beside `model.onnx`.

use super::interface::{Declared, Interface, Kind};
use super::npy;
use crate::diag::Code;
use crate::import::tensor::{read_tensor_file, write_tensor};
use crate::types::Tensor;
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// One set of inputs with the outputs that they must give.
#[derive(Clone, Debug, Default)]
pub struct DataSet {
    /// Name of its folder.
    pub name: String,
    /// Values by the name of the graph's input.
    pub inputs: BTreeMap<String, Tensor>,
    /// Expected values by the name of the graph's output, in the order of the files.
    pub outputs: Vec<(String, Tensor)>,
}

/// Why data cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is of a kind that this compiler does not compute with.
    Unsupported(String),
    /// It is missing, broken, or contradicts the model.
    Bad(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Problem::Unsupported(text) | Problem::Bad(text)) = self;
        f.write_str(text)
    }
}

impl From<Problem> for String {
    fn from(problem: Problem) -> String {
        problem.to_string()
    }
}

/// What of a data set is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Inputs.
    Inputs,
    /// Inputs and expected outputs.
    All,
}

/// The folders of the data sets in `dir`, in the order of their numbers.
pub fn folders(dir: &Path) -> Vec<PathBuf> {
    let mut found = numbered(dir, "test_data_set_", "");
    found.retain(|p| p.is_dir());
    found
}

/// The model file of a test folder: `model.onnx`, or the only .onnx file there.
///
/// # Errors
/// If there is none, or several of other names.
pub fn model_file(dir: &Path) -> Result<PathBuf, String> {
    let usual = dir.join("model.onnx");
    if usual.is_file() {
        return Ok(usual);
    }
    let entries = std::fs::read_dir(dir).map_err(|e| format!("cannot read {}: {e}", dir.display()))?;
    let mut models: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "onnx")).collect();
    match (models.pop(), models.is_empty()) {
        (Some(model), true) => Ok(model),
        (None, _) => Err(format!("there is no model.onnx in {}", dir.display())),
        (Some(_), false) => {
            Err(format!("{} holds several models, and none is called model.onnx", dir.display()))
        }
    }
}

/// The files `PREFIX<number>SUFFIX` in `dir` by number.
fn numbered(dir: &Path, prefix: &str, suffix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<(u64, PathBuf)> = entries
        .flatten()
        .filter_map(|e| {
            let name = e.file_name().into_string().ok()?;
            let number = name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()?;
            Some((number, e.path()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Reads the data set in the folder `dir` of a model with this interface.
///
/// # Errors
/// What is wrong with it.
pub fn load(dir: &Path, interface: &Interface, parts: Parts) -> Result<DataSet, Problem> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let tensors = |prefix: &str, declared: &[&Declared]| -> Result<Vec<(String, Tensor)>, Problem> {
        let files = numbered(dir, prefix, ".pb");
        if let Some(other) = declared.iter().take(files.len()).find_map(|d| match d.kind {
            Kind::Other(kind) => Some(format!("\"{}\" is {kind}", d.name)),
            Kind::Tensor(..) => None,
        }) {
            return Err(Problem::Unsupported(other));
        }
        files.iter().map(|f| read_pb(f)).collect()
    };
    let all: Vec<&Declared> = interface.inputs.iter().collect();
    let required: Vec<&Declared> = interface.required().collect();
    let inputs = tensors("input_", &required)?;
    // Files for all inputs, or only for those without an initializer.
    let order = if inputs.len() > required.len() { &all } else { &required };
    let inputs = assign(inputs, order, &all, &name, "input")?.into_iter().collect();
    let mut outputs = Vec::new();
    if parts == Parts::All {
        let declared: Vec<&Declared> = interface.outputs.iter().collect();
        outputs = assign(tensors("output_", &declared)?, &declared, &declared, &name, "output")?;
    }
    Ok(DataSet { name, inputs, outputs })
}

/// Gives each tensor the name of its input or output: its own name where it has one, else by position.
fn assign(
    tensors: Vec<(String, Tensor)>,
    order: &[&Declared],
    all: &[&Declared],
    set: &str,
    what: &str,
) -> Result<Vec<(String, Tensor)>, Problem> {
    let known = |name: &str| all.iter().any(|d| d.name == name);
    let by_name = tensors
        .iter()
        .enumerate()
        .all(|(i, (name, _))| known(name) && tensors.iter().take(i).all(|(other, _)| other != name));
    if by_name {
        return Ok(tensors);
    }
    if tensors.len() > order.len() {
        let (files, declared) = (tensors.len(), order.len());
        return Err(Problem::Bad(format!("{set} has {files} {what}s, the model has {declared}")));
    }
    Ok(order.iter().zip(tensors).map(|(d, (_, tensor))| (d.name.clone(), tensor)).collect())
}

/// Reads one tensor of a .pb file, with its name.
///
/// # Errors
/// Why it cannot be read.
pub fn read_pb(path: &Path) -> Result<(String, Tensor), Problem> {
    let bytes =
        std::fs::read(path).map_err(|e| Problem::Bad(format!("cannot read {}: {e}", path.display())))?;
    if bytes.is_empty() {
        return Err(Problem::Bad(format!("{} is empty", path.display())));
    }
    read_tensor_file(Bytes::from(bytes)).map_err(|d| {
        // The folders are said by whoever names the case.
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let text = format!("\"{file}\": {}", d.message);
        if d.code == Code::UnsupportedType { Problem::Unsupported(text) } else { Problem::Bad(text) }
    })
}

/// Reads one tensor of a .npy or .pb file.
///
/// # Errors
/// Why it cannot be read.
pub fn read_tensor(path: &Path) -> Result<Tensor, Problem> {
    if path.extension().is_some_and(|e| e == "pb") {
        return Ok(read_pb(path)?.1);
    }
    let fail = |e: String| Problem::Bad(format!("{}: {e}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    npy::read(&bytes).map_err(fail)
}

/// The bytes of a .pb file with one tensor.
pub fn pb_bytes(name: &str, tensor: &Tensor) -> Vec<u8> {
    write_tensor(name, tensor).encode_to_vec()
}
