//! Generated code computes what expressions mean, compiles without a warning, and is pleasant to read.

#[path = "generated/harness.rs"]
mod harness;

use expect_test::{Expect, expect};
use harness::{Builder, Case, access, check, dense, dims, functions};
use ingrain_compiler::expr::{Binary, Compare, Expr, ExprBuilder, Reduction, Unary, evaluate};
use ingrain_compiler::lir::{Arg, MapStep, Packing, StepKind};
use ingrain_compiler::types::{DType, Dim, Range, Scalar, Symbol, Tensor};

/// Numbers between -4 and 4, the same each time, with zeros among them.
fn numbers(dtype: DType, shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let count: usize = shape.iter().product();
    let values: Vec<Scalar> = (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let x = (state % 4096) as f64 / 512.0 - 4.0;
            match dtype {
                DType::Bool => Scalar::Bool(state.is_multiple_of(3)),
                d if d.is_float() => Scalar::from_f64(d, x),
                d if d.is_signed_int() => Scalar::from_i64(d, (state % 41) as i64 - 20),
                d => Scalar::from_i64(d, (state % 41) as i64),
            }
        })
        .collect();
    Tensor::from_scalars(dtype, shape.to_vec(), values)
}

fn expr(build: impl FnOnce(&mut ExprBuilder) -> ingrain_compiler::expr::ExprId) -> Expr {
    let mut b = ExprBuilder::new();
    let out = build(&mut b);
    b.finish(out)
}

/// A program of one map over dense inputs of the given shapes, broadcast to `space`.
fn map_case(
    name: &'static str,
    expr: &Expr,
    inputs: &[(DType, &[usize])],
    space: &[usize],
    row_axes: usize,
    reduced: bool,
) -> Case {
    let mut b = Builder::default();
    let extents: Vec<Dim> = space.iter().map(|&d| Dim::from(d)).collect();
    let tensors: Vec<Tensor> =
        inputs.iter().enumerate().map(|(i, (d, s))| numbers(*d, s, i as u64 + 7)).collect();
    let loads = inputs
        .iter()
        .enumerate()
        .map(|(i, (dtype, shape))| {
            let shape: Vec<Dim> = shape.iter().map(|&d| Dim::from(d)).collect();
            let buffer = b.input(&format!("in{i}"), *dtype, &shape);
            let missing = space.len() - shape.len();
            let own = dense(&shape);
            let strides = (0..space.len())
                .map(|a| match a.checked_sub(missing) {
                    Some(at) if !shape[at].is(1) => own[at].clone(),
                    _ => Dim::ZERO,
                })
                .collect();
            access(buffer, strides)
        })
        .collect();
    let mut shape = extents.clone();
    if reduced {
        let first = shape.len() - row_axes;
        shape[first..].fill(Dim::ONE);
    }
    let y = b.output("y", expr.dtype(), &shape);
    let mut strides = dense(&shape);
    if reduced {
        let first = shape.len() - row_axes;
        strides[first..].fill(Dim::ZERO);
    }
    let map =
        MapStep { space: extents, row_axes, reduced, expr: expr.clone(), loads, store: access(y, strides) };
    b.map(name, map);
    let expected = vec![evaluate(expr, &tensors, space, row_axes, reduced)];
    Case { name, program: b.program, inputs: tensors, expected, tolerance: 3e-6 }
}

fn softmax() -> Expr {
    expr(|b| {
        let x = b.input(0, DType::F32);
        let max = b.reduce(Reduction::Max, x);
        let d = b.sub(x, max);
        let e = b.unary(Unary::Exp, d);
        let sum = b.reduce(Reduction::Sum, e);
        b.div(e, sum)
    })
}

fn layer_norm() -> Expr {
    expr(|b| {
        let x = b.input(0, DType::F32);
        let n = b.row_length(DType::F32);
        let sum = b.reduce(Reduction::Sum, x);
        let mean = b.div(sum, n);
        let d = b.sub(x, mean);
        let square = b.mul(d, d);
        let squares = b.reduce(Reduction::Sum, square);
        let variance = b.div(squares, n);
        let epsilon = b.number(variance, 1e-5);
        let variance = b.add(variance, epsilon);
        let root = b.unary(Unary::Sqrt, variance);
        let y = b.div(d, root);
        let (scale, bias) = (b.input(1, DType::F32), b.input(2, DType::F32));
        let y = b.mul(y, scale);
        b.add(y, bias)
    })
}

