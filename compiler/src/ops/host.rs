//! Constants as slices of Rust types, so that operators can be evaluated on the host by the kernels of the target.

use crate::types::{DType, Tensor};
use half::{bf16, f16};
use ingrain_kernels::element::Number;

/// A Rust type that stores elements of tensors.
pub(crate) trait Stored: Number {
    /// The element that these little-endian bytes are.
    fn read(bytes: &[u8]) -> Self;
    /// Appends the little-endian bytes of an element.
    fn write(self, bytes: &mut Vec<u8>);
}

macro_rules! stored {
    ($($t:ident)*) => { $(
        impl Stored for $t {
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$t>()];
                own.copy_from_slice(bytes);
                $t::from_le_bytes(own)
            }
            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )* };
}

stored! { f32 f64 f16 bf16 i8 i16 i32 i64 u8 u16 u32 u64 }

/// The elements of a tensor of that type.
pub(crate) fn elements<T: Stored>(tensor: &Tensor) -> Vec<T> {
    tensor.bytes().chunks_exact(size_of::<T>()).map(T::read).collect()
}

/// A tensor of these elements; `None` if their number does not fit the shape.
pub(crate) fn tensor<T: Stored>(dtype: DType, shape: Vec<usize>, elements: &[T]) -> Option<Tensor> {
    let mut bytes = Vec::with_capacity(size_of_val(elements));
    for &element in elements {
        element.write(&mut bytes);
    }
    Tensor::new(dtype, shape, bytes.into())
}

/// Evaluates an expression with `$t` standing for the Rust type that stores elements of type `$dtype`.
macro_rules! with_type {
    ($dtype:expr, $t:ident => $body:expr) => {{
        use $crate::types::DType;
        match $dtype {
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F64 => {
                type $t = f64;
                $body
            }
            DType::F16 => {
                type $t = half::f16;
                $body
            }
            DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            DType::I8 => {
                type $t = i8;
                $body
            }
            DType::I16 => {
                type $t = i16;
                $body
            }
            DType::I32 => {
                type $t = i32;
                $body
            }
            DType::I64 => {
                type $t = i64;
                $body
            }
            DType::U8 | DType::Bool => {
                type $t = u8;
                $body
            }
            DType::U16 => {
                type $t = u16;
                $body
            }
            DType::U32 => {
                type $t = u32;
                $body
            }
            DType::U64 => {
                type $t = u64;
                $body
            }
        }
    }};
}
pub(crate) use with_type;

/// Evaluates an expression with `$n` standing for the number of bytes of an element, for kernels that only move
/// elements.
macro_rules! with_size {
    ($size:expr, $n:ident => $body:expr) => {
        match $size {
            1 => {
                const $n: usize = 1;
                $body
            }
            2 => {
                const $n: usize = 2;
                $body
            }
            4 => {
                const $n: usize = 4;
                $body
            }
            _ => {
                const $n: usize = 8;
                $body
            }
        }
    };
}
pub(crate) use with_size;
