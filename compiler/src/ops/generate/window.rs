//! Windows that are sums of cosines.

use super::Built;
use crate::diag::{Code, Diagnostic};
use crate::expr::Unary;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Numbers;
use crate::ops::pointwise::cast::element_type;
use crate::types::{DType, Dim};
use std::f64::consts::TAU;

/// `a - b cos(2πi/n) + c cos(4πi/n)` for `[a, b, c]`, where `n` is the size, less one if the window is symmetric.
pub(super) fn cosines(cx: &mut NodeCx<'_>, [a, b, c]: [f64; 3]) -> Built {
    let dtype = element_type(cx, "output_datatype")?.unwrap_or(DType::F32);
    let periodic = cx.attributes.bool_or("periodic", true)?;
    cx.one_of(cx.input(0)?, Numbers)?;
    let size = cx.ints_input(0, "size")?.and_then(|s| s.first().copied()).filter(|&s| s >= 0);
    let size = size.ok_or_else(|| Diagnostic::new(Code::BadInput, "`size` must hold one size"))?;
    let n = (if periodic { size } else { size - 1 }).max(1);
    // Half precision cannot count far.
    let exact = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let result = cx.map_over(vec![Dim::from(size)], 0, false, &[], |e, _| {
        let index = e.index(0);
        let index = e.cast(index, exact);
        let [a, b, c, step] = [a, b, c, TAU / n as f64].map(|v| e.number(index, v));
        let angle = e.mul(index, step);
        let first = e.unary(Unary::Cos, angle);
        let first = e.mul(first, b);
        let base = e.sub(a, first);
        let double = e.add(angle, angle);
        let second = e.unary(Unary::Cos, double);
        let second = e.mul(second, c);
        let window = e.add(base, second);
        e.cast(window, dtype)
    })?;
    Ok(vec![result])
}
