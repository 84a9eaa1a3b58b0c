//! The order of the steps: one that needs little memory at once.
//!
//! The order of the program is tried first and kept unless another one is strictly better. The others come from walking
//! back from the results, so that each value is computed just before it is needed, from running whatever step frees
//! most, and from moving single steps towards or away from the moment of the peak.

use super::in_place::{blocks, classes};
use super::{arena, liveness};
use crate::lir::{Program, Touch};
use crate::types::Symbol;
use std::collections::{BTreeMap, BTreeSet};

/// How many steps the search may look at in all; it bounds compile time.
const SEARCH_BUDGET: usize = 400_000;

/// The steps in the order in which they run.
pub(super) fn order(program: &Program, sizes: &[u64]) -> Vec<usize> {
    let before = dependencies(program);
    let peak = |order: &[usize]| Peak::of(program, sizes, order);
    let mut best: Vec<usize> = (0..program.steps.len()).collect();
    let mut least = peak(&best);
    let by_position = walk_back(&before, &|_| 0);
    let by_size = walk_back(&before, &|step| written_bytes(program, sizes, step));
    for order in [by_position, by_size, freeing_first(program, sizes, &before)] {
        let found = peak(&order);
        if found.bytes < least.bytes {
            (best, least) = (order, found);
        }
    }
    improve(&mut best, &mut least, &before, &peak);
    best
}

/// The largest set of values that are needed at once.
struct Peak {
    bytes: u64,
    /// Position in the order at which it occurs.
    at: usize,
}

impl Peak {
    fn of(program: &Program, sizes: &[u64], order: &[usize]) -> Peak {
        let timeline = liveness::Timeline::new(program, order);
        let lives = liveness::lives(program, &timeline);
        let classes = classes(program, &timeline, &lives);
        let blocks = blocks(program, &classes, &lives, sizes);
        let mut change = vec![(0_u64, 0_u64); timeline.steps.len() + 2];
        for block in &blocks {
            change[block.life.first].0 += block.bytes;
            change[block.life.last + 1].1 += block.bytes;
        }
        let (mut live, mut peak) = (0, Peak { bytes: 0, at: 0 });
        for (at, (begins, ends)) in change.into_iter().enumerate() {
            live = live + begins - ends;
            if live > peak.bytes {
                peak = Peak { bytes: live, at };
            }
        }
        debug_assert_eq!(peak.bytes, arena::lower_bound(&blocks));
        peak.at = order.partition_point(|&step| timeline.begins[step] <= peak.at).saturating_sub(1);
        peak
    }
}

/// For each step, the earlier ones that must run before it: who writes what it reads, who reads what it overwrites, and
/// who gives the symbols that it mentions their values.
pub(super) fn dependencies(program: &Program) -> Vec<Vec<usize>> {
    let mut binders: BTreeMap<&Symbol, usize> = BTreeMap::new();
    for (at, step) in program.steps.iter().enumerate() {
        binders.extend(step.binds().into_iter().map(|symbol| (symbol, at)));
    }
    let mut last_write: Vec<Option<usize>> = vec![None; program.buffers.len()];
    let mut reads: Vec<Vec<usize>> = vec![Vec::new(); program.buffers.len()];
    let mut before = Vec::with_capacity(program.steps.len());
    for (step, data) in program.steps.iter().enumerate() {
        let touches = data.touches();
        let mut needed = BTreeSet::new();
        for &(buffer, touch) in &touches {
            let at = buffer.0 as usize;
            needed.extend(last_write[at]);
            if touch != Touch::Read {
                needed.extend(&reads[at]);
            }
        }
        if !binders.is_empty() {
            needed.extend(data.symbols().iter().filter_map(|symbol| binders.get(symbol)));
        }
        needed.remove(&step);
        for (buffer, touch) in touches {
            let at = buffer.0 as usize;
            if touch == Touch::Read {
                reads[at].push(step);
            } else {
                last_write[at] = Some(step);
                reads[at].clear();
            }
        }
        before.push(needed.into_iter().collect());
    }
    before
}

