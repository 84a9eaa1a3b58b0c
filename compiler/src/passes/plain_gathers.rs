//! Makes slices of gathers whose positions count up along an axis.
//!
//! ```text
//! %1 = Map [index0] over [n]()
//! %2 = Gather { axis: 0 }(%0, %1)      becomes    %2 = Slice[0..n](%0)
//! ```
//! Exporters read tables of positions and masks so; the latter as matrices that were made flat, at `row * columns + column`.
//! Where it is not known that all positions are there, the program checks
//! it before its first step.

use super::axes::groups;
use crate::diag::Diagnostic;
use crate::expr::{Binary, ExprId, ExprKind};
use crate::ir::{Def, Graph, NodeData, Rebuild, Requirement, Value};
use crate::ops::map::Map;
use crate::ops::movement::{Broadcast, Concat, Reshape, Slice, SliceAxis, Transpose};
use crate::ops::select::{Gather, GatherNd};
use crate::types::{Dim, Shape, Tensor};
use std::rc::Rc;

/// Constants of more positions are not looked at.
const MOST_POSITIONS: usize = 1 << 16;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        let plain = match (node.is::<Gather>(), node.is::<GatherNd>()) {
            (Some(gather), _) => along_axis(graph, node, gather),
            (_, Some(gather)) if gather.batch_axes == 0 => along_axes(graph, node),
            _ => None,
        };
        // Negative positions count from the end.
        let forward = |p: &Plain| {
            p.ranges.iter().all(|r| r.start.range(&graph.symbols).is_some_and(|range| range.lo >= 0))
        };
        match plain.filter(|p| node.epilogue.is_none() && forward(p)) {
            Some(plain) => plain.build(graph, &mut rebuild, node)?,
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

/// Integers that count along axes of a tensor: `start + Σ index[axis] * stride`.
#[derive(Clone, Debug)]
struct Count {
    terms: Vec<Term>,
    start: Dim,
}

#[derive(Clone, Debug)]
struct Term {
    axis: usize,
    stride: Dim,
    extent: Dim,
}

/// Integers that count one by one along an axis, or one integer.
#[derive(Clone, Debug)]
struct Range {
    axis: Option<usize>,
    start: Dim,
    extent: Dim,
}

impl Count {
    fn one(start: Dim) -> Count {
        Count { terms: Vec::new(), start }
    }

    fn along(axis: usize, extent: Dim) -> Count {
        Count { terms: vec![Term { axis, stride: Dim::ONE, extent }], start: Dim::ZERO }
    }

    fn range(&self) -> Option<Range> {
        match &self.terms[..] {
            [] => Some(Range { axis: None, start: self.start.clone(), extent: Dim::ONE }),
            [term] if term.stride.is(1) => {
                Some(Range { axis: Some(term.axis), start: self.start.clone(), extent: term.extent.clone() })
            }
            _ => None,
        }
    }

    fn plus(mut self, other: Count) -> Count {
        self.start = &self.start + &other.start;
        for term in other.terms {
            match self.terms.iter_mut().find(|t| t.axis == term.axis) {
                Some(own) => own.stride = &own.stride + &term.stride,
                None => self.terms.push(term),
            }
        }
        self
    }

    fn times(mut self, factor: &Dim) -> Count {
        self.start = &self.start * factor;
        self.terms.iter_mut().for_each(|t| t.stride = &t.stride * factor);
        self
    }

    /// With each axis replaced; `None` if one has no place.
    fn moved(mut self, place: impl Fn(usize) -> Option<usize>) -> Option<Count> {
        for term in &mut self.terms {
            term.axis = place(term.axis)?;
        }
        Some(self)
    }
}

/// A gather that reads axis `first + i` of a table at `ranges[i]`.
struct Plain {
    table: Value,
    first: usize,
    ranges: Vec<Range>,
    /// Axes of the positions, which take the place of those of the table.
    axes: usize,
}

fn along_axis(graph: &Graph, node: &NodeData, gather: &Gather) -> Option<Plain> {
    let count = count(graph, node.inputs[1])?;
    let axes = graph.ty(node.inputs[1]).rank();
    if let Some(range) = count.range() {
        return Some(Plain { table: node.inputs[0], first: gather.axis, ranges: vec![range], axes });
    }
    // A matrix that was made flat, at positions that count along its axes.
    let flat = graph.producer(node.inputs[0]).filter(|n| n.is::<Reshape>().is_some() && gather.axis == 0)?;
    let shape = &graph.ty(flat.inputs[0]).shape;
    let merged = groups(&graph.ty(node.inputs[0]).shape, shape)?.first()?.clone();
    if !count.start.is(0) || merged.start != 0 {
        return None;
    }
    let mut ranges = vec![Range { axis: None, start: Dim::ZERO, extent: Dim::ONE }; merged.len()];
    for term in &count.terms {
        let at = merged.clone().find(|&a| Dim::product(&shape[a + 1..merged.end]) == term.stride)?;
        if ranges[at].axis.is_some() {
            return None;
        }
        ranges[at] = Range { axis: Some(term.axis), start: Dim::ZERO, extent: term.extent.clone() };
    }
    Some(Plain { table: flat.inputs[0], first: 0, ranges, axes })
}

fn along_axes(graph: &Graph, node: &NodeData) -> Option<Plain> {
    let tuples = node.inputs[1];
    let axes = graph.ty(tuples).rank().checked_sub(1)?;
    let ranges: Vec<Range> = match graph.constant(tuples) {
        Some(tensor) => {
            let length = *tensor.shape().last()?;
            (0..length).map(|c| constant(tensor, c, length)?.range()).collect::<Option<_>>()?
        }
        None => {
            let joined = graph.producer(tuples)?;
            joined.is::<Concat>().filter(|c| c.axis == axes)?;
            let single = |v: &Value| graph.ty(*v).shape[axes].is(1);
            let range = |v: &Value| count(graph, *v).filter(|_| single(v))?.range();
            joined.inputs.iter().map(range).collect::<Option<_>>()?
        }
    };
    Some(Plain { table: node.inputs[0], first: 0, ranges, axes })
}

impl Plain {
    fn build(&self, graph: &Graph, rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<(), Diagnostic> {
        let output = graph.ty(node.outputs[0]).shape.clone();
        let mut order: Vec<usize> = (0..self.ranges.len()).collect();
        order.sort_by_key(|&i| self.ranges[i].axis);
        let mut used: Vec<usize> = self.ranges.iter().filter_map(|c| c.axis).collect();
        used.sort_unstable();
        used.dedup();
        if used.len() != self.ranges.iter().filter(|c| c.axis.is_some()).count() {
            // A diagonal: no strides of whole axes say that.
            return rebuild.copy(node);
        }
        let table = graph.ty(self.table).shape.clone();
        let mut axes: Vec<SliceAxis> = table.iter().map(SliceAxis::whole).collect();
        for (i, range) in self.ranges.iter().enumerate() {
            let axis = self.first + i;
            let end = &range.start + &range.extent;
            require(rebuild, &end, &table[axis], node);
            axes[axis] = SliceAxis { start: range.start.clone(), step: 1, extent: range.extent.clone() };
        }
        let whole = axes.iter().zip(&table).all(|(a, n)| a.is_whole(n));
        let mut value = rebuild.get(self.table);
        if !whole {
            value = rebuild.add(Rc::new(Slice { axes }), vec![value], None, &node.origins)?[0];
        }
        let moved = self.first..self.first + order.len();
        let perm: Vec<usize> = (0..self.first)
            .chain(order.iter().map(|&i| self.first + i))
            .chain(moved.end..table.len())
            .collect();
        if !perm.is_sorted() {
            value = rebuild.add(Rc::new(Transpose { perm }), vec![value], None, &node.origins)?[0];
        }
        // Axes of the positions along which nothing counts repeat.
        let mut shape = output.clone();
        for axis in (0..self.axes).filter(|a| !used.contains(a)) {
            shape[self.first + axis] = Dim::ONE;
        }
        if rebuild.new.ty(value).shape != shape {
            value = rebuild.add(Rc::new(Reshape { shape }), vec![value], None, &node.origins)?[0];
        }
        if rebuild.new.ty(value).shape != output {
            value = rebuild.add(Rc::new(Broadcast { shape: output }), vec![value], None, &node.origins)?[0];
        }
        rebuild.set(node.outputs[0], value);
        Ok(())
    }
}

/// Records that positions up to `end` must be there, unless they are known to be.
fn require(rebuild: &mut Rebuild<'_>, end: &Dim, extent: &Dim, node: &NodeData) {
    let rest = extent - end;
    if rest.range(&rebuild.new.symbols).is_some_and(|r| r.lo >= 0) {
        return;
    }
    let name = node.origins.first().map_or_else(String::new, |o| format!("{} \"{}\"", o.op, o.name));
    let requirement = Requirement {
        have: end.maximum(extent),
        want: extent.clone(),
        what: format!("{name}, positions (`{end}` of `{extent}`)"),
    };
    if !rebuild.new.requirements.contains(&requirement) {
        rebuild.new.requirements.push(requirement);
    }
}

/// What a value counts, if it does.
fn count(graph: &Graph, value: Value) -> Option<Count> {
    let data = graph.value(value);
    let shape = &data.ty.shape;
    if !data.ty.dtype.is_int() {
        return None;
    }
    if let Def::Const(tensor) = &data.def {
        return constant(tensor, 0, 1);
    }
    if let Some([only]) = data.content.as_deref() {
        return Some(Count::one(only.clone()));
    }
    let node = graph.producer(value).filter(|n| n.epilogue.is_none())?;
    if let Some(map) = node.is::<Map>() {
        return of_map(graph, node, map);
    }
    let moves = node.is::<Reshape>().is_some() || node.is::<Broadcast>().is_some();
    if !moves && node.is::<Transpose>().is_none() && node.is::<Slice>().is_none() {
        return None;
    }
    let inner = count(graph, node.inputs[0])?;
    let before = &graph.ty(node.inputs[0]).shape;
    if node.is::<Reshape>().is_some() {
        return inner.moved(|axis| same_axis(before, shape, axis));
    }
    if node.is::<Broadcast>().is_some() {
        return inner.moved(|axis| Some(axis + shape.len() - before.len()));
    }
    if let Some(transpose) = node.is::<Transpose>() {
        return inner.moved(|axis| transpose.perm.iter().position(|&p| p == axis));
    }
    let slice = node.is::<Slice>()?;
    let mut part = inner;
    for term in &mut part.terms {
        let axis = &slice.axes[term.axis];
        if axis.step != 1 {
            return None;
        }
        part.start = &part.start + &(&axis.start * &term.stride);
        term.extent = axis.extent.clone();
    }
    Some(part)
}

/// The axis of a reshaped tensor that an axis became, if all axes of more than one element stay.
fn same_axis(before: &Shape, after: &Shape, axis: usize) -> Option<usize> {
    let long = |shape: &Shape| (0..shape.len()).filter(|&a| !shape[a].is(1)).collect::<Vec<_>>();
    let (from, to) = (long(before), long(after));
    let same = from.len() == to.len() && from.iter().zip(&to).all(|(&f, &t)| before[f] == after[t]);
    from.iter().position(|&a| a == axis).filter(|_| same).map(|at| to[at])
}

/// A map that is a sum of positions, of what its inputs count and of numbers, and of products with numbers.
fn of_map(graph: &Graph, node: &NodeData, map: &Map) -> Option<Count> {
    if map.reduced || map.expr.has_reductions() {
        return None;
    }
    let mut counts: Vec<Option<Count>> = Vec::with_capacity(map.expr.len());
    for (_, part) in map.expr.nodes() {
        let at = |id: ExprId| counts[id.0 as usize].clone();
        let count = match part.kind {
            _ if !part.dtype.is_int() => None,
            ExprKind::Index(axis) if map.space[axis].is(1) => Some(Count::one(Dim::ZERO)),
            ExprKind::Index(axis) => Some(Count::along(axis, map.space[axis].clone())),
            ExprKind::Const(value) => Some(Count::one(Dim::from(value.as_i64()))),
            ExprKind::Size(dim) => Some(Count::one(dim)),
            ExprKind::Input(i) => {
                let missing = map.space.len() - graph.ty(node.inputs[i]).rank();
                count(graph, node.inputs[i]).and_then(|c| c.moved(|axis| Some(axis + missing)))
            }
            ExprKind::Cast(of) => at(of),
            ExprKind::Binary(Binary::Add, a, b) => at(a).zip(at(b)).map(|(a, b)| a.plus(b)),
            ExprKind::Binary(Binary::Mul, a, b) => {
                at(a).zip(at(b)).and_then(|(a, b)| match (a.terms.is_empty(), b.terms.is_empty()) {
                    (_, true) => Some(a.times(&b.start)),
                    (true, _) => Some(b.times(&a.start)),
                    _ => None,
                })
            }
            _ => None,
        };
        counts.push(count);
    }
    counts.swap_remove(map.expr.output().0 as usize)
}

/// What element `c` of each `length` of a constant counts.
fn constant(tensor: &Tensor, c: usize, length: usize) -> Option<Count> {
    let mut shape = tensor.shape().to_vec();
    if length > 1 || shape.last() == Some(&length) && tensor.shape().len() > 1 {
        shape.pop();
    }
    let elements = shape.iter().product::<usize>();
    if !tensor.dtype().is_int()
        || tensor.len() > MOST_POSITIONS
        || elements * length != tensor.len()
        || elements == 0
    {
        return None;
    }
    let value = |i: usize| tensor.get(i * length + c).as_i64();
    let start = value(0);
    // The axes along which it counts, by how much, and the distance between their elements.
    let mut steps = Vec::new();
    let mut inner = 1;
    for axis in (0..shape.len()).rev().filter(|&a| shape[a] > 1) {
        steps.push((axis, value(inner).wrapping_sub(start), inner));
        inner *= shape[axis];
    }
    let at = |i: usize| {
        steps.iter().map(|(axis, step, inner)| (i / inner % shape[*axis]) as i64 * step).sum::<i64>()
    };
    let counts = start >= 0
        && steps.iter().all(|(_, step, _)| (0..i64::from(i32::MAX)).contains(step))
        && (0..elements).all(|i| value(i) == start.wrapping_add(at(i)));
    let along = |&(axis, step, _): &(usize, i64, usize)| {
        Count::along(axis, Dim::from(shape[axis])).times(&Dim::from(step))
    };
    counts.then(|| {
        let moving = steps.iter().filter(|(_, step, _)| *step > 0);
        moving.map(along).fold(Count::one(Dim::from(start)), Count::plus)
    })
}
