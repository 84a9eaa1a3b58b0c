//! Computes maps of joined halves half by half, so that the halves need not be joined.
//!
//! ```text
//! %2 = Concat { axis: 1 }(%hi, %lo)               %2 = Map[… select(equal(index1, 0), in1, in2) …] over [4, 2, 8](%0, %hi, %lo)
//! %3 = Map[…] over [4, 16](%0, %2)     becomes    %3 = Reshape { shape: [4, 16] }(%2)
//! ```
//! Rotary embeddings are of this form: a row beside itself with its halves exchanged. It is done where a half is a part of
//! something else, or both are one value, so that joining them would copy.

use crate::diag::Diagnostic;
use crate::expr::{Compare, Expr, ExprBuilder, ExprId, ExprKind};
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::ops::map::Map;
use crate::ops::movement::{Concat, Reshape, Slice};
use crate::types::{Dim, Shape};
use std::rc::Rc;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let uses = graph.use_counts();
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        match Halves::of(graph, node, &uses) {
            Some(halves) => halves.build(graph, &mut rebuild, node)?,
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

/// A map that reads halves joined along its last axis.
struct Halves<'g> {
    map: &'g Map,
    /// The halves of each input that is joined of two.
    parts: Vec<Option<[Part; 2]>>,
    half: Dim,
}

/// A half: an expression over values.
struct Part {
    expr: Expr,
    inputs: Vec<Value>,
}

impl<'g> Halves<'g> {
    fn of(graph: &'g Graph, node: &'g NodeData, uses: &[usize]) -> Option<Halves<'g>> {
        let map = node.is::<Map>().filter(|m| !m.expr.has_reductions() && !m.reduced)?;
        let positions = |e: &Expr| e.nodes().any(|(_, n)| matches!(n.kind, ExprKind::Index(_)));
        let last = map.space.len().checked_sub(1)?;
        if positions(&map.expr) || node.epilogue.is_some() {
            return None;
        }
        let half = map.space[last].exact_div(&Dim::from(2_i64)).filter(|h| !h.is(1))?;
        let parts: Vec<Option<[Part; 2]>> =
            node.inputs.iter().map(|&value| halves_of(graph, value, &map.space, uses)).collect();
        parts.iter().any(Option::is_some).then_some(Halves { map, parts, half })
    }

    fn build(&self, graph: &Graph, rebuild: &mut Rebuild<'_>, node: &NodeData) -> Result<(), Diagnostic> {
        let last = self.map.space.len() - 1;
        let mut space = self.map.space.clone();
        space.splice(last.., [Dim::from(2_i64), self.half.clone()]);
        let mut inputs: Vec<Value> = Vec::new();
        let mut known: Vec<(Value, bool)> = Vec::new();
        let mut slot = |rebuild: &mut Rebuild<'_>, value: Value, whole: bool| -> Result<usize, Diagnostic> {
            if let Some(at) = known.iter().position(|k| *k == (value, whole)) {
                return Ok(at);
            }
            let shape = self.split(&graph.ty(value).shape, whole);
            let new = rebuild.get(value);
            inputs.push(reshape(rebuild, new, shape, node)?);
            known.push((value, whole));
            Ok(inputs.len() - 1)
        };
        // Of each input the place of the whole, or the places of what its halves read.
        let mut places: Vec<[Vec<usize>; 2]> = Vec::with_capacity(node.inputs.len());
        for (&value, parts) in node.inputs.iter().zip(&self.parts) {
            let mut own = [Vec::new(), Vec::new()];
            match parts {
                None => own[0].push(slot(rebuild, value, true)?),
                Some(parts) => {
                    for (part, slots) in parts.iter().zip(&mut own) {
                        for &value in &part.inputs {
                            slots.push(slot(rebuild, value, false)?);
                        }
                    }
                }
            }
            places.push(own);
        }
        let mut builder = ExprBuilder::new();
        let output = builder.inline(&self.map.expr, &mut |b, i, dtype| match &self.parts[i] {
            Some(parts) => chosen(b, parts, &places[i], last),
            None => b.input(places[i][0][0], dtype),
        });
        let expr = builder.finish(output);
        // Where both halves are the same nothing asks for the second.
        let read = expr.inputs();
        let inputs: Vec<Value> = read.iter().map(|&i| inputs[i]).collect();
        let expr = expr.with_inputs(&|i| read.iter().position(|&r| r == i).unwrap_or(i));
        let mut origins = node.origins.clone();
        let joined = node.inputs.iter().zip(&self.parts).filter(|(_, parts)| parts.is_some());
        for producer in joined.filter_map(|(v, _)| graph.producer(*v)) {
            origins.extend(producer.origins.iter().filter(|o| !node.origins.contains(o)).cloned());
        }
        let split = rebuild.add(Rc::new(Map::new(expr, space)), inputs, None, &origins)?[0];
        let result = reshape(rebuild, split, self.map.space.clone(), node)?;
        rebuild.set(node.outputs[0], result);
        Ok(())
    }

    /// A shape that broadcasts to the map's space, or to a half of it, over the split space.
    fn split(&self, own: &[Dim], whole: bool) -> Shape {
        let mut shape = own.to_vec();
        if let Some(last) = shape.pop() {
            let parts =
                if last.is(1) || !whole { [Dim::ONE, last] } else { [Dim::from(2_i64), self.half.clone()] };
            shape.extend(parts);
        }
        shape
    }
}

