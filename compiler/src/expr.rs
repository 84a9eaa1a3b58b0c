//! Scalar expressions: the body of every fused loop.
//!
//! An [`Expr`] is a DAG in SSA form over the elements of some input tensors at one point of an iteration space. It may
//! reduce over the trailing axes of that space (the *row*), so that softmax and layer normalisation are expressions
//! like any other: `exp(x - max(x))` in which `max` runs over the row. Expressions compose, which is all that fusing
//! pointwise operators and row kernels takes.
//!
//! Half-precision values are computed in f32 and rounded where they are cast or stored.

mod affine;
mod build;
mod check;
mod eval;
mod print;
mod rewrite;

pub use affine::Affine;
pub use build::ExprBuilder;
pub use eval::{apply_binary, apply_compare, apply_unary, combine, evaluate, reduction_identity};

use crate::types::{DType, Dim, Scalar};

/// A node of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// A function of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// Sign change; wraps for integers.
    Neg,
    /// Magnitude.
    Abs,
    /// -1, 0 or 1 by sign; NaN stays.
    Sign,
    /// `1 / x`.
    Reciprocal,
    /// Square root.
    Sqrt,
    /// Exponential.
    Exp,
    /// Natural logarithm.
    Log,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Tangent.
    Tan,
    /// Inverse sine.
    Asin,
    /// Inverse cosine.
    Acos,
    /// Inverse tangent.
    Atan,
    /// Hyperbolic sine.
    Sinh,
    /// Hyperbolic cosine.
    Cosh,
    /// Hyperbolic tangent.
    Tanh,
    /// Inverse hyperbolic sine.
    Asinh,
    /// Inverse hyperbolic cosine.
    Acosh,
    /// Inverse hyperbolic tangent.
    Atanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Error function.
    Erf,
    /// Largest integer not above.
    Floor,
    /// Smallest integer not below.
    Ceil,
    /// Nearest integer, ties to even.
    Round,
    /// Whether the value is not a number.
    IsNan,
    /// Logical not of a truth value, bitwise not of an integer.
    Not,
}

/// A function of two elements of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// Sum; wraps for integers.
    Add,
    /// Difference; wraps for integers.
    Sub,
    /// Product; wraps for integers.
    Mul,
    /// Quotient; truncates for integers, and division by zero gives zero there.
    Div,
    /// Remainder with the divisor's sign (Python's `%`).
    Mod,
    /// Remainder with the dividend's sign (C's `fmod`).
    Fmod,
    /// Power.
    Pow,
    /// The smaller; NaN if either is.
    Min,
    /// The larger; NaN if either is.
    Max,
    /// Logical or bitwise and.
    And,
    /// Logical or bitwise or.
    Or,
    /// Logical or bitwise exclusive or.
    Xor,
    /// Left shift of an unsigned integer.
    ShiftLeft,
    /// Right shift of an unsigned integer.
    ShiftRight,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// `a == b`.
    Equal,
    /// `a < b`.
    Less,
    /// `a <= b`.
    LessOrEqual,
    /// `a > b`.
    Greater,
    /// `a >= b`.
    GreaterOrEqual,
}

/// A reduction over the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Sum.
    Sum,
    /// Product.
    Prod,
    /// Largest.
    Max,
    /// Smallest.
    Min,
}

/// What a node computes. Operands are earlier nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// The element of input tensor `.0` at this point.
    Input(usize),
    /// A constant.
    Const(Scalar),
    /// The index along axis `.0` of the iteration space, as i64.
    Index(usize),
    /// The number of elements of a row.
    RowLength,
    /// A dimension as a number, such as how many positions a cache holds. Numbers are [`ExprKind::Const`].
    Size(Dim),
    /// A function of one element.
    Unary(Unary, ExprId),
    /// A function of two elements.
    Binary(Binary, ExprId, ExprId),
    /// A comparison.
    Compare(Compare, ExprId, ExprId),
    /// The second where the first holds, else the third.
    Select(ExprId, ExprId, ExprId),
    /// Conversion to the node's type, as the operator Cast does.
    Cast(ExprId),
    /// A reduction over the row.
    Reduce(Reduction, ExprId),
}

/// A node: what it computes and the type of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprNode {
    /// What it computes.
    pub kind: ExprKind,
    /// Type of the result.
    pub dtype: DType,
}

/// A scalar expression. Nodes are in evaluation order and all of them are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    nodes: Vec<ExprNode>,
    output: ExprId,
}

impl Expr {
    /// The nodes in evaluation order.
    pub fn nodes(&self) -> impl Iterator<Item = (ExprId, ExprNode)> + '_ {
        (0_u32..).map(ExprId).zip(self.nodes.iter().cloned())
    }

    /// One node.
    pub fn node(&self, id: ExprId) -> ExprNode {
        self.nodes[id.0 as usize].clone()
    }

    /// The node whose value is the result.
    pub fn output(&self) -> ExprId {
        self.output
    }

    /// Type of the result.
    pub fn dtype(&self) -> DType {
        self.node(self.output).dtype
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: an expression has a result.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether anything is reduced over the row.
    pub fn has_reductions(&self) -> bool {
        self.nodes.iter().any(|n| matches!(n.kind, ExprKind::Reduce(..)))
    }

    /// Whether it asks for an index of its point.
    pub fn has_indices(&self) -> bool {
        self.nodes.iter().any(|n| matches!(n.kind, ExprKind::Index(_)))
    }

    /// The input that this expression returns unchanged, if that is all it does.
    pub fn as_identity(&self) -> Option<usize> {
        match self.node(self.output).kind {
            ExprKind::Input(i) => Some(i),
            _ => None,
        }
    }

    /// Type in which input `index` is read; `None` if it is not read.
    pub fn input_dtype(&self, index: usize) -> Option<DType> {
        self.nodes.iter().find(|n| n.kind == ExprKind::Input(index)).map(|n| n.dtype)
    }
}

impl ExprKind {
    /// The operands.
    pub fn operands(&self) -> impl Iterator<Item = ExprId> {
        let list = match *self {
            ExprKind::Input(_)
            | ExprKind::Const(_)
            | ExprKind::Index(_)
            | ExprKind::RowLength
            | ExprKind::Size(_) => [None; 3],
            ExprKind::Unary(_, a) | ExprKind::Cast(a) | ExprKind::Reduce(_, a) => [Some(a), None, None],
            ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) => [Some(a), Some(b), None],
            ExprKind::Select(a, b, c) => [Some(a), Some(b), Some(c)],
        };
        list.into_iter().flatten()
    }
}
