//! What a core operator is to this compiler.

use super::content::Sizes;
use super::graph::Graph;
use crate::diag::{Diagnostic, Reported};
use crate::lir::Packing;
use crate::lower::LowerCx;
use crate::types::{Dim, Symbol, Tensor, TensorType};
use std::any::Any;
use std::fmt::Debug;

/// What is known of an input where types are inferred.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    /// Element type and shape.
    pub ty: &'a TensorType,
    /// Its elements, if it is a constant.
    pub constant: Option<&'a Tensor>,
    /// Its elements as expressions of symbols, if it is a small integer tensor that holds dimensions.
    pub content: Option<&'a [Dim]>,
    /// What is known of sizes.
    pub sizes: Sizes<'a>,
}

/// How a node reads a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Row-major, as the model has it.
    Plain,
    /// Row-major, or slices of the first axis out of panels that another reader wants.
    Slices,
    /// In this layout, or row-major if the constant must be stored so for others.
    Packed(Packing),
}

/// A core operator: one kind of node of the graph.
///
/// Three duties (`infer`, `eval`, `lower`) and capabilities with defaults, which passes ask instead of names.
pub trait Op: Any + Debug {
    /// The kind of node in dumps and reports.
    fn name(&self) -> &'static str;

    /// Output types from input types; the only shape rule of this operator.
    ///
    /// # Errors
    /// If the inputs do not fit the operator. The caller adds the node.
    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic>;

    /// Elements of the outputs as expressions of symbols, for operators that shape computations are made of.
    fn content(&self, _inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        None
    }

    /// The meaning, unhurried: constant folding runs it. `None`: this operator is not folded.
    fn eval(&self, _inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        None
    }

    /// Steps for the target. Chooses kernels, asks for packed weights, never prints text.
    ///
    /// # Errors
    /// If the node has no lowering; the problem is recorded in the context.
    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported>;

    /// Whether a map of the result can be computed while the result is stored. `lower` must then read
    /// [`LowerCx::epilogue`].
    fn accepts_epilogue(&self) -> bool {
        false
    }

    /// This operator on inputs whose axes are permuted (`new[i] = old[perm[i]]`), such that its outputs are permuted
    /// alike. Every input has the rank of `perm`. `None`: axes of this operator cannot be permuted.
    fn permuted(&self, _perm: &[usize]) -> Option<Box<dyn Op>> {
        None
    }

    /// The input that the result is linear in, slice by slice: which input, and its axis whose slices are the weights of
    /// the elements of the result's last axis.
    fn weight_lanes(&self, _inputs: &[&TensorType]) -> Option<(usize, usize)> {
        None
    }

    /// How `lower` reads input `i` if it is a constant. The layout of a constant is chosen over all its readers.
    fn reading(&self, _i: usize, _inputs: &[&TensorType]) -> Reading {
        Reading::Plain
    }

    /// Symbols that get their values when the node runs.
    fn defines(&self) -> Vec<Symbol> {
        Vec::new()
    }

    /// Whether the node is needed even if nobody reads its results, and is not the same as another that looks alike.
    fn has_effect(&self) -> bool {
        !self.defines().is_empty() || !self.bodies().is_empty()
    }

    /// The graphs that it runs. The last inputs of each are the last inputs of the node: what they read from outside.
    fn bodies(&self) -> Vec<&Graph> {
        Vec::new()
    }

    /// How many of the first inputs of its graphs are its own, not read from outside.
    fn carried(&self) -> usize {
        0
    }

    /// This operator with other graphs in the place of [`Self::bodies`].
    fn with_bodies(&self, _bodies: Vec<Graph>) -> Option<Box<dyn Op>> {
        None
    }

    /// Whether the first output can be written with strides (into a part of a larger buffer).
    fn writes_strided(&self) -> bool {
        false
    }
}

impl dyn Op {
    /// This operator as a concrete one.
    pub fn downcast<T: Op>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}
