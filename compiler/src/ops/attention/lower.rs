//! Attention as a kernel call: heads that were split off or repeated are strides of its operands.

use super::band::Band;
use super::{Attention, MOST_BATCH_AXES, repeating_axes};
use crate::diag::Reported;
use crate::expr::{Binary, Expr, ExprBuilder, ExprId, ExprKind};
use crate::lir::{Arg, RowLoad, RowMap};
use crate::lower::{LowerCx, View};
use crate::ops::movement::Transpose;
use crate::types::{DType, Dim};
use ingrain_kernels::attention::{TILE, attention_half_scratch, attention_scratch};

/// Adds the step.
///
/// # Errors
/// If more axes repeat than the kernel has.
pub(super) fn lower(op: &Attention, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
    let operands = [0, 1, 2].map(|i| cx.input_type(i));
    let last = |i: usize, from_end: usize| operands[i].shape[operands[i].rank() - from_end].clone();
    let (queries, keys, depth, width) = (last(0, 2), last(1, 2), last(0, 1), last(2, 1));
    let Some(batch) = Attention::batch(operands).ok().filter(|b| repeating_axes(b) <= MOST_BATCH_AXES) else {
        return Err(cx.unsupported("an attention over more than three axes of matrices"));
    };
    let with = |matrix: [&Dim; 2]| batch.iter().chain(matrix).cloned().collect::<Vec<Dim>>();
    let q = rows(cx, 0, &with([&queries, &depth]));
    let k = rows(cx, 1, &with([&keys, &depth]));
    let v = rows(cx, 2, &with([&keys, &width]));
    let out = output(op, cx);
    let axes = repeating(&batch, &k, &v);
    let space = with([&queries, &keys]);
    // A map multiplies on its way.
    let (scale, rest) = match scaled(&op.scores) {
        (_, Some(_)) => (1.0, Some(op.scores.clone())),
        only => only,
    };
    let map = rest.map(|expr| score_map(cx, &expr, &space, &axes));
    let group = axes[MOST_BATCH_AXES - 1].map_or(Dim::ONE, |a| batch[a].clone());
    let dtype = cx.output_type(0).dtype;
    let half = dtype != DType::F32;
    let needed = if half { attention_half_scratch } else { attention_scratch };
    let needed = needed(
        largest(cx, &group),
        largest(cx, &queries),
        largest(cx, &keys),
        largest(cx, &depth),
        largest(cx, &width),
    );
    let scratch = cx.scratch(DType::F32, Dim::from(needed));
    // With one tile of keys there is nothing to leave out.
    let band = Band::of(&op.scores, space.len()).filter(|_| largest(cx, &keys) > TILE);
    let band = band.map(|band| band.argument(&keys));
    let extents = axes.iter().map(|a| Arg::Size(a.map_or(Dim::ONE, |a| batch[a].clone()))).collect();
    let macs = &(&Dim::product(&space) * &(&depth + &width)) * &Dim::ONE;
    let by_ref = |name, fields| Arg::Ref(Box::new(Arg::Struct(name, fields)));
    let args = vec![
        by_ref(
            "attention::Extents",
            vec![
                ("batch", Arg::Array(extents)),
                ("queries", Arg::Size(queries)),
                ("keys", Arg::Size(keys)),
                ("depth", Arg::Size(depth)),
                ("width", Arg::Size(width)),
            ],
        ),
        operand("q", &q, &axes),
        operand("k", &k, &axes),
        operand("v", &v, &axes),
        by_ref(
            "attention::Scores",
            vec![
                ("scale", Arg::Float(DType::F32, scale)),
                ("map", map.map_or(Arg::None, |m| Arg::Some(Box::new(m)))),
                ("band", band.map_or(Arg::None, |b| Arg::Some(Box::new(b)))),
                ("empty", Arg::Bool(op.empty)),
            ],
        ),
        Arg::Write("out", out.span()),
        strides(&out, &axes),
        Arg::Write("scratch", scratch),
    ];
    if half {
        cx.generic_call("attention::attention_half", vec![dtype], args, macs);
    } else {
        cx.call("attention::attention_f32", args, macs);
    }
    Ok(())
}

fn largest(cx: &LowerCx<'_>, dim: &Dim) -> usize {
    dim.range(&cx.graph.symbols).map_or(0, |r| usize::try_from(r.hi).unwrap_or(0))
}

/// Input `i` under a shape that it broadcasts to, with the elements of its rows side by side.
fn rows(cx: &mut LowerCx<'_>, i: usize, shape: &[Dim]) -> View {
    let view = cx.input(i).broadcast(shape);
    if has_rows(&view) { view } else { cx.dense_input_view(i).broadcast(shape) }
}

fn has_rows(view: &View) -> bool {
    let last = view.shape.len() - 1;
    view.shape[last].is(1) || view.strides[last].is(1)
}

