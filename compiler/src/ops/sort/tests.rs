//! TopK of a few elements.

use crate::testing::{all_errors_of, outputs_of};
use expect_test::expect;

#[test]
fn top_k() {
    let text = outputs_of(
        "g () => (float[] a, int64[] b, int64[] c, float[] d) <float[2,4] x = {3, 1, 4, 1, 5, 9, 2, 6},
           int64[1] two = {2}, int64[1] one = {1}> {
            a, b = TopK(x, two)
            e, c = TopK <largest = 0> (x, two)
            d, f = TopK <axis = 0> (x, one)
        }",
    );
    expect![[r#"
        a: f32[2,2] {4.0, 3.0, 9.0, 6.0}
        b: i64[2,2] {2, 0, 1, 3}
        c: i64[2,2] {1, 3, 2, 0}
        d: f32[1,4] {5.0, 9.0, 4.0, 6.0}
    "#]]
    .assert_eq(&text);
}

#[test]
fn what_does_not_fit_is_refused() {
    let errors = all_errors_of(&[
        "g (float[2,4] x) => (float[] a, int64[] b) <int64[1] k = {5}> { a, b = TopK(x, k) }",
        "g (bool[2,4] x) => (bool[] a, int64[] b) <int64[1] k = {1}> { a, b = TopK(x, k) }",
    ]);
    expect![[r#"
        error[E008]: TopK cannot take 5 of the 4 elements of axis 1 of f32[2,4]
          --> test: node 0 "a" (TopK)
           = input 0: "x" f32[2,4]
           = input 1: "k" i64[1]
           = opset 21

        error[E006]: TopK does not take elements of type bool
          --> test: node 0 "a" (TopK)
           = input 0: "x" bool[2,4]
           = input 1: "k" i64[1]
           = opset 21
    "#]]
    .assert_eq(&errors);
}
