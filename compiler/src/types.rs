//! The shared vocabulary: element types, symbolic dimensions, shapes and constant tensors.

pub mod content;
pub mod dim;
pub mod dtype;
pub mod origin;
pub mod scalar;
pub mod tensor;

pub use content::{Contents, Identity};
pub use dim::{Dim, Range, Symbol, Symbols};
pub use dtype::DType;
pub use origin::Origin;
pub use scalar::Scalar;
pub use tensor::{Standing, Tensor};

use std::fmt;

/// Extents of a tensor, outermost axis first.
pub type Shape = Vec<Dim>;

/// Element type and shape of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Extents.
    pub shape: Shape,
}

impl TensorType {
    /// A tensor type from its parts.
    pub fn new(dtype: DType, shape: Shape) -> Self {
        Self { dtype, shape }
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn elements(&self) -> Dim {
        Dim::product(&self.shape)
    }

    /// The shape in numbers, if no dimension is symbolic.
    pub fn fixed_shape(&self) -> Option<Vec<usize>> {
        self.shape.iter().map(Dim::as_usize).collect()
    }
}

impl fmt::Display for TensorType {
    /// The text form of the IR dumps and of diagnostics: `f32[1,batch,3*seq]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (i, dim) in self.shape.iter().enumerate() {
            write!(f, "{}{dim}", if i == 0 { "" } else { "," })?;
        }
        f.write_str("]")
    }
}
