//! The loops around the micro-kernel, shared by products and convolutions: blocks of panels, blocks of `k`, tiles.
//!
//! A block of the right operand stays in the second cache while the rows pass; the rows of a tile stay in the first
//! while the panels pass. Partial sums wait in the result itself, in the few columns of a block of panels.

use super::dot::{COLUMNS, Dot};
use super::lanes::{Form, Lanes, MAX_ROWS, Path, with_lanes};
use super::pack::PANEL;
use super::right::Right;
use super::tile::{FEW_ROWS, Tile};
use crate::epilogue::Epilogue;

/// Longest block of `k` over so many panels that they do not fit a block.
const K_BLOCK: usize = 384;
/// Most panels of a block.
const PANELS_BLOCK: usize = 8;
/// Panels of a block, and its rows, where few rows meet a matrix in the model's order.
const ROWS_PANELS: usize = 256;
const ROWS_K: usize = 16;
/// Most runs of a block of `k`.
const MAX_RUNS: usize = 64;
/// A stretch of `k` that is contiguous in a row of the left operand and in the panels of the right one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Run {
    /// Its offset from the first element of a row of the left operand.
    pub(crate) a: usize,
    /// Its first row of the right operand.
    pub(crate) b: usize,
}

/// What is called with the runs of a block of `k`, their length, and whether the block is the first and the last.
type Visit<'a> = &'a mut dyn FnMut(&[Run], usize, bool, bool);

/// All of `k`, as runs of equal length.
#[derive(Clone, Copy)]
pub(crate) struct Runs<'a> {
    /// How many.
    pub(crate) count: usize,
    /// Their length.
    pub(crate) len: usize,
    /// The run of an index.
    pub(crate) at: &'a dyn Fn(usize) -> Run,
}

/// Where the rows of a product are: rows form lines, lines form images.
#[derive(Clone, Copy)]
pub(crate) struct RowMap {
    /// Rows of a line.
    pub(crate) line: usize,
    /// Lines of an image.
    pub(crate) image: usize,
    /// Elements of the left operand between images, lines and rows.
    pub(crate) a: [usize; 3],
    /// Indices in the result between images, lines and rows.
    pub(crate) c: [usize; 3],
    /// Index in the result of row 0.
    pub(crate) c_first: usize,
}

impl RowMap {
    /// Row `r` of a matrix with a distance between rows, at index `r` of the result.
    pub(crate) const fn matrix(lda: usize) -> Self {
        Self { line: usize::MAX, image: 1, a: [0, 0, lda], c: [0, 0, 1], c_first: 0 }
    }

    /// Offset in the left operand and index in the result of some rows from `row` on.
    #[inline(always)]
    fn fill(&self, row: usize, out: &mut [(usize, usize)]) {
        let (line, mut w) = (row / self.line, row % self.line);
        let (mut d, mut h) = (line / self.image, line % self.image);
        for out in out {
            *out = (
                d * self.a[0] + h * self.a[1] + w * self.a[2],
                self.c_first + d * self.c[0] + h * self.c[1] + w * self.c[2],
            );
            w += 1;
            if w == self.line {
                (w, h) = (0, h + 1);
                if h == self.image {
                    (h, d) = (0, d + 1);
                }
            }
        }
    }
}

/// A product of rows with panels.
pub(crate) struct Product<'a, B = f32> {
    /// Rows.
    pub(crate) rows: usize,
    /// Where they are.
    pub(crate) map: RowMap,
    /// First row of the left operand.
    pub(crate) a: *const f32,
    /// The summed dimension.
    pub(crate) runs: Runs<'a>,
    /// First element of the right operand.
    pub(crate) b: *const B,
    /// The end of what may be read from there on.
    pub(crate) b_end: *const B,
    /// From a row of a panel of 16 columns to the next.
    pub(crate) b_step: usize,
    /// From a row of the last, narrower panel to the next.
    pub(crate) b_step_part: usize,
    /// From a panel to the next.
    pub(crate) b_panel: usize,
    /// Columns of the right operand.
    pub(crate) n: usize,
    /// The result, at row index 0, column 0.
    pub(crate) c: *mut f32,
    /// From a row of the result to the next.
    pub(crate) ldc: usize,
    /// The column of the result, bias and residual that column 0 of the right operand makes.
    pub(crate) column: usize,
    /// The epilogue, over row indices and columns of the result.
    pub(crate) epilogue: &'a Epilogue<'a>,
}

