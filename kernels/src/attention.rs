//! Attention: `softmax(map(q · kᵀ)) · v`, a block of queries and a tile of keys at a time.
//!
//! No more of the scores is ever in memory than one block against one tile. Over several tiles the softmax is kept
//! online: a row's largest score and the sum of its powers so far, and the rows of the result are rescaled where a
//! later tile holds a larger score. Queries that share keys and values (grouped queries) share their packing.
//!
//! Tiles depend on the number of keys alone, so the bits of a row do not depend on how many queries are computed beside
//! it, but for the one exception of [`crate::matmul`]: few queries are dot products along the keys as they lie.
//!
//! Where it is known which keys a query can see at all ([`Band`]: causal masks, windows), tiles without such keys are left
//! out. They would add exact zeros: a row in which no key was seen is computed over all tiles.
//!
//! Rows whose scores are all −∞ are 0/0, hence NaN, as in a softmax followed by a product, unless [`Scores::empty`]
//! says otherwise. A NaN among the scores of a row makes the row NaN. Without keys the result is 0.

mod half;
pub mod reference;
mod softmax;
#[cfg(test)]
mod tests;

use crate::epilogue::Epilogue;
use crate::isa;
use crate::matmul::lanes::Path;
use crate::matmul::pack::PANEL;
use crate::matmul::{DOT_ROWS, Rhs, matmul_f32_at, transpose};
use core::ops::Range;
pub use half::{attention_half, attention_half_scratch};
use softmax::{Row, soften};

/// The extents of an attention.
#[derive(Clone, Copy, Debug)]
pub struct Extents {
    /// Three axes over which everything repeats. The last may be queries that share keys and values.
    pub batch: [usize; 3],
    /// Rows of the queries and of the result.
    pub queries: usize,
    /// Rows of keys and values.
    pub keys: usize,
    /// Elements of a query and of a key.
    pub depth: usize,
    /// Elements of a value and of a row of the result.
    pub width: usize,
}

/// Elements between neighbours along the axes of [`Extents::batch`], and between rows. Elements of a row lie side by
/// side.
#[derive(Clone, Copy, Debug)]
pub struct Strides {
    /// Along the three axes; 0 where all share one matrix.
    pub batch: [usize; 3],
    /// Between rows.
    pub row: usize,
}

/// Queries, keys or values.
#[derive(Clone, Copy)]
pub struct Operand<'a, T = f32> {
    /// The elements.
    pub data: &'a [T],
    /// Where rows are.
    pub strides: Strides,
}

/// A map over a segment of the scores of one query: `([batch, batch, batch, query], first key, scores)`.
pub type Map<'a> = &'a (dyn Fn([usize; 4], usize, &mut [f32]) + Sync);

/// What happens to the scores before the softmax.
#[derive(Clone, Copy)]
pub struct Scores<'a> {
    /// They are multiplied by this first.
    pub scale: f32,
    /// Then mapped. Each score is shown at most once.
    pub map: Option<Map<'a>>,
    /// Where the map leaves scores.
    pub band: Option<Band>,
    /// Whether rows that would be NaN are 0 instead.
    pub empty: bool,
}

/// The keys that a query can see: what the map makes of the others is far below what it makes of any that are seen.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    /// The first key.
    pub from: Line,
    /// One past the last key.
    pub to: Line,
    /// Scores that were mapped to less are of keys that are not seen.
    pub low: f32,
}

/// A number for each query: `query * step + start`.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// What the next query adds.
    pub step: isize,
    /// The number of query 0.
    pub start: isize,
}

impl Band {
    /// The keys of `0..keys` that one of `count` queries from `first` on can see.
    fn keys(&self, first: usize, count: usize, keys: usize) -> Range<usize> {
        let ends = [first, (first + count).saturating_sub(1)].map(usize::cast_signed);
        let at = |line: &Line| ends.map(|row| row.saturating_mul(line.step).saturating_add(line.start));
        let ([a, b], [c, d]) = (at(&self.from), at(&self.to));
        let clamped = |key: isize| key.clamp(0, keys.cast_signed()).cast_unsigned();
        let range = clamped(a.min(b))..clamped(c.max(d));
        if range.is_empty() { 0..0 } else { range }
    }
}

/// Most keys of a tile.
pub const TILE: usize = 512;
/// Scores of a block of queries against a tile: together with the rows that make them they stay in the nearest caches.
const BLOCK: usize = 8 * 1024;
const _: () = assert!(HEIGHT * TILE <= BLOCK, "a block has room for its smallest number of rows");
/// Rows of a block are a multiple of this, the height of the tallest register tile.
const HEIGHT: usize = 14;

