//! Products with weights in half precision, which stay so in the blob and in memory.
//!
//! Either everything is in half precision, or the model widens constant weights before a product in `f32`: then the
//! kernel does it, and the wide form exists nowhere.

use super::{result_rows, rows_of, scratch_of};
use crate::expr::ExprKind;
use crate::lir::{Arg, Packing, Place};
use crate::lower::{LowerCx, epilogue};
use crate::ops::map::{Map, packed_weights, unpacked_weights};
use crate::types::{DType, Dim};
use ingrain_kernels::matmul;

/// Adds the steps of a product in half precision with weights that one matrix holds.
pub(super) fn lower(transposed: bool, packing: Packing, cx: &mut LowerCx<'_>) {
    let dtype = cx.output_type(0).dtype;
    let shape = cx.output_type(0).shape.clone();
    let (n, m) = (shape[shape.len() - 1].clone(), Dim::product(&shape[..shape.len() - 1]));
    let k = cx.input_type(0).shape[cx.input_type(0).rank() - 1].clone();
    let Some(weights) = packed_weights(cx, 1, packing) else {
        return super::lower_batched(transposed, cx);
    };
    let scratch = scratch_of(matmul::half_scratch, cx, [&m, &k, &n]);
    let kernel = if dtype == DType::F16 { "matmul::matmul_f16" } else { "matmul::matmul_bf16" };
    call(kernel, weights, scratch, [m, k, n], None, cx);
}

/// Weights that are input `i` of a node, where they are a constant in half precision that a cast widens.
pub(super) fn widened_weights(cx: &mut LowerCx<'_>, i: usize, packing: &Packing) -> Option<(Place, DType)> {
    let (weights, producer) = unpacked_weights(cx.graph, cx.input_value(i))?;
    let dtype = cx.graph.ty(weights).dtype;
    let expr = &producer.is::<Map>()?.expr;
    let ExprKind::Cast(of) = expr.node(expr.output()).kind else { return None };
    let widens = matches!(expr.node(of).kind, ExprKind::Input(_)) && expr.dtype() == DType::F32;
    if !widens || !matches!(dtype, DType::F16 | DType::BF16) {
        return None;
    }
    let tensor = cx.graph.constant(weights)?;
    if !cx.packs(tensor) {
        return None;
    }
    let name = cx.graph.value(weights).name.as_deref();
    Some((cx.weight(tensor, packing.clone(), name), dtype))
}

/// Adds the step of a product in `f32` with such weights. `extents` are rows, depth and columns.
pub(super) fn lower_widened(weights: Place, dtype: DType, extents: [Dim; 3], cx: &mut LowerCx<'_>) {
    let [m, k, n] = extents;
    let scratch = scratch_of(matmul::half_weights_scratch, cx, [&m, &k, &n]);
    let epilogue = epilogue::argument(cx, None);
    let kernel = if dtype == DType::F16 { "matmul::matmul_f32_f16" } else { "matmul::matmul_f32_bf16" };
    call(kernel, weights, scratch, [m, k, n], Some(epilogue), cx);
}

/// Adds the step that calls `kernel`, which has `scratch` numbers to widen weights in.
fn call(
    kernel: &'static str,
    weights: Place,
    scratch: Dim,
    [m, k, n]: [Dim; 3],
    epilogue: Option<Arg>,
    cx: &mut LowerCx<'_>,
) {
    let macs = &(&m * &k) * &n;
    let (a, lda) = rows_of(cx, 0, &k);
    let scratch = cx.scratch(DType::F32, scratch);
    let (c, ldc) = result_rows(cx, &n);
    let mut args = vec![
        Arg::Size(m),
        Arg::Size(k),
        Arg::Size(n),
        Arg::Read("a", a),
        Arg::Size(lda),
        Arg::Read("weights", weights),
        Arg::Write("scratch", scratch),
        Arg::Write("c", c),
        Arg::Size(ldc),
    ];
    args.extend(epilogue);
    cx.call(kernel, args, macs);
}
