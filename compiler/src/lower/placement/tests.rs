//! Programs in which joined values are computed in place.

use crate::diag::Diagnostics;
use crate::testing::graph_of;
use expect_test::{Expect, expect};

#[track_caller]
fn check(model: &str, expect: Expect) {
    let mut diagnostics = Diagnostics::new("test");
    let program =
        crate::lower::lower(&graph_of(model), &[], &crate::lower::Layouts::default(), &mut diagnostics);
    expect.assert_eq(&program.map_or_else(|| diagnostics.to_string(), |p| p.to_string()));
}

#[test]
fn maps_write_their_part() {
    check(
        "g (float[2,3] x, float[2,5] y) => (float[] r) {
            a = Relu(x)  b = Relu(y)  r = Concat <axis = 1> (a, y, b)
        }",
        expect![[r#"
            buffer b0 "x": f32 x 6 input 0
            buffer b1 "y": f32 x 10 input 1
            buffer b2 "r": f32 x 26 arena
            b2+0[13, 1] = map [2, 3] row 0 [max(in0, 0.0)](b0+0[3, 1])  // Map: f32[2,3] -> f32[2,3]
            b2+8[13, 1] = map [2, 5] row 0 [max(in0, 0.0)](b1+0[5, 1])  // Map: f32[2,5] -> f32[2,5]
            b2+3[13, 1] = copy [2, 5] b1+0[5, 1]  // Concat: f32[2,3], f32[2,5], f32[2,5] -> f32[2,13]
        "#]],
    );
}

#[test]
fn through_reshapes_transposes_and_nested_joins() {
    check(
        "g (float[2,3] x, float[3,2] y) => (float[] r) <int64[3] s = {2, 3, 1}> {
            a = Relu(x)
            b = Relu(y)
            c = Transpose(b)
            d = Concat <axis = 0> (a, c)
            e = Relu(x)
            f = Concat <axis = 0> (d, e)
            r = Relu(f)
        }",
        expect![[r#"
            buffer b0 "x": f32 x 6 input 0
            buffer b1 "y": f32 x 6 input 1
            buffer b2 "f": f32 x 18 arena
            buffer b3 "r": f32 x 18 arena
            b2+0[3, 1] = map [2, 3] row 0 [max(in0, 0.0)](b0+0[3, 1])  // Map: f32[2,3] -> f32[2,3]
            b2+6[1, 3] = map [3, 2] row 0 [max(in0, 0.0)](b1+0[2, 1])  // Map: f32[3,2] -> f32[3,2]
            b2+12[3, 1] = map [2, 3] row 0 [max(in0, 0.0)](b0+0[3, 1])  // Map: f32[2,3] -> f32[2,3]
            b3+0[3, 1] = map [6, 3] row 0 [max(in0, 0.0)](b2+0[3, 1])  // Map: f32[6,3] -> f32[6,3]
        "#]],
    );
}

#[test]
fn a_step_never_reads_the_buffer_it_writes() {
    check(
        "g (float[2,3] x) => (float[] r) {
            a = Relu(x)  b = Exp(a)  r = Concat <axis = 1> (a, b, a)
        }",
        expect![[r#"
            buffer b0 "x": f32 x 6 input 0
            buffer b1 "r": f32 x 18 arena
            buffer b2 "b": f32 x 6 arena
            buffer b3 "part": f32 x 6 arena
            b1+0[9, 1] = map [2, 3] row 0 [max(in0, 0.0)](b0+0[3, 1])  // Map: f32[2,3] -> f32[2,3]
            b2+0[3, 1] = map [2, 3] row 0 [exp(in0)](b1+0[9, 1])  // Map: f32[2,3] -> f32[2,3]
            b1+3[9, 1] = copy [2, 3] b2+0[3, 1]  // Concat: f32[2,3], f32[2,3], f32[2,3] -> f32[2,9]
            b3+0[3, 1] = copy [2, 3] b1+0[9, 1]  // Concat: f32[2,3], f32[2,3], f32[2,3] -> f32[2,9]
            b1+6[9, 1] = copy [2, 3] b3+0[3, 1]  // Concat: f32[2,3], f32[2,3], f32[2,3] -> f32[2,9]
        "#]],
    );
}

#[test]
fn outputs_keep_their_own_buffer() {
    check(
        "g (float[4,3] x) => (float[] p, float[] q, float[] r) {
            p, s = Split(x)
            t = Relu(x)
            q, u = Split(t)
            r = Concat <axis = 0> (q, u)
        }",
        expect![[r#"
            buffer b0 "x": f32 x 12 input 0
            buffer b1 "t": f32 x 12 arena
            buffer b2 "r": f32 x 12 arena
            buffer b3 "p": f32 x 6 arena
            buffer b4 "q": f32 x 6 arena
            b1+0[3, 1] = map [4, 3] row 0 [max(in0, 0.0)](b0+0[3, 1])  // Map: f32[4,3] -> f32[4,3]
            b2+0[3, 1] = copy [2, 3] b1+0[3, 1]  // Concat: f32[2,3], f32[2,3] -> f32[4,3]
            b2+6[3, 1] = copy [2, 3] b1+6[3, 1]  // Concat: f32[2,3], f32[2,3] -> f32[4,3]
            b3+0[3, 1] = copy [2, 3] b0+0[3, 1]  // result "p": f32[2,3]
            b4+0[3, 1] = copy [2, 3] b1+0[3, 1]  // result "q": f32[2,3]
        "#]],
    );
}

#[test]
fn not_into_a_buffer_whose_extents_are_found_later() {
    check(
        "g (float[2,3] x, float[2,5] y, int64[1] e) => (float[] r) <int64[1] zero = {0}, int64[1] one = {1}> {
            a = Relu(x)
            part = Slice(y, zero, e, one)
            b = Relu(part)
            r = Concat <axis = 1> (a, b)
        }",
        expect![[r#"
            buffer b0 "x": f32 x 6 input 0
            buffer b1 "y": f32 x 10 input 1
            buffer b2 "e": i64 x 1 input 2
            buffer b3 "r": f32 x 2*part_1+6 arena
            buffer b4 "a": f32 x 6 arena
            buffer b5 "": i64 x 1 arena
            b4+0[3, 1] = map [2, 3] row 0 [max(in0, 0.0)](b0+0[3, 1])  // Map: f32[2,3] -> f32[2,3]
            b5+0[] = map [] row 0 [let t5 = max(min(in0, 5), -6); min(max(select(less(t5, 0), add(t5, 5), t5), 0), 5)](b2+0[])  // Map: i64[] -> i64[]
            part_1 = b5+0  // Bind: i64[] -> i64[]
            b3+3[part_1+3, 1] = map [2, part_1] row 0 [max(in0, 0.0)](b1+0[5, 1])  // Map: f32[2,part_1] -> f32[2,part_1]
            b3+0[part_1+3, 1] = copy [2, 3] b4+0[3, 1]  // Concat: f32[2,3], f32[2,part_1] -> f32[2,part_1+3]
        "#]],
    );
}
