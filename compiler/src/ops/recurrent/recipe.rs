//! The recipe that the three operators share.

use super::activation;
use super::core::{Given, Recurrent};
use crate::diag::{Code, Diagnostic};
use crate::expr::ExprKind;
use crate::ir::{Graph, Value};
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Floats;
use crate::ops::map::Map;
use crate::ops::movement::{Broadcast, Concat, Reshape, Restate, Slice, Transpose};
use crate::types::{DType, Dim, Scalar, Tensor};
use ingrain_kernels::recurrent::{Direction, Kind};

/// Extents that all parts of a node share.
struct Extents {
    directions: usize,
    gates: usize,
    hidden: usize,
    batch: Dim,
}

/// Builds a node; `kind` has what the operator's own attributes say.
pub(super) fn build(cx: &mut NodeCx<'_>, kind: Kind) -> Result<Vec<Value>, Diagnostic> {
    let (x, w, r) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dtype = cx.same_type(&[x, w, r], Floats)?;
    // Half precisions are computed in f32, as everywhere.
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let direction = direction(cx)?;
    let batch_first = cx.attributes.bool_or("layout", false)?;
    let extents = extents(cx, kind, direction, batch_first)?;
    let activations = activation::of_node(cx, kind, direction)?;
    let clip = cx.attributes.float("clip")?.unwrap_or(f32::INFINITY);
    if clip < 0.0 || clip.is_nan() {
        return Err(cx.attributes.bad("clip", "is not a positive number"));
    }
    let (input_bias, hidden_bias) = biases(cx, kind, &extents, wide)?;
    let (x, w, r) = (cx.cast(x, wide)?, cx.cast(w, wide)?, cx.cast(r, wide)?);
    let gates = input_share(cx, &extents, x, w, input_bias)?;
    let mut inputs = vec![gates, r];
    let mut given = Given { hidden_bias: hidden_bias.is_some(), ..Given::default() };
    inputs.extend(hidden_bias);
    if let Some(p) = cx.optional(7).filter(|_| matches!(kind, Kind::Lstm { .. })) {
        let shape = vec![Dim::from(extents.directions), Dim::from(extents.hidden.saturating_mul(3))];
        let p = cx.cast(p, wide)?;
        inputs.push(cx.restate(p, &shape)?);
        given.peepholes = true;
    }
    if let Some(lengths) = cx.optional(4) {
        let lengths = cx.cast(lengths, DType::I32)?;
        inputs.push(cx.restate(lengths, std::slice::from_ref(&extents.batch))?);
        given.lengths = true;
    }
    if let Some(h) = initial(cx, 5, &extents, batch_first, wide)? {
        inputs.push(h);
        given.initial_h = true;
    }
    if matches!(kind, Kind::Lstm { .. })
        && let Some(c) = initial(cx, 6, &extents, batch_first, wide)?
    {
        inputs.push(c);
        given.initial_c = true;
    }
    let used = |i: usize| cx.output_used(i);
    let wanted = [used(0), used(1) || !used(0) && !used(2), used(2)];
    let op =
        Recurrent { kind, direction, activations, clip, batch_first, hidden: extents.hidden, given, wanted };
    let mut computed = cx.add_all(op, &inputs)?.into_iter();
    let mut results = Vec::with_capacity(3);
    for (which, _) in wanted.iter().enumerate().filter(|(_, wanted)| **wanted) {
        let Some(value) = computed.next() else { break };
        // States are `[.., d, h]` and `[d, batch, h]`; ONNX has `d` before `batch`, or after all with `layout`.
        let value = match (which, batch_first) {
            (0, false) => cx.transpose(value, &[0, 2, 1, 3])?,
            (0, true) | (_, false) => value,
            (_, true) => cx.transpose(value, &[1, 0, 2])?,
        };
        // Nothing reads what stands in place of a result that is not wanted.
        results.resize_with(which, || cx.scalar(dtype, 0.0));
        results.push(cx.cast(value, dtype)?);
    }
    Ok(results)
}

