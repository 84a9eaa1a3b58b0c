//! Sequences of a few elements.

use crate::testing::{all_errors_of, graph_of, values};
use expect_test::expect;

/// The slices of an axis of any extent are the rows of a tensor.
#[test]
fn an_open_axis_splits_into_its_slices() {
    let graph = graph_of(
        "g (float[2,n,3] x, int64 i) => (float[] a, float[] b, float[] c, int64[] l) <int64 one = {1}> {
            s = SplitToSequence <axis = 1, keepdims = 0> (x)
            a = SequenceAt(s, i)
            shape = Shape <start = 1, end = 2> (x)
            ones = ConstantOfShape <value = int64[1] {1}> (shape)
            t = SplitToSequence <axis = 1> (x, ones)
            b = SequenceAt(t, i)
            u = SplitToSequence <axis = 1> (x, one)
            c = ConcatFromSequence <axis = 1> (u)
            l = SequenceLength(s)
        }",
    );
    let types: Vec<String> = graph.outputs.iter().map(|(_, v)| graph.ty(*v).to_string()).collect();
    assert_eq!(types, ["f32[2,3]", "f32[2,1,3]", "f32[2,n,3]", "i64[]"]);
}

#[test]
fn lists_are_known_at_compile_time() {
    let constants = "float[2] x = {1, 2}, float[2] y = {3, 4}, float[3] z = {5, 6, 7}, int64 last = {-1}, \
                     int64 one = {1}, int64[2] parts = {1, 2}, int64 two = {2}";
    expect![[r#"
        s = SequenceConstruct(x, y) r = SequenceAt(s, last)
            f32[2] {3.0, 4.0}
        s = SequenceConstruct(x, z) r = SequenceLength(s)
            i64[] {2}
        s = SequenceConstruct(x, z) t = SequenceErase(s) r = ConcatFromSequence <axis = 0> (t)
            f32[2] {1.0, 2.0}
        s = SequenceConstruct(x, y) t = SequenceInsert(s, y, one)
                     r = ConcatFromSequence <axis = -1, new_axis = 1> (t)
            f32[2,3] {1.0, 3.0, 3.0, 2.0, 4.0, 4.0}
        s = SequenceEmpty() t = SequenceInsert(s, z) r = ConcatFromSequence <axis = 0> (t)
            f32[3] {5.0, 6.0, 7.0}
        s = SplitToSequence <axis = 0> (z, parts) r = SequenceAt(s, one)
            f32[2] {6.0, 7.0}
        s = SplitToSequence <axis = 0> (z, two) r = SequenceAt(s, one)
            f32[1] {7.0}
        s = SplitToSequence <axis = 0, keepdims = 0> (z) r = SequenceAt(s, two)
            f32[] {7.0}
        s = SequenceConstruct(x, z)
                     t = SequenceMap <body = b (float[] a) => (float[] c) { c = Neg(a) }> (s)
                     r = ConcatFromSequence <axis = 0> (t)
            f32[5] {-1.0, -2.0, -5.0, -6.0, -7.0}
        o = Optional(x) r = OptionalGetElement(o)
            f32[2] {1.0, 2.0}
        o = Optional() r = OptionalHasElement(o)
            bool[] {false}
    "#]]
    .assert_eq(&values(&[
        (constants, "s = SequenceConstruct(x, y) r = SequenceAt(s, last)"),
        (constants, "s = SequenceConstruct(x, z) r = SequenceLength(s)"),
        (constants, "s = SequenceConstruct(x, z) t = SequenceErase(s) r = ConcatFromSequence <axis = 0> (t)"),
        (
            constants,
            "s = SequenceConstruct(x, y) t = SequenceInsert(s, y, one)
             r = ConcatFromSequence <axis = -1, new_axis = 1> (t)",
        ),
        (constants, "s = SequenceEmpty() t = SequenceInsert(s, z) r = ConcatFromSequence <axis = 0> (t)"),
        (constants, "s = SplitToSequence <axis = 0> (z, parts) r = SequenceAt(s, one)"),
        (constants, "s = SplitToSequence <axis = 0> (z, two) r = SequenceAt(s, one)"),
        (constants, "s = SplitToSequence <axis = 0, keepdims = 0> (z) r = SequenceAt(s, two)"),
        (
            constants,
            "s = SequenceConstruct(x, z)
             t = SequenceMap <body = b (float[] a) => (float[] c) { c = Neg(a) }> (s)
             r = ConcatFromSequence <axis = 0> (t)",
        ),
        (constants, "o = Optional(x) r = OptionalGetElement(o)"),
        (constants, "o = Optional() r = OptionalHasElement(o)"),
    ]));
}

#[test]
fn loops_lengthen_sequences() {
    let graph = graph_of(
        "g () => (int64[] n, int64[] m) <int64 trips = {3}, float[2] x = {1, 2}> {
            s = SequenceEmpty()
            t = Loop (trips, , s) <
                body = b (int64 i, bool c, seq(float) a) => (bool d, seq(float) e) {
                    d = Identity(c)
                    e = SequenceInsert(a, x)
                }
            >
            wide = ConcatFromSequence <axis = 1, new_axis = 1> (t)
            n = Shape(wide)
            long = ConcatFromSequence <axis = 0> (t)
            m = Shape(long)
        }",
    );
    let sizes = |i: usize| graph.constant(graph.outputs[i].1).map(|t| t.to_i64s());
    assert_eq!([sizes(0), sizes(1)], [Some(vec![2, 3]), Some(vec![6])]);
}

#[test]
fn what_is_no_sequence_is_told() {
    expect![[r#"
        error[E008]: SequenceLength needs a sequence, and not f32[2]
          --> test: node 0 "r" (SequenceLength)
           = input 0: "x" f32[2]
           = opset 21

        error[E008]: input 0 is a sequence or missing, and not a tensor
          --> test: node 1 "r" (Relu)

        error[E008]: position 3 is not in a sequence of 1 elements
          --> test: node 1 "r" (SequenceAt)
           = input 0: "s" i64[0]
           = input 1: "i" i64[]
           = opset 21

        error[E006]: the model's output "r" is not a dense tensor
          --> test

        error[E005]: a sequence without elements has no shape to join
          --> test: node 1 "r" (ConcatFromSequence)
           = input 0: "s" i64[0]
           = opset 21

        error[E008]: the optional value is not there
          --> test: node 1 "r" (OptionalGetElement)
           = input 0: "o" i64[0]
           = opset 21
    "#]]
    .assert_eq(&all_errors_of(&[
        "g (float[2] x) => (float[] r) { r = SequenceLength(x) }",
        "g (float[2] x) => (float[] r) { s = SequenceConstruct(x) r = Relu(s) }",
        "g (float[2] x) => (float[] r) <int64 i = {3}> { s = SequenceConstruct(x) r = SequenceAt(s, i) }",
        "g (float[2] x) => (float[] r) { r = SequenceConstruct(x) }",
        "g () => (float[] r) { s = SequenceEmpty() r = ConcatFromSequence <axis = 0> (s) }",
        "g () => (float[] r) { o = Optional() r = OptionalGetElement(o) }",
    ]));
}
