//! Multiplies weights by the factors that follow their product.
//!
//! ```text
//! %2 = Conv(%0, %1)
//! %3 = Map [add(in0, in1)](%2, %b)
//! %5 = Map [add(mul(in0, in1), in2)](%3, %s, %t)   becomes   %2 = Conv(%0, %1 · s)
//!                                                            %5 = Map [add(in0, in1)](%2, %b · s + t)
//! ```
//! Whatever follows a product with constant weights and is `factor * x + term` for each column (batch normalisation, a
//! bias, a scale) becomes one term. The weights stay one copy: those that something else reads are left alone, and so are
//! those that all variants of a model have in common, where these differ in the factors.

use crate::diag::Diagnostic;
use crate::expr::{Binary, Expr, ExprId, ExprKind, Unary};
use crate::ir::{Graph, NodeData, Rebuild, Value};
use crate::ops::map::Map;
use crate::types::{DType, Dim, Origin, Scalar, Standing, Tensor};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Runs the pass.
///
/// # Errors
/// Never for a graph that holds together.
pub(super) fn run(graph: &Graph) -> Result<Graph, Diagnostic> {
    let uses = graph.use_counts();
    let readers = readers(graph);
    // For each value that ends a chain: how it is made anew.
    let mut ends: BTreeMap<Value, Scaled<'_>> = BTreeMap::new();
    for (_, node) in graph.nodes() {
        if let Some(scaled) = scaled(graph, node, &uses, &readers) {
            ends.insert(scaled.end, scaled);
        }
    }
    let replaced: BTreeSet<Value> = ends.values().flat_map(|s| s.replaced.iter().copied()).collect();
    let mut rebuild = Rebuild::new(graph);
    for (_, node) in graph.nodes() {
        let result = node.outputs.first();
        match result.and_then(|value| ends.get(value)) {
            Some(scaled) => rewrite(&mut rebuild, scaled)?,
            // What a chain replaces is read by nothing else and must not be built: its weights would live on.
            None if result.is_some_and(|value| replaced.contains(value)) => {}
            None => rebuild.copy(node)?,
        }
    }
    rebuild.finish()
}

/// A product and the maps behind it that are `factor * x + term`.
struct Scaled<'g> {
    product: &'g NodeData,
    /// The input that holds the weights.
    weights_input: usize,
    weights: Tensor,
    term: Vec<f64>,
    /// What becomes of the weights and the term in variants.
    roles: Vec<Option<u64>>,
    /// The product's result and all but the last of the maps' results.
    replaced: Vec<Value>,
    end: Value,
    origins: Vec<Origin>,
}

/// The only node that reads each value, if there is only one.
fn readers(graph: &Graph) -> Vec<Option<&NodeData>> {
    let mut readers: Vec<Option<&NodeData>> = vec![None; graph.value_count()];
    for (_, node) in graph.nodes() {
        for value in node.reads() {
            readers[value.0 as usize] = Some(node);
        }
    }
    readers
}

fn scaled<'g>(
    graph: &'g Graph,
    product: &'g NodeData,
    uses: &[usize],
    readers: &[Option<&'g NodeData>],
) -> Option<Scaled<'g>> {
    let types: Vec<_> = product.inputs.iter().map(|&v| graph.ty(v)).collect();
    let (weights_input, axis) = product.op.weight_lanes(&types)?;
    let weights = graph.constant(product.inputs[weights_input])?;
    let only_here = uses[product.inputs[weights_input].0 as usize] == 1;
    let free = only_here && !weights.is_kept();
    if product.epilogue.is_some() || !free || !matches!(weights.dtype(), DType::F32 | DType::F64) {
        return None;
    }
    let columns = weights.shape()[axis];
    let mut line = Line { factor: vec![1.0; columns], term: vec![0.0; columns] };
    let mut end = product.outputs[0];
    let mut replaced = Vec::new();
    let mut origins = product.origins.clone();
    let mut roles = vec![weights.role()];
    while let Some(node) = readers[end.0 as usize] {
        let reads = node.inputs.iter().filter(|v| **v == end).count();
        let map = node
            .is::<Map>()
            .filter(|m| !m.reduced && node.epilogue.is_none() && m.space == graph.ty(end).shape);
        let Some(map) = map.filter(|_| uses[end.0 as usize] == reads) else { break };
        let Some(next) = line_of(graph, node, map, end, columns) else { break };
        line = line.then(&next);
        roles.extend(node.inputs.iter().filter_map(|&v| graph.constant(v)).map(Tensor::role));
        replaced.push(end);
        end = node.outputs[0];
        origins.extend(node.origins.iter().cloned());
    }
    let varies = roles.iter().any(Option::is_some);
    if varies {
        // What variants have in common stays so, and no variant decides for another.
        if weights.role().is_none() || replaced.is_empty() {
            return None;
        }
    } else if line.factor.iter().all(|&f| f == 1.0)
        || !line.factor.iter().chain(&line.term).all(|v| v.is_finite())
    {
        return None;
    }
    let weights = multiplied(weights, axis, &line.factor)?;
    Some(Scaled { product, weights_input, weights, term: line.term, roles, replaced, end, origins })
}

