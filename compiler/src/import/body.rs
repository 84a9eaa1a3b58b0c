//! Graphs inside of nodes: the branches of an If, the body of a Loop.
//!
//! An inner graph is either built into the graph around it, where it certainly runs, or becomes a graph of its own. Then
//! what it reads from outside becomes its inputs; constants it takes over.

use super::graph::build_inner;
use super::raw::{RawDim, RawGraph, RawType};
use super::symbols::option_key;
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::ir::{Composite, Graph, Value};
use crate::ops::NodeCx;
use crate::options::{DimBinding, Options};
use crate::types::{Dim, Range, Symbol};
use std::cell::Cell;
use std::collections::BTreeMap;

/// What a node sees of the graph that it stands in.
pub struct Scope<'a> {
    pub(super) values: &'a BTreeMap<String, Value>,
    /// The user's choices.
    pub options: &'a Options,
    /// Where problems of inner graphs go.
    pub diagnostics: &'a mut Diagnostics,
    pub(super) output_names: &'a [Option<String>],
    pub(super) declared: &'a RawGraph,
    pub(super) inner: &'a Cell<usize>,
}

/// An inner graph under construction.
pub struct Body {
    /// The graph.
    pub graph: Graph,
    /// Its inputs under their names in the file.
    pub values: BTreeMap<String, Value>,
    /// What it reads of the graph around it, each with the input that stands for it.
    pub captures: Vec<(Value, Value)>,
}

impl Body {
    /// What stands in this graph for a value of the graph around it: a constant, or a further input.
    pub fn capture(&mut self, outer: &Graph, value: Value) -> Value {
        if let Some((_, inner)) = self.captures.iter().find(|(outer, _)| *outer == value) {
            return *inner;
        }
        if let Some(composite) = outer.composite(value).cloned() {
            let composite = match composite {
                Composite::List(list) => {
                    Composite::List(list.into_iter().map(|v| self.capture(outer, v)).collect())
                }
                Composite::Stack(value) => Composite::Stack(self.capture(outer, value)),
                Composite::Absent => Composite::Absent,
            };
            return self.graph.add_composite(composite);
        }
        let data = outer.value(value);
        let name = data.name.as_deref().unwrap_or_default();
        if let Some(tensor) = outer.constant(value) {
            let inner = self.graph.add_const(tensor.clone());
            self.graph.set_name(inner, name);
            return inner;
        }
        let inner = self.graph.add_input(name, data.ty.clone());
        self.graph.set_content(inner, data.content.clone());
        self.captures.push((value, inner));
        inner
    }
}

