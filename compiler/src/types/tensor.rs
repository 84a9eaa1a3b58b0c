//! Constant data.

use super::{DType, Dim, Scalar, TensorType};
use bytes::Bytes;

/// A constant: elements in row-major order, little-endian. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    data: Bytes,
    standing: Standing,
}

/// What a constant is to the models that ship together. Rewriting a graph depends on it, so that what is stored for one
/// reader is stored for all, and variants of a model become one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Whether the bytes are stored whatever becomes of this constant, because something else reads them too.
    pub kept: bool,
    /// For a constant whose elements differ between the variants of a model: a number that it has in all of them. Its
    /// elements decide nothing.
    pub role: Option<u64>,
}

impl Standing {
    /// What is computed from constants of these roles, as the result number `result` of whatever computes it.
    pub fn derived(roles: impl Iterator<Item = Option<u64>>, result: usize) -> Standing {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        let mut varies = false;
        for role in roles {
            varies |= role.is_some();
            hasher.update(&role.unwrap_or(0).to_le_bytes());
        }
        hasher.update(&result.to_le_bytes());
        Standing { kept: false, role: varies.then(|| hasher.digest()) }
    }
}

impl Tensor {
    /// A tensor over existing bytes; `None` if their number does not fit type and shape.
    pub fn new(dtype: DType, shape: Vec<usize>, data: Bytes) -> Option<Tensor> {
        let bytes = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d))?;
        (bytes == data.len()).then_some(Tensor { dtype, shape, data, standing: Standing::default() })
    }

    /// A tensor of the given elements, converted to `dtype`.
    ///
    /// # Panics
    /// If their number is not the product of `shape`.
    pub fn from_scalars(
        dtype: DType,
        shape: Vec<usize>,
        elements: impl IntoIterator<Item = Scalar>,
    ) -> Tensor {
        let mut data = Vec::new();
        for element in elements {
            element.cast(dtype).write(&mut data);
        }
        Tensor::new(dtype, shape, data.into()).expect("as many elements as the shape says")
    }

    /// A one-axis tensor of 64-bit integers.
    pub fn from_i64s(values: &[i64]) -> Tensor {
        Tensor::from_scalars(
            DType::I64,
            vec![values.len()],
            values.iter().map(|&v| Scalar::Int(DType::I64, v)),
        )
    }

    /// A float32 tensor.
    ///
    /// # Panics
    /// If the number of values is not the product of `shape`.
    pub fn from_f32s(shape: Vec<usize>, values: &[f32]) -> Tensor {
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Tensor::new(DType::F32, shape, data.into()).expect("as many values as the shape says")
    }

    /// A tensor without axes.
    pub fn scalar(value: Scalar) -> Tensor {
        Tensor::from_scalars(value.dtype(), Vec::new(), [value])
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Extents.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements' bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.data
    }

    /// Whether both are one tensor: the same bytes in memory, or few and equal ones.
    pub fn is(&self, other: &Tensor) -> bool {
        const FEW: usize = 4 << 10;
        let place = |t: &Tensor| (t.data.as_ptr(), t.data.len());
        (self.dtype, &self.shape) == (other.dtype, &other.shape)
            && (place(self) == place(other) || self.data.len() <= FEW && self.data == other.data)
    }

    /// Type and shape.
    pub fn ty(&self) -> TensorType {
        TensorType::new(self.dtype, self.shape.iter().map(|&d| Dim::from(d)).collect())
    }

    /// The same elements under another shape; `None` if their numbers differ.
    pub fn reshaped(&self, shape: Vec<usize>) -> Option<Tensor> {
        Some(Tensor::new(self.dtype, shape, self.data.clone())?.standing(self.standing))
    }

    /// The same constant with this standing.
    #[must_use]
    pub fn standing(mut self, standing: Standing) -> Tensor {
        self.standing = standing;
        self
    }

    /// Whether its bytes are stored whatever becomes of it.
    pub fn is_kept(&self) -> bool {
        self.standing.kept
    }

    /// Which constant it is in all variants of the model, if they differ in it.
    pub fn role(&self) -> Option<u64> {
        self.standing.role
    }

    /// Element `index` in row-major order.
    ///
    /// # Panics
    /// If there is no such element.
    pub fn get(&self, index: usize) -> Scalar {
        Scalar::read(self.dtype, &self.data[index * self.dtype.size()..])
    }

    /// All elements in row-major order.
    pub fn scalars(&self) -> impl Iterator<Item = Scalar> + '_ {
        self.data.chunks_exact(self.dtype.size()).map(|b| Scalar::read(self.dtype, b))
    }

    /// All elements as integers (floats truncated).
    pub fn to_i64s(&self) -> Vec<i64> {
        self.scalars().map(Scalar::as_i64).collect()
    }

    /// All elements as single-precision floats.
    pub fn to_f32s(&self) -> Vec<f32> {
        self.scalars().map(|s| s.as_f64() as f32).collect()
    }

    /// The one value that all elements have, if they do, and if they do in every variant of the model.
    pub fn splat_value(&self) -> Option<Scalar> {
        if self.standing.role.is_some() {
            return None;
        }
        let size = self.dtype.size();
        let first = self.data.get(..size)?;
        self.data.chunks_exact(size).all(|e| e == first).then(|| self.get(0))
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.ty())?;
        if self.len() <= 8 {
            write!(f, " {{")?;
            for (i, s) in self.scalars().enumerate() {
                let comma = if i == 0 { "" } else { "," };
                match s {
                    Scalar::Float(_, v) => write!(f, "{comma}{v:?}")?,
                    _ => write!(f, "{comma}{}", s.as_i64())?,
                }
            }
            write!(f, "}}")?;
        }
        Ok(())
    }
}
