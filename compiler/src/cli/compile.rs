//! `ingrain compile`: models become source files and one blob of weights.

mod write;

use super::options::CompilerArgs;
use super::subject::Subject;
use super::terminal::{self, Progress, bytes};
use super::{Stop, constants, facts};
use crate::harness::guard;
use crate::options::{ModelSource, Options};
use crate::report::Report;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Compile models to Rust source and one file of weights
///
/// Writes NAME.rs for each MODEL, and one .blob file that they share. Put them into your `src` and write `mod NAME;`;
/// they need only the crate `ingrain`. Several models also share a weights.rs, which takes in the blob: write
/// `mod weights;` beside them.
#[derive(clap::Args)]
pub(super) struct Args {
    /// ONNX files (or folders that hold a model.onnx)
    #[arg(required_unless_present = "variants", value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Models of one architecture that become one program, NAME.rs, with a set of weights for each VARIANT; only what
    /// differs is stored again. May be given several times
    #[arg(long, value_name = "NAME:VARIANT=MODEL,…", value_parser = parse_variants)]
    variants: Vec<VariantsArg>,
    /// Where to write
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    options: CompilerArgs,
    /// List every constant, however many there are
    #[arg(long)]
    all: bool,
    /// Print JSON: the files, and all that is known of each model
    #[arg(long)]
    json: bool,
}

/// `NAME:VARIANT=MODEL,…`
#[derive(Clone)]
struct VariantsArg {
    name: String,
    models: Vec<(String, PathBuf)>,
}

fn parse_variants(text: &str) -> Result<VariantsArg, String> {
    let wrong = || format!("\"{text}\" is not NAME:VARIANT=MODEL,VARIANT=MODEL,…");
    let (name, list) = text.split_once(':').ok_or_else(wrong)?;
    let variant = |entry: &str| {
        let (variant, path) = entry.split_once('=').filter(|(v, p)| !v.is_empty() && !p.is_empty())?;
        Some((variant.to_owned(), PathBuf::from(path)))
    };
    let models: Vec<_> = list.split(',').map(variant).collect::<Option<_>>().ok_or_else(wrong)?;
    let twice =
        models.iter().enumerate().find(|(at, (name, _))| models[..*at].iter().any(|(n, _)| n == name));
    if let Some((_, (variant, _))) = twice {
        return Err(format!("two variants are called \"{variant}\""));
    }
    let name = name.to_owned();
    if syn::parse_str::<syn::Ident>(&name).is_err() {
        return Err(format!("\"{name}\" is not the name of a module"));
    }
    Ok(VariantsArg { name, models })
}

/// A module to write: its name, its model, and the models of its variants if it has any.
struct Wanted {
    name: String,
    model: PathBuf,
    variants: Vec<(String, PathBuf)>,
}

/// The files that were written.
struct Written {
    modules: Vec<(PathBuf, Report)>,
    /// The weights and how many bytes they are, if there are any.
    blob: Option<(PathBuf, u64)>,
    /// How long it took to compile the models.
    time: Duration,
}

const LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(super) fn main(args: &Args) -> Result<ExitCode, Stop> {
    let mut subjects = Vec::new();
    for path in &args.models {
        subjects.push(Subject::at(path)?);
    }
    let plain = names(&subjects)?.into_iter().zip(subjects);
    let mut models: Vec<Wanted> =
        plain.map(|(name, s)| Wanted { name, model: s.model, variants: Vec::new() }).collect();
    for VariantsArg { name, models: given } in &args.variants {
        let mut variants = Vec::new();
        for (variant, path) in given {
            variants.push((variant.clone(), Subject::at(path)?.model));
        }
        if models.iter().any(|other| other.name == *name) || name == write::WEIGHTS {
            return Err(format!("the file {name}.rs is taken; give the variants another name").into());
        }
        models.push(Wanted { name: name.clone(), model: variants[0].1.clone(), variants });
    }
    let paths: Vec<&Path> = models.iter().map(|wanted| wanted.model.as_path()).collect();
    let options = args.options.of_each(&paths);
    let output = args.output.clone();
    let progress = Progress::new("compiling");
    let written = guard::run_guarded(LIMIT, move || compile(&models, &options, &output));
    drop(progress);
    let written = written.map_err(|refusal| Stop::refused(format!("{refusal}")))??;
    if args.json {
        println!("{}", json(&written)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (file, report) in &written.modules {
        println!("{}: {}", file.display(), terminal::summary(report));
        print!("{}", constants::table(report, args.all));
        terminal::dumps(report);
    }
    if let Some((file, size)) = &written.blob {
        let apart: u64 = written.modules.iter().map(|(_, report)| report.stored_weight_bytes).sum();
        let saved = match apart.saturating_sub(*size) {
            saved if saved > 0 && written.modules.len() > 1 => {
                format!("; what models share saves {}", bytes(saved))
            }
            _ => String::new(),
        };
        println!("{}: all weights, {}{saved}", file.display(), bytes(*size));
    }
    Ok(ExitCode::SUCCESS)
}

/// What was written, as JSON.
fn json(written: &Written) -> Result<String, String> {
    #[derive(Serialize)]
    struct File<T> {
        file: String,
        #[serde(flatten)]
        about: T,
    }
    #[derive(Serialize)]
    struct Blob {
        bytes: u64,
    }
    #[derive(Serialize)]
    struct All {
        models: Vec<File<facts::Facts>>,
        blob: Option<File<Blob>>,
    }
    let name = |path: &Path| path.to_string_lossy().into_owned();
    let model = |(path, report): &(PathBuf, Report)| {
        let about = facts::of_report(report.file.clone(), report, Vec::new(), written.time);
        File { file: name(path), about }
    };
    let blob =
        written.blob.as_ref().map(|(path, bytes)| File { file: name(path), about: Blob { bytes: *bytes } });
    let all = All { models: written.modules.iter().map(model).collect(), blob };
    serde_json::to_string(&all).map_err(|e| format!("cannot write JSON: {e}"))
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

fn compile(models: &[Wanted], options: &[Options], output: &Path) -> Result<Written, Stop> {
    let start = Instant::now();
    let mut sources = Vec::new();
    for (wanted, options) in models.iter().zip(options) {
        let open = |path: &Path| {
            ModelSource::open(&wanted.name, path)
                .map_err(|e| format!("{} cannot be read: {e}", path.display()))
        };
        let variants: Vec<(String, ModelSource)> = wanted
            .variants
            .iter()
            .map(|(variant, path)| Ok((variant.clone(), open(path)?)))
            .collect::<Result<_, String>>()?;
        sources.push((open(&wanted.model)?.with_variants(variants), options.clone()));
    }
    let artifact = crate::compile(&sources).map_err(|diagnostics| Stop::refused(diagnostics.to_string()))?;
    let time = start.elapsed();
    let (modules, blob) = write::write(artifact, output)
        .map_err(|e| Stop::from(format!("cannot write to {}: {e}", output.display())))?;
    Ok(Written { modules, blob, time })
}
