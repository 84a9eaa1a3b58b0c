//! Normalisations over axes that need not be the last.

use super::{Built, exact};
use crate::expr::{Compare, Unary};
use crate::ops::NodeCx;
use crate::ops::elements::Elements::Floats;
use crate::ops::reduce::{mean, norm};
use crate::ops::shape::axes;

/// MeanVarianceNormalization: `(x - mean) / (deviation + 1e-9)`.
pub(super) fn mean_variance(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let dtype = cx.one_of(x, Floats)?;
    let rank = cx.rank(x);
    let over = match cx.attributes.ints("axes")? {
        Some(list) => axes(list, rank)?,
        None => axes(&[0, 2, 3], rank)?,
    };
    let x = cx.cast(x, exact(dtype))?;
    let average = mean(cx, x, &over)?;
    let difference = cx.map(&[x, average], |e, v| e.sub(v[0], v[1]))?;
    let squares = cx.map(&[difference], |e, v| e.mul(v[0], v[0]))?;
    let variance = mean(cx, squares, &over)?;
    let y = cx.map(&[difference, variance], |e, v| {
        let deviation = e.unary(Unary::Sqrt, v[1]);
        let least = e.number(deviation, 1e-9);
        let divisor = e.add(deviation, least);
        let y = e.div(v[0], divisor);
        e.cast(y, dtype)
    })?;
    Ok(vec![y])
}

/// LpNormalization: where the norm is zero, so is the result.
pub(super) fn lp(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let dtype = cx.one_of(x, Floats)?;
    let axis = cx.axis_attribute("axis", -1, cx.rank(x))?;
    let p = cx.attributes.int_or("p", 2)?;
    if !(1..=2).contains(&p) {
        return Err(cx.attributes.bad("p", &format!("is {p} and not 1 or 2")));
    }
    let x = cx.cast(x, exact(dtype))?;
    let length = norm(cx, x, p, &[axis])?;
    let y = cx.map(&[x, length], |e, v| {
        let zero = e.number(v[1], 0.0);
        let nothing = e.compare(Compare::Equal, v[1], zero);
        let quotient = e.div(v[0], v[1]);
        let y = e.select(nothing, zero, quotient);
        e.cast(y, dtype)
    })?;
    Ok(vec![y])
}
