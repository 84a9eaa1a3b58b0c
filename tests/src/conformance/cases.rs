//! The cases in the unpacked wheel.

use super::light;
use ingrain_compiler::harness::{Case, Interface, Tolerance, dataset};
use ingrain_compiler::options::Options;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Number of cases in the release; another number means that the wheel is not what it should be.
pub const COUNT: usize = 1914;

/// Cases that share a program. They are neighbours by name, so mostly of one operator.
const PER_PROGRAM: usize = 48;

/// A case of the ruler.
pub struct Official {
    /// `node`, `pytorch-converted`, `pytorch-operator`, `simple` or `light`.
    pub kind: &'static str,
    /// The operator it is about; `(models)` where there are several.
    pub operator: String,
    /// The case itself.
    pub case: Case,
}

/// What the backend tests compare with unless a case says otherwise.
const TOLERANCE: Tolerance = Tolerance { rtol: 1e-3, atol: 1e-7 };

/// All cases in `data`, by kind and name. Inputs of light models are made in `scratch`.
///
/// # Errors
/// If the folder is not as expected.
pub fn find(data: &Path, scratch: &Path) -> Result<Vec<Official>, String> {
    let mut found = Vec::new();
    for kind in ["node", "pytorch-converted", "pytorch-operator", "simple"] {
        for folder in folders(&data.join(kind))? {
            let name = file_name(&folder);
            let tolerance = tolerance(&folder.join("data.json"))?;
            let case = Case {
                name,
                model: folder.join("model.onnx"),
                sets: dataset::folders(&folder),
                tolerance,
                options: Options::default(),
                program: 0,
            };
            found.push(Official { kind, operator: String::new(), case });
        }
    }
    // The light models are called `real` where their tolerances are.
    for folder in folders(&data.join("real"))? {
        let case = light::case(&folder, data, scratch, tolerance(&folder.join("data.json"))?)?;
        found.push(Official { kind: "light", operator: String::new(), case });
    }
    for (index, official) in found.iter_mut().enumerate() {
        official.case.program = index / PER_PROGRAM;
    }
    name_operators(&mut found);
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("cannot read {}: {e}", dir.display()))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// The tolerance in a case's `data.json`.
fn tolerance(file: &Path) -> Result<Tolerance, String> {
    let Ok(bytes) = fs::read(file) else { return Ok(TOLERANCE) };
    let json: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(Tolerance {
        rtol: json["rtol"].as_f64().unwrap_or(TOLERANCE.rtol),
        atol: json["atol"].as_f64().unwrap_or(TOLERANCE.atol),
    })
}

/// Finds out which operator each case is about.
fn name_operators(found: &mut [Official]) {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for official in found.iter_mut() {
        official.operator = "(models)".to_owned();
        if official.kind == "node"
            && let Ok(interface) = Interface::open(&official.case.model)
            && let Some(operator) = interface.nodes.iter().find(|op| *op != "Constant")
        {
            official.operator.clone_from(operator);
            by_name.insert(official.case.name.clone(), operator.clone());
        }
    }
    // A function written out as its body is a test of that function.
    for official in found.iter_mut() {
        if let Some((base, _)) = official.case.name.split_once("_expanded")
            && let Some(operator) = by_name.get(base)
        {
            official.operator.clone_from(operator);
        }
    }
}