fn direction(cx: &NodeCx<'_>) -> Result<Direction, Diagnostic> {
    Ok(match cx.attributes.string_or("direction", "forward")? {
        "forward" => Direction::Forward,
        "reverse" => Direction::Reverse,
        "bidirectional" => Direction::Bidirectional,
        other => return Err(cx.attributes.bad("direction", &format!("is \"{other}\""))),
    })
}

/// The extents, of inputs that agree with each other.
fn extents(
    cx: &NodeCx<'_>,
    kind: Kind,
    direction: Direction,
    batch_first: bool,
) -> Result<Extents, Diagnostic> {
    let (directions, gates) = (direction.count(), kind.gates());
    let (x, w, r) = (cx.ty(cx.input(0)?), cx.ty(cx.input(1)?), cx.ty(cx.input(2)?));
    let mismatch = || {
        let message = format!("X {x}, W {w} and R {r} do not belong to one layer of {directions} directions");
        Diagnostic::new(Code::BadInput, message)
            .note(format!("W is [directions, {gates} * hidden_size, input_size], R [directions, {gates} * hidden_size, hidden_size]"))
    };
    if x.rank() != 3 || w.rank() != 3 || r.rank() != 3 {
        return Err(mismatch());
    }
    let Some(hidden) = r.shape[2].as_usize() else { return Err(mismatch()) };
    let (d, rows) = (Dim::from(directions), Dim::from(gates.saturating_mul(hidden)));
    let fits = w.shape[..2] == [d.clone(), rows.clone()] && r.shape[..2] == [d, rows];
    if !fits || w.shape[2] != x.shape[2] {
        return Err(mismatch());
    }
    if let Some(size) = cx.attributes.int("hidden_size")?.filter(|&s| usize::try_from(s) != Ok(hidden)) {
        let what = format!("is {size}, but R has {hidden} columns");
        return Err(cx.attributes.bad("hidden_size", &what));
    }
    let batch = x.shape[if batch_first { 0 } else { 1 }].clone();
    Ok(Extents { directions, gates, hidden, batch })
}

/// `x · Wᵀ + bias` for all steps, directions and gates.
fn input_share(
    cx: &mut NodeCx<'_>,
    extents: &Extents,
    x: Value,
    w: Value,
    bias: Option<Value>,
) -> Result<Value, Diagnostic> {
    let rows = extents.directions.saturating_mul(extents.gates).saturating_mul(extents.hidden);
    let columns = cx.shape(w)[2].clone();
    let w = cx.reshape(w, vec![Dim::from(rows), columns])?;
    let product = cx.product(x, w, true)?;
    match bias {
        Some(bias) => cx.map(&[product, bias], |e, v| e.add(v[0], v[1])),
        None => Ok(product),
    }
}

