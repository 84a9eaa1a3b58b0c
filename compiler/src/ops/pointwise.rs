//! Pointwise operators: one scalar expression each, over inputs that broadcast to one shape.

use super::{NodeCx, OpDef};
use crate::diag::Diagnostic;
use crate::expr::{Binary, Unary};
use crate::ir::Value;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "Add",
        domain: "",
        since: &[7, 13, 14],
        doc: "`a + b`",
        build: |cx| binary(cx, Binary::Add),
    },
    OpDef { name: "Exp", domain: "", since: &[6, 13], doc: "`exp(x)`", build: |cx| unary(cx, Unary::Exp) },
    OpDef {
        name: "Relu",
        domain: "",
        since: &[6, 13, 14],
        doc: "`max(x, 0)`",
        build: |cx| {
            let x = cx.input(0)?;
            Ok(vec![cx.map(&[x], |e, v| {
                let zero = e.number(v[0], 0.0);
                e.max(v[0], zero)
            })?])
        },
    },
];

fn unary(cx: &mut NodeCx<'_>, op: Unary) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    Ok(vec![cx.map(&[x], |e, v| e.unary(op, v[0]))?])
}

fn binary(cx: &mut NodeCx<'_>, op: Binary) -> Result<Vec<Value>, Diagnostic> {
    let inputs = cx.all_inputs()?;
    Ok(vec![cx.map(&inputs, |e, v| e.binary(op, v[0], v[1]))?])
}
