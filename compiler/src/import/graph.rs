//! From the resolved file to the typed graph: each ONNX node is built by the recipe of its room.
//!
//! Building goes on past a node that fails: what depends on it is left out in silence, so that one run tells
//! everything that is wrong.

use super::attributes::AttributeReader;
use super::body::Scope;
use super::raw::{RawDim, RawGraph, RawNode, RawType, RawValue};
use super::symbols;
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::ir::graph::check_size;
use crate::ir::{Graph, Value};
use crate::ops::sequence::takes_composites;
use crate::ops::{self, NodeCx, OpDef};
use crate::options::{DimBinding, KnownValue, Options, describes};
use crate::types::{DType, Dim, Range, Symbol, TensorType};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// Builds the graph. What is wrong goes to `diagnostics`; the graph is usable only if nothing was.
pub fn build(raw: &RawGraph, options: &Options, diagnostics: &mut Diagnostics) -> Graph {
    let inner = Cell::new(0);
    let (graph, values) = (Graph::default(), BTreeMap::new());
    let mut builder = Builder { graph, values, options, diagnostics, inner: &inner };
    builder.bind_symbols(raw);
    symbols::require_sizes(raw, options, builder.diagnostics);
    for input in &raw.inputs {
        builder.input(input);
    }
    builder.replaceable(raw);
    builder.nodes(raw);
    builder.check_options(raw);
    for output in &raw.outputs {
        if let Some(&value) = builder.values.get(&output.name) {
            if builder.graph.composite(value).is_some() {
                let message = format!("the model's output \"{}\" is not a dense tensor", output.name);
                builder.diagnostics.report(Diagnostic::new(Code::UnsupportedType, message));
            }
            builder.graph.outputs.push((output.name.clone(), value));
        } else if builder.diagnostics.is_empty() {
            let message = format!("the model's output \"{}\" is never computed", output.name);
            builder.diagnostics.report(Diagnostic::new(Code::BadModel, message));
        }
    }
    builder.graph
}

/// A loop whose shapes change is built several times, and so is each loop inside of it: this bounds what nesting costs.
const MOST_INNER: usize = 1 << 13;

/// Builds the nodes of an inner graph into `graph`. `values` are those that it reads from graphs around it, and its
/// inputs. `None` if a result could not be computed, which is reported.
pub(super) fn build_inner(
    graph: Graph,
    values: BTreeMap<String, Value>,
    raw: &RawGraph,
    options: &Options,
    diagnostics: &mut Diagnostics,
    inner: &Cell<usize>,
) -> (Graph, Option<Vec<Value>>) {
    inner.set(inner.get() + 1);
    if inner.get() > MOST_INNER {
        let message = format!("graphs inside of nodes would have to be built more than {MOST_INNER} times");
        diagnostics.report(Diagnostic::new(Code::TooLarge, message).help("nest loops less deeply"));
        return (graph, None);
    }
    let mut builder = Builder { graph, values, options, diagnostics, inner };
    builder.nodes(raw);
    let results = raw.outputs.iter().map(|output| builder.values.get(&output.name).copied()).collect();
    (builder.graph, results)
}

struct Builder<'a> {
    graph: Graph,
    values: BTreeMap<String, Value>,
    options: &'a Options,
    diagnostics: &'a mut Diagnostics,
    /// How many inner graphs were built so far, also in vain.
    inner: &'a Cell<usize>,
}

