//! The attention operators of com.microsoft, which optimisers and exporters of language models emit:
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>.

mod decoder;
mod grouped;

pub(super) use decoder::build as build_decoder;
pub(super) use grouped::build as build_grouped;

use super::attend::{self, Form, Heads, Mask, attend};
use super::rotary::{self, Turn};
use crate::diag::{Code, Diagnostic};
use crate::expr::Compare;
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::movement::SliceAxis;
use crate::types::{DType, Dim};

/// RotaryEmbedding: the positions come before the angles, and may be one number for the first of all sequences.
pub(super) fn build_rotary(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, positions, cos, sin) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
    let turn = Turn {
        interleaved: cx.attributes.bool_or("interleaved", false)?,
        dim: cx.attributes.int_or("rotary_embedding_dim", 0)?,
    };
    let mut heads = cx.attributes.int_or("num_heads", 0)?;
    if cx.attributes.bool_or("is_packed_batching", false)? || cx.attributes.float_or("scale", 1.0)? != 1.0 {
        return Err(cx.unsupported("a RotaryEmbedding that packs or scales"));
    }
    let shape = cx.shape(x);
    let (batch, rows) = match &shape[..] {
        [batch, rows, columns] => {
            if heads == 0 {
                // All of a head is turned then, so the angles tell its size.
                let pairs = cx.shape(cos).last().cloned().unwrap_or(Dim::ONE);
                heads =
                    columns.exact_div(&(&pairs * &Dim::from(2_i64))).and_then(|d| d.as_i64()).unwrap_or(0);
            }
            (batch.clone(), rows.clone())
        }
        [batch, _, rows, _] => (batch.clone(), rows.clone()),
        _ => return Err(Diagnostic::new(Code::BadInput, format!("{} is not turned", cx.ty(x)))),
    };
    let positions = if cx.rank(positions) == 1 { counted(cx, positions, batch, rows)? } else { positions };
    Ok(vec![rotary::whole(cx, x, cos, sin, Some(positions), heads, turn)?])
}

/// `[batch, rows]` positions that count from one number, or from one for each entry of the batch.
fn counted(cx: &mut NodeCx<'_>, first: Value, batch: Dim, rows: Dim) -> Result<Value, Diagnostic> {
    let first = cx.cast(first, DType::I64)?;
    let extent = if cx.ty(first).elements().is(1) { Dim::ONE } else { batch.clone() };
    let first = cx.reshape(first, vec![extent, Dim::ONE])?;
    cx.map_over(vec![batch, rows], 0, false, &[first], |e, v| {
        let row = e.index(1);
        e.add(v[0], row)
    })
}

/// MultiHeadAttention.
pub(super) fn build_multi_head(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let heads = cx.attributes.int("num_heads")?;
    let heads = cx.attributes.required("num_heads", heads)?;
    let form = Common::read(cx)?;
    if cx.optional(8).is_some() || cx.optional(9).is_some() {
        return Err(cx.unsupported("a cache that MultiHeadAttention shares or permutes"));
    }
    let query = cx.input(0)?;
    let bias = cx.optional(3);
    let Heads { q, mut k, mut v } = if cx.rank(query) == 5 {
        packed(cx, query, 3)?
    } else {
        let q = biased(cx, query, bias, 0_i64)?;
        let offset = cx.shape(query).pop().unwrap_or(Dim::ONE);
        let q = attend::split(cx, q, heads)?;
        let key = cx.input(1)?;
        if cx.rank(key) == 5 {
            let Heads { k, v, .. } = packed(cx, key, 2)?;
            Heads { q, k, v }
        } else {
            let value = cx.input(2)?;
            let k = split_or_given(cx, key, bias, offset.clone(), heads)?;
            let second = &offset + &offset;
            let v = split_or_given(cx, value, bias, second, heads)?;
            Heads { q, k, v }
        }
    };
    if let (Some(keys), Some(values)) = (cx.optional(6), cx.optional(7)) {
        k = cx.concat(&[keys, k], 2)?;
        v = cx.concat(&[values, v], 2)?;
    }
    let masks = form.masks(cx, cx.optional(4), cx.optional(5), q, k)?;
    let form = form.of(cx, q, masks)?;
    let done = attend(cx, Heads { q, k, v }, &form)?;
    Ok(vec![attend::merge(cx, done.output)?, k, v, done.product])
}

