//! Constants that are expressions of positions: ranges, and triangles of truth values.
//!
//! With fixed sizes, and where exporters store a causal mask for the longest sequence, these are there instead of the
//! nodes that compute them.

use crate::expr::{Affine, Compare, Expr, ExprBuilder};
use crate::types::{DType, Dim, Scalar, Tensor};
use std::collections::BTreeMap;

/// Constants of more elements are not looked at.
const MOST: usize = 1 << 24;

/// The expression of a constant over its own axes, if it has one.
pub(super) fn of(tensor: &Tensor) -> Option<Expr> {
    let mut builder = ExprBuilder::new();
    if tensor.len() == 1 {
        let number = builder.scalar(tensor.get(0));
        return Some(builder.finish(number));
    }
    match tensor.dtype() {
        _ if tensor.is_empty() || tensor.len() > MOST => None,
        DType::I64 | DType::I32 => {
            let sum = builder.affine(&counting(tensor)?, tensor.dtype());
            Some(builder.finish(sum))
        }
        DType::Bool => triangle(tensor),
        _ => None,
    }
}

/// Integers that go on by the same step along each axis.
fn counting(tensor: &Tensor) -> Option<Affine> {
    let shape = tensor.shape();
    let value = |at: usize| tensor.get(at).as_i64();
    let (mut steps, mut inner) = (vec![0_i64; shape.len()], 1_usize);
    for axis in (0..shape.len()).rev().filter(|&a| shape[a] > 1) {
        steps[axis] = value(inner).checked_sub(value(0))?;
        inner *= shape[axis];
    }
    let mut index = vec![0_usize; shape.len()];
    let mut expected = value(0);
    for at in 0..tensor.len() {
        if value(at) != expected {
            return None;
        }
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            expected = expected.checked_add(steps[axis])?;
            if index[axis] < shape[axis] {
                break;
            }
            expected = expected.checked_sub(steps[axis].checked_mul(i64::try_from(index[axis]).ok()?)?)?;
            index[axis] = 0;
        }
    }
    let moving = steps.iter().enumerate().filter(|(_, step)| **step != 0);
    let steps: BTreeMap<usize, Dim> = moving.map(|(axis, &step)| (axis, Dim::from(step))).collect();
    Some(Affine { start: Dim::from(value(0)), steps })
}

/// A matrix of truth values that are true up to a diagonal, or beyond it.
fn triangle(tensor: &Tensor) -> Option<Expr> {
    let shape = tensor.shape();
    let (row_axis, column_axis) = (shape.len().checked_sub(2)?, shape.len() - 1);
    let (rows, columns) = (shape[row_axis], shape[column_axis]);
    if rows < 2 || columns < 2 || rows * columns != tensor.len() {
        return None;
    }
    let at = |row: usize, column: usize| tensor.get(row * columns + column) == Scalar::Bool(true);
    // The last column of the first row that is like its first one.
    let lower = at(0, 0);
    let same = (0..columns).take_while(|&column| at(0, column) == lower).count();
    let diagonal = same - 1;
    let matches = (0..rows).all(|r| (0..columns).all(|c| at(r, c) == ((c <= r + diagonal) == lower)));
    if !matches || same == columns {
        return None;
    }
    let mut builder = ExprBuilder::new();
    let (row, column) = (builder.index(row_axis), builder.index(column_axis));
    let offset = builder.scalar(Scalar::Int(DType::I64, i64::try_from(diagonal).ok()?));
    let last = builder.add(row, offset);
    let op = if lower { Compare::LessOrEqual } else { Compare::Greater };
    let within = builder.compare(op, column, last);
    Some(builder.finish(within))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tensor: &Tensor) -> String {
        of(tensor).map_or_else(|| "no".to_owned(), |expr| expr.to_string())
    }

    #[test]
    fn ranges() {
        let numbers = |shape: &[usize], list: &[i64]| {
            text(&Tensor::from_i64s(list).reshaped(shape.to_vec()).expect("as many elements"))
        };
        assert_eq!(numbers(&[3], &[4, 6, 8]), "add(mul(index0, 2), 4)");
        assert_eq!(numbers(&[2, 1, 3], &[0, 1, 2, 5, 6, 7]), "add(index2, mul(index0, 5))");
        assert_eq!(numbers(&[2, 2], &[1, 1, 1, 1]), "1");
        assert_eq!(numbers(&[3], &[4, 6, 9]), "no");
        assert_eq!(numbers(&[2, 2], &[0, 1, 2, 4]), "no");
    }

    #[test]
    fn triangles() {
        let truths = |rows: usize, columns: usize, list: &[u8]| {
            let elements = list.iter().map(|&b| Scalar::Bool(b != 0));
            text(&Tensor::from_scalars(DType::Bool, vec![1, rows, columns], elements))
        };
        assert_eq!(truths(2, 2, &[1, 0, 1, 1]), "lessorequal(index2, index1)");
        assert_eq!(truths(2, 3, &[1, 1, 0, 1, 1, 1]), "lessorequal(index2, add(index1, 1))");
        assert_eq!(truths(2, 2, &[0, 1, 0, 0]), "greater(index2, index1)");
        assert_eq!(truths(2, 2, &[1, 0, 0, 1]), "no");
        assert_eq!(truths(2, 2, &[1, 1, 1, 1]), "no");
    }
}
