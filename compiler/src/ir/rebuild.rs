//! Rewriting a graph by building a new one.
//!
//! A pass walks the old graph in order and says for each node what stands for it in the new graph. Types are inferred
//! anew on the way, and what nothing needs is left behind, so no pass edits in place or leaves dead nodes.

use super::graph::{Def, Epilogue, Graph, NodeData, Value};
use super::op::Op;
use crate::diag::Diagnostic;
use crate::types::{Origin, TensorType};
use std::rc::Rc;

/// A graph under reconstruction.
pub struct Rebuild<'a> {
    old: &'a Graph,
    /// The graph being built.
    pub new: Graph,
    map: Vec<Option<Value>>,
}

impl<'a> Rebuild<'a> {
    /// Starts a new graph with the inputs of `old`.
    pub fn new(old: &'a Graph) -> Rebuild<'a> {
        Rebuild::with_inputs(old, &|_| true)
    }

    /// Starts a new graph with some of the inputs of `old`. Nothing may read the others, or else [`Self::set`] must say
    /// what stands for them.
    pub fn with_inputs(old: &'a Graph, keep: &dyn Fn(usize) -> bool) -> Rebuild<'a> {
        let mut rebuild =
            Rebuild { old, new: Graph::new(old.symbols.clone()), map: vec![None; old.value_count()] };
        rebuild.new.requirements = old.requirements.clone();
        rebuild.new.defaults = old.defaults.clone();
        rebuild.new.pinned = old.pinned.clone();
        rebuild.new.growth = old.growth;
        for (_, &input) in old.inputs.iter().enumerate().filter(|(i, _)| keep(*i)) {
            let data = old.value(input);
            let value = rebuild.new.add_input(data.name.as_deref().unwrap_or_default(), data.ty.clone());
            rebuild.new.set_content(value, data.content.clone());
            rebuild.map[input.0 as usize] = Some(value);
        }
        rebuild
    }

    /// Type of an old value.
    pub fn old_type(&self, old: Value) -> &TensorType {
        self.old.ty(old)
    }

    /// What stands for an old value.
    pub fn get(&mut self, old: Value) -> Value {
        if let Some(value) = self.map[old.0 as usize] {
            return value;
        }
        let data = self.old.value(old);
        let Def::Const(tensor) = &data.def else {
            unreachable!("nodes are visited in evaluation order");
        };
        let value = self.new.add_const(tensor.clone());
        if let Some(name) = &data.name {
            self.new.set_name(value, name);
        }
        self.map[old.0 as usize] = Some(value);
        value
    }

    /// What stands for several old values.
    pub fn get_all(&mut self, old: &[Value]) -> Vec<Value> {
        old.iter().map(|&v| self.get(v)).collect()
    }

    /// Says what stands for an old value.
    pub fn set(&mut self, old: Value, new: Value) {
        if let Some(name) = &self.old.value(old).name {
            self.new.set_name(new, name);
        }
        self.map[old.0 as usize] = Some(new);
    }

    /// Adds a node to the new graph.
    ///
    /// # Errors
    /// If the inputs do not fit the operator.
    pub fn add(
        &mut self,
        op: Rc<dyn Op>,
        inputs: Vec<Value>,
        epilogue: Option<Epilogue>,
        origins: &[Origin],
    ) -> Result<Vec<Value>, Diagnostic> {
        self.new.add(op, inputs, epilogue, origins.to_vec()).map_err(|d| match origins.first() {
            Some(origin) if d.origin.is_none() => d.at(origin),
            _ => d,
        })
    }

    /// Copies a node unchanged.
    ///
    /// # Errors
    /// If the inputs, as rewritten, do not fit the operator.
    pub fn copy(&mut self, node: &NodeData) -> Result<(), Diagnostic> {
        let inputs = self.get_all(&node.inputs);
        let epilogue = node
            .epilogue
            .as_ref()
            .map(|e| Epilogue { expr: e.expr.clone(), inputs: self.get_all(&e.inputs) });
        let outputs = self.add(node.op.clone(), inputs, epilogue, &node.origins)?;
        for (&old, new) in node.outputs.iter().zip(outputs) {
            self.set(old, new);
        }
        Ok(())
    }

    /// The new graph, without nodes that no result needs.
    ///
    /// # Errors
    /// If a node does not fit its inputs, which is a defect of the pass.
    pub fn finish(mut self) -> Result<Graph, Diagnostic> {
        self.new.outputs = self.old.outputs.clone();
        for i in 0..self.new.outputs.len() {
            let old = self.old.outputs[i].1;
            self.new.outputs[i].1 = self.get(old);
        }
        without_dead_nodes(&self.new)
    }
}

/// The graph without nodes and constants that no result needs.
///
/// # Errors
/// Never for a graph whose types were inferred.
pub fn without_dead_nodes(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut live = vec![false; graph.value_count()];
    for (_, value) in &graph.outputs {
        live[value.0 as usize] = true;
    }
    let needed = |node: &NodeData, live: &[bool]| {
        node.outputs.iter().any(|v| live[v.0 as usize]) || node.op.has_effect()
    };
    for (_, node) in graph.nodes().rev() {
        if needed(node, &live) {
            for value in node.reads() {
                live[value.0 as usize] = true;
            }
        }
    }
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        if needed(node, &live) {
            rebuild.copy(node)?;
        }
    }
    rebuild.new.outputs = graph.outputs.clone();
    for i in 0..graph.outputs.len() {
        rebuild.new.outputs[i].1 = rebuild.get(graph.outputs[i].1);
    }
    Ok(rebuild.new)
}