fn silu_with_bias() -> Expr {
    expr(|b| {
        let (x, bias) = (b.input(0, DType::F32), b.input(1, DType::F32));
        let x = b.add(x, bias);
        let s = b.unary(Unary::Sigmoid, x);
        b.mul(x, s)
    })
}

/// Every function of one float.
fn unary_functions(dtype: DType) -> Expr {
    use Unary::{
        Abs, Acos, Acosh, Asin, Asinh, Atan, Atanh, Ceil, Cos, Cosh, Erf, Exp, Floor, IsNan, Log, Neg,
        Reciprocal, Round, Sigmoid, Sign, Sin, Sinh, Sqrt, Tan, Tanh,
    };
    expr(|b| {
        let x = b.input(0, dtype);
        let mut total = b.number(x, 0.0);
        let bounded = [Acos, Asin, Atanh];
        let all = [
            Abs, Acosh, Asinh, Atan, Ceil, Cos, Cosh, Erf, Exp, Floor, Log, Neg, Reciprocal, Round, Sigmoid,
            Sign, Sin, Sinh, Sqrt, Tan, Tanh,
        ];
        for op in all.into_iter().chain(bounded) {
            let tenth = b.number(x, 0.125);
            let argument = if bounded.contains(&op) { b.mul(x, tenth) } else { x };
            let y = b.unary(op, argument);
            let undefined = b.unary(IsNan, y);
            let other = b.number(x, 3.0);
            let y = b.select(undefined, other, y);
            // Everything to the same magnitude, so that no function hides behind another.
            let y = b.unary(Tanh, y);
            total = b.add(total, y);
        }
        total
    })
}

fn float_binary(dtype: DType) -> Expr {
    expr(|b| {
        let (x, y) = (b.input(0, dtype), b.input(1, dtype));
        let mut total = b.sub(x, y);
        for op in [Binary::Mod, Binary::Fmod, Binary::Min, Binary::Max, Binary::Mul] {
            let z = b.binary(op, x, y);
            total = b.add(total, z);
        }
        let positive = b.unary(Unary::Abs, x);
        let power = b.binary(Binary::Pow, positive, y);
        let power = b.unary(Unary::Tanh, power);
        let zero = b.number(x, 0.0);
        let is_zero = b.compare(Compare::Equal, y, zero);
        let limit = b.number(x, 0.5);
        let total = b.select(is_zero, limit, total);
        b.add(total, power)
    })
}

fn int_functions(dtype: DType) -> Expr {
    expr(|b| {
        let (x, y) = (b.input(0, dtype), b.input(1, dtype));
        let mut total = b.sub(x, y);
        let all = [
            Binary::Div,
            Binary::Mod,
            Binary::Fmod,
            Binary::Min,
            Binary::Max,
            Binary::Mul,
            Binary::And,
            Binary::Or,
            Binary::Xor,
        ];
        for op in all {
            let z = b.binary(op, x, y);
            let three = b.number(x, 3.0);
            let scaled = b.mul(total, three);
            total = b.add(scaled, z);
        }
        if !dtype.is_signed_int() {
            for op in [Binary::ShiftLeft, Binary::ShiftRight] {
                let z = b.binary(op, x, y);
                total = b.add(total, z);
            }
        }
        for op in [Unary::Neg, Unary::Abs, Unary::Sign, Unary::Not, Unary::Floor] {
            let z = b.unary(op, total);
            total = b.add(total, z);
        }
        let two = b.number(x, 2.0);
        let square = b.binary(Binary::Pow, x, two);
        let power = b.binary(Binary::Pow, x, y);
        let total = b.add(total, power);
        b.add(total, square)
    })
}

