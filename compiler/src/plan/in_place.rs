//! Steps that overwrite what they read for the last time.
//!
//! A map reads and writes one element at a time. Where it is the last to read a buffer, and reads it exactly as it
//! writes its result (same element type, offset and strides), both can be one place: `relu` of a value needs no second
//! buffer. Kernel calls do so only where they say it, by `Arg::Update`.

use super::arena::Block;
use super::liveness::{Life, Timeline};
use super::same_storage;
use crate::lir::{Access, BufferId, Class, Program, StepKind};

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
    // The buffer whose place a buffer takes over, and the last step that needs the place.
    let mut root: Vec<usize> = (0..lives.len()).collect();
    let mut last: Vec<usize> = lives.iter().map(|life| life.map_or(0, |l| l.last)).collect();
    let mut in_place = vec![None; timeline.steps.len()];
    for (at, step) in timeline.steps.iter().enumerate() {
        let (loads, store): (&[Access], &Access) = match &step.kind {
            StepKind::Map(map) => (&map.loads, &map.store),
            StepKind::Copy { load, store, .. } => (std::slice::from_ref(load), store),
            _ => continue,
        };
        let result = store.buffer.0 as usize;
        let own = |load: &Access| load.buffer == store.buffer;
        if let Some(found) = loads.iter().position(own) {
            let all = loads.iter().all(|load| !own(load) || same_elements(load, store));
            in_place[at] = all.then_some(found);
            continue;
        }
        let begins = lives[result].is_some_and(|life| life.first == at);
        if !begins || root[result] != result || program.is_state(store.buffer) {
            continue;
        }
        let fits = |load: &Access| {
            let place = root[load.buffer.0 as usize];
            // Every read of the place must be of the element that is about to be written.
            let aligned =
                |other: &Access| root[other.buffer.0 as usize] != place || same_elements(other, store);
            last[place] == at && alike(program, load.buffer, store.buffer) && loads.iter().all(aligned)
        };
        if let Some(found) = loads.iter().position(fits) {
            let place = root[loads[found].buffer.0 as usize];
            root[result] = place;
            last[place] = last[result];
            in_place[at] = Some(found);
        }
    }
    number(&root, lives, in_place)
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
