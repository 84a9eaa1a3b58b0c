//! Tensors whose dimensions are known at run time only.

use crate::Error;

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
        let tensor = TensorRef { data, dims };
        match tensor.check("tensor") {
            Ok(()) => Ok(tensor),
            Err(error) => Err(error),
        }
    }

    /// Checks that there are as many elements as the dimensions say. `what` names the tensor in the error.
    ///
    /// # Errors
    /// [`Error::DataLength`] if not.
    #[inline]
    pub const fn check(&self, what: &'static str) -> Result<(), Error> {
        let mut expected: usize = 1;
        let mut axis = 0;
        while axis < RANK {
            expected = expected.saturating_mul(self.dims[axis]);
            axis += 1;
        }
        if expected == self.data.len() {
            Ok(())
        } else {
            Err(Error::DataLength { what, expected, got: self.data.len() })
        }
    }
}

/// The elements from `start` on; none where there are not so many, as in a tensor that turns out to be empty.
#[inline]
pub fn tail<T>(data: &[T], start: usize) -> &[T] {
    data.get(start..).unwrap_or_default()
}
