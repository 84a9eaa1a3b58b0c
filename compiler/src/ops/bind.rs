//! Bind: a computed integer becomes a dimension.
//!
//! Some recipes ask for it (the count of a TopK). Others need sizes, and the model computes them from data, as speech
//! synthesis sums up how long its sounds are: then the integers that depend on data are bound where the size is needed,
//! and what the model computes from them is an expression like any other.

use super::NodeCx;
use super::movement::{Concat, Reshape};
use crate::diag::{Diagnostic, Reported};
use crate::import::body::unbounded;
use crate::ir::{Def, Fact, Graph, NodeId, Op, Value};
use crate::lower::LowerCx;
use crate::options::DimBinding;
use crate::types::{DType, Dim, Range, Symbol, TensorType};
use std::collections::{BTreeMap, BTreeSet};

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

    fn content(&self, inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        inputs[0].ty.elements().is(1).then(|| vec![Dim::symbol(self.symbol.clone())])
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
                let Some((part, place)) = part_with(self.graph, &node.inputs, i) else { break };
                (list, i) = (part, place);
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
        let symbol = self.graph.new_symbol(name, Range { lo: 0, hi: range.hi.max(0) });
        self.bound(value, symbol.clone(), most.clone())?;
        Ok(Dim::symbol(symbol))
    }

    fn bound(&mut self, value: Value, symbol: Symbol, most: Dim) -> Result<Value, Diagnostic> {
        let value = self.cast(value, DType::I64)?;
        self.add(Bind { symbol, most }, &[value])
    }

    /// Makes expressions of the elements of `value`: binds the integers that it is computed from and that depend on data,
    /// and computes it again from these. Gives what stands for what from here on; nothing if there is no such form.
    ///
    /// # Errors
    /// If the options do not bound an integer: its size is called after its value and the place in it.
    pub fn bind_sizes(&mut self, value: Value) -> Result<BTreeMap<Value, Value>, Diagnostic> {
        let Some(origins) = Origins::of(self.graph, value) else { return Ok(BTreeMap::new()) };
        let mut instead = BTreeMap::new();
        for (source, name) in origins.sources {
            let bound = self.bind_elements(source, &name.unwrap_or_else(|| self.origin.name.clone()))?;
            instead.insert(source, bound);
        }
        for id in origins.between {
            let node = self.graph.node(id).clone();
            let inputs = node.inputs.iter().map(|v| *instead.get(v).unwrap_or(v)).collect();
            let again = self.graph.add(node.op, inputs, None, node.origins)?;
            instead.extend(node.outputs.into_iter().zip(again));
        }
        Ok(instead)
    }

    /// The same integers as symbols, which are called after `called`.
    fn bind_elements(&mut self, source: Value, called: &str) -> Result<Value, Diagnostic> {
        let (shape, dtype) = (self.shape(source), self.dtype(source));
        let count = Dim::product(&shape).as_usize().unwrap_or(0);
        let flat = self.reshape(source, vec![Dim::from(count)])?;
        let mut parts = Vec::with_capacity(count);
        for i in 0..count {
            let name = format!("{called}_{i}");
            let Some(&DimBinding::Fixed(most) | &DimBinding::Range(_, most)) =
                self.scope.options.dims.get(&name)
            else {
                return Err(unbounded(&name));
            };
            let element = self.slice(flat, 0, i, Dim::ONE)?;
            let symbol = self.graph.new_symbol(&name, Range { lo: 0, hi: most.max(1) });
            parts.push(self.bound(element, symbol, Dim::from(most.max(1)))?);
        }
        let joined = if let [one] = parts[..] { one } else { self.add(Concat { axis: 0 }, &parts)? };
        let joined = self.cast(joined, dtype)?;
        self.reshape(joined, shape)
    }
}

/// Which of joined lists has element `i`, and where; nothing if that depends on the size of one.
fn part_with(graph: &Graph, parts: &[Value], mut i: usize) -> Option<(Value, usize)> {
    for &part in parts {
        let n = graph.ty(part).elements().as_usize()?;
        if i < n {
            return Some((part, i));
        }
        i -= n;
    }
    None
}

/// At most this many integers are bound at once: a shape and no data.
const MOST: i64 = 8;

/// Where a value's elements come from.
struct Origins {
    /// Integers that are computed from data, and what the model calls them or what it makes of them first.
    sources: BTreeMap<Value, Option<String>>,
    /// The nodes between these and the value, in order: their results are expressions where their inputs are.
    between: BTreeSet<NodeId>,
}

impl Origins {
    /// `None` if an input of the program or too many elements are among them.
    fn of(graph: &Graph, value: Value) -> Option<Origins> {
        let mut origins = Origins { sources: BTreeMap::new(), between: BTreeSet::new() };
        let (mut open, mut seen) = (vec![(value, None)], BTreeSet::new());
        while let Some((value, next)) = open.pop() {
            let data = graph.value(value);
            let name = data.name.clone().or(next);
            if data.content.is_some() || !seen.insert(value) {
                continue;
            }
            let Def::Node(id, _) = data.def else { return None };
            if data.ty.elements().as_i64().is_none_or(|n| n > MOST) {
                return None;
            }
            if graph.passes_content(id) {
                origins.between.insert(id);
                open.extend(graph.node(id).inputs.iter().map(|&v| (v, name.clone())));
            } else if data.ty.dtype.is_int() {
                origins.sources.insert(value, name);
            } else {
                return None;
            }
        }
        Some(origins)
    }
}
