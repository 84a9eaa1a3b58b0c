//! Brings every tensor of a decoded model into raw form, so that reading it again shares its bytes.

use crate::import::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto};
use crate::import::tensor;

/// Settles the tensors of the graph and of all functions.
pub(super) fn settle(model: &mut ModelProto) {
    model.graph.iter_mut().for_each(graph);
    for function in &mut model.functions {
        function.node.iter_mut().for_each(node);
        function.attribute_proto.iter_mut().for_each(attribute);
    }
}

fn graph(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(tensor::settle);
    graph.sparse_initializer.iter_mut().for_each(sparse);
    graph.node.iter_mut().for_each(node);
}

fn node(node: &mut NodeProto) {
    node.attribute.iter_mut().for_each(attribute);
}

fn attribute(attribute: &mut AttributeProto) {
    attribute.t.iter_mut().for_each(|t| tensor::settle(t));
    attribute.tensors.iter_mut().for_each(tensor::settle);
    attribute.sparse_tensor.iter_mut().for_each(|s| sparse(s));
    attribute.sparse_tensors.iter_mut().for_each(sparse);
    attribute.g.iter_mut().for_each(|g| graph(g));
    attribute.graphs.iter_mut().for_each(graph);
}

fn sparse(sparse: &mut SparseTensorProto) {
    sparse.values.iter_mut().for_each(tensor::settle);
    sparse.indices.iter_mut().for_each(tensor::settle);
}
