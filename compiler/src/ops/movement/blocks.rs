//! Operators that trade blocks of channels for squares of pixels.

use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::types::Dim;

/// The input `[n, c, h, w]`, its extents and the side of a block.
fn blocks(cx: &mut NodeCx<'_>) -> Result<(Value, [Dim; 4], Dim), Diagnostic> {
    let x = cx.input(0)?;
    let given = cx.attributes.int("blocksize")?;
    let size = cx.attributes.required("blocksize", given)?;
    if size < 1 {
        return Err(cx.attributes.bad("blocksize", &format!("is {size}; it must be positive")));
    }
    let shape = <[Dim; 4]>::try_from(cx.shape(x)).map_err(|_| {
        Diagnostic::new(Code::BadInput, format!("{} is not [batch, channels, height, width]", cx.ty(x)))
    })?;
    Ok((x, shape, Dim::from(size)))
}

fn divided(dim: &Dim, by: &Dim, what: &str) -> Result<Dim, Diagnostic> {
    dim.exact_div(by)
        .ok_or_else(|| Diagnostic::new(Code::BadInput, format!("{what} {dim} is not a multiple of {by}")))
}

/// DepthToSpace.
pub(super) fn build_depth_to_space(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, [n, c, h, w], size) = blocks(cx)?;
    let mode = cx.attributes.string_or("mode", "DCR")?;
    let channels = divided(&c, &(&size * &size), "the number of channels")?;
    let (split, perm) = match mode {
        "DCR" => (vec![n.clone(), size.clone(), size.clone(), channels.clone()], [0, 3, 4, 1, 5, 2]),
        "CRD" => (vec![n.clone(), channels.clone(), size.clone(), size.clone()], [0, 1, 4, 2, 5, 3]),
        other => return Err(cx.attributes.bad("mode", &format!("is \"{other}\"; DCR and CRD are known"))),
    };
    let split = [split, vec![h.clone(), w.clone()]].concat();
    let x = cx.reshape(x, split)?;
    let x = cx.transpose(x, &perm)?;
    Ok(vec![cx.reshape(x, vec![n, channels, &h * &size, &w * &size])?])
}

/// SpaceToDepth.
pub(super) fn build_space_to_depth(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let (x, [n, c, h, w], size) = blocks(cx)?;
    let h = divided(&h, &size, "the height")?;
    let w = divided(&w, &size, "the width")?;
    let split = vec![n.clone(), c.clone(), h.clone(), size.clone(), w.clone(), size.clone()];
    let x = cx.reshape(x, split)?;
    let x = cx.transpose(x, &[0, 3, 5, 1, 2, 4])?;
    Ok(vec![cx.reshape(x, vec![n, &c * &(&size * &size), h, w])?])
}
