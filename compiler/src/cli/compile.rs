//! `ingrain compile`: models become source files and one blob of weights.

mod write;

use super::subject::{self, Subject};
use super::terminal::{self, Progress};
use super::{ChoiceArgs, DimArgs, Stop};
use crate::harness::guard;
use crate::options::{ModelSource, Options};
use crate::report::Report;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Compile models to Rust source and one file of weights
///
/// Writes NAME.rs for each MODEL, and one .blob file that they share. Put them into your `src` and write `mod NAME;`;
/// they need only the crate `ingrain`. Several models also share a weights.rs, which takes in the blob: write
/// `mod weights;` beside them.
#[derive(clap::Args)]
pub(super) struct Args {
    /// ONNX files (or folders that hold a model.onnx)
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Where to write
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    dims: DimArgs,
    #[command(flatten)]
    choices: ChoiceArgs,
    /// Print the graph as text after this pass (`lower` and `plan` name the later stages)
    #[arg(long, value_name = "PASS")]
    dump_after: Vec<String>,
}

const LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(super) fn main(args: &Args) -> Result<ExitCode, Stop> {
    let mut subjects = Vec::new();
    for path in &args.models {
        subjects.push(Subject::at(path)?);
    }
    let models: Vec<(String, PathBuf)> =
        names(&subjects)?.into_iter().zip(subjects.into_iter().map(|s| s.model)).collect();
    let paths: Vec<&Path> = models.iter().map(|(_, path)| path.as_path()).collect();
    let dims = subject::dims_of_each(&paths, &args.dims.get());
    let states = args.choices.state_of_each(&paths);
    let options: Vec<Options> = dims
        .into_iter()
        .zip(states)
        .map(|(dims, state)| args.choices.options(dims, state, &args.dump_after))
        .collect();
    let output = args.output.clone();
    let progress = Progress::new("compiling");
    let written = guard::run_guarded(LIMIT, move || compile(&models, &options, &output));
    drop(progress);
    let reports = written.map_err(|refusal| Stop::refused(format!("{refusal}")))??;
    for (file, report) in &reports {
        println!("{}: {}", file.display(), terminal::summary(report));
        terminal::weights(report);
        terminal::dumps(report);
    }
    Ok(ExitCode::SUCCESS)
}

/// Names of the modules: those of the files, or, where several files are called the same, of the folders.
fn names(subjects: &[Subject]) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for subject in subjects {
        let alike = subjects.iter().filter(|s| s.module_name() == subject.module_name()).count();
        let name = if alike > 1 { subject.folder_name() } else { subject.module_name() };
        if names.contains(&name) {
            return Err(format!("two models would both become {name}.rs; give their files different names"));
        }
        if name == write::WEIGHTS && subjects.len() > 1 {
            return Err(format!("{name}.rs is the file of the shared weights; give the model another name"));
        }
        names.push(name);
    }
    Ok(names)
}

fn compile(
    models: &[(String, PathBuf)],
    options: &[Options],
    output: &Path,
) -> Result<Vec<(PathBuf, Report)>, Stop> {
    let mut sources = Vec::new();
    for ((name, path), options) in models.iter().zip(options) {
        let source =
            ModelSource::open(name, path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        sources.push((source, options.clone()));
    }
    let artifact = crate::compile(&sources).map_err(|diagnostics| Stop::refused(diagnostics.to_string()))?;
    write::write(artifact, output)
        .map_err(|e| Stop::from(format!("cannot write to {}: {e}", output.display())))
}
