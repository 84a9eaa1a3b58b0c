//! Attention <https://onnx.ai/onnx/operators/onnx__Attention.html>, as a product, maps, a softmax and a product.

use super::attend::{self, Form, Heads, Mask, attend};
use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::movement::PadMode;
use crate::ops::pointwise::cast::element_type;
use crate::types::{DType, Dim, Scalar, Tensor};

/// The recipe.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (mut q, mut k, mut v) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let causal = cx.attributes.bool_or("is_causal", false)?;
    let of_q = cx.attributes.int("q_num_heads")?;
    let of_k = cx.attributes.int("kv_num_heads")?;
    let softcap = cx.attributes.float_or("softcap", 0.0)?;
    let mode = cx.attributes.int_or("qk_matmul_output_mode", 0)?;
    let scale = cx.attributes.float("scale")?;
    let softmax = element_type(cx, "softmax_precision")?;
    let three = cx.rank(q) == 3;
    if three {
        let of_q = cx.attributes.required("q_num_heads", of_q)?;
        let of_k = cx.attributes.required("kv_num_heads", of_k)?;
        q = attend::split(cx, q, of_q)?;
        k = attend::split(cx, k, of_k)?;
        v = attend::split(cx, v, of_k)?;
    }
    if [q, k, v].iter().any(|x| cx.rank(*x) != 4) {
        return Err(Diagnostic::new(Code::BadInput, "Attention takes tensors of three or of four axes"));
    }
    let mut past = Dim::ZERO;
    if let (Some(keys), Some(values)) = (cx.optional(4), cx.optional(5)) {
        past = cx.shape(keys).get(2).cloned().unwrap_or(Dim::ZERO);
        k = cx.concat(&[keys, k], 2)?;
        v = cx.concat(&[values, v], 2)?;
    }
    let keys = cx.shape(k)[2].clone();
    let mut masks = Vec::new();
    if let Some(mask) = cx.optional(3) {
        let mask = padded(cx, mask, &keys)?;
        masks.push(if cx.dtype(mask) == DType::Bool { Mask::Kept(mask) } else { Mask::Added(mask) });
    }
    if causal {
        masks.push(Mask::Causal(attend::dim(cx, past)?));
    }
    if let Some(lengths) = cx.optional(6) {
        let batch = cx.shape(k)[0].clone();
        masks.push(Mask::Lengths(attend::per_entry(cx, lengths, &batch)?));
    }
    let scale = match scale {
        Some(scale) => f64::from(scale),
        None => {
            let depth = cx.shape(q)[3].as_i64().ok_or_else(|| {
                cx.unsupported("heads of a size that is not known at compile time").help("fix the dimension")
            })?;
            1.0 / (depth as f64).sqrt()
        }
    };
    let masked = f64::NEG_INFINITY;
    let form = Form { scale, softcap: f64::from(softcap), masks, masked, softmax };
    let done = attend(cx, Heads { q, k, v }, &form)?;
    let output = if three { attend::merge(cx, done.output)? } else { done.output };
    let scores = match mode {
        1 => done.capped,
        2 => done.masked,
        3 => done.shares,
        _ => done.product,
    };
    Ok(vec![output, k, v, scores])
}

/// A mask for all keys: those that it leaves out do not count.
fn padded(cx: &mut NodeCx<'_>, mask: Value, keys: &Dim) -> Result<Value, Diagnostic> {
    let shape = cx.shape(mask);
    let Some(own) = shape.last().filter(|d| *d != keys && !d.is(1)) else { return Ok(mask) };
    let more = keys - own;
    if more.as_i64().is_some_and(|n| n < 0) {
        let message = format!("the mask {} is for more than the {keys} keys that there are", cx.ty(mask));
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    let mut after = vec![Dim::ZERO; shape.len()];
    after[shape.len() - 1] = more;
    let fill = match cx.dtype(mask) {
        DType::Bool => Scalar::Bool(false),
        dtype => Scalar::from_f64(dtype, f64::NEG_INFINITY),
    };
    let fill = cx.tensor(Tensor::scalar(fill));
    cx.pad(mask, vec![Dim::ZERO; shape.len()], after, PadMode::Constant, Some(fill))
}