fn conditions() -> Expr {
    expr(|b| {
        let (p, q) = (b.input(0, DType::Bool), b.input(1, DType::Bool));
        let x = b.input(2, DType::F32);
        let mut all = b.unary(Unary::Not, p);
        for op in [Binary::And, Binary::Or, Binary::Xor] {
            let r = b.binary(op, all, q);
            all = b.binary(Binary::Xor, r, p);
        }
        let zero = b.number(x, 0.0);
        for op in
            [Compare::Less, Compare::LessOrEqual, Compare::Greater, Compare::GreaterOrEqual, Compare::Equal]
        {
            let c = b.compare(op, x, zero);
            all = b.binary(Binary::Xor, all, c);
        }
        let number = b.cast(all, DType::I64);
        let one = b.number(number, 1.0);
        let same = b.compare(Compare::Equal, number, one);
        b.binary(Binary::And, same, all)
    })
}

/// Casts between all element types, one after another.
fn casts() -> Expr {
    expr(|b| {
        let x = b.input(0, DType::F32);
        let mut total = x;
        for dtype in DType::ALL {
            let there = b.cast(x, dtype);
            let back = b.cast(there, DType::F32);
            total = b.add(total, back);
        }
        let whole = b.cast(x, DType::I32);
        let half = b.cast(whole, DType::F16);
        let brain = b.cast(half, DType::BF16);
        let wide = b.cast(brain, DType::F64);
        let wide = b.cast(wide, DType::F32);
        b.add(total, wide)
    })
}

fn half_scaled(dtype: DType) -> Expr {
    expr(|b| {
        let (x, y) = (b.input(0, dtype), b.input(1, dtype));
        let half = b.number(x, 0.5);
        let z = b.mul(x, half);
        b.add(z, y)
    })
}

/// `x - max(x) * scale`, a sum of which becomes one number per row.
fn nested_reductions() -> Expr {
    expr(|b| {
        let (x, scale) = (b.input(0, DType::F32), b.input(1, DType::F32));
        let scaled = b.mul(x, scale);
        let max = b.reduce(Reduction::Max, scaled);
        let min = b.reduce(Reduction::Min, x);
        let d = b.sub(scaled, max);
        let e = b.unary(Unary::Exp, d);
        let sum = b.reduce(Reduction::Sum, e);
        let log = b.unary(Unary::Log, sum);
        let total = b.add(log, max);
        b.add(total, min)
    })
}

fn int_row() -> Expr {
    expr(|b| {
        let x = b.input(0, DType::I32);
        let max = b.reduce(Reduction::Max, x);
        let is_max = b.compare(Compare::Equal, x, max);
        let any = b.reduce(Reduction::Max, is_max);
        let ones = b.cast(is_max, DType::I32);
        let count = b.reduce(Reduction::Sum, ones);
        let any = b.cast(any, DType::I32);
        let index = b.index(1);
        let index = b.cast(index, DType::I32);
        let y = b.add(count, any);
        let y = b.add(y, index);
        b.add(y, x)
    })
}

fn positions() -> Expr {
    expr(|b| {
        let (i, j) = (b.index(0), b.index(2));
        let ten = b.number(i, 10.0);
        let tens = b.mul(i, ten);
        let at = b.add(tens, j);
        let x = b.input(0, DType::I64);
        b.add(at, x)
    })
}

/// `-x` of a value that is read with any strides.
fn strided(name: &'static str, space: &[i64], load: (&[i64], i64), store: (&[i64], i64)) -> Case {
    let x = numbers(DType::F32, &[60], 5);
    let mut b = Builder::default();
    let input = b.input("x", DType::F32, &dims(&[60]));
    let y = b.output("y", DType::F32, &dims(&[60]));
    let zeros = expr(|b| b.scalar(Scalar::from_f64(DType::F32, 0.0)));
    let whole = MapStep {
        space: dims(&[60]),
        row_axes: 0,
        reduced: false,
        expr: zeros,
        loads: vec![],
        store: access(y, dims(&[1])),
    };
    b.map("clear", whole);
    let strided = |buffer, (strides, offset): (&[i64], i64)| ingrain_compiler::lir::Access {
        buffer,
        offset: Dim::from(offset),
        strides: dims(strides),
    };
    let negated = expr(|b| {
        let x = b.input(0, DType::F32);
        b.unary(Unary::Neg, x)
    });
    let map = MapStep {
        space: dims(space),
        row_axes: 0,
        reduced: false,
        expr: negated,
        loads: vec![strided(input, load)],
        store: strided(y, store),
    };
    // A copy over the same elements writes half of them again.
    let (load_access, store_access) = (map.loads[0].clone(), map.store.clone());
    b.map("negate", map);
    let kind = StepKind::Copy { space: dims(space), load: load_access, store: store_access };
    let negate_only = name.ends_with("map");
    if !negate_only {
        b.step("Copy", "copy", kind);
    }
    let mut values = vec![0.0_f32; 60];
    let source = x.to_f32s();
    let count: i64 = space.iter().product();
    for i in 0..count {
        let (mut rest, mut from, mut to) = (i, load.1, store.1);
        for axis in (0..space.len()).rev() {
            from += rest % space[axis] * load.0[axis];
            to += rest % space[axis] * store.0[axis];
            rest /= space[axis];
        }
        values[to as usize] = if negate_only { -source[from as usize] } else { source[from as usize] };
    }
    let expected = vec![Tensor::from_f32s(vec![60], &values)];
    Case { name, program: b.program, inputs: vec![x], expected, tolerance: 0.0 }
}

