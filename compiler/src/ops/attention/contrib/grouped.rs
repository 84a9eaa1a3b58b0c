//! GroupQueryAttention: heads of queries share heads of keys, with a cache, rotary positions and a causal mask.
//!
//! The cache is `[b, heads, past, d]`. New keys follow it, unless the sizes say that it has room for them: if past and new
//! keys are more than there are in all (`total_sequence_length`), the cache is a buffer of which a part is filled, and new
//! keys go behind that part. Sequences of one batch end where `seqlens_k` says; what lies behind is masked.

use super::super::attend::{self, Form, Heads, Mask, attend};
use super::super::rotary::{self, Turn};
use super::{counted, scale_or_default};
use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::select::cache::put;
use crate::types::Dim;

/// The recipe.
pub(in super::super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let of_q = cx.attributes.int("num_heads")?;
    let of_q = cx.attributes.required("num_heads", of_q)?;
    let of_k = cx.attributes.int("kv_num_heads")?;
    let of_k = cx.attributes.required("kv_num_heads", of_k)?;
    for (name, heads) in [("num_heads", of_q), ("kv_num_heads", of_k)] {
        if !(1..=1 << 20).contains(&heads) {
            return Err(cx.attributes.bad(name, &format!("is {heads}")));
        }
    }
    let scale = f64::from(cx.attributes.float_or("scale", 0.0)?);
    let softcap = f64::from(cx.attributes.float_or("softcap", 0.0)?);
    let window = cx.attributes.int_or("local_window_size", -1)?;
    let turns = cx.attributes.bool_or("do_rotary", false)?;
    let turn = Turn { interleaved: cx.attributes.bool_or("rotary_interleaved", false)?, dim: 0 };
    if cx.attributes.int_or("smooth_softmax", 0)? > 0 || cx.optional(11).is_some() {
        return Err(
            cx.unsupported("a GroupQueryAttention with an element that every softmax has in addition")
        );
    }
    let Heads { mut q, mut k, mut v } = heads(cx, of_q, of_k)?;
    let (batch, rows) = (cx.shape(q)[0].clone(), cx.shape(q)[2].clone());
    let first = first_positions(cx, &batch, &rows)?;
    if turns {
        let (cos, sin) = (cx.input(7)?, cx.input(8)?);
        let positions = match cx.optional(9) {
            Some(positions) => positions,
            None => counted(cx, first, batch.clone(), rows.clone())?,
        };
        let (cos, sin) =
            (rotary::angles(cx, cos, Some(positions))?, rotary::angles(cx, sin, Some(positions))?);
        let pairs = cx.shape(cos).pop().and_then(|d| d.as_i64()).unwrap_or(0);
        let turn = Turn { dim: 2 * pairs, ..turn };
        q = rotary::turned(cx, q, cos, sin, turn)?;
        k = rotary::turned(cx, k, cos, sin, turn)?;
    }
    let (cached_k, cached_v);
    if let (Some(keys), Some(values)) = (cx.optional(3), cx.optional(4)) {
        match filled(cx, keys, &rows) {
            Some(total) => {
                cached_k = put(cx, [keys, k], 2, Some(first), false)?;
                cached_v = put(cx, [values, v], 2, Some(first), false)?;
                k = cx.slice(cached_k, 2, 0_i64, total.clone())?;
                v = cx.slice(cached_v, 2, 0_i64, total)?;
            }
            None => {
                k = cx.concat(&[keys, k], 2)?;
                v = cx.concat(&[values, v], 2)?;
                (cached_k, cached_v) = (k, v);
            }
        }
    } else {
        (cached_k, cached_v) = (k, v);
    }
    let first = cx.reshape(first, vec![batch, Dim::ONE, Dim::ONE, Dim::ONE])?;
    let mut masks = Vec::new();
    if let Some(bias) = cx.optional(10) {
        masks.push(Mask::Added(bias));
    }
    masks.push(Mask::Causal(first));
    if window > 0 {
        masks.push(Mask::Window(first, window));
    }
    let scale = scale_or_default(cx, scale, q)?;
    let form = Form { scale, softcap, masks, masked: f64::from(f32::MIN), softmax: None };
    let done = attend(cx, Heads { q, k, v }, &form)?;
    Ok(vec![attend::merge(cx, done.output)?, cached_k, cached_v, done.product])
}

/// How many keys there are in all, if a cache has room for the new ones: more than fit behind it.
fn filled(cx: &NodeCx<'_>, cache: Value, rows: &Dim) -> Option<Dim> {
    let total = cx.dims_input(6, "total_sequence_length").ok()?.into_iter().next()?;
    let capacity = cx.shape(cache).get(2)?.clone();
    let symbols = &cx.graph.symbols;
    let joined = &(&capacity + rows) - &total;
    let fits = (&capacity - &total).range(symbols).is_some_and(|r| r.lo >= 0);
    (fits && joined.range(symbols).is_some_and(|r| r.lo > 0)).then_some(total)
}

/// Queries, keys and values; without keys and values the queries hold them behind their own columns.
fn heads(cx: &mut NodeCx<'_>, of_q: i64, of_k: i64) -> Result<Heads, Diagnostic> {
    let query = cx.input(0)?;
    if let (Some(key), Some(value)) = (cx.optional(1), cx.optional(2)) {
        let q = attend::split(cx, query, of_q)?;
        return Ok(Heads { q, k: attend::split(cx, key, of_k)?, v: attend::split(cx, value, of_k)? });
    }
    let all = attend::split(cx, query, of_q + 2 * of_k)?;
    Ok(Heads {
        q: cx.slice(all, 1, 0_i64, Dim::from(of_q))?,
        k: cx.slice(all, 1, of_q, Dim::from(of_k))?,
        v: cx.slice(all, 1, of_q + of_k, Dim::from(of_k))?,
    })
}

/// `[batch]` positions of the first of the new rows. `seqlens_k` is one less than the lengths of whole sequences; a prompt
/// that is padded behind begins at 0.
fn first_positions(cx: &mut NodeCx<'_>, batch: &Dim, rows: &Dim) -> Result<Value, Diagnostic> {
    let lengths = cx.input(5)?;
    if cx.ty(lengths).elements() != *batch {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("`seqlens_k` of type {} is not one number for each of {batch}", cx.ty(lengths)),
        ));
    }
    let lengths = cx.reshape(lengths, vec![batch.clone()])?;
    let lengths = cx.cast(lengths, crate::types::DType::I64)?;
    let rows = attend::dim(cx, rows.clone())?;
    cx.map(&[lengths, rows], |e, x| {
        let one = e.number(x[0], 1.0);
        let whole = e.add(x[0], one);
        let first = e.sub(whole, x[1]);
        let zero = e.number(first, 0.0);
        e.max(first, zero)
    })
}
