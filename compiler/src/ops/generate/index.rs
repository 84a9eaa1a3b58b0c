//! Tensors that depend on positions.

use super::Built;
use crate::diag::{Code, Diagnostic};
use crate::expr::{Compare, ExprBuilder, ExprId};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::{All, Integers, Numbers};
use crate::ops::pointwise::cast::element_type;
use crate::ops::shape::axis;
use crate::types::{DType, Dim, Scalar};

/// Range: `start + i * delta`, in the inputs' type.
pub(super) fn range(cx: &mut NodeCx<'_>) -> Built {
    let inputs = [cx.input(0)?, cx.input(1)?, cx.input(2)?];
    let dtype = cx.same_type(&inputs, Numbers)?;
    let count = if dtype.is_int() { whole_count(cx)? } else { float_count(cx)? };
    // Its operands are without axes, whatever an exporter made of them.
    let mut operands = [inputs[0], inputs[2]];
    for operand in &mut operands {
        *operand = cx.reshape(*operand, Vec::new())?;
    }
    let result = cx.map_over(vec![count], 0, false, &operands, |e, v| {
        let index = e.index(0);
        let index = e.cast(index, dtype);
        let offset = e.mul(index, v[1]);
        e.add(v[0], offset)
    })?;
    Ok(vec![result])
}

/// The count where sizes decide it: `start`, `limit` and `delta` are expressions of symbols.
fn whole_count(cx: &NodeCx<'_>) -> Result<Dim, Diagnostic> {
    let mut operands = Vec::with_capacity(3);
    for (i, name) in ["start", "limit", "delta"].into_iter().enumerate() {
        // As counted: of floating-point numbers all three are in parts.
        let counted = cx.graph.value(cx.input(i)?).content.clone();
        let dims = counted.map_or_else(|| cx.dims_input(i, name), Ok)?;
        operands.push(dims.into_iter().next().ok_or_else(|| not_one(name))?);
    }
    if operands[2].is(0) {
        return Err(Diagnostic::new(Code::BadInput, "the delta of Range is 0"));
    }
    let count = (&operands[1] - &operands[0]).div_ceil(&operands[2]);
    let never_negative = count.range(&cx.graph.symbols).is_some_and(|r| r.lo >= 0);
    Ok(if never_negative { count } else { count.maximum(&Dim::ZERO) })
}

/// The count of a range of floating-point numbers: as they are, if they are known, and else as sizes decide it.
fn float_count(cx: &NodeCx<'_>) -> Result<Dim, Diagnostic> {
    let mut operands = [0.0; 3];
    for (i, name) in ["start", "limit", "delta"].into_iter().enumerate() {
        let value = cx.input(i)?;
        let Some(tensor) = cx.constant(value) else { return whole_count(cx) };
        operands[i] = tensor.scalars().next().ok_or_else(|| not_one(name))?.as_f64();
    }
    let [start, limit, delta] = operands;
    let count = ((limit - start) / delta).ceil();
    if delta == 0.0 || !count.is_finite() {
        let message = format!("Range from {start} to {limit} by {delta} has no count");
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    Ok(Dim::from(count.max(0.0) as i64))
}

fn not_one(name: &str) -> Diagnostic {
    Diagnostic::new(Code::BadInput, format!("`{name}` must hold one element"))
}

/// EyeLike: the type of the result is the attribute's, or else the input's.
pub(super) fn eye_like(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let space = cx.shape(x);
    if space.len() != 2 {
        return Err(Diagnostic::new(Code::BadInput, format!("EyeLike needs a matrix and not {}", cx.ty(x))));
    }
    let dtype = element_type(cx, "dtype")?.unwrap_or_else(|| cx.dtype(x));
    let diagonal = cx.attributes.int_or("k", 0)?;
    let result = cx.map_over(space, 0, false, &[], |e, _| {
        let offset = column_minus_row(e, 2);
        let diagonal = e.scalar(Scalar::Int(DType::I64, diagonal));
        let on = e.compare(Compare::Equal, offset, diagonal);
        e.cast(on, dtype)
    })?;
    Ok(vec![result])
}

/// Trilu: the triangle at and above (or below) diagonal `k`.
pub(super) fn trilu(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let space = cx.shape(x);
    let rank = space.len();
    if rank < 2 {
        return Err(Diagnostic::new(Code::BadInput, format!("Trilu needs matrices and not {}", cx.ty(x))));
    }
    let side =
        if cx.attributes.bool_or("upper", true)? { Compare::GreaterOrEqual } else { Compare::LessOrEqual };
    let k = match cx.optional(1) {
        Some(k) => {
            cx.one_of(k, Integers)?;
            cx.reshape(k, Vec::new())?
        }
        None => cx.tensor(crate::types::Tensor::scalar(Scalar::Int(DType::I64, 0))),
    };
    let result = cx.map_over(space, 0, false, &[x, k], |e, v| {
        let offset = column_minus_row(e, rank);
        let k = e.cast(v[1], DType::I64);
        let kept = e.compare(side, offset, k);
        let zero = e.number(v[0], 0.0);
        e.select(kept, v[0], zero)
    })?;
    Ok(vec![result])
}

fn column_minus_row(e: &mut ExprBuilder, rank: usize) -> ExprId {
    let (row, column) = (e.index(rank - 2), e.index(rank - 1));
    e.sub(column, row)
}

/// OneHot: negative elements count from the end; elements out of range match nowhere.
pub(super) fn one_hot(cx: &mut NodeCx<'_>) -> Built {
    let (indices, depth, values) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    cx.one_of(indices, Numbers)?;
    cx.one_of(depth, Numbers)?;
    cx.one_of(values, All)?;
    let extent = cx.dims_input(1, "depth")?.into_iter().next().ok_or_else(|| not_one("depth"))?;
    let new_axis = axis(cx.attributes.int_or("axis", -1)?, cx.rank(indices) + 1)?;
    let mut aligned = cx.shape(indices);
    aligned.insert(new_axis, Dim::ONE);
    let mut space = aligned.clone();
    space[new_axis] = extent;
    let indices = cx.reshape(indices, aligned)?;
    let depth = cx.reshape(depth, Vec::new())?;
    let [off, on] = off_and_on(cx, values)?;
    let result = cx.map_over(space, 0, false, &[indices, depth, off, on], |e, v| {
        let (index, depth) = (e.cast(v[0], DType::I64), e.cast(v[1], DType::I64));
        let zero = e.number(index, 0.0);
        let negative = e.compare(Compare::Less, index, zero);
        let from_end = e.add(index, depth);
        let wrapped = e.select(negative, from_end, index);
        let position = e.index(new_axis);
        let here = e.compare(Compare::Equal, wrapped, position);
        e.select(here, v[3], v[2])
    })?;
    Ok(vec![result])
}

fn off_and_on(cx: &mut NodeCx<'_>, values: Value) -> Result<[Value; 2], Diagnostic> {
    let message = format!("`values` of OneHot must hold two elements and is {}", cx.ty(values));
    if !cx.ty(values).elements().is(2) {
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    if let Some(tensor) = cx.constant(values) {
        let scalars = [tensor.get(0), tensor.get(1)];
        return Ok(scalars.map(|s| cx.tensor(crate::types::Tensor::scalar(s))));
    }
    let values = cx.reshape(values, vec![Dim::from(2_i64)])?;
    let mut pick = |at: i64| -> Result<Value, Diagnostic> {
        let one = cx.slice(values, 0, at, 1_i64)?;
        cx.reshape(one, Vec::new())
    };
    Ok([pick(0)?, pick(1)?])
}
