//! Local functions: calls are replaced by the nodes of the body.
//!
//! A value of a body gets the name `CALL/VALUE`, where `CALL` is the path of node names that leads to the body, made
//! unique if the model uses that name already. Formal inputs and outputs become the caller's values, references to
//! attributes become the caller's attributes or the defaults. Expansion is bounded: a small file cannot ask for an
//! unbounded number of nodes.

use super::proto::{FunctionProto, GraphProto, NodeProto};
use super::raw::{Builder, RawAttribute, RawGraph, RawNode, Scope};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::types::Origin;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What all calls together may add, in nodes, names, attribute elements and bytes of names.
const MAX_COST: usize = 1 << 26;
/// What one node costs; so many nodes at most: 262,144.
const NODE_COST: usize = 256;

/// Domain, name and overload.
type Key = (String, String, String);

/// The functions of a model, and the names that are taken in it.
pub(super) struct Functions<'a> {
    table: HashMap<Key, &'a FunctionProto>,
    taken: HashSet<String>,
    cost: usize,
}

/// A call that is being expanded.
pub(super) struct Call {
    /// Path of node names, which starts every name in the body.
    pub(super) path: String,
    /// Index of the node in the outermost graph.
    pub(super) index: usize,
    /// Where the call stands.
    origin: Origin,
    /// What the values of the body are called outside; `None` for an input that is left out.
    names: HashMap<String, Option<String>>,
    attributes: BTreeMap<String, RawAttribute>,
    /// The functions that are open around the body, itself included.
    open: Vec<*const FunctionProto>,
}

impl<'a> Functions<'a> {
    /// The table of a model's functions.
    pub(super) fn new(functions: &'a [FunctionProto], diagnostics: &mut Diagnostics) -> Functions<'a> {
        let mut table = HashMap::with_capacity(functions.len());
        for function in functions {
            let key = (
                super::raw::domain(function.domain.as_deref()).to_owned(),
                function.name.clone().unwrap_or_default(),
                function.overload.clone().unwrap_or_default(),
            );
            let name = key.1.clone();
            if table.insert(key, function).is_some() {
                diagnostics.report(Diagnostic::new(
                    Code::BadModel,
                    format!("two local functions are called \"{name}\" in the same domain"),
                ));
            }
        }
        Functions { table, taken: HashSet::new(), cost: 0 }
    }

    /// The function that a node of this operator calls, if it calls one.
    pub(super) fn find(&self, domain: &str, op_type: &str, overload: &str) -> Option<&'a FunctionProto> {
        if self.table.is_empty() {
            return None;
        }
        self.table.get(&(domain.to_owned(), op_type.to_owned(), overload.to_owned())).copied()
    }

    /// Keeps the names that the graph uses from being given to values of bodies.
    pub(super) fn reserve_names(&mut self, graph: &GraphProto) {
        if self.table.is_empty() {
            return;
        }
        let constants =
            graph.initializer.iter().chain(graph.sparse_initializer.iter().flat_map(|s| &s.values));
        self.taken.extend(constants.filter_map(|t| t.name.clone()));
        self.taken.extend(graph.input.iter().filter_map(|v| v.name.clone()));
        for node in &graph.node {
            self.taken.extend(node.output.iter().cloned());
            for attribute in &node.attribute {
                attribute.g.iter().for_each(|g| self.reserve_names(g));
                attribute.graphs.iter().for_each(|g| self.reserve_names(g));
            }
        }
    }

    /// A name for the value `name` of the body at `path` that nothing else has.
    fn unique(&mut self, path: &str, name: &str) -> String {
        let wanted = format!("{path}/{name}");
        let mut unique = wanted.clone();
        let mut count = 1_usize;
        while !self.taken.insert(unique.clone()) {
            count += 1;
            unique = format!("{wanted}_{count}");
        }
        unique
    }

    fn afford(&mut self, cost: usize) -> Result<(), Diagnostic> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost <= MAX_COST {
            return Ok(());
        }
        let limit = MAX_COST / NODE_COST;
        Err(Diagnostic::new(Code::TooLarge, format!("local functions expand to more than {limit} nodes"))
            .help("inline fewer functions, or remove those that call each other over and over"))
    }
}

impl Call {
    /// What the body's value `name` is called outside.
    pub(super) fn name(&mut self, name: &str, functions: &mut Functions<'_>) -> Option<String> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let unique = functions.unique(&self.path, name);
        self.names.insert(name.to_owned(), Some(unique.clone()));
        Some(unique)
    }

    /// The value of the function's attribute `name`; `None` if the caller leaves it out and it has no default.
    pub(super) fn attribute(
        &self,
        name: &str,
        functions: &mut Functions<'_>,
    ) -> Result<Option<RawAttribute>, Diagnostic> {
        let Some(value) = self.attributes.get(name) else { return Ok(None) };
        functions.afford(attribute_cost(value)).map_err(|d| d.at(&self.origin))?;
        Ok(Some(value.clone()))
    }
}

impl<'a> Builder<'a> {
    /// Whether the node of a body may be expanded; if not, that is reported.
    pub(super) fn afford(&mut self, node: &NodeProto, call: &Call) -> bool {
        let values = node.input.len() + node.output.len();
        let elements = node.attribute.iter().map(|a| {
            NODE_COST / 4
                + 8 * (a.ints.len() + a.floats.len())
                + a.strings.iter().map(|s| 32 + s.len()).sum::<usize>()
        });
        let cost = NODE_COST + values * (32 + call.path.len()) + elements.sum::<usize>();
        let reported = self.functions.cost > MAX_COST;
        match self.functions.afford(cost) {
            Ok(()) => true,
            Err(_) if reported => false,
            Err(d) => {
                self.diagnostics.report(d.at(&call.origin));
                false
            }
        }
    }

