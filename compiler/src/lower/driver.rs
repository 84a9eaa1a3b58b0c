//! The walk over the nodes.

use super::Layouts;
use super::context::LowerCx;
use super::placement;
use super::state;
use super::view::View;
use crate::diag::{Diagnostics, Reported};
use crate::ir::{Def, Graph, Value};
use crate::lir::{Buffer, BufferId, Class, Port, Program, Step, StepKind, Touch};
use crate::state::State;
use crate::types::Dim;

/// Lowers a graph with these states, whose constants are stored in these layouts.
///
/// # Errors
/// Everything that cannot be lowered.
pub fn lower(
    graph: &Graph,
    states: &[State],
    layouts: &Layouts,
    diagnostics: &mut Diagnostics,
) -> Option<Program> {
    let mut program = Program {
        symbols: graph.symbols.clone(),
        requirements: graph.requirements.clone(),
        defaults: graph.defaults.clone(),
        pinned: graph.pinned.clone(),
        ..Program::default()
    };
    let mut views: Vec<Option<View>> = vec![None; graph.value_count()];
    for (i, &input) in graph.inputs.iter().enumerate() {
        if let Some(state) = states.iter().find(|s| s.input == i) {
            views[input.0 as usize] = Some(state::add(graph, state, &mut program));
            continue;
        }
        let data = graph.value(input);
        let name = data.name.clone().unwrap_or_default();
        let buffer = BufferId(program.buffers.len() as u32);
        program.buffers.push(Buffer {
            dtype: data.ty.dtype,
            len: data.ty.elements(),
            class: Class::Input(program.inputs.len()),
            name: name.clone(),
        });
        program.inputs.push(Port { name, shape: data.ty.shape.clone(), buffer });
        views[input.0 as usize] = Some(View::dense(buffer, data.ty.dtype, &data.ty.shape));
    }
    let joins = state::joins(graph, states, &views);
    let placed = placement::place(graph, &mut program, &joins);
    lower_nodes(graph, layouts, &mut program, &mut views, &placed, diagnostics).ok()?;
    state::store(graph, states, &mut program, &views);
    lower_outputs(graph, states, &mut program, &mut views);
    remove_unread(&mut program);
    Some(program)
}

/// Adds the steps of all nodes to the program.
pub(super) fn lower_nodes(
    graph: &Graph,
    layouts: &Layouts,
    program: &mut Program,
    views: &mut Vec<Option<View>>,
    placed: &[Option<View>],
    diagnostics: &mut Diagnostics,
) -> Result<(), Reported> {
    let mut result = Ok(());
    for (_, node) in graph.nodes() {
        let after = Vec::new();
        let mut cx = LowerCx { graph, layouts, node, program, views, placed, diagnostics, after };
        result = node.op.lower(&mut cx).and(result);
        for (from, to) in std::mem::take(&mut cx.after) {
            cx.copy(&from, &to);
        }
    }
    result
}

/// Drops steps whose results nothing reads: what a later step found a better way to compute.
fn remove_unread(program: &mut Program) {
    let mut read: Vec<bool> = vec![false; program.buffers.len()];
    for port in &program.outputs {
        read[port.buffer.0 as usize] = true;
    }
    for state in &program.states {
        read[state.buffer.0 as usize] = true;
    }
    let steps = std::mem::take(&mut program.steps);
    program.steps = without_unread(steps, &mut read);
}

/// The steps that something needs. `read` are the buffers that something after them reads; those that they read join.
fn without_unread(steps: Vec<Step>, read: &mut [bool]) -> Vec<Step> {
    let mut kept = Vec::with_capacity(steps.len());
    for mut step in steps.into_iter().rev() {
        let touches = step.touches();
        let written = touches.iter().any(|(b, touch)| *touch != Touch::Read && read[b.0 as usize]);
        if !written && !step.has_effect() {
            continue;
        }
        if matches!(step.kind, StepKind::Loop(_)) {
            // What the next iteration reads is needed at the end of this one.
            for (buffer, touch) in &touches {
                read[buffer.0 as usize] |= *touch != Touch::Write;
            }
        }
        let after = read.to_vec();
        for block in step.blocks_mut() {
            let mut inside = after.clone();
            block.steps = without_unread(std::mem::take(&mut block.steps), &mut inside);
            read.iter_mut().zip(inside).for_each(|(all, own)| *all |= own);
        }
        for (buffer, touch) in step.own_touches() {
            read[buffer.0 as usize] |= touch != Touch::Write;
        }
        kept.push(step);
    }
    kept.reverse();
    kept
}

/// Gives every result of the program a buffer of its own in the arena, row-major from its first element.
fn lower_outputs(graph: &Graph, states: &[State], program: &mut Program, views: &mut [Option<View>]) {
    let is_state = |number: usize| states.iter().any(|s| s.output == number);
    for (_, (name, value)) in graph.outputs.iter().enumerate().filter(|(number, _)| !is_state(*number)) {
        let ty = graph.ty(*value);
        let view = output_view(graph, program, views, *value);
        let buffer = program.buffer(view.buffer);
        let own = matches!(buffer.class, Class::Arena)
            && view.offset.is(0)
            && buffer.len == ty.elements()
            && view.is_dense()
            && !program.is_state(view.buffer)
            && !program.outputs.iter().any(|p| p.buffer == view.buffer);
        let id = if own {
            view.buffer
        } else {
            let id = BufferId(program.buffers.len() as u32);
            program.buffers.push(Buffer {
                dtype: ty.dtype,
                len: ty.elements(),
                class: Class::Arena,
                name: name.clone(),
            });
            let store = View::dense(id, ty.dtype, &ty.shape).access();
            let kind = StepKind::Copy { space: ty.shape.clone(), load: view.access(), store };
            let origins = graph.producer(*value).map(|n| n.origins.clone()).unwrap_or_default();
            program.steps.push(Step {
                kind,
                origins,
                summary: format!("result \"{name}\": {ty}"),
                macs: Dim::ZERO,
            });
            id
        };
        program.outputs.push(Port { name: name.clone(), shape: ty.shape.clone(), buffer: id });
    }
}

/// Where a value is; constants that no node reads are stored as the model has them.
pub(super) fn output_view(
    graph: &Graph,
    program: &mut Program,
    views: &[Option<View>],
    value: Value,
) -> View {
    if let Some(view) = &views[value.0 as usize] {
        return view.clone();
    }
    let data = graph.value(value);
    let Def::Const(tensor) = &data.def else {
        unreachable!("every node's results have views");
    };
    let buffer = BufferId(program.buffers.len() as u32);
    let packing = crate::lir::Packing::Plain;
    program.buffers.push(Buffer {
        dtype: tensor.dtype(),
        len: Dim::from(tensor.len()),
        class: Class::Const(crate::lir::ConstData { tensor: tensor.clone(), packing }),
        name: data.name.clone().unwrap_or_default(),
    });
    View::dense(buffer, data.ty.dtype, &data.ty.shape)
}
