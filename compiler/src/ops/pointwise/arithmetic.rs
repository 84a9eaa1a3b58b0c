//! Arithmetic and elementary functions.

use super::{Built, binary, operands, unary};
use crate::expr::{Binary, ExprBuilder, ExprId, Unary};
use crate::ops::elements::Elements::{Floats, Integers, Numbers, Signed, Unsigned};
use crate::ops::{NodeCx, OpDef};
use crate::types::{DType, Scalar};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx("Add", &[6, 7, 13, 14], "`a + b`; integers wrap", |cx| binary(cx, Numbers, Binary::Add)),
    OpDef::onnx("Sub", &[6, 7, 13, 14], "`a - b`; integers wrap", |cx| binary(cx, Numbers, Binary::Sub)),
    OpDef::onnx("Mul", &[6, 7, 13, 14], "`a * b`; integers wrap", |cx| binary(cx, Numbers, Binary::Mul)),
    OpDef::onnx("Div", &[6, 7, 13, 14], "`a / b`; integers truncate", |cx| binary(cx, Numbers, Binary::Div)),
    OpDef::onnx(
        "Mod",
        &[10, 13],
        "Remainder with the divisor's sign, or with the dividend's (`fmod`)",
        modulo,
    ),
    OpDef::onnx("Pow", &[1, 7, 12, 13, 15], "`a` to the power `b`, in the type of `a`", pow),
    OpDef::onnx("Max", &[6, 8, 12, 13], "Largest of any number of inputs", |cx| {
        variadic(cx, |e, a, b| e.max(a, b), |_, all, _| all)
    }),
    OpDef::onnx("Min", &[6, 8, 12, 13], "Smallest of any number of inputs", |cx| {
        variadic(cx, |e, a, b| e.min(a, b), |_, all, _| all)
    }),
    OpDef::onnx("Sum", &[6, 8, 13], "Sum of any number of inputs", |cx| {
        variadic(cx, |e, a, b| e.add(a, b), |_, all, _| all)
    }),
    OpDef::onnx("Mean", &[6, 8, 13], "Mean of any number of inputs", |cx| {
        variadic(
            cx,
            |e, a, b| e.add(a, b),
            |e, all, n| {
                let n = e.number(all, n as f64);
                e.div(all, n)
            },
        )
    }),
    OpDef::onnx("Neg", &[6, 13], "`-x`", |cx| unary(cx, Signed, Unary::Neg)),
    OpDef::onnx("Abs", &[6, 13], "Magnitude", |cx| unary(cx, Numbers, Unary::Abs)),
    OpDef::onnx("Sign", &[9, 13], "-1, 0 or 1 by sign", |cx| unary(cx, Numbers, Unary::Sign)),
    OpDef::onnx("Reciprocal", &[6, 13], "`1 / x`", |cx| unary(cx, Floats, Unary::Reciprocal)),
    OpDef::onnx("Sqrt", &[6, 13], "Square root", |cx| unary(cx, Floats, Unary::Sqrt)),
    OpDef::onnx("Exp", &[6, 13], "Exponential", |cx| unary(cx, Floats, Unary::Exp)),
    OpDef::onnx("Log", &[6, 13], "Natural logarithm", |cx| unary(cx, Floats, Unary::Log)),
    OpDef::onnx("Sin", &[7, 22], "Sine", |cx| unary(cx, Floats, Unary::Sin)),
    OpDef::onnx("Cos", &[7, 22], "Cosine", |cx| unary(cx, Floats, Unary::Cos)),
    OpDef::onnx("Tan", &[7, 22], "Tangent", |cx| unary(cx, Floats, Unary::Tan)),
    OpDef::onnx("Asin", &[7, 22], "Inverse sine", |cx| unary(cx, Floats, Unary::Asin)),
    OpDef::onnx("Acos", &[7, 22], "Inverse cosine", |cx| unary(cx, Floats, Unary::Acos)),
    OpDef::onnx("Atan", &[7, 22], "Inverse tangent", |cx| unary(cx, Floats, Unary::Atan)),
    OpDef::onnx("Sinh", &[9, 22], "Hyperbolic sine", |cx| unary(cx, Floats, Unary::Sinh)),
    OpDef::onnx("Cosh", &[9, 22], "Hyperbolic cosine", |cx| unary(cx, Floats, Unary::Cosh)),
    OpDef::onnx("Asinh", &[9, 22], "Inverse hyperbolic sine", |cx| unary(cx, Floats, Unary::Asinh)),
    OpDef::onnx("Acosh", &[9, 22], "Inverse hyperbolic cosine", |cx| unary(cx, Floats, Unary::Acosh)),
    OpDef::onnx("Atanh", &[9, 22], "Inverse hyperbolic tangent", |cx| unary(cx, Floats, Unary::Atanh)),
    OpDef::onnx("Erf", &[9, 13], "Error function", |cx| unary(cx, Floats, Unary::Erf)),
    OpDef::onnx("BitwiseAnd", &[18], "Bitwise and", |cx| binary(cx, Integers, Binary::And)),
    OpDef::onnx("BitwiseOr", &[18], "Bitwise or", |cx| binary(cx, Integers, Binary::Or)),
    OpDef::onnx("BitwiseXor", &[18], "Bitwise exclusive or", |cx| binary(cx, Integers, Binary::Xor)),
    OpDef::onnx("BitwiseNot", &[18], "Bitwise complement", |cx| unary(cx, Integers, Unary::Not)),
    OpDef::onnx("BitShift", &[11], "Shift of unsigned integers by `b` bits", |cx| {
        let direction = cx.attributes.string("direction")?;
        match cx.attributes.required("direction", direction)? {
            "LEFT" => binary(cx, Unsigned, Binary::ShiftLeft),
            "RIGHT" => binary(cx, Unsigned, Binary::ShiftRight),
            other => Err(cx.attributes.bad("direction", &format!("is \"{other}\" and not LEFT or RIGHT"))),
        }
    }),
];

