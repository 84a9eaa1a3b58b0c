//! RotaryEmbedding <https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html>: pairs of elements turned by an angle that
//! depends on the position.

use super::attend;
use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::movement::SliceAxis;
use crate::ops::select::gather::Gather;
use crate::types::Dim;

/// How elements are paired and which are turned.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    /// Whether pairs are neighbours; otherwise they are half a row apart.
    pub(super) interleaved: bool,
    /// Elements of a row that are turned, from its start; 0 for all.
    pub(super) dim: i64,
}

/// The recipe.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, cos, sin) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let positions = cx.optional(3);
    let turn = Turn {
        interleaved: cx.attributes.bool_or("interleaved", false)?,
        dim: cx.attributes.int_or("rotary_embedding_dim", 0)?,
    };
    let heads = cx.attributes.int_or("num_heads", 0)?;
    Ok(vec![whole(cx, x, cos, sin, positions, heads, turn)?])
}

/// `x` as `[b, s, heads * d]` or `[b, heads, s, d]`, turned.
pub(super) fn whole(
    cx: &mut NodeCx<'_>,
    x: Value,
    cos: Value,
    sin: Value,
    positions: Option<Value>,
    heads: i64,
    turn: Turn,
) -> Result<Value, Diagnostic> {
    let three = cx.rank(x) == 3;
    let split = if three { attend::split(cx, x, heads)? } else { x };
    let (cos, sin) = (angles(cx, cos, positions)?, angles(cx, sin, positions)?);
    let turned = turned(cx, split, cos, sin, turn)?;
    if three { attend::merge(cx, turned) } else { Ok(turned) }
}

/// Cosines or sines as `[b, 1, s, half]`: rows of a table at these positions, or given for each position.
pub(super) fn angles(
    cx: &mut NodeCx<'_>,
    table: Value,
    positions: Option<Value>,
) -> Result<Value, Diagnostic> {
    let rows = match positions {
        Some(positions) => cx.add(Gather { axis: 0 }, &[table, positions])?,
        None => table,
    };
    let mut shape = cx.shape(rows);
    if shape.len() != 3 {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("angles of type {} have no batch, positions and pairs", cx.ty(rows)),
        ));
    }
    shape.insert(1, Dim::ONE);
    cx.reshape(rows, shape)
}

/// `[b, heads, s, d]` turned by angles `[b, 1, s, pairs]`.
pub(super) fn turned(
    cx: &mut NodeCx<'_>,
    x: Value,
    cos: Value,
    sin: Value,
    turn: Turn,
) -> Result<Value, Diagnostic> {
    let shape = cx.shape(x);
    let Some(size) = shape.get(3).cloned().filter(|_| shape.len() == 4) else {
        return Err(Diagnostic::new(Code::BadInput, format!("{} is not split into heads", cx.ty(x))));
    };
    let dim = if turn.dim == 0 { size.clone() } else { Dim::from(turn.dim) };
    let half = dim.exact_div(&Dim::from(2_i64)).ok_or_else(|| {
        Diagnostic::new(Code::BadInput, format!("{dim} elements do not make pairs to be turned"))
    })?;
    let (first, second) = if turn.interleaved {
        let of = |cx: &mut NodeCx<'_>, start: i64| {
            let mut axes: Vec<SliceAxis> = shape.iter().map(SliceAxis::whole).collect();
            axes[3] = SliceAxis { start: Dim::from(start), step: 2, extent: half.clone() };
            cx.slice_axes(x, axes)
        };
        (of(cx, 0)?, of(cx, 1)?)
    } else {
        (cx.slice(x, 3, 0_i64, half.clone())?, cx.slice(x, 3, half.clone(), half.clone())?)
    };
    let real = cx.map(&[first, second, cos, sin], |e, v| {
        let (a, b) = (e.mul(v[0], v[2]), e.mul(v[1], v[3]));
        e.sub(a, b)
    })?;
    let imaginary = cx.map(&[first, second, cos, sin], |e, v| {
        let (a, b) = (e.mul(v[0], v[3]), e.mul(v[1], v[2]));
        e.add(a, b)
    })?;
    let result = if turn.interleaved {
        let mut pairs = cx.shape(real);
        pairs.push(Dim::ONE);
        let (real, imaginary) = (cx.reshape(real, pairs.clone())?, cx.reshape(imaginary, pairs)?);
        let joined = cx.concat(&[real, imaginary], 4)?;
        let mut whole = cx.shape(joined)[..3].to_vec();
        whole.push(dim.clone());
        cx.reshape(joined, whole)?
    } else {
        cx.concat(&[real, imaginary], 3)?
    };
    if dim == size {
        return Ok(result);
    }
    let rest = cx.slice(x, 3, dim.clone(), &size - &dim)?;
    cx.concat(&[result, rest], 3)
}