impl NodeCx<'_> {
    /// An empty inner graph. It knows the symbols of this one.
    pub fn body(&self) -> Body {
        Body { graph: Graph::new(self.graph.symbols.clone()), values: BTreeMap::new(), captures: Vec::new() }
    }

    /// Makes a value of this graph, by its name in the file, known to an inner graph.
    pub fn capture(&self, body: &mut Body, name: &str) {
        if let Some(&outer) = self.scope.values.get(name) {
            let inner = body.capture(self.graph, outer);
            body.values.insert(name.to_owned(), inner);
        }
    }

    /// Builds the nodes of `raw` into an inner graph whose inputs are in place. `None` if that failed, which is
    /// reported.
    pub fn build_body(&mut self, body: &mut Body, raw: &RawGraph) -> Option<Vec<Value>> {
        let mut own = Diagnostics::new(self.scope.diagnostics.model());
        let results = self.try_body(body, raw, &mut own);
        self.scope.diagnostics.append(own);
        results
    }

    /// As [`Self::build_body`], but what is wrong goes to `diagnostics`.
    pub fn try_body(
        &mut self,
        body: &mut Body,
        raw: &RawGraph,
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<Value>> {
        for name in raw.captures.keys() {
            let &outer = self.scope.values.get(name)?;
            let inner = body.capture(self.graph, outer);
            body.values.insert(name.clone(), inner);
        }
        let graph = std::mem::take(&mut body.graph);
        let values = std::mem::take(&mut body.values);
        let (graph, results) =
            build_inner(graph, values, raw, self.scope.options, diagnostics, self.scope.inner);
        body.graph = graph;
        results.filter(|_| diagnostics.is_empty())
    }

    /// Builds the nodes of `raw` into this graph, with these values as its inputs. `None` if that failed, which is
    /// reported.
    pub fn inline_body(&mut self, raw: &RawGraph, given: &[Value]) -> Option<Vec<Value>> {
        let mut values: BTreeMap<String, Value> =
            raw.inputs.iter().map(|input| input.name.clone()).zip(given.iter().copied()).collect();
        for name in raw.captures.keys() {
            values.insert(name.clone(), *self.scope.values.get(name)?);
        }
        let graph = std::mem::take(self.graph);
        let Scope { options, diagnostics, inner, .. } = &mut self.scope;
        let (graph, results) = build_inner(graph, values, raw, options, diagnostics, inner);
        *self.graph = graph;
        results
    }

    /// A symbol for an extent that is known at run time only: axis `axis` of output `output`. It has the name that the
    /// file gives to that dimension, or else one made of the output's name; and the bounds that the options give to that
    /// name, as far as `range` allows.
    ///
    /// # Errors
    /// If neither bounds it.
    pub fn data_symbol(&mut self, output: usize, axis: usize, range: Range) -> Result<Symbol, Diagnostic> {
        let (name, binding) = self.data_name(output, axis);
        let range = match binding {
            Some(DimBinding::Fixed(hi) | DimBinding::Range(_, hi)) => {
                Range { lo: range.lo, hi: range.hi.min(hi.max(1)) }
            }
            None => range,
        };
        if range.hi > LARGEST_SIZE {
            return Err(unbounded(&name));
        }
        Ok(self.graph.new_symbol(&name, range))
    }

    /// A symbol for an extent that is known at run time only and that data cannot make larger than `most`.
    ///
    /// # Errors
    /// If `most` is not bounded.
    pub fn found_symbol(&mut self, output: usize, axis: usize, most: &Dim) -> Result<Symbol, Diagnostic> {
        let (name, _) = self.data_name(output, axis);
        match most.range(&self.graph.symbols) {
            Some(range) if range.hi <= LARGEST_SIZE => {
                Ok(self.graph.new_symbol(&name, Range { lo: 0, hi: range.hi.max(0) }))
            }
            _ => Err(unbounded(&name)),
        }
    }

    /// The name of such a symbol, and what the options say of it.
    pub fn data_name(&self, output: usize, axis: usize) -> (String, Option<DimBinding>) {
        let value = self.scope.output_names.get(output).and_then(Option::as_deref).unwrap_or_default();
        let declared = self.scope.declared;
        let outputs = declared.outputs.iter().filter(|o| o.name == value).find_map(|o| o.ty.as_ref());
        let ty = outputs.or_else(|| declared.value_info.get(value));
        let name = match ty {
            Some(RawType::Tensor { dims: Some(dims), .. }) => match dims.get(axis) {
                Some(RawDim::Param(name)) => Some(name.clone()),
                _ => None,
            },
            _ => None,
        };
        let name = name.unwrap_or_else(|| format!("{value}_{axis}"));
        let binding = self.scope.options.dims.get(&name).copied();
        (name, binding)
    }
}

/// Data-dependent sizes beyond this count as not bounded; the largest 32-bit integer is what exporters write for "any".
pub const LARGEST_SIZE: i64 = (1 << 31) - 2;

/// The error for a size that depends on data and has no bound.
pub fn unbounded(name: &str) -> Diagnostic {
    Diagnostic::new(Code::UnboundDim, format!("nothing bounds the size \"{name}\", which depends on data"))
        .help(format!("bound it, `dims: {{ {}: 0..=64 }}` (--dim {name}=0..=64)", option_key(name)))
        .unbound(name)
}
