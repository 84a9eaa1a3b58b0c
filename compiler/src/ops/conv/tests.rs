//! Convolutions that are made of other operators.

use crate::testing::{all_errors_of, graph_of, outputs_of};
use expect_test::expect;

/// Without offsets a tap reads its pixel; an offset of half a pixel reads the mean of two, one outside reads zero.
#[test]
fn deformable() {
    let text = outputs_of(
        "g () => (float[] a, float[] b, float[] c) <float[1,1,1,3] x = {1, 2, 4}, float[1,1,1,2] w = {1, 10},
           float[1,4,1,2] none = {0, 0, 0, 0, 0, 0, 0, 0}, float[1,4,1,2] some = {0, 0, 0.5, 0, 0, 0, 0, 9},
           float[1] bias = {100}, float[1,2,1,2] mask = {1, 0, 1, 2}> {
            a = DeformConv(x, w, none)
            b = DeformConv(x, w, some)
            c = DeformConv(x, w, none, bias, mask)
        }",
    );
    expect![[r#"
        a: f32[1,1,1,2] {21.0, 42.0}
        b: f32[1,1,1,2] {21.5, 2.0}
        c: f32[1,1,1,2] {121.0, 180.0}
    "#]]
    .assert_eq(&text);
}

/// The state stands before the input, and the last of both is the next state.
#[test]
fn causal() {
    let graph = graph_of(
        "<ir_version: 10, opset_import: [\"\" : 27]> g (float[1,2,n] x, float[2,1,3] w, float[2] b, float[1,2,2] s)
           => (float[] y, float[] t) { y, t = CausalConvWithState <activation = \"silu\"> (x, w, b, s) }",
    );
    expect![[r#"
        input %0 "x": f32[1,2,n]
        input %1 "w": f32[2,1,3]
        input %2 "b": f32[2]
        input %3 "s": f32[1,2,2]
        %4: f32[1,2,n+2] = Concat { axis: 2 }(%3, %0)
        %5: f32[1,2,2] = Slice { axes: [0..1, 0..2, n..n+2] }(%4)
        %6: f32[1,n+2,2] = Transpose { perm: [0, 2, 1] }(%4)
        %7: f32[1,n,2] = Conv { window: Window { kernel: [3], stride: [1], dilation: [1], begin: [0], end: [0] }, groups: 2 }(%6, %1)
        %8: f32[1,n,2] = Map [add(in0, in1)] over [1, n, 2](%7, %2)
        %9: f32[1,n,2] = Map [mul(in0, sigmoid(in0))] over [1, n, 2](%8)
        %10: f32[1,2,n] = Transpose { perm: [0, 2, 1] }(%9)
        output %10 "y"
        output %5 "t"
    "#]].assert_eq(&graph.to_string());
}

#[test]
fn what_does_not_fit_is_refused() {
    let errors = all_errors_of(&[
        "g (float[1,3,4,4] x, float[2,3,2,2] w, float[1,8,3,3] o) => (float[] y) {
            y = DeformConv <offset_group = 2> (x, w, o)
        }",
        "<ir_version: 10, opset_import: [\"\" : 27]> g (float[1,2,5] x, float[2,2,3] w) => (float[] y, float[] t) {
            y, t = CausalConvWithState(x, w)
        }",
    ]);
    expect![[r#"
        error[E008]: f32[1,8,3,3] with 72 elements cannot be reshaped to f32[2,4,2,3,3] with 144
          --> test: node 0 "y" (DeformConv)
           = input 0: "x" f32[1,3,4,4]
           = input 1: "w" f32[2,3,2,2]
           = input 2: "o" f32[1,8,3,3]
           = opset 21

        error[E008]: weights f32[2,2,3] are not [channels, 1, k]
          --> test: node 0 "y" (CausalConvWithState)
           = input 0: "x" f32[1,2,5]
           = input 1: "w" f32[2,2,3]
           = opset 27
    "#]]
    .assert_eq(&errors);
}