fn variadic(
    cx: &mut NodeCx<'_>,
    step: impl Fn(&mut ExprBuilder, ExprId, ExprId) -> ExprId,
    finish: impl Fn(&mut ExprBuilder, ExprId, usize) -> ExprId,
) -> Built {
    let inputs = cx.all_inputs()?;
    cx.same_type(&inputs, Numbers)?;
    let result = cx.map(&inputs, |e, v| {
        let all = v[1..].iter().fold(v[0], |all, &next| step(e, all, next));
        finish(e, all, v.len())
    })?;
    Ok(vec![result])
}

fn modulo(cx: &mut NodeCx<'_>) -> Built {
    let c_sign = cx.attributes.bool_or("fmod", false)?;
    let dtype = cx.dtype(cx.input(0)?);
    if dtype.is_float() && !c_sign {
        return Err(cx.attributes.bad("fmod", "must be 1 for floating-point elements"));
    }
    binary(cx, Numbers, if c_sign { Binary::Fmod } else { Binary::Mod })
}

/// Base and exponent may differ in type; the result has the type of the base.
fn pow(cx: &mut NodeCx<'_>) -> Built {
    let [base, exponent] = operands(cx)?;
    let dtype = cx.one_of(base, Numbers)?;
    let other = cx.one_of(exponent, Numbers)?;
    let result = cx.map(&[base, exponent], |e, v| {
        // Wide enough for both: integers wrap alike at 64 bits and below.
        let wide = match (dtype.is_float(), other.is_float()) {
            (true, _) => dtype,
            (false, true) => DType::F64,
            (false, false) if dtype == other => dtype,
            (false, false) if dtype == DType::U64 => DType::U64,
            (false, false) => DType::I64,
        };
        let (x, y) = (e.cast(v[0], wide), e.cast(v[1], wide));
        let power = small_power(e, x, y).unwrap_or_else(|| e.binary(Binary::Pow, x, y));
        e.cast(power, dtype)
    })?;
    Ok(vec![result])
}

/// `x` to a constant power that multiplications or a root can say.
fn small_power(e: &mut ExprBuilder, x: ExprId, exponent: ExprId) -> Option<ExprId> {
    let crate::expr::ExprKind::Const(exponent) = e.kind(exponent) else { return None };
    let whole = matches!(exponent, Scalar::Int(..));
    match exponent.as_f64() {
        2.0 => Some(e.mul(x, x)),
        3.0 => {
            let square = e.mul(x, x);
            Some(e.mul(square, x))
        }
        0.5 if !whole => Some(e.unary(Unary::Sqrt, x)),
        _ => None,
    }
}
