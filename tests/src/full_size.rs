//! A table too large to be copied, in every way that models read it.
//!
//! All models are compiled together and share one blob: that it is as large as the table shows that neither a transposed
//! table nor another way to write the product costs a byte. One program holds them, so that all are timed on the same
//! pages, in alternation with plain reading of these pages. onnxruntime runs the same files, each in a process of its
//! own.

mod models;
mod told;

use ingrain_compiler::harness::runtime::Runtime;
use ingrain_compiler::options::{ModelSource, Options};
use ingrain_compiler::{Artifact, BlobSource};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs};

/// What to measure, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rows of the table.
    pub vocabulary: usize,
    /// Columns of the table.
    pub width: usize,
    /// How often everything is timed.
    pub rounds: usize,
    /// Where models and programs are written.
    pub folder: PathBuf,
}

impl Settings {
    /// Bytes of the table.
    fn table_bytes(&self) -> u64 {
        4 * self.vocabulary as u64 * self.width as u64
    }

    fn model(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.onnx"))
    }
}

/// Numbers by name, as child processes print them.
type Numbers = BTreeMap<String, f64>;

/// Measures everything and prints a table. Gives whether all bounds hold.
///
/// # Errors
/// If something cannot be written, compiled or run.
pub fn run(settings: &Settings) -> Result<bool, String> {
    fs::create_dir_all(&settings.folder).map_err(|e| format!("{}: {e}", settings.folder.display()))?;
    let folder = settings.folder.canonicalize().map_err(|e| e.to_string())?;
    let settings = &Settings { folder, ..settings.clone() };
    eprintln!("writing the table and its transpose");
    models::write(settings)?;
    eprintln!("compiling");
    let alone = compile_in_child(settings, &[models::NLLB.name])?;
    let names: Vec<&str> = models::all().iter().map(|model| model.name).collect();
    let bundle = compile_in_child(settings, &names)?;
    eprintln!("building the program");
    let program = build(settings)?;
    eprintln!("running");
    let branches = numbers(Command::new(&program).arg("branches"))?;
    let products = numbers(Command::new(&program).args(["products", &settings.rounds.to_string()]))?;
    eprintln!("running onnxruntime");
    let peers = onnxruntime(settings, &names);
    Ok(told::all(settings, &told::Measured { alone, bundle, branches, products, peers }))
}

/// Compiles models as one bundle into the program's folder and prints what that took. The peak of a process counts from
/// its beginning, so this is one of its own.
///
/// # Errors
/// If a model cannot be compiled or a file cannot be written.
pub fn compile(settings: &Settings, names: &[String]) -> Result<(), String> {
    let start = Instant::now();
    let source = |name: &String| {
        let path = settings.model(name);
        let source = ModelSource::open(name, &path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok((source, Options::default()))
    };
    let sources: Vec<(ModelSource, Options)> = names.iter().map(source).collect::<Result<_, String>>()?;
    let artifact = ingrain_compiler::compile(&sources).map_err(|diagnostics| diagnostics.to_string())?;
    let folder = settings.folder.join("program/src");
    let blob = artifact.write_blob(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    let peak = peak_bytes().unwrap_or(0);
    write_program(&folder, &artifact, &blob)?;
    println!("seconds {seconds}\npeak {peak}\nblob {}", artifact.blob.len());
    for module in &artifact.modules {
        println!("arena_{} {}", module.name, module.report.context_bytes);
        println!("second_forms_{} {}", module.name, module.report.second_form_bytes);
    }
    Ok(())
}

fn write_program(folder: &Path, artifact: &Artifact, blob: &Path) -> Result<(), String> {
    let source = match artifact.blob_source(blob) {
        // What is read to measure bandwidth is what is multiplied.
        BlobSource::File(_) => return Err("the weights should be part of the program".to_owned()),
        inside => artifact.source(&inside).map_err(|diagnostics| diagnostics.to_string())?,
    };
    let source = source.replace("const WEIGHTS:", "pub const WEIGHTS:");
    let write =
        |path: PathBuf, text: &str| fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()));
    write(folder.join("models.rs"), &source)?;
    write(folder.join("main.rs"), include_str!("full_size/program.rs"))?;
    let manifest = format!(
        "[package]\nname = \"full-size\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\ningrain = {}\n",
        Runtime::locate()?.requirement()
    );
    write(folder.with_file_name("Cargo.toml"), &manifest)
}

fn compile_in_child(settings: &Settings, names: &[&str]) -> Result<Numbers, String> {
    let program = env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(program);
    command.arg("--folder").arg(&settings.folder).arg("--compile").args(names);
    numbers(&mut command)
}

fn build(settings: &Settings) -> Result<PathBuf, String> {
    let folder = settings.folder.join("program");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = folder.join("target");
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .map_err(|e| format!("cargo cannot be run: {e}"))?;
    if !built.success() {
        return Err(format!("{} cannot be built", folder.display()));
    }
    Ok(target.join("release/full-size"))
}

/// What onnxruntime takes for each model, or why that is not known.
fn onnxruntime(settings: &Settings, names: &[&str]) -> Result<BTreeMap<String, Numbers>, String> {
    let script = settings.folder.join("onnxruntime_side.py");
    fs::write(&script, include_str!("full_size/onnxruntime_side.py"))
        .map_err(|e| format!("{}: {e}", script.display()))?;
    let measure = |name: &&str| {
        let mut command = Command::new("python3");
        command.arg(&script).arg(settings.model(name)).arg(settings.rounds.to_string());
        numbers(command.stderr(Stdio::null())).map(|numbers| ((*name).to_owned(), numbers))
    };
    names.iter().map(measure).collect()
}

/// Runs a command that prints lines of a name and a number.
fn numbers(command: &mut Command) -> Result<Numbers, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdout(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .map_err(|e| format!("{program}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{program} ended with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |line: &str| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// The most memory that this process had at once, where the system tells.
fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}
