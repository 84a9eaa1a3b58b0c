//! Whether the types in an expression fit together.

use super::{Expr, ExprKind};
use crate::types::DType;

impl Expr {
    /// Two element types that one node mixes, if one does.
    pub fn mixed_types(&self) -> Option<(DType, DType)> {
        let differ = |a: DType, b: DType| (a != b).then_some((a, b));
        self.nodes().find_map(|(_, node)| {
            let of = |id| self.node(id).dtype;
            match node.kind {
                ExprKind::Binary(_, a, b) => differ(of(a), of(b)).or_else(|| differ(of(a), node.dtype)),
                ExprKind::Compare(_, a, b) => differ(of(a), of(b)),
                ExprKind::Select(c, a, b) => differ(of(a), of(b)).or_else(|| differ(of(c), DType::Bool)),
                _ => None,
            }
        })
    }
}
