//! The pipeline, stage by stage.

#[cfg(test)]
mod size_tests;
mod standing;
#[cfg(test)]
mod tests;
mod untie;
#[cfg(test)]
mod value_tests;
mod variants;
mod weights;

use crate::artifact::{Artifact, Module};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::import::{self, raw::RawAttribute, raw::RawModel};
use crate::ir::Graph;
use crate::lir::{Program, StatePort, Step};
use crate::lower::Layouts;
use crate::options::{ModelSource, Optimize, Options, WeightsIn, describes};
use crate::plan::{Plan, Room};
use crate::report::{self, Report, ValueReport};
use crate::state::{self, State};
use crate::types::{Contents, Dim, Symbols};
use crate::{emit, lower, passes, plan};
use std::collections::BTreeMap;
use weights::{Firsts, Initializers};

/// A model as it was read.
struct Read<'a> {
    source: &'a ModelSource,
    options: &'a Options,
    /// Which program it belongs to.
    member: usize,
    raw: RawModel,
    initializers: Initializers,
    /// Bytes by which folding may make its constants grow.
    growth: usize,
}

/// A model as far as it can be taken without the others it ships with.
struct Prepared {
    graph: Graph,
    initializers: Initializers,
    states: Vec<State>,
    report: Report,
}

/// A model up to the memory plan.
struct Lowered {
    program: Program,
    initializers: Initializers,
    report: Report,
}

/// Compiles models that ship together. See [`crate::compile`].
pub(crate) fn compile(models: &[(ModelSource, Options)]) -> Result<Artifact, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut contents = Contents::default();
    let mut read = read_all(models, &mut contents, &mut diagnostics);
    mark(&mut read, &mut contents);
    let mut prepared = Vec::with_capacity(read.len());
    for model in read {
        let (source, options) = (model.source, model.options);
        let mut own = Diagnostics::new(&source.file);
        match prepare(model, &mut own) {
            Some(done) if own.is_empty() => prepared.push((source, options, done)),
            _ => diagnostics.append(own),
        }
    }
    let graphs: Vec<&Graph> = prepared.iter().map(|(_, _, p)| &p.graph).collect();
    let speed = models.iter().any(|(_, options)| options.optimize == Optimize::Speed);
    let layouts = Layouts::choose(&graphs, speed, contents);
    let mut lowered = Vec::with_capacity(models.len());
    for (source, options, prepared) in prepared {
        let mut own = Diagnostics::new(&source.file);
        match lower_model(prepared, options, &layouts, &mut own) {
            Some(done) if own.is_empty() => lowered.push(done),
            _ => diagnostics.append(own),
        }
    }
    diagnostics.into_result()?;
    let whole = |d| {
        let mut diagnostics = Diagnostics::new(models.first().map_or("", |(s, _)| &s.file));
        diagnostics.report(d);
        diagnostics
    };
    let programs: Vec<&Program> = lowered.iter().map(|l| &l.program).collect();
    let (plans, blob, contents) = plan::plan_with(&programs, layouts.into_contents()).map_err(whole)?;
    let in_file = !blob.is_empty() && models.iter().any(|(_, options)| options.weights == WeightsIn::File);
    let firsts = weights::firsts(programs.iter().copied().zip(&plans), &contents);
    let about = AboutBundle { contents: &contents, firsts: &firsts, in_file };
    let mut modules = Vec::with_capacity(models.len());
    let mut rest = lowered.into_iter().zip(plans);
    for (source, options) in models {
        let sets: Vec<(Lowered, Plan)> = rest.by_ref().take(source.variants.len().max(1)).collect();
        modules.push(finish(source, options, sets, &about).map_err(whole)?);
    }
    let weights = if in_file { WeightsIn::File } else { WeightsIn::Program };
    Ok(Artifact { modules, blob, weights })
}

/// What is known of all models together.
struct AboutBundle<'a> {
    contents: &'a Contents,
    firsts: &'a Firsts,
    in_file: bool,
}

