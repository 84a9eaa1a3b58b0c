//! `ingrain bench`: how fast a compiled model is.

use super::Stop;
use super::options::SpecialiseArgs;
use super::subject::{self, Subject};
use super::terminal::{self, Progress};
use crate::harness::runtime::Runtime;
use crate::harness::{
    Builder, Cache, Compiled, Digest, Interface, Placed, Profile, Unit, compile_for, exec, suite,
};
use crate::options::{DimBinding, Options};
use crate::report::{Port, Report};
use crate::types::{DType, Scalar, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Time a model
///
/// Builds it in release mode (kept for the next time) and runs it in a process of its own: on the first data set if
/// MODEL is a folder in the layout of ONNX's backend tests, else on made-up inputs. The last line on the standard output
/// is a JSON object.
#[derive(clap::Args)]
pub(super) struct Args {
    /// An ONNX file, or a folder that holds a model.onnx and test data
    model: PathBuf,
    #[command(flatten)]
    options: SpecialiseArgs,
    /// Threads that a run may use. Kernels use one today
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: usize,
    /// Runs to time, after three that are not timed; more if they are very short
    #[arg(long, default_value_t = 30, value_name = "R")]
    runs: usize,
    /// Print nothing but the JSON object
    #[arg(long)]
    json: bool,
    /// Seconds after which it is stopped
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
}

/// A built model as it is kept for the next call.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The files that it was made of, with their sizes and times of change.
    files: Vec<(PathBuf, u64, u128)>,
    binary: PathBuf,
    context_bytes: u64,
    stored_weight_bytes: u64,
    compile_ms: f64,
    rustc_ms: f64,
}

const LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(super) fn main(args: &Args) -> Result<ExitCode, Stop> {
    let subject = Subject::at(&args.model)?;
    let cache = Cache::open()?;
    let kept = cache.dir("bench")?.join(key(&subject, &args.options.get())?);
    let (record_file, inputs_file) = (kept.with_extension("json"), kept.with_extension("in"));
    let record = match read_record(&record_file, &inputs_file) {
        Some(record) => record,
        None => build(&subject, args, &cache, &record_file, &inputs_file)?,
    };
    Cache::touch(&record.binary);
    let placed = Placed { binary: record.binary.clone(), index: 0 };
    let limit = Duration::from_secs(args.timeout);
    let timed = exec::bench(&cache, &placed, &inputs_file, args.runs.max(1), limit)
        .map_err(|failure| Stop::refused(format!("{failure}")))?;
    let binary_bytes = fs::metadata(&record.binary).map_or(0, |m| m.len());
    if !args.json {
        print(&subject.name, &timed, &record);
    }
    println!(
        "{}",
        json!({
            "model": subject.name,
            "threads": args.threads,
            "runs": timed["runs"],
            "min_us": timed["min_us"],
            "median_us": timed["median_us"],
            "mean_us": timed["mean_us"],
            "context_bytes": record.context_bytes,
            "stored_weight_bytes": record.stored_weight_bytes,
            "binary_bytes": binary_bytes,
            "startup_us": timed["startup_us"],
            "peak_rss_bytes": timed["peak_rss_bytes"],
            "compile_ms": record.compile_ms,
            "rustc_ms": record.rustc_ms,
        })
    );
    Ok(ExitCode::SUCCESS)
}

fn print(name: &str, timed: &Value, record: &Record) {
    let number = |key: &str| timed[key].as_f64().unwrap_or_default();
    println!(
        "{name}: median {:.1} us, least {:.1} us of {} runs; arena {}, weights {}, start-up {:.1} us",
        number("median_us"),
        number("min_us"),
        timed["runs"],
        terminal::bytes(record.context_bytes),
        terminal::bytes(record.stored_weight_bytes),
        number("startup_us"),
    );
}

/// Names what a build depends on, except for the contents of files.
fn key(subject: &Subject, options: &Options) -> Result<String, String> {
    let model = subject.model.canonicalize().map_err(|e| format!("{}: {e}", subject.model.display()))?;
    let runtime = Runtime::locate()?;
    let tool = std::env::current_exe().ok().and_then(|exe| stamp(&exe)).unwrap_or_default();
    Ok(Digest::new()
        .with(model.to_string_lossy().as_bytes())
        .with(format!("{options:?} {tool:?} {}", !subject.sets.is_empty()))
        .with(runtime.requirement())
        .with(runtime.stamp())
        .with(std::env::var("RUSTFLAGS").unwrap_or_default())
        .hex())
}

/// A file's size and time of change in nanoseconds.
fn stamp(path: &Path) -> Option<(PathBuf, u64, u128)> {
    let meta = fs::metadata(path).ok()?;
    let changed = meta.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some((path.to_path_buf(), meta.len(), changed.as_nanos()))
}

/// What was built before, if it was built of the files as they are now.
fn read_record(file: &Path, inputs: &Path) -> Option<Record> {
    let record: Record = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let fresh = record.files.iter().all(|known| stamp(&known.0).as_ref() == Some(known));
    (fresh && record.binary.is_file() && inputs.is_file()).then_some(record)
}

