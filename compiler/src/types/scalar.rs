//! One element of any type, for constants inside expressions and for folding.

use super::DType;
use half::{bf16, f16};

/// One element.
#[derive(Clone, Copy, Debug)]
pub enum Scalar {
    /// Any floating-point element; the type says how it is rounded.
    Float(DType, f64),
    /// Any integer element; `u64` is kept by its bits.
    Int(DType, i64),
    /// A truth value.
    Bool(bool),
}

impl Scalar {
    /// The element of type `dtype` nearest to `value`.
    pub fn from_f64(dtype: DType, value: f64) -> Scalar {
        match dtype {
            DType::Bool => Scalar::Bool(value != 0.0),
            DType::F32 => Scalar::Float(dtype, f64::from(value as f32)),
            DType::F64 => Scalar::Float(dtype, value),
            DType::F16 => Scalar::Float(dtype, f16::from_f64(value).to_f64()),
            DType::BF16 => Scalar::Float(dtype, bf16::from_f64(value).to_f64()),
            DType::U64 => Scalar::Int(dtype, (value as u64).cast_signed()),
            DType::I8 => Scalar::Int(dtype, i64::from(value as i8)),
            DType::I16 => Scalar::Int(dtype, i64::from(value as i16)),
            DType::I32 => Scalar::Int(dtype, i64::from(value as i32)),
            DType::I64 => Scalar::Int(dtype, value as i64),
            DType::U8 => Scalar::Int(dtype, i64::from(value as u8)),
            DType::U16 => Scalar::Int(dtype, i64::from(value as u16)),
            DType::U32 => Scalar::Int(dtype, i64::from(value as u32)),
        }
    }

    /// The element of type `dtype` that `value` wraps to.
    pub fn from_i64(dtype: DType, value: i64) -> Scalar {
        match dtype {
            DType::Bool => Scalar::Bool(value != 0),
            DType::I8 => Scalar::Int(dtype, i64::from(value as i8)),
            DType::I16 => Scalar::Int(dtype, i64::from(value as i16)),
            DType::I32 => Scalar::Int(dtype, i64::from(value as i32)),
            DType::U8 => Scalar::Int(dtype, i64::from(value as u8)),
            DType::U16 => Scalar::Int(dtype, i64::from(value as u16)),
            DType::U32 => Scalar::Int(dtype, i64::from(value as u32)),
            DType::I64 | DType::U64 => Scalar::Int(dtype, value),
            _ => Scalar::from_f64(dtype, value as f64),
        }
    }

    /// Element type.
    pub fn dtype(self) -> DType {
        match self {
            Scalar::Float(dtype, _) | Scalar::Int(dtype, _) => dtype,
            Scalar::Bool(_) => DType::Bool,
        }
    }

    /// The value as a double; exact but for 64-bit integers.
    pub fn as_f64(self) -> f64 {
        match self {
            Scalar::Float(_, v) => v,
            Scalar::Int(DType::U64, v) => v.cast_unsigned() as f64,
            Scalar::Int(_, v) => v as f64,
            Scalar::Bool(v) => f64::from(u8::from(v)),
        }
    }

    /// The value as an integer; floats are truncated.
    pub fn as_i64(self) -> i64 {
        match self {
            Scalar::Float(_, v) => v as i64,
            Scalar::Int(_, v) => v,
            Scalar::Bool(v) => i64::from(v),
        }
    }

    /// Converts as the ONNX operator Cast does.
    pub fn cast(self, to: DType) -> Scalar {
        match self {
            Scalar::Float(_, v) => Scalar::from_f64(to, v),
            Scalar::Int(DType::U64, v) if to.is_float() => Scalar::from_f64(to, v.cast_unsigned() as f64),
            Scalar::Int(_, v) => Scalar::from_i64(to, v),
            Scalar::Bool(v) => Scalar::from_i64(to, i64::from(v)),
        }
    }

    /// Appends the little-endian bytes of the element.
    pub fn write(self, bytes: &mut Vec<u8>) {
        match self {
            Scalar::Float(DType::F64, v) => bytes.extend(v.to_le_bytes()),
            Scalar::Float(DType::F16, v) => bytes.extend(f16::from_f64(v).to_le_bytes()),
            Scalar::Float(DType::BF16, v) => bytes.extend(bf16::from_f64(v).to_le_bytes()),
            Scalar::Float(_, v) => bytes.extend((v as f32).to_le_bytes()),
            Scalar::Int(dtype, v) => bytes.extend(&v.to_le_bytes()[..dtype.size()]),
            Scalar::Bool(v) => bytes.push(u8::from(v)),
        }
    }

    /// Reads the element of type `dtype` from the first bytes of `bytes`.
    pub fn read(dtype: DType, bytes: &[u8]) -> Scalar {
        let mut raw = [0_u8; 8];
        raw[..dtype.size()].copy_from_slice(&bytes[..dtype.size()]);
        let bits = i64::from_le_bytes(raw);
        match dtype {
            DType::F32 => Scalar::Float(dtype, f64::from(f32::from_bits(bits as u32))),
            DType::F64 => Scalar::Float(dtype, f64::from_bits(bits.cast_unsigned())),
            DType::F16 => Scalar::Float(dtype, f16::from_bits(bits as u16).to_f64()),
            DType::BF16 => Scalar::Float(dtype, bf16::from_bits(bits as u16).to_f64()),
            DType::Bool => Scalar::Bool(bits != 0),
            _ => Scalar::from_i64(dtype, bits),
        }
    }
}

impl PartialEq for Scalar {
    /// Equality by bits, so that NaN equals itself and 0.0 differs from -0.0.
    fn eq(&self, other: &Scalar) -> bool {
        match (self, other) {
            (Scalar::Float(a, x), Scalar::Float(b, y)) => a == b && x.to_bits() == y.to_bits(),
            (Scalar::Int(a, x), Scalar::Int(b, y)) => a == b && x == y,
            (Scalar::Bool(x), Scalar::Bool(y)) => x == y,
            _ => false,
        }
    }
}
impl Eq for Scalar {}
