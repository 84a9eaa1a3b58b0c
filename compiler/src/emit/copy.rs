//! Copies: one `copy_from_slice` where both sides are dense, else a call of the strided kernel.

use super::Cx;
use super::code::Code;
use super::nest::{Nest, Space};
use super::step::{Param, StepBody};
use crate::lir::Access;
use crate::types::Dim;
use quote::quote;

/// The function of a copy.
pub(super) fn body(cx: &Cx<'_>, space: &[Dim], load: &Access, store: &Access) -> StepBody {
    let accesses = [load, store];
    let nest = Nest::new(
        &Space { extents: space, row_axes: 0, reorder: true, indexed: &[], accesses: &accesses },
        cx.dims,
    );
    let param = |name: &str, operand: usize, written: bool| Param {
        name: name.to_owned(),
        place: nest.places[operand].clone(),
        dtype: cx.program.buffer(accesses[operand].buffer).dtype,
        written,
    };
    let params = vec![param("x", 0, false), param("y", 1, true)];
    let dense = |operand: usize| match &nest.strides[operand][..] {
        [] => true,
        [stride] => stride.is(1) && !nest.backwards[operand][0],
        _ => false,
    };
    if space.iter().any(|e| e.is(0)) {
        return StepBody::new(params, quote!());
    }
    if dense(0) && dense(1) {
        return StepBody::new(params, quote!(y.copy_from_slice(x);));
    }
    let extents = nest.extents.iter().map(|e| cx.dims.size(e).tokens);
    let strides = |operand: usize| {
        let signed = nest.strides[operand].iter().zip(&nest.backwards[operand]);
        let list = signed.map(|(s, &back)| cx.dims.signed(&if back { -s } else { s.clone() }).tokens);
        quote!(&[#(#list),*])
    };
    // Where an operand is walked backwards, index zero is not its first element.
    let first = |operand: usize| {
        let mut at = Dim::ZERO;
        for axis in (0..nest.extents.len()).filter(|&a| nest.backwards[operand][a]) {
            at = &at + &(&(&nest.extents[axis] - &Dim::ONE) * &nest.strides[operand][axis]);
        }
        cx.dims.size(&at)
    };
    let args = [
        Code::loose(quote!(&[#(#extents),*])),
        Code::name("x"),
        first(0),
        Code::loose(strides(0)),
        Code::name("y"),
        first(1),
        Code::loose(strides(1)),
    ];
    let call = Code::call(quote!(kernels::movement::copy_strided), &args).tokens;
    StepBody::new(params, quote!(#call;))
}
