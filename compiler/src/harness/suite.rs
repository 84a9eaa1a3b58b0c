//! Many models with test data: compile all, build all, run all, compare.

use super::bind::{self, Dims, Largest};
use super::dataset::{self, DataSet, Parts, Problem};
use super::exec::{self, Failure};
use super::guard::{Compiled, Refusal};
use super::interface::Interface;
use super::project::{Builder, Placed, Profile, Unit};
use super::{Cache, Tolerance, compare, in_parallel, specialise};
use crate::diag::Code;
use crate::options::Options;
use crate::report::Report;
use crate::types::Tensor;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A model and its test data.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in results.
    pub name: String,
    /// The model file.
    pub model: PathBuf,
    /// Folders of data sets.
    pub sets: Vec<PathBuf>,
    /// How close outputs must be.
    pub tolerance: Tolerance,
    /// What the data shall not decide.
    pub options: Options,
    /// Cases with the same number share a program, unless they have much weight. Numbers that do not depend on what else
    /// is in the suite let most programs be found in the cache.
    pub program: usize,
}

/// How to run a suite.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How rustc optimises.
    pub profile: Profile,
    /// Time for compiling one model.
    pub compile_limit: Duration,
    /// Time for one run.
    pub run_limit: Duration,
}

/// Where a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// All outputs of all data sets are right.
    Passed,
    /// The compiler knows that it cannot compile this model, or the data is of an unsupported kind.
    Unsupported,
    /// The compiler says that the model is wrong.
    Refused,
    /// The compiler panicked or did not finish.
    Defect,
    /// rustc refuses the generated code.
    Rustc,
    /// The model returned an error for inputs that it should take.
    Rejected,
    /// The compiled model crashed.
    Crash,
    /// The compiled model did not finish.
    Hang,
    /// An output is wrong.
    Mismatch,
    /// A second run of the same model on the same inputs gave something else.
    Unstable,
    /// The case itself cannot be used: missing or contradicting files.
    BadCase,
}

impl Reason {
    /// `pass`, `fail`, `unsupported` or `error`, as in JSON.
    pub fn status(self) -> &'static str {
        match self {
            Reason::Passed => "pass",
            Reason::Unsupported => "unsupported",
            Reason::Mismatch | Reason::Unstable | Reason::Rejected | Reason::Crash | Reason::Hang => "fail",
            Reason::Refused | Reason::Defect | Reason::Rustc | Reason::BadCase => "error",
        }
    }

    /// A few words.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Passed => "passed",
            Reason::Unsupported => "unsupported",
            Reason::Refused => "refused as wrong",
            Reason::Defect => "the compiler panics or hangs",
            Reason::Rustc => "rustc refuses the code",
            Reason::Rejected => "inputs rejected at run time",
            Reason::Crash => "the run crashes",
            Reason::Hang => "the run hangs",
            Reason::Mismatch => "an output is wrong",
            Reason::Unstable => "runs differ from each other",
            Reason::BadCase => "the case is broken",
        }
    }
}

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where it ended.
    pub reason: Reason,
    /// Number of data sets.
    pub sets: usize,
    /// Largest absolute error of all outputs that were compared.
    pub max_abs_err: f64,
    /// Largest relative error of all outputs that were compared.
    pub max_rel_err: f64,
    /// What is wrong; empty if nothing is.
    pub detail: String,
}

impl Outcome {
    fn failed(reason: Reason, sets: usize, detail: impl Into<String>) -> Outcome {
        Outcome { reason, sets, max_abs_err: 0.0, max_rel_err: 0.0, detail: detail.into() }
    }
}

/// A compilation of a case and the data sets that it serves.
struct Variant {
    unit: usize,
    report: Report,
    sets: Vec<usize>,
}

type Prepared = Result<Vec<(Compiled, Vec<usize>)>, Outcome>;

