//! `ingrain run`: one model on the user's data.

use super::Stop;
use super::options::SpecialiseArgs;
use super::subject::{self, Subject};
use super::terminal::{self, Progress};
use crate::harness::dataset::{self, DataSet};
use crate::harness::{Builder, Cache, Interface, Profile, Unit, compile_for, exec, npy, suite};
use crate::types::Tensor;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Run a model on data from files
///
/// Compiles the model for the sizes of the data, builds it in release mode, runs it, and prints the outputs or writes
/// them to a folder.
#[derive(clap::Args)]
pub(super) struct Args {
    /// An ONNX file, or a folder that holds a model.onnx; such a folder's first data set gives the inputs that --input
    /// does not
    model: PathBuf,
    /// An input and the file that holds it (.npy, or .pb with a TensorProto)
    #[arg(long = "input", value_name = "NAME=FILE", value_parser = parse_input)]
    inputs: Vec<(String, PathBuf)>,
    /// Write the outputs as NAME.npy into this folder (as NAME.pb where .npy has no such element type)
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    options: SpecialiseArgs,
    /// Seconds after which the run is stopped
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

fn parse_input(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err(format!("\"{text}\" is not NAME=FILE")),
    }
}

const LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(super) fn main(args: &Args) -> Result<ExitCode, Stop> {
    let subject = Subject::at(&args.model)?;
    let refuse = |e: String| Stop::refused(format!("{}: {e}", subject.model.display()));
    let interface = Interface::open(&subject.model).map_err(refuse)?;
    let set = gather(&subject, &interface, &args.inputs)?;
    let mut options = args.options.get();
    subject::bind_rest(&interface, Some(&set), &mut options.dims).map_err(refuse)?;
    let progress = Progress::new("compiling");
    let largest = subject.largest(&interface);
    let compiled = compile_for(&subject.model, options, &[&set.inputs], largest.as_ref(), LIMIT)
        .map_err(|refusal| Stop::refused(refusal.to_string()))?;
    let report = compiled.report.clone();
    let cache = Cache::open()?;
    let say = |text: &str| progress.say(text);
    let builder = Builder::new(&cache, Profile::Release, &say)?;
    let (placed, _) = builder
        .build_one(Unit::new(compiled))
        .map_err(|e| Stop::refused(format!("the generated code does not build:\n{e}")))?;
    progress.say("running");
    let inputs = suite::inputs_in_order(&report, &set)?;
    let run = exec::run(&cache, &placed, &inputs, Duration::from_secs(args.timeout));
    drop(progress);
    let run = run.map_err(|failure| Stop::refused(format!("{failure}")))?;
    if let Some(folder) = &args.output {
        fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    }
    for (port, tensor) in report.outputs.iter().zip(&run.outputs) {
        println!("{}: {}", port.name, describe(tensor));
        if let Some(folder) = &args.output {
            write(folder, &port.name, tensor)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The inputs that the user names, and those of the first data set for the rest.
fn gather(subject: &Subject, interface: &Interface, named: &[(String, PathBuf)]) -> Result<DataSet, Stop> {
    let required: Vec<&str> = interface.required().map(|i| i.name.as_str()).collect();
    let mut set = DataSet { name: "the command line".to_owned(), ..DataSet::default() };
    if required.iter().any(|r| named.iter().all(|(name, _)| name != r))
        && let Some(first) = subject.first_set(interface).map_err(|p| format!("{p}"))?
    {
        set.inputs = first.inputs;
    }
    for (name, file) in named {
        if !required.contains(&name.as_str()) {
            let known = required.join(", ");
            return Err(format!("the model has no input \"{name}\"; its inputs are: {known}").into());
        }
        let tensor = dataset::read_tensor(file).map_err(|p| format!("{p}"))?;
        set.inputs.insert(name.clone(), tensor);
    }
    let missing: Vec<&str> = required.into_iter().filter(|r| !set.inputs.contains_key(*r)).collect();
    if missing.is_empty() {
        return Ok(set);
    }
    let help: Vec<String> = missing.iter().map(|name| format!("--input {name}=FILE.npy")).collect();
    Err(format!("the model needs more inputs; add {}", help.join(" ")).into())
}

/// Type, shape, and the first elements.
fn describe(tensor: &Tensor) -> String {
    const SHOWN: usize = 16;
    let elements: Vec<String> = tensor.scalars().take(SHOWN).map(crate::harness::compare::show).collect();
    let more = if tensor.len() > SHOWN { ", …" } else { "" };
    format!("{} = [{}{more}]", tensor.ty(), elements.join(", "))
}

fn write(folder: &Path, name: &str, tensor: &Tensor) -> Result<(), Stop> {
    let plain: String =
        name.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    // A name of dots alone would be a folder.
    let plain = if plain.trim_matches('.').is_empty() { format!("output{plain}") } else { plain };
    let (path, bytes) = match npy::write(tensor) {
        Ok(bytes) => (folder.join(format!("{plain}.npy")), bytes),
        Err(_) => (folder.join(format!("{plain}.pb")), dataset::pb_bytes(name, tensor)),
    };
    fs::write(&path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    terminal::remark(&format!("wrote {}", path.display()));
    Ok(())
}
