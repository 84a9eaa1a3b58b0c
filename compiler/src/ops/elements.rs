//! Which element types an operator takes.

use super::NodeCx;
use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::types::DType;

/// A set of element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// Every type.
    All,
    /// Floating-point and integer types.
    Numbers,
    /// Floating-point types.
    Floats,
    /// Floating-point and signed integer types.
    Signed,
    /// Integer types.
    Integers,
    /// Unsigned integer types.
    Unsigned,
    /// Truth values.
    Booleans,
}

impl Elements {
    /// Whether the set holds `dtype`.
    pub fn contains(self, dtype: DType) -> bool {
        match self {
            Elements::All => true,
            Elements::Numbers => dtype != DType::Bool,
            Elements::Floats => dtype.is_float(),
            Elements::Signed => dtype.is_float() || dtype.is_signed_int(),
            Elements::Integers => dtype.is_int(),
            Elements::Unsigned => dtype.is_int() && !dtype.is_signed_int(),
            Elements::Booleans => dtype == DType::Bool,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Elements::All => "any type",
            Elements::Numbers => "floating-point and integer types",
            Elements::Floats => "floating-point types",
            Elements::Signed => "floating-point and signed integer types",
            Elements::Integers => "integer types",
            Elements::Unsigned => "unsigned integer types",
            Elements::Booleans => "bool",
        }
    }
}

impl NodeCx<'_> {
    /// The element type of `value`, which must be one of `allowed`.
    ///
    /// # Errors
    /// If it is not.
    pub fn one_of(&self, value: Value, allowed: Elements) -> Result<DType, Diagnostic> {
        let dtype = self.dtype(value);
        if allowed.contains(dtype) {
            return Ok(dtype);
        }
        let message = format!("{} does not take elements of type {dtype}", self.origin.op);
        Err(Diagnostic::new(Code::UnsupportedType, message)
            .note(format!("it takes {}", allowed.title()))
            .help("insert a Cast before this node"))
    }

    /// The one element type of all `values`, which must be one of `allowed`.
    ///
    /// # Errors
    /// If they differ or it is not.
    pub fn same_type(&self, values: &[Value], allowed: Elements) -> Result<DType, Diagnostic> {
        let Some(&first) = values.first() else {
            return Err(Diagnostic::new(Code::BadModel, format!("{} has no inputs", self.origin.op)));
        };
        let dtype = self.one_of(first, allowed)?;
        match values.iter().map(|&v| self.dtype(v)).find(|&other| other != dtype) {
            None => Ok(dtype),
            Some(other) => {
                let message =
                    format!("inputs of {} have the element types {dtype} and {other}", self.origin.op);
                Err(Diagnostic::new(Code::BadInput, message)
                    .help("they must be of one type; insert a Cast before this node"))
            }
        }
    }
}
