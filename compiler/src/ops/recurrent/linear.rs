//! LinearAttention: a matrix of state per head that every step updates and reads.

use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op, Value};
use crate::lir::Arg;
use crate::lower::LowerCx;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Floats;
use crate::ops::host::{elements, tensor};
use crate::types::{DType, Dim, Tensor, TensorType};
use ingrain_kernels::recurrent::linear_attention::{self as kernel, Inputs, linear_attention};

/// The core operator on f32: queries, keys and values `[batch, time, heads * elements]`, then those of decay, rates and
/// past states that are given. Results are `[batch, time, q_heads * value]` and the states `[batch, kv_heads, key, value]`.
#[derive(Clone, Debug)]
pub struct LinearAttention {
    /// Heads of queries.
    pub q_heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Factor of the results.
    pub scale: f32,
    /// Whether there is a decay, rates, and past states.
    pub given: [bool; 3],
}

impl LinearAttention {
    /// The positions of decay, rates and past states.
    fn positions(&self) -> [Option<usize>; 3] {
        let mut next = 3;
        self.given.map(|given| {
            next += usize::from(given);
            given.then(|| next - 1)
        })
    }

    /// Elements of a key and of a value of one head.
    fn head(&self, inputs: &[&TensorType]) -> Option<(usize, usize)> {
        let part = |ty: &TensorType, heads: usize| {
            ty.shape.get(2)?.as_usize().filter(|n| heads > 0 && n % heads == 0).map(|n| n / heads)
        };
        let (query, key) = (part(inputs[0], self.q_heads)?, part(inputs[1], self.kv_heads)?);
        let groups = self.kv_heads > 0 && self.q_heads.is_multiple_of(self.kv_heads);
        (query == key && groups).then_some((key, part(inputs[2], self.kv_heads)?))
    }
}

impl Op for LinearAttention {
    fn name(&self) -> &'static str {
        "LinearAttention"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let types: Vec<&TensorType> = inputs.iter().map(|f| f.ty).collect();
        let fault = || {
            let list: Vec<String> = types.iter().map(ToString::to_string).collect();
            let heads = format!("{} heads of queries and {} of keys", self.q_heads, self.kv_heads);
            Diagnostic::new(
                Code::BadInput,
                format!("no linear attention of {heads} over {}", list.join(", ")),
            )
        };
        let fits = types.iter().all(|t| t.dtype == DType::F32)
            && types[..3].iter().all(|t| t.rank() == 3 && t.shape[..2] == types[0].shape[..2]);
        let (key, value) = self.head(&types).filter(|_| fits).ok_or_else(fault)?;
        let (batch, heads) = (types[0].shape[0].clone(), Dim::from(self.kv_heads));
        let state = vec![batch, heads, Dim::from(key), Dim::from(value)];
        let [decay, rates, past] = self.positions();
        let last = |i: usize, allowed: [usize; 2]| {
            let shape = &types[i].shape;
            shape.len() == 3
                && shape[..2] == types[0].shape[..2]
                && shape[2].as_usize().is_some_and(|n| allowed.contains(&n))
        };
        if decay.is_some_and(|i| !last(i, [self.kv_heads * key, self.kv_heads]))
            || rates.is_some_and(|i| !last(i, [self.kv_heads, 1]))
            || past.is_some_and(|i| types[i].shape != state)
        {
            return Err(fault());
        }
        let mut y = types[0].shape[..2].to_vec();
        y.push(Dim::from(self.q_heads * value));
        Ok(vec![TensorType::new(DType::F32, y), TensorType::new(DType::F32, state)])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let types: Vec<TensorType> = inputs.iter().map(Tensor::ty).collect();
        let (key, value) = self.head(&types.iter().collect::<Vec<_>>())?;
        let lists: Vec<Vec<f32>> = inputs.iter().map(elements).collect();
        let [decay, beta, past] = self.positions().map(|i| i.map(|i| &lists[i][..]));
        let (batch, time) = (inputs[0].shape()[0], inputs[0].shape()[1]);
        let (q_heads, kv_heads) = (self.q_heads, self.kv_heads);
        let shape = kernel::LinearAttention { batch, time, q_heads, kv_heads, key, value, scale: self.scale };
        let operands = Inputs { query: &lists[0], keys: &lists[1], values: &lists[2], decay, beta, past };
        let (y_shape, state_shape) = (vec![batch, time, q_heads * value], vec![batch, kv_heads, key, value]);
        let mut y = vec![0.0; y_shape.iter().product()];
        let mut state = vec![0.0; state_shape.iter().product()];
        linear_attention(&shape, operands, &mut y, &mut state, &mut vec![0.0; value]);
        Some(vec![tensor(DType::F32, y_shape, &y)?, tensor(DType::F32, state_shape, &state)?])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let state = cx.output_type(1).shape.clone();
        let steps = cx.input_type(0).shape[..2].to_vec();
        let [decay, beta, past] = self.positions();
        let read = |cx: &mut LowerCx<'_>, i: Option<usize>, name: &'static str| match i {
            Some(i) => Arg::Some(Box::new(Arg::Read(name, cx.dense(i)))),
            None => Arg::None,
        };
        let shape = Arg::Struct(
            "recurrent::linear_attention::LinearAttention",
            vec![
                ("batch", Arg::Size(steps[0].clone())),
                ("time", Arg::Size(steps[1].clone())),
                ("q_heads", Arg::Size(Dim::from(self.q_heads))),
                ("kv_heads", Arg::Size(Dim::from(self.kv_heads))),
                ("key", Arg::Size(state[2].clone())),
                ("value", Arg::Size(state[3].clone())),
                ("scale", Arg::Float(DType::F32, f64::from(self.scale))),
            ],
        );
        let inputs = Arg::Struct(
            "recurrent::linear_attention::Inputs",
            vec![
                ("query", Arg::Read("query", cx.dense(0))),
                ("keys", Arg::Read("keys", cx.dense(1))),
                ("values", Arg::Read("values", cx.dense(2))),
                ("decay", read(cx, decay, "decay")),
                ("beta", read(cx, beta, "beta")),
                ("past", read(cx, past, "past")),
            ],
        );
        let macs = &Dim::product(&steps) * &(&Dim::product(&state[1..]) * &Dim::from(2_usize));
        let scratch = cx.scratch(DType::F32, state[3].clone());
        let args = vec![
            Arg::Ref(Box::new(shape)),
            inputs,
            Arg::Write("y", cx.dense_output(0)),
            Arg::Write("state", cx.dense_output(1)),
            Arg::Write("scratch", scratch),
        ];
        cx.call("recurrent::linear_attention::linear_attention", args, macs);
        Ok(())
    }
}

