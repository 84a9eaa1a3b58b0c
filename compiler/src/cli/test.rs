//! `ingrain test`: compiled models against expected outputs.

use super::Stop;
use super::options::SpecialiseArgs;
use super::terminal::{self, Progress, heading};
use crate::harness::dataset;
use crate::harness::{Cache, Case, Outcome, Profile, Reason, Settings, Tolerance, suite};
use crate::options::Options;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Run models on their test data and compare
///
/// PATH is a folder in the layout of ONNX's backend tests (model.onnx, test_data_set_*/{input,output}_*.pb), or a folder
/// of such folders. A file tolerance.json ({"rtol", "atol"}) beside the model overrides the default tolerance. Symbolic
/// dimensions that --dim leaves open are taken from the data, and so are values of inputs that shapes depend on.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Test folders, or folders of test folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    options: SpecialiseArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Relative tolerance, whatever tolerance.json says
    #[arg(long)]
    rtol: Option<f64>,
    /// Absolute tolerance, whatever tolerance.json says
    #[arg(long)]
    atol: Option<f64>,
    /// Only models whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print all that is known of failures
    #[arg(short, long)]
    verbose: bool,
    /// Let rustc optimise little: quicker to build, slower to run
    #[arg(long)]
    quick: bool,
    /// Seconds after which a run is stopped
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    timeout: u64,
}

#[derive(Serialize)]
struct Results<'a> {
    results: Vec<ResultRow<'a>>,
    passed: usize,
    failed: usize,
}

#[derive(Serialize)]
struct ResultRow<'a> {
    model: &'a str,
    status: &'static str,
    sets: usize,
    max_abs_err: f64,
    max_rel_err: f64,
    detail: &'a str,
}

/// How close outputs must be where nothing else is said.
const DEFAULT: Tolerance = Tolerance { rtol: 1e-3, atol: 1e-5 };
/// Time for compiling one model.
const COMPILE_LIMIT: Duration = Duration::from_secs(600);

pub(super) fn main(args: &Args) -> Result<ExitCode, Stop> {
    let mut cases = Vec::new();
    for path in &args.paths {
        let mut folders = Vec::new();
        find(path, 0, &mut folders)?;
        if folders.is_empty() {
            return Err(format!("there is no model.onnx in {} or the folders in it", path.display()).into());
        }
        for folder in folders {
            cases.push(case(&folder, args)?);
        }
    }
    if let Some(filter) = &args.filter {
        cases.retain(|c| c.name.contains(filter.as_str()));
        if cases.is_empty() {
            return Err(format!("no model's name contains \"{filter}\"").into());
        }
    }
    // A program for each of few models: after a change only those that it touches are built again.
    let per_program = if cases.len() <= 200 { 1 } else { 16 };
    for (index, case) in cases.iter_mut().enumerate() {
        case.program = index / per_program;
    }
    let files: Vec<PathBuf> = cases.iter().map(|c| c.model.clone()).collect();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    for (case, options) in cases.iter_mut().zip(args.options.of_each(&files)) {
        case.options = options;
    }
    let settings = Settings {
        profile: if args.quick { Profile::Quick } else { Profile::Release },
        compile_limit: COMPILE_LIMIT,
        run_limit: Duration::from_secs(args.timeout),
    };
    let cache = Cache::open()?;
    let progress = Progress::new("compiling");
    let outcomes = suite::run(&cache, &cases, settings, &|text| progress.say(text));
    drop(progress);
    let outcomes = outcomes?;
    let passed = outcomes.iter().filter(|o| o.reason == Reason::Passed).count();
    let failed = outcomes.len() - passed;
    if args.json {
        print_json(&cases, &outcomes, passed, failed)?;
    } else {
        print_table(&cases, &outcomes, args.verbose);
        println!("{passed} passed, {failed} failed");
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The test folders at `path`, down to folders in folders in it.
fn find(path: &Path, depth: usize, folders: &mut Vec<PathBuf>) -> Result<(), Stop> {
    if path.is_file() {
        let model = path.extension().is_some_and(|e| e == "onnx");
        return match path.parent().filter(|_| model) {
            Some(folder) if folder.as_os_str().is_empty() => find(Path::new("."), depth, folders),
            Some(folder) => find(folder, depth, folders),
            None => Err(format!("{} is neither a folder nor an ONNX file", path.display()).into()),
        };
    }
    let read = fs::read_dir(path);
    if depth == 0 && read.is_err() {
        return Err(format!("there is no folder {}", path.display()).into());
    }
    if path.join("model.onnx").is_file() || !dataset::folders(path).is_empty() {
        folders.push(path.to_path_buf());
        return Ok(());
    }
    let mut inner: Vec<PathBuf> =
        read.into_iter().flatten().flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    inner.sort();
    if depth < 2 {
        for folder in inner {
            find(&folder, depth + 1, folders)?;
        }
    }
    Ok(())
}

fn case(folder: &Path, args: &Args) -> Result<Case, Stop> {
    let named = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let mut tolerance = DEFAULT;
    let file = folder.join("tolerance.json");
    if file.is_file() {
        let read = fs::read(&file).map_err(|e| e.to_string());
        let json: serde_json::Value = read
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| e.to_string()))
            .map_err(|e| format!("{}: {e}", file.display()))?;
        tolerance.rtol = json["rtol"].as_f64().unwrap_or(tolerance.rtol);
        tolerance.atol = json["atol"].as_f64().unwrap_or(tolerance.atol);
    }
    tolerance.rtol = args.rtol.unwrap_or(tolerance.rtol);
    tolerance.atol = args.atol.unwrap_or(tolerance.atol);
    Ok(Case {
        name: named.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        // A folder without a model shows as a broken case among the others.
        model: dataset::model_file(folder).unwrap_or_else(|_| folder.join("model.onnx")),
        sets: dataset::folders(folder),
        tolerance,
        options: Options::default(),
        program: 0,
    })
}

fn print_json(cases: &[Case], outcomes: &[Outcome], passed: usize, failed: usize) -> Result<(), Stop> {
    let results = cases.iter().zip(outcomes).map(|(case, outcome)| ResultRow {
        model: &case.name,
        status: outcome.reason.status(),
        sets: outcome.sets,
        max_abs_err: outcome.max_abs_err,
        max_rel_err: outcome.max_rel_err,
        detail: &outcome.detail,
    });
    let json = serde_json::to_string(&Results { results: results.collect(), passed, failed });
    println!("{}", json.map_err(|e| format!("cannot write JSON: {e}"))?);
    Ok(())
}

fn print_table(cases: &[Case], outcomes: &[Outcome], verbose: bool) {
    let width = cases.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(5);
    println!("{}", heading(&format!("{:width$}  {:11}  sets  max abs err  max rel err", "model", "status")));
    for (case, outcome) in cases.iter().zip(outcomes) {
        let status = terminal::status(outcome.reason.status());
        let (abs, rel) = (outcome.max_abs_err, outcome.max_rel_err);
        println!("{:width$}  {status}  {:4}  {abs:11.2e}  {rel:11.2e}", case.name, outcome.sets);
        if outcome.reason != Reason::Passed {
            let shown = if verbose { usize::MAX } else { 6 };
            let count = outcome.detail.lines().count();
            println!("    {}:", outcome.reason.text());
            for line in outcome.detail.lines().take(shown) {
                println!("    {line}");
            }
            if count > shown {
                println!("    … {} more lines (--verbose shows all)", count - shown);
            }
        }
    }
}