/// A product with packed weights, a bias, and a map in its epilogue; then softmax of the result in place.
fn dense_layer() -> Case {
    let (m, k, n) = (3_usize, 20_usize, 33_usize);
    let (x, w, bias) =
        (numbers(DType::F32, &[m, k], 1), numbers(DType::F32, &[k, n], 2), numbers(DType::F32, &[n], 3));
    let mut b = Builder::default();
    let at = |v: usize| Dim::from(v);
    let input = b.input("x", DType::F32, &[at(m), at(k)]);
    let weight = b.weight("dense.weight", &w, Packing::Panels { batch: 1, k, n, transposed: false });
    let bias_buffer = b.weight("dense.bias", &bias, Packing::Plain);
    let hidden = b.value("hidden", DType::F32, &[at(m), at(n)]);
    let y = b.output("y", DType::F32, &[at(m), at(n)]);
    let epilogue = expr(|b| {
        let (x, bias) = (b.input(0, DType::F32), b.input(1, DType::F32));
        let x = b.add(x, bias);
        b.unary(Unary::Tanh, x)
    });
    let then = Arg::RowMap(ingrain_compiler::lir::RowMap {
        expr: epilogue.clone(),
        row_axes: 1,
        loads: vec![ingrain_compiler::lir::RowLoad {
            place: b.whole(bias_buffer),
            first: Dim::ZERO,
            row_strides: vec![Dim::ZERO],
            column_stride: 1,
        }],
    });
    let none = || Arg::None;
    let args = vec![
        Arg::Size(at(m)),
        Arg::Size(at(k)),
        Arg::Size(at(n)),
        Arg::Read("x", b.whole(input)),
        Arg::Size(at(k)),
        Arg::Apply("matmul::Rhs::Panels", vec![Arg::Read("weights", b.whole(weight))]),
        Arg::Write("y", b.whole(hidden)),
        Arg::Size(at(n)),
        Arg::Ref(Box::new(Arg::Struct(
            "epilogue::Epilogue",
            vec![
                ("bias", none()),
                ("residual", none()),
                ("residual_in_place", Arg::Bool(false)),
                ("clamp", none()),
                ("then", Arg::Some(Box::new(then))),
            ],
        ))),
    ];
    b.call("dense", "matmul::matmul_f32", args);
    let strides = dense(&[at(m), at(n)]);
    let map = MapStep {
        space: vec![at(m), at(n)],
        row_axes: 1,
        reduced: false,
        expr: softmax(),
        loads: vec![access(hidden, strides.clone())],
        store: access(y, strides),
    };
    b.map("softmax", map);
    let (xs, ws) = (x.to_f32s(), w.to_f32s());
    let product: Vec<f32> =
        (0..m * n).map(|i| (0..k).map(|t| xs[i / n * k + t] * ws[t * n + i % n]).sum()).collect();
    let product = Tensor::from_f32s(vec![m, n], &product);
    let hidden = evaluate(&epilogue, &[product, bias], &[m, n], 0, false);
    let expected = vec![evaluate(&softmax(), &[hidden], &[m, n], 1, false)];
    Case { name: "dense_layer", program: b.program, inputs: vec![x], expected, tolerance: 1e-5 }
}

