//! Constants by attribute and by shape.

use super::Built;
use crate::diag::{Code, Diagnostic};
use crate::ops::NodeCx;
use crate::types::{DType, Scalar, Tensor};

/// Constant: exactly one of its attributes is given.
pub(super) fn constant(cx: &mut NodeCx<'_>) -> Built {
    let tensor = given(cx)?.ok_or_else(|| {
        Diagnostic::new(Code::BadAttribute, "Constant has no attribute that gives its value")
            .help("set one of value, sparse_value, value_int, value_ints, value_float, value_floats")
    })?;
    Ok(vec![cx.tensor(tensor)])
}

fn given(cx: &NodeCx<'_>) -> Result<Option<Tensor>, Diagnostic> {
    for name in ["value", "sparse_value"] {
        if let Some(tensor) = cx.attributes.tensor(name)? {
            return Ok(Some(tensor.clone()));
        }
    }
    if let Some(v) = cx.attributes.int("value_int")? {
        return Ok(Some(Tensor::scalar(Scalar::Int(DType::I64, v))));
    }
    if let Some(v) = cx.attributes.ints("value_ints")? {
        return Ok(Some(Tensor::from_i64s(v)));
    }
    if let Some(v) = cx.attributes.float("value_float")? {
        return Ok(Some(Tensor::scalar(Scalar::from_f64(DType::F32, f64::from(v)))));
    }
    if let Some(v) = cx.attributes.floats("value_floats")? {
        return Ok(Some(Tensor::from_f32s(vec![v.len()], v)));
    }
    for name in ["value_string", "value_strings"] {
        if cx.attributes.has(name) {
            return Err(Diagnostic::new(Code::UnsupportedType, "Constant does not give strings"));
        }
    }
    Ok(None)
}

/// ConstantOfShape: a map without inputs.
pub(super) fn constant_of_shape(cx: &mut NodeCx<'_>) -> Built {
    let space = cx.dims_input(0, "input")?;
    let value = match cx.attributes.tensor("value")? {
        None => Scalar::from_f64(DType::F32, 0.0),
        Some(tensor) if tensor.len() == 1 => tensor.get(0),
        Some(_) => return Err(cx.attributes.bad("value", "must hold one element")),
    };
    Ok(vec![cx.map_over(space, 0, false, &[], |e, _| e.scalar(value))?])
}
