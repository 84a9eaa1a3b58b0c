//! Offsets in the arena: a small packing problem of rectangles, time by bytes.
//!
//! Several greedy orders are tried, each block going to the smallest gap that holds it. If the best is above the lower
//! bound, a search moves the blocks at the top of the arena forward in the order. All of it is deterministic.

use super::liveness::Life;

/// A place to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Bytes, a multiple of the line.
    pub bytes: u64,
    /// When it is needed.
    pub life: Life,
}

/// Blocks with their offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// For each block, its first byte.
    pub offsets: Vec<u64>,
    /// Bytes of the arena.
    pub bytes: u64,
}

/// What blocks are sorted by before they are placed.
type Key = fn(&Block) -> (u64, u64, u64);

/// How many gap examinations the search may spend; it bounds compile time, and is deterministic unlike a clock.
const SEARCH_BUDGET: usize = 30_000_000;

/// Bytes of the largest set of blocks that are needed at once.
pub(super) fn lower_bound(blocks: &[Block]) -> u64 {
    let mut changes: Vec<(usize, bool, u64)> = Vec::with_capacity(blocks.len() * 2);
    for block in blocks {
        changes.push((block.life.first, true, block.bytes));
        changes.push((block.life.last + 1, false, block.bytes));
    }
    // At one moment, ends come before beginnings.
    changes.sort_unstable();
    let (mut live, mut peak) = (0_u64, 0_u64);
    for (_, begins, bytes) in changes {
        live = if begins { live + bytes } else { live - bytes };
        peak = peak.max(live);
    }
    peak
}

/// Number of steps that need a block.
fn length(block: &Block) -> u64 {
    (block.life.last - block.life.first + 1) as u64
}

/// Finds an offset for every block.
pub(super) fn place(blocks: &[Block]) -> Placed {
    let bound = lower_bound(blocks);
    let keys: [Key; 5] = [
        |b| (!b.bytes, b.life.first as u64, !length(b)),
        |b| (!(b.bytes.saturating_mul(length(b))), !b.bytes, b.life.first as u64),
        |b| (!length(b), !b.bytes, b.life.first as u64),
        |b| (b.life.first as u64, !b.bytes, !length(b)),
        |b| (u64::MAX - b.life.last as u64, !b.bytes, !length(b)),
    ];
    let mut best: Option<(Placed, Vec<usize>)> = None;
    for key in keys {
        let mut order: Vec<usize> = (0..blocks.len()).collect();
        order.sort_by_key(|&at| key(&blocks[at]));
        for best_fit in [true, false] {
            let placed = place_in_order(blocks, &order, best_fit);
            if best.as_ref().is_none_or(|(b, _)| placed.bytes < b.bytes) {
                best = Some((placed, order.clone()));
            }
        }
    }
    match best {
        Some((placed, order)) if placed.bytes > bound => search(blocks, placed, order, bound),
        Some((placed, _)) => placed,
        None => Placed { offsets: Vec::new(), bytes: 0 },
    }
}

/// Moves blocks that reach the top of the arena forward in the order, and keeps what is not worse.
fn search(blocks: &[Block], first: Placed, first_order: Vec<usize>, bound: u64) -> Placed {
    let rounds = (SEARCH_BUDGET / (blocks.len() * blocks.len()).max(1)).min(2000);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut best, mut order, mut current) = (first.clone(), first_order, first.bytes);
    let mut placed = first;
    for _ in 0..rounds {
        let tops: Vec<usize> = (0..order.len())
            .filter(|&at| placed.offsets[order[at]] + blocks[order[at]].bytes == placed.bytes)
            .collect();
        let Some(&at) = tops.get(random.below(tops.len())) else { break };
        let mut next = order.clone();
        let block = next.remove(at);
        next.insert(random.below(at + 1), block);
        if random.below(4) == 0 {
            let (a, b) = (random.below(next.len()), random.below(next.len()));
            next.swap(a, b);
        }
        let trial = place_in_order(blocks, &next, random.below(3) != 0);
        // Sideways moves, and now and then a small step up, lead out of dead ends.
        let allowed = if random.below(16) == 0 { current + current / 64 } else { current };
        if trial.bytes <= allowed {
            (current, order) = (trial.bytes, next);
            if trial.bytes < best.bytes {
                best = trial.clone();
                if best.bytes == bound {
                    break;
                }
            }
            placed = trial;
        }
    }
    best
}

/// Places the blocks one after another, each in the smallest (or else the lowest) gap among those that it meets.
fn place_in_order(blocks: &[Block], order: &[usize], best_fit: bool) -> Placed {
    let mut offsets = vec![0_u64; blocks.len()];
    // Placed blocks by ascending offset.
    let mut placed: Vec<usize> = Vec::with_capacity(blocks.len());
    let mut total = 0_u64;
    for &at in order {
        let block = blocks[at];
        let mut end = 0_u64;
        let mut choice: Option<(u64, u64)> = None;
        for &other in &placed {
            if !blocks[other].life.meets(block.life) {
                continue;
            }
            let gap = offsets[other].saturating_sub(end);
            if gap >= block.bytes && choice.is_none_or(|(least, _)| gap < least) {
                choice = Some((gap, end));
                if !best_fit {
                    break;
                }
            }
            end = end.max(offsets[other] + blocks[other].bytes);
        }
        offsets[at] = choice.map_or(end, |(_, offset)| offset);
        total = total.max(offsets[at] + block.bytes);
        let position = placed.partition_point(|&other| offsets[other] <= offsets[at]);
        placed.insert(position, at);
    }
    Placed { offsets, bytes: total }
}

/// Xorshift: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}
