//! Products and convolutions with what was fused into them.

use super::activation::fused;
use super::{Built, microsoft};
use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::ops::conv::{forward_channels_last, window};
use crate::ops::elements::Elements::Floats;
use crate::ops::matmul::gemm;
use crate::ops::pointwise::activation::gelu_tanh;
use crate::ops::{NodeCx, OpDef};

/// The operators of this file.
pub static ROOM: &[OpDef] = &[
    microsoft("FusedMatMul", "`alpha * A' * B'` with axes in another order on demand", matmul),
    microsoft("TransposeMatMul", "FusedMatMul under its former name", matmul),
    microsoft("FusedGemm", "Gemm with an activation", |cx| {
        let product = gemm(cx)?;
        let numbers = ["activation_alpha", "activation_beta", "activation_gamma"]
            .map(|name| cx.attributes.float(name))
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let numbers: Vec<f32> = numbers.into_iter().map_while(|n| n).collect();
        Ok(vec![fused(cx, product, &numbers)?])
    }),
    microsoft("GemmFastGelu", "FastGelu of a product", |cx| {
        let (x, w) = (cx.input(0)?, cx.input(1)?);
        cx.same_type(&[x, w], Floats)?;
        let product = cx.matmul(x, w)?;
        let mut inputs = vec![product];
        inputs.extend(cx.optional(2));
        let y = cx.map(&inputs, |e, v| {
            let sum = v.get(1).map_or(v[0], |&bias| e.add(v[0], bias));
            gelu_tanh(e, sum)
        })?;
        Ok(vec![y])
    }),
    microsoft("FusedConv", "Conv, a tensor that is added, and an activation", |cx| {
        let mut y = forward_channels_last(cx)?;
        if let Some(residual) = cx.optional(3) {
            let residual = window::to_channels_last(cx, residual)?;
            y = cx.map(&[y, residual], |e, v| e.add(v[0], v[1]))?;
        }
        let numbers = cx.attributes.floats("activation_params")?.unwrap_or_default();
        let y = fused(cx, y, numbers)?;
        Ok(vec![window::to_channels_first(cx, y)?])
    }),
];

/// With `transBatch` the first axis of an operand stands before its last one.
fn matmul(cx: &mut NodeCx<'_>) -> Built {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    cx.same_type(&[a, b], Floats)?;
    let alpha = cx.attributes.float_or("alpha", 1.0)?;
    let [trans_a, trans_b, batch_a, batch_b] =
        ["transA", "transB", "transBatchA", "transBatchB"].map(|name| cx.attributes.bool_or(name, false));
    let a = operand(cx, a, batch_a?)?;
    let b = operand(cx, b, batch_b?)?;
    let (a_rank, b_rank) = (cx.rank(a), cx.rank(b));
    let a = if trans_a? && a_rank > 1 {
        let mut perm: Vec<usize> = (0..a_rank).collect();
        perm.swap(a_rank - 2, a_rank - 1);
        cx.transpose(a, &perm)?
    } else {
        a
    };
    let mut y = if trans_b? && b_rank > 1 && a_rank > 1 { cx.product(a, b, true)? } else { cx.matmul(a, b)? };
    if alpha != 1.0 {
        y = cx.map(&[y], |e, v| {
            let alpha = e.number(v[0], f64::from(alpha));
            e.mul(v[0], alpha)
        })?;
    }
    Ok(vec![y])
}

fn operand(cx: &mut NodeCx<'_>, x: Value, batch: bool) -> Result<Value, Diagnostic> {
    let rank = cx.rank(x);
    if !batch {
        return Ok(x);
    }
    if rank < 3 {
        return Err(Diagnostic::new(Code::BadInput, format!("{} has no batch to transpose", cx.ty(x))));
    }
    let mut perm: Vec<usize> = (1..rank - 1).collect();
    perm.extend([0, rank - 1]);
    cx.transpose(x, &perm)
}
