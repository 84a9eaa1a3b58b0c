//! Steps that overwrite what they read for the last time.
//!
//! A map reads and writes one element at a time. Where it is the last to read a buffer, and reads it exactly as it
//! writes its result (same element type, offset and strides), both can be one place: `relu` of a value needs no second
//! buffer. Kernel calls do so only where they say it: by `Arg::Update`, or by `Arg::Over` where the plan may choose.

use super::arena::Block;
use super::liveness::{Life, Timeline};
use super::same_storage;
use crate::lir::{Access, BufferId, Call, Class, Place, Program, Step, StepKind};
use crate::types::Dim;

/// Buffers that share one place.
pub(super) struct Classes {
    /// For each buffer, the block that it lives in; `None` if it is not in the arena.
    pub block: Vec<Option<usize>>,
    /// Number of blocks.
    pub blocks: usize,
    /// For each step of the timeline, the load that is overwritten.
    pub in_place: Vec<Option<usize>>,
}

/// Decides which buffers share their place.
pub(super) fn classes(program: &Program, timeline: &Timeline<'_>, lives: &[Option<Life>]) -> Classes {
    let last = lives.iter().map(|life| life.map_or(0, |l| l.last)).collect();
    let mut places = Places { program, lives, root: (0..lives.len()).collect(), last };
    let mut in_place = vec![None; timeline.steps.len()];
    for (at, step) in timeline.steps.iter().enumerate() {
        in_place[at] = match &step.kind {
            StepKind::Map(map) => places.map(at, &map.loads, &map.store),
            StepKind::Copy { load, store, .. } => places.map(at, std::slice::from_ref(load), store),
            StepKind::Call(call) => places.call(at, step, call),
            _ => None,
        };
    }
    number(&places.root, lives, in_place)
}

/// Who has which place, as far as the steps have been seen.
struct Places<'p> {
    program: &'p Program,
    lives: &'p [Option<Life>],
    /// The buffer whose place a buffer takes over.
    root: Vec<usize>,
    /// The last step that needs the place.
    last: Vec<usize>,
}

impl Places<'_> {
    /// The load of a map that its result overwrites.
    fn map(&mut self, at: usize, loads: &[Access], store: &Access) -> Option<usize> {
        let own = |load: &Access| load.buffer == store.buffer;
        if let Some(found) = loads.iter().position(own) {
            let all = loads.iter().all(|load| !own(load) || same_elements(load, store));
            return all.then_some(found);
        }
        let fits = |load: &Access| {
            let place = self.root[load.buffer.0 as usize];
            // Every read of the place must be of the element that is about to be written.
            let aligned =
                |other: &Access| self.root[other.buffer.0 as usize] != place || same_elements(other, store);
            self.passes_on(at, load.buffer, store.buffer) && loads.iter().all(aligned)
        };
        let found = loads.iter().position(fits)?;
        self.pass_on(loads[found].buffer, store.buffer);
        Some(found)
    }

    /// 0 if the result of a call overwrites what the call allows.
    fn call(&mut self, at: usize, step: &Step, call: &Call) -> Option<usize> {
        let (old, new) = call.overwritable()?;
        let whole =
            |place: &Place| place.offset == Dim::ZERO && place.len == self.program.buffer(place.buffer).len;
        let shared = self.root[old.buffer.0 as usize];
        // Nothing else that the call touches may be there.
        let touches =
            step.own_touches().iter().filter(|(buffer, _)| self.root[buffer.0 as usize] == shared).count();
        if !whole(old) || !whole(new) || touches > 1 || !self.passes_on(at, old.buffer, new.buffer) {
            return None;
        }
        self.pass_on(old.buffer, new.buffer);
        Some(0)
    }

    /// Whether a step is the last that needs the place of one buffer and the first that needs the other, which can take
    /// it over.
    fn passes_on(&self, at: usize, old: BufferId, new: BufferId) -> bool {
        let result = new.0 as usize;
        self.lives[result].is_some_and(|life| life.first == at)
            && self.root[result] == result
            && !self.program.is_state(new)
            && self.last[self.root[old.0 as usize]] == at
            && alike(self.program, old, new)
    }

    fn pass_on(&mut self, old: BufferId, new: BufferId) {
        let (place, result) = (self.root[old.0 as usize], new.0 as usize);
        self.root[result] = place;
        self.last[place] = self.last[result];
    }
}

fn same_elements(load: &Access, store: &Access) -> bool {
    load.offset == store.offset && load.strides == store.strides
}

/// Whether a buffer can take over another's place.
fn alike(program: &Program, old: BufferId, new: BufferId) -> bool {
    let (a, b) = (program.buffer(old), program.buffer(new));
    matches!(a.class, Class::Arena)
        && matches!(b.class, Class::Arena)
        && a.len == b.len
        && same_storage(a.dtype, b.dtype)
}

fn number(root: &[usize], lives: &[Option<Life>], in_place: Vec<Option<usize>>) -> Classes {
    let mut block = vec![None; root.len()];
    let mut blocks = 0;
    for at in (0..root.len()).filter(|&at| lives[at].is_some() && root[at] == at) {
        block[at] = Some(blocks);
        blocks += 1;
    }
    for at in (0..root.len()).filter(|&at| lives[at].is_some()) {
        block[at] = block[root[at]];
    }
    Classes { block, blocks, in_place }
}

/// The places to be found: for each block its size and when it is needed.
pub(super) fn blocks(
    program: &Program,
    classes: &Classes,
    lives: &[Option<Life>],
    sizes: &[u64],
) -> Vec<Block> {
    let mut blocks: Vec<Option<Block>> = vec![None; classes.blocks];
    for at in 0..program.buffers.len() {
        let (Some(block), Some(life)) = (classes.block[at], lives[at]) else { continue };
        let entry = blocks[block].get_or_insert(Block { bytes: 0, life });
        entry.bytes = entry.bytes.max(sizes[at].next_multiple_of(super::LINE_BYTES));
        entry.life.first = entry.life.first.min(life.first);
        entry.life.last = entry.life.last.max(life.last);
    }
    blocks.into_iter().flatten().collect()
}
