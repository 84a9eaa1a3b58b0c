//! TensorScatter: new elements of a cache at each entry's own position along an axis.

use super::{Reduction, ScatterElements};
use crate::diag::{Code, Diagnostic};
use crate::expr::Binary;
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::generate::Dims;
use crate::types::{DType, Dim};

/// The recipe: elements of the update are scattered to their index plus the position of their entry, axis 0; in a
/// circular cache, what is beyond its end begins anew.
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
    let extent = if circular {
        let extent = cx.add(Dims { dims: vec![cache[axis].clone()], list: false }, &[])?;
        Some(cx.cast(extent, DType::I64)?)
    } else {
        None
    };
    let mut inputs = Vec::with_capacity(2);
    if let Some(at) = cx.optional(2) {
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
    Ok(vec![cx.add(op, &[past, positions, update])?])
}
