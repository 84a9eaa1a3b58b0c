//! Attention: `softmax(map(q · kᵀ)) · v`, a block of queries and a tile of keys at a time.
//!
//! No more of the scores is ever in memory than one block against one tile. Over several tiles the softmax is kept
//! online: a row's largest score and the sum of its powers so far, and the rows of the result are rescaled where a
//! later tile holds a larger score. Queries that share keys and values (grouped queries) share their packing.
//!
//! Tiles depend on the number of keys alone, so the bits of a row do not depend on how many queries are computed beside
//! it, but for the one exception of [`crate::matmul`]: few queries are dot products along the keys as they lie.
//!
//! Rows whose scores are all −∞ are 0/0, hence NaN, as in a softmax followed by a product, unless [`Scores::empty`]
//! says otherwise. A NaN among the scores of a row makes the row NaN. Without keys the result is 0.

pub mod reference;

mod softmax;
#[cfg(test)]
mod tests;

use crate::epilogue::Epilogue;
use crate::isa;
use crate::matmul::lanes::Path;
use crate::matmul::pack::PANEL;
use crate::matmul::{DOT_ROWS, Rhs, matmul_f32_at, transpose};
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
pub struct Operand<'a> {
    /// The elements.
    pub data: &'a [f32],
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
    /// Then mapped. Each score is shown exactly once.
    pub map: Option<Map<'a>>,
    /// Whether rows that would be NaN are 0 instead.
    pub empty: bool,
}

/// Most keys of a tile.
const TILE: usize = 512;
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
                for from in (0..keys).step_by(TILE) {
                    one.tile(from, TILE.min(keys - from));
                }
            }
        }
    }
}

impl<'a> Operand<'a> {
    /// From the first element of a matrix on; empty where the matrix has no rows.
    fn from(&self, at: [usize; 3]) -> &'a [f32] {
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

impl One<'_> {
    /// All rows against one tile of keys.
    fn tile(&mut self, from: usize, keys: usize) {
        let across = self.extents.queries == 1;
        let (matrices, rows) = if across { (1, self.group) } else { (self.group, self.extents.queries) };
        let packed = matrices * rows > DOT_ROWS;
        if packed {
            self.pack(from, keys);
        }
        let blocks = rows.div_ceil(block_rows(keys)).max(1);
        let height = rows.div_ceil(blocks).max(1);
        for group in 0..matrices {
            for first in (0..rows).step_by(height) {
                let rows = Rows { group, first, count: height.min(rows - first), across };
                self.block(rows, from, keys, packed);
            }
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
    fn block(&mut self, rows: Rows, from: usize, keys: usize, packed: bool) {
        let Extents { depth, width, .. } = *self.extents;
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
        let states = rows.group * self.extents.queries + rows.first;
        let (largest, sums) =
            (&mut self.largest[states..][..rows.count], &mut self.sums[states..][..rows.count]);
        let (scores, at) = (self.scores, self.at);
        let (only, last) = (keys == self.extents.keys, from + keys == self.extents.keys);
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
                    let before = if from == 0 { Row::NEW } else { Row { largest: largest[i], sum: sums[i] } };
                    let (after, factor) = soften(row, scale, before);
                    (largest[i], sums[i]) = (after.largest, after.sum);
                    if from > 0 && factor != 1.0 {
                        for value in &mut out[i * to_row..][..width] {
                            *value *= factor;
                        }
                    }
                }
            },
        );
        let sums = &*sums;
        let divide = |row: usize, _: usize, values: &mut [f32]| {
            let factor = 1.0 / sums[row];
            let factor =
                if scores.empty && (factor.is_nan() || factor == f32::INFINITY) { 0.0 } else { factor };
            isa::vectorize(
                #[inline(always)]
                || {
                    // A row that is to be 0 may hold NaN so far.
                    for value in values.iter_mut() {
                        *value = if factor == 0.0 { 0.0 } else { *value * factor };
                    }
                },
            );
        };
        let epilogue = Epilogue {
            residual_in_place: !(only || from == 0),
            then: if last { Some(&divide) } else { None },
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
