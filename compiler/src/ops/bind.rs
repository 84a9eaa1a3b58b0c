//! Bind: a computed integer becomes a dimension.

use super::NodeCx;
use super::movement::{Concat, Reshape};
use crate::diag::{Diagnostic, Reported};
use crate::import::body::unbounded;
use crate::ir::{Def, Fact, Op, Value};
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

/// One element of a list of integers.
pub enum Element {
    /// Known when the model is compiled.
    Known(Dim),
    /// Computed at run time: a 64-bit value without axes.
    Data(Value),
}

impl NodeCx<'_> {
    /// Element `i` of a list of integers. Of a list that was joined of known and computed parts, the known ones are
    /// found.
    ///
    /// # Errors
    /// If the list has no such element.
    pub fn element(&mut self, list: Value, i: usize) -> Result<Element, Diagnostic> {
        let (mut list, mut i) = (list, i);
        loop {
            let known = match (self.graph.value(list).content.as_ref(), self.constant(list)) {
                (Some(dims), _) => dims.get(i).cloned(),
                (None, Some(tensor)) => tensor.scalars().nth(i).map(|s| Dim::from(s.as_i64())),
                (None, None) => None,
            };
            if let Some(known) = known {
                return Ok(Element::Known(known));
            }
            let Def::Node(id, 0) = self.graph.value(list).def else { break };
            let node = self.graph.node(id);
            if node.epilogue.is_none() && node.is::<Concat>().is_some() && self.rank(list) == 1 {
                let mut parts = node.inputs.iter();
                let part = parts.find_map(|&part| {
                    let n = self.graph.ty(part).elements().as_usize()?;
                    let here = i < n;
                    if !here {
                        i -= n;
                    }
                    here.then_some(part)
                });
                let Some(part) = part else { break };
                list = part;
            } else if node.epilogue.is_none() && node.is::<Reshape>().is_some() {
                list = node.inputs[0];
            } else {
                break;
            }
        }
        let elements = self.ty(list).elements();
        let flat = self.reshape(list, vec![elements])?;
        let one = self.slice(flat, 0, Dim::from(i), Dim::ONE)?;
        let one = self.reshape(one, Vec::new())?;
        Ok(Element::Data(self.cast(one, DType::I64)?))
    }

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
