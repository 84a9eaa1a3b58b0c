//! The typed graph that passes rewrite.
//!
//! After import every node is one of a few *core operators* ([`Op`]): pointwise and row maps, reductions, products,
//! convolutions, movement, selection. ONNX operators exist only in `ops`, as recipes that build core nodes. Nodes are
//! kept in evaluation order; every value has a type from the moment it is made.

mod content;
pub mod graph;
pub mod op;
mod print;
pub mod rebuild;
mod verify;

pub use content::{PARTS, Sizes, parts_of, whole};
pub use graph::{Composite, Def, Epilogue, Graph, NodeData, NodeId, Requirement, Value, ValueData};
pub use op::{Fact, Op, Reading};
pub use rebuild::Rebuild;