impl Builder<'_> {
    /// Gives every symbol of the inputs its bounds.
    fn bind_symbols(&mut self, raw: &RawGraph) {
        let known = symbols::of_inputs(raw);
        for (name, binding) in &self.options.dims {
            let (lo, hi) = match *binding {
                DimBinding::Fixed(v) => (v, v),
                DimBinding::Range(lo, hi) => (lo, hi),
            };
            if lo < 0 || hi < lo {
                let message = format!("the bounds {lo}..={hi} of dimension \"{name}\" hold no size");
                self.diagnostics.report(Diagnostic::new(Code::BadOption, message).about("dims", name));
            } else if lo != hi && known.contains_key(name) {
                self.graph.symbols.insert(Symbol::new(name), Range { lo, hi });
            }
        }
    }

    /// Refuses options that name no symbol: no dimension of an input, none that the file declares, and none that depends
    /// on data.
    fn check_options(&mut self, raw: &RawGraph) {
        let mut known: BTreeSet<String> = symbols::of_inputs(raw).into_keys().collect();
        let declared = symbols::declared(raw);
        // Past a node that failed not all sizes are found; such a size is called after a value and an axis.
        let numbered = |name: &str| name.rsplit_once('_').is_some_and(|(_, n)| n.parse::<usize>().is_ok());
        let unsure = !self.diagnostics.is_empty();
        let found =
            |name: &str| self.graph.symbols.contains_key(&Symbol::new(name)) || unsure && numbered(name);
        let strange: Vec<&String> = self
            .options
            .dims
            .keys()
            .filter(|name| !known.contains(*name) && !declared.contains(name.as_str()) && !found(name))
            .collect();
        known.extend(self.graph.symbols.keys().map(|s| s.name().to_owned()));
        let list =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", list(&known)) };
        for name in self.options.values.keys().filter(|n| !raw.inputs.iter().any(|i| i.name == **n)) {
            let message = format!("the model has no input \"{name}\" that could have a known value");
            self.diagnostics.report(Diagnostic::new(Code::BadOption, message).about("values", name));
        }
        for name in strange {
            let message = format!("the model has no symbolic dimension \"{name}\"; {list}");
            self.diagnostics.report(
                Diagnostic::new(Code::BadOption, message)
                    .about("dims", name)
                    .help("remove the option or correct the name"),
            );
        }
    }

    fn input(&mut self, input: &RawValue) {
        if let Some(value) = self.options.values.get(&input.name) {
            self.pinned_input(input, value);
            return;
        }
        match self.input_type(input) {
            Ok(Some(ty)) => {
                let value = self.graph.add_input(&input.name, ty);
                self.values.insert(input.name.clone(), value);
            }
            Ok(None) => {}
            Err(diagnostic) => {
                self.diagnostics.report(diagnostic);
            }
        }
    }

    /// An input that is compiled for one value.
    fn pinned_input(&mut self, input: &RawValue, known: &KnownValue) {
        let tensor = match &input.ty {
            Some(RawType::Tensor { elem, dims }) => {
                let extent = |dim: &RawDim| match dim {
                    RawDim::Known(v) => usize::try_from(*v).ok(),
                    _ => None,
                };
                let extents: Option<Vec<_>> = dims.as_ref().map(|dims| dims.iter().map(extent).collect());
                DType::from_onnx(*elem).and_then(|dtype| known.to_tensor(dtype, extents.as_deref()))
            }
            _ => None,
        };
        let Some(tensor) = tensor else {
            let message = format!("the value {} does not fit the input \"{}\"", known.describe(), input.name);
            self.diagnostics.report(Diagnostic::new(Code::BadOption, message).about("values", &input.name));
            return;
        };
        self.graph.pinned.push((input.name.clone(), tensor.clone()));
        self.graph.add_input(&input.name, tensor.ty());
        let value = self.graph.add_const(tensor);
        self.values.insert(input.name.clone(), value);
    }

    /// `None` if a dimension has no size, which is reported once for all inputs.
    fn input_type(&mut self, input: &RawValue) -> Result<Option<TensorType>, Diagnostic> {
        let fault = |code, what: String| {
            Diagnostic::new(code, format!("the model's input \"{}\" {what}", input.name))
        };
        let (elem, dims) = match &input.ty {
            Some(RawType::Tensor { elem, dims: Some(dims) }) => (*elem, dims),
            Some(RawType::Tensor { .. }) | None => {
                return Err(
                    fault(Code::BadModel, "has no shape".into()).help("export the model with input shapes")
                );
            }
            Some(_) => return Err(fault(Code::UnsupportedType, "is not a dense tensor".into())),
        };
        let dtype = DType::from_onnx(elem).ok_or_else(|| {
            fault(
                Code::UnsupportedType,
                format!("has element type {}, which is not supported", DType::onnx_name(elem)),
            )
        })?;
        let mut shape = Vec::with_capacity(dims.len());
        for (axis, dim) in dims.iter().enumerate() {
            shape.push(match (dim, symbols::name(dim, &input.name, axis)) {
                (RawDim::Known(v), None) if *v >= 0 => Dim::from(*v),
                (_, Some(name)) => match self.symbol(&name) {
                    Some(dim) => dim,
                    None => return Ok(None),
                },
                _ => return Err(fault(Code::BadModel, format!("has a negative extent at axis {axis}"))),
            });
        }
        let ty = TensorType::new(dtype, shape);
        check_size(&ty, &self.graph.symbols)?;
        Ok(Some(ty))
    }

    fn symbol(&self, name: &str) -> Option<Dim> {
        Some(match *self.options.dims.get(name)? {
            DimBinding::Fixed(size) => Dim::from(size),
            DimBinding::Range(lo, hi) if lo == hi => Dim::from(lo),
            DimBinding::Range(..) => Dim::symbol(Symbol::new(name)),
        })
    }

    /// Makes inputs of the initializers that may be replaced at run time.
    fn replaceable(&mut self, raw: &RawGraph) {
        for pattern in &self.options.overridable {
            for (name, tensor) in raw.initializers.iter().filter(|(name, _)| describes(pattern, name)) {
                if !self.values.contains_key(name) {
                    let value = self.graph.add_input(name, tensor.ty());
                    self.values.insert(name.clone(), value);
                    self.graph.defaults.push(tensor.clone());
                }
            }
            if !raw.initializers.iter().any(|(name, _)| describes(pattern, name)) {
                let message = format!("no initializer has a name like \"{pattern}\"");
                let names: Vec<&str> = raw.initializers.iter().map(|(name, _)| name.as_str()).collect();
                let inner = raw.nodes.iter().any(|node| has_inner_initializer(node, pattern));
                let message = match inner {
                    true => format!(
                        "{message} in the model's own graph, and those of graphs inside of nodes cannot be replaced"
                    ),
                    false => message,
                };
                self.diagnostics.report(
                    Diagnostic::new(Code::BadOption, message)
                        .about("overridable", pattern)
                        .help(format!("{}; `*` stands for any text", nearest(pattern, &names))),
                );
            }
        }
    }

    /// The constants and nodes of a graph.
    fn nodes(&mut self, raw: &RawGraph) {
        for (name, tensor) in &raw.initializers {
            if self.graph.defaults.iter().any(|replaceable| replaceable.is(tensor))
                && self.values.contains_key(name)
            {
                continue;
            }
            let value = self.graph.add_const(tensor.clone());
            self.graph.set_name(value, name);
            self.values.insert(name.clone(), value);
        }
        let mut used: BTreeSet<&str> = raw.outputs.iter().map(|o| o.name.as_str()).collect();
        used.extend(raw.nodes.iter().flat_map(|n| n.inputs.iter().flatten().map(String::as_str)));
        used.extend(raw.nodes.iter().flat_map(captures));
        for node in &raw.nodes {
            self.node(node, raw, &used);
        }
    }

    fn node(&mut self, node: &RawNode, raw: &RawGraph, used: &BTreeSet<&str>) {
        let Some(def) = ops::find(&node.domain, &node.op_type) else {
            self.diagnostics.report(unknown_operator(node));
            return;
        };
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            match name.as_ref().map(|n| self.values.get(n)) {
                None => inputs.push(None),
                Some(Some(&value)) => inputs.push(Some(value)),
                // What this node reads failed, which is reported already.
                Some(None) => return,
            }
        }
        let composite = inputs.iter().position(|v| v.is_some_and(|v| self.graph.composite(v).is_some()));
        if let Some(i) = composite.filter(|_| !takes_composites(&node.op_type)) {
            let message = format!("input {i} is a sequence or missing, and not a tensor");
            self.diagnostics.report(Diagnostic::new(Code::BadInput, message).at(&node.origin));
            return;
        }
        if captures(node).any(|name| !self.values.contains_key(name)) {
            return;
        }
        let outputs_used: Vec<bool> =
            node.outputs.iter().map(|o| o.as_ref().is_some_and(|n| used.contains(n.as_str()))).collect();
        let (mut result, mut sizes_of) = self.recipe(def, node, raw, inputs.clone(), &outputs_used);
        // Sizes that depend on data become symbols, one value after the other.
        while let Some(value) = sizes_of.filter(|_| result.is_err()) {
            let instead = match self.bind_sizes(node, raw, value) {
                Ok(instead) if instead.is_empty() => break,
                Ok(instead) => instead,
                Err(diagnostic) => {
                    result = Err(diagnostic);
                    break;
                }
            };
            for value in self.values.values_mut().chain(inputs.iter_mut().flatten()) {
                *value = *instead.get(value).unwrap_or(value);
            }
            (result, sizes_of) = self.recipe(def, node, raw, inputs.clone(), &outputs_used);
        }
        match result {
            Ok(values) => {
                for (name, value) in node.outputs.iter().zip(values) {
                    if let Some(name) = name {
                        self.graph.set_name(value, name);
                        self.values.insert(name.clone(), value);
                    }
                }
            }
            Err(diagnostic) => {
                let diagnostic = diagnostic.at(&node.origin);
                self.diagnostics.report(self.with_input_types(node, diagnostic));
            }
        }
    }

    /// What a node becomes, and the value whose elements it needs and that depend on data.
    fn recipe(
        &mut self,
        def: &OpDef,
        node: &RawNode,
        raw: &RawGraph,
        inputs: Vec<Option<Value>>,
        outputs_used: &[bool],
    ) -> (Result<Vec<Value>, Diagnostic>, Option<Value>) {
        let mut cx = self.node_cx(node, raw, inputs, outputs_used);
        let result = (def.build)(&mut cx).and_then(|values| {
            let unread = cx.attributes.unread();
            if unread.is_empty() {
                return Ok(values);
            }
            let names: BTreeSet<String> = unread.iter().map(|s| (*s).to_owned()).collect();
            Err(Diagnostic::new(
                Code::UnsupportedForm,
                format!("{} does not know the attribute {}", def.name, list(&names)),
            ))
        });
        (result, cx.sizes_of.take())
    }

    /// Makes expressions of the elements of a value; see [`NodeCx::bind_sizes`].
    fn bind_sizes(
        &mut self,
        node: &RawNode,
        raw: &RawGraph,
        value: Value,
    ) -> Result<BTreeMap<Value, Value>, Diagnostic> {
        self.node_cx(node, raw, Vec::new(), &[]).bind_sizes(value)
    }

    fn node_cx<'a>(
        &'a mut self,
        node: &'a RawNode,
        raw: &'a RawGraph,
        inputs: Vec<Option<Value>>,
        outputs_used: &[bool],
    ) -> NodeCx<'a> {
        NodeCx {
            graph: &mut self.graph,
            attributes: AttributeReader::new(node),
            opset: node.opset_version,
            origin: node.origin.clone(),
            inputs,
            outputs_used: outputs_used.to_vec(),
            scope: Scope {
                values: &self.values,
                options: self.options,
                diagnostics: &mut *self.diagnostics,
                output_names: &node.outputs,
                declared: raw,
                inner: self.inner,
            },
            sizes_of: Cell::new(None),
        }
    }

    fn with_input_types(&self, node: &RawNode, mut diagnostic: Diagnostic) -> Diagnostic {
        for (i, name) in node.inputs.iter().enumerate() {
            if let Some((name, value)) = name.as_ref().and_then(|n| self.values.get(n).map(|v| (n, v))) {
                // A constant that can be replaced is none that a node could need.
                let replaceable = self.options.overridable.iter().any(|pattern| describes(pattern, name))
                    && self.graph.inputs.contains(value);
                let open =
                    if replaceable { ", which `overridable` makes replaceable: leave it out" } else { "" };
                diagnostic =
                    diagnostic.note(format!("input {i}: \"{name}\" {}{open}", self.graph.ty(*value)));
            }
        }
        diagnostic.note(format!("opset {}", node.opset_version))
    }
}

