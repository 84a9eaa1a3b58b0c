//! What attention operators have in common: heads, caches, masks, and the products with the softmax between them.

use crate::diag::{Code, Diagnostic};
use crate::expr::{Compare, ExprBuilder, ExprId, Reduction, Unary};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::generate::dims::Dims;
use crate::types::{DType, Dim};

/// Queries `[b, h, m, d]`, keys `[b, g, n, d]` and values `[b, g, n, w]`, where `g` divides `h`.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub(super) q: Value,
    pub(super) k: Value,
    pub(super) v: Value,
}

/// What keeps a query from a key.
pub(super) enum Mask {
    /// Added to the scores.
    Added(Value),
    /// Truth values that say which scores count.
    Kept(Value),
    /// Keys after the query do not count. The first query has the position that the value holds: one number, or
    /// `[b, 1, 1, 1]`.
    Causal(Value),
    /// Keys this many or more positions before the query do not count; the first query as for `Causal`.
    Window(Value, i64),
    /// Only the first keys count: `[b, 1, 1, 1]` numbers of them.
    Lengths(Value),
}

/// What happens to the scores.
pub(super) struct Form {
    pub(super) scale: f64,
    /// They are limited to less than this by a hyperbolic tangent; 0 for no limit.
    pub(super) softcap: f64,
    pub(super) masks: Vec<Mask>,
    /// What scores that do not count are.
    pub(super) masked: f64,
    /// The type that the softmax is computed in; by default the one of the scores, or f32 if that is narrower.
    pub(super) softmax: Option<DType>,
}

/// Every stage of an attention.
pub(super) struct Attended {
    /// Queries times keys, with the scale.
    pub(super) product: Value,
    pub(super) capped: Value,
    pub(super) masked: Value,
    pub(super) shares: Value,
    /// `[b, h, m, w]`.
    pub(super) output: Value,
}

/// Splits `[b, s, heads * d]` into `[b, heads, s, d]`.
pub(super) fn split(cx: &mut NodeCx<'_>, value: Value, heads: i64) -> Result<Value, Diagnostic> {
    let shape = cx.shape(value);
    let [batch, rows, columns] = &shape[..] else {
        return Err(Diagnostic::new(Code::BadInput, format!("{} is not split into heads", cx.ty(value))));
    };
    let each = columns.exact_div(&Dim::from(heads)).filter(|_| heads > 0).ok_or_else(|| {
        Diagnostic::new(Code::BadInput, format!("{} does not split into {heads} heads", cx.ty(value)))
    })?;
    let parts = cx.reshape(value, vec![batch.clone(), rows.clone(), Dim::from(heads), each])?;
    cx.transpose(parts, &[0, 2, 1, 3])
}

/// Merges `[b, heads, s, d]` into `[b, s, heads * d]`.
pub(super) fn merge(cx: &mut NodeCx<'_>, value: Value) -> Result<Value, Diagnostic> {
    let rows = cx.transpose(value, &[0, 2, 1, 3])?;
    let shape = cx.shape(rows);
    cx.reshape(rows, vec![shape[0].clone(), shape[1].clone(), &shape[2] * &shape[3]])
}

/// A dimension as a value without axes.
pub(super) fn dim(cx: &mut NodeCx<'_>, dim: Dim) -> Result<Value, Diagnostic> {
    cx.add(Dims { dims: vec![dim], list: false }, &[])
}

/// One number for each entry of the batch as 64-bit `[b, 1, 1, 1]`.
pub(super) fn per_entry(cx: &mut NodeCx<'_>, value: Value, batch: &Dim) -> Result<Value, Diagnostic> {
    let numbers = cx.reshape(value, vec![batch.clone(), Dim::ONE, Dim::ONE, Dim::ONE])?;
    cx.cast(numbers, DType::I64)
}

