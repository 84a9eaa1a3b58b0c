//! Computes what depends on constants only, within a budget of memory.
//!
//! ```text
//! %2 = Map [mul(in0, in1)](%0, %1)   becomes   const %2, if %0 and %1 are constants
//! %4 = Map [add(in0, in1)](%3, %1)   becomes   %4 = Map [add(in0, 0.5)](%3), if every element of %1 is 0.5
//! ```
//! Folding must not make a second copy of a weight, nor a dequantised one four times as large: a result that is larger
//! than the constants that die by it is folded only while all such growth stays below one percent of the model. What
//! another graph, another model or another initializer holds too does not die, and what variants have in common does not
//! die by what they differ in.
//! Maps that return their input unchanged are left out.

use crate::diag::Diagnostic;
use crate::expr::ExprBuilder;
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::ops::map::Map;
use crate::ops::matmul::MatMul;
use crate::ops::movement::{Reshape, Transpose};
use crate::types::{Standing, Tensor};
use std::collections::BTreeSet;
use std::rc::Rc;

/// A constant of a blob begins at a multiple of so many bytes.
const LINE: usize = 64;

/// One part in this many of the constants of an inner graph is what a pass may add to them.
const GROWTH_PART: usize = 256;

/// Elements of a matrix from which on transposing it at compile time is not worth the memory.
const LARGE_TRANSPOSE: usize = 1 << 20;

/// Operands of more bytes than this are not read for a small result: that would take long and save little.
const LARGE_OPERAND: usize = 16 << 20;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut left = growth(graph);
    let mut folded = fold(graph, &mut left)?;
    folded.growth = graph.growth.map(|_| left);
    Ok(folded)
}

/// Runs the pass without a budget, for what other passes made.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run_free(graph: &Graph) -> Result<Graph, Diagnostic> {
    fold(graph, &mut 0)
}

fn fold(graph: &Graph, budget: &mut usize) -> Result<Graph, Diagnostic> {
    let products = read_by_products(graph);
    let mut dying = Dying::new(graph, &products);
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        if turns_for_products(graph, node, &products) {
            // A product takes its weights in either orientation: a large matrix is neither moved nor copied.
            rebuild.copy(node)?;
        } else if let Some(results) = folded(graph, &mut rebuild, node, &mut dying, budget) {
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

/// Whether a node transposes a large matrix for products.
fn turns_for_products(graph: &Graph, node: &NodeData, products: &[bool]) -> bool {
    node.is::<Transpose>().is_some()
        && products[node.outputs[0].0 as usize]
        && graph.ty(node.outputs[0]).elements().as_usize().is_none_or(|n| n > LARGE_TRANSPOSE)
}

/// Constants that nothing needs any more once all nodes of constants are folded.
struct Dying {
    /// For each value the bytes that folding may still put in its place.
    bytes: Vec<usize>,
}

impl Dying {
    fn new(graph: &Graph, products: &[bool]) -> Dying {
        let mut bytes: Vec<usize> = (0..graph.value_count())
            .map(|v| graph.constant(Value(v as u32)).map_or(usize::MAX, |tensor| tensor.bytes().len()))
            .collect();
        // What a folded node computes is a constant, too.
        let mut constant: Vec<bool> = bytes.iter().map(|&b| b != usize::MAX).collect();
        for (_, node) in graph.nodes() {
            let inputs = node.inputs.iter().all(|v| constant[v.0 as usize]) && !node.inputs.is_empty();
            let folds = inputs && node.epilogue.is_none() && !turns_for_products(graph, node, products);
            for &output in &node.outputs {
                let ty = graph.ty(output);
                let size = ty.elements().as_usize().and_then(|n| n.checked_mul(ty.dtype.size()));
                constant[output.0 as usize] = folds && size.is_some();
                bytes[output.0 as usize] = size.filter(|_| folds).unwrap_or(0);
            }
            if !folds {
                node.reads().for_each(|value| bytes[value.0 as usize] = 0);
            }
        }
        graph.outputs.iter().for_each(|(_, value)| bytes[value.0 as usize] = 0);
        Dying { bytes }
    }

    /// Takes bytes of a constant for a result that needs so many, and gives how many it got.
    fn take(&mut self, value: Value, tensor: &Tensor, needed: usize) -> usize {
        let left = &mut self.bytes[value.0 as usize];
        let taken = if tensor.is_kept() { 0 } else { needed.min(*left) };
        *left -= taken;
        taken
    }
}

/// How many bytes a pass may add to the constants of a graph.
pub(super) fn growth(graph: &Graph) -> usize {
    graph.growth.unwrap_or_else(|| graph.constant_bytes() / GROWTH_PART)
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
    dying: &mut Dying,
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
    let mut growth = result_bytes;
    let varies = operands.iter().any(|tensor| tensor.role().is_some());
    for (&old, tensor) in
        node.inputs.iter().collect::<BTreeSet<_>>().into_iter().zip(unique(&node.inputs, &operands))
    {
        operand_bytes += tensor.bytes().len();
        if !varies || tensor.role().is_some() {
            growth -= dying.take(old, tensor, growth);
        }
    }
    // Another shape of the same bytes is the same content.
    let same_bytes = node.is::<Reshape>().is_some();
    if same_bytes || result_bytes <= LINE {
        growth = 0;
    }
    growth = growth.next_multiple_of(LINE);
    if growth > *budget || growth > 0 && operand_bytes > LARGE_OPERAND {
        return None;
    }
    let results = node.op.eval(&operands)?;
    *budget -= growth;
    if same_bytes {
        return Some(results);
    }
    let roles = || operands.iter().map(Tensor::role);
    let standing = |at: usize| Standing::derived(roles(), node.outputs[at].0 as usize);
    Some(results.into_iter().enumerate().map(|(at, tensor)| tensor.standing(standing(at))).collect())
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
