//! Where state lives, and how its next content gets there.
//!
//! ```text
//! %past: f32[b,4,past,32]      %5 = Concat { axis: 2 }(%past, %new)
//! ```
//! A state that grows has room for the most that it can be: along the growing axis, strides step over the whole room, and
//! all else is as if it were full. So what is added goes behind what is there, and nothing moves: the Concat above has its
//! place in the state's buffer, its first input is there already, and the second is computed into its part. Results that
//! are not such joins are copied into the state once everything that reads it has run.

use super::driver::output_view;
use super::view::{View, dense_strides};
use crate::ir::{Graph, Value};
use crate::lir::{Buffer, BufferId, Class, Program, StatePort, Step, StepKind};
use crate::ops::movement::{Concat, Reshape, Restate, Transpose};
use crate::state::State;
use crate::types::Dim;

/// Makes the buffer of a state. Gives the view under which the graph's input reads it.
pub(super) fn add(graph: &Graph, state: &State, program: &mut Program) -> View {
    let data = graph.value(graph.inputs[state.input]);
    let (output, value) = &graph.outputs[state.output];
    let after = &graph.ty(*value).shape;
    let mut room = data.ty.shape.clone();
    if let Some(growth) = &state.growth {
        let most = |dim: &Dim| dim.range(&graph.symbols).map_or(0, |r| r.hi);
        room[growth.axis] = Dim::from(most(&room[growth.axis]).max(most(&after[growth.axis])));
    }
    let buffer = BufferId(program.buffers.len() as u32);
    let name = data.name.clone().unwrap_or_default();
    program.buffers.push(Buffer {
        dtype: data.ty.dtype,
        len: Dim::product(&room),
        class: Class::Arena,
        name: name.clone(),
    });
    program.states.push(StatePort {
        input: name,
        output: output.clone(),
        shape: data.ty.shape.clone(),
        growth: state.growth.as_ref().map(|g| (g.symbol.clone(), g.next.clone())),
        buffer,
    });
    View {
        buffer,
        dtype: data.ty.dtype,
        offset: Dim::ZERO,
        shape: data.ty.shape.clone(),
        strides: dense_strides(&room),
    }
}

/// The state after a run.
fn after(graph: &Graph, state: &State, views: &[Option<View>]) -> Option<View> {
    let before = views[graph.inputs[state.input].0 as usize].clone()?;
    Some(View { shape: graph.ty(graph.outputs[state.output].1).shape.clone(), ..before })
}

/// The joins that can be computed in the buffer of a state, with their places: those whose first input is the state.
pub(super) fn joins(graph: &Graph, states: &[State], views: &[Option<View>]) -> Vec<(Value, View)> {
    let join = |state: &State| {
        let input = graph.inputs[state.input];
        let before = views[input.0 as usize].as_ref()?;
        join(graph, (input, before), graph.outputs[state.output].1)
    };
    states.iter().filter_map(join).collect()
}

/// The join that makes `result` of the value at `before`, with its place, if what is joined to the value goes behind it.
pub(super) fn join(graph: &Graph, (input, before): (Value, &View), result: Value) -> Option<(Value, View)> {
    let mut place = View { shape: graph.ty(result).shape.clone(), ..before.clone() };
    let mut value = result;
    loop {
        let node = graph.producer(value).filter(|n| n.epilogue.is_none() && n.outputs[0] == value)?;
        if let Some(concat) = node.is::<Concat>() {
            let first = *node.inputs.first()?;
            let part = concat.part(&place, &Dim::ZERO, &graph.ty(first).shape[concat.axis]);
            let there = moved(graph, first, input, before)?;
            return there.same_elements(&part).then_some((value, place));
        }
        place = super::placement::undone(graph, node, &place)?;
        value = node.inputs[0];
    }
}

/// Where a value is that is `input` under another shape or order of axes.
fn moved(graph: &Graph, value: Value, input: Value, view: &View) -> Option<View> {
    if value == input {
        return Some(view.clone());
    }
    let node = graph.producer(value).filter(|n| n.epilogue.is_none())?;
    if let Some(transpose) = node.is::<Transpose>() {
        return Some(moved(graph, node.inputs[0], input, view)?.permuted(&transpose.perm));
    }
    let shape = &graph.ty(value).shape;
    if node.is::<Restate>().is_some() {
        return Some(View { shape: shape.clone(), ..moved(graph, node.inputs[0], input, view)? });
    }
    node.is::<Reshape>()?;
    moved(graph, node.inputs[0], input, view)?.reshaped(shape)
}

/// Adds the steps that bring the next contents into the states, as far as they are not there.
pub(super) fn store(graph: &Graph, states: &[State], program: &mut Program, views: &[Option<View>]) {
    let mut copies = Vec::new();
    for state in states {
        let value = graph.outputs[state.output].1;
        let Some(to) = after(graph, state, views) else { continue };
        let from = output_view(graph, program, views, value);
        if !from.same_elements(&to) {
            copies.push((state, from, to));
        }
    }
    // What comes from a state is read before any state changes.
    for (state, from, _) in &mut copies {
        if program.is_state(from.buffer) {
            let buffer = BufferId(program.buffers.len() as u32);
            program.buffers.push(Buffer {
                dtype: from.dtype,
                len: from.elements(),
                class: Class::Arena,
                name: graph.outputs[state.output].0.clone(),
            });
            let apart = View::dense(buffer, from.dtype, &from.shape);
            push_copy(graph, state, program, from, &apart);
            *from = apart;
        }
    }
    for (state, from, to) in &copies {
        push_copy(graph, state, program, from, to);
    }
}

fn push_copy(graph: &Graph, state: &State, program: &mut Program, from: &View, to: &View) {
    let (name, value) = &graph.outputs[state.output];
    program.steps.push(Step {
        kind: StepKind::Copy { space: to.shape.clone(), load: from.access(), store: to.access() },
        origins: graph.producer(*value).map(|n| n.origins.clone()).unwrap_or_default(),
        summary: format!("state \"{name}\": {}", graph.ty(*value)),
        macs: Dim::ZERO,
    });
}
