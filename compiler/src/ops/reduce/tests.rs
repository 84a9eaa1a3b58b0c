//! Reductions on small tensors, empty ones among them.

use crate::testing::{all_errors_of, graph_of, outputs_of, values};
use expect_test::{Expect, expect};

#[track_caller]
fn check(bodies: &[&str], expect: Expect) {
    let constants = "float[2,3] x = {1, -2, 3, 4, 5, -6}, int32[2,3] i = {7, 1, 2, 3, 4, 9}, bool[2,2] p = {0, 0, 1, 0}, \
         int64[1] first = {0}, int64[1] last = {-1}, int64[0] none = {}, float[2,0] e = {}, int64 one = {1}";
    let cases: Vec<_> = bodies.iter().map(|body| (constants, *body)).collect();
    expect.assert_eq(&values(&cases));
}

#[test]
fn every_kind() {
    check(
        &[
            "r = ReduceSum(x, last)",
            "r = ReduceMean(x, first)",
            "r = ReduceMax <keepdims = 0> (x, last)",
            "r = ReduceMin(x)",
            "r = ReduceProd(x, last)",
            "r = ReduceL1(x, last)",
            "r = ReduceL2(x, last)",
            "r = ReduceSumSquare(x, first)",
            "r = ReduceLogSum(i, last)",
            "a = Abs(x) r = ReduceLogSum(a, last)",
            "r = ReduceLogSumExp(x, last)",
            "r = ReduceMean(i, last)",
            "r = ReduceMax(p, last)",
        ],
        expect![[r#"
            r = ReduceSum(x, last)
                f32[2,1] {2.0, 3.0}
            r = ReduceMean(x, first)
                f32[1,3] {2.5, 1.5, -1.5}
            r = ReduceMax <keepdims = 0> (x, last)
                f32[2] {3.0, 5.0}
            r = ReduceMin(x)
                f32[1,1] {-6.0}
            r = ReduceProd(x, last)
                f32[2,1] {-6.0, -120.0}
            r = ReduceL1(x, last)
                f32[2,1] {6.0, 15.0}
            r = ReduceL2(x, last)
                f32[2,1] {3.74166, 8.77496}
            r = ReduceSumSquare(x, first)
                f32[1,3] {17.0, 29.0, 45.0}
            r = ReduceLogSum(i, last)
                i32[2,1] {2, 2}
            a = Abs(x) r = ReduceLogSum(a, last)
                f32[2,1] {1.79176, 2.70805}
            r = ReduceLogSumExp(x, last)
                f32[2,1] {3.13285, 5.31327}
            r = ReduceMean(i, last)
                i32[2,1] {3, 5}
            r = ReduceMax(p, last)
                bool[2,1] {false, true}
        "#]],
    );
}

#[test]
fn no_axes_and_no_elements() {
    check(
        &[
            "r = ReduceSum(x, none)",
            "r = ReduceSumSquare <noop_with_empty_axes = 1> (x, none)",
            "r = ReduceSum(e, last)",
            "r = ReduceMax(e, last)",
            "r = ReduceLogSumExp(e, last)",
        ],
        expect![[r#"
            r = ReduceSum(x, none)
                f32[1,1] {5.0}
            r = ReduceSumSquare <noop_with_empty_axes = 1> (x, none)
                f32[2,3] {1.0, 4.0, 9.0, 16.0, 25.0, 36.0}
            r = ReduceSum(e, last)
                f32[2,1] {0.0, 0.0}
            r = ReduceMax(e, last)
                f32[2,1] {-inf, -inf}
            r = ReduceLogSumExp(e, last)
                f32[2,1] {-inf, -inf}
        "#]],
    );
}

#[test]
fn large_numbers_do_not_overflow() {
    let cases = [
        ("float[2] x = {1000, 1000}", "r = ReduceLogSumExp(x)"),
        ("float16[4] x = {40000, 40000, 40000, 40000}", "r = ReduceMean(x)"),
    ];
    expect![[r#"
        r = ReduceLogSumExp(x)
            f32[1] {1000.69}
        r = ReduceMean(x)
            f16[1] {40000.0}
    "#]]
    .assert_eq(&values(&cases));
}

#[test]
fn arguments_and_running_sums() {
    check(
        &[
            "r = ArgMax <axis = 1> (x)",
            "r = ArgMin <axis = 0, keepdims = 0> (x)",
            "y = Relu(x) r = ArgMin <axis = 1, select_last_index = 1> (y)",
            "r = CumSum(x, one)",
            "r = CumSum <exclusive = 1, reverse = 1> (i, one)",
        ],
        expect![[r#"
            r = ArgMax <axis = 1> (x)
                i64[2,1] {2, 1}
            r = ArgMin <axis = 0, keepdims = 0> (x)
                i64[3] {0, 0, 1}
            y = Relu(x) r = ArgMin <axis = 1, select_last_index = 1> (y)
                i64[2,1] {1, 2}
            r = CumSum(x, one)
                f32[2,3] {1.0, -1.0, 2.0, 4.0, 9.0, 3.0}
            r = CumSum <exclusive = 1, reverse = 1> (i, one)
                i32[2,3] {3, 2, 0, 13, 9, 0}
        "#]],
    );
    let product = "<opset_import: [\"\": 26]> g () => (float[] r) <float[3] x = {2, 3, 4}, int64 k = {0}>
        { r = CumProd <exclusive = 1> (x, k) }";
    expect![[r#"
        r: f32[3] {1.0, 2.0, 6.0}
    "#]]
    .assert_eq(&outputs_of(product));
}

#[test]
fn pooling_of_all_pixels() {
    let x = "float[1,2,2,2] x = {1, 2, 3, 4, -1, -2, -3, -4}";
    let cases =
        [(x, "r = GlobalAveragePool(x)"), (x, "r = GlobalMaxPool(x)"), (x, "r = GlobalLpPool <p = 3> (x)")];
    expect![[r#"
        r = GlobalAveragePool(x)
            f32[1,2,1,1] {2.5, -2.5}
        r = GlobalMaxPool(x)
            f32[1,2,1,1] {4.0, -1.0}
        r = GlobalLpPool <p = 3> (x)
            f32[1,2,1,1] {4.64159, 4.64159}
    "#]]
    .assert_eq(&values(&cases));
}

#[test]
fn old_forms_have_attributes() {
    let model = |version: i64, body: &str| {
        format!(
            "<opset_import: [\"\": {version}]> g () => (float[] r) <float[2,3] x = {{1, 2, 3, 4, 5, 6}}> {{ {body} }}"
        )
    };
    let all = [
        outputs_of(&model(11, "r = ReduceSum <axes = [1], keepdims = 0> (x)")),
        outputs_of(&model(17, "r = ReduceMax <axes = [-2]> (x)")),
    ];
    expect![[r#"
        r: f32[2] {6.0, 15.0}
        r: f32[1,3] {4.0, 5.0, 6.0}
    "#]]
    .assert_eq(&all.concat());
}

#[test]
fn a_mean_over_symbolic_axes_counts_at_run_time() {
    let graph =
        graph_of("g (float[2,n,3] x) => (float[] y) <int64[1] axes = {1}> { y = ReduceMean(x, axes) }");
    expect![[r#"
        input %0 "x": f32[2,n,3]
        const %1 = i64[1] {1}
        %2: f32[2,1,3] = Reduce { op: Sum, axes: [1] }(%0)
        %3: i64[] = Dims { dims: [n], list: false }()
        %4: f32[] = Map [f32(in0)] over [](%3)
        %5: f32[2,1,3] = Map [div(in0, in1)] over [2, 1, 3](%2, %4)
        output %5 "y"
    "#]]
    .assert_eq(&graph.to_string());
}

#[test]
fn what_cannot_be_reduced() {
    let models = [
        "g (bool[2] x) => (float[] r) { r = ReduceSum(x) }",
        "g (float[2] x) => (float[] r) <int64[1] a = {3}> { r = ReduceSum(x, a) }",
        "g (float[2] x, int64[1] a) => (float[] r) { r = ReduceSum(x, a) }",
        "g (float[2,0] x) => (float[] r) { r = ArgMax <axis = 1> (x) }",
        "g (float[2] x) => (float[] r) { r = GlobalMaxPool(x) }",
    ];
    expect![[r#"
        error[E006]: ReduceSum does not take elements of type bool
          --> test: node 0 "r" (ReduceSum)
           = it takes floating-point and integer types
           = input 0: "x" bool[2]
           = opset 21
           = help: insert a Cast before this node

        error[E007]: axis 3 is out of range for 1 axes
          --> test: node 0 "r" (ReduceSum)
           = input 0: "x" f32[2]
           = input 1: "a" i64[1]
           = opset 21
           = help: axes run from -1 to 0

        error[E012]: `axes` of ReduceSum must be known at compile time
          --> test: node 0 "r" (ReduceSum)
           = input 0: "x" f32[2]
           = input 1: "a" i64[1]
           = opset 21
           = help: make it a constant or fix the symbolic dimensions that it is computed from; or compile for one value of "a" (option `values`)

        error[E008]: axis 1 of f32[2,0] has no elements to choose from
          --> test: node 0 "r" (ArgMax)
           = input 0: "x" f32[2,0]
           = opset 21

        error[E008]: GlobalMaxPool needs axes for batch and channels and not f32[2]
          --> test: node 0 "r" (GlobalMaxPool)
           = input 0: "x" f32[2]
           = opset 21
    "#]]
    .assert_eq(&all_errors_of(&models));
}
