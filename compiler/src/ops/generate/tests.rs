//! Generators, and shapes as contents.

use crate::testing::{all_errors_of, errors_of, graph_of, outputs_of, values};
use expect_test::{Expect, expect};

#[track_caller]
fn check(cases: &[(&str, &str)], expect: Expect) {
    expect.assert_eq(&values(cases));
}

#[test]
fn constants() {
    check(
        &[
            ("", "r = Constant <value_floats = [1.5, 2.0]> ()"),
            ("", "r = Constant <value_int = 3> ()"),
            ("", "r = Constant <value = int8[2] {1, -2}> ()"),
            ("int64[2] s = {2, 1}", "r = ConstantOfShape <value = int32[1] {7}> (s)"),
        ],
        expect![[r#"
            r = Constant <value_floats = [1.5, 2.0]> ()
                f32[2] {1.5, 2.0}
            r = Constant <value_int = 3> ()
                i64[] {3}
            r = Constant <value = int8[2] {1, -2}> ()
                i8[2] {1, -2}
            r = ConstantOfShape <value = int32[1] {7}> (s)
                i32[2,1] {7, 7}
        "#]],
    );
}

#[test]
fn ranges() {
    check(
        &[
            ("int32 a = {10}, int32 b = {4}, int32 c = {-3}", "r = Range(a, b, c)"),
            ("float a = {1}, float b = {2}, float c = {0.3}", "r = Range(a, b, c)"),
            ("int64 a = {3}, int64 b = {1}, int64 c = {1}", "r = Range(a, b, c)"),
        ],
        expect![[r#"
            r = Range(a, b, c)
                i32[2] {10, 7}
            r = Range(a, b, c)
                f32[4] {1.0, 1.3, 1.6, 1.9}
            r = Range(a, b, c)
                i64[0] {}
        "#]],
    );
}

#[test]
fn positions() {
    check(
        &[
            ("int32[2,3] x = {0, 0, 0, 0, 0, 0}", "r = EyeLike <k = 1, dtype = 1> (x)"),
            ("float[3,3] x = {1, 2, 3, 4, 5, 6, 7, 8, 9}, int64 k = {-1}", "r = Trilu(x, k)"),
            ("float[3,3] x = {1, 2, 3, 4, 5, 6, 7, 8, 9}", "r = Trilu <upper = 0> (x)"),
            (
                "int64[3] i = {0, -1, 9}, int64 d = {3}, float[2] v = {5, 6}",
                "r = OneHot <axis = 0> (i, d, v)",
            ),
        ],
        expect![[r#"
            r = EyeLike <k = 1, dtype = 1> (x)
                f32[2,3] {0.0, 1.0, 0.0, 0.0, 0.0, 1.0}
            r = Trilu(x, k)
                f32[3,3] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 8.0, 9.0}
            r = Trilu <upper = 0> (x)
                f32[3,3] {1.0, 0.0, 0.0, 4.0, 5.0, 0.0, 7.0, 8.0, 9.0}
            r = OneHot <axis = 0> (i, d, v)
                f32[3,3] {6.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 6.0, 5.0}
        "#]],
    );
}

#[test]
fn windows() {
    check(
        &[
            ("int64 n = {4}", "r = HannWindow(n)"),
            ("int64 n = {5}", "r = HammingWindow <periodic = 0> (n)"),
            ("int64 n = {3}", "r = BlackmanWindow <output_datatype = 11> (n)"),
        ],
        expect![[r#"
            r = HannWindow(n)
                f32[4] {0.0, 0.5, 1.0, 0.5}
            r = HammingWindow <periodic = 0> (n)
                f32[5] {0.0869565, 0.543478, 1.0, 0.543478, 0.0869565}
            r = BlackmanWindow <output_datatype = 11> (n)
                f64[3] {-1.38778e-17, 0.63, 0.63}
        "#]],
    );
}

#[test]
fn fixed_shapes_are_constants() {
    expect![[r#"
        s: i64[2] {3, 4}
        n: i64[] {24}
    "#]]
    .assert_eq(&outputs_of(
        "g () => (int64[] s, int64[] n) <float[2,3,4] x = {0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}>
         { s = Shape <start = -2> (x) n = Size(x) }",
    ));
}

#[test]
fn symbolic_shapes_are_contents() {
    let graph = graph_of(
        "g (float[n,4] x) => (float[] y, int64[] r) <int64 k = {0}, int64 one = {1}>
         { s = Shape(x) y = ConstantOfShape(s) n = Shape <end = 1> (x) e = Size(x) r = Range(k, e, one) }",
    );
    expect![[r#"
        input %0 "x": f32[n,4]
        const %1 = i64[] {0}
        const %2 = i64[] {1}
        %3: i64[2] = Dims { dims: [n, 4], list: true }()
        %4: f32[n,4] = Map [0.0] over [n, 4]()
        %5: i64[1] = Dims { dims: [n], list: true }()
        %6: i64[] = Dims { dims: [4*n], list: false }()
        %7: i64[4*n] = Map [index0] over [4*n]()
        output %4 "y"
        output %7 "r"
    "#]]
    .assert_eq(&graph.to_string());
}

#[test]
fn what_cannot_be_made() {
    let models = [
        "g (int64[2] s) => (float[] r) { r = ConstantOfShape(s) }",
        "g () => (float[] r) { r = Constant() }",
        "g () => (float[] r) { r = Constant <value_string = \"a\"> () }",
        "g (float[3] x) => (float[] r) { r = EyeLike(x) }",
        "g (float[3] x) => (float[] r) { r = Trilu(x) }",
        "g () => (float[] r) <int64 a = {1}, int64 z = {0}> { r = Range(a, a, z) }",
        "g () => (float[] r) <int64 a = {1}, float b = {1}> { r = Range(a, b, a) }",
    ];
    expect![[r#"
        error[E012]: `input` of ConstantOfShape must be known at compile time
          --> test: node 0 "r" (ConstantOfShape)
           = input 0: "s" i64[2]
           = opset 21
           = help: make it a constant or fix the symbolic dimensions that it is computed from; or compile for one value of "s" (option `values`)

        error[E007]: Constant has no attribute that gives its value
          --> test: node 0 "r" (Constant)
           = opset 21
           = help: set one of value, sparse_value, value_int, value_ints, value_float, value_floats

        error[E006]: Constant does not give strings
          --> test: node 0 "r" (Constant)
           = opset 21

        error[E008]: EyeLike needs a matrix and not f32[3]
          --> test: node 0 "r" (EyeLike)
           = input 0: "x" f32[3]
           = opset 21

        error[E008]: Trilu needs matrices and not f32[3]
          --> test: node 0 "r" (Trilu)
           = input 0: "x" f32[3]
           = opset 21

        error[E008]: the delta of Range is 0
          --> test: node 0 "r" (Range)
           = input 0: "a" i64[]
           = input 1: "a" i64[]
           = input 2: "z" i64[]
           = opset 21

        error[E008]: inputs of Range have the element types i64 and f32
          --> test: node 0 "r" (Range)
           = input 0: "a" i64[]
           = input 1: "b" f32[]
           = input 2: "a" i64[]
           = opset 21
           = help: they must be of one type; insert a Cast before this node
    "#]]
    .assert_eq(&all_errors_of(&models));
}

/// Sums of durations decide how long a sound is; what is computed from them is an expression.
#[test]
fn sizes_that_depend_on_data_are_bound() {
    let model = "g (float[n] durations) => (float[] y, int64[] positions)
        <int64 zero = {0}, int64 one = {1}, int64[1] axis = {0}, int64[1] two = {2}> {
            whole = Ceil(durations)
            counted = Cast <to = 7> (whole)
            found = ReduceSum <keepdims = 0> (counted)
            positions = Range(zero, found, one)
            list = Unsqueeze(found, axis)
            shape = Concat <axis = 0> (two, list)
            y = ConstantOfShape(shape)
        }";
    let graph = graph_of(model);
    let types: Vec<String> = graph.outputs.iter().map(|(_, v)| graph.ty(*v).to_string()).collect();
    assert_eq!(types, ["f32[2,found_0]", "i64[found_0]"]);
    expect![[r#"
        error[E009]: nothing bounds the size "sum_0", which depends on data
    "#]]
    .assert_eq(
        &errors_of(&model.replace("found", "sum")).lines().take(1).fold(String::new(), |t, l| t + l + "\n"),
    );
}

/// Noise is the same in every run, differs from node to node and is spread as it should be.
#[test]
fn random_numbers() {
    let graph = graph_of(
        "g (float[64,64] x) => (float[] a, float[] b, float[] c, float[] d) {
            a = RandomNormal <shape = [64, 64], mean = 3.0, scale = 2.0> ()
            b = RandomNormalLike(x)
            c = RandomUniformLike <low = -1.0, high = 3.0, seed = 7.0> (x)
            d = RandomUniformLike <low = -1.0, high = 3.0, seed = 7.0> (x)
        }",
    );
    let x = crate::types::Tensor::from_f32s(vec![64, 64], &[0.0; 4096]);
    let outputs = crate::eval::evaluate(&graph, &[x]).expect("a graph of maps can be evaluated");
    let moments = |i: usize| {
        let list: Vec<f64> = outputs[i].scalars().map(crate::types::Scalar::as_f64).collect();
        let mean = list.iter().sum::<f64>() / list.len() as f64;
        let variance = list.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / list.len() as f64;
        (mean, variance.sqrt())
    };
    let near = |(mean, spread): (f64, f64), (m, s): (f64, f64)| {
        assert!((mean - m).abs() < 0.1 * s && (spread - s).abs() < 0.05 * s, "{mean} {spread} for {m} {s}");
    };
    near(moments(0), (3.0, 2.0));
    near(moments(1), (0.0, 1.0));
    near(moments(2), (1.0, 4.0 / 12_f64.sqrt()));
    assert_eq!(outputs[2].bytes(), outputs[3].bytes());
    let all = |i: usize| outputs[i].scalars().map(crate::types::Scalar::as_f64).collect::<Vec<f64>>();
    let together: f64 = all(0).iter().zip(all(1)).map(|(a, b)| (a - 3.0) / 2.0 * b).sum::<f64>() / 4096.0;
    assert!(together.abs() < 0.1, "{together}");
    assert!(all(2).iter().all(|v| (-1.0..3.0).contains(v)));
}
