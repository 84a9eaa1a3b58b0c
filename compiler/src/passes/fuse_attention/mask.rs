//! What else an attention computes itself: constant factors of its operands, and cheap masks.

use crate::diag::Diagnostic;
use crate::expr::{Binary, Expr, ExprBuilder, ExprKind, Unary};
use crate::ir::{Graph, Rebuild, Value};
use crate::ops::map::Map;
use crate::ops::movement::{Broadcast, Reshape, Transpose};
use crate::passes::axes::{groups, refined};
use crate::types::Shape;
use std::rc::Rc;

/// A mask of more operations than this is computed once and read.
const CHEAP: usize = 8;
/// The longest expression that masks are inlined into.
const LARGEST: usize = 64;

/// An operand before it was multiplied by a constant, and that constant. Both products of a scaled operand are scaled
/// alike, so the scores can be instead.
pub(super) fn unscaled(rebuild: &mut Rebuild<'_>, value: Value) -> Result<(Value, f64), Diagnostic> {
    let Some(node) = rebuild.new.producer(value).cloned() else { return Ok((value, 1.0)) };
    if node.epilogue.is_some() || node.inputs.is_empty() {
        return Ok((value, 1.0));
    }
    if let Some(map) = node.is::<Map>() {
        let shape = &rebuild.new.ty(node.inputs[0]).shape;
        return Ok(match factor_of(&map.expr) {
            Some(factor) if *shape == map.space => (node.inputs[0], factor),
            _ => (value, 1.0),
        });
    }
    let moves = node.is::<Transpose>().is_some()
        || node.is::<Reshape>().is_some()
        || node.is::<Broadcast>().is_some();
    if !moves {
        return Ok((value, 1.0));
    }
    let (inner, factor) = unscaled(rebuild, node.inputs[0])?;
    if inner == node.inputs[0] {
        return Ok((value, 1.0));
    }
    let moved = rebuild.add(node.op.clone(), vec![inner], None, &node.origins)?[0];
    Ok((moved, factor))
}

/// The constant that an expression multiplies its only input by.
fn factor_of(expr: &Expr) -> Option<f64> {
    let ExprKind::Binary(op @ (Binary::Mul | Binary::Div), a, b) = expr.node(expr.output()).kind else {
        return None;
    };
    let (x, factor) = match (expr.node(a).kind, expr.node(b).kind) {
        (ExprKind::Input(0), ExprKind::Const(factor)) => (a, factor),
        (ExprKind::Const(factor), ExprKind::Input(0)) if op == Binary::Mul => (b, factor),
        _ => return None,
    };
    let factor = if op == Binary::Mul { factor.as_f64() } else { 1.0 / factor.as_f64() };
    (expr.node(x).dtype == expr.dtype() && factor.is_finite() && factor != 0.0).then_some(factor)
}

/// The scores with cheap masks inlined: input `i` of the expression is `inputs[i + 2]`, over a space of `rank` axes.
pub(super) fn inlined(graph: &mut Graph, scores: Expr, inputs: &mut Vec<Value>, rank: usize) -> Expr {
    let mut scores = scores;
    loop {
        let read = scores.inputs();
        let found = read.iter().filter(|&&i| i > 0).find_map(|&i| {
            let (expr, reads) = cheap(graph, inputs[i + 2], inputs, rank)?;
            let reads = reads
                .into_iter()
                .map(|(value, shape)| shaped(graph, value, shape))
                .collect::<Option<Vec<_>>>()?;
            (scores.len() + expr.len() <= LARGEST).then_some((i, expr, reads))
        });
        let Some((at, expr, reads)) = found else { break };
        let mut numbers = Vec::with_capacity(reads.len());
        for value in reads {
            let known = inputs.iter().skip(3).position(|v| *v == value);
            numbers.push(known.map_or_else(
                || {
                    inputs.push(value);
                    inputs.len() - 3
                },
                |at| at + 1,
            ));
        }
        let mut builder = ExprBuilder::new();
        let output = builder.inline(&scores, &mut |b, i, dtype| {
            if i == at {
                b.inline(&expr, &mut |b, j, dtype| b.input(numbers[j], dtype))
            } else {
                b.input(i, dtype)
            }
        });
        scores = builder.finish(output);
    }
    // What was inlined is not read any more.
    let read: Vec<usize> = scores.inputs().into_iter().filter(|&i| i > 0).collect();
    let kept: Vec<Value> = inputs[..3].iter().copied().chain(read.iter().map(|&i| inputs[i + 2])).collect();
    *inputs = kept;
    scores.with_inputs(&|i| read.iter().position(|&r| r == i).map_or(0, |at| at + 1))
}