    /// Puts the body of `function` in the place of `node`.
    pub(super) fn call(
        &mut self,
        function: &'a FunctionProto,
        node: RawNode,
        scope: &Scope,
        draft: &mut super::raw::Draft,
    ) {
        let open = scope.call.as_ref().map_or(&[][..], |call| &call.open);
        if let Err(d) = check(function, &node, open) {
            self.diagnostics.report(d.at(&node.origin));
            return draft.fail(node.outputs);
        }
        if self.enter(&node.origin).is_err() {
            return draft.fail(node.outputs);
        }
        let (body, passed) = self.bind(function, node, open.to_vec());
        let mut body = body;
        for (i, inner) in function.node.iter().enumerate() {
            self.node(i, inner, &mut body, draft);
        }
        let version = self.opset_version("", &body).unwrap_or(1);
        for (from, to) in passed {
            let call = body.call.as_mut();
            let Some(from) = call.and_then(|call| call.name(&from, &mut self.functions)) else { continue };
            let mut origin = body.call.as_ref().map(|call| call.origin.clone()).unwrap_or_default();
            origin.op = "Identity".to_owned();
            let identity = RawNode {
                origin,
                op_type: "Identity".to_owned(),
                domain: String::new(),
                opset_version: version,
                inputs: vec![Some(from)],
                outputs: vec![Some(to)],
                attributes: BTreeMap::new(),
            };
            draft.push(identity, self.diagnostics);
        }
        self.depth -= 1;
    }

    /// The scope of the function's body, and the outputs that no node of the body can compute because they are inputs
    /// or computed already: what they equal, and what the caller calls them.
    fn bind(
        &mut self,
        function: &'a FunctionProto,
        node: RawNode,
        mut open: Vec<*const FunctionProto>,
    ) -> (Scope, Vec<(String, String)>) {
        let mut names = HashMap::new();
        let actuals = node.inputs.into_iter().chain(std::iter::repeat(None));
        names.extend(function.input.iter().cloned().zip(actuals));
        let mut passed = Vec::new();
        let actuals = node.outputs.into_iter().chain(std::iter::repeat(None));
        for (formal, actual) in function.output.iter().zip(actuals) {
            match actual {
                Some(actual) if names.contains_key(formal) => passed.push((formal.clone(), actual)),
                Some(actual) => {
                    names.insert(formal.clone(), Some(actual));
                }
                None => {}
            }
        }
        open.push(function);
        let call = Call {
            path: if node.origin.name.is_empty() { node.op_type } else { node.origin.name.clone() },
            index: node.origin.index,
            origin: node.origin,
            names,
            attributes: node.attributes,
            open,
        };
        let opsets = super::raw::read_opsets(&function.opset_import, self.diagnostics);
        let mut scope = Scope { opsets, call: Some(call) };
        for default in &function.attribute_proto {
            let name = default.name.as_deref().unwrap_or("");
            let Some(call) = scope.call.as_ref().filter(|c| !c.attributes.contains_key(name)) else {
                continue;
            };
            let origin = call.origin.clone();
            if let Ok(Some(value)) = self.attribute(name, default, &mut scope, &origin)
                && let Some(call) = &mut scope.call
            {
                call.attributes.insert(name.to_owned(), value);
            }
        }
        (scope, passed)
    }
}

/// Whether the node may call the function.
fn check(function: &FunctionProto, node: &RawNode, open: &[*const FunctionProto]) -> Result<(), Diagnostic> {
    let name = &node.op_type;
    let bad = |code, what| Err(Diagnostic::new(code, what));
    if open.iter().any(|&f| std::ptr::eq(f, function)) {
        return bad(Code::BadModel, format!("the local function \"{name}\" calls itself"))
            .map_err(|d: Diagnostic| d.help("ONNX functions cannot be recursive; use the operator Loop"));
    }
    for (what, given, declared) in
        [("inputs", &node.inputs, &function.input), ("outputs", &node.outputs, &function.output)]
    {
        if given.len() > declared.len() {
            let (given, declared) = (given.len(), declared.len());
            let what = format!("{given} {what} for the local function \"{name}\", which has {declared}");
            return bad(Code::BadModel, what);
        }
    }
    let declared = |attribute: &str| {
        function.attribute.iter().any(|a| a == attribute)
            || function.attribute_proto.iter().any(|a| a.name.as_deref() == Some(attribute))
    };
    match node.attributes.keys().find(|a| !declared(a)) {
        Some(unknown) => {
            bad(Code::BadAttribute, format!("the local function \"{name}\" has no attribute \"{unknown}\""))
        }
        None => Ok(()),
    }
}

/// What a copy of an attribute costs.
fn attribute_cost(attribute: &RawAttribute) -> usize {
    NODE_COST
        + match attribute {
            RawAttribute::Ints(v) => 8 * v.len(),
            RawAttribute::Floats(v) => 4 * v.len(),
            RawAttribute::String(v) => v.len(),
            RawAttribute::Strings(v) => v.iter().map(|s| 32 + s.len()).sum(),
            RawAttribute::Tensors(v) => NODE_COST * v.len(),
            _ => attribute.graphs().iter().map(graph_cost).sum(),
        }
}

fn graph_cost(graph: &RawGraph) -> usize {
    let name = |n: &Option<String>| 32 + n.as_ref().map_or(0, String::len);
    let values = NODE_COST * (graph.initializers.len() + graph.inputs.len() + graph.outputs.len());
    let nodes = graph.nodes.iter().map(|node| {
        let names: usize = node.inputs.iter().chain(&node.outputs).map(name).sum();
        NODE_COST + names + node.attributes.values().map(attribute_cost).sum::<usize>()
    });
    values + nodes.sum::<usize>()
}

#[cfg(test)]
mod tests;