/// How many panels each tile has. Few rows wait for memory, so their tiles are as wide as possible; with more, tiles of
/// equal width are best, the wider ones first.
#[derive(Clone, Copy)]
struct Widths {
    /// Panels of 16 columns.
    whole: usize,
    /// Panels of each of the first tiles, which end before panel `wide_to`.
    wide: usize,
    wide_to: usize,
    /// Panels of each of the other tiles, as long as there are so many.
    narrow: usize,
}

impl Widths {
    /// The tiles of a product of some rows and columns.
    fn new<L: Lanes>(rows: usize, columns: usize) -> Self {
        let whole = columns / PANEL;
        if rows <= L::WIDE_ROWS {
            let wide_to = whole / L::WIDE * L::WIDE;
            return Self { whole, wide: L::WIDE, wide_to, narrow: L::STREAM };
        }
        if rows <= L::STREAM_ROWS {
            return Self { whole, wide: 0, wide_to: 0, narrow: L::STREAM };
        }
        let tiles = whole.div_ceil(L::PANELS).max(1);
        let (narrow, wider) = (whole / tiles, whole % tiles);
        Self { whole, wide: narrow + 1, wide_to: wider * (narrow + 1), narrow }
    }

    /// The panels of the tile that begins with a panel.
    #[inline(always)]
    fn at(&self, panel: usize) -> usize {
        if panel < self.wide_to {
            self.wide
        } else {
            self.narrow.min(self.whole.saturating_sub(panel)).max(1)
        }
    }
}

/// The panels `from..to`.
#[derive(Clone, Copy)]
struct Panels {
    from: usize,
    to: usize,
    widths: Widths,
}

/// A block of panels, shared out among the tiles that are computed before: fetched little by little, it is in the second
/// cache when it is needed, and what these tiles read is not delayed.
struct Later<B> {
    /// The panel that the next share is part of.
    panel: *const B,
    /// From a panel to the next.
    b_panel: usize,
    /// Panels that are left.
    panels: usize,
    /// The next share of the panel.
    next: usize,
    /// Shares of a panel.
    shares: usize,
    /// Elements of a share.
    share: usize,
    /// Elements for each step of `k`.
    step: usize,
}

impl<B> Later<B> {
    /// The first element of the next share, and the elements for each step of `k`.
    #[inline(always)]
    fn share(&mut self) -> Option<(*const B, usize)> {
        if self.panels == 0 {
            return None;
        }
        let from = self.panel.wrapping_add(self.next * self.share);
        self.next += 1;
        if self.next == self.shares {
            (self.panel, self.next) = (self.panel.wrapping_add(self.b_panel), 0);
            self.panels -= 1;
        }
        Some((from, self.step))
    }
}

impl Product<'_> {
    /// The product of few rows, `lda` apart, with a transposed operand that is read in place: `n` rows of `k` floats
    /// from `b` on, `ldb` apart. The fields about the right operand are not used.
    ///
    /// # Safety
    /// As for [`Self::run`].
    pub(crate) unsafe fn run_dots(&self, path: Path, k: usize, lda: usize, b: *const f32, ldb: usize) {
        // SAFETY: `path` proves the instructions, the caller the rest.
        unsafe { with_lanes!(path, L => self.dots::<L>(k, lda, b, ldb)) }
    }

    unsafe fn dots<L: Lanes>(&self, k: usize, lda: usize, b: *const f32, ldb: usize) {
        for from in (0..self.n).step_by(COLUMNS) {
            let columns = COLUMNS.min(self.n - from);
            let mut dot = Dot { a: self.a, b: [b; COLUMNS], k };
            for (i, b) in dot.b.iter_mut().enumerate() {
                *b = b.wrapping_add((from + i.min(columns - 1)) * ldb);
            }
            for row in 0..self.rows {
                dot.a = self.a.wrapping_add(row * lda);
                // SAFETY: rows of both operands and elements of the result exist, says the caller.
                unsafe {
                    let sums = L::dot(&dot);
                    for (column, sum) in (from..).zip(&sums[..columns]) {
                        let c = self.c.add(row * self.ldc + column);
                        let held = if self.epilogue.residual_in_place { *c } else { 0.0 };
                        *c = self.epilogue.element(row, column, held + sum);
                    }
                }
            }
        }
        // SAFETY: as above.
        unsafe {
            for row in 0..self.rows {
                self.then(&[row], 0, self.n);
            }
        }
    }
}

