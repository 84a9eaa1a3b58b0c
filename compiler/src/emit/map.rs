//! Maps without reductions as loop nests.

use super::Cx;
use super::nest::{Nest, Space};
use super::scalar::{self, Leaves};
use super::step::StepBody;
use super::walk::{Load, Walk, locals};
use super::{code::Code, rows};
use crate::expr::ExprKind;
use crate::lir::{Access, MapStep};
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::BTreeMap;

/// The function of a map. `in_place` is the load that it overwrites.
pub(super) fn body(cx: &Cx<'_>, map: &MapStep, in_place: Option<usize>) -> StepBody {
    let reductions = map.expr.has_reductions();
    let indexed: Vec<usize> = map
        .expr
        .nodes()
        .filter_map(|(_, node)| match node.kind {
            ExprKind::Index(axis) => Some(axis),
            _ => None,
        })
        .collect();
    let mut accesses: Vec<&Access> = map.loads.iter().collect();
    accesses.push(&map.store);
    let row_axes = if reductions || map.reduced { map.row_axes } else { 0 };
    let space = Space {
        extents: &map.space,
        row_axes,
        reorder: !reductions && !map.reduced,
        indexed: &indexed,
        accesses: &accesses,
    };
    let mut nest = Nest::new(&space, cx.dims);
    if (reductions || map.reduced) && nest.row_axes == 0 {
        nest.add_row();
    }
    let overwritten = in_place.map(|load| map.loads[load].buffer);
    let loads: Vec<Load> = map
        .loads
        .iter()
        .enumerate()
        .map(|(at, access)| Load {
            dtype: cx.program.buffer(access.buffer).dtype,
            in_place: Some(access.buffer) == overwritten,
            used: map.expr.input_dtype(at).is_some(),
        })
        .collect();
    let store = (map.store.buffer, cx.program.buffer(map.store.buffer).dtype);
    let (params, locals, inputs) = locals(&nest, &loads, store);
    let mut walk = Walk { nest, dims: cx.dims, locals, inputs, n: Code::count(1), n_from_result: false };
    let define_n = walk.define_n(!reductions && !map.reduced);
    let loops = if reductions || map.reduced { rows::loops(&walk, map) } else { loops(&walk, map) };
    let empty = map.space[..].iter().any(|e| e.is(0)) && !map.reduced;
    let body = if empty {
        TokenStream::new()
    } else {
        quote! {
            kernels::vectorize(#[inline(always)] || { #define_n #loops });
        }
    };
    StepBody::new(params, body)
}

fn loops(walk: &Walk<'_>, map: &MapStep) -> TokenStream {
    let known = BTreeMap::new();
    let leaves = Leaves {
        input: &|i, dtype| walk.value(i, dtype),
        index: &|axis| walk.index(axis),
        row_length: &Code::count(1),
        size: &|dim| walk.dims.signed(dim),
        known: &known,
    };
    let block = scalar::block(&map.expr, map.expr.output(), &leaves);
    let assigned = assign(walk, map, &block);
    let all: Vec<usize> = (0..walk.locals.len()).collect();
    let outer = walk.nest.extents.len().saturating_sub(1);
    let cuts = walk.cuts(0, &all);
    let nest = walk.loops(0, outer, &all, walk.innermost(assigned));
    quote!(#cuts #nest)
}

/// The statements that compute an element and store it.
pub(super) fn assign(walk: &Walk<'_>, map: &MapStep, block: &scalar::Block) -> TokenStream {
    let (lets, target) = (&block.lets, walk.element(walk.written()).tokens);
    let value = scalar::stored(map.expr.dtype(), &block.value).tokens;
    quote!(#(#lets)* #target = #value;)
}
