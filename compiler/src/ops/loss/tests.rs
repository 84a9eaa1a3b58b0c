//! Losses with every reduction.

use crate::testing::{all_errors_of, values};
use expect_test::expect;

#[test]
fn reductions_weights_and_ignored_classes() {
    let x = "float[3,2] x = {-1, -2, -3, -4, -5, -6}, int64[3] t = {0, 1, 0}, float[2] w = {1, 3}";
    let cases = [
        (x, "r = NegativeLogLikelihoodLoss(x, t)"),
        (x, "r = NegativeLogLikelihoodLoss(x, t, w)"),
        (x, "r = NegativeLogLikelihoodLoss <reduction = \"none\"> (x, t, w)"),
        (x, "r = NegativeLogLikelihoodLoss <reduction = \"sum\", ignore_index = 1> (x, t)"),
        (x, "r = NegativeLogLikelihoodLoss <ignore_index = 1> (x, t)"),
        (x, "r = SoftmaxCrossEntropyLoss(x, t)"),
        (x, "l, r = SoftmaxCrossEntropyLoss(x, t)"),
    ];
    expect![[r#"
        r = NegativeLogLikelihoodLoss(x, t)
            f32[] {3.33333}
        r = NegativeLogLikelihoodLoss(x, t, w)
            f32[] {3.6}
        r = NegativeLogLikelihoodLoss <reduction = "none"> (x, t, w)
            f32[3] {1.0, 12.0, 5.0}
        r = NegativeLogLikelihoodLoss <reduction = "sum", ignore_index = 1> (x, t)
            f32[] {6.0}
        r = NegativeLogLikelihoodLoss <ignore_index = 1> (x, t)
            f32[] {3.0}
        r = SoftmaxCrossEntropyLoss(x, t)
            f32[] {0.646595}
        l, r = SoftmaxCrossEntropyLoss(x, t)
            f32[3,2] {-0.313262, -1.31326, -0.313262, -1.31326, -0.313262, -1.31326}
    "#]]
    .assert_eq(&values(&cases));
}

#[test]
fn wrong_forms() {
    let models = [
        "g (float[2] x, int64[2] t) => (float[] y) { y = NegativeLogLikelihoodLoss(x, t) }",
        "g (float[2,3] x, float[2] t) => (float[] y) { y = NegativeLogLikelihoodLoss(x, t) }",
        "g (float[2,3] x, int64[4] t) => (float[] y) { y = NegativeLogLikelihoodLoss(x, t) }",
        "g (float[2,3] x, int64[2] t) => (float[] y) { y = SoftmaxCrossEntropyLoss <reduction = \"all\"> (x, t) }",
    ];
    expect![[r#"
        error[E008]: NegativeLogLikelihoodLoss needs an axis of classes and not f32[2]
          --> test: node 0 "y" (NegativeLogLikelihoodLoss)
           = input 0: "x" f32[2]
           = input 1: "t" i64[2]
           = opset 21

        error[E006]: NegativeLogLikelihoodLoss does not take elements of type f32
          --> test: node 0 "y" (NegativeLogLikelihoodLoss)
           = it takes integer types
           = input 0: "x" f32[2,3]
           = input 1: "t" f32[2]
           = opset 21
           = help: insert a Cast before this node

        error[E008]: shapes [4, 1] and [2, 3] do not broadcast: 4 against 2 at axis 0 of the result
          --> test: node 0 "y" (NegativeLogLikelihoodLoss)
           = input 0: "x" f32[2,3]
           = input 1: "t" i64[4]
           = opset 21

        error[E007]: the attribute "reduction" is "all" and not none, mean or sum
          --> test: node 0 "y" (SoftmaxCrossEntropyLoss)
           = input 0: "x" f32[2,3]
           = input 1: "t" i64[2]
           = opset 21
    "#]]
    .assert_eq(&all_errors_of(&models));
}
