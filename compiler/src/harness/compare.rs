//! Whether a computed tensor is close enough to the expected one.

use crate::types::{DType, Scalar, Tensor};

/// How close floating-point elements must be: `|a - b| <= atol + rtol * |b|`, where `b` is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Relative part.
    pub rtol: f64,
    /// Absolute part.
    pub atol: f64,
}

/// What separates two tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Largest `|a - b|` over elements where both are finite.
    pub max_abs_err: f64,
    /// Largest `|a - b| / |b|` over elements where both are finite and `b` is not zero.
    pub max_rel_err: f64,
    /// Why they do not agree; `None` if they do.
    pub mismatch: Option<String>,
}

/// Compares `got` with `want`: element type and shape must be equal, integers and truth values too; NaN equals NaN, and
/// an infinity the infinity of the same sign.
pub fn compare(got: &Tensor, want: &Tensor, tolerance: Tolerance) -> Difference {
    let mut difference = Difference::default();
    if got.dtype() != want.dtype() {
        difference.mismatch = Some(format!("element type {} instead of {}", got.dtype(), want.dtype()));
        return difference;
    }
    if got.shape() != want.shape() {
        difference.mismatch = Some(format!("shape {:?} instead of {:?}", got.shape(), want.shape()));
        return difference;
    }
    let exact = !got.dtype().is_float();
    let (mut wrong, mut first) = (0_usize, None);
    for (index, (a, b)) in got.scalars().zip(want.scalars()).enumerate() {
        let close = if exact {
            close_integers(a, b, &mut difference)
        } else {
            close_floats(a.as_f64(), b.as_f64(), tolerance, &mut difference)
        };
        if !close {
            wrong += 1;
            first = first.or(Some((index, a, b)));
        }
    }
    if let Some((index, a, b)) = first {
        difference.mismatch = Some(format!(
            "{wrong} of {} elements differ, first at {:?}: {} instead of {}",
            got.len(),
            coordinates(index, got.shape()),
            show(a),
            show(b)
        ));
    }
    difference
}

fn close_integers(a: Scalar, b: Scalar, difference: &mut Difference) -> bool {
    if a == b {
        return true;
    }
    let error = (a.as_f64() - b.as_f64()).abs();
    difference.max_abs_err = difference.max_abs_err.max(error);
    if b.as_f64() != 0.0 {
        difference.max_rel_err = difference.max_rel_err.max(error / b.as_f64().abs());
    }
    false
}

fn close_floats(a: f64, b: f64, tolerance: Tolerance, difference: &mut Difference) -> bool {
    if !a.is_finite() || !b.is_finite() {
        return a == b || (a.is_nan() && b.is_nan());
    }
    let error = (a - b).abs();
    difference.max_abs_err = difference.max_abs_err.max(error);
    if b != 0.0 {
        difference.max_rel_err = difference.max_rel_err.max(error / b.abs());
    }
    error <= tolerance.atol + tolerance.rtol * b.abs()
}

fn coordinates(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut at: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let coordinate = index % extent.max(1);
            index /= extent.max(1);
            coordinate
        })
        .collect();
    at.reverse();
    at
}

/// An element as text.
pub fn show(element: Scalar) -> String {
    match element {
        Scalar::Float(_, v) => format!("{v}"),
        Scalar::Int(DType::U64, v) => format!("{}", v.cast_unsigned()),
        Scalar::Int(_, v) => format!("{v}"),
        Scalar::Bool(v) => format!("{v}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Tolerance = Tolerance { rtol: 1e-3, atol: 1e-5 };

    fn floats(values: &[f32]) -> Tensor {
        Tensor::from_f32s(vec![values.len()], values)
    }

    #[test]
    fn floats_are_compared_with_tolerance() {
        let want = floats(&[1.0, 1000.0, 0.0]);
        assert_eq!(compare(&floats(&[1.0009, 1000.9, 9e-6]), &want, TOLERANCE).mismatch, None);
        let bad = compare(&floats(&[1.0, 1002.0, 1.0]), &want, TOLERANCE);
        assert_eq!(
            bad.mismatch.as_deref(),
            Some("2 of 3 elements differ, first at [1]: 1002 instead of 1000")
        );
        assert!((bad.max_abs_err - 2.0).abs() < 1e-9 && (bad.max_rel_err - 0.002).abs() < 1e-9);
    }

    #[test]
    fn special_values_equal_themselves_only() {
        let want = floats(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert_eq!(compare(&want, &want, TOLERANCE).mismatch, None);
        for (i, wrong) in [(0, 0.0), (1, f32::NEG_INFINITY), (2, f32::NAN), (1, f32::MAX)] {
            let mut got = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
            got[i] = wrong;
            assert!(compare(&floats(&got), &want, TOLERANCE).mismatch.is_some(), "{i} {wrong}");
        }
    }

    #[test]
    fn integers_shapes_and_types_are_exact() {
        let (a, b) = (Tensor::from_i64s(&[i64::MAX]), Tensor::from_i64s(&[i64::MAX - 1]));
        assert!(compare(&a, &b, TOLERANCE).mismatch.is_some());
        let row = floats(&[0.0, 0.0]).reshaped(vec![1, 2]).unwrap();
        assert!(compare(&row, &floats(&[0.0, 0.0]), TOLERANCE).mismatch.unwrap().contains("shape"));
        assert!(compare(&a, &floats(&[0.0]), TOLERANCE).mismatch.unwrap().contains("element type"));
    }
}
