//! From the bytes of an ONNX file to the graph: decoding, resolving, inlining of local functions.

pub mod attributes;
pub mod body;
pub mod external;
mod functions;
pub mod graph;
pub mod proto;
pub mod raw;
pub(crate) mod symbols;
pub mod tensor;
pub mod text;
