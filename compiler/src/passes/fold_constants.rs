//! Computes what depends on constants only, within a budget of memory.
//!
//! ```text
//! %2 = Map [mul(in0, in1)](%0, %1)   becomes   const %2, if %0 and %1 are constants
//! %4 = Map [add(in0, in1)](%3, %1)   becomes   %4 = Map [add(in0, 0.5)](%3), if every element of %1 is 0.5
//! ```
//! Folding must not make a second copy of a weight, nor a dequantised one four times as large: a result that is larger
//! than the constants that die by it is folded only while all such growth stays below one percent of the model.
//! Maps that return their input unchanged are left out.

use crate::diag::Diagnostic;
use crate::expr::ExprBuilder;
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::ops::map::Map;
use crate::ops::matmul::MatMul;
use crate::ops::movement::{Reshape, Transpose};
use crate::types::Tensor;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Bytes by which folding may grow the smallest model.
const GROWTH_BYTES: usize = 1 << 10;

/// One part in this many of a model's constants is what folding may add to them.
const GROWTH_PART: usize = 128;

/// Elements of a matrix from which on transposing it at compile time is not worth the memory.
const LARGE_TRANSPOSE: usize = 1 << 20;

/// Operands of more bytes than this are not read for a small result: that would take long and save little.
const LARGE_OPERAND: usize = 16 << 20;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let uses = graph.use_counts();
    let products = read_by_products(graph);
    let mut rebuild = Rebuild::new(graph);
    let mut budget = growth(graph);
    for (_, node) in graph.nodes() {
        let free = node.is::<Transpose>().is_some()
            && products[node.outputs[0].0 as usize]
            && graph.ty(node.outputs[0]).elements().as_usize().is_none_or(|n| n > LARGE_TRANSPOSE);
        if free {
            // A product takes its weights in either orientation: a large matrix is neither moved nor copied.
            rebuild.copy(node)?;
        } else if let Some(results) = folded(graph, &mut rebuild, node, &uses, &mut budget) {
            for (&old, tensor) in node.outputs.iter().zip(results) {
                let value = rebuild.new.add_const(tensor);
                rebuild.set(old, value);
            }
        } else if !simplified(&mut rebuild, node)? {
            rebuild.copy(node)?;
        }
    }
    rebuild.finish()
}

/// How many bytes a pass may add to the constants of a graph.
pub(super) fn growth(graph: &Graph) -> usize {
    GROWTH_BYTES + graph.constant_bytes() / GROWTH_PART
}

/// The values that products and nothing else read.
fn read_by_products(graph: &Graph) -> Vec<bool> {
    let mut only = vec![true; graph.value_count()];
    for (_, node) in graph.nodes().filter(|(_, node)| node.is::<MatMul>().is_none()) {
        node.reads().for_each(|value| only[value.0 as usize] = false);
    }
    graph.outputs.iter().for_each(|(_, value)| only[value.0 as usize] = false);
    only
}

/// The results of a node whose inputs are constants, if they are worth having.
fn folded(
    graph: &Graph,
    rebuild: &mut Rebuild<'_>,
    node: &NodeData,
    uses: &[usize],
    budget: &mut usize,
) -> Option<Vec<Tensor>> {
    if node.epilogue.is_some() || node.inputs.is_empty() {
        return None;
    }
    let inputs = rebuild.get_all(&node.inputs);
    let operands: Vec<Tensor> =
        inputs.iter().map(|&v| rebuild.new.constant(v).cloned()).collect::<Option<_>>()?;
    let mut result_bytes = 0_usize;
    for &output in &node.outputs {
        let ty = graph.ty(output);
        result_bytes = result_bytes.checked_add(ty.elements().as_usize()?.checked_mul(ty.dtype.size())?)?;
    }
    let mut operand_bytes = 0;
    let mut dying_bytes = 0;
    for (&old, tensor) in
        node.inputs.iter().collect::<BTreeSet<_>>().into_iter().zip(unique(&node.inputs, &operands))
    {
        let reads = node.inputs.iter().filter(|v| **v == old).count();
        operand_bytes += tensor.bytes().len();
        dying_bytes += if uses[old.0 as usize] == reads { tensor.bytes().len() } else { 0 };
    }
    // Another shape of the same bytes is the same content.
    let same_bytes = node.is::<Reshape>().is_some();
    let growth = if same_bytes { 0 } else { result_bytes.saturating_sub(dying_bytes) };
    if growth > *budget || growth > 0 && operand_bytes > LARGE_OPERAND {
        return None;
    }
    let results = node.op.eval(&operands)?;
    *budget -= growth;
    Some(results)
}

/// One tensor for each different value, in ascending order of values.
fn unique<'t>(values: &[Value], tensors: &'t [Tensor]) -> Vec<&'t Tensor> {
    let mut pairs: Vec<(Value, &Tensor)> = values.iter().copied().zip(tensors).collect();
    pairs.sort_by_key(|(v, _)| *v);
    pairs.dedup_by_key(|(v, _)| *v);
    pairs.into_iter().map(|(_, t)| t).collect()
}

/// Takes constants of one value into the expression of a map, and leaves out a map that changes nothing.
fn simplified(rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<bool, Diagnostic> {
    let Some(map) = node.is::<Map>().filter(|_| node.epilogue.is_none()) else { return Ok(false) };
    let inputs = rebuild.get_all(&node.inputs);
    if let Some(i) = map.expr.as_identity()
        && rebuild.new.ty(inputs[i]).shape == map.space
        && !map.reduced
    {
        rebuild.set(node.outputs[0], inputs[i]);
        return Ok(true);
    }
    let splats: Vec<_> =
        inputs.iter().map(|&v| rebuild.new.constant(v).and_then(Tensor::splat_value)).collect();
    if splats.iter().all(Option::is_none) {
        return Ok(false);
    }
    let mut read: Vec<Value> = Vec::new();
    let mut e = ExprBuilder::new();
    let output = e.inline(&map.expr, &mut |e, i, dtype| match splats[i] {
        Some(value) => e.scalar(value),
        None => {
            let at = read.iter().position(|v| *v == inputs[i]).unwrap_or_else(|| {
                read.push(inputs[i]);
                read.len() - 1
            });
            e.input(at, dtype)
        }
    });
    let expr = e.finish(output);
    let kept = expr.inputs();
    let expr = expr.with_inputs(&|i| kept.iter().position(|&k| k == i).unwrap_or(i));
    let read: Vec<Value> = kept.iter().map(|&i| read[i]).collect();
    let outputs = rebuild.add(Rc::new(Map { expr, ..map.clone() }), read, None, &node.origins)?;
    rebuild.set(node.outputs[0], outputs[0]);
    Ok(true)
}
