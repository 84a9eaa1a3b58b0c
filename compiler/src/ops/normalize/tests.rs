//! Normalisations of small tensors.

use crate::testing::{all_errors_of, graph_of, outputs_of, values};
use expect_test::expect;

#[test]
fn rows() {
    let x =
        "float[2,4] x = {1, 2, 3, 4, -1, -1, 1, 1}, float[4] s = {1, 1, 2, 2}, float[4] b = {0, 0, 0, 10}";
    let cases = [
        (x, "r = LayerNormalization(x, s, b)"),
        (x, "r = LayerNormalization <axis = 0> (x, s)"),
        (x, "y, r, d = LayerNormalization(x, s)"),
        (x, "y, m, r = LayerNormalization(x, s)"),
        (x, "r = LpNormalization(x)"),
        (x, "r = LpNormalization <p = 1, axis = 0> (x)"),
        (x, "r = MeanVarianceNormalization <axes = [0]> (x)"),
    ];
    expect![[r#"
        r = LayerNormalization(x, s, b)
            f32[2,4] {-1.34164, -0.447212, 0.894424, 12.6833, -0.999995, -0.999995, 1.99999, 12.0}
        r = LayerNormalization <axis = 0> (x, s)
            f32[2,4] {-0.152498, 0.457495, 2.13498, 3.35496, -1.37248, -1.37248, -0.304997, -0.304997}
        y, r, d = LayerNormalization(x, s)
            f32[2,1] {2.5, 0.0}
        y, m, r = LayerNormalization(x, s)
            f32[2,1] {0.894424, 0.999995}
        r = LpNormalization(x)
            f32[2,4] {0.182574, 0.365148, 0.547723, 0.730297, -0.5, -0.5, 0.5, 0.5}
        r = LpNormalization <p = 1, axis = 0> (x)
            f32[2,4] {0.5, 0.666667, 0.75, 0.8, -0.5, -0.333333, 0.25, 0.2}
        r = MeanVarianceNormalization <axes = [0]> (x)
            f32[2,4] {1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0}
    "#]]
    .assert_eq(&values(&cases));
    let model =
        "<opset_import: [\"\": 23]> g () => (float[] r) <float[2,2] x = {3, 4, 0, 0}, float[2] s = {1, 2}>
        { r = RMSNormalization(x, s) }";
    expect![[r#"
        r: f32[2,2] {0.848528, 2.26274, 0.0, 0.0}
    "#]]
    .assert_eq(&outputs_of(model));
}

#[test]
fn channels() {
    let x = "float[1,4,2] x = {1, 3, 2, 2, 0, 4, 5, 1}, float[4] s = {1, 1, 2, 2}, float[4] b = {0, 0, 0, 10}, \
         float[4] m = {1, 2, 3, 4}, float[4] v = {1, 1, 4, 4}";
    let cases = [
        (x, "r = InstanceNormalization(x, s, b)"),
        (x, "r = GroupNormalization <num_groups = 2> (x, s, b)"),
        (x, "r = BatchNormalization(x, s, b, m, v)"),
        (x, "y, r, w = BatchNormalization <training_mode = 1> (x, s, b, m, v)"),
        (x, "r = LRN <size = 3, alpha = 1.0, beta = 0.5> (x)"),
    ];
    expect![[r#"
        r = InstanceNormalization(x, s, b)
            f32[1,4,2] {-0.999995, 0.999995, 0.0, 0.0, -2.0, 2.0, 12.0, 8.0}
        r = GroupNormalization <num_groups = 2> (x, s, b)
            f32[1,4,2] {-1.4142, 1.4142, 0.0, 0.0, -2.42535, 1.45521, 12.4254, 8.54479}
        r = BatchNormalization(x, s, b, m, v)
            f32[1,4,2] {0.0, 1.99999, 0.0, 0.0, -3.0, 0.999999, 11.0, 7.0}
        y, r, w = BatchNormalization <training_mode = 1> (x, s, b, m, v)
            f32[4] {1.1, 2.0, 2.9, 3.9}
        r = LRN <size = 3, alpha = 1.0, beta = 0.5> (x)
            f32[1,4,2] {0.612372, 1.29904, 1.22474, 0.612372, 0.0, 1.41421, 1.63663, 0.387298}
    "#]]
    .assert_eq(&values(&cases));
}

#[test]
fn groups_had_one_scale_each_before_operator_set_21() {
    let model = "<opset_import: [\"\": 18]> g () => (float[] r)
        <float[1,4] x = {1, 3, 0, 4}, float[2] s = {1, 2}, float[2] b = {0, 10}>
        { r = GroupNormalization <num_groups = 2> (x, s, b) }";
    expect![[r#"
        r: f32[1,4] {-0.999995, 0.999995, 8.0, 12.0}
    "#]]
    .assert_eq(&outputs_of(model));
}

#[test]
fn batch_normalization_is_a_factor_and_a_term() {
    let graph = graph_of(
        "g (float[1,2,3,3] x) => (float[] y)
         <float[2] s = {1, 4}, float[2] b = {0, 1}, float[2] m = {1, 2}, float[2] v = {1, 4}>
         { y = BatchNormalization <epsilon = 0.0> (x, s, b, m, v) }",
    );
    expect![[r#"
        input %0 "x": f32[1,2,3,3]
        const %1 = f32[2] {1.0,4.0}
        const %2 = f32[2] {0.0,1.0}
        const %3 = f32[2] {1.0,2.0}
        const %4 = f32[2] {1.0,4.0}
        const %5 = f32[2,1,1] {1.0,4.0}
        const %6 = f32[2,1,1] {0.0,1.0}
        const %7 = f32[2,1,1] {1.0,2.0}
        const %8 = f32[2,1,1] {1.0,4.0}
        const %9 = f32[2,1,1] {1.0,2.0}
        const %10 = f32[2,1,1] {-1.0,-3.0}
        %11: f32[1,2,3,3] = Map [add(mul(in0, in1), in2)] over [1, 2, 3, 3](%0, %9, %10)
        output %11 "y"
    "#]]
    .assert_eq(&graph.to_string());
}

#[test]
fn wrong_forms() {
    let models = [
        "g (float[1,2,3] x, float[3] s) => (float[] y) { y = BatchNormalization(x, s, s, s, s) }",
        "g (float[1,2] x, float[2] s) => (float[] y) { y = InstanceNormalization(x, s, s) }",
        "g (float[1,3,2] x, float[3] s) => (float[] y) { y = GroupNormalization <num_groups = 2> (x, s, s) }",
        "g (float[3] x) => (float[] y) { y = LpNormalization <p = 3> (x) }",
        "g (float[1,3] x) => (float[] y) { y = LRN <size = 0> (x) }",
        "g (int32[3] x, float[3] s) => (float[] y) { y = LayerNormalization(x, s) }",
    ];
    expect![[r#"
        error[E008]: BatchNormalization has 2 channels and a parameter f32[3]
          --> test: node 0 "y" (BatchNormalization)
           = input 0: "x" f32[1,2,3]
           = input 1: "s" f32[3]
           = input 2: "s" f32[3]
           = input 3: "s" f32[3]
           = input 4: "s" f32[3]
           = opset 21

        error[E008]: InstanceNormalization needs at least 3 axes and not f32[1,2]
          --> test: node 0 "y" (InstanceNormalization)
           = input 0: "x" f32[1,2]
           = input 1: "s" f32[2]
           = input 2: "s" f32[2]
           = opset 21

        error[E008]: 3 channels do not divide into 2 groups
          --> test: node 0 "y" (GroupNormalization)
           = input 0: "x" f32[1,3,2]
           = input 1: "s" f32[3]
           = input 2: "s" f32[3]
           = opset 21

        error[E007]: the attribute "p" is 3 and not 1 or 2
          --> test: node 0 "y" (LpNormalization)
           = input 0: "x" f32[3]
           = opset 21

        error[E007]: the attribute "size" is 0 and not positive
          --> test: node 0 "y" (LRN)
           = input 0: "x" f32[1,3]
           = opset 21

        error[E006]: LayerNormalization does not take elements of type i32
          --> test: node 0 "y" (LayerNormalization)
           = it takes floating-point types
           = input 0: "x" i32[3]
           = input 1: "s" f32[3]
           = opset 21
           = help: insert a Cast before this node
    "#]]
    .assert_eq(&all_errors_of(&models));
}
