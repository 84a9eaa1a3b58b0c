//! Operators of the domain `com.microsoft`, which onnxruntime's optimiser, quantiser and exporters write, and the few that
//! they write in the default domain: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>.
//!
//! Each is a composition of core operators; what it fuses, this compiler's own passes fuse again.

pub mod activation;
pub mod bits;
pub mod gates;
pub mod norm;
pub mod position;
pub mod product;
pub mod quantized;
pub mod same;

#[cfg(test)]
mod tests;

use super::{Build, OpDef};
use crate::diag::Diagnostic;
use crate::ir::Value;

type Built = Result<Vec<Value>, Diagnostic>;

/// An operator of the domain `com.microsoft`.
const fn microsoft(name: &'static str, doc: &'static str, build: Build) -> OpDef {
    OpDef { name, domain: "com.microsoft", since: &[1], doc, build }
}
