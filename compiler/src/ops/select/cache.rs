//! TensorScatter: new elements of a cache at each entry's own position along an axis.

use super::{Reduction, ScatterElements};
use crate::diag::{Code, Diagnostic};
use crate::expr::Binary;
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::generate::Dims;
use crate::types::{DType, Dim};

/// The recipe.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (past, update) = (cx.input(0)?, cx.input(1)?);
    let (cache, space) = (cx.shape(past), cx.shape(update));
    let axis = cx.axis_attribute("axis", -2, cache.len())?;
    if axis == 0 || space.len() != cache.len() {
        let what = format!("{} in {} along axis {axis}", cx.ty(update), cx.ty(past));
        return Err(Diagnostic::new(Code::BadInput, format!("TensorScatter cannot put {what}")));
    }
    let circular = match cx.attributes.string_or("mode", "linear")? {
        "linear" => false,
        "circular" => true,
        other => {
            return Err(cx.attributes.bad("mode", &format!("is \"{other}\" and not linear or circular")));
        }
    };
    let at = cx.optional(2);
    Ok(vec![put(cx, [past, update], axis, at, circular)?])
}

/// A cache with an update in it: its elements along `axis` go to their index plus the position of their entry, one of `at`
/// for each of axis 0; without `at` from the beginning on. What is beyond the end of a circular cache begins anew.
///
/// # Errors
/// If shapes do not fit.
pub(crate) fn put(
    cx: &mut NodeCx<'_>,
    [past, update]: [Value; 2],
    axis: usize,
    at: Option<Value>,
    circular: bool,
) -> Result<Value, Diagnostic> {
    let (cache, space) = (cx.shape(past), cx.shape(update));
    let extent = if circular {
        let extent = cx.add(Dims { dims: vec![cache[axis].clone()], list: false }, &[])?;
        Some(cx.cast(extent, DType::I64)?)
    } else {
        None
    };
    let mut inputs = Vec::with_capacity(2);
    if let Some(at) = at {
        let at = cx.restate(at, &space[..1])?;
        let mut along = vec![Dim::ONE; space.len()];
        along[0] = space[0].clone();
        let at = cx.reshape(at, along)?;
        inputs.push(cx.cast(at, DType::I64)?);
    }
    let given = inputs.len();
    inputs.extend(extent);
    let positions = cx.map_over(space, 0, false, &inputs, |e, v| {
        let own = e.index(axis);
        let at = if given == 1 { e.add(own, v[0]) } else { own };
        v.get(given).map_or(at, |&extent| e.binary(Binary::Mod, at, extent))
    })?;
    let op = ScatterElements { axis, reduction: Reduction::None };
    cx.add(op, &[past, positions, update])
}
