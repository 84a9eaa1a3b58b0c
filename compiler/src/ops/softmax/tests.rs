//! Softmax and its kin over either axis, and far from zero.

use crate::testing::{all_errors_of, graph_of, outputs_of, values};
use expect_test::expect;

#[test]
fn both_axes() {
    let x = "float[2,2] x = {0, 1, 2, 2}";
    let cases = [
        (x, "r = Softmax(x)"),
        (x, "r = Softmax <axis = 0> (x)"),
        (x, "r = LogSoftmax(x)"),
        (x, "r = Hardmax(x)"),
        (x, "r = Hardmax <axis = 0> (x)"),
        ("float[2] x = {1000, 1001}", "r = Softmax(x)"),
        ("float[2] x = {-1000, 1000}", "r = LogSoftmax(x)"),
        ("float16[2] x = {-10, 10}", "r = LogSoftmax(x)"),
    ];
    expect![[r#"
        r = Softmax(x)
            f32[2,2] {0.268941, 0.731059, 0.5, 0.5}
        r = Softmax <axis = 0> (x)
            f32[2,2] {0.119203, 0.268941, 0.880797, 0.731059}
        r = LogSoftmax(x)
            f32[2,2] {-1.31326, -0.313262, -0.693147, -0.693147}
        r = Hardmax(x)
            f32[2,2] {0.0, 1.0, 1.0, 0.0}
        r = Hardmax <axis = 0> (x)
            f32[2,2] {0.0, 0.0, 1.0, 1.0}
        r = Softmax(x)
            f32[2] {0.268941, 0.731059}
        r = LogSoftmax(x)
            f32[2] {-2000.0, 0.0}
        r = LogSoftmax(x)
            f16[2] {-20.0, 0.0}
    "#]]
    .assert_eq(&values(&cases));
}

#[test]
fn before_operator_set_13_trailing_axes_are_one_row() {
    let model =
        "<opset_import: [\"\": 11]> g () => (float[] r) <float[1,2,2] x = {0, 0, 0, 0}> { r = Softmax(x) }";
    expect![[r#"
        r: f32[1,2,2] {0.25, 0.25, 0.25, 0.25}
    "#]]
    .assert_eq(&outputs_of(model));
}

#[test]
fn one_map() {
    let graph = graph_of("g (float[n,8] x) => (float[] y) { y = Softmax(x) }");
    expect![[r#"
        input %0 "x": f32[n,8]
        %1: f32[n,8] = Rows [let t3 = exp(sub(in0, row_max(in0))); div(t3, row_sum(t3))] over [n, 8] rows 1(%0)
        output %1 "y"
    "#]].assert_eq(&graph.to_string());
}

#[test]
fn wrong_forms() {
    let models = [
        "g (int32[2] x) => (float[] r) { r = Softmax(x) }",
        "g (float[2] x) => (float[] r) { r = Softmax <axis = 1> (x) }",
    ];
    expect![[r#"
        error[E006]: Softmax does not take elements of type i32
          --> test: node 0 "r" (Softmax)
           = it takes floating-point types
           = input 0: "x" i32[2]
           = opset 21
           = help: insert a Cast before this node

        error[E007]: axis 1 is out of range for 1 axes
          --> test: node 0 "r" (Softmax)
           = input 0: "x" f32[2]
           = opset 21
           = help: axes run from -1 to 0
    "#]]
    .assert_eq(&all_errors_of(&models));
}
