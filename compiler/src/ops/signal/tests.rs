//! Transforms of a few samples.

use crate::testing::{all_errors_of, outputs_of};
use expect_test::expect;

#[test]
fn transforms() {
    let text = outputs_of(
        "g () => (float[] a, float[] b, float[] c, float[] d, float[] e) <float[1,4,1] x = {1, 2, 3, 4}, int64 axis = {1},
           int64 two = {2}, float[2] window = {1, 0.5}, int64 bands = {2}, int64 length = {8}, int64 rate = {8000},
           float low = {0}, float high = {4000}> {
            a = DFT(x, , axis)
            b = DFT <onesided = 1> (x, , axis)
            c = DFT <inverse = 1> (a, , axis)
            d = STFT(x, two, window)
            e = MelWeightMatrix(bands, length, rate, low, high)
        }",
    );
    expect![[r#"
        a: f32[1,4,2] {10.0, 0.0, -2.0, 2.0, -2.0, 0.0, -2.0, -2.0}
        b: f32[1,3,2] {10.0, 0.0, -2.0, 2.0, -2.0, 0.0}
        c: f32[1,4,2] {1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0}
        d: f32[1,2,2,2] {2.0, 0.0, 0.0, 0.0, 5.0, 0.0, 1.0, 0.0}
        e: f32[5,2] {1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0}
    "#]]
    .assert_eq(&text);
}

#[test]
fn what_does_not_fit_is_refused() {
    let errors = all_errors_of(&[
        "g (float[1,4,3] x) => (float[] r) { r = DFT(x) }",
        "g (float[1,4,1] x) => (float[] r) <int64 axis = {2}> { r = DFT(x, , axis) }",
        "g (float[1,4,1] x) => (float[] r) <int64 two = {2}, int64 five = {5}> { r = STFT(x, two, , five) }",
        "g (float[1,4,2] x) => (float[] r) <int64 two = {2}> { r = STFT(x, two, , two) }",
        "g (int64 bands) => (float[] r) <int64 n = {8}, float f = {0}> { r = MelWeightMatrix(bands, n, n, f, f) }",
    ]);
    expect![[r#"
        error[E008]: f32[1,4,3] is not a signal: its last axis must hold 1 real or 2 complex floating-point components
          --> test: node 0 "r" (DFT)
           = input 0: "x" f32[1,4,3]
           = opset 21

        error[E007]: axis 2 of f32[1,4,1] holds components and not a signal
          --> test: node 0 "r" (DFT)
           = input 0: "x" f32[1,4,1]
           = input 2: "axis" i64[]
           = opset 21

        error[E008]: f32[1,4,1] is shorter than a frame of 5 samples
          --> test: node 0 "r" (STFT)
           = input 0: "x" f32[1,4,1]
           = input 1: "two" i64[]
           = input 3: "five" i64[]
           = opset 21

        error[E008]: f32[1,4,2] is complex, which `onesided` cannot show
          --> test: node 0 "r" (STFT)
           = input 0: "x" f32[1,4,2]
           = input 1: "two" i64[]
           = input 3: "two" i64[]
           = opset 21

        error[E012]: `num_mel_bins` of MelWeightMatrix must be known at compile time
          --> test: node 0 "r" (MelWeightMatrix)
           = input 0: "bands" i64[]
           = input 1: "n" i64[]
           = input 2: "n" i64[]
           = input 3: "f" f32[]
           = input 4: "f" f32[]
           = opset 21
           = help: make it a constant or fix the symbolic dimensions that it is computed from; or compile for one value of "bands" (option `values`)
    "#]]
    .assert_eq(&errors);
}
