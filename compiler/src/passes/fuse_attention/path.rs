//! From the shares of a softmax back to the product that the scores come from.

use crate::expr::{Binary, Expr, ExprBuilder, ExprId, ExprKind, ExprNode, Reduction, Unary};
use crate::ir::{Graph, NodeData, Value};
use crate::ops::attention::Attention;
use crate::ops::map::Map;
use crate::ops::matmul::MatMul;
use crate::ops::movement::Reshape;
use crate::passes::axes::groups;
use crate::types::{DType, Dim, Origin, Shape};

/// Steps back before the search is given up.
const LONGEST: usize = 16;

/// Something that the scores are computed from, and the space of the map that reads it.
pub(super) struct Read {
    pub(super) value: Value,
    pub(super) space: Shape,
}

/// What lies between two products.
pub(super) struct Path<'g> {
    /// The first product.
    pub(super) product: &'g NodeData,
    /// The shape of its result.
    pub(super) product_space: Shape,
    /// The scores: input 0 is the product, input `i` is `reads[i - 1]`; axis 0 is that of queries, axis 1 that of keys.
    pub(super) scores: Expr,
    pub(super) reads: Vec<Read>,
    /// Whether shares that are NaN count as 0.
    pub(super) empty: bool,
    /// The ONNX nodes on the way.
    pub(super) origins: Vec<Origin>,
    /// The shapes that the scores have on the way.
    spaces: Vec<Shape>,
}

/// An expression on the way: input `at` leads on to the product, input `i` of the others is `reads[i]`.
struct Walk {
    expr: Expr,
    /// One for each input of the expression; nothing at the one that is followed.
    reads: Vec<Option<Read>>,
    followed: Value,
}

impl<'g> Path<'g> {
    /// The way back from the shares.
    pub(super) fn from(graph: &'g Graph, shares: Value, uses: &[usize]) -> Option<Path<'g>> {
        let mut spaces = Vec::new();
        let mut origins = Vec::new();
        let mut value = shares;
        let softmax = loop {
            let node = graph.producer(value).filter(|n| read_once(n, value, uses))?;
            origins.extend(node.origins.iter().rev().cloned());
            if node.is::<Reshape>().is_none() {
                break node;
            }
            value = node.inputs[0];
        };
        let map =
            softmax.is::<Map>().filter(|m| m.row_axes == 1 && !m.reduced && softmax.epilogue.is_none())?;
        let (x, empty) = softmax_of(&map.expr)?;
        spaces.push(map.space.clone());
        let mut walk = follow(graph, softmax, &part(&map.expr, x), &map.space, uses)?;
        for _ in 0..LONGEST {
            let node = graph.producer(walk.followed).filter(|n| read_once(n, walk.followed, uses))?;
            origins.extend(node.origins.iter().rev().cloned());
            let space = graph.ty(walk.followed).shape.clone();
            if node.is::<Reshape>().is_some() {
                walk.followed = node.inputs[0];
                let before = &graph.ty(walk.followed).shape;
                if !same_matrices(before, &space) {
                    return None;
                }
                spaces.push(before.clone());
            } else if let Some(map) = node.is::<Map>() {
                if map.expr.has_reductions() || map.reduced || map.space != space {
                    return None;
                }
                let inner = follow(graph, node, &map.expr, &space, uses)?;
                walk = walk.into(inner);
            } else {
                node.is::<MatMul>()?;
                let path = walk.end(node, space, empty, origins, spaces);
                return Some(path).filter(|p| p.scores.dtype() == DType::F32);
            }
        }
        None
    }

    /// The leading axes of the scores where they are split the most.
    pub(super) fn finest(&self) -> Shape {
        let all = self.spaces.iter().chain([&self.product_space]);
        let finest = all.max_by_key(|s| (s.len(), s.iter().filter(|d| !d.is(1)).count()));
        finest.map_or_else(Shape::new, |s| s[..s.len() - 2].to_vec())
    }
}

impl Walk {
    /// This with the map whose result was followed inlined.
    fn into(self, inner: Walk) -> Walk {
        let at = self.reads.iter().position(Option::is_none).unwrap_or(0);
        let mut builder = ExprBuilder::new();
        let before = self.reads.len();
        let output = builder.inline(&self.expr, &mut |b, i, dtype| {
            if i == at {
                b.inline(&inner.expr, &mut |b, j, dtype| b.input(before + j, dtype))
            } else {
                b.input(i, dtype)
            }
        });
        // The place that was followed is not read any more; it must not be taken for the one that is.
        let mut reads = self.reads;
        reads[at] = Some(Read { value: inner.followed, space: Shape::new() });
        reads.extend(inner.reads);
        Walk { expr: builder.finish(output), reads, followed: inner.followed }
    }

