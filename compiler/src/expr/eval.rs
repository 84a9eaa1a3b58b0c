//! The meaning of expressions, element by element: constant folding and the tests' oracle.

use super::{Binary, Compare, Expr, ExprKind, Reduction, Unary};
use crate::types::{DType, Scalar, Tensor};

/// Applies a function of one element.
pub fn apply_unary(op: Unary, a: Scalar) -> Scalar {
    let dtype = a.dtype();
    match (op, a) {
        (Unary::IsNan, _) => Scalar::Bool(a.as_f64().is_nan()),
        (Unary::Not, Scalar::Bool(v)) => Scalar::Bool(!v),
        (Unary::Not, _) => Scalar::from_i64(dtype, !a.as_i64()),
        (Unary::Neg, Scalar::Int(_, v)) => Scalar::from_i64(dtype, v.wrapping_neg()),
        (Unary::Abs, Scalar::Int(DType::U64, _)) => a,
        (Unary::Abs, Scalar::Int(_, v)) => Scalar::from_i64(dtype, v.wrapping_abs()),
        (Unary::Sign, Scalar::Int(DType::U64, v)) => Scalar::from_i64(dtype, i64::from(v != 0)),
        (Unary::Sign, Scalar::Int(_, v)) => Scalar::from_i64(dtype, v.signum()),
        (Unary::Floor | Unary::Ceil | Unary::Round, Scalar::Int(..)) => a,
        _ => Scalar::from_f64(dtype, unary_f64(op, a.as_f64())),
    }
}

