//! The text of expressions in IR dumps: `max(add(%0, %1), 0)`, shared parts as `let`.

use super::{Expr, ExprId, ExprKind};
use crate::types::Scalar;
use std::fmt;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut uses = vec![0_usize; self.len()];
        for (_, node) in self.nodes() {
            for operand in node.kind.operands() {
                uses[operand.0 as usize] += 1;
            }
        }
        let named = |id: ExprId| uses[id.0 as usize] > 1 && self.node(id).kind.operands().next().is_some();
        for (id, _) in self.nodes().filter(|(id, _)| named(*id)) {
            write!(f, "let t{} = ", id.0)?;
            self.write(f, id, &|other| other != id && named(other))?;
            f.write_str("; ")?;
        }
        self.write(f, self.output(), &|id| id != self.output() && named(id))
    }
}

impl Expr {
    fn write(&self, f: &mut fmt::Formatter<'_>, id: ExprId, named: &dyn Fn(ExprId) -> bool) -> fmt::Result {
        if named(id) {
            return write!(f, "t{}", id.0);
        }
        let node = self.node(id);
        let call = |f: &mut fmt::Formatter<'_>, name: &str| {
            write!(f, "{}(", name.to_lowercase())?;
            for (i, operand) in node.kind.operands().enumerate() {
                f.write_str(if i == 0 { "" } else { ", " })?;
                self.write(f, operand, named)?;
            }
            f.write_str(")")
        };
        match node.kind {
            ExprKind::Input(i) => write!(f, "in{i}"),
            ExprKind::Const(Scalar::Float(_, v)) => write!(f, "{v:?}"),
            ExprKind::Const(s) => write!(f, "{}", s.as_i64()),
            ExprKind::Index(axis) => write!(f, "index{axis}"),
            ExprKind::RowLength => f.write_str("row_length"),
            ExprKind::Size(dim) => write!(f, "size({dim})"),
            ExprKind::Unary(op, _) => call(f, &format!("{op:?}")),
            ExprKind::Binary(op, ..) => call(f, &format!("{op:?}")),
            ExprKind::Compare(op, ..) => call(f, &format!("{op:?}")),
            ExprKind::Select(..) => call(f, "select"),
            ExprKind::Cast(_) => call(f, node.dtype.name()),
            ExprKind::Reduce(op, _) => call(f, &format!("row_{op:?}")),
        }
    }
}
