//! What reductions are made of: a map, a basic reduction, a map.

use super::{Built, Reduce};
use crate::diag::{Code, Diagnostic};
use crate::expr::{Binary, Compare, ExprBuilder, ExprId, Reduction, Unary};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::{All, Floats, Numbers};
use crate::ops::generate::Dims;
use crate::ops::shape::axes;
use crate::types::{DType, Dim};

/// What a reduction computes; the names are ONNX's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    L1,
    L2,
    /// `(Σ |x|^p)^(1/p)`
    Lp(i64),
    LogSum,
    LogSumExp,
    SumSquare,
}

/// Adds a basic reduction over `axes` (ascending), which stay with extent one.
///
/// # Errors
/// Never for axes of the value.
pub(in crate::ops) fn reduce(
    cx: &mut NodeCx<'_>,
    value: Value,
    op: Reduction,
    axes: Vec<usize>,
) -> Result<Value, Diagnostic> {
    if axes.is_empty() {
        return Ok(value);
    }
    cx.add(Reduce { op, axes }, &[value])
}

/// One of the operators Reduce*.
pub(super) fn reduction(cx: &mut NodeCx<'_>, kind: Kind) -> Built {
    let x = cx.input(0)?;
    let truth = matches!(kind, Kind::Max | Kind::Min);
    cx.one_of(x, if truth { All } else { Numbers })?;
    // The axes became an input, of the sum first.
    let by_input = cx.opset >= if kind == Kind::Sum { 13 } else { 18 };
    let given =
        if by_input { cx.ints_input(1, "axes")? } else { cx.attributes.ints("axes")?.map(<[i64]>::to_vec) };
    let nothing = cx.attributes.bool_or("noop_with_empty_axes", false)?;
    let keep = cx.attributes.bool_or("keepdims", true)?;
    let rank = cx.rank(x);
    let axes = match given.filter(|list| !list.is_empty()) {
        Some(list) => axes(&list, rank)?,
        None if nothing => Vec::new(),
        None => (0..rank).collect(),
    };
    let y = reduced(cx, x, kind, &axes)?;
    Ok(vec![if keep { y } else { without(cx, y, &axes)? }])
}

/// The value without these axes, which have extent one.
pub(super) fn without(cx: &mut NodeCx<'_>, value: Value, axes: &[usize]) -> Result<Value, Diagnostic> {
    let shape = cx.shape(value);
    let kept = (0..shape.len()).filter(|a| !axes.contains(a)).map(|a| shape[a].clone()).collect();
    cx.reshape(value, kept)
}