/// What the graphs of a node read from graphs around them.
fn captures(node: &RawNode) -> impl Iterator<Item = &str> {
    node.attributes.values().flat_map(|a| a.graphs()).flat_map(|g| g.captures.keys()).map(String::as_str)
}

fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ")
}

fn unknown_operator(node: &RawNode) -> Diagnostic {
    let full = if node.domain.is_empty() {
        node.op_type.clone()
    } else {
        format!("{}.{}", node.domain, node.op_type)
    };
    let diagnostic = Diagnostic::new(Code::UnsupportedOperator, format!("operator {full} is not supported"))
        .at(&node.origin);
    let nearest = ops::all()
        .map(|def| (strsim::jaro_winkler(def.name, &node.op_type), def))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, def)) if def.name == node.op_type || likeness > 0.92 => {
            let domain = if def.domain.is_empty() { "ai.onnx" } else { def.domain };
            diagnostic.help(format!("did you mean {} of domain {domain}?", def.name))
        }
        _ => diagnostic.help("OPERATORS.md lists what is; an equivalent subgraph of those works as well"),
    }
}

/// Whether a graph inside of a node has an initializer whose name the pattern describes.
fn has_inner_initializer(node: &RawNode, pattern: &str) -> bool {
    node.attributes.values().flat_map(|a| a.graphs()).any(|graph| {
        graph.initializers.iter().any(|(name, _)| describes(pattern, name))
            || graph.nodes.iter().any(|node| has_inner_initializer(node, pattern))
    })
}

/// Says which names are the most like a pattern.
fn nearest(pattern: &str, names: &[&str]) -> String {
    const TOLD: usize = 3;
    let wanted = pattern.replace('*', "").to_lowercase();
    let likeness = |name: &str| {
        let name = name.to_lowercase();
        if !wanted.is_empty() && name.contains(&wanted) { 2.0 } else { strsim::jaro_winkler(&wanted, &name) }
    };
    let mut ranked: Vec<(f64, &str)> = names.iter().map(|&name| (likeness(name), name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let told: Vec<String> = ranked.iter().take(TOLD).map(|(_, name)| format!("\"{name}\"")).collect();
    match names.len() {
        0 => "the model has no initializers".to_owned(),
        n if n <= TOLD => format!("the initializers are {}", told.join(", ")),
        n => format!(
            "the nearest of {n} initializers are {} (`ingrain inspect --all` lists them)",
            told.join(", ")
        ),
    }
}