/// Attention: the projections of queries, keys and values are one product.
pub(super) fn build_attention(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let heads = cx.attributes.int("num_heads")?;
    let heads = cx.attributes.required("num_heads", heads)?;
    let form = Common::read(cx)?;
    let sizes = cx.attributes.ints("qkv_hidden_sizes")?.map(<[i64]>::to_vec);
    let shared = cx.attributes.bool_or("past_present_share_buffer", false)?;
    if cx.attributes.bool_or("do_rotary", false)? || cx.optional(6).is_some() || shared {
        return Err(cx.unsupported("an Attention that turns its heads or shares its cache"));
    }
    let (input, weights) = (cx.input(0)?, cx.input(1)?);
    let product = cx.matmul(input, weights)?;
    let product = match cx.optional(2) {
        Some(bias) => cx.map(&[product, bias], |e, x| e.add(x[0], x[1]))?,
        None => product,
    };
    let columns = cx.shape(product).pop().unwrap_or(Dim::ONE);
    let sizes: Vec<Dim> = match sizes {
        Some(sizes) if sizes.len() == 3 => sizes.into_iter().map(Dim::from).collect(),
        _ => {
            let each = columns.exact_div(&Dim::from(3_i64)).ok_or_else(|| {
                Diagnostic::new(Code::BadInput, format!("{columns} columns are no queries, keys and values"))
            })?;
            vec![each; 3]
        }
    };
    let mut parts = Vec::with_capacity(3);
    let mut start = Dim::ZERO;
    for size in sizes {
        let part = cx.slice(product, 2, start.clone(), size.clone())?;
        parts.push(attend::split(cx, part, heads)?);
        start = &start + &size;
    }
    let (q, mut k, mut v) = (parts[0], parts[1], parts[2]);
    if let Some(past) = cx.optional(4) {
        let shape = cx.shape(past).get(1..).map(<[Dim]>::to_vec).unwrap_or_default();
        for (i, heads) in [&mut k, &mut v].into_iter().enumerate() {
            let one = cx.slice(past, 0, i as i64, Dim::ONE)?;
            let one = cx.reshape(one, shape.clone())?;
            *heads = cx.concat(&[one, *heads], 2)?;
        }
    }
    let masks = form.masks(cx, cx.optional(3), cx.optional(5), q, k)?;
    let form = form.of(cx, q, masks)?;
    let done = attend(cx, Heads { q, k, v }, &form)?;
    let mut results = vec![attend::merge(cx, done.output)?];
    if cx.output_used(1) {
        let mut shape = vec![Dim::ONE];
        shape.extend(cx.shape(k));
        let (keys, values) = (cx.reshape(k, shape.clone())?, cx.reshape(v, shape)?);
        results.push(cx.concat(&[keys, values], 0)?);
    } else {
        results.push(k);
    }
    Ok(results)
}

/// Attributes that several of the operators have.
struct Common {
    scale: f64,
    /// What is added to scores that a mask leaves out.
    filter: f64,
    causal: bool,
}

impl Common {
    fn read(cx: &mut NodeCx<'_>) -> Result<Common, Diagnostic> {
        Ok(Common {
            scale: f64::from(cx.attributes.float_or("scale", 0.0)?),
            filter: f64::from(cx.attributes.float_or("mask_filter_value", -10_000.0)?),
            causal: cx.attributes.bool_or("unidirectional", false)?,
        })
    }