/// Pooling over everything but batch and channels.
pub(super) fn global_pool(cx: &mut NodeCx<'_>, kind: Kind) -> Built {
    let x = cx.input(0)?;
    cx.one_of(x, Floats)?;
    let rank = cx.rank(x);
    if rank < 2 {
        let message = format!("{} needs axes for batch and channels and not {}", cx.origin.op, cx.ty(x));
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    Ok(vec![reduced(cx, x, kind, &(2..rank).collect::<Vec<_>>())?])
}

/// The type in which a reduction is computed: sums of half precision would overflow, and fractions need floats.
fn exact_type(dtype: DType, kind: Kind) -> DType {
    let basic = matches!(kind, Kind::Max | Kind::Min);
    let whole = matches!(kind, Kind::Sum | Kind::Prod | Kind::L1 | Kind::SumSquare);
    match dtype {
        DType::Bool => DType::U8,
        DType::F16 | DType::BF16 if !basic => DType::F32,
        _ if dtype.is_int() && !basic && !whole => DType::F64,
        _ => dtype,
    }
}

fn reduced(cx: &mut NodeCx<'_>, x: Value, kind: Kind, axes: &[usize]) -> Result<Value, Diagnostic> {
    let dtype = cx.dtype(x);
    let x = cx.cast(x, exact_type(dtype, kind))?;
    let y = exact(cx, x, kind, axes)?;
    cx.cast(y, dtype)
}

fn exact(cx: &mut NodeCx<'_>, x: Value, kind: Kind, axes: &[usize]) -> Result<Value, Diagnostic> {
    let over = axes.to_vec();
    match kind {
        Kind::Sum => reduce(cx, x, Reduction::Sum, over),
        Kind::Max => reduce(cx, x, Reduction::Max, over),
        Kind::Min => reduce(cx, x, Reduction::Min, over),
        Kind::Prod => reduce(cx, x, Reduction::Prod, over),
        Kind::Mean => mean(cx, x, axes),
        Kind::L1 | Kind::Lp(1) => {
            let magnitude = cx.map(&[x], |e, v| e.unary(Unary::Abs, v[0]))?;
            reduce(cx, magnitude, Reduction::Sum, over)
        }
        Kind::SumSquare => {
            let square = cx.map(&[x], |e, v| e.mul(v[0], v[0]))?;
            reduce(cx, square, Reduction::Sum, over)
        }
        Kind::L2 | Kind::Lp(2) => {
            let square = exact(cx, x, Kind::SumSquare, axes)?;
            cx.map(&[square], |e, v| e.unary(Unary::Sqrt, v[0]))
        }
        Kind::Lp(p) => {
            let power = cx.map(&[x], |e, v| {
                let (magnitude, p) = (e.unary(Unary::Abs, v[0]), e.number(v[0], p as f64));
                e.binary(Binary::Pow, magnitude, p)
            })?;
            let sum = reduce(cx, power, Reduction::Sum, over)?;
            cx.map(&[sum], |e, v| {
                let root = e.number(v[0], 1.0 / p as f64);
                e.binary(Binary::Pow, v[0], root)
            })
        }
        Kind::LogSum => {
            let sum = reduce(cx, x, Reduction::Sum, over)?;
            cx.map(&[sum], |e, v| e.unary(Unary::Log, v[0]))
        }
        Kind::LogSumExp => log_sum_exp(cx, x, over),
    }
}

/// The `p`-norm over `axes` (ascending), which stay with extent one.
///
/// # Errors
/// Never for axes of the value.
pub(in crate::ops) fn norm(
    cx: &mut NodeCx<'_>,
    x: Value,
    p: i64,
    axes: &[usize],
) -> Result<Value, Diagnostic> {
    exact(cx, x, Kind::Lp(p), axes)
}

/// The mean over `axes` (ascending), which stay with extent one.
///
/// # Errors
/// Never for axes of the value.
pub(in crate::ops) fn mean(cx: &mut NodeCx<'_>, x: Value, axes: &[usize]) -> Result<Value, Diagnostic> {
    let shape = cx.shape(x);
    let count = Dim::product(axes.iter().map(|&a| &shape[a]));
    let sum = reduce(cx, x, Reduction::Sum, axes.to_vec())?;
    let count = cx.add(Dims { dims: vec![count], list: false }, &[])?;
    let dtype = cx.dtype(x);
    let count = cx.cast(count, dtype)?;
    cx.map(&[sum, count], |e, v| e.div(v[0], v[1]))
}

/// The largest element is taken out of the exponentials and put back after the logarithm.
fn log_sum_exp(cx: &mut NodeCx<'_>, x: Value, axes: Vec<usize>) -> Result<Value, Diagnostic> {
    let largest = reduce(cx, x, Reduction::Max, axes.clone())?;
    let shift = cx.map(&[largest], |e, v| finite_or_zero(e, v[0]))?;
    let powers = cx.map(&[x, shift], |e, v| {
        let shifted = e.sub(v[0], v[1]);
        e.unary(Unary::Exp, shifted)
    })?;
    let sum = reduce(cx, powers, Reduction::Sum, axes)?;
    cx.map(&[sum, shift], |e, v| {
        let log = e.unary(Unary::Log, v[0]);
        e.add(log, v[1])
    })
}

/// `x`, or zero where it is infinite: `∞ - ∞` would be no number.
fn finite_or_zero(e: &mut ExprBuilder, x: ExprId) -> ExprId {
    let (zero, infinity) = (e.number(x, 0.0), e.number(x, f64::INFINITY));
    let magnitude = e.unary(Unary::Abs, x);
    let infinite = e.compare(Compare::Equal, magnitude, infinity);
    e.select(infinite, zero, x)
}
