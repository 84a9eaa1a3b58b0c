//! `ingrain inspect`: what a model is, what it costs, and what stands in the way.

mod html;

use super::facts::{ExtentFacts, Facts, of_interface, of_report};
use super::options::CompilerArgs;
use super::subject::{self, Subject};
use super::terminal::{self, Progress, bytes, count, heading};
use super::{Stop, constants};
use crate::harness::{Interface, Refusal, compile_for};
use crate::options::Options;
use crate::report::Report;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Say what models are and what they cost
///
/// Symbolic dimensions that --dim leaves open (and values of inputs that shapes depend on) are those of the first data set beside the model if MODEL is a folder
/// with test data, else 1.
#[derive(clap::Args)]
pub(super) struct Args {
    /// ONNX files, or folders that hold a model.onnx
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    #[command(flatten)]
    options: CompilerArgs,
    /// Print JSON: an object for one model, an array for several
    #[arg(long)]
    json: bool,
    /// Also draw the arena over time and the weights by layer, as a page of its own
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// List every constant, and every node of a step, however many there are
    #[arg(long)]
    all: bool,
}

const LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(super) fn main(args: &Args) -> Result<ExitCode, Stop> {
    let mut all = Vec::new();
    let mut pictured = Vec::new();
    let mut refused = false;
    // A path that leads nowhere is told where it is opened.
    let files: Vec<PathBuf> =
        args.models.iter().map(|path| Subject::at(path).map_or_else(|_| path.clone(), |s| s.model)).collect();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let options = args.options.of_each(&files);
    for (path, options) in args.models.iter().zip(options) {
        let progress = Progress::new(&format!("compiling {}", path.display()));
        let inspected = inspect(path, options);
        drop(progress);
        let (facts, outcome) = match inspected {
            Ok(inspected) => inspected,
            // The other models still count.
            Err(stop) if args.models.len() > 1 => {
                terminal::complain(&stop.message);
                refused = true;
                continue;
            }
            Err(stop) => return Err(stop),
        };
        refused |= outcome.is_err();
        if !args.json {
            print(&facts, outcome.as_deref().ok(), args.all);
            if let Err(refusal) = &outcome {
                terminal::complain(&refusal.to_string());
            }
        }
        pictured.extend(outcome.ok().map(|report| (facts.model.clone(), *report)));
        all.push(facts);
    }
    if let Some(file) = &args.html {
        std::fs::write(file, html::page(&pictured))
            .map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
    }
    if args.json {
        let json = if args.models.len() == 1 {
            serde_json::to_string(&all.pop())
        } else {
            serde_json::to_string(&all)
        };
        println!("{}", json.map_err(|e| format!("cannot write JSON: {e}"))?);
    }
    Ok(if refused { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What is known of a model, and its report or why there is none.
type Inspected = (Facts, Result<Box<Report>, Refusal>);

fn inspect(path: &Path, mut options: Options) -> Result<Inspected, Stop> {
    let subject = Subject::at(path)?;
    let refuse = |e: String| Stop::refused(format!("{}: {e}", subject.model.display()));
    let interface = Interface::open(&subject.model).map_err(refuse)?;
    let set = subject.first_set(&interface).map_err(|e| refuse(e.to_string()))?;
    let assumed = subject::bind_rest(&interface, set.as_ref(), &mut options.dims).map_err(refuse)?;
    let given: Vec<_> = set.iter().map(|set| &set.inputs).collect();
    let largest = subject.largest(&interface);
    let compiled = compile_for(&subject.model, options.clone(), &given, largest.as_ref(), LIMIT);
    Ok(match compiled {
        Ok(compiled) => {
            let facts = of_report(subject.name, &compiled.report, assumed, compiled.time);
            (facts, Ok(Box::new(compiled.report)))
        }
        Err(refusal) => (of_interface(subject.name, &interface, &options, assumed, &refusal), Err(refusal)),
    })
}

fn print(facts: &Facts, report: Option<&Report>, all: bool) {
    println!("{}", heading(&facts.model));
    for (what, ports) in [("input", &facts.inputs), ("output", &facts.outputs)] {
        for port in ports {
            let shape: Vec<String> = port.shape.iter().map(ExtentFacts::text).collect();
            println!("  {what:6} {}: {}[{}]", port.name, port.dtype, shape.join(","));
        }
    }
    for state in &facts.state {
        let shape: Vec<String> = state.shape.iter().map(ExtentFacts::text).collect();
        let (shape, size) = (shape.join(","), bytes(state.bytes));
        println!("  state  {} -> {}: {}[{shape}], {size}", state.output, state.input, state.dtype);
    }
    for dim in &facts.dims {
        println!("  dim    {}: {}..={}", dim.name, dim.min, dim.max);
    }
    if !facts.assumed_dims.is_empty() {
        println!("  assumed to be 1 (see --dim): {}", facts.assumed_dims.join(", "));
    }
    let mut operators: Vec<(&String, &usize)> = facts.operators.iter().collect();
    operators.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let operators: Vec<String> = operators.iter().map(|(op, n)| format!("{op} {n}")).collect();
    println!("  operators: {}", operators.join(", "));
    if let Some(report) = report {
        print_costs(facts, report, all);
    }
    for (stage, text) in &facts.dumps {
        println!("{}\n{}", heading(&format!("after {stage}:")), text.trim_end());
    }
}

fn print_costs(facts: &Facts, report: &Report, all: bool) {
    println!(
        "  arena: {}; {} are needed at once, so no plan can be smaller",
        bytes(facts.context_bytes),
        bytes(facts.context_lower_bound_bytes)
    );
    print!("{}", constants::table(report, all));
    println!("  multiplications: {}", count(facts.macs));
    println!("  {} steps, {} of them integers of shapes:", facts.steps.len(), facts.integer_shape_steps);
    for (number, step) in facts.steps.iter().enumerate() {
        let macs = if step.macs > 0 { format!(", {} MACs", count(step.macs)) } else { String::new() };
        println!("  {:4}. {}{macs}  <- {}", number + 1, step.what, constants::list(&step.origins, all));
    }
}