/// The bias of the gates, `[d * g * h]`, and that of the state for the last gate of a GRU that resets after the
/// product, `[d, h]`. The model has both biases of a gate apart, though only that one needs it.
fn biases(
    cx: &mut NodeCx<'_>,
    kind: Kind,
    extents: &Extents,
    wide: DType,
) -> Result<(Option<Value>, Option<Value>), Diagnostic> {
    let Some(b) = cx.optional(3) else { return Ok((None, None)) };
    cx.one_of(b, Floats)?;
    let &Extents { directions, gates, hidden, .. } = extents;
    let apart = matches!(kind, Kind::Gru { linear_before_reset: true });
    let together = if apart { gates - 1 } else { gates };
    let own = gates.saturating_mul(hidden);
    let b = cx.cast(b, wide)?;
    let b = cx.restate(b, &[Dim::from(directions), Dim::from(own.saturating_mul(2))])?;
    if let Some(tensor) = cx.constant(b).cloned() {
        let (sums, rest) = constant_biases(&tensor, own, together * hidden);
        let sums = cx.tensor(Tensor::from_scalars(wide, vec![directions * own], sums));
        let rest = apart.then(|| cx.tensor(Tensor::from_scalars(wide, vec![directions, hidden], rest)));
        return Ok((Some(sums), rest));
    }
    let parts = cx.reshape(b, [directions, 2, gates, hidden].map(Dim::from).to_vec())?;
    let (of_input, of_state) = (cx.slice(parts, 1, 0_usize, 1_usize)?, cx.slice(parts, 1, 1_usize, 1_usize)?);
    let (a, b) = (cx.slice(of_input, 2, 0_usize, together)?, cx.slice(of_state, 2, 0_usize, together)?);
    let mut sums = cx.map(&[a, b], |e, v| e.add(v[0], v[1]))?;
    let mut rest = None;
    if apart {
        let last = cx.slice(of_input, 2, together, 1_usize)?;
        sums = cx.concat(&[sums, last], 2)?;
        let state = cx.slice(of_state, 2, together, 1_usize)?;
        rest = Some(cx.reshape(state, vec![Dim::from(directions), Dim::from(hidden)])?);
    }
    Ok((Some(cx.reshape(sums, vec![Dim::from(directions * own)])?), rest))
}

/// Biases of constants: of each direction's `own` elements the first `together` are sums of both, the others the input's;
/// then what is left of the state's.
fn constant_biases(b: &Tensor, own: usize, together: usize) -> (Vec<Scalar>, Vec<Scalar>) {
    let (mut sums, mut rest) = (Vec::new(), Vec::new());
    let all: Vec<Scalar> = b.scalars().collect();
    for direction in all.chunks_exact((2 * own).max(1)) {
        let (of_input, of_state) = direction.split_at(own);
        let pairs = of_input.iter().zip(of_state).take(together);
        sums.extend(pairs.map(|(a, b)| Scalar::from_f64(a.dtype(), a.as_f64() + b.as_f64())));
        sums.extend_from_slice(&of_input[together..]);
        rest.extend_from_slice(&of_state[together..]);
    }
    (sums, rest)
}

/// The state or cell before the first step, `[d, batch, h]`; `None` if it is left out or zero.
fn initial(
    cx: &mut NodeCx<'_>,
    position: usize,
    extents: &Extents,
    batch_first: bool,
    wide: DType,
) -> Result<Option<Value>, Diagnostic> {
    let Some(value) = cx.optional(position).filter(|&v| !is_zero(cx.graph, v)) else { return Ok(None) };
    let value = cx.cast(value, wide)?;
    let (d, h) = (Dim::from(extents.directions), Dim::from(extents.hidden));
    if batch_first {
        let value = cx.restate(value, &[extents.batch.clone(), d, h])?;
        return cx.transpose(value, &[1, 0, 2]).map(Some);
    }
    cx.restate(value, &[d, extents.batch.clone(), h]).map(Some)
}

/// Whether every element is zero, whatever the inputs: exporters write the default state as part of a larger one.
fn is_zero(graph: &Graph, value: Value) -> bool {
    let zero = |s: Scalar| s.as_f64() == 0.0;
    if let Some(tensor) = graph.constant(value) {
        return tensor.splat_value().is_some_and(zero);
    }
    let Some(node) = graph.producer(value) else { return false };
    if let Some(map) = node.is::<Map>() {
        let output = map.expr.node(map.expr.output()).kind;
        return node.epilogue.is_none() && matches!(output, ExprKind::Const(s) if zero(s));
    }
    let moves = node.is::<Slice>().is_some()
        || node.is::<Transpose>().is_some()
        || node.is::<Reshape>().is_some()
        || node.is::<Restate>().is_some()
        || node.is::<Broadcast>().is_some()
        || node.is::<Concat>().is_some();
    moves && node.inputs.iter().all(|&input| is_zero(graph, input))
}