/// The halves of a value that two were joined to, if joining them would copy.
fn halves_of(graph: &Graph, value: Value, space: &Shape, uses: &[usize]) -> Option<[Part; 2]> {
    let joined = graph.producer(value)?;
    let concat = joined.is::<Concat>()?;
    let [first, second] = joined.inputs[..] else { return None };
    let shape = &graph.ty(value).shape;
    let whole = shape.len() == concat.axis + 1 && shape.last() == space.last();
    let equal = graph.ty(first).shape == graph.ty(second).shape;
    let parts = [part(graph, first, uses), part(graph, second, uses)];
    let is_slice = |v: &Value| graph.producer(*v).is_some_and(|p| p.is::<Slice>().is_some());
    let taken = parts.iter().any(|p| p.inputs.iter().any(is_slice));
    let copies = first == second || uses[value.0 as usize] == 1 && taken;
    (whole && equal && copies).then_some(parts)
}

/// The element of the half that a position is in.
fn chosen(b: &mut ExprBuilder, parts: &[Part; 2], slots: &[Vec<usize>; 2], axis: usize) -> ExprId {
    let [first, second] =
        [0, 1].map(|p| b.inline(&parts[p].expr, &mut |b, i, dtype| b.input(slots[p][i], dtype)));
    let at = b.index(axis);
    let zero = b.number(at, 0.0);
    let is_first = b.compare(Compare::Equal, at, zero);
    b.select(is_first, first, second)
}

/// A half as an expression: a map that only it is read for is computed on the way.
fn part(graph: &Graph, value: Value, uses: &[usize]) -> Part {
    let inlined = graph.producer(value).and_then(|node| {
        let map = node.is::<Map>().filter(|m| !m.reduced && !m.expr.has_reductions())?;
        let positions = map.expr.nodes().any(|(_, n)| matches!(n.kind, ExprKind::Index(_)));
        let fits =
            uses[value.0 as usize] == 1 && !positions && node.epilogue.is_none() && map.expr.cost() <= 4;
        fits.then(|| Part { expr: map.expr.clone(), inputs: node.inputs.clone() })
    });
    inlined.unwrap_or_else(|| Part { expr: Expr::identity(graph.ty(value).dtype), inputs: vec![value] })
}

fn reshape(
    rebuild: &mut Rebuild<'_>,
    value: Value,
    shape: Shape,
    node: &NodeData,
) -> Result<Value, Diagnostic> {
    if rebuild.new.ty(value).shape == shape {
        return Ok(value);
    }
    Ok(rebuild.add(Rc::new(Reshape { shape }), vec![value], None, &node.origins)?[0])
}