    fn end<'g>(
        self,
        product: &'g NodeData,
        space: Shape,
        empty: bool,
        mut origins: Vec<Origin>,
        spaces: Vec<Shape>,
    ) -> Path<'g> {
        let at = self.reads.iter().position(Option::is_none).unwrap_or(0);
        let read = self.expr.inputs();
        let mut reads = Vec::new();
        let mut numbers = vec![0; self.reads.len()];
        for (i, other) in self.reads.into_iter().enumerate() {
            if let Some(other) = other.filter(|_| read.contains(&i)) {
                reads.push(other);
                numbers[i] = reads.len();
            }
        }
        let mut builder = ExprBuilder::new();
        let output = builder.inline(&self.expr, &mut |b, i, dtype| {
            if i != at {
                return b.input(numbers[i], dtype);
            }
            let x = b.input(0, dtype);
            let Some(epilogue) = &product.epilogue else { return x };
            b.inline(&epilogue.expr, &mut |b, j, dtype| match j {
                0 => x,
                j => {
                    let value = epilogue.inputs[j - 1];
                    let known = reads.iter().position(|r| r.value == value && r.space == space);
                    let number = known.unwrap_or_else(|| {
                        reads.push(Read { value, space: space.clone() });
                        reads.len() - 1
                    });
                    b.input(number + 1, dtype)
                }
            })
        });
        origins.reverse();
        origins.dedup();
        let scores = widened(&builder.finish(output));
        Path { product, product_space: space, scores, reads, empty, origins, spaces }
    }
}

/// Chooses the input of a map that leads back to a product.
fn follow(graph: &Graph, node: &NodeData, expr: &Expr, space: &Shape, uses: &[usize]) -> Option<Walk> {
    let mut reads = Vec::with_capacity(node.inputs.len());
    let matrix = space.len().checked_sub(2)?;
    // Positions along other axes would not be those of the attention.
    if expr.nodes().any(|(_, n)| matches!(n.kind, ExprKind::Index(axis) if axis < matrix)) {
        return None;
    }
    let expr = expr.with_axes(&|axis| axis - matrix);
    let read = expr.inputs();
    let mut followed = None;
    for (i, &value) in node.inputs.iter().enumerate() {
        let leads = followed.is_none()
            && read.contains(&i)
            && graph.ty(value).shape == *space
            && leads_to_product(graph, value, uses, LONGEST);
        if leads {
            followed = Some(value);
            reads.push(None);
        } else {
            reads.push(Some(Read { value, space: space.clone() }));
        }
    }
    Some(Walk { expr, reads, followed: followed? })
}

/// Whether a value is the product of two computed operands, after maps and reshapes that nothing else reads.
fn leads_to_product(graph: &Graph, value: Value, uses: &[usize], left: usize) -> bool {
    let Some(node) = graph.producer(value).filter(|n| left > 0 && read_once(n, value, uses)) else {
        return false;
    };
    let shape = &graph.ty(value).shape;
    if node.is::<MatMul>().is_some() {
        let fits = |v: &Value| graph.constant(*v).is_none() && Attention::takes(graph.ty(*v).dtype);
        return node.inputs.iter().all(fits) && shape.len() >= 2;
    }
    let on = |v: &Value| leads_to_product(graph, *v, uses, left - 1);
    if node.is::<Reshape>().is_some() {
        return same_matrices(&graph.ty(node.inputs[0]).shape, shape) && on(&node.inputs[0]);
    }
    let map = node.is::<Map>().filter(|m| !m.expr.has_reductions() && !m.reduced);
    map.is_some() && node.inputs.iter().any(|v| graph.ty(*v).shape == *shape && on(v))
}

/// Whether only one node reads a value, which `node` computes.
fn read_once(node: &NodeData, value: Value, uses: &[usize]) -> bool {
    node.outputs.len() == 1 && uses[value.0 as usize] == 1
}