/// A hundred steps, so that `run` is cut into parts.
fn long_chain(steps: usize) -> Case {
    let x = numbers(DType::F32, &[20], 9);
    let mut b = Builder::default();
    let shape = dims(&[20]);
    let input = b.input("x", DType::F32, &shape);
    let mut value = input;
    let increment = expr(|b| {
        let x = b.input(0, DType::F32);
        let one = b.number(x, 1.0);
        b.add(x, one)
    });
    for i in 0..steps {
        let next = if i == steps - 1 {
            b.output("y", DType::F32, &shape)
        } else {
            b.value(&format!("v{i}"), DType::F32, &shape)
        };
        let map = MapStep {
            space: shape.clone(),
            row_axes: 0,
            reduced: false,
            expr: increment.clone(),
            loads: vec![access(value, dims(&[1]))],
            store: access(next, dims(&[1])),
        };
        b.map(&format!("add{i}"), map);
        value = next;
    }
    let sums: Vec<f32> = x.to_f32s().iter().map(|x| (0..steps).fold(*x, |s, _| s + 1.0)).collect();
    let expected = vec![Tensor::from_f32s(vec![20], &sums)];
    Case { name: "long_chain", program: b.program, inputs: vec![x], expected, tolerance: 0.0 }
}

/// Attention-like rows over a dimension that is known at run time: `softmax(x + mask)`, then two results joined.
fn bounded(name: &'static str, batch: usize, seq: usize) -> Case {
    let (b_symbol, s_symbol) = (Symbol::new("batch"), Symbol::new("n"));
    let mut b = Builder::default();
    b.program.symbols.insert(b_symbol.clone(), Range { lo: 1, hi: 4 });
    b.program.symbols.insert(s_symbol.clone(), Range { lo: 1, hi: 16 });
    let (bs, n) = (Dim::symbol(b_symbol), Dim::symbol(s_symbol));
    let shape = [bs.clone(), n.clone(), n.clone()];
    let x = b.input("x", DType::F32, &shape);
    let mask = b.input("mask", DType::Bool, &[bs.clone(), n.clone()]);
    let y = b.output("y", DType::F32, &shape);
    let map = expr(|b| {
        let (x, mask) = (b.input(0, DType::F32), b.input(1, DType::Bool));
        let low = b.number(x, -1e9);
        let x = b.select(mask, x, low);
        let max = b.reduce(Reduction::Max, x);
        let d = b.sub(x, max);
        let e = b.unary(Unary::Exp, d);
        let sum = b.reduce(Reduction::Sum, e);
        b.div(e, sum)
    });
    let strides = dense(&shape);
    let step = MapStep {
        space: shape.to_vec(),
        row_axes: 1,
        reduced: false,
        expr: map.clone(),
        loads: vec![access(x, strides.clone()), access(mask, vec![n.clone(), Dim::ZERO, Dim::ONE])],
        store: access(y, strides.clone()),
    };
    b.map("attend", step);
    // The transposed rows after the rows themselves: [batch, 2 * n, n].
    let double = &n + &n;
    let joined = b.output("joined", DType::F32, &[bs.clone(), double.clone(), n.clone()]);
    let outer = &double * &n;
    let store = |offset: Dim| ingrain_compiler::lir::Access {
        buffer: joined,
        offset,
        strides: vec![outer.clone(), n.clone(), Dim::ONE],
    };
    let space = shape.to_vec();
    let kind = StepKind::Copy { space: space.clone(), load: access(y, strides), store: store(Dim::ZERO) };
    b.step("Concat", "join", kind);
    let transposed = access(y, vec![&n * &n, Dim::ONE, n.clone()]);
    b.step("Concat", "join", StepKind::Copy { space, load: transposed, store: store(&n * &n) });
    let (xs, ms) = (numbers(DType::F32, &[batch, seq, seq], 1), numbers(DType::Bool, &[batch, seq], 2));
    let broadcast = ms.reshaped(vec![batch, 1, seq]).unwrap();
    let first = evaluate(&map, &[xs.clone(), broadcast], &[batch, seq, seq], 1, false);
    let values = first.to_f32s();
    let mut all = Vec::new();
    for i in 0..batch {
        let matrix = &values[i * seq * seq..(i + 1) * seq * seq];
        all.extend_from_slice(matrix);
        all.extend((0..seq * seq).map(|at| matrix[at % seq * seq + at / seq]));
    }
    let second = Tensor::from_f32s(vec![batch, 2 * seq, seq], &all);
    Case { name, program: b.program, inputs: vec![xs, ms], expected: vec![first, second], tolerance: 3e-6 }
}

