//! Computes what depends on the distance of two positions once for each distance.
//!
//! ```text
//! %1 = Map [bucket(sub(index1, index0))] over [m, n]()
//! %3 = Gather { axis: 0 }(%2, %1)                       becomes    %1 = Map [bucket(sub(index0, m - 1))] over [m+n-1]()
//!                                                                  %3 = Gather { axis: 1 }(%2ᵀ, %1)
//!                                                                  %4 = Diagonals(%3), transposed
//! ```
//! Relative position biases are such: instead of a matrix for each head there is a line. Where the table is constant and
//! the sizes are bounded, the line of all distances is a constant, of which a run reads its part. A matrix of one row, as
//! a decoder has for one token, is a line already and gains by that only.

use super::fold_constants::growth;
use crate::diag::Diagnostic;
use crate::expr::{Affine, Expr, ExprBuilder, ExprId};
use crate::ir::{Graph, NodeData, Op, Rebuild, Value};
use crate::ops::map::Map;
use crate::ops::movement::{Diagonals, Reshape, Slice, SliceAxis, Transpose};
use crate::ops::select::Gather;
use crate::types::{DType, Dim, Tensor};
use std::rc::Rc;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    let mut budget = growth(graph);
    for (_, node) in graph.nodes() {
        let found = gathered(graph, node).map(|(table, lines)| {
            let known = lines.all(graph, table, &mut budget);
            (table, lines, known)
        });
        match found {
            Some((table, lines, known)) if known.is_some() || !lines.rows.is(1) => {
                build(graph, &mut rebuild, node, table, &lines, known)?;
            }
            _ => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

/// A gather from a constant table `[entries, heads]` at positions that depend on a distance: the table and the positions.
fn gathered(graph: &Graph, node: &NodeData) -> Option<(Value, Lines)> {
    let gather = node.is::<Gather>().filter(|g| g.axis == 0 && node.epilogue.is_none())?;
    let (table, positions) = (node.inputs[0], node.inputs[1]);
    if graph.constant(table).is_none() || graph.ty(table).rank() != gather.axis + 2 {
        return None;
    }
    let producer = graph.producer(positions).filter(|n| n.inputs.is_empty() && n.epilogue.is_none())?;
    let lines = Lines::of(producer.is::<Map>()?)?;
    // A matrix without elements has no distances either.
    let exist = |extent: &Dim| extent.range(&graph.symbols).is_some_and(|range| range.lo > 0);
    (exist(&lines.rows) && exist(&lines.columns)).then_some((table, lines))
}

/// An expression over `[…, rows, columns]` of `column - row + shift`.
struct Lines {
    rows: Dim,
    columns: Dim,
    shift: Dim,
    /// The expression, in which index 0 is `column - row + shift`.
    expr: Expr,
}

impl Lines {
    fn of(map: &Map) -> Option<Lines> {
        let rank = map.space.len();
        let (row, column) = (rank.checked_sub(2)?, rank - 1);
        let [rows, columns] = &map.space[row..] else { return None };
        let matrix = !columns.is(1) && map.space[..row].iter().all(|d| d.is(1));
        if !matrix || map.reduced || map.expr.has_reductions() {
            return None;
        }
        let sums = map.expr.affines();
        let direction = Direction { row: (!rows.is(1)).then_some(row), column };
        // Where sums end: what reads them is none itself.
        let mut ends = map.expr.nodes().filter(|(id, _)| sums[id.0 as usize].is_none());
        let shift = ends.find_map(|(_, node)| {
            node.kind.operands().find_map(|o| direction.shift(sums[o.0 as usize].as_ref()?))
        })?;
        let mut builder = ExprBuilder::new();
        let mut new: Vec<Option<ExprId>> = Vec::with_capacity(map.expr.len());
        for ((_, node), sum) in map.expr.nodes().zip(&sums) {
            let id = match sum {
                Some(sum) if sum.steps.is_empty() => Some(builder.size(sum.start.clone(), node.dtype)),
                // What is no sum of distances itself may be a part of one.
                Some(sum) => direction.sum(sum, &shift).map(|sum| builder.affine(&sum, node.dtype)),
                None => {
                    let ready = node.kind.operands().all(|o| new[o.0 as usize].is_some());
                    let at = |o: ExprId| new[o.0 as usize].unwrap_or(ExprId(0));
                    ready.then(|| builder.rebuilt(node, &at))
                }
            };
            new.push(id);
        }
        let expr = builder.finish(new[map.expr.output().0 as usize]?);
        let same = expr.sizes().next().is_none();
        same.then(|| Lines { rows: rows.clone(), columns: columns.clone(), shift, expr })
    }

    /// The first distance, and how many there are.
    fn distances(&self) -> (Dim, Dim) {
        let count = &(&self.rows + &self.columns) - &Dim::ONE;
        (&self.shift - &(&self.rows - &Dim::ONE), count)
    }

    /// What a table holds for every distance that there can be, `[heads, distances]`, and the first of these distances;
    /// nothing if it would make the model grow too much.
    fn all(&self, graph: &Graph, table: Value, budget: &mut usize) -> Option<(Tensor, i64)> {
        let (least, count) = self.distances();
        let end = &least + &count;
        let (first, last) = (least.range(&graph.symbols)?.lo, end.range(&graph.symbols)?.hi);
        let count = usize::try_from(last.checked_sub(first)?).ok()?;
        let table = graph.constant(table)?;
        let bytes = count.checked_mul(*table.shape().get(1)?)?.checked_mul(table.dtype().size())?;
        if bytes > *budget {
            return None;
        }
        let positions = self.along(&Dim::from(first), Dim::from(count)).eval(&[])?.pop()?;
        let turned = Transpose { perm: vec![1, 0] }.eval(std::slice::from_ref(table))?.pop()?;
        let line = Gather { axis: 1 }.eval(&[turned, positions])?.pop()?;
        *budget -= bytes;
        Some((line, first))
    }

    /// The expression along a line of which element 0 is distance `first`.
    fn along(&self, first: &Dim, count: Dim) -> Map {
        let mut builder = ExprBuilder::new();
        let mut new: Vec<ExprId> = Vec::with_capacity(self.expr.len());
        for (_, node) in self.expr.nodes() {
            new.push(match node.kind {
                crate::expr::ExprKind::Index(_) => {
                    let (index, first) = (builder.index(0), builder.size(first.clone(), DType::I64));
                    builder.add(index, first)
                }
                _ => builder.rebuilt(node, &|id| new[id.0 as usize]),
            });
        }
        Map::new(builder.finish(new[self.expr.output().0 as usize]), vec![count])
    }
}

/// The axes between whose positions there is a distance. An only row is no axis.
struct Direction {
    row: Option<usize>,
    column: usize,
}

impl Direction {
    /// The number that one column adds to a sum, and one row takes away.
    fn step(&self, sum: &Affine) -> Option<i64> {
        let step = sum.step(self.column).as_i64().filter(|&step| step != 0)?;
        let axes = 1 + usize::from(self.row.is_some());
        let falls = self.row.is_none_or(|row| sum.step(row).is(-step));
        (falls && sum.steps.len() == axes).then_some(step)
    }

    /// The `shift` of a sum that is a multiple of `column - row + shift`.
    fn shift(&self, sum: &Affine) -> Option<Dim> {
        sum.start.exact_div(&Dim::from(self.step(sum)?))
    }

    /// A sum as a multiple of `column - row + shift` and a number; index 0 stands for the former.
    fn sum(&self, sum: &Affine, shift: &Dim) -> Option<Affine> {
        let step = Dim::from(self.step(sum)?);
        let start = &sum.start - &(shift * &step);
        start.as_i64()?;
        Some(Affine { start, steps: [(0, step)].into() })
    }
}

fn build(
    graph: &Graph,
    rebuild: &mut Rebuild<'_>,
    node: &NodeData,
    table: Value,
    lines: &Lines,
    known: Option<(Tensor, i64)>,
) -> Result<(), Diagnostic> {
    let Lines { rows, columns, .. } = lines;
    let (least, count) = lines.distances();
    let add = |op: Rc<dyn Op>, inputs: Vec<Value>, rebuild: &mut Rebuild<'_>| {
        rebuild.add(op, inputs, None, &node.origins).map(|outputs| outputs[0])
    };
    let heads = graph.ty(table).shape[1].clone();
    let line = match known {
        Some((tensor, first)) => {
            let all = rebuild.new.add_const(tensor);
            let part = SliceAxis { start: &least - &Dim::from(first), step: 1, extent: count };
            add(Rc::new(Slice { axes: vec![SliceAxis::whole(&heads), part] }), vec![all], rebuild)?
        }
        None => {
            let table = rebuild.get(table);
            let turned = add(Rc::new(Transpose { perm: vec![1, 0] }), vec![table], rebuild)?;
            let positions = add(Rc::new(lines.along(&least, count)), Vec::new(), rebuild)?;
            add(Rc::new(Gather { axis: 1 }), vec![turned, positions], rebuild)?
        }
    };
    let matrices = Diagonals { rows: rows.clone(), columns: columns.clone() };
    let value = add(Rc::new(matrices), vec![line], rebuild)?;
    let mut value = add(Rc::new(Transpose { perm: vec![1, 2, 0] }), vec![value], rebuild)?;
    let shape = graph.ty(node.outputs[0]).shape.clone();
    if rebuild.new.ty(value).shape != shape {
        value = add(Rc::new(Reshape { shape }), vec![value], rebuild)?;
    }
    rebuild.set(node.outputs[0], value);
    Ok(())
}
