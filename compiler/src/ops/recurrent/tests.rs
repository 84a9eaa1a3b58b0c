//! Recurrent layers of one or two elements, by hand and in every form that a node can have.

use crate::testing::{all_errors_of, graph_of, outputs_of};
use expect_test::expect;

/// `tanh(x + h/2)` over 1, 0, 2: tanh 1, tanh 0.380797, tanh 2.1817; the other way from the other end.
#[test]
fn directions() {
    let text = outputs_of(
        "g () => (float[] a, float[] b, float[] c, float[] d, float[] e) <float[3,1,1] x = {1, 0, 2},
           float[1,1,1] w = {1}, float[1,1,1] r = {0.5}, float[2,1,1] w2 = {1, 1}, float[2,1,1] r2 = {0.5, 0.5}> {
            a, b = RNN <hidden_size = 1> (x, w, r)
            c = RNN <hidden_size = 1, direction = \"reverse\"> (x, w, r)
            d, e = RNN <hidden_size = 1, direction = \"bidirectional\"> (x, w2, r2)
        }",
    );
    expect![[r#"
        a: f32[3,1,1,1] {0.761594, 0.363399, 0.97485}
        b: f32[1,1,1] {0.97485}
        c: f32[3,1,1,1] {0.840809, 0.447855, 0.964028}
        d: f32[3,2,1,1] {0.761594, 0.840809, 0.363399, 0.447855, 0.97485, 0.964028}
        e: f32[2,1,1] {0.97485, 0.840809}
    "#]]
    .assert_eq(&text);
}

#[test]
fn lengths_and_initial_states() {
    let text = outputs_of(
        "g () => (float[] a, float[] b, float[] c) <float[2,3,1] x = {1, 2, 3, 4, 5, 6},
           float[1,1,1] w = {1}, float[1,1,1] r = {1}, float[1,3,1] h = {10, 20, 30}, int32[3] len = {2, 1, 0}> {
            a, b = RNN <hidden_size = 1, activations = [\"Affine\"]> (x, w, r, , len, h)
            c = RNN <hidden_size = 1, activations = [\"Affine\"], direction = \"reverse\"> (x, w, r, , len, h)
        }",
    );
    expect![[r#"
        a: f32[2,1,3,1] {11.0, 22.0, 0.0, 15.0, 0.0, 0.0}
        b: f32[1,3,1] {15.0, 22.0, 0.0}
        c: f32[2,1,3,1] {15.0, 22.0, 0.0, 14.0, 0.0, 0.0}
    "#]]
    .assert_eq(&text);
}

/// All gates are 1/2 without input; the cell halves, and an LSTM shows half its tanh.
#[test]
fn gates() {
    let text = outputs_of(
        "g () => (float[] a, float[] b, float[] c, float[] d, float[] e, double[] f) <float[1,1,1] x = {0},
           float[1,4,1] w = {0, 0, 0, 0}, float[1,1,1] h = {0.8}, float[1,8] bias = {0, 0, 0, 0, 0, 0, 0, 0},
           float[1,3] p = {0, 0, 10}, float[1,3,1] w3 = {0, 0, 0}, float[1,3,1] r3 = {0, 0, 1},
           float[1,6] b3 = {0, 0, 0, 0, 0, 1}, double[1,1,1] xd = {0}, double[1,3,1] wd = {0, 0, 0},
           double[1,3,1] rd = {0, 0, 1}, double[1,6] bd = {0, 0, 0, 0, 0, 1}, double[1,1,1] hd = {0.8}> {
            u, v, a = LSTM <hidden_size = 1> (x, w, w, bias, , h, h)
            b = LSTM <hidden_size = 1> (x, w, w, bias, , h, h, p)
            c = LSTM <hidden_size = 1, input_forget = 1, clip = 0.1> (x, w, w, bias, , h, h)
            d = GRU <hidden_size = 1> (x, w3, r3, b3, , h)
            e = GRU <hidden_size = 1, linear_before_reset = 1> (x, w3, r3, b3, , h)
            f = GRU <hidden_size = 1, linear_before_reset = 1> (xd, wd, rd, bd, , hd)
        }",
    );
    expect![[r#"
        a: f32[1,1,1] {0.4}
        b: f32[1,1,1,1] {0.331943}
        c: f32[1,1,1,1] {0.189974}
        d: f32[1,1,1,1] {0.842676}
        e: f32[1,1,1,1] {0.758149}
        f: f64[1,1,1,1] {0.758149}
    "#]]
    .assert_eq(&text);
}

#[test]
fn batch_first() {
    let text = outputs_of(
        "g () => (float[] a, float[] b) <float[2,3,1] x = {1, 2, 3, 4, 5, 6},
           float[2,1,1] w = {1, 1}, float[2,1,1] r = {1, 1}, float[2,2,1] h = {10, 20, 30, 40}> {
            a, b = RNN <hidden_size = 1, layout = 1, direction = \"bidirectional\", activations = [\"Affine\", \"Affine\"]>
                (x, w, r, , , h)
        }",
    );
    expect![[r#"
        a: f32[2,3,2,1] {11.0, 26.0, 13.0, 25.0, 16.0, 23.0, 34.0, 55.0, 39.0, 51.0, 45.0, 46.0}
        b: f32[2,2,1] {16.0, 26.0, 45.0, 55.0}
    "#]]
    .assert_eq(&text);
}

#[test]
fn half_precision_is_computed_in_single() {
    let text = outputs_of(
        "g () => (float16[] a) <float16[1,1,1] x = {1}, float16[1,1,1] w = {1}, float16[1,1,1] r = {1}> {
            a = RNN <hidden_size = 1> (x, w, r)
        }",
    );
    expect![[r#"
        a: f16[1,1,1,1] {0.761719}
    "#]]
    .assert_eq(&text);
}

/// The product with the input's weights is one for all steps and both directions, and zeros are no initial state.
#[test]
fn input_products_are_hoisted() {
    let graph = graph_of(
        "g (float[n,m,3] x, float[2,16,3] w, float[2,16,4] r, float[2,32] b) => (float[] y, float[] h)
           <int64[1] two = {2}, int64[1] four = {4}, int64[1] batch = {1}> {
            s = Shape(x)
            count = Gather(s, batch)
            dims = Concat <axis = 0> (two, count, four)
            zero = ConstantOfShape(dims)
            y, h = LSTM <hidden_size = 4, direction = \"bidirectional\"> (x, w, r, b, , zero, zero)
        }",
    );
    expect![[r#"
        input %0 "x": f32[n,m,3]
        input %1 "w": f32[2,16,3]
        input %2 "r": f32[2,16,4]
        input %3 "b": f32[2,32]
        const %4 = i64[1] {2}
        const %5 = i64[1] {4}
        const %6 = i64[1] {1}
        %7: i64[3] = Dims { dims: [n, m, 3], list: true }()
        %8: i64[1] = Slice { axes: [1..2] }(%7)
        %9: i64[3] = Concat { axis: 0 }(%4, %8, %5)
        %10: f32[2,m,4] = Map [0.0] over [2, m, 4]()
        %11: f32[2,2,4,4] = Reshape { shape: [2, 2, 4, 4] }(%3)
        %12: f32[2,1,4,4] = Slice { axes: [0..2, 0..1, 0..4, 0..4] }(%11)
        %13: f32[2,1,4,4] = Slice { axes: [0..2, 1..2, 0..4, 0..4] }(%11)
        %14: f32[2,1,4,4] = Map [add(in0, in1)] over [2, 1, 4, 4](%12, %13)
        %15: f32[32] = Reshape { shape: [32] }(%14)
        %16: f32[32,3] = Reshape { shape: [32, 3] }(%1)
        %17: f32[n,m,32] = MatMul { transposed: true }(%0, %16)
        %18: f32[n,m,32] = Map [add(in0, in1)] over [n, m, 32](%17, %15)
        %19: f32[n,m,2,4], %20: f32[2,m,4] = Recurrent { kind: Lstm { input_forget: false }, direction: Bidirectional, activations: [Sigmoid, Tanh, Tanh, Sigmoid, Tanh, Tanh], clip: inf, batch_first: false, hidden: 4, given: Given { hidden_bias: false, peepholes: false, lengths: false, initial_h: false, initial_c: false }, wanted: [true, true, false] }(%18, %2)
        %21: f32[n,2,m,4] = Transpose { perm: [0, 2, 1, 3] }(%19)
        output %21 "y"
        output %20 "h"
    "#]].assert_eq(&graph.to_string());
}

/// Keys and queries of one element: the state is a row, to which every step adds the value, after a decay or after what is
/// there already is taken away.
#[test]
fn linear_attention() {
    let text = outputs_of(
        "<ir_version: 10, opset_import: [\"\" : 27]> g () => (float[] a, float[] b, float[] c, float[] d, float[] e, float[] f)
           <float[1,2,1] one = {1, 1}, float[1,2,2] v = {1, 2, 10, 20}, float[1,2,1] log_half = {-0.6931472, -0.6931472},
            float[1,2,1] rate = {0.5, 1}, float[1,1,1,2] past = {100, 200}, float[1,2,2] two = {1, 3, 1, 3}> {
            a, b = LinearAttention <q_num_heads = 1, kv_num_heads = 1, update_rule = \"linear\"> (one, one, v, past)
            c = LinearAttention <q_num_heads = 1, kv_num_heads = 1, update_rule = \"gated\"> (one, one, v, past, log_half)
            d = LinearAttention <q_num_heads = 1, kv_num_heads = 1, update_rule = \"delta\"> (one, one, v, past, , rate)
            e = LinearAttention <q_num_heads = 1, kv_num_heads = 1> (one, one, v, past, log_half, rate)
            f = LinearAttention <q_num_heads = 2, kv_num_heads = 1, update_rule = \"linear\", scale = 2.0> (two, one, v)
        }",
    );
    expect![[r#"
        a: f32[1,2,2] {101.0, 202.0, 111.0, 222.0}
        b: f32[1,1,1,2] {111.0, 222.0}
        c: f32[1,2,2] {51.0, 102.0, 35.5, 71.0}
        d: f32[1,2,2] {50.5, 101.0, 10.0, 20.0}
        e: f32[1,2,2] {25.5, 51.0, 10.0, 20.0}
        f: f32[1,2,4] {2.0, 4.0, 6.0, 12.0, 22.0, 44.0, 66.0, 132.0}
    "#]]
    .assert_eq(&text);
}

#[test]
fn what_does_not_fit_is_refused() {
    let errors = all_errors_of(&[
        "g (float[n,m,3] x, float[1,8,3] w, float[1,8,4] r) => (float[] y) { y = LSTM <hidden_size = 4> (x, w, r) }",
        "g (float[n,m,3] x, float[1,4,3] w, float[1,4,4] r) => (float[] y) { y = RNN <hidden_size = 5> (x, w, r) }",
        "g (float[n,m,3] x, float[1,4,3] w, float[1,4,4] r) => (float[] y) { y = RNN <activations = [\"Sine\"]> (x, w, r) }",
        "g (float[n,m,3] x, float[1,4,3] w, float[1,4,4] r) => (float[] y) { y = RNN <direction = \"both\"> (x, w, r) }",
    ]);
    expect![[r#"
        error[E008]: X f32[n,m,3], W f32[1,8,3] and R f32[1,8,4] do not belong to one layer of 1 directions
          --> test: node 0 "y" (LSTM)
           = W is [directions, 4 * hidden_size, input_size], R [directions, 4 * hidden_size, hidden_size]
           = input 0: "x" f32[n,m,3]
           = input 1: "w" f32[1,8,3]
           = input 2: "r" f32[1,8,4]
           = opset 21

        error[E007]: the attribute "hidden_size" is 5, but R has 4 columns
          --> test: node 0 "y" (RNN)
           = input 0: "x" f32[n,m,3]
           = input 1: "w" f32[1,4,3]
           = input 2: "r" f32[1,4,4]
           = opset 21

        error[E007]: the attribute "activations" names "Sine", which is not known
          --> test: node 0 "y" (RNN)
           = input 0: "x" f32[n,m,3]
           = input 1: "w" f32[1,4,3]
           = input 2: "r" f32[1,4,4]
           = opset 21

        error[E007]: the attribute "direction" is "both"
          --> test: node 0 "y" (RNN)
           = input 0: "x" f32[n,m,3]
           = input 1: "w" f32[1,4,3]
           = input 2: "r" f32[1,4,4]
           = opset 21
    "#]]
    .assert_eq(&errors);
}
