//! Einsum <https://onnx.ai/onnx/operators/onnx__Einsum.html>.
//!
//! Operands are joined from left to right. Each step is one matrix product: labels of both operands that are still
//! needed become its leading axes, labels of both that are not become its depth. Labels that occur twice in one operand
//! are diagonals; labels that only one operand has and nobody needs are summed away first.

use crate::diag::{Code, Diagnostic, Reported};
use crate::expr::Reduction;
use crate::ir::{Fact, Op, Value};
use crate::lower::{LowerCx, View};
use crate::ops::NodeCx;
use crate::ops::shape::broadcast;
use crate::types::{Dim, Shape, Tensor, TensorType};

/// An axis label: a letter, or an axis of the ellipsis counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// A tensor and what its axes are called.
struct Operand {
    value: Value,
    labels: Vec<Label>,
}

/// The recipe.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let equation = cx.attributes.string("equation")?;
    let equation: String = cx.attributes.required("equation", equation)?.split_whitespace().collect();
    let inputs = cx.all_inputs()?;
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != inputs.len() {
        let what = format!("\"{equation}\" has {} terms for {} inputs", terms.len(), inputs.len());
        return Err(cx.attributes.bad("equation", &what));
    }
    let mut operands = Vec::new();
    for (term, value) in terms.iter().zip(inputs) {
        let labels = labels(cx, term, Some(cx.rank(value)))?;
        operands.push(diagonals(cx, Operand { value, labels })?);
    }
    let output = match right {
        Some(term) => {
            let longest =
                operands.iter().flat_map(|o| &o.labels).filter(|l| matches!(l, Label::Ellipsis(_))).max();
            let ellipsis = longest.map_or(0, |l| if let Label::Ellipsis(i) = l { i + 1 } else { 0 });
            let letters = term.replace("...", "").chars().count();
            labels(cx, term, Some(letters + if term.contains("...") { ellipsis } else { 0 }))?
        }
        None => implied_output(&operands),
    };
    if output.iter().any(|l| !operands.iter().any(|o| o.labels.contains(l))) {
        return Err(cx
            .attributes
            .bad("equation", &format!("\"{equation}\" has an output label that no input has")));
    }
    let mut rest = operands.into_iter();
    let first = rest.next().ok_or_else(|| Diagnostic::new(Code::BadInput, "Einsum needs an input"))?;
    let mut pending: Vec<Operand> = rest.collect();
    let mut joined = first;
    while !pending.is_empty() {
        let next = pending.remove(0);
        let needed = |l: &Label| output.contains(l) || pending.iter().any(|o| o.labels.contains(l));
        joined = join(cx, joined, next, &needed)?;
    }
    let joined = sum_away(cx, joined, &|l| output.contains(l))?;
    let perm: Vec<usize> = output.iter().filter_map(|l| joined.labels.iter().position(|j| j == l)).collect();
    Ok(vec![cx.transpose(joined.value, &perm)?])
}

/// Reads a term; the ellipsis stands for what `rank` leaves.
fn labels(cx: &NodeCx<'_>, term: &str, rank: Option<usize>) -> Result<Vec<Label>, Diagnostic> {
    let bad = |what: &str| cx.attributes.bad("equation", &format!("has the term \"{term}\", {what}"));
    let (before, after) = term.split_once("...").map_or((term, None), |(b, a)| (b, Some(a)));
    let letters = before.chars().count() + after.map_or(0, |a| a.chars().count());
    if !before.chars().chain(after.unwrap_or("").chars()).all(|c| c.is_ascii_alphabetic()) {
        return Err(bad("in which something is neither a letter nor an ellipsis"));
    }
    let rank = rank.unwrap_or(letters);
    if rank < letters || after.is_none() && rank != letters {
        return Err(bad(&format!("which does not fit {rank} axes")));
    }
    let mut list: Vec<Label> = before.chars().map(Label::Letter).collect();
    if let Some(after) = after {
        list.extend((0..rank - letters).rev().map(Label::Ellipsis));
        list.extend(after.chars().map(Label::Letter));
    }
    Ok(list)
}

/// Without `->`: the ellipsis, then every letter that occurs once, in alphabetical order.
fn implied_output(operands: &[Operand]) -> Vec<Label> {
    let all: Vec<Label> = operands.iter().flat_map(|o| o.labels.iter().copied()).collect();
    let mut ellipsis: Vec<Label> = all.iter().copied().filter(|l| matches!(l, Label::Ellipsis(_))).collect();
    ellipsis.sort_unstable();
    ellipsis.dedup();
    ellipsis.reverse();
    let mut letters: Vec<Label> = all
        .iter()
        .copied()
        .filter(|l| matches!(l, Label::Letter(_)) && all.iter().filter(|o| *o == l).count() == 1)
        .collect();
    letters.sort_unstable();
    ellipsis.extend(letters);
    ellipsis
}

/// Takes the diagonal of axes with the same label.
fn diagonals(cx: &mut NodeCx<'_>, mut operand: Operand) -> Result<Operand, Diagnostic> {
    loop {
        let labels = &operand.labels;
        let twice = (0..labels.len()).find_map(|second| {
            labels[..second].iter().position(|l| *l == labels[second]).map(|first| (first, second))
        });
        let Some((first, second)) = twice else { return Ok(operand) };
        operand.value = cx.add(Diagonal { first, second }, &[operand.value])?;
        operand.labels.remove(second);
    }
}

