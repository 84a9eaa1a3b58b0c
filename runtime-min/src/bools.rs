//! Truth values. A tensor of them is stored as bytes 0 and 1; users see `bool`.

use crate::{TensorRef, defect};

/// The bytes of truth values: 0 and 1.
#[inline(always)]
pub fn from_bools(values: &[bool]) -> &[u8] {
    // SAFETY: a `bool` is one initialised byte.
    unsafe { core::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
}

/// The truth values that a step has stored.
///
/// # Panics
/// If a byte is neither 0 nor 1: then the step that wrote it is defective.
#[inline]
#[track_caller]
pub fn as_bools(bytes: &[u8]) -> &[bool] {
    // The maximum, unlike a search, is a vectorised loop.
    if bytes.iter().fold(0, |max, &byte| byte.max(max)) > 1 {
        defect("a truth value is neither 0 nor 1");
    }
    // SAFETY: all bytes are 0 or 1, which is what a `bool` consists of.
    unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// [`as_bools`] for a value of fixed size.
///
/// # Panics
/// If a byte is neither 0 nor 1.
#[inline]
#[track_caller]
pub fn bool_array<const N: usize>(bytes: &[u8; N]) -> &[bool; N] {
    match as_bools(bytes).as_array() {
        Some(array) => array,
        None => defect("a value has another size"),
    }
}

/// [`as_bools`] for a value with run-time dimensions.
///
/// # Panics
/// If a byte is neither 0 nor 1.
#[inline]
#[track_caller]
pub fn bool_tensor<const RANK: usize>(bytes: TensorRef<'_, u8, RANK>) -> TensorRef<'_, bool, RANK> {
    TensorRef { data: as_bools(bytes.data), dims: bytes.dims }
}
