//! Element types and tensor constants of the text.

use super::Parser;
use super::lex::{Number, Result};
use crate::import::proto::{DimensionValue, TensorProto, TensorTypeProto, TypeProto, TypeValue};
use half::{bf16, f16};

/// The `TensorProto.DataType` number of an element type.
pub(super) fn element_type(word: &str) -> Option<i32> {
    const NAMES: [&str; 26] = [
        "float",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "double",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
        "float8e4m3fn",
        "float8e4m3fnuz",
        "float8e5m2",
        "float8e5m2fnuz",
        "uint4",
        "int4",
        "float4e2m1",
        "float8e8m0",
        "uint2",
        "int2",
    ];
    NAMES.iter().zip(1..).find(|(name, _)| **name == word).map(|(_, code)| code)
}

impl Parser<'_> {
    /// What stands after the `=` of an initializer.
    pub(super) fn constant(&mut self, name: &str, ty: Option<&TypeProto>) -> Result<TensorProto> {
        let at = self.lexer.position();
        let Some(TypeValue::TensorType(ty)) = ty.and_then(|ty| ty.value.as_ref()) else {
            return Err(self.lexer.error_at(at, format!("{name} needs a tensor type for its value")));
        };
        if self.lexer.sees("[")? {
            let mut tensor = self.empty_tensor(name, ty)?;
            tensor.external_data = self.entries()?;
            tensor.data_location = Some(1);
            return Ok(tensor);
        }
        self.tensor(name, ty)
    }

    /// A tensor after its type: `{1, 2, 3}`.
    pub(super) fn tensor(&mut self, name: &str, ty: &TensorTypeProto) -> Result<TensorProto> {
        let mut tensor = self.empty_tensor(name, ty)?;
        self.lexer.expect("{")?;
        self.list("}", |p| p.element(&mut tensor))?;
        Ok(tensor)
    }

    fn empty_tensor(&mut self, name: &str, ty: &TensorTypeProto) -> Result<TensorProto> {
        let at = self.lexer.position();
        let mut dims = Vec::new();
        for dim in ty.shape.iter().flat_map(|s| &s.dim) {
            match dim.value {
                Some(DimensionValue::DimValue(v)) => dims.push(v),
                _ => return Err(self.lexer.error_at(at, "the extents of a constant must be numbers")),
            }
        }
        let name = Some(name.to_owned()).filter(|n| !n.is_empty());
        Ok(TensorProto { name, dims, data_type: ty.elem_type, ..TensorProto::default() })
    }

    /// One element, into the field that ONNX wants it in.
    fn element(&mut self, tensor: &mut TensorProto) -> Result<()> {
        let at = self.lexer.position();
        let code = tensor.data_type.unwrap_or(0);
        if code == 8 {
            tensor.string_data.push(self.lexer.string()?.into());
            return Ok(());
        }
        let number = self.lexer.number()?;
        let float = match number {
            Number::Int(v) => v as f64,
            Number::Float(v) => v,
        };
        match code {
            1 | 14 => tensor.float_data.push(float as f32),
            11 | 15 => tensor.double_data.push(float),
            10 => tensor.int32_data.push(f16::from_f64(float).to_bits().into()),
            16 => tensor.int32_data.push(bf16::from_f64(float).to_bits().into()),
            2..=7 | 9 | 12 | 13 => {
                let Number::Int(int) = number else {
                    return Err(self.lexer.error_at(at, "expected an integer"));
                };
                match code {
                    7 => tensor.int64_data.push(int as i64),
                    12 | 13 => tensor.uint64_data.push(int as u64),
                    _ => tensor.int32_data.push(int as i32),
                }
            }
            _ => return Err(self.lexer.error_at(at, "constants of this element type cannot be written")),
        }
        Ok(())
    }
}
