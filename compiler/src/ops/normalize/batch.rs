//! BatchNormalization.

use super::{Built, channels_of, exact, per_channel};
use crate::diag::Diagnostic;
use crate::expr::Unary;
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Floats;
use crate::ops::reduce::mean;

/// `(x - mean) / sqrt(var + epsilon) * scale + bias`, as one factor and one term per channel.
pub(super) fn batch_normalization(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    cx.one_of(x, Floats)?;
    let (shape, channels) = channels_of(cx, x, 2)?;
    let epsilon = cx.attributes.float_or("epsilon", 1e-5)?;
    let momentum = cx.attributes.float_or("momentum", 0.9)?;
    let _ = (cx.attributes.int("is_test")?, cx.attributes.ints("consumed_inputs")?);
    let per_element = !cx.attributes.bool_or("spatial", true)?;
    let training = cx.attributes.bool_or("training_mode", false)?;
    if per_element {
        return Err(cx.unsupported("BatchNormalization with statistics for each element (`spatial` = 0)"));
    }
    if !training && (1..5).any(|i| cx.output_used(i)) {
        return Err(cx
            .unsupported("BatchNormalization with more than one result is training")
            .help("export the model for inference"));
    }
    let (dtype, wide) = (cx.dtype(x), exact(cx.dtype(x)));
    let mut parameters = [x; 4];
    for (i, parameter) in parameters.iter_mut().enumerate() {
        let given = cx.input(i + 1)?;
        cx.one_of(given, Floats)?;
        let given = cx.cast(given, wide)?;
        *parameter = per_channel(cx, given, &channels, shape.len())?;
    }
    let [scale, bias, mut mean, mut variance] = parameters;
    let mut results = Vec::new();
    if training {
        let statistics = batch_statistics(cx, x)?;
        for (i, (running, current)) in [mean, variance].into_iter().zip(statistics).enumerate() {
            results.push(running_statistic(cx, i + 3, running, current, momentum)?);
        }
        [mean, variance] = statistics;
    }
    let factor = cx.map(&[scale, variance], |e, v| {
        let epsilon = e.number(v[1], f64::from(epsilon));
        let shifted = e.add(v[1], epsilon);
        let deviation = e.unary(Unary::Sqrt, shifted);
        e.div(v[0], deviation)
    })?;
    let term = cx.map(&[bias, mean, factor], |e, v| {
        let moved = e.mul(v[1], v[2]);
        e.sub(v[0], moved)
    })?;
    let y = cx.map(&[x, factor, term], |e, v| {
        let x = e.cast(v[0], wide);
        let scaled = e.mul(x, v[1]);
        let y = e.add(scaled, v[2]);
        e.cast(y, dtype)
    })?;
    results.insert(0, y);
    Ok(results)
}

/// Mean and variance of the batch, one per channel.
fn batch_statistics(cx: &mut NodeCx<'_>, x: Value) -> Result<[Value; 2], Diagnostic> {
    let rank = cx.rank(x);
    let others: Vec<usize> = (0..rank).filter(|&a| a != 1).collect();
    let x = cx.cast(x, exact(cx.dtype(x)))?;
    let average = mean(cx, x, &others)?;
    let squares = cx.map(&[x, average], |e, v| {
        let difference = e.sub(v[0], v[1]);
        e.mul(difference, difference)
    })?;
    let variance = mean(cx, squares, &others)?;
    let mut shape = cx.shape(average);
    shape.remove(0);
    Ok([cx.reshape(average, shape.clone())?, cx.reshape(variance, shape)?])
}

/// What the statistic that was given as input `i` becomes, in its own type and shape.
fn running_statistic(
    cx: &mut NodeCx<'_>,
    i: usize,
    running: Value,
    current: Value,
    momentum: f32,
) -> Result<Value, Diagnostic> {
    let given = cx.input(i)?;
    let (dtype, shape) = (cx.dtype(given), cx.shape(given));
    let next = cx.map(&[running, current], |e, v| {
        let momentum = f64::from(momentum);
        let (keep, take) = (e.number(v[0], momentum), e.number(v[0], 1.0 - momentum));
        let (kept, taken) = (e.mul(v[0], keep), e.mul(v[1], take));
        let next = e.add(kept, taken);
        e.cast(next, dtype)
    })?;
    cx.reshape(next, shape)
}