fn unary_f64(op: Unary, x: f64) -> f64 {
    match op {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sign if x == 0.0 || x.is_nan() => x,
        Unary::Sign => x.signum(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Sqrt => x.sqrt(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tan => x.tan(),
        Unary::Asin => x.asin(),
        Unary::Acos => x.acos(),
        Unary::Atan => x.atan(),
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Tanh => x.tanh(),
        Unary::Asinh => x.asinh(),
        Unary::Acosh => x.acosh(),
        Unary::Atanh => x.atanh(),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Erf => libm::erf(x),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::IsNan | Unary::Not => f64::from(u8::from(x.is_nan())),
    }
}

/// Applies a function of two elements of one type.
pub fn apply_binary(op: Binary, a: Scalar, b: Scalar) -> Scalar {
    let dtype = a.dtype();
    match (a, b) {
        (Scalar::Bool(x), Scalar::Bool(y)) => Scalar::Bool(match op {
            Binary::And | Binary::Mul | Binary::Min => x && y,
            Binary::Or | Binary::Add | Binary::Max => x || y,
            _ => x != y,
        }),
        (Scalar::Int(DType::U64, x), Scalar::Int(_, y)) => {
            Scalar::Int(DType::U64, binary_u64(op, x.cast_unsigned(), y.cast_unsigned()).cast_signed())
        }
        (Scalar::Int(_, x), Scalar::Int(_, y)) => Scalar::from_i64(dtype, binary_i64(op, dtype, x, y)),
        _ => Scalar::from_f64(dtype, binary_f64(op, a.as_f64(), b.as_f64())),
    }
}

fn binary_i64(op: Binary, dtype: DType, x: i64, y: i64) -> i64 {
    let shift_bits = dtype.size() as i64 * 8;
    match op {
        Binary::Add => x.wrapping_add(y),
        Binary::Sub => x.wrapping_sub(y),
        Binary::Mul => x.wrapping_mul(y),
        Binary::Div | Binary::Mod | Binary::Fmod if y == 0 => 0,
        Binary::Div => x.wrapping_div(y),
        Binary::Fmod => x.wrapping_rem(y),
        Binary::Mod => {
            let r = x.wrapping_rem(y);
            if r != 0 && (r < 0) != (y < 0) { r + y } else { r }
        }
        Binary::Pow if y < 0 => match x {
            1 => 1,
            -1 => 1 - 2 * (y & 1),
            _ => 0,
        },
        Binary::Pow => power(x.cast_unsigned(), y.cast_unsigned()).cast_signed(),
        Binary::Min => x.min(y),
        Binary::Max => x.max(y),
        Binary::And => x & y,
        Binary::Or => x | y,
        Binary::Xor => x ^ y,
        Binary::ShiftLeft | Binary::ShiftRight if y < 0 || y >= shift_bits => 0,
        Binary::ShiftLeft => x << y,
        Binary::ShiftRight => x >> y,
    }
}

fn binary_u64(op: Binary, x: u64, y: u64) -> u64 {
    match op {
        Binary::Add => x.wrapping_add(y),
        Binary::Sub => x.wrapping_sub(y),
        Binary::Mul => x.wrapping_mul(y),
        Binary::Div => x.checked_div(y).unwrap_or(0),
        Binary::Mod | Binary::Fmod => x.checked_rem(y).unwrap_or(0),
        Binary::Pow => power(x, y),
        Binary::Min => x.min(y),
        Binary::Max => x.max(y),
        Binary::And => x & y,
        Binary::Or => x | y,
        Binary::Xor => x ^ y,
        Binary::ShiftLeft => u32::try_from(y).ok().and_then(|y| x.checked_shl(y)).unwrap_or(0),
        Binary::ShiftRight => u32::try_from(y).ok().and_then(|y| x.checked_shr(y)).unwrap_or(0),
    }
}

/// `x` to the power `exponent`, wrapping.
fn power(mut x: u64, mut exponent: u64) -> u64 {
    let mut result = 1_u64;
    while exponent != 0 {
        if exponent & 1 == 1 {
            result = result.wrapping_mul(x);
        }
        x = x.wrapping_mul(x);
        exponent >>= 1;
    }
    result
}

fn binary_f64(op: Binary, x: f64, y: f64) -> f64 {
    match op {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Mod => {
            let r = x % y;
            if r != 0.0 && (r < 0.0) != (y < 0.0) { r + y } else { r }
        }
        Binary::Fmod => x % y,
        Binary::Pow => x.powf(y),
        Binary::Min if x.is_nan() || y.is_nan() => f64::NAN,
        Binary::Max if x.is_nan() || y.is_nan() => f64::NAN,
        Binary::Min => x.min(y),
        Binary::Max => x.max(y),
        Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight => f64::NAN,
    }
}

/// Compares two elements of one type.
pub fn apply_compare(op: Compare, a: Scalar, b: Scalar) -> bool {
    let order = match (a, b) {
        (Scalar::Int(DType::U64, x), Scalar::Int(_, y)) => Some(x.cast_unsigned().cmp(&y.cast_unsigned())),
        (Scalar::Int(_, x), Scalar::Int(_, y)) => Some(x.cmp(&y)),
        _ => a.as_f64().partial_cmp(&b.as_f64()),
    };
    use std::cmp::Ordering::{Equal, Greater, Less};
    match op {
        Compare::Equal => order == Some(Equal),
        Compare::Less => order == Some(Less),
        Compare::LessOrEqual => matches!(order, Some(Less | Equal)),
        Compare::Greater => order == Some(Greater),
        Compare::GreaterOrEqual => matches!(order, Some(Greater | Equal)),
    }
}

/// Elementwise expressions are evaluated for this many points at a time.
const BLOCK: usize = 1024;

/// Evaluates `expr` over the iteration space `space`, whose last `row_axes` axes are the row. Inputs are broadcast to
/// the space. With `reduced` the result has one element per row, and extents of one along the row's axes. There are no
/// sizes in `expr`: where extents are numbers, sizes are constants.
pub fn evaluate(expr: &Expr, inputs: &[Tensor], space: &[usize], row_axes: usize, reduced: bool) -> Tensor {
    let rank = space.len();
    let row: usize = space[rank - row_axes..].iter().product();
    let rows: usize = space[..rank - row_axes].iter().product();
    let mut shape = space.to_vec();
    if reduced {
        shape[rank - row_axes..].fill(1);
    }
    let by_rows = reduced || expr.has_reductions();
    // An empty row still has a result if it is reduced.
    let total = if reduced { rows * row.max(1) } else { rows * row };
    let block = if by_rows { row.max(1) } else { BLOCK };
    let strides: Vec<Vec<usize>> = inputs.iter().map(|t| broadcast_strides(t.shape(), space)).collect();
    let mut result = Vec::with_capacity(if reduced { rows } else { total });
    for start in (0..total).step_by(block) {
        let points = Points { space, start, len: block.min(total - start), row };
        let column = points.column(expr, inputs, &strides);
        result.extend(&column[..if reduced { 1 } else { points.len }]);
    }
    Tensor::from_scalars(expr.dtype(), shape, result)
}

/// Consecutive points of an iteration space: a whole row if the expression reduces.
struct Points<'a> {
    space: &'a [usize],
    start: usize,
    len: usize,
    row: usize,
}

impl Points<'_> {
    /// The value of `expr` at each point.
    fn column(&self, expr: &Expr, inputs: &[Tensor], strides: &[Vec<usize>]) -> Vec<Scalar> {
        let mut columns: Vec<Vec<Scalar>> = Vec::with_capacity(expr.len());
        for (_, node) in expr.nodes() {
            let at = |id: super::ExprId, r: usize| columns[id.0 as usize][r];
            let column: Vec<Scalar> = match node.kind {
                ExprKind::Input(i) => self.load(&inputs[i], &strides[i], node.dtype),
                ExprKind::Reduce(op, a) => {
                    let first = reduction_identity(op, node.dtype);
                    let total =
                        (0..self.len.min(self.row)).map(|r| at(a, r)).fold(first, |x, y| combine(op, x, y));
                    vec![total; self.len]
                }
                ExprKind::Const(s) => vec![s; self.len],
                ExprKind::RowLength => vec![Scalar::from_i64(node.dtype, self.row as i64); self.len],
                ExprKind::Index(axis) => {
                    let inner: usize = self.space[axis + 1..].iter().product::<usize>().max(1);
                    let index = |r: usize| (self.start + r) / inner % self.space[axis].max(1);
                    (0..self.len).map(|r| Scalar::Int(DType::I64, index(r) as i64)).collect()
                }
                kind => (0..self.len).map(|r| pointwise(&kind, node.dtype, &|id| at(id, r))).collect(),
            };
            columns.push(column);
        }
        columns.swap_remove(expr.output().0 as usize)
    }

    /// The elements of an input that is broadcast to the space; zeros where it is empty.
    fn load(&self, input: &Tensor, strides: &[usize], dtype: DType) -> Vec<Scalar> {
        let mut index = unravel(self.start, self.space);
        let mut column = Vec::with_capacity(self.len);
        for _ in 0..self.len {
            let at: usize = index.iter().zip(strides).map(|(i, s)| i * s).sum();
            column.push(if at < input.len() { input.get(at) } else { Scalar::from_i64(dtype, 0) });
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                if index[axis] < self.space[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        column
    }
}

/// A node that looks at its operands only, at one point.
fn pointwise(kind: &ExprKind, dtype: DType, at: &dyn Fn(super::ExprId) -> Scalar) -> Scalar {
    match *kind {
        ExprKind::Unary(op, a) => apply_unary(op, at(a)),
        ExprKind::Binary(op, a, b) => apply_binary(op, at(a), at(b)),
        ExprKind::Compare(op, a, b) => Scalar::Bool(apply_compare(op, at(a), at(b))),
        ExprKind::Select(c, a, b) => at(if at(c) == Scalar::Bool(true) { a } else { b }),
        ExprKind::Cast(a) => at(a).cast(dtype),
        // The others look at more than their operands.
        _ => Scalar::from_i64(dtype, 0),
    }
}

/// The reduction of nothing.
pub fn reduction_identity(op: Reduction, dtype: DType) -> Scalar {
    match op {
        Reduction::Sum => Scalar::from_i64(dtype, 0),
        Reduction::Prod => Scalar::from_i64(dtype, 1),
        Reduction::Max if dtype == DType::Bool => Scalar::Bool(false),
        Reduction::Max if dtype == DType::Bool => Scalar::Bool(false),
        Reduction::Max if dtype.is_signed_int() => {
            Scalar::from_i64(dtype, i64::MIN >> (64 - 8 * dtype.size()))
        }
        Reduction::Max => Scalar::from_f64(dtype, f64::NEG_INFINITY),
        Reduction::Min if dtype.is_signed_int() => {
            Scalar::from_i64(dtype, i64::MAX >> (64 - 8 * dtype.size()))
        }
        Reduction::Min => Scalar::from_f64(dtype, f64::INFINITY),
    }
}

/// What a reduction makes of two elements.
pub fn combine(op: Reduction, x: Scalar, y: Scalar) -> Scalar {
    let op = match op {
        Reduction::Sum => Binary::Add,
        Reduction::Prod => Binary::Mul,
        Reduction::Max => Binary::Max,
        Reduction::Min => Binary::Min,
    };
    apply_binary(op, x, y)
}

/// Element strides under which a tensor of shape `shape` is read when broadcast to `space`.
fn broadcast_strides(shape: &[usize], space: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; space.len()];
    let mut stride = 1;
    for (axis, &extent) in shape.iter().enumerate().rev() {
        strides[axis + space.len() - shape.len()] = if extent == 1 { 0 } else { stride };
        stride *= extent;
    }
    strides
}

fn unravel(mut index: usize, space: &[usize]) -> Vec<usize> {
    let mut point = vec![0; space.len()];
    for axis in (0..space.len()).rev() {
        let extent = space[axis].max(1);
        point[axis] = index % extent;
        index /= extent;
    }
    point
}
