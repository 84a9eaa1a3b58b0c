//! From messages to raw graphs: names, constants, attributes and subgraphs; calls of functions go to
//! [`crate::import::functions`].

use super::{
    RawAttribute, RawGraph, RawNode, RawType, RawValue, attribute_type, bad, domain, domain_title, order,
};
use crate::diag::{Code, Diagnostic, Diagnostics, Reported};
use crate::import::external::ExternalFiles;
use crate::import::functions::{Call, Functions};
use crate::import::proto::{
    AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, ValueInfoProto,
};
use crate::import::tensor::{read_sparse, read_tensor};
use crate::options::ExternalData;
use crate::types::{Origin, Tensor};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How deep graphs and calls may be nested together.
pub(in crate::import) const MAX_DEPTH: usize = 64;

/// Builds the graphs of one model.
pub(in crate::import) struct Builder<'a> {
    /// Local functions of the model.
    pub(in crate::import) functions: Functions<'a>,
    /// Where problems go.
    pub(in crate::import) diagnostics: &'a mut Diagnostics,
    /// Open graphs and calls.
    pub(in crate::import) depth: usize,
    opsets: &'a BTreeMap<String, i64>,
    files: ExternalFiles<'a>,
    /// Domains whose missing import was reported.
    unimported: BTreeSet<String>,
}

/// What names, operator versions and attribute references mean where a node stands.
pub(in crate::import) struct Scope {
    /// Operator versions that differ from the model's.
    pub(in crate::import) opsets: BTreeMap<String, i64>,
    /// The call whose body the node is part of.
    pub(in crate::import) call: Option<Call>,
}

/// A graph in the making.
#[derive(Default)]
pub(in crate::import) struct Draft {
    pub(in crate::import) graph: RawGraph,
    defined: HashSet<String>,
}

impl Draft {
    /// Marks values as reported.
    pub(in crate::import) fn fail(&mut self, values: impl IntoIterator<Item = Option<String>>) {
        self.graph.failed.extend(values.into_iter().flatten());
    }

    /// Adds a node; an output that is defined already is reported and dropped.
    pub(in crate::import) fn push(&mut self, mut node: RawNode, diagnostics: &mut Diagnostics) {
        for output in &mut node.outputs {
            if let Some(name) = output
                && !self.defined.insert(name.clone())
            {
                diagnostics.report(
                    bad(format!("the value \"{name}\" is defined more than once"))
                        .at(&node.origin)
                        .help("every value needs a name of its own in its graph"),
                );
                *output = None;
            }
        }
        self.graph.nodes.push(node);
    }
}