/// Where the result goes, as `[batch…, m, w]`.
fn output(op: &Attention, cx: &mut LowerCx<'_>) -> View {
    let mut view = cx.output(0);
    if !has_rows(&view) {
        let place = cx.dense_output(0);
        view = View {
            offset: place.offset,
            ..View::dense(place.buffer, cx.output_type(0).dtype, &cx.output_type(0).shape)
        };
    }
    view.permuted(&Transpose::inverse(&op.perm))
}

/// The axes that repeat, in the kernel's order: one along which all share keys and values comes last.
fn repeating(batch: &[Dim], k: &View, v: &View) -> [Option<usize>; MOST_BATCH_AXES] {
    let mut axes: Vec<usize> = (0..batch.len()).filter(|&a| !batch[a].is(1)).collect();
    let shared = axes.iter().rposition(|&a| k.strides[a].is(0) && v.strides[a].is(0));
    let last = shared.map(|at| axes.remove(at));
    let mut order = [None; MOST_BATCH_AXES];
    // Without a shared axis the last place is the innermost of the others, if all places are needed.
    let places =
        if last.is_some() || axes.len() < MOST_BATCH_AXES { MOST_BATCH_AXES - 1 } else { MOST_BATCH_AXES };
    let first = places - axes.len();
    for (i, axis) in axes.into_iter().enumerate() {
        order[first + i] = Some(axis);
    }
    if last.is_some() {
        order[MOST_BATCH_AXES - 1] = last;
    }
    order
}

/// Strides along the kernel's axes and between rows.
fn strides(view: &View, axes: &[Option<usize>]) -> Arg {
    let rank = view.shape.len();
    let batch = axes.iter().map(|a| Arg::Size(a.map_or(Dim::ZERO, |a| view.strides[a].clone()))).collect();
    Arg::Struct(
        "attention::Strides",
        vec![("batch", Arg::Array(batch)), ("row", Arg::Size(view.strides[rank - 2].clone()))],
    )
}

fn operand(name: &'static str, view: &View, axes: &[Option<usize>]) -> Arg {
    Arg::Struct(
        "attention::Operand",
        vec![("data", Arg::Read(name, view.span())), ("strides", strides(view, axes))],
    )
}

/// The factor that the product is multiplied by first, and the rest of the expression, if there is any.
fn scaled(scores: &Expr) -> (f64, Option<Expr>) {
    if scores.as_identity() == Some(0) {
        return (1.0, None);
    }
    let product = scores.nodes().find(|(_, n)| n.kind == ExprKind::Input(0)).map(|(id, _)| id);
    let mut users = scores.nodes().filter(|(_, n)| n.kind.operands().any(|o| Some(o) == product));
    let (Some(product), Some((user, node)), None) = (product, users.next(), users.next()) else {
        return (1.0, Some(scores.clone()));
    };
    let factor = match node.kind {
        ExprKind::Binary(Binary::Mul, a, b) if a != b => {
            let ExprKind::Const(factor) = scores.node(if a == product { b } else { a }).kind else {
                return (1.0, Some(scores.clone()));
            };
            factor.as_f64()
        }
        _ => return (1.0, Some(scores.clone())),
    };
    let mut builder = ExprBuilder::new();
    let mut new: Vec<ExprId> = Vec::with_capacity(scores.len());
    for (id, node) in scores.nodes() {
        let kind =
            if id == user { ExprKind::Input(0) } else { node.kind.with_operands(&|o| new[o.0 as usize]) };
        new.push(builder.node(kind, node.dtype));
    }
    let rest = builder.finish(new[scores.output().0 as usize]);
    (factor, (rest.as_identity() != Some(0)).then_some(rest))
}

/// The map of a segment of scores.
fn score_map(cx: &mut LowerCx<'_>, expr: &Expr, space: &[Dim], axes: &[Option<usize>]) -> Arg {
    let rank = space.len();
    let mut order: Vec<Option<usize>> = axes.to_vec();
    order.push(Some(rank - 2));
    let others: Vec<usize> = expr.inputs().into_iter().filter(|&i| i > 0).collect();
    let loads = others
        .iter()
        .map(|&i| {
            let mut view = cx.input(i + 2).broadcast(space);
            if !(view.strides[rank - 1].is(0) || view.strides[rank - 1].is(1)) {
                view = cx.dense_input_view(i + 2).broadcast(space);
            }
            let stride = |axis: &Option<usize>| {
                axis.filter(|&a| !space[a].is(1)).map_or(Dim::ZERO, |a| view.strides[a].clone())
            };
            let (place, first) = view.reach();
            RowLoad {
                place,
                first,
                row_strides: order.iter().map(stride).collect(),
                column_stride: usize::from(!view.strides[rank - 1].is(0)),
            }
        })
        .collect();
    let number = |i: usize| others.iter().position(|o| *o == i).map_or(0, |at| at + 1);
    let axis = |a: usize| {
        let row = order.iter().position(|o| *o == Some(a));
        row.unwrap_or(if a == rank - 1 { order.len() } else { 0 })
    };
    let expr = expr.with_inputs(&number).with_axes(&axis);
    Arg::RowMap(RowMap { expr, row_axes: order.len(), loads })
}