impl<B: Right> Product<'_, B> {
    /// Computes the product.
    ///
    /// # Safety
    /// All rows, runs and panels lie inside of the operands; all indices and columns inside of the result, the bias and
    /// the residual; row indices are distinct; nothing else accesses the result.
    pub(crate) unsafe fn run(&self, path: Path) {
        // SAFETY: `path` proves the instructions, the caller the rest.
        unsafe { with_lanes!(path, L => self.drive::<L>()) }
    }

    unsafe fn drive<L: Lanes>(&self) {
        if self.rows == 0 {
            return;
        }
        let panels = self.n.div_ceil(PANEL);
        let widths = Widths::new::<L>(self.rows, self.n);
        let most = self.widest::<L>();
        let mut from = 0;
        while from < panels {
            let mut to = from;
            while to < panels && to + widths.at(to) <= from + most {
                to += widths.at(to);
            }
            let block = Panels { from, to, widths };
            // SAFETY: the panels exist; the rest is passed on to the caller.
            self.blocks_of_k(self.longest::<L>(to - from), &mut |runs, run_len, start, end| unsafe {
                self.block::<L>(block, runs, run_len, start, end);
            });
            from = to;
        }
    }

    /// Most panels of a block. Where `k` is short, rows are finished sooner and read less often with more of them.
    fn widest<L: Lanes>(&self) -> usize {
        if self.reads_rows() {
            return ROWS_PANELS;
        }
        let k = self.runs.count.saturating_mul(self.runs.len);
        (L::BLOCK / PANEL / k.max(1)).max(PANELS_BLOCK)
    }

    /// The longest block of `k` over some panels.
    fn longest<L: Lanes>(&self, panels: usize) -> usize {
        // With few rows the right operand is read once anyway: longer streams are better.
        if self.reads_rows() {
            ROWS_K
        } else if self.rows <= FEW_ROWS {
            usize::MAX
        } else {
            (L::BLOCK / (panels * PANEL)).clamp(K_BLOCK, L::K_BLOCK)
        }
    }

    /// Whether few rows meet a wide matrix in the model's order: then its rows are streams, a few of them at once.
    fn reads_rows(&self) -> bool {
        self.rows <= FEW_ROWS && self.b_panel == PANEL && self.b_step > PANELS_BLOCK * PANEL
    }

    /// Calls `f` for every block of `k`; once without runs where `k` is empty.
    fn blocks_of_k(&self, longest: usize, f: Visit<'_>) {
        let Runs { count, len, at } = self.runs;
        if count == 0 || len == 0 {
            return f(&[], 0, true, true);
        }
        if len > longest {
            let piece = len.div_ceil(len.div_ceil(longest)).next_multiple_of(8);
            for i in 0..count {
                let run = at(i);
                for from in (0..len).step_by(piece) {
                    let run = Run { a: run.a + from, b: run.b + from };
                    let end = i + 1 == count && from + piece >= len;
                    f(&[run], piece.min(len - from), i == 0 && from == 0, end);
                }
            }
        } else {
            let blocks = count.div_ceil((longest / len).min(MAX_RUNS));
            let step = count.div_ceil(blocks);
            let mut runs = [Run::default(); MAX_RUNS];
            for first in (0..count).step_by(step) {
                let some = step.min(count - first);
                for (i, run) in runs[..some].iter_mut().enumerate() {
                    *run = at(first + i);
                }
                f(&runs[..some], len, first == 0, first + some == count);
            }
        }
    }

    /// The panels `from..to` over one block of `k`, in tiles as equal in height as possible.
    unsafe fn block<L: Lanes>(&self, panels: Panels, runs: &[Run], run_len: usize, start: bool, end: bool) {
        let Panels { from, to, widths } = panels;
        let mut tile = Tile {
            product: self,
            a: [core::ptr::null(); MAX_ROWS],
            at: [0; MAX_ROWS],
            runs,
            run_len,
            b: self.b,
            b_step: 0,
            b_panel: self.b_panel,
            later: self.b,
            later_step: 0,
            column: 0,
            width: PANEL,
            first: start && !self.epilogue.residual_in_place,
            last: end,
        };
        let count = self.rows.div_ceil(L::rows(widths.at(from)).min(B::ROWS));
        let (height, taller) = (self.rows / count, self.rows % count);
        let mut later = self.later(panels, count, runs, run_len, end);
        let mut places = [(0, 0); MAX_ROWS];
        let mut row = 0;
        for i in 0..count {
            let height = height + usize::from(i < taller);
            self.map.fill(row, &mut places[..height]);
            for (r, (a, at)) in places[..height].iter().enumerate() {
                tile.a[r] = self.a.wrapping_add(*a);
                tile.at[r] = *at;
            }
            // SAFETY: passed on to the caller.
            unsafe {
                self.panels::<L>(&mut tile, height, panels, &mut later);
                if end {
                    self.then(&tile.at[..height], from * PANEL, self.n.min(to * PANEL));
                }
            }
            row += height;
        }
    }

    /// What the tiles of a block fetch, in so many rows of tiles: the block after it, which is further down or of the next
    /// panels.
    fn later(&self, panels: Panels, tiles: usize, runs: &[Run], run_len: usize, end: bool) -> Later<B> {
        let Panels { from, to, widths } = panels;
        let (panel, row) = match runs.last() {
            Some(run) if !end => (from, run.b + run_len),
            _ => (to, 0),
        };
        // Rows of the model's order are not neighbours.
        let whole = if self.b_step == PANEL { widths.whole } else { 0 };
        let shares = (tiles / widths.at(from)).clamp(1, PANEL);
        let step = PANEL.div_ceil(shares);
        Later {
            panel: self.b.wrapping_add(panel * self.b_panel + row * PANEL),
            b_panel: self.b_panel,
            panels: (to - from).min(whole.saturating_sub(panel)),
            next: 0,
            shares,
            share: runs.len() * run_len * step,
            step,
        }
    }

    /// The panels `from..to` of a row of tiles.
    #[inline(always)]
    unsafe fn panels<L: Lanes>(
        &self,
        tile: &mut Tile<'_, B>,
        height: usize,
        panels: Panels,
        later: &mut Later<B>,
    ) {
        let whole = self.n / PANEL;
        let mut panel = panels.from;
        while panel < panels.to {
            let count = panels.widths.at(panel);
            let form = if panel < whole { Form::Whole(count) } else { Form::Part };
            tile.width = PANEL.min(self.n - panel * PANEL);
            tile.b_step = if panel < whole { self.b_step } else { self.b_step_part };
            tile.b = self.b.wrapping_add(panel * self.b_panel);
            tile.column = self.column + panel * PANEL;
            (tile.later, tile.later_step) = later.share().unwrap_or((tile.b, 0));
            // SAFETY: passed on to the caller.
            unsafe { B::tile::<L>(form, height, tile) };
            panel += count;
        }
    }

    /// Shows finished columns of some rows to `then`.
    #[inline(always)]
    unsafe fn then(&self, rows: &[usize], from: usize, to: usize) {
        let Some(then) = self.epilogue.then else { return };
        let column = self.column + from;
        for &at in rows {
            // SAFETY: the segment is inside of the result, which nothing else accesses.
            let values =
                unsafe { core::slice::from_raw_parts_mut(self.c.add(at * self.ldc + column), to - from) };
            then(at, column, values);
        }
    }
}
