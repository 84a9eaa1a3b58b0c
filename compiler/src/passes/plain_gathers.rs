//! Makes slices of gathers whose positions count up along an axis.
//!
//! ```text
//! %1 = Map [index0] over [n]()
//! %2 = Gather { axis: 0 }(%0, %1)      becomes    %2 = Slice[0..n](%0)
//! ```
//! Exporters read tables of positions and masks so. Where it is not known that all positions are there, the program checks
//! it before its first step.

use crate::diag::Diagnostic;
use crate::expr::ExprKind;
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
        match plain.filter(|_| node.epilogue.is_none()) {
            Some(plain) => plain.build(graph, &mut rebuild, node)?,
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

/// Integers that count along one axis of a tensor: `start + index[axis]`; just `start` without an axis.
#[derive(Clone, Debug, PartialEq)]
struct Count {
    axis: Option<usize>,
    start: Dim,
    extent: Dim,
}

/// A gather that reads axis `first + i` of its table at `counts[i]`.
struct Plain {
    first: usize,
    counts: Vec<Count>,
    /// Axes of the positions, which take the place of those of the table.
    axes: usize,
}

fn along_axis(graph: &Graph, node: &NodeData, gather: &Gather) -> Option<Plain> {
    let count = count(graph, node.inputs[1])?;
    Some(Plain { first: gather.axis, counts: vec![count], axes: graph.ty(node.inputs[1]).rank() })
}

fn along_axes(graph: &Graph, node: &NodeData) -> Option<Plain> {
    let tuples = node.inputs[1];
    let axes = graph.ty(tuples).rank().checked_sub(1)?;
    let counts: Vec<Count> = match graph.constant(tuples) {
        Some(tensor) => {
            let length = *tensor.shape().last()?;
            (0..length).map(|c| constant(tensor, c, length)).collect::<Option<_>>()?
        }
        None => {
            let joined = graph.producer(tuples)?;
            joined.is::<Concat>().filter(|c| c.axis == axes)?;
            let single = |v: &Value| graph.ty(*v).shape[axes].is(1);
            joined.inputs.iter().map(|v| count(graph, *v).filter(|_| single(v))).collect::<Option<_>>()?
        }
    };
    Some(Plain { first: 0, counts, axes })
}

impl Plain {
    fn build(&self, graph: &Graph, rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<(), Diagnostic> {
        let output = graph.ty(node.outputs[0]).shape.clone();
        let mut order: Vec<usize> = (0..self.counts.len()).collect();
        order.sort_by_key(|&i| self.counts[i].axis);
        let mut used: Vec<usize> = self.counts.iter().filter_map(|c| c.axis).collect();
        used.sort_unstable();
        used.dedup();
        if used.len() != self.counts.iter().filter(|c| c.axis.is_some()).count() {
            // A diagonal: no strides of whole axes say that.
            return rebuild.copy(node);
        }
        let table = graph.ty(node.inputs[0]).shape.clone();
        let mut axes: Vec<SliceAxis> = table.iter().map(SliceAxis::whole).collect();
        for (i, count) in self.counts.iter().enumerate() {
            let axis = self.first + i;
            let end = &count.start + &count.extent;
            require(rebuild, &end, &table[axis], node);
            axes[axis] = SliceAxis { start: count.start.clone(), step: 1, extent: count.extent.clone() };
        }
        let whole = axes.iter().zip(&table).all(|(a, n)| a.is_whole(n));
        let mut value = rebuild.get(node.inputs[0]);
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
    let node = graph.producer(value).filter(|n| n.epilogue.is_none())?;
    if let Some(map) = node.is::<Map>() {
        return of_map(graph, node, map);
    }
    let inner = count(graph, *node.inputs.first()?)?;
    let before = &graph.ty(node.inputs[0]).shape;
    let Some(axis) = inner.axis else {
        return (node.is::<Reshape>().is_some() || node.is::<Broadcast>().is_some()).then_some(inner);
    };
    if node.is::<Reshape>().is_some() {
        return Some(Count { axis: Some(same_axis(before, shape, axis)?), ..inner });
    }
    if node.is::<Broadcast>().is_some() {
        return Some(Count { axis: Some(axis + shape.len() - before.len()), ..inner });
    }
    if let Some(transpose) = node.is::<Transpose>() {
        return Some(Count { axis: transpose.perm.iter().position(|&p| p == axis), ..inner });
    }
    let part = &node.is::<Slice>()?.axes[axis];
    (part.step == 1).then(|| Count {
        axis: Some(axis),
        start: &inner.start + &part.start,
        extent: part.extent.clone(),
    })
}

/// The axis of a reshaped tensor that an axis became, if all axes of more than one element stay.
fn same_axis(before: &Shape, after: &Shape, axis: usize) -> Option<usize> {
    let long = |shape: &Shape| (0..shape.len()).filter(|&a| !shape[a].is(1)).collect::<Vec<_>>();
    let (from, to) = (long(before), long(after));
    let same = from.len() == to.len() && from.iter().zip(&to).all(|(&f, &t)| before[f] == after[t]);
    from.iter().position(|&a| a == axis).filter(|_| same).map(|at| to[at])
}

/// A map that gives positions, converted between integers at most; or that converts something that counts.
fn of_map(graph: &Graph, node: &NodeData, map: &Map) -> Option<Count> {
    let mut at = map.expr.output();
    while let ExprKind::Cast(of) = map.expr.node(at).kind {
        if !map.expr.node(at).dtype.is_int() {
            return None;
        }
        at = of;
    }
    match map.expr.node(at).kind {
        ExprKind::Index(axis) => {
            Some(Count { axis: Some(axis), start: Dim::ZERO, extent: map.space[axis].clone() })
        }
        ExprKind::Input(i) if graph.ty(node.inputs[i]).shape == map.space => count(graph, node.inputs[i]),
        _ => None,
    }
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
    let mut inner = 1;
    for axis in (0..shape.len()).rev() {
        let extent = shape[axis];
        if extent > 1 && (0..elements).all(|i| value(i) == start + (i / inner % extent) as i64) {
            return (start >= 0).then(|| Count {
                axis: Some(axis),
                start: Dim::from(start),
                extent: Dim::from(extent),
            });
        }
        inner *= extent;
    }
    let same = start >= 0 && (0..elements).all(|i| value(i) == start);
    same.then(|| Count { axis: None, start: Dim::from(start), extent: Dim::ONE })
}
