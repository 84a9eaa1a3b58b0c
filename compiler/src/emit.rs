//! From program and plan to Rust: the items of a generated module.
//!
//! The module has `Inputs`, `Outputs` and `Model`; constants that say where each value and weight lives; `run`, which
//! reads as the list of its steps; and a private function for each distinct step, named and documented after the ONNX
//! nodes it computes. A step's function calls one kernel or is a loop nest that the compiler vectorises.
//!
//! Emission decides nothing about numerics or memory: it writes down what the program and its plan say. Generated code
//! contains no `unsafe` and allocates nothing. Equal programs give equal text.

mod call;
mod choice;
mod code;
mod copy;
mod dims;
mod flow;
mod map;
mod module;
mod names;
mod nest;
mod rows;
mod scalar;
mod state;
mod step;
mod walk;

use crate::lir::Program;
use crate::plan::{Plan, Variants};
use crate::report::{Port, StepReport};
use dims::Dims;
use proc_macro2::TokenStream;

/// Names that generated functions use for their own locals.
const LOCALS: &[&str] = &[
    "sum", "product", "max", "min", "mean", "scale", "root", "log", "shared", "row", "column", "memory",
    "inputs", "kernels", "math", "rows", "operand", "batch_1", "batch_2", "batch_3",
];

/// What the module's documentation says of the model.
#[derive(Clone, Debug, Default)]
pub struct About<'a> {
    /// The model's file name.
    pub file: &'a str,
    /// Opset of the default domain.
    pub opset: i64,
    /// Whether the program maps its weights from a file.
    pub weights_in_file: bool,
    /// The sets of weights, if there are several; the plan is that of the first.
    pub variants: Option<&'a Variants>,
}

/// A module without its name.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// The items. They refer to the blob as `super::WEIGHTS`.
    pub items: TokenStream,
    /// Documentation of the module.
    pub doc: String,
    /// For each step, in the order in which they run, what computes it.
    pub steps: Vec<StepReport>,
    /// The fields of `Inputs`.
    pub inputs: Vec<Port>,
    /// The fields of `Outputs`.
    pub outputs: Vec<Port>,
}

/// What every part of the emitter sees.
struct Cx<'a> {
    program: &'a Program,
    plan: &'a Plan,
    dims: &'a Dims<'a>,
    /// Whether the program maps its weights from a file.
    weights_in_file: bool,
    variants: Option<&'a Variants>,
}

/// Writes the module of a program.
pub fn emit(program: &Program, plan: &Plan, about: &About<'_>) -> Emitted {
    let dims = Dims::new(&program.symbols);
    let mut emitted = module::emit(&Cx {
        program,
        plan,
        dims: &dims,
        weights_in_file: about.weights_in_file,
        variants: about.variants,
    });
    let macs: u64 = emitted.steps.iter().map(|s| s.macs).sum();
    emitted.doc = format!(
        "Compiled from `{}` (ONNX opset {}).\n\nMemory of a worker: {} bytes. Weights: {} bytes. \
         One run: {} steps, {macs} multiplications with accumulation.",
        names::plain(about.file),
        about.opset,
        plan.arena_bytes,
        plan.weight_bytes,
        emitted.steps.len(),
    );
    emitted
}
