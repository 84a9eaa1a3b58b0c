//! Rewriting expressions: renumbering inputs and axes, dropping what is not needed.

use super::{Expr, ExprBuilder, ExprId, ExprKind, ExprNode};
use crate::types::Dim;

impl Expr {
    /// The expression that returns its only input.
    pub fn identity(dtype: crate::types::DType) -> Expr {
        let mut b = ExprBuilder::new();
        let x = b.input(0, dtype);
        b.finish(x)
    }

    /// Without the nodes that the result does not need.
    pub(super) fn compacted(self) -> Expr {
        let mut needed = vec![false; self.nodes.len()];
        needed[self.output.0 as usize] = true;
        for at in (0..self.nodes.len()).rev() {
            if needed[at] {
                for operand in self.nodes[at].kind.operands() {
                    needed[operand.0 as usize] = true;
                }
            }
        }
        let mut new = vec![ExprId(0); self.nodes.len()];
        let mut nodes = Vec::new();
        for (at, node) in self.nodes.iter().enumerate().filter(|(at, _)| needed[*at]) {
            new[at] = ExprId(nodes.len() as u32);
            nodes.push(ExprNode {
                kind: node.kind.clone().with_operands(&|id| new[id.0 as usize]),
                dtype: node.dtype,
            });
        }
        Expr { nodes, output: new[self.output.0 as usize] }
    }

    /// With inputs renumbered by `input`.
    pub fn with_inputs(&self, input: &dyn Fn(usize) -> usize) -> Expr {
        self.map_leaves(&|kind| match kind {
            ExprKind::Input(i) => ExprKind::Input(input(i)),
            other => other,
        })
    }

    /// With the axes of the iteration space renumbered by `axis`.
    pub fn with_axes(&self, axis: &dyn Fn(usize) -> usize) -> Expr {
        self.map_leaves(&|kind| match kind {
            ExprKind::Index(a) => ExprKind::Index(axis(a)),
            other => other,
        })
    }

    fn map_leaves(&self, leaf: &dyn Fn(ExprKind) -> ExprKind) -> Expr {
        let mut b = ExprBuilder::new();
        let mut new: Vec<ExprId> = Vec::with_capacity(self.len());
        for (_, ExprNode { kind, dtype }) in self.nodes() {
            new.push(b.node(leaf(kind.with_operands(&|id| new[id.0 as usize])), dtype));
        }
        b.finish(new[self.output.0 as usize])
    }

    /// Indices of the inputs that are read, ascending.
    pub fn inputs(&self) -> Vec<usize> {
        let mut list: Vec<usize> = self
            .nodes
            .iter()
            .filter_map(|n| match n.kind {
                ExprKind::Input(i) => Some(i),
                _ => None,
            })
            .collect();
        list.sort_unstable();
        list.dedup();
        list
    }

    /// The dimensions that are read as numbers.
    pub fn sizes(&self) -> impl Iterator<Item = &Dim> {
        self.nodes.iter().filter_map(|n| match &n.kind {
            ExprKind::Size(dim) => Some(dim),
            _ => None,
        })
    }

    /// How many nodes compute something.
    pub fn cost(&self) -> usize {
        self.nodes.iter().filter(|n| n.kind.operands().next().is_some()).count()
    }
}

impl ExprKind {
    /// The same computation over other operands.
    pub fn with_operands(self, of: &dyn Fn(ExprId) -> ExprId) -> ExprKind {
        match self {
            ExprKind::Input(_)
            | ExprKind::Const(_)
            | ExprKind::Index(_)
            | ExprKind::RowLength
            | ExprKind::Size(_) => self,
            ExprKind::Unary(op, a) => ExprKind::Unary(op, of(a)),
            ExprKind::Binary(op, a, b) => ExprKind::Binary(op, of(a), of(b)),
            ExprKind::Compare(op, a, b) => ExprKind::Compare(op, of(a), of(b)),
            ExprKind::Select(c, a, b) => ExprKind::Select(of(c), of(a), of(b)),
            ExprKind::Cast(a) => ExprKind::Cast(of(a)),
            ExprKind::Reduce(op, a) => ExprKind::Reduce(op, of(a)),
        }
    }
}