/// Most queries of a block against tiles of `keys` keys, of which there is at least one.
const fn block_rows(keys: usize) -> usize {
    let rows = BLOCK / min(keys, TILE);
    if rows < HEIGHT { HEIGHT } else { rows / HEIGHT * HEIGHT }
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

/// How many floats of scratch [`attention_f32`] needs; `group` is the extent of the last axis of the batch. Grows with
/// every argument.
pub const fn attention_scratch(
    group: usize,
    queries: usize,
    keys: usize,
    depth: usize,
    width: usize,
) -> usize {
    let rows = if group < queries { queries } else { group };
    // A block has no more scores than this, whatever the tile.
    let scores = min(rows * min(keys, TILE), BLOCK);
    panels_scratch(group * queries, keys, depth + width) + scores + 2 * group * queries
}

/// Floats that a tile of packed keys or values takes; few rows read them in place.
const fn panels_scratch(rows: usize, keys: usize, columns: usize) -> usize {
    if rows <= DOT_ROWS { 0 } else { min(keys, TILE) * columns }
}

/// The attention of `q`, `k` and `v` in f32; row `query` of the result is at `query * out_strides.row` from the start of its
/// matrix.
///
/// Panics if a slice is too short for its extents.
#[allow(clippy::too_many_arguments, reason = "three operands, a result, and how they meet")]
#[inline(never)]
pub fn attention_f32(
    extents: &Extents,
    q: Operand<'_>,
    k: Operand<'_>,
    v: Operand<'_>,
    scores: &Scores<'_>,
    out: &mut [f32],
    out_strides: Strides,
    scratch: &mut [f32],
) {
    attention_f32_at(Path::current(), extents, q, k, v, scores, out, out_strides, scratch);
}

#[allow(clippy::too_many_arguments, reason = "three operands, a result, and how they meet")]
fn attention_f32_at(
    path: Path,
    extents: &Extents,
    q: Operand<'_>,
    k: Operand<'_>,
    v: Operand<'_>,
    scores: &Scores<'_>,
    out: &mut [f32],
    out_strides: Strides,
    scratch: &mut [f32],
) {
    let Extents { batch, queries, keys, depth, width } = *extents;
    let shared = k.strides.batch[2] == 0 && v.strides.batch[2] == 0;
    // Matrices of the last axis that are computed together.
    let group = if shared { batch[2] } else { 1 };
    let needed = attention_scratch(group, queries, keys, depth, width);
    assert!(scratch.len() >= needed, "scratch is too short");
    if batch.contains(&0) || queries == 0 || width == 0 {
        return;
    }
    let (panels, rest) = scratch.split_at_mut(panels_scratch(group * queries, keys, depth));
    let (values, rest) = rest.split_at_mut(panels_scratch(group * queries, keys, width));
    let (state, block) = rest.split_at_mut(2 * group * queries);
    let (largest, sums) = state.split_at_mut(group * queries);
    for first in 0..batch[0] {
        for second in 0..batch[1] {
            for third in (0..batch[2]).step_by(group) {
                let at = [first, second, third];
                let mut one = One {
                    path,
                    extents,
                    group,
                    at,
                    q: q.from(at),
                    q_strides: q.strides,
                    k: k.from(at),
                    k_row: k.strides.row,
                    v: v.from(at),
                    v_row: v.strides.row,
                    scores,
                    out: &mut out[out_strides.offset(at)..],
                    out_strides,
                    panels,
                    values,
                    block,
                    largest,
                    sums,
                };
                if keys == 0 {
                    one.clear();
                    continue;
                }
                one.run();
            }
        }
    }
}

impl<'a, T> Operand<'a, T> {
    /// From the first element of a matrix on; empty where the matrix has no rows.
    fn from(&self, at: [usize; 3]) -> &'a [T] {
        self.data.get(self.strides.offset(at)..).unwrap_or(&[])
    }
}

impl Strides {
    fn offset(&self, at: [usize; 3]) -> usize {
        at[0] * self.batch[0] + at[1] * self.batch[1] + at[2] * self.batch[2]
    }
}

/// The queries of one matrix of keys.
struct One<'a> {
    path: Path,
    extents: &'a Extents,
    /// How many matrices of queries there are.
    group: usize,
    at: [usize; 3],
    q: &'a [f32],
    q_strides: Strides,
    k: &'a [f32],
    k_row: usize,
    v: &'a [f32],
    v_row: usize,
    scores: &'a Scores<'a>,
    out: &'a mut [f32],
    out_strides: Strides,
    /// The tile of keys in panels.
    panels: &'a mut [f32],
    /// The tile of values in panels.
    values: &'a mut [f32],
    /// Scores of a block.
    block: &'a mut [f32],
    /// The largest score of each row so far.
    largest: &'a mut [f32],
    /// The sum of each row so far.
    sums: &'a mut [f32],
}

