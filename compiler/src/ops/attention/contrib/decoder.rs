//! DecoderMaskedMultiHeadAttention: one new position of each sequence, with a cache that grows or that has room.

use super::super::attend::{self, Form, Heads, Mask, attend};
use super::{Common, biased, scale_or_default};
use crate::diag::Diagnostic;
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::select::cache::put;
use crate::types::{DType, Dim};

/// The recipe. Keys of four axes are those of an encoder, and all there are.
pub(in super::super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let heads = cx.attributes.int("num_heads")?;
    let heads = cx.attributes.required("num_heads", heads)?;
    let shared = cx.attributes.bool_or("past_present_share_buffer", false)?;
    let with_scores = cx.attributes.bool_or("output_qk", false)?;
    let common = Common::read(cx)?;
    if cx.optional(8).is_some() || cx.optional(9).is_some() {
        return Err(cx.unsupported(
            "a DecoderMaskedMultiHeadAttention over beams (`beam_width`, `cache_indirection`)",
        ));
    }
    let (query, bias) = (cx.input(0)?, cx.optional(10));
    let q = biased(cx, query, bias, 0_i64)?;
    let q = attend::split(cx, q, heads)?;
    let offset = cx.shape(query).pop().unwrap_or(Dim::ONE);
    let batch = cx.shape(q)[0].clone();
    let (mut k, mut v) = (cx.input(1)?, cx.input(2)?);
    let mut first = None;
    let (cached_k, cached_v);
    if cx.rank(k) == 4 {
        (cached_k, cached_v) = (k, v);
    } else {
        let new = biased(cx, k, bias, offset.clone())?;
        k = attend::split(cx, new, heads)?;
        let new = biased(cx, v, bias, &offset + &offset)?;
        v = attend::split(cx, new, heads)?;
        if let (Some(keys), Some(values)) = (cx.optional(5), cx.optional(6)) {
            if shared {
                // One number for all sequences.
                let past = cx.input(7)?;
                let past = cx.reshape(past, vec![Dim::ONE])?;
                let past = cx.cast(past, DType::I64)?;
                let at = cx.expand(past, vec![batch.clone()])?;
                k = put(cx, [keys, k], 2, Some(at), false)?;
                v = put(cx, [values, v], 2, Some(at), false)?;
                first = Some(cx.reshape(past, vec![Dim::ONE; 4])?);
            } else {
                k = cx.concat(&[keys, k], 2)?;
                v = cx.concat(&[values, v], 2)?;
            }
        }
        (cached_k, cached_v) = (k, v);
    }
    let mut masks = Vec::new();
    if let Some(first) = first {
        masks.push(Mask::Causal(first));
    }
    // What a mask is about is all that is filled of a buffer.
    let about = [cx.optional(3), cx.optional(4)].into_iter().flatten().next().filter(|_| first.is_some());
    if let Some(total) = about.and_then(|mask| cx.shape(mask).pop()).filter(|total| *total != cx.shape(k)[2])
    {
        k = cx.slice(k, 2, 0_i64, total.clone())?;
        v = cx.slice(v, 2, 0_i64, total)?;
    }
    masks.extend(common.masks(cx, cx.optional(3), cx.optional(4), q, k)?);
    let scale = scale_or_default(cx, common.scale, q)?;
    let form = Form { scale, softcap: 0.0, masks, masked: f64::from(f32::MIN), softmax: None };
    let done = attend(cx, Heads { q, k, v }, &form)?;
    let mut results = vec![attend::merge(cx, done.output)?, cached_k, cached_v];
    if with_scores {
        results.push(done.product);
    }
    Ok(results)
}
