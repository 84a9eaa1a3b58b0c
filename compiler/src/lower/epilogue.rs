//! How a map of a product's result becomes the kernels' `Epilogue`.
//!
//! The expression is peeled from the result outwards, in the order in which the kernels work: bias, residual, clamp.
//! What is left is a map over finished rows.

use super::context::LowerCx;
use crate::expr::{Binary, Expr, ExprBuilder, ExprId, ExprKind};
use crate::ir::Value;
use crate::lir::{Arg, Place, RowLoad, RowMap};
use crate::types::{DType, Dim};

/// The parts of an epilogue that kernels compute in registers, by input of the expression, and the rest.
#[derive(Debug, Default)]
struct Parts {
    bias: Option<usize>,
    residual: Option<usize>,
    clamp: Option<(f64, f64)>,
    then: Option<Expr>,
}

/// How an input of the epilogue is laid out beside the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One element.
    Scalar,
    /// One element per column.
    PerColumn,
    /// The shape of the result.
    Full,
}

/// The kernels' epilogue argument for this node. The result's rows are all its axes but the last, its columns the last.
/// `over` names the written slice if its rows are laid out as a residual's, so that it may be put over the residual.
pub fn argument(cx: &mut LowerCx<'_>, over: Option<&'static str>) -> Arg {
    let Some(epilogue) = cx.epilogue() else {
        return Arg::Ref(Box::new(Arg::Path("epilogue::Epilogue::NONE")));
    };
    let shape = cx.output_type(0).shape.clone();
    let columns = shape.last().cloned().unwrap_or(Dim::ONE);
    let graph = cx.graph;
    let form = |i: usize| {
        let ty = graph.ty(epilogue.inputs[i - 1]);
        if ty.elements().is(1) {
            if columns.is(1) { Form::PerColumn } else { Form::Scalar }
        } else if ty.shape == shape && !shape.iter().rev().skip(1).all(|d| d.is(1)) {
            Form::Full
        } else {
            Form::PerColumn
        }
    };
    let parts = peel(&epilogue.expr, &form);
    let optional = |arg: Option<Arg>| arg.map_or(Arg::None, |a| Arg::Some(Box::new(a)));
    let bias = parts.bias.map(|i| Arg::Read("bias", cx.dense_value(epilogue.inputs[i - 1])));
    let over = over.filter(|_| parts.residual.is_some());
    let or = |apart: Arg, in_place: Arg| match over {
        Some(name) => Arg::Over(name, Box::new(apart), Box::new(in_place)),
        None => apart,
    };
    let residual = parts.residual.map(|i| {
        let (place, stride) = rows(cx, epilogue.inputs[i - 1], &columns);
        Arg::Tuple(vec![Arg::Read("residual", place), Arg::Size(stride)])
    });
    let clamp =
        parts.clamp.map(|(lo, hi)| Arg::Tuple(vec![Arg::Float(DType::F32, lo), Arg::Float(DType::F32, hi)]));
    let then = parts.then.map(|expr| {
        let read = expr.inputs();
        let loads = read
            .iter()
            .filter(|i| **i > 0)
            .map(|&i| {
                let value = epilogue.inputs[i - 1];
                match form(i) {
                    Form::Scalar => RowLoad {
                        place: cx.dense_value(value),
                        first: Dim::ZERO,
                        row_strides: vec![Dim::ZERO],
                        column_stride: 0,
                    },
                    Form::PerColumn => RowLoad {
                        place: cx.dense_value(value),
                        first: Dim::ZERO,
                        row_strides: vec![Dim::ZERO],
                        column_stride: 1,
                    },
                    Form::Full => {
                        let (place, row_stride) = rows(cx, value, &columns);
                        RowLoad { place, first: Dim::ZERO, row_strides: vec![row_stride], column_stride: 1 }
                    }
                }
            })
            .collect();
        let others: Vec<usize> = read.iter().copied().filter(|i| *i > 0).collect();
        let number = |i: usize| others.iter().position(|o| *o == i).map_or(0, |at| at + 1);
        Arg::RowMap(RowMap { expr: expr.with_inputs(&number), row_axes: 1, loads })
    });
    Arg::Ref(Box::new(Arg::Struct(
        "epilogue::Epilogue",
        vec![
            ("bias", optional(bias)),
            ("residual", or(optional(residual), Arg::None)),
            ("residual_in_place", or(Arg::Bool(false), Arg::Bool(true))),
            ("clamp", optional(clamp)),
            ("then", optional(then)),
        ],
    )))
}

/// A value as rows of `columns` elements, and the distance between them.
fn rows(cx: &mut LowerCx<'_>, value: Value, columns: &Dim) -> (Place, Dim) {
    let view = cx.view(value);
    match view.pixel_stride() {
        Some(stride) => (view.span(), stride),
        None => (cx.dense_value(value), columns.clone()),
    }
}

/// Takes bias, residual and clamp off the expression, as far as they come in this order.
fn peel(expr: &Expr, form: &dyn Fn(usize) -> Form) -> Parts {
    let mut parts = Parts::default();
    let Some((mut at, _)) = expr.nodes().find(|(_, n)| n.kind == ExprKind::Input(0)) else {
        return Parts { then: Some(expr.clone()), ..parts };
    };
    while at != expr.output() {
        let Some(user) = only_user(expr, at) else { break };
        let ExprKind::Binary(op, a, b) = expr.node(user).kind else { break };
        let other = if a == at { b } else { a };
        match (op, expr.node(other).kind) {
            (Binary::Add, ExprKind::Input(i)) if form(i) == Form::PerColumn && parts.is_empty() => {
                parts.bias = Some(i)
            }
            (Binary::Add, ExprKind::Input(i))
                if form(i) == Form::Full && parts.residual.is_none() && parts.clamp.is_none() =>
            {
                parts.residual = Some(i);
            }
            (Binary::Max, ExprKind::Const(s)) if parts.clamp.is_none() => {
                parts.clamp = Some((s.as_f64(), f64::INFINITY));
            }
            (Binary::Min, ExprKind::Const(s)) => match &mut parts.clamp {
                None => parts.clamp = Some((f64::NEG_INFINITY, s.as_f64())),
                Some((_, hi)) if *hi == f64::INFINITY => *hi = s.as_f64(),
                Some(_) => break,
            },
            _ => break,
        }
        at = user;
    }
    if at != expr.output() {
        parts.then = Some(replaced(expr, at));
    }
    parts
}

impl Parts {
    fn is_empty(&self) -> bool {
        self.bias.is_none() && self.residual.is_none() && self.clamp.is_none() && self.then.is_none()
    }
}

/// The only node that reads `id`, if it reads it once.
fn only_user(expr: &Expr, id: ExprId) -> Option<ExprId> {
    let mut users =
        expr.nodes().flat_map(|(user, n)| vec![user; n.kind.operands().filter(|o| *o == id).count()]);
    let first = users.next();
    first.filter(|_| users.next().is_none())
}

/// The expression with what `done` computes as its input 0.
fn replaced(expr: &Expr, done: ExprId) -> Expr {
    let mut builder = ExprBuilder::new();
    let mut new: Vec<ExprId> = Vec::with_capacity(expr.len());
    for (id, node) in expr.nodes() {
        let kind =
            if id == done { ExprKind::Input(0) } else { node.kind.with_operands(&|o| new[o.0 as usize]) };
        new.push(builder.node(kind, node.dtype));
    }
    builder.finish(new[expr.output().0 as usize])
}
