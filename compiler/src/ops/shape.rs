//! Shape arithmetic that every room may use.

use crate::diag::{Code, Diagnostic};
use crate::types::Dim;

/// The shape two shapes broadcast to by the rules of numpy (ONNX "Broadcasting in ONNX").
///
/// Two symbolic extents that are not known to be equal are taken as equal to the first; a fixed extent above one wins
/// over a symbolic one.
///
/// # Errors
/// If two fixed extents differ and neither is one.
pub fn broadcast(a: &[Dim], b: &[Dim]) -> Result<Vec<Dim>, Diagnostic> {
    let rank = a.len().max(b.len());
    let at = |s: &[Dim], axis: usize| (axis + s.len()).checked_sub(rank).map_or(Dim::ONE, |i| s[i].clone());
    (0..rank)
        .map(|axis| {
            let (x, y) = (at(a, axis), at(b, axis));
            match (x.as_i64(), y.as_i64()) {
                _ if x == y => Ok(x),
                (Some(1), _) => Ok(y),
                (_, Some(1)) => Ok(x),
                (Some(_), Some(_)) => Err(Diagnostic::new(
                    Code::BadInput,
                    format!("shapes {a:?} and {b:?} do not broadcast: {x} against {y} at axis {axis} of the result"),
                )),
                (None, Some(_)) => Ok(y),
                _ => Ok(x),
            }
        })
        .collect()
}

/// The shape that all `shapes` broadcast to.
///
/// # Errors
/// If they do not.
pub fn broadcast_all<'a>(shapes: impl IntoIterator<Item = &'a [Dim]>) -> Result<Vec<Dim>, Diagnostic> {
    shapes.into_iter().try_fold(Vec::new(), |all, shape| broadcast(&all, shape))
}

/// An axis in `-rank..rank` as an index.
///
/// # Errors
/// If it is outside.
pub fn axis(axis: i64, rank: usize) -> Result<usize, Diagnostic> {
    let signed = rank as i64;
    let index = if axis < 0 { axis.saturating_add(signed) } else { axis };
    if (0..signed).contains(&index) {
        Ok(index as usize)
    } else {
        Err(Diagnostic::new(Code::BadAttribute, format!("axis {axis} is out of range for {rank} axes"))
            .help(format!("axes run from {} to {}", -signed, signed - 1)))
    }
}

/// Axes in `-rank..rank` as sorted indices without repetition.
///
/// # Errors
/// If one is outside.
pub fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, Diagnostic> {
    let mut indices = list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}
