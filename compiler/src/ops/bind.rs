//! Bind: a computed integer becomes a dimension.

use super::NodeCx;
use crate::diag::{Diagnostic, Reported};
use crate::import::body::unbounded;
use crate::ir::{Fact, Op, Value};
use crate::lower::LowerCx;
use crate::types::{DType, Dim, Range, Symbol, TensorType};

/// The core operator: gives a symbol the value of a 64-bit integer, which is its result too. What mentions the symbol
/// comes after it.
#[derive(Clone, Debug)]
pub struct Bind {
    /// The symbol.
    pub symbol: Symbol,
    /// The largest value it may have.
    pub most: Dim,
}

impl Op for Bind {
    fn name(&self) -> &'static str {
        "Bind"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        Ok(vec![inputs[0].ty.clone()])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let view = cx.dense_input_view(0);
        if let Some(place) = view.place() {
            cx.bind(self.symbol.clone(), place, self.most.clone());
        }
        cx.alias(0, view);
        Ok(())
    }

    fn defines(&self) -> Vec<Symbol> {
        vec![self.symbol.clone()]
    }
}

impl NodeCx<'_> {
    /// The one integer that `value` holds at run time, as a dimension. The program checks that it is not negative and
    /// at most `most`.
    ///
    /// # Errors
    /// If nothing bounds `most`.
    pub fn bind(&mut self, value: Value, name: &str, most: &Dim) -> Result<Dim, Diagnostic> {
        let Some(range) = most.range(&self.graph.symbols) else { return Err(unbounded(name)) };
        let value = self.cast(value, DType::I64)?;
        let symbol = self.graph.new_symbol(name, Range { lo: 0, hi: range.hi.max(0) });
        self.add_all(Bind { symbol: symbol.clone(), most: most.clone() }, &[value])?;
        Ok(Dim::symbol(symbol))
    }
}