/// The recipe.
pub(in crate::ops) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (query, key, value) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dtype = cx.same_type(&[query, key, value], Floats)?;
    let heads = |name: &str| {
        let given = cx.attributes.int(name)?;
        let given = cx.attributes.required(name, given)?;
        usize::try_from(given)
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| cx.attributes.bad(name, "is not positive"))
    };
    let (q_heads, kv_heads) = (heads("q_num_heads")?, heads("kv_num_heads")?);
    let _ = cx.attributes.int("chunk_size")?;
    if cx.attributes.int_or("state_window", 0)? != 0 {
        return Err(cx.unsupported("LinearAttention that keeps several states"));
    }
    let (gated, delta) = match cx.attributes.string_or("update_rule", "gated_delta")? {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => return Err(cx.attributes.bad("update_rule", &format!("is \"{other}\""))),
    };
    let mut scale = cx.attributes.float_or("scale", 0.0)?;
    if scale == 0.0 {
        let width = cx.shape(query).last().and_then(Dim::as_usize).map(|n| n / q_heads);
        let Some(width) = width else { return Err(cx.unsupported("queries of a symbolic width")) };
        scale = (width as f32).sqrt().recip();
    }
    let past = cx.optional(3);
    let decay = if gated { Some(cx.input(4)?) } else { None };
    let rates = if delta { Some(cx.input(5)?) } else { None };
    let state_type = past.map_or(dtype, |p| cx.dtype(p));
    let mut inputs = Vec::with_capacity(6);
    for value in [Some(query), Some(key), Some(value), decay, rates, past].into_iter().flatten() {
        inputs.push(cx.cast(value, DType::F32)?);
    }
    let given = [decay, rates, past].map(|v| v.is_some());
    let results = cx.add_all(LinearAttention { q_heads, kv_heads, scale, given }, &inputs)?;
    Ok(vec![cx.cast(results[0], dtype)?, cx.cast(results[1], state_type)?])
}