/// Rows that are computed with one product: `count` of them from `first` on, of matrix `group` or, with
/// single queries, of all matrices of a group.
#[derive(Clone, Copy)]
struct Rows {
    group: usize,
    first: usize,
    count: usize,
    /// Whether the rows are the only queries of neighbouring matrices.
    across: bool,
}

/// Which blocks are computed against a tile.
#[derive(Clone, Copy, PartialEq)]
enum Sweep {
    /// Those that can see keys of it.
    Seen,
    /// The others, if they have rows that saw no key at all.
    Rest,
}

/// A tile: `keys` keys from `from` on.
#[derive(Clone, Copy)]
struct Tile {
    from: usize,
    keys: usize,
}

impl One<'_> {
    /// All rows against all keys.
    fn run(&mut self) {
        let keys = self.extents.keys;
        let tiles = || (0..keys).step_by(TILE).map(|from| Tile { from, keys: TILE.min(keys - from) });
        let Some(band) = self.scores.band else {
            tiles().for_each(|tile| self.tile(tile, Sweep::Seen));
            return;
        };
        self.largest.fill(f32::NEG_INFINITY);
        tiles().for_each(|tile| self.tile(tile, Sweep::Seen));
        if self.largest.iter().all(|&largest| largest > band.low) {
            return;
        }
        tiles().for_each(|tile| self.tile(tile, Sweep::Rest));
        let width = self.extents.width;
        for rows in self.blocks() {
            if self.saw_all(rows) {
                continue;
            }
            let (to, to_row) = (self.start(rows, &self.out_strides), self.step(rows, &self.out_strides));
            let sums = &self.sums[self.states(rows)];
            for (i, &sum) in sums.iter().enumerate() {
                divide(&mut self.out[to + i * to_row..][..width], sum, self.scores.empty);
            }
        }
    }

    /// The rows in blocks, the same for each tile.
    fn blocks(&self) -> impl Iterator<Item = Rows> + use<> {
        let across = self.extents.queries == 1;
        let (matrices, rows) = if across { (1, self.group) } else { (self.group, self.extents.queries) };
        let blocks = rows.div_ceil(block_rows(self.extents.keys)).max(1);
        let height = rows.div_ceil(blocks).max(1);
        (0..matrices).flat_map(move |group| {
            let count = move |first| height.min(rows - first);
            (0..rows).step_by(height).map(move |first| Rows { group, first, count: count(first), across })
        })
    }

    /// The keys that some of these rows can see.
    fn seen(&self, rows: Rows) -> Range<usize> {
        let keys = self.extents.keys;
        let (first, count) = if rows.across { (0, 1) } else { (rows.first, rows.count) };
        self.scores.band.map_or(0..keys, |band| band.keys(first, count, keys))
    }

    /// Where the states of rows are.
    fn states(&self, rows: Rows) -> Range<usize> {
        let first = rows.group * self.extents.queries + rows.first;
        first..first + rows.count
    }

    /// Whether each of these rows has seen a key.
    fn saw_all(&self, rows: Rows) -> bool {
        let low = |largest: &f32| self.scores.band.is_none_or(|band| *largest > band.low);
        self.largest[self.states(rows)].iter().all(low)
    }

    /// Whether rows are computed against a tile.
    fn visits(&self, rows: Rows, tile: Tile, sweep: Sweep) -> bool {
        let seen = self.seen(rows);
        let now = seen.start < tile.from + tile.keys && tile.from < seen.end;
        match sweep {
            Sweep::Seen => now,
            Sweep::Rest => !now && !self.saw_all(rows),
        }
    }

    /// All rows against one tile of keys.
    fn tile(&mut self, tile: Tile, sweep: Sweep) {
        let packed = self.group * self.extents.queries > DOT_ROWS;
        let mut ready = !packed;
        for rows in self.blocks() {
            if !self.visits(rows, tile, sweep) {
                continue;
            }
            if !ready {
                self.pack(tile.from, tile.keys);
                ready = true;
            }
            self.block(rows, tile, sweep, packed);
        }
    }

    /// Packs a tile of keys and of values as right operands of products.
    fn pack(&mut self, from: usize, keys: usize) {
        let depth = self.extents.depth;
        for panel in (0..keys).step_by(PANEL) {
            let w = PANEL.min(keys - panel);
            let source = &self.k[(from + panel) * self.k_row..];
            let to = &mut self.panels[panel * depth..(panel + w) * depth];
            transpose::pack(self.path, source, self.k_row, w, depth, to);
        }
        let width = self.extents.width;
        for panel in (0..width).step_by(PANEL) {
            let w = PANEL.min(width - panel);
            let to = &mut self.values[panel * keys..(panel + w) * keys];
            for (key, to) in to.chunks_exact_mut(w).enumerate() {
                to.copy_from_slice(&self.v[(from + key) * self.v_row + panel..][..w]);
            }
        }
    }

    /// Some rows against one tile of keys.
    fn block(&mut self, rows: Rows, tile: Tile, sweep: Sweep, packed: bool) {
        let Extents { depth, width, .. } = *self.extents;
        let (Tile { from, keys }, seen) = (tile, self.seen(rows));
        let states = self.states(rows);
        let first = match sweep {
            Sweep::Seen => from <= seen.start,
            Sweep::Rest => from == 0 && seen.is_empty(),
        };
        let last = sweep == Sweep::Seen && seen.end <= from + keys;
        let (q, q_row) = (self.start(rows, &self.q_strides), self.step(rows, &self.q_strides));
        let (to, to_row) = (self.start(rows, &self.out_strides), self.step(rows, &self.out_strides));
        let right = if packed {
            Rhs::Panels(&self.panels[..keys * depth])
        } else {
            Rhs::Columns { data: &self.k[from * self.k_row..], ldb: self.k_row, scratch: &mut *self.panels }
        };
        let block = &mut self.block[..rows.count * keys];
        let none = Epilogue::NONE;
        matmul_f32_at(self.path, rows.count, depth, keys, &self.q[q..], q_row, right, block, keys, &none);
        let out = &mut self.out[to..];
        let (largest, sums) = (&mut self.largest[states.clone()], &mut self.sums[states]);
        let (scores, at) = (self.scores, self.at);
        isa::vectorize(
            #[inline(always)]
            || {
                for (i, row) in block.chunks_exact_mut(keys).enumerate() {
                    let mut scale = scores.scale;
                    if let Some(map) = scores.map {
                        if scale != 1.0 {
                            row.iter_mut().for_each(|score| *score *= scale);
                            scale = 1.0;
                        }
                        let (group, query) =
                            if rows.across { (rows.first + i, 0) } else { (rows.group, rows.first + i) };
                        map([at[0], at[1], at[2] + group, query], from, row);
                    }
                    let before = if first { Row::NEW } else { Row { largest: largest[i], sum: sums[i] } };
                    let (after, factor) = soften(row, scale, before);
                    (largest[i], sums[i]) = (after.largest, after.sum);
                    if !first && factor != 1.0 {
                        for value in &mut out[i * to_row..][..width] {
                            *value *= factor;
                        }
                    }
                }
            },
        );
        let sums = &*sums;
        let finish = |row: usize, _: usize, values: &mut [f32]| divide(values, sums[row], scores.empty);
        // Rows that saw no key go on to the other tiles.
        let last = last && scores.band.is_none_or(|band| largest.iter().all(|&l| l > band.low));
        let epilogue = Epilogue {
            residual_in_place: !first,
            then: if last { Some(&finish) } else { None },
            ..Epilogue::NONE
        };
        let right = if packed {
            Rhs::Panels(&self.values[..keys * width])
        } else {
            Rhs::Rows(&self.v[from * self.v_row..], self.v_row)
        };
        matmul_f32_at(self.path, rows.count, keys, width, block, keys, right, out, to_row, &epilogue);
    }

    /// Where the first of some rows begins.
    fn start(&self, rows: Rows, strides: &Strides) -> usize {
        rows.group * strides.batch[2] + rows.first * self.step(rows, strides)
    }

    /// The distance between some rows.
    fn step(&self, rows: Rows, strides: &Strides) -> usize {
        if rows.across { strides.batch[2] } else { strides.row }
    }

    /// The result without keys.
    fn clear(&mut self) {
        for group in 0..self.group {
            for query in 0..self.extents.queries {
                let at = group * self.out_strides.batch[2] + query * self.out_strides.row;
                self.out[at..][..self.extents.width].fill(0.0);
            }
        }
    }
}

/// Divides a row by the sum of its powers. A row without any is 0 instead of NaN if `empty` says so.
fn divide(values: &mut [f32], sum: f32, empty: bool) {
    let factor = 1.0 / sum;
    let factor = if empty && (factor.is_nan() || factor == f32::INFINITY) { 0.0 } else { factor };
    isa::vectorize(
        #[inline(always)]
        || {
            // A row that is to be 0 may hold NaN so far.
            for value in values.iter_mut() {
                *value = if factor == 0.0 { 0.0 } else { *value * factor };
            }
        },
    );
}