/// The attention.
///
/// # Errors
/// If shapes do not fit.
pub(super) fn attend(cx: &mut NodeCx<'_>, heads: Heads, form: &Form) -> Result<Attended, Diagnostic> {
    let Heads { mut q, mut k, mut v } = heads;
    if let Some(other) = [q, k, v].into_iter().find(|&x| cx.rank(x) != 4) {
        let ty = cx.ty(other);
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("{ty} has no batch, heads, positions and elements"),
        ));
    }
    let (of_q, of_k) = (cx.shape(q), cx.shape(k));
    let (h, g) = (of_q[1].clone(), of_k[1].clone());
    let mut space = of_q[..3].to_vec();
    space.push(of_k[2].clone());
    let grouped = h != g;
    if grouped {
        let size = h.exact_div(&g).ok_or_else(|| {
            Diagnostic::new(Code::BadInput, format!("{g} heads of keys do not serve {h} heads of queries"))
        })?;
        q = cx.reshape(q, [&of_q[..1], &[g, size], &of_q[2..]].concat())?;
        for heads in [&mut k, &mut v] {
            let shape = cx.shape(*heads);
            *heads = cx.reshape(*heads, [&shape[..2], &[Dim::ONE], &shape[2..]].concat())?;
        }
    }
    let rank = cx.rank(k);
    let mut across: Vec<usize> = (0..rank).collect();
    across.swap(rank - 2, rank - 1);
    let k = cx.transpose(k, &across)?;
    let product = cx.matmul(q, k)?;
    let product = cx.reshape(product, space.clone())?;
    let product = cx.map(&[product], |e, x| scaled(e, x[0], form.scale))?;
    let capped = if form.softcap > 0.0 {
        cx.map(&[product], |e, x| {
            let inner = scaled(e, x[0], 1.0 / form.softcap);
            let limited = e.unary(Unary::Tanh, inner);
            scaled(e, limited, form.softcap)
        })?
    } else {
        product
    };
    let mut masked = capped;
    for mask in &form.masks {
        masked = apply(cx, masked, mask, form.masked)?;
    }
    let shares = softmax(cx, masked, form.softmax)?;
    let mut left = shares;
    if grouped {
        let mut split = cx.shape(q)[..4].to_vec();
        split.push(space[3].clone());
        left = cx.reshape(shares, split)?;
    }
    let output = cx.matmul(left, v)?;
    let width = cx.shape(output).pop().unwrap_or(Dim::ONE);
    space[3] = width;
    let output = cx.reshape(output, space)?;
    Ok(Attended { product, capped, masked, shares, output })
}

fn scaled(e: &mut ExprBuilder, x: ExprId, factor: f64) -> ExprId {
    let factor = e.number(x, factor);
    e.mul(x, factor)
}

fn apply(cx: &mut NodeCx<'_>, scores: Value, mask: &Mask, masked: f64) -> Result<Value, Diagnostic> {
    let space = cx.shape(scores);
    let choose = |e: &mut ExprBuilder, keep: ExprId, score: ExprId| {
        let masked = e.number(score, masked);
        e.select(keep, score, masked)
    };
    // The distance from the key to the query.
    let distance = |e: &mut ExprBuilder, first: ExprId| {
        let (query, key) = (e.index(2), e.index(3));
        let position = e.add(query, first);
        e.sub(position, key)
    };
    match *mask {
        Mask::Added(bias) => cx.map(&[scores, bias], |e, x| e.add(x[0], x[1])),
        Mask::Kept(keep) => cx.map(&[scores, keep], |e, x| choose(e, x[1], x[0])),
        Mask::Causal(first) => cx.map_over(space, 0, false, &[scores, first], |e, x| {
            let distance = distance(e, x[1]);
            let zero = e.number(distance, 0.0);
            let keep = e.compare(Compare::GreaterOrEqual, distance, zero);
            choose(e, keep, x[0])
        }),
        Mask::Window(first, size) => cx.map_over(space, 0, false, &[scores, first], |e, x| {
            let distance = distance(e, x[1]);
            let size = e.number(distance, size as f64);
            let keep = e.compare(Compare::Less, distance, size);
            choose(e, keep, x[0])
        }),
        Mask::Lengths(lengths) => cx.map_over(space, 0, false, &[scores, lengths], |e, x| {
            let key = e.index(3);
            let keep = e.compare(Compare::Less, key, x[1]);
            choose(e, keep, x[0])
        }),
    }
}

fn softmax(cx: &mut NodeCx<'_>, scores: Value, wanted: Option<DType>) -> Result<Value, Diagnostic> {
    let (space, dtype) = (cx.shape(scores), cx.dtype(scores));
    let own = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let exact = wanted.filter(|d| d.is_float() && d.size() > own.size()).unwrap_or(own);
    cx.map_over(space, 1, false, &[scores], |e, x| {
        let x = e.cast(x[0], exact);
        let largest = e.reduce(Reduction::Max, x);
        let shifted = e.sub(x, largest);
        let power = e.unary(Unary::Exp, shifted);
        let sum = e.reduce(Reduction::Sum, power);
        let share = e.div(power, sum);
        e.cast(share, dtype)
    })
}
