//! Checks of a finished plan, independent of how it was made.

use super::liveness::{Life, Timeline, lives};
use super::order::dependencies;
use super::{LINE_BYTES, Plan, Room};
use crate::lir::{Class, Program};
use std::collections::BTreeSet;

/// Everything that is wrong with a plan.
pub fn verify(program: &Program, plan: &Plan) -> Vec<String> {
    let mut problems = Vec::new();
    check_order(program, plan, &mut problems);
    let timeline = Timeline::new(program, &plan.order);
    let lives = lives(program, &timeline);
    let mut values: Vec<(usize, Life, u64, u64)> = Vec::new();
    for (at, buffer) in program.buffers.iter().enumerate() {
        let name = &buffer.name;
        match (&buffer.class, plan.rooms[at], lives[at]) {
            (Class::Input(i), Room::Input(j), _) if *i == j => {}
            (Class::Arena, Room::Arena(bytes), Some(life)) => {
                if bytes.offset % LINE_BYTES != 0 || bytes.offset + bytes.len > plan.arena_bytes {
                    problems.push(format!("\"{name}\" is misaligned or outside of the arena"));
                }
                values.push((at, life, bytes.offset, bytes.offset + bytes.len));
            }
            (Class::Const(_), Room::Blob(_) | Room::Unused, _) | (Class::Arena, Room::Unused, None) => {}
            (_, room, _) => problems.push(format!("\"{name}\" is in the wrong place: {room:?}")),
        }
    }
    let handed_over = handed_over(&timeline, plan);
    for (i, &(a, life_a, start_a, end_a)) in values.iter().enumerate() {
        for &(b, life_b, start_b, end_b) in &values[i + 1..] {
            let overlap = start_a < end_b && start_b < end_a;
            // In place, one step is the last of the old value and the first of the new.
            let shared = life_a.last == life_b.first && handed_over.contains(&(a, b, life_b.first))
                || life_b.last == life_a.first && handed_over.contains(&(b, a, life_a.first));
            if overlap && life_a.meets(life_b) && !shared {
                let (a, b) = (&program.buffers[a].name, &program.buffers[b].name);
                problems.push(format!("\"{a}\" and \"{b}\" overlap while both are needed"));
            }
        }
    }
    problems
}

/// Whether the order is one of the steps, and keeps what depends on each other in sequence.
fn check_order(program: &Program, plan: &Plan, problems: &mut Vec<String>) {
    let mut position = vec![usize::MAX; program.steps.len()];
    for (at, &step) in plan.order.iter().enumerate() {
        match position.get_mut(step) {
            Some(place) if *place == usize::MAX => *place = at,
            _ => problems.push(format!("step {step} runs twice or does not exist")),
        }
    }
    if position.contains(&usize::MAX) {
        problems.push("a step does not run".to_owned());
    }
    for (step, needed) in dependencies(program).into_iter().enumerate() {
        for earlier in needed.into_iter().filter(|&e| position[e] > position[step]) {
            problems.push(format!("step {step} runs before step {earlier}, which it depends on"));
        }
    }
}

/// Pairs of buffers of which the second takes the first's place, with the position of the step that does it.
fn handed_over(timeline: &Timeline<'_>, plan: &Plan) -> BTreeSet<(usize, usize, usize)> {
    use crate::lir::StepKind;
    let mut pairs = BTreeSet::new();
    for (at, step) in timeline.steps.iter().enumerate() {
        let Some(load) = plan.in_place[at] else { continue };
        let (load, store) = match &step.kind {
            StepKind::Map(map) => (&map.loads[load], &map.store),
            StepKind::Copy { load, store, .. } => (load, store),
            StepKind::Call(call) => {
                if let Some((old, new)) = call.overwritable() {
                    pairs.insert((old.buffer.0 as usize, new.buffer.0 as usize, at));
                }
                continue;
            }
            _ => continue,
        };
        if load.strides == store.strides && load.offset == store.offset {
            pairs.insert((load.buffer.0 as usize, store.buffer.0 as usize, at));
        }
    }
    pairs
}
