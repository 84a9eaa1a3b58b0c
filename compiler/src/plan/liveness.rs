//! When each step runs and when each buffer is needed.
//!
//! Time is a count of steps: those of a block follow the step that owns it, the second block of a branch follows the
//! first. So values of one branch do not meet values of the other, and may share their place.

use crate::lir::{Class, Program, Step, StepKind};

/// The steps of a program, also those in blocks, in the order in which they run.
pub(super) struct Timeline<'p> {
    /// The steps.
    pub steps: Vec<&'p Step>,
    /// The first and last step of each loop, the loop itself included.
    loops: Vec<(usize, usize)>,
    /// For each step of the program, the moment at which it begins.
    pub begins: Vec<usize>,
}

impl<'p> Timeline<'p> {
    /// The timeline of a program whose outermost steps run in this order.
    pub(super) fn new(program: &'p Program, order: &[usize]) -> Timeline<'p> {
        let mut timeline =
            Timeline { steps: Vec::new(), loops: Vec::new(), begins: vec![0; program.steps.len()] };
        for &step in order {
            timeline.begins[step] = timeline.steps.len();
            timeline.push(&program.steps[step]);
        }
        timeline
    }

    fn push(&mut self, step: &'p Step) {
        let begin = self.steps.len();
        self.steps.push(step);
        for block in step.blocks() {
            block.steps.iter().for_each(|inner| self.push(inner));
        }
        if matches!(step.kind, StepKind::Loop(_)) {
            self.loops.push((begin, self.steps.len() - 1));
        }
    }
}

/// The moments from the first to the last at which a value is needed. Inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// First step that touches it.
    pub first: usize,
    /// Last step that touches it; one past the last step for results of the program.
    pub last: usize,
}

impl Life {
    /// Whether there is a step that needs both.
    pub(super) fn meets(self, other: Life) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn includes(self, other: Life) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// The life of each buffer of the arena; `None` for inputs, constants and buffers that nobody touches.
///
/// What a loop and something outside of it touch is needed in every iteration, and lives as long as the loop.
pub(super) fn lives(program: &Program, timeline: &Timeline<'_>) -> Vec<Option<Life>> {
    let mut lives: Vec<Option<Life>> = vec![None; program.buffers.len()];
    // For each buffer, the loops that touch it.
    let mut looped: Vec<Vec<usize>> = vec![Vec::new(); program.buffers.len()];
    let mut around: Vec<Vec<usize>> = vec![Vec::new(); timeline.steps.len()];
    for (number, &(first, last)) in timeline.loops.iter().enumerate() {
        around[first..=last].iter_mut().for_each(|list| list.push(number));
    }
    let mut touch = |buffer: usize, at: usize| {
        if matches!(program.buffers[buffer].class, Class::Arena) {
            let life = lives[buffer].get_or_insert(Life { first: at, last: at });
            life.first = life.first.min(at);
            life.last = life.last.max(at);
            if let Some(loops) = around.get(at) {
                looped[buffer].extend(loops);
            }
        }
    };
    // What stays from run to run is there before the first step and after the last.
    for state in &program.states {
        touch(state.buffer.0 as usize, 0);
        touch(state.buffer.0 as usize, timeline.steps.len());
    }
    for (at, step) in timeline.steps.iter().enumerate() {
        for (buffer, _) in step.own_touches() {
            touch(buffer.0 as usize, at);
        }
    }
    for port in &program.outputs {
        touch(port.buffer.0 as usize, timeline.steps.len());
    }
    for (life, loops) in lives.iter_mut().zip(looped) {
        let Some(life) = life else { continue };
        let touched = *life;
        for (first, last) in loops.into_iter().map(|number| timeline.loops[number]) {
            if !(Life { first, last }).includes(touched) {
                life.first = life.first.min(first);
                life.last = life.last.max(last);
            }
        }
    }
    lives
}
