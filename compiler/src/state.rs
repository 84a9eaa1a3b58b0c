//! State: outputs that are inputs of the next run, as the user's option `state` binds them.
//!
//! ```text
//! state: { "present.*" => "past_key_values.*" }
//! ```
//! Bound outputs and inputs leave the interface of the program; the value stays in the arena. Either it has one size, and
//! begins as zeros (the hidden state of a recurrent network), or it grows along one axis, and begins empty (the keys and
//! values of a decoder). This module decides which pairs there are and refuses what cannot be state; it knows nothing of
//! memory.

mod pattern;
#[cfg(test)]
mod tests;

use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::import::symbols::option_key;
use crate::ir::Graph;
use crate::options::Options;
use crate::types::{Dim, Symbol, TensorType};
use pattern::Pattern;
use std::collections::BTreeSet;

/// An output that is an input of the next run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Position of the graph's input.
    pub input: usize,
    /// Position of the graph's output.
    pub output: usize,
    /// How it grows, unless it has one size.
    pub growth: Option<Growth>,
}

/// The axis along which a state grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The axis.
    pub axis: usize,
    /// Its extent before a run.
    pub symbol: Symbol,
    /// Its extent after the run.
    pub next: Dim,
}

/// Finds the pairs that the options name.
pub fn bind(graph: &Graph, options: &Options, diagnostics: &mut Diagnostics) -> Vec<State> {
    let mut states: Vec<State> = Vec::new();
    for (output, input) in &options.state {
        for found in pairs(graph, output, input) {
            let state = found.and_then(|(output, input)| state(graph, output, input));
            let state = state.and_then(|state| agrees(graph, &states, &state).map(|()| state));
            match state {
                Ok(state) => states.push(state),
                Err(diagnostic) => {
                    diagnostics.report(diagnostic.about("state", output));
                }
            }
        }
    }
    if diagnostics.is_empty()
        && let Some(diagnostic) = unknown_size(graph, &states)
    {
        let first = options.state.first().map_or("", |(output, _)| output);
        diagnostics.report(diagnostic.about("state", first));
    }
    states
}

/// Whether a pattern of the option names an output.
pub fn is_named(output: &str, pattern: &str) -> bool {
    Pattern::new(pattern).matches(output).is_some()
}

fn refuse(message: String) -> Diagnostic {
    Diagnostic::new(Code::BadOption, message)
}

/// The positions of the outputs and inputs that two patterns name, and what is wrong with them.
fn pairs(graph: &Graph, output: &str, input: &str) -> Vec<Result<(usize, usize), Diagnostic>> {
    let (pattern, target) = (Pattern::new(output), Pattern::new(input));
    if pattern.stars() != target.stars() {
        let message =
            format!("the patterns \"{output}\" and \"{input}\" of a state have different numbers of `*`");
        return vec![Err(
            refuse(message).help("what a `*` of the output stands for, that of the input stands for")
        )];
    }
    let names = |names: Vec<&str>| names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
    let inputs: Vec<&str> =
        graph.inputs.iter().map(|&v| graph.value(v).name.as_deref().unwrap_or_default()).collect();
    let mut found = Vec::new();
    for (number, (name, _)) in graph.outputs.iter().enumerate() {
        let Some(parts) = pattern.matches(name) else { continue };
        let wanted = target.filled(&parts);
        found.push(inputs.iter().position(|input| *input == wanted).map(|input| (number, input)).ok_or_else(
            || {
                let message = format!(
                    "the output \"{name}\" should be the state \"{wanted}\", but no input is called so"
                );
                refuse(message).help(format!("the inputs are: {}", names(inputs.clone())))
            },
        ));
    }
    if found.is_empty() {
        let outputs = graph.outputs.iter().map(|(name, _)| name.as_str()).collect();
        let message = format!("no output of the model is called \"{output}\"");
        found.push(Err(refuse(message).help(format!("the outputs are: {}", names(outputs)))));
    }
    found
}