/// Runs all cases; one outcome for each, in order.
///
/// # Errors
/// If programs cannot be built at all.
pub fn run(
    cache: &Cache,
    cases: &[Case],
    settings: Settings,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Vec<Outcome>, String> {
    let done = std::sync::atomic::AtomicUsize::new(0);
    let count = |what: &str| {
        let n = 1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        progress(&format!("{what} {n}/{}", cases.len()));
    };
    let prepared = in_parallel(cases, |_, case| {
        let prepared = prepare(case, settings.compile_limit);
        count("compiled");
        prepared
    });
    let (mut units, mut programs) = (Vec::new(), Vec::new());
    let variants: Vec<Result<Vec<Variant>, Outcome>> = prepared
        .into_iter()
        .zip(cases)
        .map(|(prepared, case)| {
            prepared.map(|compiled| {
                let place = |(compiled, sets): (Compiled, Vec<usize>)| {
                    let report = compiled.report.clone();
                    units.push(Unit::new(compiled));
                    programs.push(case.program);
                    Variant { unit: units.len() - 1, report, sets }
                };
                compiled.into_iter().map(place).collect()
            })
        })
        .collect();
    let groups = group(&units, &programs);
    let placed = Builder::new(cache, settings.profile, progress)?.build(&units, groups)?;
    drop(units);
    done.store(0, std::sync::atomic::Ordering::Relaxed);
    let jobs: Vec<(&Case, Result<Vec<Variant>, Outcome>)> = cases.iter().zip(variants).collect();
    Ok(in_parallel(&jobs, |_, (case, variants)| {
        let outcome = match variants {
            Ok(variants) => execute(cache, case, variants, &placed, settings.run_limit),
            Err(outcome) => outcome.clone(),
        };
        count("ran");
        outcome
    }))
}

/// One group for each number in `programs`; a model with much weight gets one of its own.
fn group(units: &[Unit], programs: &[usize]) -> Vec<Vec<usize>> {
    const LARGE: usize = 4 << 20;
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut alone = Vec::new();
    for (index, (unit, &program)) in units.iter().zip(programs).enumerate() {
        if unit.weight_bytes() > LARGE {
            alone.push(vec![index]);
        } else {
            groups.entry(program).or_default().push(index);
        }
    }
    groups.into_values().chain(alone).collect()
}

fn prepare(case: &Case, limit: Duration) -> Prepared {
    let fail = |reason, detail: String| Outcome::failed(reason, case.sets.len(), detail);
    let interface = Interface::open(&case.model).map_err(|e| fail(Reason::BadCase, e))?;
    if case.sets.is_empty() {
        return Err(fail(Reason::BadCase, "there is no test_data_set_* folder".to_owned()));
    }
    let (mut values, mut largest) = (Vec::new(), Largest::default());
    let mut inputs = Vec::new();
    for folder in &case.sets {
        let set = dataset::load(folder, &interface, Parts::Inputs)
            .map_err(|p| fail(reason_of(&p), p.to_string()))?;
        values.push(bind::symbol_values(&interface, &set).map_err(|e| fail(Reason::BadCase, e))?);
        inputs.push(set.inputs.clone());
        largest.add(folder, &interface, set);
    }
    let bindings = bind::bindings(&values, &case.options.dims);
    let compile = |dims: &Dims, sets: &[usize]| {
        let inputs: Vec<_> = sets.iter().map(|&i| &inputs[i]).collect();
        let options = Options { dims: dims.clone(), ..case.options.clone() };
        specialise::compile_for(&case.model, options, &inputs, Some(&largest), limit)
    };
    let all: Vec<usize> = (0..case.sets.len()).collect();
    let refusal = match compile(&bindings.together, &all) {
        Ok(compiled) => return Ok(vec![(compiled, all)]),
        Err(refusal) => refusal,
    };
    let apart = if bindings.apart.is_empty() && all.len() > 1 {
        all.iter().map(|&i| (bindings.together.clone(), vec![i])).collect()
    } else {
        bindings.apart
    };
    if apart.is_empty() {
        return Err(fail(reason_of_refusal(&refusal), detail_of(&refusal)));
    }
    let mut variants = Vec::new();
    for (dims, sets) in apart {
        let compiled = compile(&dims, &sets).map_err(|r| fail(reason_of_refusal(&r), detail_of(&r)))?;
        variants.push((compiled, sets));
    }
    Ok(variants)
}

fn reason_of(problem: &Problem) -> Reason {
    match problem {
        Problem::Unsupported(_) => Reason::Unsupported,
        Problem::Bad(_) => Reason::BadCase,
    }
}

fn reason_of_refusal(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::Unreadable(_) => Reason::BadCase,
        Refusal::Diagnosed(_) if refusal.is_unsupported() => Reason::Unsupported,
        Refusal::Diagnosed(d) if d.iter().any(|d| d.code == Code::Internal) => Reason::Defect,
        Refusal::Diagnosed(_) => Reason::Refused,
        Refusal::Panicked(_) | Refusal::TimedOut(_) => Reason::Defect,
    }
}

