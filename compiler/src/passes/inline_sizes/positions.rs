//! Values that are computed from nothing but positions and dimensions, as expressions.

use super::constants;
use crate::expr::{Affine, Binary, Expr, ExprBuilder, ExprId, ExprKind, Unary};
use crate::ir::{Graph, NodeData, Value, whole};
use crate::ops::map::Map;
use crate::ops::movement::{Broadcast, Concat, Reshape, Slice, Transpose};
use crate::types::{DType, Dim};

/// What takes more operations than this is computed once and read.
const CHEAP: usize = 8;
/// Movements in a row before the search is given up.
const LONGEST: usize = 16;

/// The expression of a value over its own axes, if nothing else is in it and computing it is as good as reading it.
pub(super) fn of(graph: &Graph, value: Value) -> Option<Expr> {
    search(graph, value, LONGEST)
}

fn search(graph: &Graph, value: Value, left: usize) -> Option<Expr> {
    let ty = graph.ty(value);
    if let Some(tensor) = graph.constant(value) {
        return constants::of(tensor);
    }
    if let Some([counted]) = graph.value(value).content.as_deref()
        && let Some(dim) = whole(counted, ty.dtype)
    {
        return number(&dim, ty.dtype);
    }
    let node = graph.producer(value).filter(|n| n.epilogue.is_none() && left > 0)?;
    if let Some(map) = node.is::<Map>() {
        return (node.inputs.is_empty() && !map.reduced && is_cheap(&map.expr)).then(|| map.expr.clone());
    }
    if let Some(concat) = node.is::<Concat>() {
        return joined(graph, node, concat, left);
    }
    let before = graph.ty(*node.inputs.first()?).shape.clone();
    let place: Box<dyn Fn(usize) -> Option<usize>> = if node.is::<Reshape>().is_some() {
        let long = |shape: &[Dim]| (0..shape.len()).filter(|&a| !shape[a].is(1)).collect::<Vec<_>>();
        let (from, to) = (long(&before), long(&ty.shape));
        let same = from.len() == to.len() && from.iter().zip(&to).all(|(&f, &t)| before[f] == ty.shape[t]);
        if !same {
            return None;
        }
        Box::new(move |axis| from.iter().position(|&a| a == axis).map(|at| to[at]))
    } else if node.is::<Broadcast>().is_some() {
        let missing = ty.rank() - before.len();
        let spread = ty.shape.clone();
        Box::new(move |axis| Some(axis + missing).filter(|&a| before[axis] == spread[a]))
    } else if let Some(transpose) = node.is::<Transpose>() {
        let perm = transpose.perm.clone();
        Box::new(move |axis| perm.iter().position(|&p| p == axis))
    } else if let Some(slice) = node.is::<Slice>() {
        let inner = search(graph, node.inputs[0], left - 1)?;
        return Some(reindexed(&inner, &|b, axis| {
            let (index, slice) = (b.index(axis), &slice.axes[axis]);
            let (step, start) =
                (b.size(Dim::from(slice.step), DType::I64), b.size(slice.start.clone(), DType::I64));
            let moved = b.mul(index, step);
            b.add(moved, start)
        }));
    } else {
        return None;
    };
    let inner = search(graph, node.inputs[0], left - 1)?;
    Some(at_axes(&inner, &*place))
}

/// An expression with its axes where `place` says; the others have one position.
pub(super) fn at_axes(expr: &Expr, place: &dyn Fn(usize) -> Option<usize>) -> Expr {
    reindexed(expr, &|b, axis| match place(axis) {
        Some(axis) => b.index(axis),
        None => b.size(Dim::ZERO, DType::I64),
    })
}

fn reindexed(expr: &Expr, index: &dyn Fn(&mut ExprBuilder, usize) -> ExprId) -> Expr {
    let mut builder = ExprBuilder::new();
    let mut new: Vec<ExprId> = Vec::with_capacity(expr.len());
    for (_, node) in expr.nodes() {
        new.push(match node.kind {
            ExprKind::Index(axis) => index(&mut builder, axis),
            _ => builder.rebuilt(node, &|id| new[id.0 as usize]),
        });
    }
    builder.finish(new[expr.output().0 as usize])
}

/// A dimension as a number of a type that holds it.
fn number(dim: &Dim, dtype: DType) -> Option<Expr> {
    let holds = match dim.as_i64() {
        Some(_) => dtype.is_int() || dtype == DType::Bool,
        None => matches!(dtype, DType::I64 | DType::I32),
    };
    let mut builder = ExprBuilder::new();
    let size = builder.size(dim.clone(), dtype);
    holds.then(|| builder.finish(size))
}

fn is_cheap(expr: &Expr) -> bool {
    let costly = expr.nodes().any(|(_, n)| match n.kind {
        ExprKind::Unary(op, _) => !matches!(op, Unary::Neg | Unary::Abs | Unary::Not | Unary::IsNan),
        ExprKind::Binary(op, ..) => matches!(op, Binary::Pow | Binary::Mod | Binary::Fmod | Binary::Div),
        ExprKind::RowLength | ExprKind::Reduce(..) => true,
        _ => false,
    });
    !costly && expr.cost() <= CHEAP
}

/// Values that count on where the one before them ends.
fn joined(graph: &Graph, node: &NodeData, concat: &Concat, left: usize) -> Option<Expr> {
    let dtype = graph.ty(node.outputs[0]).dtype;
    let (mut parts, mut first) = (Vec::with_capacity(node.inputs.len()), Dim::ZERO);
    for &input in &node.inputs {
        let expr = search(graph, input, left - 1)?;
        let extent = graph.ty(input).shape[concat.axis].clone();
        let mut part = expr.affine(expr.output())?;
        let step = part.step(concat.axis);
        part.start = &part.start - &(&step * &first);
        let next = &first + &extent;
        parts.push((part, first, extent));
        first = next;
    }
    let (whole, ..) = parts.iter().find(|(_, _, extent)| !extent.is(1))?;
    let follows = |(part, first, extent): &(Affine, Dim, Dim)| {
        let single = extent.is(1);
        let at = |sum: &Affine| {
            let mut here = sum.clone();
            if let Some(step) = here.steps.remove(&concat.axis).filter(|_| single) {
                here.start = &here.start + &(&step * first);
            }
            here
        };
        if single { at(part) == at(whole) } else { part == whole }
    };
    if !parts.iter().all(follows) {
        return None;
    }
    let mut builder = ExprBuilder::new();
    let sum = builder.affine(whole, dtype);
    Some(builder.finish(sum))
}