fn rewrite(rebuild: &mut Rebuild<'_>, scaled: &Scaled<'_>) -> Result<(), Diagnostic> {
    let Scaled { product, weights_input, weights, term, roles, .. } = scaled;
    let end = scaled.end.0 as usize;
    let standing = |part: usize| Standing::derived(roles.iter().copied(), 2 * end + part);
    let varies = roles.iter().any(Option::is_some);
    let mut inputs = Vec::with_capacity(product.inputs.len());
    for (i, &input) in product.inputs.iter().enumerate() {
        inputs.push(if i == *weights_input {
            rebuild.new.add_const(weights.clone().standing(standing(0)))
        } else {
            rebuild.get(input)
        });
    }
    let mut value = rebuild.add(product.op.clone(), inputs, None, &scaled.origins)?[0];
    if varies || term.iter().any(|&t| t != 0.0) {
        let dtype = weights.dtype();
        let elements = term.iter().map(|&t| Scalar::from_f64(dtype, t));
        let term = Tensor::from_scalars(dtype, vec![term.len()], elements).standing(standing(1));
        let term = rebuild.new.add_const(term);
        let mut e = crate::expr::ExprBuilder::new();
        let (x, t) = (e.input(0, dtype), e.input(1, dtype));
        let sum = e.add(x, t);
        let map = Map::new(e.finish(sum), rebuild.new.ty(value).shape.clone());
        value = rebuild.add(Rc::new(map), vec![value, term], None, &scaled.origins)?[0];
    }
    rebuild.set(scaled.end, value);
    Ok(())
}

/// `factor * x + term`, for each column.
#[derive(Clone)]
struct Line {
    factor: Vec<f64>,
    term: Vec<f64>,
}

impl Line {
    fn constant(term: Vec<f64>) -> Line {
        Line { factor: vec![0.0; term.len()], term }
    }

    fn is_constant(&self) -> bool {
        self.factor.iter().all(|&f| f == 0.0)
    }

    /// `next` of this.
    fn then(&self, next: &Line) -> Line {
        let term = self.term.iter().zip(&next.factor).zip(&next.term).map(|((t, f), n)| t * f + n);
        Line { term: term.collect(), factor: zip(&self.factor, &next.factor, |a, b| a * b) }
    }
}

fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}

/// What the map of `node` is of `x`, if it is a line for each column.
fn line_of(graph: &Graph, node: &NodeData, map: &Map, x: Value, columns: usize) -> Option<Line> {
    let dtype = graph.ty(x).dtype;
    let last = map.space.last()?;
    if *last != Dim::from(columns) {
        return None;
    }
    let mut lines: Vec<Option<Line>> = Vec::with_capacity(map.expr.len());
    for (_, expr_node) in map.expr.nodes() {
        let line = match expr_node.kind {
            _ if expr_node.dtype != dtype => None,
            ExprKind::Input(i) if node.inputs[i] == x => {
                Some(Line { factor: vec![1.0; columns], term: vec![0.0; columns] })
            }
            ExprKind::Input(i) => per_column(graph.constant(node.inputs[i])?, columns).map(Line::constant),
            ExprKind::Const(value) => Some(Line::constant(vec![value.as_f64(); columns])),
            kind => of_operands(kind, &lines),
        };
        lines.push(line);
    }
    output_of(&map.expr, lines)
}

fn output_of(expr: &Expr, mut lines: Vec<Option<Line>>) -> Option<Line> {
    lines.swap_remove(expr.output().0 as usize)
}

fn of_operands(kind: ExprKind, lines: &[Option<Line>]) -> Option<Line> {
    let line = |id: ExprId| lines[id.0 as usize].as_ref();
    let ExprKind::Binary(op, a, b) = kind else {
        let ExprKind::Unary(Unary::Neg, a) = kind else { return None };
        let a = line(a)?;
        return Some(Line {
            factor: a.factor.iter().map(|f| -f).collect(),
            term: a.term.iter().map(|t| -t).collect(),
        });
    };
    let (a, b) = (line(a)?, line(b)?);
    let each = |f: fn(f64, f64) -> f64| Line {
        factor: zip(&a.factor, &b.factor, f),
        term: zip(&a.term, &b.term, f),
    };
    let by = |x: &Line, c: &Line, f: fn(f64, f64) -> f64| Line {
        factor: zip(&x.factor, &c.term, f),
        term: zip(&x.term, &c.term, f),
    };
    match op {
        Binary::Add => Some(each(|a, b| a + b)),
        Binary::Sub => Some(each(|a, b| a - b)),
        Binary::Mul if b.is_constant() => Some(by(a, b, |a, b| a * b)),
        Binary::Mul if a.is_constant() => Some(by(b, a, |a, b| a * b)),
        Binary::Div if b.is_constant() => Some(by(a, b, |a, b| a / b)),
        _ => None,
    }
}

/// A constant that only its last axis tells apart, one number per column.
fn per_column(tensor: &Tensor, columns: usize) -> Option<Vec<f64>> {
    let values: Vec<f64> = match tensor.len() {
        1 => vec![tensor.get(0).as_f64(); columns],
        n if n == columns && tensor.shape().last() == Some(&columns) => {
            tensor.scalars().map(Scalar::as_f64).collect()
        }
        _ => return None,
    };
    Some(values)
}

/// Weights with each slice along `axis` multiplied by its factor.
fn multiplied(weights: &Tensor, axis: usize, factors: &[f64]) -> Option<Tensor> {
    let size = weights.dtype().size();
    let slice = weights.shape()[axis + 1..].iter().product::<usize>() * size;
    let mut bytes = Vec::with_capacity(weights.bytes().len());
    for (i, part) in weights.bytes().chunks(slice.max(1)).enumerate() {
        let factor = factors[i % factors.len()];
        match weights.dtype() {
            DType::F32 => {
                for element in part.as_chunks::<4>().0 {
                    let product = f64::from(f32::from_le_bytes(*element)) * factor;
                    bytes.extend_from_slice(&(product as f32).to_le_bytes());
                }
            }
            _ => {
                for element in part.as_chunks::<8>().0 {
                    bytes.extend_from_slice(&(f64::from_le_bytes(*element) * factor).to_le_bytes());
                }
            }
        }
    }
    Tensor::new(weights.dtype(), weights.shape().to_vec(), bytes.into())
}
