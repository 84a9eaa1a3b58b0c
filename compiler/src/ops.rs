//! The rooms: every ONNX operator this compiler knows, and the core operators they are made of.
//!
//! An ONNX operator is a row ([`OpDef`]) with a recipe that builds core nodes; nobody after it knows the opset. A core
//! operator ([`crate::ir::Op`]) has a shape rule, a meaning and a lowering, all in its room.

pub mod attention;
pub mod bind;
pub mod contrib;
pub mod control;
pub mod conv;
pub mod elements;
pub mod generate;
mod host;
pub mod loss;
pub mod map;
pub mod matmul;
pub mod movement;
pub mod node;
pub mod normalize;
pub mod pointwise;
pub mod pool;
pub mod quantize;
pub mod recurrent;
pub mod reduce;
pub mod resize;
mod same;
pub mod sample;
pub mod select;
pub mod sequence;
pub mod shape;
pub mod signal;
pub mod softmax;
pub mod sort;

pub use node::NodeCx;

use crate::diag::Diagnostic;
use crate::ir::Value;

/// The recipe of an ONNX operator: reads attributes and inputs, adds core nodes, gives one value per output.
pub type Build = fn(&mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic>;

/// An ONNX operator.
#[derive(Debug)]
pub struct OpDef {
    /// Name in ONNX spelling.
    pub name: &'static str,
    /// Domain; `""` is the default one.
    pub domain: &'static str,
    /// Opset versions that changed it and that the recipe covers, oldest first.
    pub since: &'static [i64],
    /// What it computes, in one sentence.
    pub doc: &'static str,
    /// The recipe.
    pub build: Build,
}

impl OpDef {
    /// An operator of the default domain.
    const fn onnx(name: &'static str, since: &'static [i64], doc: &'static str, build: Build) -> OpDef {
        OpDef { name, domain: "", since, doc, build }
    }
}

/// Every room, in documentation order.
static ROOMS: &[&[OpDef]] = &[
    pointwise::arithmetic::ROOM,
    pointwise::activation::ROOM,
    pointwise::logic::ROOM,
    pointwise::rounding::ROOM,
    pointwise::cast::ROOM,
    generate::ROOM,
    reduce::ROOM,
    softmax::ROOM,
    normalize::ROOM,
    loss::ROOM,
    matmul::ROOM,
    recurrent::ROOM,
    attention::ROOM,
    conv::ROOM,
    pool::ROOM,
    quantize::ROOM,
    movement::ROOM,
    select::ROOM,
    sort::ROOM,
    resize::ROOM,
    sample::ROOM,
    signal::ROOM,
    contrib::activation::ROOM,
    contrib::norm::ROOM,
    contrib::gates::ROOM,
    contrib::product::ROOM,
    contrib::bits::ROOM,
    contrib::position::ROOM,
    contrib::quantized::ROOM,
    contrib::same::ROOM,
    control::ROOM,
    sequence::ROOM,
];

/// Every ONNX operator, in documentation order.
pub fn all() -> impl Iterator<Item = &'static OpDef> {
    ROOMS.iter().flat_map(|room| room.iter())
}

/// The operator `name` of `domain`.
pub fn find(domain: &str, name: &str) -> Option<&'static OpDef> {
    all().find(|def| def.name == name && def.domain == domain)
}
