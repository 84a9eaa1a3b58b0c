//! `ingrain inspect`: what a model is, what it costs, and what stands in the way.

mod html;

use super::subject::{self, Subject};
use super::terminal::{self, Progress, bytes, count, heading};
use super::{ChoiceArgs, DimArgs, Stop};
use crate::harness::bind::Dims;
use crate::harness::{Interface, Refusal, compile_file};
use crate::options::{DimBinding, Options};
use crate::report::{Port, Report, ValueReport, WeightReport};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Say what models are and what they cost
///
/// Symbolic dimensions that --dim leaves open take the sizes of the first data set beside the model if MODEL is a folder
/// with test data, else 1.
#[derive(clap::Args)]
pub(super) struct Args {
    /// ONNX files, or folders that hold a model.onnx
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    #[command(flatten)]
    dims: DimArgs,
    /// Print JSON: an object for one model, an array for several
    #[arg(long)]
    json: bool,
    /// Also draw the arena over time and the weights by layer, as a page of its own
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    choices: ChoiceArgs,
    /// Print the graph as text after this pass (`lower` and `plan` name the later stages)
    #[arg(long, value_name = "PASS")]
    dump_after: Vec<String>,
}

/// All that is known of a model.
#[derive(Serialize)]
struct Facts {
    model: String,
    opset: Option<i64>,
    inputs: Vec<PortFacts>,
    outputs: Vec<PortFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    state: Vec<StateFacts>,
    dims: Vec<DimFacts>,
    /// Symbols whose sizes nothing decides, and that were taken to be 1.
    assumed_dims: Vec<String>,
    operators: BTreeMap<String, usize>,
    steps: Vec<StepFacts>,
    /// Steps that compute integers from nothing but sizes.
    integer_shape_steps: usize,
    context_bytes: u64,
    context_lower_bound_bytes: u64,
    initializer_bytes: u64,
    unique_initializer_bytes: u64,
    stored_weight_bytes: u64,
    /// Bytes that are not stored because a content occurs several times in the model.
    shared_bytes: u64,
    /// Bytes of constants that are stored in another layout too.
    second_form_bytes: u64,
    weights: Vec<WeightFacts>,
    values: Vec<ValueFacts>,
    macs: u64,
    compile_ms: f64,
    unsupported: Vec<ProblemFacts>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dumps: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct PortFacts {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    dtype: String,
    shape: Vec<ExtentFacts>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ExtentFacts {
    Number(u64),
    Text(String),
}

#[derive(Serialize)]
struct DimFacts {
    name: String,
    min: i64,
    max: i64,
}

#[derive(Serialize)]
struct StateFacts {
    output: String,
    input: String,
    dtype: String,
    shape: Vec<ExtentFacts>,
    bytes: u64,
}

#[derive(Serialize)]
struct StepFacts {
    what: String,
    origins: Vec<String>,
    macs: u64,
}

#[derive(Serialize)]
struct WeightFacts {
    names: Vec<String>,
    dtype: &'static str,
    shape: Vec<usize>,
    offset: u64,
    bytes: u64,
    layout: String,
    readers: Vec<String>,
    second_form: bool,
}

#[derive(Serialize)]
struct ValueFacts {
    name: String,
    offset: u64,
    bytes: u64,
    first_step: usize,
    last_step: usize,
}

#[derive(Serialize)]
struct ProblemFacts {
    code: String,
    message: String,
    node: Option<String>,
    index: Option<u64>,
    operator: Option<String>,
    notes: Vec<String>,
    help: Option<String>,
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
    let dims = subject::dims_of_each(&files, &args.dims.get());
    let states = args.choices.state_of_each(&files);
    for ((path, dims), state) in args.models.iter().zip(dims).zip(states) {
        let progress = Progress::new(&format!("compiling {}", path.display()));
        let inspected = inspect(path, dims, state, args);
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
            print(&facts, outcome.as_deref().ok());
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

fn inspect(
    path: &Path,
    mut dims: Dims,
    state: Vec<(String, String)>,
    args: &Args,
) -> Result<Inspected, Stop> {
    let subject = Subject::at(path)?;
    let refuse = |e: String| Stop::refused(format!("{}: {e}", subject.model.display()));
    let interface = Interface::open(&subject.model).map_err(refuse)?;
    let set = subject.first_set(&interface).map_err(|e| refuse(e.to_string()))?;
    let assumed = subject::bind_rest(&interface, set.as_ref(), &mut dims).map_err(refuse)?;
    let options = args.choices.options(dims, state, &args.dump_after);
    let compiled = compile_file(&subject.model, &options, LIMIT);
    Ok(match compiled {
        Ok(compiled) => {
            let facts = of_report(subject.name, &compiled.report, assumed, compiled.time);
            (facts, Ok(Box::new(compiled.report)))
        }
        Err(refusal) => (of_interface(subject.name, &interface, &options, assumed, &refusal), Err(refusal)),
    })
}

fn of_report(model: String, report: &Report, assumed_dims: Vec<String>, time: Duration) -> Facts {
    let port = |port: &Port| PortFacts {
        name: port.name.clone(),
        field: Some(port.field.clone()),
        dtype: port.dtype.name().to_owned(),
        shape: port.shape.iter().map(|s| extent(s)).collect(),
    };
    let steps = report.steps.iter().map(|s| StepFacts {
        what: s.what.clone(),
        origins: s.origins.clone(),
        macs: s.macs,
    });
    Facts {
        model,
        opset: Some(report.opset),
        inputs: report.inputs.iter().map(port).collect(),
        outputs: report.outputs.iter().map(port).collect(),
        state: report
            .states
            .iter()
            .map(|s| StateFacts {
                output: s.output.clone(),
                input: s.input.clone(),
                dtype: s.dtype.name().to_owned(),
                shape: s.shape.iter().map(|e| extent(e)).collect(),
                bytes: s.bytes,
            })
            .collect(),
        dims: report
            .dims
            .iter()
            .map(|(name, min, max)| DimFacts { name: name.clone(), min: *min, max: *max })
            .collect(),
        assumed_dims,
        operators: report.operators.iter().cloned().collect(),
        steps: steps.collect(),
        integer_shape_steps: report.size_steps,
        context_bytes: report.context_bytes,
        context_lower_bound_bytes: report.context_lower_bound_bytes,
        initializer_bytes: report.initializer_bytes,
        unique_initializer_bytes: report.unique_initializer_bytes,
        stored_weight_bytes: report.stored_weight_bytes,
        shared_bytes: report.initializer_bytes - report.unique_initializer_bytes,
        second_form_bytes: report.second_form_bytes,
        weights: report.weights.iter().map(weight_facts).collect(),
        values: report.values.iter().map(value_facts).collect(),
        macs: report.macs,
        compile_ms: time.as_secs_f64() * 1e3,
        unsupported: Vec::new(),
        dumps: report.dumps.iter().cloned().collect(),
    }
}

fn weight_facts(weight: &WeightReport) -> WeightFacts {
    WeightFacts {
        names: weight.names.clone(),
        dtype: weight.dtype.name(),
        shape: weight.shape.clone(),
        offset: weight.offset,
        bytes: weight.bytes,
        layout: weight.layout.clone(),
        readers: weight.readers.clone(),
        second_form: weight.second_form,
    }
}

fn value_facts(value: &ValueReport) -> ValueFacts {
    ValueFacts {
        name: value.name.clone(),
        offset: value.offset,
        bytes: value.bytes,
        first_step: value.first,
        last_step: value.last,
    }
}

/// What is known of a model that is not compiled.
fn of_interface(
    model: String,
    interface: &Interface,
    options: &Options,
    assumed_dims: Vec<String>,
    refusal: &Refusal,
) -> Facts {
    let port = |declared: &crate::harness::interface::Declared| PortFacts {
        name: declared.name.clone(),
        field: None,
        dtype: declared.dtype().map_or_else(|| declared.type_text(), |d| d.name().to_owned()),
        shape: declared.shape_text().iter().map(|s| extent(s)).collect(),
    };
    let dims = options.dims.iter().map(|(name, binding)| match *binding {
        DimBinding::Fixed(v) => DimFacts { name: name.clone(), min: v, max: v },
        DimBinding::Range(min, max) => DimFacts { name: name.clone(), min, max },
    });
    Facts {
        model,
        opset: None,
        inputs: interface.required().map(port).collect(),
        outputs: interface.outputs.iter().map(port).collect(),
        state: Vec::new(),
        dims: dims.collect(),
        assumed_dims,
        operators: interface.operators.iter().cloned().collect(),
        steps: Vec::new(),
        integer_shape_steps: 0,
        context_bytes: 0,
        context_lower_bound_bytes: 0,
        initializer_bytes: 0,
        unique_initializer_bytes: 0,
        stored_weight_bytes: 0,
        shared_bytes: 0,
        second_form_bytes: 0,
        weights: Vec::new(),
        values: Vec::new(),
        macs: 0,
        compile_ms: 0.0,
        unsupported: problems(refusal),
        dumps: BTreeMap::new(),
    }
}

fn problems(refusal: &Refusal) -> Vec<ProblemFacts> {
    let Refusal::Diagnosed(diagnostics) = refusal else {
        return vec![ProblemFacts {
            code: "E099".to_owned(),
            message: refusal.to_string(),
            node: None,
            index: None,
            operator: None,
            notes: Vec::new(),
            help: None,
        }];
    };
    let facts = diagnostics.iter().map(|d| ProblemFacts {
        code: format!("E{:03}", d.code as u32),
        message: d.message.clone(),
        node: d.origin.as_ref().map(|o| o.name.to_string()),
        index: d.origin.as_ref().map(|o| o.index as u64),
        operator: d.origin.as_ref().map(|o| o.op.to_string()),
        notes: d.notes.clone(),
        help: d.help.clone(),
    });
    facts.collect()
}

fn extent(text: &str) -> ExtentFacts {
    text.parse().map_or_else(|_| ExtentFacts::Text(text.to_owned()), ExtentFacts::Number)
}

fn print(facts: &Facts, report: Option<&Report>) {
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
        print_costs(facts, report);
    }
    for (stage, text) in &facts.dumps {
        println!("{}\n{}", heading(&format!("after {stage}:")), text.trim_end());
    }
}

fn print_costs(facts: &Facts, report: &Report) {
    println!(
        "  arena: {} (largest live set {})",
        bytes(facts.context_bytes),
        bytes(facts.context_lower_bound_bytes)
    );
    terminal::weights(report);
    println!("  multiplications: {}", count(facts.macs));
    println!("  {} steps, {} of them integers of shapes:", facts.steps.len(), facts.integer_shape_steps);
    for (number, step) in facts.steps.iter().enumerate() {
        let macs = if step.macs > 0 { format!(", {} MACs", count(step.macs)) } else { String::new() };
        println!("  {:4}. {}{macs}  <- {}", number + 1, step.what, step.origins.join(", "));
    }
}

impl ExtentFacts {
    fn text(&self) -> String {
        match self {
            ExtentFacts::Number(n) => n.to_string(),
            ExtentFacts::Text(text) => text.clone(),
        }
    }
}
