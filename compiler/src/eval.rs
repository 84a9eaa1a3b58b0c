//! Evaluation of whole graphs, node by node: the oracle that compiled programs are tested against.
//!
//! Slow on purpose: each operator's own meaning ([`crate::ir::Op::eval`]) and nothing else.

use crate::expr::evaluate as evaluate_map;
use crate::ir::{Def, Graph};
use crate::types::Tensor;

/// The outputs of `graph` for these inputs, in order.
///
/// # Errors
/// What cannot be evaluated, as a sentence: an input of another type than the graph's, a symbolic dimension, or an
/// operator that has no meaning on the host.
pub fn evaluate(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let mut values: Vec<Option<Tensor>> = (0..graph.value_count())
        .map(|i| match &graph.value(crate::ir::Value(i as u32)).def {
            Def::Const(tensor) => Some(tensor.clone()),
            _ => None,
        })
        .collect();
    if inputs.len() != graph.inputs.len() {
        return Err(format!("the graph has {} inputs and not {}", graph.inputs.len(), inputs.len()));
    }
    for (&value, tensor) in graph.inputs.iter().zip(inputs) {
        if *graph.ty(value) != tensor.ty() {
            return Err(format!("an input is {} where {} is needed", tensor.ty(), graph.ty(value)));
        }
        values[value.0 as usize] = Some(tensor.clone());
    }
    for (_, node) in graph.nodes() {
        let get = |v: &crate::ir::Value| {
            values[v.0 as usize].clone().ok_or("a value is read before it is computed")
        };
        let operands = node.inputs.iter().map(get).collect::<Result<Vec<_>, _>>()?;
        let mut results =
            node.op.eval(&operands).ok_or_else(|| format!("{:?} is not evaluated on the host", node.op))?;
        if let Some(epilogue) = &node.epilogue {
            let mut operands = vec![results[0].clone()];
            operands.extend(epilogue.inputs.iter().map(get).collect::<Result<Vec<_>, _>>()?);
            results[0] = evaluate_map(&epilogue.expr, &operands, results[0].shape(), 0, false);
        }
        for (output, result) in node.outputs.iter().zip(results) {
            if *graph.ty(*output) != result.ty() {
                return Err(format!(
                    "{:?} gave {} where {} was inferred",
                    node.op,
                    result.ty(),
                    graph.ty(*output)
                ));
            }
            values[output.0 as usize] = Some(result);
        }
    }
    graph
        .outputs
        .iter()
        .map(|(name, v)| values[v.0 as usize].clone().ok_or_else(|| format!("\"{name}\" is never computed")))
        .collect()
}
