//! What can be wrong with the input of a model at run time.

use core::fmt;

/// Why a model refuses its input. The arena is still usable afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A dimension is outside of the bounds that the model was compiled for.
    Dim {
        /// The input and its dimension, such as ``input `ids`, axis 1 (`seq`)``.
        what: &'static str,
        /// The least possible size.
        min: usize,
        /// The largest possible size.
        max: usize,
        /// The size it has.
        got: usize,
    },
    /// An input has another extent than the model needs, or than other inputs say.
    Shape {
        /// The input.
        what: &'static str,
        /// The axis.
        axis: usize,
        /// The extent that it must have.
        expected: usize,
        /// The extent that it has.
        got: usize,
    },
    /// The number of elements is not the product of the dimensions.
    DataLength {
        /// The input.
        what: &'static str,
        /// The product of the dimensions.
        expected: usize,
        /// The number of elements.
        got: usize,
    },
    /// A value that selects elements (an index, an axis position, a count) points outside of what it selects from.
    Index {
        /// The ONNX node that selects.
        node: &'static str,
        /// The index.
        index: i64,
        /// Indices must be in `-bound..bound`.
        bound: usize,
    },
    /// Integer division by zero, or another value for which an ONNX node is not defined.
    Undefined {
        /// The ONNX node.
        node: &'static str,
        /// What is not defined, as a clause.
        what: &'static str,
    },
    /// A result whose size depends on data outgrows the memory that was planned for it.
    Capacity {
        /// The ONNX node.
        node: &'static str,
        /// The size that was planned.
        max: usize,
        /// The size it would have.
        got: usize,
    },
    /// An input does not have the value that the model was compiled for.
    Value {
        /// The input.
        what: &'static str,
    },
    /// A size that depends on data is not one that the model was compiled for.
    Size {
        /// The ONNX node that needs it.
        node: &'static str,
        /// The least possible size.
        min: usize,
        /// The largest possible size.
        max: usize,
        /// The size it would have.
        got: i64,
    },
}

/// A size that was computed from data: checks that it is between `min` and `max`.
///
/// # Errors
/// [`Error::Size`] if not.
#[inline]
pub const fn check_size(node: &'static str, got: i64, min: usize, max: usize) -> Result<usize, Error> {
    let size = if got < 0 { usize::MAX } else { got.cast_unsigned() as usize };
    let fits = got >= 0 && size as u64 == got.cast_unsigned() && min <= size && size <= max;
    if fits { Ok(size) } else { Err(Error::Size { node, min, max, got }) }
}

/// Checks that the dimension of an input is between `min` and `max`. `what` names both in the error.
///
/// # Errors
/// [`Error::Dim`] if not.
#[inline]
pub const fn check_dim(what: &'static str, got: usize, min: usize, max: usize) -> Result<(), Error> {
    if min <= got && got <= max { Ok(()) } else { Err(Error::Dim { what, min, max, got }) }
}

/// Checks that a tensor of `len` elements has the extents `dims`. `what` names it in the error.
///
/// # Errors
/// [`Error::Shape`] or [`Error::DataLength`] if not.
pub(crate) fn check_shape(
    what: &'static str,
    dims: &[usize],
    len: usize,
    expected: &[usize],
) -> Result<(), Error> {
    for (axis, (&got, &expected)) in dims.iter().zip(expected).enumerate() {
        if got != expected {
            return Err(Error::Shape { what, axis, expected, got });
        }
    }
    check_len(what, dims, len)
}

/// Checks that the product of `dims` is `len`.
pub(crate) const fn check_len(what: &'static str, dims: &[usize], len: usize) -> Result<(), Error> {
    let mut expected: usize = 1;
    let mut axis = 0;
    while axis < dims.len() {
        expected = expected.saturating_mul(dims[axis]);
        axis += 1;
    }
    if expected == len { Ok(()) } else { Err(Error::DataLength { what, expected, got: len }) }
}

/// Checks that an input has the value that the model was compiled for.
///
/// # Errors
/// [`Error::Value`] if it has not.
#[inline]
pub const fn check_value(what: &'static str, same: bool) -> Result<(), Error> {
    if same { Ok(()) } else { Err(Error::Value { what }) }
}

/// Checks that `got` places are not more than the `max` that are planned.
///
/// # Errors
/// [`Error::Capacity`] if they are.
#[inline]
pub const fn check_capacity(node: &'static str, got: usize, max: usize) -> Result<(), Error> {
    if got <= max { Ok(()) } else { Err(Error::Capacity { node, max, got }) }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Dim { what, min, max, got } if min == max => write!(f, "{what} is {got}, expected {min}"),
            Error::Dim { what, min, max, got } => write!(f, "{what} is {got}, expected {min} to {max}"),
            Error::Shape { what, axis, expected, got } => {
                write!(f, "{what}, axis {axis} is {got}, expected {expected}")
            }
            Error::DataLength { what, expected, got } => {
                write!(f, "{what} has {got} elements, its dimensions say {expected}")
            }
            Error::Index { node, index, bound } => {
                write!(f, "{node}: index {index} is outside of -{bound}..{bound}")
            }
            Error::Undefined { node, what } => write!(f, "{node}: {what}"),
            Error::Capacity { node, max, got } => {
                write!(f, "{node}: the result needs {got} places, {max} are planned")
            }
            Error::Value { what } => write!(f, "{what} is not the value that the model was compiled for"),
            Error::Size { node, min, max, got } => {
                write!(f, "{node}: a size is {got}, expected {min} to {max}")
            }
        }
    }
}

impl core::error::Error for Error {}