fn detail_of(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Diagnosed(diagnostics) => {
            format!("{}\n{diagnostics}", refusal.summary()).trim_end().to_owned()
        }
        other => other.to_string(),
    }
}

fn execute(
    cache: &Cache,
    case: &Case,
    variants: &[Variant],
    placed: &[Result<Placed, String>],
    limit: Duration,
) -> Outcome {
    let fail = |reason, detail: String| Outcome::failed(reason, case.sets.len(), detail);
    let interface = match Interface::open(&case.model) {
        Ok(interface) => interface,
        Err(e) => return fail(Reason::BadCase, e),
    };
    let mut total = Outcome::failed(Reason::Passed, case.sets.len(), "");
    for variant in variants {
        let model = match &placed[variant.unit] {
            Ok(model) => model,
            Err(message) => return fail(Reason::Rustc, message.clone()),
        };
        for &index in &variant.sets {
            let set = match dataset::load(&case.sets[index], &interface, Parts::All) {
                Ok(set) => set,
                Err(problem) => return fail(reason_of(&problem), problem.to_string()),
            };
            let outcome = run_set(cache, case, model, &variant.report, &set, limit);
            total.max_abs_err = total.max_abs_err.max(outcome.max_abs_err);
            total.max_rel_err = total.max_rel_err.max(outcome.max_rel_err);
            if outcome.reason != Reason::Passed && total.reason == Reason::Passed {
                total.reason = outcome.reason;
                total.detail = if case.sets.len() > 1 {
                    format!("{}: {}", set.name, outcome.detail)
                } else {
                    outcome.detail
                };
            }
        }
    }
    total
}

/// The values of `set` in the order of the compiled model's inputs.
///
/// # Errors
/// If one is missing.
pub fn inputs_in_order(report: &Report, set: &DataSet) -> Result<Vec<Tensor>, String> {
    let find = |port: &crate::report::Port| {
        let value = set.inputs.get(&port.name).cloned();
        value.ok_or_else(|| format!("{} has no value for the input \"{}\"", set.name, port.name))
    };
    report.inputs.iter().map(find).collect()
}

fn run_set(
    cache: &Cache,
    case: &Case,
    model: &Placed,
    report: &Report,
    set: &DataSet,
    limit: Duration,
) -> Outcome {
    let inputs = match inputs_in_order(report, set) {
        Ok(inputs) => inputs,
        Err(e) => return Outcome::failed(Reason::BadCase, 1, e),
    };
    let run = match exec::run(cache, model, &inputs, limit) {
        Ok(run) => run,
        Err(failure) => {
            let reason = match failure {
                Failure::Refused(_) | Failure::System(_) => Reason::Rejected,
                Failure::Crashed(_) => Reason::Crash,
                Failure::TimedOut(_) => Reason::Hang,
            };
            return Outcome::failed(reason, 1, failure.to_string());
        }
    };
    let mut total = Outcome::failed(Reason::Passed, 1, "");
    let wrong = |total: &mut Outcome, reason, detail: String| {
        if total.reason == Reason::Passed {
            (total.reason, total.detail) = (reason, detail);
        }
    };
    for (name, want) in &set.outputs {
        let got = report.outputs.iter().position(|p| p.name == *name).and_then(|i| run.outputs.get(i));
        let Some(got) = got else {
            wrong(&mut total, Reason::Mismatch, format!("the compiled model has no output \"{name}\""));
            continue;
        };
        let difference = compare(got, want, case.tolerance);
        total.max_abs_err = total.max_abs_err.max(difference.max_abs_err);
        total.max_rel_err = total.max_rel_err.max(difference.max_rel_err);
        if let Some(mismatch) = difference.mismatch {
            wrong(&mut total, Reason::Mismatch, format!("output \"{name}\": {mismatch}"));
        }
    }
    if set.outputs.is_empty() {
        wrong(&mut total, Reason::BadCase, format!("{} has no outputs to compare with", set.name));
    }
    if !run.stable {
        wrong(&mut total, Reason::Unstable, "a second run on the same inputs gave other bits".to_owned());
    }
    total
}