/// Every step as late as those that need it allow: from each last step back through what it needs, largest `key` first.
fn walk_back(before: &[Vec<usize>], key: &dyn Fn(usize) -> u64) -> Vec<usize> {
    let mut needed = vec![false; before.len()];
    before.iter().flatten().for_each(|&step| needed[step] = true);
    let mut placed = vec![false; before.len()];
    let mut order = Vec::with_capacity(before.len());
    for last in (0..before.len()).filter(|&step| !needed[step]) {
        let mut stack = vec![(last, false)];
        while let Some((step, ready)) = stack.pop() {
            if placed[step] {
                continue;
            }
            if ready {
                placed[step] = true;
                order.push(step);
                continue;
            }
            stack.push((step, true));
            let mut operands: Vec<usize> = before[step].iter().copied().filter(|&b| !placed[b]).collect();
            // The last pushed is visited first.
            operands.sort_by_key(|&b| (key(b), std::cmp::Reverse(b)));
            stack.extend(operands.into_iter().map(|b| (b, false)));
        }
    }
    order
}

fn written_bytes(program: &Program, sizes: &[u64], step: usize) -> u64 {
    let written = program.steps[step].touches().into_iter().filter(|(_, touch)| *touch != Touch::Read);
    written.map(|(buffer, _)| sizes[buffer.0 as usize]).sum()
}

/// Always the step, of those that can run, after which least memory is needed; the earliest of equals.
fn freeing_first(program: &Program, sizes: &[u64], before: &[Vec<usize>]) -> Vec<usize> {
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); before.len()];
    for (step, needed) in before.iter().enumerate() {
        needed.iter().for_each(|&b| after[b].push(step));
    }
    // Steps that are still to touch each buffer; results are never freed.
    let mut touching = vec![0_usize; program.buffers.len()];
    let touched: Vec<BTreeSet<usize>> = program
        .steps
        .iter()
        .map(|s| s.touches().into_iter().map(|(buffer, _)| buffer.0 as usize).collect())
        .collect();
    touched.iter().flatten().for_each(|&buffer| touching[buffer] += 1);
    program.outputs.iter().for_each(|port| touching[port.buffer.0 as usize] += 1);
    let arena = |buffer: usize| matches!(program.buffers[buffer].class, crate::lir::Class::Arena);
    let mut live = vec![false; program.buffers.len()];
    let mut waiting: Vec<usize> = before.iter().map(Vec::len).collect();
    let mut ready: BTreeSet<usize> = (0..before.len()).filter(|&s| waiting[s] == 0).collect();
    let mut order = Vec::with_capacity(before.len());
    while !ready.is_empty() {
        let growth = |step: usize| -> i128 {
            let buffers = touched[step].iter().filter(|&&b| arena(b));
            buffers
                .map(|&b| {
                    let begins = if live[b] { 0 } else { i128::from(sizes[b]) };
                    let ends = if touching[b] == 1 { i128::from(sizes[b]) } else { 0 };
                    begins - ends
                })
                .sum()
        };
        let Some(step) = ready.iter().copied().min_by_key(|&s| (growth(s), s)) else { break };
        ready.remove(&step);
        order.push(step);
        for &buffer in &touched[step] {
            live[buffer] = true;
            touching[buffer] -= 1;
        }
        for &next in &after[step] {
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.insert(next);
            }
        }
    }
    order
}

/// Moves single steps across the moment of the peak while that lowers it.
fn improve(best: &mut Vec<usize>, least: &mut Peak, before: &[Vec<usize>], peak: &dyn Fn(&[usize]) -> Peak) {
    let mut budget = SEARCH_BUDGET / best.len().max(1);
    let mut improved = true;
    while improved {
        improved = false;
        let at = least.at.min(best.len().saturating_sub(1));
        // Steps near the peak first, on both sides of it in turn.
        let near = (0..best.len()).flat_map(|d| [at.checked_sub(d), Some(at + d + 1)]).flatten();
        for from in near.filter(|&p| p < best.len()) {
            let Some(to) = destination(best, from, at, before) else { continue };
            if budget == 0 {
                return;
            }
            budget -= 1;
            let mut order = best.clone();
            let step = order.remove(from);
            order.insert(to, step);
            let found = peak(&order);
            if found.bytes < least.bytes {
                (*best, *least, improved) = (order, found, true);
                break;
            }
        }
    }
}

/// Where a step ends up if it moves as far as it can to the other side of `peak`.
fn destination(order: &[usize], from: usize, peak: usize, before: &[Vec<usize>]) -> Option<usize> {
    let step = order[from];
    if from <= peak {
        let blocked = order[from + 1..].iter().position(|&other| before[other].contains(&step));
        let to = blocked.map_or(order.len() - 1, |distance| from + distance);
        (to > peak.max(from)).then_some(to)
    } else {
        let needed = order[..from].iter().rposition(|other| before[step].contains(other));
        let to = needed.map_or(0, |position| position + 1);
        (to <= peak && to < from).then_some(to)
    }
}
