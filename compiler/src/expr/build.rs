//! Building expressions: equal nodes are made once, constants are computed at once.

use super::{Binary, Compare, Expr, ExprId, ExprKind, ExprNode, Reduction, Unary};
use super::{apply_binary, apply_compare, apply_unary};
use crate::types::{DType, Dim, Scalar};

/// Makes an [`Expr`] node by node.
#[derive(Debug, Default)]
pub struct ExprBuilder {
    nodes: Vec<ExprNode>,
}

impl ExprBuilder {
    /// An empty builder.
    pub fn new() -> ExprBuilder {
        ExprBuilder::default()
    }

    /// The expression whose result is `output`; nodes that it does not need are dropped.
    pub fn finish(self, output: ExprId) -> Expr {
        Expr { nodes: self.nodes, output }.compacted()
    }

    /// Type of a node.
    pub fn dtype(&self, id: ExprId) -> DType {
        self.nodes[id.0 as usize].dtype
    }

    /// What a node computes.
    pub fn kind(&self, id: ExprId) -> ExprKind {
        self.nodes[id.0 as usize].kind.clone()
    }

    fn constant(&self, id: ExprId) -> Option<Scalar> {
        match self.kind(id) {
            ExprKind::Const(s) => Some(s),
            _ => None,
        }
    }