fn shaped(graph: &mut Graph, value: Value, shape: Shape) -> Option<Value> {
    if graph.ty(value).shape == shape {
        return Some(value);
    }
    graph.add(Rc::new(Reshape { shape }), vec![value], None, Vec::new()).ok()?.pop()
}

/// The expression of a mask of the size of a matrix of scores, and what it reads under which shapes, if computing it is as
/// good as reading it. Repetition costs nothing: what was repeated is read instead.
fn cheap(graph: &Graph, value: Value, inputs: &[Value], rank: usize) -> Option<(Expr, Vec<(Value, Shape)>)> {
    let outer = &graph.ty(value).shape;
    let mut node = graph.producer(value)?;
    while node.is::<Reshape>().is_some() {
        // Axes that were put before those of the matrix, or leading ones that were split for groups of heads.
        node = graph.producer(node.inputs[0])?;
    }
    let inner = &graph.ty(node.outputs[0]).shape;
    let parts = groups(inner, outer)?;
    let read = |v: &Value| {
        let own = &graph.ty(*v).shape;
        let shape = refined(own, inner, outer, &parts).filter(|s| s.len() <= rank)?;
        Some((*v, shape))
    };
    if node.is::<Broadcast>().is_some() {
        let mut builder = ExprBuilder::new();
        let x = builder.input(0, graph.ty(value).dtype);
        return Some((builder.finish(x), vec![read(&node.inputs[0])?]));
    }
    let map =
        node.is::<Map>().filter(|m| node.epilogue.is_none() && !m.reduced && !m.expr.has_reductions())?;
    let long = |shape: &Shape| shape.iter().rev().take(2).filter(|d| !d.is(1)).count() == 2;
    // What is made of positions alone is not worth a place in memory, however small.
    let positions = node.inputs.iter().all(|v| graph.ty(*v).elements().is(1));
    let costly = map.expr.nodes().any(|(_, n)| match n.kind {
        ExprKind::Unary(op, _) => !matches!(op, Unary::Neg | Unary::Abs | Unary::Not | Unary::IsNan),
        ExprKind::Binary(op, ..) => matches!(op, Binary::Pow | Binary::Mod | Binary::Fmod | Binary::Div),
        ExprKind::RowLength => true,
        _ => false,
    });
    let few = node.inputs.len() + inputs.len() <= 10;
    if !(long(inner) || positions) || costly || !few || map.expr.cost() > CHEAP {
        return None;
    }
    // The axis of the scores that an axis of the map is; positions along leading axes are not those of the attention.
    let place = |axis: usize| {
        let at = parts[axis].clone().find(|&a| outer[a] == inner[axis])?;
        Some(at + rank - outer.len()).filter(|&a| a + 2 >= rank)
    };
    let asked = map.expr.nodes().filter_map(|(_, n)| match n.kind {
        ExprKind::Index(axis) => Some(axis),
        _ => None,
    });
    if asked.map(place).any(|p| p.is_none()) {
        return None;
    }
    let reads = node.inputs.iter().map(read).collect::<Option<Vec<_>>>()?;
    Some((map.expr.with_axes(&|axis| place(axis).unwrap_or(0)), reads))
}
