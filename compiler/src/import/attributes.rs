//! Typed reading of a node's attributes.
//!
//! The reader remembers which attributes were asked for, so that one that nobody understands is noticed.

use super::raw::{RawAttribute, RawGraph, RawNode, RawType};
use crate::diag::{Code, Diagnostic};
use crate::types::Tensor;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Reads the attributes of one node. A missing attribute is `None`, one of another type is
/// [`Code::BadAttribute`] at the node.
pub struct AttributeReader<'a> {
    node: &'a RawNode,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> AttributeReader<'a> {
    /// A reader that has read nothing.
    pub fn new(node: &'a RawNode) -> AttributeReader<'a> {
        AttributeReader { node, read: RefCell::default() }
    }

    /// Whether the node has the attribute. This counts as reading it.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// The attribute, whatever it holds.
    pub fn raw(&self, name: &str) -> Option<&'a RawAttribute> {
        let found = self.node.attributes.get(name)?;
        self.read.borrow_mut().insert(name.to_owned());
        Some(found)
    }

    /// An INT.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn int(&self, name: &str) -> Result<Option<i64>, Diagnostic> {
        self.typed(name, "INT", |a| if let RawAttribute::Int(v) = a { Some(*v) } else { None })
    }

    /// An INT, or its default.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn int_or(&self, name: &str, default: i64) -> Result<i64, Diagnostic> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// An INT that means true if it is not zero, or its default.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn bool_or(&self, name: &str, default: bool) -> Result<bool, Diagnostic> {
        Ok(self.int(name)?.map_or(default, |v| v != 0))
    }

    /// INTS. No elements are also accepted from FLOATS and STRINGS, which some exporters write for an empty list.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn ints(&self, name: &str) -> Result<Option<&'a [i64]>, Diagnostic> {
        self.typed(name, "INTS", |a| match a {
            RawAttribute::Ints(v) => Some(&v[..]),
            RawAttribute::Floats(v) if v.is_empty() => Some(&[]),
            RawAttribute::Strings(v) if v.is_empty() => Some(&[]),
            _ => None,
        })
    }

    /// A FLOAT. An INT is accepted.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn float(&self, name: &str) -> Result<Option<f32>, Diagnostic> {
        self.typed(name, "FLOAT", |a| match a {
            RawAttribute::Float(v) => Some(*v),
            RawAttribute::Int(v) => Some(*v as f32),
            _ => None,
        })
    }

    /// A FLOAT, or its default.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn float_or(&self, name: &str, default: f32) -> Result<f32, Diagnostic> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    /// FLOATS. No elements are also accepted from INTS and STRINGS.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn floats(&self, name: &str) -> Result<Option<&'a [f32]>, Diagnostic> {
        self.typed(name, "FLOATS", |a| match a {
            RawAttribute::Floats(v) => Some(&v[..]),
            RawAttribute::Ints(v) if v.is_empty() => Some(&[]),
            RawAttribute::Strings(v) if v.is_empty() => Some(&[]),
            _ => None,
        })
    }

    /// A STRING in UTF-8.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn string(&self, name: &str) -> Result<Option<&'a str>, Diagnostic> {
        self.typed(name, "STRING in UTF-8", |a| match a {
            RawAttribute::String(v) => std::str::from_utf8(v).ok(),
            _ => None,
        })
    }

    /// A STRING in UTF-8, or its default.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn string_or(&self, name: &str, default: &'a str) -> Result<&'a str, Diagnostic> {
        Ok(self.string(name)?.unwrap_or(default))
    }

    /// STRINGS in UTF-8. No elements are also accepted from INTS and FLOATS.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn strings(&self, name: &str) -> Result<Option<Vec<&'a str>>, Diagnostic> {
        self.typed(name, "STRINGS in UTF-8", |a| match a {
            RawAttribute::Strings(v) => v.iter().map(|s| std::str::from_utf8(s).ok()).collect(),
            RawAttribute::Ints(v) if v.is_empty() => Some(Vec::new()),
            RawAttribute::Floats(v) if v.is_empty() => Some(Vec::new()),
            _ => None,
        })
    }

    /// A TENSOR.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn tensor(&self, name: &str) -> Result<Option<&'a Tensor>, Diagnostic> {
        self.typed(name, "TENSOR", |a| if let RawAttribute::Tensor(v) = a { Some(v) } else { None })
    }

    /// A GRAPH.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn graph(&self, name: &str) -> Result<Option<&'a RawGraph>, Diagnostic> {
        self.typed(name, "GRAPH", |a| if let RawAttribute::Graph(v) = a { Some(&**v) } else { None })
    }

    /// A TYPE_PROTO.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it holds anything else.
    pub fn type_proto(&self, name: &str) -> Result<Option<&'a RawType>, Diagnostic> {
        self.typed(name, "TYPE_PROTO", |a| if let RawAttribute::TypeProto(v) = a { Some(v) } else { None })
    }

    /// The value of an attribute that must be there, from what one of the other methods gave.
    ///
    /// # Errors
    /// [`Code::BadAttribute`] if it is missing.
    pub fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, Diagnostic> {
        value.ok_or_else(|| self.bad(name, "is missing"))
    }

    /// A diagnostic about the attribute `name`; `what` goes on after the name.
    pub fn bad(&self, name: &str, what: &str) -> Diagnostic {
        Diagnostic::new(Code::BadAttribute, format!("the attribute \"{name}\" {what}")).at(&self.node.origin)
    }

    /// The attributes that nobody asked for.
    pub fn unread(&self) -> Vec<&'a str> {
        let read = self.read.borrow();
        self.node.attributes.keys().filter(|name| !read.contains(*name)).map(String::as_str).collect()
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        get: impl FnOnce(&'a RawAttribute) -> Option<T>,
    ) -> Result<Option<T>, Diagnostic> {
        let Some(attribute) = self.raw(name) else { return Ok(None) };
        match get(attribute) {
            Some(value) => Ok(Some(value)),
            None => Err(self.bad(name, &format!("is {} and not {expected}", attribute.kind()))),
        }
    }
}