    /// A node of this kind and type, the existing one if there is one.
    pub fn node(&mut self, kind: ExprKind, dtype: DType) -> ExprId {
        let node = ExprNode { kind, dtype };
        let at = self.nodes.iter().position(|n| *n == node).unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        });
        ExprId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// The element of input `index`, of type `dtype`.
    pub fn input(&mut self, index: usize, dtype: DType) -> ExprId {
        self.node(ExprKind::Input(index), dtype)
    }

    /// A constant.
    pub fn scalar(&mut self, value: Scalar) -> ExprId {
        self.node(ExprKind::Const(value), value.dtype())
    }

    /// A constant of the type of `like`.
    pub fn number(&mut self, like: ExprId, value: f64) -> ExprId {
        let dtype = self.dtype(like);
        self.scalar(Scalar::from_f64(dtype, value))
    }

    /// The index along an axis of the iteration space, as i64.
    pub fn index(&mut self, axis: usize) -> ExprId {
        self.node(ExprKind::Index(axis), DType::I64)
    }

    /// The number of elements of a row, as `dtype`.
    pub fn row_length(&mut self, dtype: DType) -> ExprId {
        self.node(ExprKind::RowLength, dtype)
    }

    /// A dimension as a number of type `dtype`.
    pub fn size(&mut self, dim: Dim, dtype: DType) -> ExprId {
        match dim.as_i64() {
            Some(value) => self.scalar(Scalar::from_i64(dtype, value)),
            None => self.node(ExprKind::Size(dim), dtype),
        }
    }

    /// A function of one element.
    pub fn unary(&mut self, op: Unary, a: ExprId) -> ExprId {
        let dtype = if op == Unary::IsNan { DType::Bool } else { self.dtype(a) };
        match self.constant(a) {
            Some(s) => self.scalar(apply_unary(op, s)),
            None => self.node(ExprKind::Unary(op, a), dtype),
        }
    }

    /// A function of two elements of one type.
    pub fn binary(&mut self, op: Binary, a: ExprId, b: ExprId) -> ExprId {
        if let (Some(x), Some(y)) = (self.constant(a), self.constant(b)) {
            return self.scalar(apply_binary(op, x, y));
        }
        if let Some(same) = self.simplify_binary(op, a, b) {
            return same;
        }
        if op == Binary::Div
            && let Some(factor) = self.constant(b).and_then(exact_reciprocal)
        {
            let factor = self.scalar(factor);
            return self.mul(a, factor);
        }
        let dtype = self.dtype(a);
        self.node(ExprKind::Binary(op, a, b), dtype)
    }

    /// Identities that hold bit for bit.
    fn simplify_binary(&self, op: Binary, a: ExprId, b: ExprId) -> Option<ExprId> {
        if let (Binary::And | Binary::Or, Some(same)) = (op, self.known_truth(op, a, b)) {
            return Some(same);
        }
        let is = |id: ExprId, value: f64| self.constant(id).is_some_and(|s| s.as_f64() == value);
        match op {
            Binary::Mul if is(b, 1.0) => Some(a),
            Binary::Mul if is(a, 1.0) => Some(b),
            Binary::Div | Binary::Pow if is(b, 1.0) => Some(a),
            Binary::Sub if is(b, 0.0) => Some(a),
            Binary::Add if is(b, 0.0) && !self.dtype(a).is_float() => Some(a),
            Binary::Add if is(a, 0.0) && !self.dtype(a).is_float() => Some(b),
            _ => None,
        }
    }

    /// What `and` or `or` is when one side is a constant truth value.
    fn known_truth(&self, op: Binary, a: ExprId, b: ExprId) -> Option<ExprId> {
        let choose = |constant: ExprId, other: ExprId| match self.constant(constant) {
            Some(Scalar::Bool(value)) => Some(if value == (op == Binary::And) { other } else { constant }),
            _ => None,
        };
        choose(a, b).or_else(|| choose(b, a))
    }

    /// `a + b`.
    pub fn add(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Binary::Add, a, b)
    }

    /// `a - b`.
    pub fn sub(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Binary::Sub, a, b)
    }

    /// `a * b`.
    pub fn mul(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Binary::Mul, a, b)
    }

    /// `a / b`.
    pub fn div(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Binary::Div, a, b)
    }

    /// The larger.
    pub fn max(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Binary::Max, a, b)
    }

    /// The smaller.
    pub fn min(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Binary::Min, a, b)
    }

    /// A comparison.
    pub fn compare(&mut self, op: Compare, a: ExprId, b: ExprId) -> ExprId {
        match (self.constant(a), self.constant(b)) {
            (Some(x), Some(y)) => self.scalar(Scalar::Bool(apply_compare(op, x, y))),
            _ => self.node(ExprKind::Compare(op, a, b), DType::Bool),
        }
    }

    /// `a` where `condition` holds, else `b`.
    pub fn select(&mut self, condition: ExprId, a: ExprId, b: ExprId) -> ExprId {
        match self.constant(condition) {
            Some(Scalar::Bool(true)) => a,
            Some(Scalar::Bool(false)) => b,
            _ if a == b => a,
            _ => {
                let dtype = self.dtype(a);
                self.node(ExprKind::Select(condition, a, b), dtype)
            }
        }
    }

    /// Conversion to `dtype`.
    pub fn cast(&mut self, a: ExprId, dtype: DType) -> ExprId {
        match self.kind(a) {
            _ if self.dtype(a) == dtype => a,
            ExprKind::Const(s) => self.scalar(s.cast(dtype)),
            ExprKind::Size(dim) if self.dtype(a) == DType::I64 && reads_sizes(dtype) => self.size(dim, dtype),
            _ => self.node(ExprKind::Cast(a), dtype),
        }
    }

    /// A reduction over the row.
    pub fn reduce(&mut self, op: Reduction, a: ExprId) -> ExprId {
        let dtype = self.dtype(a);
        self.node(ExprKind::Reduce(op, a), dtype)
    }

    /// Copies another expression into this one: `input` says what stands for each of its inputs.
    pub fn inline(
        &mut self,
        expr: &Expr,
        input: &mut dyn FnMut(&mut ExprBuilder, usize, DType) -> ExprId,
    ) -> ExprId {
        let mut new: Vec<ExprId> = Vec::with_capacity(expr.len());
        for (_, node) in expr.nodes() {
            let id = match node.kind {
                ExprKind::Input(i) => input(self, i, node.dtype),
                _ => self.rebuilt(node, &|id| new[id.0 as usize]),
            };
            new.push(id);
        }
        new[expr.output().0 as usize]
    }

    /// A node of another expression over operands in this one.
    pub fn rebuilt(&mut self, node: ExprNode, at: &dyn Fn(ExprId) -> ExprId) -> ExprId {
        let ExprNode { kind, dtype } = node;
        match kind {
            ExprKind::Input(_) | ExprKind::Const(_) | ExprKind::Index(_) | ExprKind::RowLength => {
                self.node(kind, dtype)
            }
            ExprKind::Size(dim) => self.size(dim, dtype),
            ExprKind::Unary(op, a) => self.unary(op, at(a)),
            ExprKind::Binary(op, a, b) => self.binary(op, at(a), at(b)),
            ExprKind::Compare(op, a, b) => self.compare(op, at(a), at(b)),
            ExprKind::Select(c, a, b) => self.select(at(c), at(a), at(b)),
            ExprKind::Cast(a) => self.cast(at(a), dtype),
            ExprKind::Reduce(op, a) => self.reduce(op, at(a)),
        }
    }
}

/// The types in which a dimension is read with one conversion from 64 bits.
fn reads_sizes(dtype: DType) -> bool {
    matches!(dtype, DType::I64 | DType::I32 | DType::F32 | DType::F64)
}

/// `1 / x` for powers of two of moderate size, with which multiplying gives the same bits as dividing by `x`.
fn exact_reciprocal(x: Scalar) -> Option<Scalar> {
    let Scalar::Float(dtype, value) = x else { return None };
    let power = value.to_bits().trailing_zeros() >= 52 && (1.0 / 1024.0..=1024.0).contains(&value.abs());
    power.then(|| Scalar::from_f64(dtype, 1.0 / value))
}
