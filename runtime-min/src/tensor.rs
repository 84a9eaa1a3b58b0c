//! Tensors whose dimensions are known at run time only.

use crate::Error;
use crate::error::{check_len, check_shape};

/// A dense tensor in row-major order: elements and dimensions, outermost first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorRef<'a, T, const RANK: usize> {
    /// The elements.
    pub data: &'a [T],
    /// Extents, outermost axis first. Their product is the number of elements; a model checks that of its inputs.
    pub dims: [usize; RANK],
}

impl<'a, T, const RANK: usize> TensorRef<'a, T, RANK> {
    /// A tensor over `data`.
    ///
    /// # Errors
    /// [`Error::DataLength`] if the number of elements is not the product of the dimensions.
    #[inline]
    pub const fn new(data: &'a [T], dims: [usize; RANK]) -> Result<Self, Error> {
        match check_len("tensor", &dims, data.len()) {
            Ok(()) => Ok(TensorRef { data, dims }),
            Err(error) => Err(error),
        }
    }

    /// Checks that the dimensions are `dims` and that there are as many elements as these say. `what` names the tensor in
    /// the error.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::DataLength`] if not.
    #[inline]
    pub fn check(&self, what: &'static str, dims: [usize; RANK]) -> Result<(), Error> {
        check_shape(what, &self.dims, self.data.len(), &dims)
    }
}

/// The elements from `start` on; none where there are not so many, as in a tensor that turns out to be empty.
#[inline]
pub fn tail<T>(data: &[T], start: usize) -> &[T] {
    data.get(start..).unwrap_or_default()
}