impl<'a> Builder<'a> {
    /// A builder for the graphs of `model`.
    pub(super) fn new(
        model: &'a ModelProto,
        opsets: &'a BTreeMap<String, i64>,
        external: &'a dyn ExternalData,
        diagnostics: &'a mut Diagnostics,
    ) -> Builder<'a> {
        Builder {
            functions: Functions::new(&model.functions, diagnostics),
            diagnostics,
            depth: 0,
            opsets,
            files: ExternalFiles::new(external),
            unimported: BTreeSet::new(),
        }
    }

    /// The model's graph. What is read in it must be defined in it.
    pub(super) fn model_graph(mut self, graph: &GraphProto) -> RawGraph {
        self.functions.reserve_names(graph);
        let mut scope = Scope { opsets: BTreeMap::new(), call: None };
        let mut graph = self.graph(graph, &mut scope, true);
        for (name, reader) in std::mem::take(&mut graph.captures) {
            let d = match reader {
                Some(origin) => bad(format!("the value \"{name}\" is read and defined nowhere")).at(&origin),
                None => bad(format!("the output \"{name}\" of a graph is defined nowhere")),
            };
            self.diagnostics
                .report(d.help("a value must be an input, an initializer or the output of another node"));
            graph.failed.insert(name);
        }
        graph
    }

    fn graph(&mut self, proto: &GraphProto, scope: &mut Scope, is_model: bool) -> RawGraph {
        let mut draft = Draft::default();
        draft.graph.name = proto.name.clone().unwrap_or_default();
        let inputs = self.values(&proto.input, "input", scope);
        // A model's input with an initializer is a constant (always, before IR version 4). Inputs of other graphs
        // count by position and are always given.
        let given: HashSet<String> = match is_model {
            true => HashSet::new(),
            false => inputs.iter().map(|v| v.name.clone()).collect(),
        };
        self.initializers(proto, scope, &given, &mut draft);
        let constants: HashSet<String> = match is_model {
            true => draft.defined.iter().chain(&draft.graph.failed).cloned().collect(),
            false => HashSet::new(),
        };
        for input in inputs {
            if constants.contains(&input.name) {
                continue;
            }
            if !draft.defined.insert(input.name.clone()) {
                self.diagnostics.report(bad(format!("two inputs are called \"{}\"", input.name)));
                continue;
            }
            draft.graph.inputs.push(input);
        }
        for (index, node) in proto.node.iter().enumerate() {
            self.node(index, node, scope, &mut draft);
        }
        draft.graph.outputs = self.values(&proto.output, "output", scope);
        for info in &proto.value_info {
            if let (Some(name), Some(ty)) =
                (self.name(info.name.as_deref(), scope), info.r#type.as_ref().and_then(RawType::read))
            {
                draft.graph.value_info.insert(name, ty);
            }
        }
        let Draft { mut graph, defined } = draft;
        graph.failed.retain(|name| !defined.contains(name));
        order::sort(&mut graph, &defined, self.diagnostics);
        graph
    }

    fn values(&mut self, infos: &[ValueInfoProto], what: &str, scope: &mut Scope) -> Vec<RawValue> {
        let mut values = Vec::with_capacity(infos.len());
        for (i, info) in infos.iter().enumerate() {
            match self.name(info.name.as_deref(), scope) {
                Some(name) => {
                    values.push(RawValue { name, ty: info.r#type.as_ref().and_then(RawType::read) });
                }
                None => {
                    self.diagnostics.report(bad(format!("{what} {i} of a graph has no name")));
                }
            }
        }
        values
    }

    /// What `name` is called in the graph that is being built; `None` for a value that is left out.
    fn name(&mut self, name: Option<&str>, scope: &mut Scope) -> Option<String> {
        let name = name.filter(|n| !n.is_empty())?;
        match &mut scope.call {
            None => Some(name.to_owned()),
            Some(call) => call.name(name, &mut self.functions),
        }
    }

    fn names(&mut self, names: &[String], scope: &mut Scope) -> Vec<Option<String>> {
        let mut names: Vec<_> = names.iter().map(|n| self.name(Some(n), scope)).collect();
        while names.last().is_some_and(Option::is_none) {
            names.pop();
        }
        names
    }

    fn initializers(
        &mut self,
        proto: &GraphProto,
        scope: &mut Scope,
        given: &HashSet<String>,
        draft: &mut Draft,
    ) {
        let dense = proto.initializer.iter().map(|t| (t.name.as_deref(), read_tensor(t, &self.files)));
        let sparse = proto
            .sparse_initializer
            .iter()
            .map(|s| (s.values.as_ref().and_then(|v| v.name.as_deref()), read_sparse(s, &self.files)));
        let all: Vec<(Option<&str>, Result<Tensor, Diagnostic>)> = dense.chain(sparse).collect();
        let mut position = BTreeMap::new();
        for (name, tensor) in all {
            let Some(name) = self.name(name, scope) else {
                self.diagnostics.report(bad("an initializer has no name"));
                continue;
            };
            if given.contains(&name) {
                continue;
            }
            match tensor {
                Err(d) => {
                    self.diagnostics.report(d);
                    draft.graph.failed.insert(name);
                }
                Ok(tensor) => match position.get(&name) {
                    None => {
                        position.insert(name.clone(), draft.graph.initializers.len());
                        draft.defined.insert(name.clone());
                        draft.graph.initializers.push((name, tensor));
                    }
                    Some(&at) if draft.graph.initializers[at].1 == tensor => {}
                    Some(_) => {
                        self.diagnostics
                            .report(bad(format!("two different initializers are called \"{name}\"")));
                    }
                },
            }
        }
    }

    /// Reads a node and adds it, or what it expands to, to the draft.
    pub(in crate::import) fn node(
        &mut self,
        index: usize,
        proto: &NodeProto,
        scope: &mut Scope,
        draft: &mut Draft,
    ) {
        let inputs = self.names(&proto.input, scope);
        let outputs = self.names(&proto.output, scope);
        if let Some(call) = &scope.call
            && !self.afford(proto, call)
        {
            return draft.fail(outputs);
        }
        let origin = origin(index, proto, &outputs, scope);
        let attributes = self.attributes(proto, scope, &origin);
        let (Some(op_type), Ok(attributes)) =
            (proto.op_type.as_deref().filter(|n| !n.is_empty()), attributes)
        else {
            if proto.op_type.as_deref().unwrap_or("").is_empty() {
                self.diagnostics.report(bad("a node has no operator").at(&origin));
            }
            draft.fail(outputs);
            return;
        };
        let domain = domain(proto.domain.as_deref());
        let mut node = RawNode {
            origin,
            op_type: op_type.to_owned(),
            domain: domain.to_owned(),
            opset_version: 0,
            inputs,
            outputs,
            attributes,
        };
        if let Some(function) = self.functions.find(domain, op_type, proto.overload.as_deref().unwrap_or(""))
        {
            self.call(function, node, scope, draft);
            return;
        }
        match self.opset_version(domain, scope) {
            Some(version) => {
                node.opset_version = version;
                draft.push(node, self.diagnostics);
            }
            None => {
                if self.unimported.insert(domain.to_owned()) {
                    let title = domain_title(domain);
                    let d = bad(format!("the model does not say which version of {title} it uses"));
                    self.diagnostics.report(
                        d.at(&node.origin)
                            .help(format!("add {title} with its version to opset_import of the model")),
                    );
                }
                draft.fail(node.outputs);
            }
        }
    }

    /// The version of the operators of `domain` in this scope.
    pub(in crate::import) fn opset_version(&self, domain: &str, scope: &Scope) -> Option<i64> {
        scope.opsets.get(domain).or_else(|| self.opsets.get(domain)).copied()
    }

    fn attributes(
        &mut self,
        node: &NodeProto,
        scope: &mut Scope,
        origin: &Origin,
    ) -> Result<BTreeMap<String, RawAttribute>, Reported> {
        let mut attributes = BTreeMap::new();
        let mut failed = None;
        for proto in &node.attribute {
            let name = proto.name.as_deref().unwrap_or("");
            match self.attribute(name, proto, scope, origin) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    if attributes.insert(name.to_owned(), value).is_some() {
                        let d = Diagnostic::new(Code::BadAttribute, format!("two attributes \"{name}\""));
                        failed = Some(self.diagnostics.report(d.at(origin)));
                    }
                }
                Err(reported) => failed = Some(reported),
            }
        }
        failed.map_or(Ok(attributes), Err)
    }

    /// The value of an attribute; `None` if it refers to one that the caller leaves out.
    pub(in crate::import) fn attribute(
        &mut self,
        name: &str,
        proto: &AttributeProto,
        scope: &mut Scope,
        origin: &Origin,
    ) -> Result<Option<RawAttribute>, Reported> {
        let wrong = |why: &str| {
            Diagnostic::new(Code::BadAttribute, format!("the attribute \"{name}\" {why}")).at(origin)
        };
        if let Some(reference) = proto.ref_attr_name.as_deref().filter(|r| !r.is_empty()) {
            return match &scope.call {
                Some(call) => call.attribute(reference, &mut self.functions),
                None => Err(wrong("refers to an attribute of a function, but stands in none")),
            }
            .map_err(|d| self.diagnostics.report(d));
        }
        let tensor = |t, files: &ExternalFiles<'_>| read_tensor(t, files).map_err(|d| d.at(origin));
        let sparse = |t, files: &ExternalFiles<'_>| read_sparse(t, files).map_err(|d| d.at(origin));
        let ty = |t| RawType::read(t).ok_or_else(|| wrong("holds an incomplete type"));
        let missing = || wrong("has no value");
        let value = match attribute_type(proto) {
            AttributeType::Int => Ok(RawAttribute::Int(proto.i.unwrap_or(0))),
            AttributeType::Ints => Ok(RawAttribute::Ints(proto.ints.clone())),
            AttributeType::Float => Ok(RawAttribute::Float(proto.f.unwrap_or(0.0))),
            AttributeType::Floats => Ok(RawAttribute::Floats(proto.floats.clone())),
            AttributeType::String => {
                Ok(RawAttribute::String(proto.s.as_ref().map(|s| s.to_vec()).unwrap_or_default()))
            }
            AttributeType::Strings => {
                Ok(RawAttribute::Strings(proto.strings.iter().map(|s| s.to_vec()).collect()))
            }
            AttributeType::Tensor => {
                let t = proto.t.as_deref().ok_or_else(missing);
                t.and_then(|t| tensor(t, &self.files)).map(RawAttribute::Tensor)
            }
            AttributeType::SparseTensor => {
                let t = proto.sparse_tensor.as_deref().ok_or_else(missing);
                t.and_then(|t| sparse(t, &self.files)).map(RawAttribute::Tensor)
            }
            AttributeType::Tensors => {
                let all = proto.tensors.iter().map(|t| tensor(t, &self.files)).collect::<Result<_, _>>();
                all.map(RawAttribute::Tensors)
            }
            AttributeType::SparseTensors => {
                let all =
                    proto.sparse_tensors.iter().map(|t| sparse(t, &self.files)).collect::<Result<_, _>>();
                all.map(RawAttribute::Tensors)
            }
            AttributeType::Graph => {
                let graph = proto.g.as_deref().ok_or_else(missing);
                return match graph {
                    Ok(graph) => {
                        Ok(Some(RawAttribute::Graph(Box::new(self.inner_graph(graph, scope, origin)?))))
                    }
                    Err(d) => Err(self.diagnostics.report(d)),
                };
            }
            AttributeType::Graphs => {
                let mut graphs = Vec::new();
                for graph in &proto.graphs {
                    graphs.push(self.inner_graph(graph, scope, origin)?);
                }
                Ok(RawAttribute::Graphs(graphs))
            }
            AttributeType::TypeProto => {
                proto.tp.as_deref().ok_or_else(missing).and_then(ty).map(RawAttribute::TypeProto)
            }
            AttributeType::TypeProtos => {
                proto.type_protos.iter().map(ty).collect::<Result<_, _>>().map(RawAttribute::TypeProtos)
            }
            AttributeType::Undefined => Err(missing()),
        };
        value.map(Some).map_err(|d| self.diagnostics.report(d))
    }

    fn inner_graph(
        &mut self,
        graph: &GraphProto,
        scope: &mut Scope,
        origin: &Origin,
    ) -> Result<RawGraph, Reported> {
        self.enter(origin)?;
        let graph = self.graph(graph, scope, false);
        self.depth -= 1;
        Ok(graph)
    }

    /// Goes one level deeper; whoever calls it comes back by decreasing [`Self::depth`].
    pub(in crate::import) fn enter(&mut self, origin: &Origin) -> Result<(), Reported> {
        if self.depth == MAX_DEPTH {
            let d = format!("graphs and functions are nested more than {MAX_DEPTH} deep");
            return Err(self.diagnostics.report(Diagnostic::new(Code::TooLarge, d).at(origin)));
        }
        self.depth += 1;
        Ok(())
    }
}

/// The origin of a node: nodes without a name go by their first output, nodes in functions by the path of calls.
fn origin(index: usize, node: &NodeProto, outputs: &[Option<String>], scope: &Scope) -> Origin {
    let op = node.op_type.clone().unwrap_or_default();
    let own = node.name.as_deref().filter(|n| !n.is_empty());
    match &scope.call {
        Some(call) => {
            let own = own.or_else(|| node.output.iter().map(String::as_str).find(|o| !o.is_empty()));
            Origin { index: call.index, name: format!("{}/{}", call.path, own.unwrap_or(&op)), op }
        }
        None => {
            let own = own.or_else(|| outputs.iter().flatten().map(String::as_str).next());
            Origin { index, name: own.unwrap_or("").to_owned(), op }
        }
    }
}
