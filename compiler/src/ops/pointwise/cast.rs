//! Conversions, and operators that are nothing at inference.

use super::Built;
use crate::diag::{Code, Diagnostic};
use crate::expr::ExprBuilder;
use crate::ops::{NodeCx, OpDef};
use crate::types::{DType, Scalar};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx("Cast", &[6, 9, 13, 19, 21, 23, 24, 25], "Conversion to another element type", |cx| {
        // These two say how conversions to float8 round.
        let _ = (cx.attributes.int("saturate")?, cx.attributes.string("round_mode")?);
        let to = element_type(cx, "to")?;
        let to = cx.attributes.required("to", to)?;
        let x = cx.input(0)?;
        Ok(vec![cx.cast(x, to)?])
    }),
    OpDef::onnx(
        "CastLike",
        &[15, 19, 21, 23, 24, 25],
        "Conversion to the element type of the second input",
        |cx| {
            let _ = (cx.attributes.int("saturate")?, cx.attributes.string("round_mode")?);
            let (x, like) = (cx.input(0)?, cx.input(1)?);
            let to = cx.dtype(like);
            Ok(vec![cx.cast(x, to)?])
        },
    ),
    OpDef::onnx("Identity", &[1, 13, 14, 16, 19, 21, 23, 24, 25], "Its input", |cx| Ok(vec![cx.input(0)?])),
    OpDef::onnx(
        "Dropout",
        &[6, 7, 10, 12, 13, 22],
        "Its input, as at inference; the mask is all true",
        dropout,
    ),
];

/// The element type that the attribute `name` gives by its number.
pub(in crate::ops) fn element_type(cx: &NodeCx<'_>, name: &str) -> Result<Option<DType>, Diagnostic> {
    let Some(number) = cx.attributes.int(name)? else { return Ok(None) };
    let code = i32::try_from(number).unwrap_or(-1);
    match DType::from_onnx(code) {
        Some(dtype) => Ok(Some(dtype)),
        None => {
            let message = format!(
                "{} does not give elements of type {} ({number})",
                cx.origin.op,
                DType::onnx_name(code)
            );
            let known: Vec<&str> = DType::ALL.iter().map(|d| d.name()).collect();
            Err(Diagnostic::new(Code::UnsupportedType, message)
                .note(format!("supported: {}", known.join(", "))))
        }
    }
}

fn dropout(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let _ = cx.attributes.int("seed")?;
    let _ = (cx.attributes.float("ratio")?, cx.attributes.int("is_test")?);
    let holds = |i: usize, what: &str, value: bool| -> Result<bool, Diagnostic> {
        Ok(cx.optional(i).is_some()
            && cx.constant_input(i, what)?.scalars().all(|s| (s.as_f64() != 0.0) == value))
    };
    if holds(2, "training_mode", true)? && !holds(1, "ratio", false)? {
        return Err(cx
            .unsupported("Dropout with `training_mode` drops elements at random")
            .help("export the model for inference"));
    }
    if !cx.output_used(1) {
        return Ok(vec![x]);
    }
    // The mask had the type of the data before operator set 10.
    let kept = if cx.opset < 10 { Scalar::from_f64(cx.dtype(x), 1.0) } else { Scalar::Bool(true) };
    let space = cx.shape(x);
    let mask = cx.map_over(space, 0, false, &[], |e: &mut ExprBuilder, _| e.scalar(kept))?;
    Ok(vec![x, mask])
}