/// Rows of a table by index.
fn gather() -> Case {
    let table = numbers(DType::F32, &[6, 5], 3);
    let mut b = Builder::default();
    let weight = b.weight("table", &table, Packing::Plain);
    let ids = b.input("ids", DType::I64, &dims(&[3]));
    let y = b.output("y", DType::F32, &dims(&[3, 5]));
    let (weight, indices, result) = (b.whole(weight), b.whole(ids), b.whole(y));
    let args = vec![
        Arg::Size(Dim::ONE),
        Arg::Size(Dim::from(6_i64)),
        Arg::Size(Dim::from(5_i64)),
        Arg::Read("x", weight),
        Arg::Read("indices", indices),
        Arg::Write("y", result),
    ];
    let call = ingrain_compiler::lir::Call {
        kernel: "select::gather",
        generics: Vec::new(),
        args,
        fallible: true,
        count: None,
    };
    b.step("Gather", "embed", StepKind::Call(call));
    let rows = table.to_f32s();
    let chosen: Vec<f32> = [4, 0, 5].iter().flat_map(|&r: &usize| rows[r * 5..r * 5 + 5].to_vec()).collect();
    let inputs = vec![Tensor::from_i64s(&[4, 0, -1])];
    let expected = vec![Tensor::from_f32s(vec![3, 5], &chosen)];
    Case { name: "gather", program: b.program, inputs, expected, tolerance: 0.0 }
}

#[test]
fn generated_code_computes_what_expressions_mean() {
    use DType::{BF16, Bool, F16, F32, F64, I8, I32, I64, U8, U64};
    let mut cases = vec![
        map_case("silu", &silu_with_bias(), &[(F32, &[5, 7, 24]), (F32, &[24])], &[5, 7, 24], 0, false),
        map_case("softmax", &softmax(), &[(F32, &[6, 37])], &[6, 37], 1, false),
        map_case(
            "layer_norm",
            &layer_norm(),
            &[(F32, &[6, 40]), (F32, &[40]), (F32, &[40])],
            &[6, 40],
            1,
            false,
        ),
        map_case("functions_f32", &unary_functions(F32), &[(F32, &[300])], &[300], 0, false),
        map_case("functions_f64", &unary_functions(F64), &[(F64, &[300])], &[300], 0, false),
        map_case("binary_f32", &float_binary(F32), &[(F32, &[50, 6]), (F32, &[50, 1])], &[50, 6], 0, false),
        map_case(
            "conditions",
            &conditions(),
            &[(Bool, &[4, 9]), (Bool, &[9]), (F32, &[4, 1])],
            &[4, 9],
            0,
            false,
        ),
        map_case("casts", &casts(), &[(F32, &[100])], &[100], 0, false),
        map_case("nested", &nested_reductions(), &[(F32, &[2, 4, 5]), (F32, &[4, 1])], &[2, 4, 5], 2, true),
        map_case("one_column", &softmax(), &[(F32, &[6, 1])], &[6, 1], 1, false),
        map_case("empty_rows", &nested_reductions(), &[(F32, &[3, 0]), (F32, &[1])], &[3, 0], 1, true),
        map_case("int_row", &int_row(), &[(I32, &[5, 12])], &[5, 12], 1, false),
        map_case("positions", &positions(), &[(I64, &[3, 4, 5])], &[3, 4, 5], 0, false),
        map_case("point", &silu_with_bias(), &[(F32, &[]), (F32, &[])], &[], 0, false),
        strided("transposed_map", &[6, 10], (&[1, 6], 0), (&[10, 1], 0)),
        strided("reversed_map", &[6, 10], (&[-10, -1], 59), (&[10, 1], 0)),
        strided("strided_map", &[3, 5], (&[20, 4], 1), (&[20, 3], 2)),
        strided("transposed_copy", &[6, 10], (&[1, 6], 0), (&[10, 1], 0)),
        strided("reversed_copy", &[6, 10], (&[-10, 1], 50), (&[10, 1], 0)),
        strided("part_copy", &[3, 10], (&[10, 1], 30), (&[10, 1], 0)),
        dense_layer(),
        long_chain(100),
        bounded("bounded_small", 1, 1),
        bounded("bounded_large", 3, 11),
        gather(),
    ];
    for (name, dtype) in
        [("ints_i64", I64), ("ints_i32", I32), ("ints_i8", I8), ("ints_u8", U8), ("ints_u64", U64)]
    {
        cases.push(map_case(
            name,
            &int_functions(dtype),
            &[(dtype, &[10, 50]), (dtype, &[50])],
            &[10, 50],
            0,
            false,
        ));
    }
    for (name, dtype) in [("scaled_f16", F16), ("scaled_bf16", BF16)] {
        let mut case =
            map_case(name, &half_scaled(dtype), &[(dtype, &[4, 30]), (dtype, &[30])], &[4, 30], 0, false);
        case.tolerance = 1e-2;
        cases.push(case);
    }
    check(&cases);
}