/// Whether one shape has the matrices of another, with leading axes split or merged.
fn same_matrices(a: &[Dim], b: &[Dim]) -> bool {
    let (Some(x), Some(y)) = (a.len().checked_sub(2), b.len().checked_sub(2)) else { return false };
    a[x..] == b[y..] && (groups(&a[..x], &b[..y]).is_some() || groups(&b[..y], &a[..x]).is_some())
}

/// What an expression is the softmax of, and whether NaN becomes 0.
fn softmax_of(expr: &Expr) -> Option<(ExprId, bool)> {
    let kind = |id: ExprId| expr.node(id).kind;
    let mut at = narrowed(expr, expr.output());
    let mut empty = false;
    if let ExprKind::Select(condition, a, b) = kind(at)
        && kind(condition) == ExprKind::Unary(Unary::IsNan, b)
        && matches!(kind(a), ExprKind::Const(s) if s.as_f64() == 0.0)
    {
        (at, empty) = (narrowed(expr, b), true);
    }
    let is_sum_of = |sum: ExprId, of: ExprId| kind(sum) == ExprKind::Reduce(Reduction::Sum, of);
    let is_inverse_sum_of = |id: ExprId, of: ExprId| match kind(id) {
        ExprKind::Unary(Unary::Reciprocal, sum) => is_sum_of(sum, of),
        ExprKind::Binary(Binary::Div, one, sum) => {
            is_sum_of(sum, of) && matches!(kind(one), ExprKind::Const(s) if s.as_f64() == 1.0)
        }
        _ => false,
    };
    let power = match kind(at) {
        ExprKind::Binary(Binary::Div, power, sum) if is_sum_of(sum, power) => power,
        ExprKind::Binary(Binary::Mul, a, b) if is_inverse_sum_of(b, a) => a,
        ExprKind::Binary(Binary::Mul, a, b) if is_inverse_sum_of(a, b) => b,
        _ => return None,
    };
    let ExprKind::Unary(Unary::Exp, shifted) = kind(power) else { return None };
    let ExprKind::Binary(Binary::Sub, x, largest) = kind(shifted) else { return None };
    let plain = part(expr, x);
    (kind(largest) == ExprKind::Reduce(Reduction::Max, x)
        && !plain.has_reductions()
        && plain.nodes().all(|(_, n)| n.kind != ExprKind::RowLength)
        && Attention::takes(plain.dtype()))
    .then_some((x, empty))
}

/// What is rounded to half precision at a node, if that is what it does.
fn narrowed(expr: &Expr, id: ExprId) -> ExprId {
    match expr.node(id).kind {
        ExprKind::Cast(of) if expr.node(of).dtype == DType::F32 && Attention::takes(expr.node(id).dtype) => {
            of
        }
        _ => id,
    }
}

/// The expression with all that it computes in half precision computed in f32: the kernel rounds once, at its end. Input 0
/// is f32.
fn widened(expr: &Expr) -> Expr {
    let half = |dtype: DType| matches!(dtype, DType::F16 | DType::BF16);
    let mut builder = ExprBuilder::new();
    let mut new: Vec<ExprId> = Vec::with_capacity(expr.len());
    for (_, node) in expr.nodes() {
        new.push(match node.kind {
            ExprKind::Input(0) => builder.input(0, DType::F32),
            ExprKind::Input(i) if half(node.dtype) => {
                let read = builder.input(i, node.dtype);
                builder.cast(read, DType::F32)
            }
            ExprKind::Const(value) if half(node.dtype) => builder.scalar(value.cast(DType::F32)),
            _ => {
                let dtype = if half(node.dtype) { DType::F32 } else { node.dtype };
                builder.rebuilt(ExprNode { dtype, ..node }, &|id| new[id.0 as usize])
            }
        });
    }
    builder.finish(new[expr.output().0 as usize])
}

/// The expression whose result is a node of another.
fn part(expr: &Expr, output: ExprId) -> Expr {
    let mut builder = ExprBuilder::new();
    let mut new: Vec<ExprId> = Vec::with_capacity(expr.len());
    for (_, node) in expr.nodes() {
        new.push(builder.node(node.kind.with_operands(&|o| new[o.0 as usize]), node.dtype));
    }
    builder.finish(new[output.0 as usize])
}