/// Sums over the axes whose labels are not needed.
fn sum_away(
    cx: &mut NodeCx<'_>,
    operand: Operand,
    needed: &dyn Fn(&Label) -> bool,
) -> Result<Operand, Diagnostic> {
    let (keep, drop): (Vec<usize>, Vec<usize>) =
        (0..operand.labels.len()).partition(|&a| needed(&operand.labels[a]));
    if drop.is_empty() {
        return Ok(operand);
    }
    let perm: Vec<usize> = keep.iter().chain(&drop).copied().collect();
    let rows = cx.transpose(operand.value, &perm)?;
    let space = cx.shape(rows);
    let kept = space[..keep.len()].to_vec();
    let sums = cx.map_over(space, drop.len(), true, &[rows], |e, v| e.reduce(Reduction::Sum, v[0]))?;
    let value = cx.reshape(sums, kept)?;
    Ok(Operand { value, labels: keep.iter().map(|&a| operand.labels[a]).collect() })
}

/// Joins two operands by one matrix product.
fn join(
    cx: &mut NodeCx<'_>,
    a: Operand,
    b: Operand,
    needed: &dyn Fn(&Label) -> bool,
) -> Result<Operand, Diagnostic> {
    let (of_a, of_b) = (a.labels.clone(), b.labels.clone());
    let a = sum_away(cx, a, &|l| needed(l) || of_b.contains(l))?;
    let b = sum_away(cx, b, &|l| needed(l) || of_a.contains(l))?;
    let both = |l: &&Label| a.labels.contains(l) && b.labels.contains(l);
    let batch: Vec<Label> = a.labels.iter().filter(both).filter(|l| needed(l)).copied().collect();
    let depth: Vec<Label> = a.labels.iter().filter(both).filter(|l| !needed(l)).copied().collect();
    let rows: Vec<Label> = a.labels.iter().filter(|l| !b.labels.contains(l)).copied().collect();
    let columns: Vec<Label> = b.labels.iter().filter(|l| !a.labels.contains(l)).copied().collect();
    let left = arrange(cx, &a, [&batch, &rows, &depth])?;
    let right = arrange(cx, &b, [&batch, &depth, &columns])?;
    let product = cx.matmul(left.value, right.value)?;
    let mut shape: Shape = broadcast(&left.groups[0], &right.groups[0])?;
    shape.extend(left.groups[1].iter().chain(&right.groups[2]).cloned());
    let value = cx.reshape(product, shape)?;
    Ok(Operand { value, labels: [batch, rows, columns].concat() })
}

/// An operand as `[batch…, x, y]`, and the extents of the three groups of axes it was made of.
struct Arranged {
    value: Value,
    groups: [Shape; 3],
}

fn arrange(cx: &mut NodeCx<'_>, operand: &Operand, groups: [&Vec<Label>; 3]) -> Result<Arranged, Diagnostic> {
    let at = |label: &Label| operand.labels.iter().position(|l| l == label).unwrap_or(0);
    let perm: Vec<usize> = groups.iter().flat_map(|g| g.iter().map(at)).collect();
    let ordered = cx.transpose(operand.value, &perm)?;
    let shape = cx.shape(operand.value);
    let extents = groups.map(|g| g.iter().map(|l| shape[at(l)].clone()).collect::<Shape>());
    let mut merged = extents[0].clone();
    merged.push(Dim::product(&extents[1]));
    merged.push(Dim::product(&extents[2]));
    let value = cx.reshape(ordered, merged)?;
    Ok(Arranged { value, groups: extents })
}

/// Core operator: elements whose indices along two axes agree; the second axis goes away.
#[derive(Clone, Debug)]
struct Diagonal {
    first: usize,
    second: usize,
}

impl Op for Diagonal {
    fn name(&self) -> &'static str {
        "Diagonal"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let mut ty = inputs[0].ty.clone();
        if ty.shape[self.first] != ty.shape[self.second] {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("{ty} has no diagonal: the two axes differ"),
            ));
        }
        ty.shape.remove(self.second);
        Ok(vec![ty])
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let x = &inputs[0];
        let mut shape = x.shape().to_vec();
        shape.remove(self.second);
        let elements = (0..shape.iter().product::<usize>()).map(|mut index| {
            let mut point = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                point[axis] = index % shape[axis];
                index /= shape[axis];
            }
            point.insert(self.second, point[self.first]);
            x.get(point.iter().zip(x.shape()).fold(0, |at, (i, extent)| at * extent + i))
        });
        Some(vec![Tensor::from_scalars(x.dtype(), shape.clone(), elements)])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let view = cx.input(0);
        let (mut shape, mut strides) = (view.shape.clone(), view.strides.clone());
        strides[self.first] = &strides[self.first] + &strides[self.second];
        shape.remove(self.second);
        strides.remove(self.second);
        cx.alias(0, View { shape, strides, ..view });
        Ok(())
    }
}