fn build(
    subject: &Subject,
    args: &Args,
    cache: &Cache,
    record_file: &Path,
    inputs_file: &Path,
) -> Result<Record, Stop> {
    let refuse = |e: String| Stop::refused(format!("{}: {e}", subject.model.display()));
    let interface = Interface::open(&subject.model).map_err(refuse)?;
    let set = subject.first_set(&interface).map_err(|p| refuse(p.to_string()))?;
    let mut options = args.options.get();
    let assumed = subject::bind_rest(&interface, set.as_ref(), &mut options.dims).map_err(refuse)?;
    if !assumed.is_empty() {
        terminal::remark(&format!("assumed to be 1 (see --dim): {}", assumed.join(", ")));
    }
    let progress = Progress::new("compiling");
    let given: Vec<_> = set.iter().map(|set| &set.inputs).collect();
    let largest = subject.largest(&interface);
    let compiled = compile_for(&subject.model, options.clone(), &given, largest.as_ref(), LIMIT)
        .map_err(|refusal| Stop::refused(refusal.to_string()))?;
    let files = files(subject, &compiled);
    let (report, compile_ms) = (compiled.report.clone(), compiled.time.as_secs_f64() * 1e3);
    let say = |text: &str| progress.say(text);
    let builder = Builder::new(cache, Profile::Release, &say)?;
    let (placed, rustc) = builder
        .build_one(Unit::new(compiled))
        .map_err(|e| Stop::refused(format!("the generated code does not build:\n{e}")))?;
    drop(progress);
    let inputs = match &set {
        Some(set) => suite::inputs_in_order(&report, set)?,
        None => make_inputs(&report, &options, cache, &placed)?,
    };
    cache.write(inputs_file, &exec::encode(&inputs))?;
    // rustc's time is lost if the program was there already, unless an older record knows it.
    let known = fs::read(record_file).ok().and_then(|b| serde_json::from_slice::<Record>(&b).ok());
    let known = known.filter(|old| old.binary == placed.binary).map(|old| old.rustc_ms);
    let record = Record {
        files,
        binary: placed.binary,
        context_bytes: report.context_bytes,
        stored_weight_bytes: report.stored_weight_bytes,
        compile_ms,
        rustc_ms: rustc.map(|t| t.as_secs_f64() * 1e3).or(known).unwrap_or(0.0),
    };
    let json = serde_json::to_vec(&record).map_err(|e| format!("cannot write JSON: {e}"))?;
    cache.write(record_file, &json)?;
    Ok(record)
}

/// The files that the compilation has read, and those of the data set.
fn files(subject: &Subject, compiled: &Compiled) -> Vec<(PathBuf, u64, u128)> {
    let absolute = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut paths = vec![absolute(&subject.model)];
    paths.extend(compiled.external.iter().map(absolute));
    if let Some(folder) = subject.sets.first() {
        let entries = fs::read_dir(absolute(folder)).into_iter().flatten().flatten();
        paths.extend(entries.map(|e| e.path()));
    }
    paths.sort();
    paths.iter().filter_map(|p| stamp(p)).collect()
}

/// Made-up inputs: floats in 0..1, bytes of all values, and ones for wider integers, which are often indices; zeros if
/// the model refuses ones.
fn make_inputs(
    report: &Report,
    options: &Options,
    cache: &Cache,
    placed: &Placed,
) -> Result<Vec<Tensor>, Stop> {
    let mut refused = String::new();
    for integer in [1, 0] {
        let inputs: Result<Vec<Tensor>, String> = report
            .inputs
            .iter()
            .enumerate()
            .map(|(i, port)| make_input(port, options, integer, i as u64))
            .collect();
        let inputs = inputs?;
        match exec::run(cache, placed, &inputs, LIMIT) {
            Err(exec::Failure::Refused(why)) => refused = why,
            _ => return Ok(inputs),
        }
    }
    Err(Stop::refused(format!("the model refuses made-up inputs ({refused}); give a folder with test data")))
}

fn make_input(port: &Port, options: &Options, integer: i64, seed: u64) -> Result<Tensor, String> {
    if let (Some(known), Some(shape)) = (options.values.get(&port.name), &port.fixed) {
        let extents: Vec<Option<usize>> = shape.iter().copied().map(Some).collect();
        let value = known.to_tensor(port.dtype, Some(&extents));
        return value.ok_or_else(|| format!("the value of the input \"{}\" does not fit it", port.name));
    }
    let extent = |text: &String| {
        let bound = |b: &DimBinding| match *b {
            DimBinding::Fixed(v) | DimBinding::Range(_, v) => usize::try_from(v).ok(),
        };
        let known = text.parse().ok().or_else(|| options.dims.get(text).and_then(bound));
        known.ok_or_else(|| format!("the extent {text} of the input \"{}\" is not known", port.name))
    };
    let shape = match &port.fixed {
        Some(shape) => shape.clone(),
        None => port.shape.iter().map(extent).collect::<Result<_, _>>()?,
    };
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut random = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let count = shape.iter().product::<usize>();
    let elements: Vec<Scalar> = (0..count)
        .map(|_| match port.dtype {
            DType::Bool => Scalar::Bool(true),
            dtype if dtype.is_float() => {
                Scalar::from_f64(dtype, (random() >> 40) as f64 / f64::from(1 << 24))
            }
            DType::I8 | DType::U8 => Scalar::from_i64(port.dtype, (random() >> 56) as i64),
            dtype => Scalar::from_i64(dtype, integer),
        })
        .collect();
    Ok(Tensor::from_scalars(port.dtype, shape, elements))
}