/// Reads the models that can be read, variants side by side.
fn read_all<'a>(
    models: &'a [(ModelSource, Options)],
    contents: &mut Contents,
    diagnostics: &mut Diagnostics,
) -> Vec<Read<'a>> {
    let mut read = Vec::with_capacity(models.len());
    for (member, (source, options)) in models.iter().enumerate() {
        let own = source.variants.is_empty().then_some(source);
        for source in own.into_iter().chain(source.variants.iter().map(|(_, variant)| variant)) {
            let mut own = Diagnostics::new(&source.file);
            check_dumps(options, &mut own);
            match import::raw::read(source, &mut own) {
                Ok(raw) if own.is_empty() => {
                    let initializers = Initializers::of(&raw, contents);
                    read.push(Read { source, options, member, raw, initializers, growth: 0 });
                }
                // What can be built of it tells more that is wrong.
                Ok(raw) => {
                    import::graph::build(&raw.graph, options, &mut own);
                    diagnostics.append(own);
                }
                Err(_) => diagnostics.append(own),
            }
        }
    }
    read
}

/// Gives all constants their standing, and says how much each model may grow.
fn mark(read: &mut [Read<'_>], contents: &mut Contents) {
    let replaceable: Vec<_> = read
        .iter()
        .map(|read| {
            let patterns = &read.options.overridable;
            move |name: &str| patterns.iter().any(|pattern| describes(pattern, name))
        })
        .collect();
    let mut members: Vec<standing::Member<'_>> = Vec::new();
    let mut last = None;
    for (read, replaceable) in read.iter_mut().zip(&replaceable) {
        match members.last_mut().filter(|_| last == Some(read.member)) {
            Some(member) => member.models.push(&mut read.raw),
            None => members.push(standing::Member { models: vec![&mut read.raw], replaceable }),
        }
        last = Some(read.member);
    }
    standing::mark(&mut members, contents);
    // Variants may grow alike, or else they would not become one program.
    let all: Vec<(usize, usize)> =
        read.iter().map(|model| (model.member, model.initializers.growth(&model.raw))).collect();
    for model in read {
        let of_member = all.iter().filter(|(member, _)| *member == model.member);
        model.growth = of_member.map(|(_, growth)| *growth).min().unwrap_or(0);
    }
}

/// Import and passes.
fn prepare(model: Read<'_>, diagnostics: &mut Diagnostics) -> Option<Prepared> {
    let Read { source, options, raw, initializers, growth, .. } = model;
    let mut graph = import::graph::build(&raw.graph, options, diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }
    graph.growth = Some(growth);
    let states = state::bind(&graph, options, diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }
    let (initializer_bytes, unique_initializer_bytes) = initializers.bytes();
    let mut report = Report {
        file: source.file.clone(),
        opset: raw.opsets.get("").copied().unwrap_or(0),
        operators: histogram(&raw),
        initializer_bytes,
        unique_initializer_bytes,
        ..Report::default()
    };
    dump(options, &mut report, "import", &|| graph.to_string());
    let graph = match passes::run(graph, &options.dump_after, &mut report.dumps) {
        Ok(graph) => graph,
        Err(diagnostic) => {
            diagnostics.report(diagnostic);
            return None;
        }
    };
    Some(Prepared { graph, states, initializers, report })
}

/// From the graph to the program.
fn lower_model(
    prepared: Prepared,
    options: &Options,
    layouts: &Layouts,
    diagnostics: &mut Diagnostics,
) -> Option<Lowered> {
    let Prepared { graph, states, initializers, mut report } = prepared;
    let program = lower::lower(&graph, &states, layouts, diagnostics)?;
    dump(options, &mut report, "lower", &|| program.to_string());
    describe(&graph, &program, &mut report);
    Some(Lowered { program, initializers, report })
}

/// The generated module and the last figures of its report. `sets` holds the program for each of its sets of weights.
fn finish(
    source: &ModelSource,
    options: &Options,
    sets: Vec<(Lowered, Plan)>,
    bundle: &AboutBundle<'_>,
) -> Result<Module, Diagnostic> {
    let names: Vec<String> = source.variants.iter().map(|(name, _)| name.clone()).collect();
    for ((other, _), name) in sets.iter().zip(&names).skip(1) {
        variants::check((&names[0], &sets[0].0.program), (name, &other.program))?;
    }
    let (sets, plans): (Vec<Lowered>, Vec<Plan>) = sets.into_iter().unzip();
    let (Some(lowered), Some(plan)) = (sets.into_iter().next(), plans.first()) else {
        return Err(Diagnostic::new(Code::Internal, "a model without a program"));
    };
    let Lowered { program, initializers, mut report } = lowered;
    dump(options, &mut report, "plan", &|| plan.to_string());
    report.context_bytes = plan.arena_bytes;
    report.context_lower_bound_bytes = plan.lower_bound_bytes;
    report.stored_weight_bytes = plan.weight_bytes;
    weights::describe(&mut report, &program, plan, &initializers, bundle.contents, bundle.firsts);
    report.values = values(&program, plan);
    if !names.is_empty() {
        variants::describe(&mut report, &names, &plans.iter().collect::<Vec<_>>());
    }
    let variants = (!names.is_empty()).then(|| plan::Variants { names, plans: plans.clone() });
    let about = emit::About {
        file: &source.file,
        opset: report.opset,
        weights_in_file: bundle.in_file,
        variants: variants.as_ref(),
    };
    let emitted = emit::emit(&program, plan, &about);
    report.steps = emitted.steps;
    report.inputs = emitted.inputs;
    report.outputs = emitted.outputs;
    report.states = states(&program, plan);
    Ok(Module { name: source.name.clone(), items: emitted.items, doc: emitted.doc, report })
}

/// The values in the arena, in the order in which they are first needed.
fn values(program: &Program, plan: &Plan) -> Vec<ValueReport> {
    let mut values: Vec<ValueReport> = plan::lives(program, plan)
        .into_iter()
        .map(|(buffer, place, first, last)| {
            let name = program.buffer(buffer).name.clone();
            ValueReport { name, offset: place.offset, bytes: place.len, first, last }
        })
        .collect();
    values.sort_by_key(|value| (value.first, value.offset));
    values
}

/// What the program keeps from one run to the next.
fn states(program: &Program, plan: &Plan) -> Vec<report::State> {
    let state = |port: &StatePort| report::State {
        output: port.output.clone(),
        input: port.input.clone(),
        dtype: program.buffer(port.buffer).dtype,
        shape: port.shape.iter().map(Dim::to_string).collect(),
        bytes: match plan.room(port.buffer) {
            Room::Arena(bytes) => bytes.len,
            _ => 0,
        },
    };
    program.states.iter().map(state).collect()
}

/// Stages that are not passes but can be dumped.
const STAGES: [&str; 3] = ["import", "lower", "plan"];

fn check_dumps(options: &Options, diagnostics: &mut Diagnostics) {
    for name in &options.dump_after {
        if !STAGES.contains(&name.as_str()) && !passes::PIPELINE.iter().any(|p| p.name == name) {
            let mut known: Vec<&str> = passes::PIPELINE.iter().map(|p| p.name).collect();
            known.extend(STAGES);
            diagnostics.report(
                Diagnostic::new(Code::BadOption, format!("there is no pass \"{name}\" to dump after"))
                    .help(format!("passes and stages: {}", known.join(", "))),
            );
        }
    }
}

fn dump(options: &Options, report: &mut Report, stage: &str, text: &dyn Fn() -> String) {
    if options.dump_after.iter().any(|d| d == stage) {
        report.dumps.push((stage.to_owned(), text()));
    }
}

/// How often each operator occurs, most frequent first, then by name.
fn histogram(raw: &RawModel) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut graphs = vec![&raw.graph];
    while let Some(graph) = graphs.pop() {
        for node in &graph.nodes {
            *counts.entry(&node.op_type).or_default() += 1;
            graphs.extend(node.attributes.values().flat_map(RawAttribute::graphs));
        }
    }
    let mut list: Vec<(String, usize)> = counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    list.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    list
}

fn describe(graph: &Graph, program: &Program, report: &mut Report) {
    let mut given = Vec::new();
    graph.inputs.iter().flat_map(|&v| &graph.ty(v).shape).for_each(|dim| dim.symbols(&mut given));
    let dims = graph.symbols.iter().filter(|(symbol, _)| given.contains(symbol));
    report.dims = dims.map(|(s, r)| (s.name().to_owned(), r.lo, r.hi)).collect();
    report.size_steps = program.size_steps();
    report.macs = macs(&program.steps, &program.symbols);
}

/// Multiplications with accumulation of these steps, each step of a loop counted once.
fn macs(steps: &[Step], symbols: &Symbols) -> u64 {
    let own = |step: &Step| step.macs.range(symbols).map_or(0, |r| u64::try_from(r.hi).unwrap_or(0));
    let inner = |step: &Step| {
        step.blocks().into_iter().map(|block| macs(&block.steps, symbols)).fold(0, u64::saturating_add)
    };
    steps.iter().map(|step| own(step).saturating_add(inner(step))).fold(0, u64::saturating_add)
}
