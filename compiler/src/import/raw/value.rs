//! Names and types of values, as the file states them.

use crate::import::proto::{DimensionValue, TensorTypeProto, TypeProto, TypeValue};

/// An input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawValue {
    /// Name.
    pub name: String,
    /// Type, if the file states one.
    pub ty: Option<RawType>,
}

/// A type. Element types are `TensorProto.DataType` numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawType {
    /// A dense tensor.
    Tensor {
        /// Element type.
        elem: i32,
        /// Extents; `None` if not even the rank is known.
        dims: Option<Vec<RawDim>>,
    },
    /// A sparse tensor.
    SparseTensor {
        /// Element type.
        elem: i32,
        /// Extents; `None` if not even the rank is known.
        dims: Option<Vec<RawDim>>,
    },
    /// A sequence.
    Sequence(Box<RawType>),
    /// A value that may be missing.
    Optional(Box<RawType>),
    /// A map.
    Map {
        /// Type of keys.
        key: i32,
        /// Type of values.
        value: Box<RawType>,
    },
    /// A type known only by name.
    Opaque {
        /// Domain.
        domain: String,
        /// Name.
        name: String,
    },
}

/// An extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawDim {
    /// A number. It may be negative: the file says so.
    Known(i64),
    /// A symbol.
    Param(String),
    /// Not stated; several exporters write -1 for it.
    Unknown,
}

impl RawType {
    /// The type that `proto` states, if it states one.
    pub fn read(proto: &TypeProto) -> Option<RawType> {
        let inner = |ty: &Option<Box<TypeProto>>| ty.as_deref().and_then(RawType::read).map(Box::new);
        Some(match proto.value.as_ref()? {
            TypeValue::TensorType(t) => RawType::Tensor { elem: t.elem_type.unwrap_or(0), dims: dims(t) },
            TypeValue::SparseTensorType(t) => {
                RawType::SparseTensor { elem: t.elem_type.unwrap_or(0), dims: dims(t) }
            }
            TypeValue::SequenceType(s) => RawType::Sequence(inner(&s.elem_type)?),
            TypeValue::OptionalType(o) => RawType::Optional(inner(&o.elem_type)?),
            TypeValue::MapType(m) => {
                RawType::Map { key: m.key_type.unwrap_or(0), value: inner(&m.value_type)? }
            }
            TypeValue::OpaqueType(o) => RawType::Opaque {
                domain: o.domain.clone().unwrap_or_default(),
                name: o.name.clone().unwrap_or_default(),
            },
        })
    }
}

impl RawType {
    /// The names of symbolic extents, also of the elements of a sequence.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        let mut ty = self;
        while let RawType::Sequence(inner) | RawType::Optional(inner) = ty {
            ty = inner;
        }
        let dims = match ty {
            RawType::Tensor { dims: Some(dims), .. } => &dims[..],
            _ => &[],
        };
        dims.iter().filter_map(|dim| if let RawDim::Param(name) = dim { Some(name.as_str()) } else { None })
    }
}

fn dims(ty: &TensorTypeProto) -> Option<Vec<RawDim>> {
    let shape = ty.shape.as_ref()?;
    let dims = shape.dim.iter().map(|dim| match &dim.value {
        Some(DimensionValue::DimValue(-1)) | None => RawDim::Unknown,
        Some(DimensionValue::DimValue(v)) => RawDim::Known(*v),
        Some(DimensionValue::DimParam(name)) if name.is_empty() => RawDim::Unknown,
        Some(DimensionValue::DimParam(name)) => RawDim::Param(name.clone()),
    });
    Some(dims.collect())
}
