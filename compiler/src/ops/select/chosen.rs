//! Compress, NonZero, Unique and NonMaxSuppression: of constants at once, else by the core operators that find out at
//! run time.

use super::found;
use super::gather::gather;
use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::host::{elements, tensor, with_type};
use crate::ops::shape::axis;
use crate::types::{DType, Dim, Tensor};
use ingrain_kernels::select;

/// Compress: a Gather of the positions whose condition holds.
pub(super) fn build_compress(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let mut x = cx.input(0)?;
    let condition = cx.input(1)?;
    let axis = match cx.attributes.int("axis")? {
        Some(given) => axis(given, cx.rank(x))?,
        None => {
            let elements = cx.ty(x).elements();
            x = cx.reshape(x, vec![elements])?;
            0
        }
    };
    let extent = &cx.shape(x)[axis];
    let Some(condition) = cx.constant(condition).cloned() else {
        let extent = extent.clone();
        return cx.add_once(
            &[x, condition],
            |earlier: &found::Compress| earlier.axis == axis,
            |cx| Ok(found::Compress { axis, count: cx.found_symbol(0, axis, &extent)? }),
        );
    };
    if extent.as_usize().is_some_and(|n| condition.len() > n) {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("{} conditions are more than the {extent} elements of axis {axis}", condition.len()),
        ));
    }
    let chosen: Vec<i64> =
        condition.scalars().zip(0..).filter(|(c, _)| c.as_i64() != 0).map(|(_, i)| i).collect();
    let indices = cx.tensor(Tensor::from_i64s(&chosen));
    Ok(vec![gather(cx, x, axis, indices)?])
}

/// NonZero.
pub(super) fn build_nonzero(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let value = cx.input(0)?;
    let Some(x) = cx.constant(value).cloned() else {
        return cx.add_once(
            &[value],
            |_: &found::NonZero| true,
            |cx| Ok(found::NonZero { count: cx.found_symbol(0, 1, &cx.ty(value).elements())? }),
        );
    };
    let rank = x.shape().len();
    if rank > select::MAX_RANK {
        return Err(cx.unsupported(format!("NonZero of more than {} axes", select::MAX_RANK)));
    }
    // A scalar counts as one axis of one element.
    let rows = rank.max(1);
    let mut positions = vec![0_i64; rows * x.len()];
    let count = with_type!(x.dtype(), T => select::nonzero(x.shape(), &elements::<T>(&x), &mut positions));
    positions.truncate(rows * count);
    let result = Tensor::from_i64s(&positions).reshaped(vec![rows, count]);
    let result = result.ok_or_else(|| Diagnostic::new(Code::Internal, "the positions of NonZero"))?;
    Ok(vec![cx.tensor(result)])
}

/// Unique.
pub(super) fn build_unique(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let value = cx.input(0)?;
    let sorted = cx.attributes.bool_or("sorted", true)?;
    let Some(x) = cx.constant(value).cloned() else { return unique_of_data(cx, value, sorted) };
    let (outer, n, inner, along) = match cx.attributes.int("axis")? {
        None => (1, x.len(), 1, None),
        Some(given) => {
            let axis = axis(given, x.shape().len())?;
            let (outer, inner) = (&x.shape()[..axis], &x.shape()[axis + 1..]);
            (outer.iter().product(), x.shape()[axis], inner.iter().product(), Some(axis))
        }
    };
    let (mut first, mut inverse, mut counts) = (vec![0_i64; n], vec![0_i64; n], vec![0_i64; n]);
    let mut scratch = vec![0_u32; n];
    let distinct = with_type!(x.dtype(), T => {
        let items: Vec<T> = elements(&x);
        let mut y = items.clone();
        let count = select::unique(
            sorted, outer, n, inner, &items, &mut y, &mut first, &mut inverse, &mut counts, &mut scratch,
        );
        first.truncate(count);
        counts.truncate(count);
        y.truncate(outer * count * inner);
        let shape = match along {
            None => vec![count],
            Some(axis) => {
                let mut shape = x.shape().to_vec();
                shape[axis] = count;
                shape
            }
        };
        tensor(x.dtype(), shape, &y)
    });
    let distinct = distinct.ok_or_else(|| Diagnostic::new(Code::Internal, "the elements of Unique"))?;
    let lists = [first, inverse, counts].map(|list| cx.tensor(Tensor::from_i64s(&list)));
    Ok([vec![cx.tensor(distinct)], lists.to_vec()].concat())
}

/// Unique of what is computed at run time.
fn unique_of_data(cx: &mut NodeCx<'_>, x: Value, sorted: bool) -> Result<Vec<Value>, Diagnostic> {
    let (x, axis) = match cx.attributes.int("axis")? {
        Some(given) => (x, axis(given, cx.rank(x))?),
        None => {
            let elements = cx.ty(x).elements();
            (cx.reshape(x, vec![elements])?, 0)
        }
    };
    let most = cx.shape(x)[axis].clone();
    cx.add_once(
        &[x],
        |earlier: &found::Unique| (earlier.axis, earlier.sorted) == (axis, sorted),
        |cx| Ok(found::Unique { axis, sorted, count: cx.found_symbol(0, axis, &most)? }),
    )
}

/// NonMaxSuppression.
pub(super) fn build_suppression(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (boxes, mut scores) = (cx.input(0)?, cx.input(1)?);
    let center = cx.attributes.bool_or("center_point_box", false)?;
    let most = match cx.optional(2) {
        Some(value) => value,
        None => cx.scalar(DType::I64, 0.0),
    };
    let overlap = match cx.optional(3) {
        Some(value) => value,
        None => cx.scalar(DType::F32, 0.0),
    };
    let ([blocks, n, _], [batch, classes, _]) = (&cx.shape(boxes)[..], &cx.shape(scores)[..]) else {
        let (boxes, scores) = (cx.ty(boxes), cx.ty(scores));
        let message = format!("boxes {boxes} and scores {scores} do not have three axes");
        return Err(Diagnostic::new(Code::BadInput, message));
    };
    scores = cx.restate(scores, &[blocks.clone(), classes.clone(), n.clone()])?;
    let given = cx.dims(most).and_then(|dims| dims.into_iter().next());
    let bound = given.map_or_else(|| n.clone(), |given| n.minimum(&given).maximum(&Dim::ZERO));
    let all = Dim::product([batch, classes, &bound]);
    let count = cx.found_symbol(0, 0, &all)?;
    let mut inputs = vec![boxes, scores, most, overlap];
    inputs.extend(cx.optional(4));
    Ok(vec![cx.add(found::Suppress { center, most: bound, count }, &inputs)?])
}