/// An output as the state that is the given input.
fn state(graph: &Graph, output: usize, input: usize) -> Result<State, Diagnostic> {
    let (name, value) = &graph.outputs[output];
    let (before, after) = (graph.ty(graph.inputs[input]), graph.ty(*value));
    let input_name = graph.value(graph.inputs[input]).name.clone().unwrap_or_default();
    let fault = |why: &str| {
        refuse(format!(
            "the output \"{name}\": {after} cannot become the input \"{input_name}\": {before}; {why}"
        ))
    };
    if before.dtype != after.dtype {
        return Err(
            fault("their element types differ").help("keep the two apart, or export them with one type")
        );
    }
    if before.rank() != after.rank() {
        return Err(fault("they have different numbers of axes"));
    }
    let differing: Vec<usize> = (0..before.rank()).filter(|&a| before.shape[a] != after.shape[a]).collect();
    match differing[..] {
        [] => Ok(State { input, output, growth: None }),
        [axis] => growth(graph, before, after, axis)
            .map(|growth| State { input, output, growth: Some(growth) })
            .map_err(|(why, help)| fault(&why).help(help)),
        _ => Err(fault("only one extent may change from run to run")),
    }
}

/// How a value that has one type before a run and another after it grows; why it cannot, and what to do.
fn growth(
    graph: &Graph,
    before: &TensorType,
    after: &TensorType,
    axis: usize,
) -> Result<Growth, (String, String)> {
    let (extent, next) = (&before.shape[axis], after.shape[axis].clone());
    let symbol = graph.symbols.keys().find(|symbol| *extent == Dim::symbol((*symbol).clone())).cloned();
    let Some(symbol) = symbol else {
        let why = format!("its extent {extent} at axis {axis} is fixed, and would be {next} after a run");
        return Err((why, "bound the dimension, beginning at 0: `dims: { past: 0..=512 }`".to_owned()));
    };
    let range = graph.symbols[&symbol];
    if range.lo > 0 {
        let (name, hi) = (symbol.name(), range.hi);
        let why = format!("state begins empty, but \"{name}\" is at least {}", range.lo);
        return Err((why, format!("bound it from 0: `dims: {{ {}: 0..={hi} }}`", option_key(name))));
    }
    Ok(Growth { axis, symbol, next })
}

/// Whether a state fits to those before it.
fn agrees(graph: &Graph, states: &[State], state: &State) -> Result<(), Diagnostic> {
    let input = graph.value(graph.inputs[state.input]).name.as_deref().unwrap_or_default();
    for other in states {
        let other_output = &graph.outputs[other.output].0;
        if other.input == state.input {
            return Err(refuse(format!("the input \"{input}\" is the state of \"{other_output}\" already")));
        }
        if other.output == state.output {
            return Err(refuse(format!(
                "the output \"{other_output}\" is the state of another input already"
            )));
        }
        let sizes = |s: &State| s.growth.as_ref().map(|g| (g.symbol.clone(), g.next.clone()));
        let kept = |s: &State| match &s.growth {
            Some(_) => Vec::new(),
            None => graph.ty(graph.inputs[s.input]).shape.clone(),
        };
        for (grows, stays) in [(other, state), (state, other)] {
            let Some((symbol, next)) = sizes(grows) else { continue };
            let different = sizes(stays).is_some_and(|(same, other)| same == symbol && other != next);
            if different || kept(stays).contains(&Dim::symbol(symbol.clone())) {
                let (a, b) = (&graph.outputs[state.output].0, other_output);
                let name = symbol.name();
                return Err(refuse(format!(
                    "\"{a}\" and \"{b}\" give the dimension \"{name}\" different sizes"
                )));
            }
        }
    }
    Ok(())
}

/// A dimension whose size no input tells, since all that have it are state.
fn unknown_size(graph: &Graph, states: &[State]) -> Option<Diagnostic> {
    let is_state = |position: usize| states.iter().any(|s| s.input == position);
    let mut known: BTreeSet<Symbol> =
        states.iter().filter_map(|s| s.growth.as_ref().map(|g| g.symbol.clone())).collect();
    let mut needed: BTreeSet<Symbol> = BTreeSet::new();
    for (position, &input) in graph.inputs.iter().enumerate() {
        for extent in &graph.ty(input).shape {
            let symbol = graph.symbols.keys().find(|s| *extent == Dim::symbol((*s).clone()));
            let Some(symbol) = symbol.cloned() else { continue };
            if is_state(position) { &mut needed } else { &mut known }.insert(symbol);
        }
    }
    let symbol = needed.difference(&known).next()?;
    let name = symbol.name();
    let message = format!("only state has the dimension \"{name}\", so that nothing tells its size");
    Some(refuse(message).help(format!("fix it: `dims: {{ {}: 1 }}`", option_key(name))))
}
