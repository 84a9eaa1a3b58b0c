//! Pointwise operators on a few elements of each sign.

use crate::testing::{all_errors_of, graph_of, outputs_of, values};
use expect_test::{Expect, expect};

#[track_caller]
fn check(bodies: &[&str], expect: Expect) {
    let constants = "float[5] x = {-3, -0.5, 0, 0.5, 3}, float[5] y = {2, -2, 0.5, 3, 1}, int32[5] i = {-7, -1, 0, 2, 7}, \
         int32[5] j = {3, -3, 2, 0, -2}, uint8[3] u = {1, 6, 255}, uint8[3] v = {1, 3, 2}, bool[4] p = {0, 0, 1, 1}, \
         bool[4] q = {0, 1, 0, 1}, float two = {2}, float one = {1}, int64 k = {2}";
    let cases: Vec<_> = bodies.iter().map(|body| (constants, *body)).collect();
    expect.assert_eq(&values(&cases));
}

#[test]
fn arithmetic() {
    check(
        &[
            "r = Add(x, y)",
            "r = Div(i, j)",
            "r = Mod(i, j)",
            "r = Mod <fmod = 1> (i, j)",
            "r = Mod <fmod = 1> (x, two)",
            "r = Mean(x, y, two)",
            "r = Max(x, y, one)",
            "r = Neg(i)",
            "r = BitShift <direction = \"LEFT\"> (u, v)",
            "r = BitwiseNot(u)",
        ],
        expect![[r#"
            r = Add(x, y)
                f32[5] {-1.0, -2.5, 0.5, 3.5, 4.0}
            r = Div(i, j)
                i32[5] {-2, 0, 0, 0, -3}
            r = Mod(i, j)
                i32[5] {2, -1, 0, 0, -1}
            r = Mod <fmod = 1> (i, j)
                i32[5] {-1, -1, 0, 0, 1}
            r = Mod <fmod = 1> (x, two)
                f32[5] {-1.0, -0.5, 0.0, 0.5, 1.0}
            r = Mean(x, y, two)
                f32[5] {0.333333, -0.166667, 0.833333, 1.83333, 2.0}
            r = Max(x, y, one)
                f32[5] {2.0, 1.0, 1.0, 3.0, 3.0}
            r = Neg(i)
                i32[5] {7, 1, 0, -2, -7}
            r = BitShift <direction = "LEFT"> (u, v)
                u8[3] {2, 48, 252}
            r = BitwiseNot(u)
                u8[3] {254, 249, 0}
        "#]],
    );
}

#[test]
fn powers_have_the_type_of_the_base() {
    check(
        &["r = Pow(i, k)", "r = Pow(x, k)", "r = Pow(i, x)", "r = Pow(j, i)"],
        expect![[r#"
        r = Pow(i, k)
            i32[5] {49, 1, 0, 4, 49}
        r = Pow(x, k)
            f32[5] {9.0, 0.25, 0.0, 0.25, 9.0}
        r = Pow(i, x)
            i32[5] {0, 0, 1, 1, 343}
        r = Pow(j, i)
            i32[5] {0, 0, 1, 0, -128}
    "#]],
    );
}

#[test]
fn activations() {
    check(
        &[
            "r = LeakyRelu(x)",
            "r = Elu <alpha = 2.0> (x)",
            "r = Selu(x)",
            "r = Celu <alpha = 2.0> (x)",
            "r = Gelu(x)",
            "r = Gelu <approximate = \"tanh\"> (x)",
            "r = HardSwish(x)",
            "r = Mish(x)",
            "r = Softplus(x)",
            "r = Shrink <bias = 1.0, lambd = 1.0> (x)",
            "r = PRelu(x, two)",
        ],
        expect![[r#"
            r = LeakyRelu(x)
                f32[5] {-0.03, -0.005, 0.0, 0.5, 3.0}
            r = Elu <alpha = 2.0> (x)
                f32[5] {-1.90043, -0.786939, 0.0, 0.5, 3.0}
            r = Selu(x)
                f32[5] {-1.67057, -0.691758, 0.0, 0.525351, 3.1521}
            r = Celu <alpha = 2.0> (x)
                f32[5] {-1.55374, -0.442398, 0.0, 0.5, 3.0}
            r = Gelu(x)
                f32[5] {-0.00404969, -0.154269, 0.0, 0.345731, 2.99595}
            r = Gelu <approximate = "tanh"> (x)
                f32[5] {-0.00363743, -0.154286, 0.0, 0.345714, 2.99636}
            r = HardSwish(x)
                f32[5] {-0.0, -0.208333, 0.0, 0.291667, 3.0}
            r = Mish(x)
                f32[5] {-0.145647, -0.220744, 0.0, 0.375245, 2.98654}
            r = Softplus(x)
                f32[5] {0.0485873, 0.474077, 0.693147, 0.974077, 3.04859}
            r = Shrink <bias = 1.0, lambd = 1.0> (x)
                f32[5] {-2.0, 0.0, 0.0, 0.0, 2.0}
            r = PRelu(x, two)
                f32[5] {-6.0, -1.0, 0.0, 0.5, 3.0}
        "#]],
    );
}

#[test]
fn activations_far_from_zero() {
    let far = "float[4] x = {-1000, -50, 50, 1000}";
    expect![[r#"
        r = Softplus(x)
            f32[4] {0.0, 0.0, 50.0, 1000.0}
        r = Mish(x)
            f32[4] {-0.0, -9.64375e-21, 50.0, 1000.0}
        r = Elu(x)
            f32[4] {-1.0, -1.0, 50.0, 1000.0}
    "#]]
    .assert_eq(&values(&[(far, "r = Softplus(x)"), (far, "r = Mish(x)"), (far, "r = Elu(x)")]));
}

#[test]
fn logic() {
    check(
        &[
            "r = Xor(p, q)",
            "r = Equal(p, q)",
            "r = GreaterOrEqual(x, y)",
            "c = Less(x, y) r = Where(c, i, j)",
            "z = Sub(one, one) d = Div(x, z) r = IsInf <detect_negative = 0> (d)",
            "z = Sub(one, one) d = Div(x, z) r = IsNaN(d)",
        ],
        expect![[r#"
            r = Xor(p, q)
                bool[4] {false, true, true, false}
            r = Equal(p, q)
                bool[4] {true, false, false, true}
            r = GreaterOrEqual(x, y)
                bool[5] {false, true, false, false, true}
            c = Less(x, y) r = Where(c, i, j)
                i32[5] {-7, -3, 0, 2, -2}
            z = Sub(one, one) d = Div(x, z) r = IsInf <detect_negative = 0> (d)
                bool[5] {false, false, false, true, true}
            z = Sub(one, one) d = Div(x, z) r = IsNaN(d)
                bool[5] {false, false, true, false, false}
        "#]],
    );
}

#[test]
fn rounding() {
    check(
        &["r = Round(x)", "r = Clip(x, , one)", "r = Clip(x, two, one)"],
        expect![[r#"
        r = Round(x)
            f32[5] {-3.0, -0.0, 0.0, 0.0, 3.0}
        r = Clip(x, , one)
            f32[5] {-3.0, -0.5, 0.0, 0.5, 1.0}
        r = Clip(x, two, one)
            f32[5] {1.0, 1.0, 1.0, 1.0, 1.0}
    "#]],
    );
    let old = "<opset_import: [\"\": 6]> g () => (float[] r) <float[3] x = {-3, 0, 9}> { r = Clip <min = -1.0, max = 6.0> (x) }";
    expect![[r#"
        r: f32[3] {-1.0, 0.0, 6.0}
    "#]]
    .assert_eq(&outputs_of(old));
}

#[test]
fn conversions() {
    check(
        &["r = Cast <to = 6> (x)", "r = CastLike(x, p)", "r = Cast <to = 10> (y)"],
        expect![[r#"
        r = Cast <to = 6> (x)
            i32[5] {-3, 0, 0, 0, 3}
        r = CastLike(x, p)
            bool[5] {true, true, false, true, true}
        r = Cast <to = 10> (y)
            f16[5] {2.0, -2.0, 0.5, 3.0, 1.0}
    "#]],
    );
}

#[test]
fn dropout_is_nothing() {
    let graph = graph_of("g (float[n] x) => (float[n] y, bool[n] mask) { y, mask = Dropout(x) }");
    expect![[r#"
        input %0 "x": f32[n]
        %1: bool[n] = Map [1] over [n]()
        output %0 "y"
        output %1 "mask"
    "#]]
    .assert_eq(&graph.to_string());
}

#[test]
fn operands_before_operator_set_7() {
    let model = "<opset_import: [\"\": 6]> g () => (float[] r)
        <float[2,3] x = {1, 2, 3, 4, 5, 6}, float[2] b = {10, 20}> { r = Add <broadcast = 1, axis = 0> (x, b) }";
    expect![[r#"
        r: f32[2,3] {11.0, 12.0, 13.0, 24.0, 25.0, 26.0}
    "#]]
    .assert_eq(&outputs_of(model));
}

#[test]
fn wrong_types() {
    let model =
        |body| format!("g (float[2] x, int32[2] i, bool[2] p, float[3] z) => (float[] r) {{ {body} }}");
    let models = [
        "r = Add(x, i)",
        "r = Sqrt(i)",
        "r = And(x, x)",
        "r = Add(x, z)",
        "r = Where(x, x, x)",
        "r = BitShift <direction = \"LEFT\"> (i, i)",
        "r = BitShift <direction = \"UP\"> (i, i)",
        "r = Mod(x, x)",
        "r = Cast <to = 8> (x)",
        "r = PRelu(x, z)",
        "r = Relu <alpha = 1.0> (x)",
        "r = Sqrt()",
    ]
    .map(model);
    expect![[r#"
        error[E008]: inputs of Add have the element types f32 and i32
          --> test: node 0 "r" (Add)
           = input 0: "x" f32[2]
           = input 1: "i" i32[2]
           = opset 21
           = help: they must be of one type; insert a Cast before this node

        error[E006]: Sqrt does not take elements of type i32
          --> test: node 0 "r" (Sqrt)
           = it takes floating-point types
           = input 0: "i" i32[2]
           = opset 21
           = help: insert a Cast before this node

        error[E006]: And does not take elements of type f32
          --> test: node 0 "r" (And)
           = it takes bool
           = input 0: "x" f32[2]
           = input 1: "x" f32[2]
           = opset 21
           = help: insert a Cast before this node

        error[E008]: shapes [2] and [3] do not broadcast: 2 against 3 at axis 0 of the result
          --> test: node 0 "r" (Add)
           = input 0: "x" f32[2]
           = input 1: "z" f32[3]
           = opset 21

        error[E006]: Where does not take elements of type f32
          --> test: node 0 "r" (Where)
           = it takes bool
           = input 0: "x" f32[2]
           = input 1: "x" f32[2]
           = input 2: "x" f32[2]
           = opset 21
           = help: insert a Cast before this node

        error[E006]: BitShift does not take elements of type i32
          --> test: node 0 "r" (BitShift)
           = it takes unsigned integer types
           = input 0: "i" i32[2]
           = input 1: "i" i32[2]
           = opset 21
           = help: insert a Cast before this node

        error[E007]: the attribute "direction" is "UP" and not LEFT or RIGHT
          --> test: node 0 "r" (BitShift)
           = input 0: "i" i32[2]
           = input 1: "i" i32[2]
           = opset 21

        error[E007]: the attribute "fmod" must be 1 for floating-point elements
          --> test: node 0 "r" (Mod)
           = input 0: "x" f32[2]
           = input 1: "x" f32[2]
           = opset 21

        error[E006]: Cast does not give elements of type STRING (8)
          --> test: node 0 "r" (Cast)
           = supported: f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64, bool
           = input 0: "x" f32[2]
           = opset 21

        error[E008]: shapes [3] and [2] do not broadcast: 3 against 2 at axis 0 of the result
          --> test: node 0 "r" (PRelu)
           = input 0: "x" f32[2]
           = input 1: "z" f32[3]
           = opset 21

        error[E005]: Relu does not know the attribute "alpha"
          --> test: node 0 "r" (Relu)
           = input 0: "x" f32[2]
           = opset 21

        error[E002]: Sqrt needs an input at position 0
          --> test: node 0 "r" (Sqrt)
           = opset 21
    "#]]
    .assert_eq(&all_errors_of(&models.each_ref().map(String::as_str)));
}

#[test]
fn constants_of_another_type_are_refused() {
    let models =
        ["g (float[1,2] x, float[2,2] w) => (float[] r) <double[2] c = {1, 1}> { r = Gemm(x, w, c) }"];
    expect![[r#"
        error[E008]: elements of types f32 and f64 meet
          --> test: node 0 "r" (Gemm)
           = input 0: "x" f32[1,2]
           = input 1: "w" f32[2,2]
           = input 2: "c" f64[2]
           = opset 21
           = help: all inputs of an arithmetic operator must have one element type; insert a Cast
    "#]]
    .assert_eq(&all_errors_of(&models));
}