/// The function of a map, as text.
fn check_text(case: Case, expected: Expect) {
    expected.assert_eq(&functions(&case.program));
}

#[test]
fn a_row_kernel_reads_like_the_formula() {
    let case = map_case("softmax", &softmax(), &[(DType::F32, &[6, 256])], &[6, 256], 1, false);
    check_text(
        case,
        expect![[r#"
        /// Map "softmax"
        ///
        /// `Map of a test`
        #[inline(never)]
        fn softmax(x: &[f32], y: &mut [f32]) {
            kernels::vectorize(
                #[inline(always)]
                || {
                    for i in 0..6 {
                        let x = &x[i * 256..][..256];
                        let y = &mut y[i * 256..][..256];
                        let max = rows::max(256, #[inline(always)] |j| x[j]);
                        for j in 0..256 {
                            y[j] = math::exp(x[j] - max);
                        }
                        let sum = rows::sum(256, #[inline(always)] |j| y[j]);
                        for j in 0..256 {
                            y[j] = y[j] / sum;
                        }
                    }
                },
            );
        }
    "#]],
    );
}

#[test]
fn a_fused_map_is_one_loop_over_slices() {
    let case = map_case(
        "silu",
        &silu_with_bias(),
        &[(DType::F32, &[8, 64]), (DType::F32, &[64])],
        &[8, 64],
        0,
        false,
    );
    check_text(
        case,
        expect![[r#"
        /// Map "silu"
        ///
        /// `Map of a test`
        #[inline(never)]
        fn silu(a: &[f32], b: &[f32], y: &mut [f32]) {
            kernels::vectorize(
                #[inline(always)]
                || {
                    let b = &b[..64];
                    for i in 0..8 {
                        let a = &a[i * 64..][..64];
                        let y = &mut y[i * 64..][..64];
                        for j in 0..64 {
                            let t1 = a[j] + b[j];
                            y[j] = t1 * math::sigmoid(t1);
                        }
                    }
                },
            );
        }
    "#]],
    );
}

#[test]
fn steps_that_differ_in_places_only_share_a_function() {
    check_text(
        long_chain(9),
        expect![[r#"
        /// Map "add0"
        ///
        /// `Map of a test`
        #[inline(never)]
        fn add0(x: &[f32], y: &mut [f32]) {
            kernels::vectorize(
                #[inline(always)]
                || {
                    let n = y.len();
                    let x = &x[..n];
                    for i in 0..n {
                        y[i] = x[i] + 1.0;
                    }
                },
            );
        }
        /// - Map "add1"
        /// - Map "add2"
        /// - Map "add3"
        /// - Map "add4"
        /// - and 4 more
        ///
        /// `Map of a test`
        #[inline(never)]
        fn add1(y: &mut [f32]) {
            kernels::vectorize(
                #[inline(always)]
                || {
                    let n = y.len();
                    for i in 0..n {
                        y[i] = y[i] + 1.0;
                    }
                },
            );
        }
    "#]],
    );
}
