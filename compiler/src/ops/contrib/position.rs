//! Biases of relative positions.

use super::{Built, microsoft};
use crate::diag::{Code, Diagnostic};
use crate::expr::{Compare, ExprBuilder, ExprId, Unary};
use crate::ops::elements::Elements::Floats;
use crate::ops::select::gather;
use crate::ops::{NodeCx, OpDef};
use crate::types::{DType, Dim};

/// The operators of this file.
pub static ROOM: &[OpDef] = &[microsoft(
    "RelativePositionBias",
    "The bias of T5: a row of a table for every bucket of distances",
    relative,
)];

/// `[1, heads, queries, keys]` from a table `[buckets, heads]`.
fn relative(cx: &mut NodeCx<'_>) -> Built {
    let table = cx.input(0)?;
    cx.one_of(table, Floats)?;
    let one = |list: Vec<Dim>| <[Dim; 1]>::try_from(list).ok().map(|[n]| n);
    let (queries, keys) = (one(cx.dims_input(1, "query_length")?), one(cx.dims_input(2, "key_length")?));
    let (Some(queries), Some(keys)) = (queries, keys) else {
        return Err(Diagnostic::new(Code::BadInput, "query_length and key_length must hold one element"));
    };
    let both_ways = cx.attributes.bool_or("is_bidirectional", false)?;
    let farthest = cx.attributes.int("max_distance")?;
    let farthest = cx.attributes.required("max_distance", farthest)?;
    let Some(buckets) = cx.shape(table).first().and_then(Dim::as_i64) else {
        return Err(cx.unsupported("a table whose number of buckets is not fixed"));
    };
    let buckets = Buckets { buckets, both_ways, farthest };
    let space = vec![queries, keys];
    let numbers = cx.map_over(space, 0, false, &[], |e, _| buckets.number(e))?;
    let rows = gather(cx, table, 0, numbers)?;
    let bias = cx.transpose(rows, &[2, 0, 1])?;
    let mut shape = cx.shape(bias);
    shape.insert(0, Dim::ONE);
    Ok(vec![cx.reshape(bias, shape)?])
}

/// How distances fall into buckets: half of them hold one distance each, the others grow exponentially up to
/// `farthest`.
struct Buckets {
    buckets: i64,
    both_ways: bool,
    farthest: i64,
}

impl Buckets {
    /// The bucket of the distance from the query, axis 0, to the key, axis 1.
    fn number(&self, e: &mut ExprBuilder) -> ExprId {
        let (query, key) = (e.index(0), e.index(1));
        let ahead = e.sub(key, query);
        let zero = e.number(ahead, 0.0);
        let buckets = if self.both_ways { self.buckets / 2 } else { self.buckets };
        let back = e.sub(query, key);
        let distance = if self.both_ways { e.unary(Unary::Abs, back) } else { e.max(back, zero) };
        let exact = buckets / 2;
        let float = e.cast(distance, DType::F32);
        let (own, scale) = (e.number(float, exact as f64), (buckets - exact) as f64);
        let ratio = e.div(float, own);
        let log = e.unary(Unary::Log, ratio);
        let span = e.number(float, (self.farthest as f64 / exact as f64).ln());
        let part = e.div(log, span);
        let scale = e.number(float, scale);
        let beyond = e.mul(part, scale);
        let beyond = e.cast(beyond, DType::I64);
        let first = e.number(beyond, exact as f64);
        let beyond = e.add(beyond, first);
        let last = e.number(beyond, (buckets - 1) as f64);
        let beyond = e.min(beyond, last);
        let own = e.number(distance, exact as f64);
        let near = e.compare(Compare::Less, distance, own);
        let bucket = e.select(near, distance, beyond);
        if !self.both_ways {
            return bucket;
        }
        // Keys after the query have buckets of their own.
        let after = e.compare(Compare::Greater, ahead, zero);
        let shift = e.number(bucket, buckets as f64);
        let shifted = e.add(bucket, shift);
        e.select(after, shifted, bucket)
    }
}
