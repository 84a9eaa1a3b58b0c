//! Pointwise operators: one scalar expression each, over inputs that broadcast to one shape.
//!
//! Specification: <https://onnx.ai/onnx/operators/>. Each is a map, so that chains of them become one loop whatever
//! they are called.

pub mod activation;
pub mod arithmetic;
pub mod cast;
pub mod logic;
pub mod rounding;

#[cfg(test)]
mod tests;

use super::NodeCx;
use super::elements::Elements;
use crate::diag::Diagnostic;
use crate::expr::{Binary, ExprBuilder, ExprId, Unary};
use crate::ir::Value;

/// What a recipe gives: one value per output.
type Built = Result<Vec<Value>, Diagnostic>;

/// The operator that is one function of one element.
fn unary(cx: &mut NodeCx<'_>, allowed: Elements, op: Unary) -> Built {
    formula(cx, allowed, |e, x| e.unary(op, x))
}

/// An operator of one element.
fn formula(
    cx: &mut NodeCx<'_>,
    allowed: Elements,
    body: impl FnOnce(&mut ExprBuilder, ExprId) -> ExprId,
) -> Built {
    let x = cx.input(0)?;
    cx.one_of(x, allowed)?;
    Ok(vec![cx.map(&[x], |e, v| body(e, v[0]))?])
}

/// The operator that is one function of two elements.
fn binary(cx: &mut NodeCx<'_>, allowed: Elements, op: Binary) -> Built {
    let inputs = operands(cx)?;
    cx.same_type(&inputs, allowed)?;
    Ok(vec![cx.map(&inputs, |e, v| e.binary(op, v[0], v[1]))?])
}

/// The two inputs of an operator that broadcasts.
///
/// Before operator set 7 only the second broadcast, and only where the attribute `broadcast` said so; its axes were
/// those of the first from `axis` on, and its last ones without that.
fn operands(cx: &mut NodeCx<'_>) -> Result<[Value; 2], Diagnostic> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    if cx.opset >= 7 {
        return Ok([a, b]);
    }
    let _ = cx.attributes.bool_or("broadcast", false)?;
    let _ = cx.attributes.ints("consumed_inputs")?;
    let Some(axis) = cx.attributes.int("axis")? else { return Ok([a, b]) };
    let axis = super::shape::axis(axis, cx.rank(a))?;
    let trailing = cx.rank(a).saturating_sub(axis + cx.rank(b));
    let mut shape = cx.shape(b);
    shape.extend(std::iter::repeat_n(crate::types::Dim::ONE, trailing));
    Ok([a, cx.reshape(b, shape)?])
}