    /// The masks of a padding mask in any of its forms, of a bias and of the order of positions.
    fn masks(
        &self,
        cx: &mut NodeCx<'_>,
        padding: Option<Value>,
        bias: Option<Value>,
        q: Value,
        k: Value,
    ) -> Result<Vec<Mask>, Diagnostic> {
        let (of_q, of_k) = (cx.shape(q), cx.shape(k));
        let mut masks = Vec::new();
        if let Some(padding) = padding {
            let shape = cx.shape(padding);
            let filter = self.filter;
            let filtered = |cx: &mut NodeCx<'_>, shape: Vec<Dim>| {
                let kept = cx.reshape(padding, shape)?;
                cx.map(&[kept], |e, x| {
                    let (none, out) = (e.number(x[0], 0.0), DType::F32);
                    let keep = e.compare(Compare::Greater, x[0], none);
                    let zero = e.scalar(crate::types::Scalar::from_f64(out, 0.0));
                    let filter = e.scalar(crate::types::Scalar::from_f64(out, filter));
                    e.select(keep, zero, filter)
                })
            };
            masks.push(match &shape[..] {
                [entries] if *entries == of_q[0] => {
                    let lengths = attend::per_entry(cx, padding, &of_q[0])?;
                    let space = vec![of_q[0].clone(), Dim::ONE, Dim::ONE, of_k[2].clone()];
                    Mask::Added(cx.map_over(space, 0, false, &[lengths], |e, x| {
                        let key = e.index(3);
                        let keep = e.compare(Compare::Less, key, x[0]);
                        let zero = e.scalar(crate::types::Scalar::from_f64(DType::F32, 0.0));
                        let filter = e.scalar(crate::types::Scalar::from_f64(DType::F32, filter));
                        e.select(keep, zero, filter)
                    })?)
                }
                [b, keys] => Mask::Added(filtered(cx, vec![b.clone(), Dim::ONE, Dim::ONE, keys.clone()])?),
                [b, m, keys] => {
                    Mask::Added(filtered(cx, vec![b.clone(), Dim::ONE, m.clone(), keys.clone()])?)
                }
                _ => return Err(cx.unsupported(format!("a mask of shape {shape:?}"))),
            });
        }
        if let Some(bias) = bias {
            masks.push(Mask::Added(bias));
        }
        if self.causal {
            let past = &of_k[2] - &of_q[2];
            masks.push(Mask::Causal(attend::dim(cx, past)?));
        }
        Ok(masks)
    }

    fn of(&self, cx: &NodeCx<'_>, q: Value, masks: Vec<Mask>) -> Result<Form, Diagnostic> {
        let scale = scale_or_default(cx, self.scale, q)?;
        Ok(Form { scale, softcap: 0.0, masks, masked: f64::from(f32::MIN), softmax: None })
    }
}

/// A scale that is given unless it is 0; else one over the root of the size of heads.
fn scale_or_default(cx: &NodeCx<'_>, scale: f64, q: Value) -> Result<f64, Diagnostic> {
    if scale != 0.0 {
        return Ok(scale);
    }
    let depth = cx.shape(q)[3].as_i64();
    let depth = depth.ok_or_else(|| cx.unsupported("heads of a size that is not known at compile time"))?;
    Ok(1.0 / (depth as f64).sqrt())
}

/// Queries, keys and values as neighbours along the fourth of five axes `[b, s, heads, parts, d]`; of two parts, keys and
/// values.
fn packed(cx: &mut NodeCx<'_>, value: Value, parts: i64) -> Result<Heads, Diagnostic> {
    let shape = cx.shape(value);
    let mut list = Vec::new();
    for part in 0..parts {
        let mut axes: Vec<SliceAxis> = shape.iter().map(SliceAxis::whole).collect();
        axes[3] = SliceAxis { start: Dim::from(part), step: 1, extent: Dim::ONE };
        let one = cx.slice_axes(value, axes)?;
        let one =
            cx.reshape(one, vec![shape[0].clone(), shape[1].clone(), shape[2].clone(), shape[4].clone()])?;
        list.push(cx.transpose(one, &[0, 2, 1, 3])?);
    }
    let last = list.len() - 1;
    Ok(Heads { q: list[0], k: list[last - 1], v: list[last] })
}

/// `[b, s, heads * d]` with its part of the bias, split; four axes are split already.
fn split_or_given(
    cx: &mut NodeCx<'_>,
    value: Value,
    bias: Option<Value>,
    offset: Dim,
    heads: i64,
) -> Result<Value, Diagnostic> {
    if cx.rank(value) == 4 {
        return Ok(value);
    }
    let value = biased(cx, value, bias, offset)?;
    attend::split(cx, value, heads)
}

/// A value with its part of a bias, which begins at `offset`.
fn biased(
    cx: &mut NodeCx<'_>,
    value: Value,
    bias: Option<Value>,
    offset: impl Into<Dim>,
) -> Result<Value, Diagnostic> {
    let Some(bias) = bias else { return Ok(value) };
    let columns = cx.shape(value).pop().unwrap_or(Dim::ONE);
    let part = cx.slice(bias, 0, offset, columns)?;
    cx.map(&[value, part], |e, x| e.add(x[0], x[1]))
}
