//! Compiles the model in the folder that `INGRAIN_MODEL` names, and turns its test data into constants.
//!
//! The model is compiled for the sizes of the first data set, as for a device: sets of other sizes are left out.

use ingrain_compiler::Report;
use ingrain_compiler::build::Models;
use ingrain_compiler::harness::dataset::{self, DataSet, Parts};
use ingrain_compiler::harness::{Interface, bind};
use ingrain_compiler::types::{DType, Tensor};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Arm's MPS2 board with the AN386 image, as QEMU emulates it.
const MEMORY: &str = "MEMORY
{
  FLASH : ORIGIN = 0x00000000, LENGTH = 4M
  RAM : ORIGIN = 0x20000000, LENGTH = 4M
}
";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=INGRAIN_MODEL");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("Cargo sets OUT_DIR")?);
    fs::write(out.join("memory.x"), MEMORY)?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg=-Tlink.x");

    let folder = std::env::var_os("INGRAIN_MODEL")
        .ok_or("set INGRAIN_MODEL to a folder with model.onnx and test_data_set_*, as the ONNX backend tests have them")?;
    let folder = PathBuf::from(folder).canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let path = dataset::model_file(&folder)?;
    let interface = Interface::open(&path)?;
    let mut sets = Vec::new();
    for set in dataset::folders(&folder) {
        sets.push(dataset::load(&set, &interface, Parts::All).map_err(|problem| problem.to_string())?);
    }
    let first = sets.first().ok_or("the folder holds no test data")?;
    let dims = bind::symbol_values(&interface, first)?;
    sets.retain(|set| bind::symbol_values(&interface, set).as_ref() == Ok(&dims));
    let bound =
        |options| dims.iter().fold(options, |options: ingrain_compiler::Options, (n, v)| options.dim(n, *v));
    let reports = Models::new().model("model", &path, bound).compile();
    let report = reports.first().ok_or("one model gives one report")?;
    fs::write(out.join("data.rs"), data(&folder, report, &sets)?)?;
    Ok(())
}

/// The tolerance, and a function that runs every data set.
fn data(folder: &Path, report: &Report, sets: &[DataSet]) -> Result<String, Box<dyn Error>> {
    let tolerance = match fs::read(folder.join("tolerance.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) => serde_json::Value::Null,
    };
    let number = |key: &str, usual: f64| tolerance[key].as_f64().unwrap_or(usual);
    let mut text = format!(
        "const RTOL: f64 = {:e};\nconst ATOL: f64 = {:e};\n",
        number("rtol", 1e-3),
        number("atol", 1e-5)
    );
    text +=
        "fn run_all(model: &mut model::Model<'_>, verdict: &mut Verdict) -> Result<(), ::ingrain::Error> {\n";
    for set in sets {
        writeln!(text, "{{ verdict.begins({:?}); let outputs = model.run(model::Inputs {{", set.name)?;
        for port in &report.inputs {
            let tensor =
                set.inputs.get(&port.name).ok_or_else(|| format!("no data for the input {}", port.name))?;
            writeln!(text, "{}: {},", port.field, constant(tensor)?)?;
        }
        writeln!(text, "}})?;")?;
        for (name, tensor) in &set.outputs {
            let port = report.outputs.iter().find(|port| port.name == *name);
            let field = &port.ok_or_else(|| format!("the model has no output {name}"))?.field;
            writeln!(text, "verdict.compare({name:?}, outputs.{field}, {}); }}", constant(tensor)?)?;
        }
    }
    text += "Ok(()) }\n";
    Ok(text)
}

/// A reference to a constant array.
fn constant(tensor: &Tensor) -> Result<String, String> {
    let elements: Vec<String> = match tensor.dtype() {
        DType::F32 => {
            tensor.to_f32s().iter().map(|value| format!("f32::from_bits({})", value.to_bits())).collect()
        }
        DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::I32 | DType::U32 => {
            tensor.scalars().map(|value| format!("{}", value.as_f64())).collect()
        }
        other => return Err(format!("test data of type {other} is not supported here")),
    };
    Ok(format!("const {{ &[{}] }}", elements.join(",")))
}
