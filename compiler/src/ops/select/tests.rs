//! Selection of a few elements, and positions that are not there.

use crate::testing::{all_errors_of, graph_of, outputs_of, values};
use expect_test::{Expect, expect};

#[track_caller]
fn check(bodies: &[&str], expect: Expect) {
    let constants = "float[3,2] x = {1, 2, 3, 4, 5, 6}, int64[2] ends = {0, -1}, int64[3] odd = {2, 0, 0}, int64 one = {1}, \
         int64[2,2] pair = {0, 1, 2, 0}, int64[1,2] line = {1, 2}, int64[2,1] row = {2, 0}, int64[2,1] side = {1, 0}, int64[2,2] turn = {0, 1, 1, 0}, float[1,2] u = {10, 20}, \
         float[2,2] v = {10, 20, 30, 40}, float[2] w = {10, 20}, int64[2] lengths = {3, 2}, bool[3] keep = {1, 0, 1}, \
         bool[4] some = {0, 1, 1, 0}, float[5] twice = {3, 1, 3, 1, 2}";
    let cases: Vec<_> = bodies.iter().map(|body| (constants, *body)).collect();
    expect.assert_eq(&values(&cases));
}

#[test]
fn gathers() {
    check(
        &[
            "r = Gather(x, ends)",
            "r = Gather(x, odd)",
            "r = Gather <axis = 1> (x, one)",
            "r = Gather(x, pair)",
            "r = GatherElements(x, line)",
            "r = GatherElements <axis = 1> (x, side)",
            "r = GatherND(x, pair)",
            "r = GatherND(x, row)",
        ],
        expect![[r#"
            r = Gather(x, ends)
                f32[2,2] {1.0, 2.0, 5.0, 6.0}
            r = Gather(x, odd)
                f32[3,2] {5.0, 6.0, 1.0, 2.0, 1.0, 2.0}
            r = Gather <axis = 1> (x, one)
                f32[3] {2.0, 4.0, 6.0}
            r = Gather(x, pair)
                f32[2,2,2] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 2.0}
            r = GatherElements(x, line)
                f32[1,2] {3.0, 6.0}
            r = GatherElements <axis = 1> (x, side)
                f32[2,1] {2.0, 3.0}
            r = GatherND(x, pair)
                f32[2] {2.0, 5.0}
            r = GatherND(x, row)
                f32[2,2] {5.0, 6.0, 1.0, 2.0}
        "#]],
    );
}

#[test]
fn scatters() {
    check(
        &[
            "r = ScatterElements(x, line, u)",
            "r = ScatterElements <reduction = \"add\"> (x, line, u)",
            "r = ScatterElements <axis = 1, reduction = \"max\"> (x, turn, v)",
            "r = ScatterND(x, row, v)",
            "r = ScatterND <reduction = \"mul\"> (x, pair, w)",
        ],
        expect![[r#"
            r = ScatterElements(x, line, u)
                f32[3,2] {1.0, 2.0, 10.0, 4.0, 5.0, 20.0}
            r = ScatterElements <reduction = "add"> (x, line, u)
                f32[3,2] {1.0, 2.0, 13.0, 4.0, 5.0, 26.0}
            r = ScatterElements <axis = 1, reduction = "max"> (x, turn, v)
                f32[3,2] {10.0, 20.0, 40.0, 30.0, 5.0, 6.0}
            r = ScatterND(x, row, v)
                f32[3,2] {30.0, 40.0, 3.0, 4.0, 10.0, 20.0}
            r = ScatterND <reduction = "mul"> (x, pair, w)
                f32[3,2] {1.0, 20.0, 3.0, 4.0, 100.0, 6.0}
        "#]],
    );
}

#[test]
fn sizes_that_constants_decide() {
    check(
        &[
            "r = Compress <axis = 0> (x, keep)",
            "r = Compress(x, some)",
            "r = NonZero(keep)",
            "r, a, b, c = Unique(twice)",
            "a, r, b, c = Unique <sorted = 0> (twice)",
            "a, b, r, c = Unique <sorted = 0> (twice)",
            "a, b, c, r = Unique(twice)",
            "r = ReverseSequence <batch_axis = 1, time_axis = 0> (x, lengths)",
        ],
        expect![[r#"
            r = Compress <axis = 0> (x, keep)
                f32[2,2] {1.0, 2.0, 5.0, 6.0}
            r = Compress(x, some)
                f32[2] {2.0, 3.0}
            r = NonZero(keep)
                i64[1,2] {0, 2}
            r, a, b, c = Unique(twice)
                f32[3] {1.0, 2.0, 3.0}
            a, r, b, c = Unique <sorted = 0> (twice)
                i64[3] {0, 1, 4}
            a, b, r, c = Unique <sorted = 0> (twice)
                i64[5] {0, 1, 0, 1, 2}
            a, b, c, r = Unique(twice)
                i64[3] {2, 1, 2}
            r = ReverseSequence <batch_axis = 1, time_axis = 0> (x, lengths)
                f32[3,2] {5.0, 4.0, 3.0, 2.0, 1.0, 6.0}
        "#]],
    );
}

#[test]
fn columns_to_an_image() {
    let text = outputs_of(
        "g () => (float[] r) <float[1,4,2] x = {1, 2, 3, 4, 5, 6, 7, 8}, int64[2] image = {2, 3}, int64[2] block = {2, 2}> {
            r = Col2Im(x, image, block)
        }",
    );
    expect![[r#"
        r: f32[1,1,2,3] {1.0, 5.0, 4.0, 5.0, 13.0, 8.0}
    "#]]
    .assert_eq(&text);
}

#[test]
fn even_steps_are_slices() {
    let graph = graph_of(
        "g (float[8,2] x, int64[2] i) => (float[] a, float[] b, float[] c, float[] d) <int64[3] j = {-1, -3, -5},
           int64 k = {-2}, int64[2] m = {1, -1}> {
            a = Gather(x, j)  b = Gather <axis = 1> (x, k)  c = Gather(x, m)  d = Gather(x, i)
        }",
    );
    expect![[r#"
        input %0 "x": f32[8,2]
        input %1 "i": i64[2]
        const %2 = i64[3] {-1,-3,-5}
        const %3 = i64[] {-2}
        const %4 = i64[2] {1,-1}
        %5: f32[3,2] = Slice { axes: [7..1 by -2, 0..2] }(%0)
        %6: f32[8,1] = Slice { axes: [0..8, 0..1] }(%0)
        %7: f32[8] = Reshape { shape: [8] }(%6)
        %8: f32[2,2] = Gather { axis: 0 }(%0, %4)
        %9: f32[2,2] = Gather { axis: 0 }(%0, %1)
        output %5 "a"
        output %7 "b"
        output %8 "c"
        output %9 "d"
    "#]]
    .assert_eq(&graph.to_string());
}

#[test]
fn what_does_not_fit_is_refused() {
    let errors = all_errors_of(&[
        "g (float[3,2] x) => (float[] r) <int64[2] i = {0, 3}> { r = Gather(x, i) }",
        "g (float[3,2] x, float[2] i) => (float[] r) { r = Gather(x, i) }",
        "g (float[3,2] x, int64[2,3] i) => (float[] r) { r = GatherElements(x, i) }",
        "g (float[3,2] x) => (float[] r) <int64[1,1] i = {-4}> { r = GatherElements(x, i) }",
        "g (float[3,2] x, int64[2,3] i) => (float[] r) { r = GatherND(x, i) }",
        "g (float[3,2] x, int64[2] i, float[2] u) => (float[] r) { r = ScatterND(x, i, u) }",
        "g (float[3,2] x, int64[1,2] i, float[1,2] u) => (float[] r) { r = ScatterElements <reduction = \"odd\"> (x, i, u) }",
        "g (float[3,2,2] x, int64[2] i) => (float[] r) { r = ReverseSequence <batch_axis = 2> (x, i) }",
    ]);
    expect![[r#"
        error[E008]: index 3 is outside an axis of 3 elements
          --> test: node 0 "r" (Gather)
           = input 0: "x" f32[3,2]
           = input 1: "i" i64[2]
           = opset 21

        error[E008]: positions of type f32[2] are not integers
          --> test: node 0 "r" (Gather)
           = input 0: "x" f32[3,2]
           = input 1: "i" f32[2]
           = opset 21
           = help: indices must be int32 or int64; insert a Cast

        error[E008]: indices of type i64[2,3] do not fit f32[3,2]: beside axis 0 no extent may be larger
          --> test: node 0 "r" (GatherElements)
           = input 0: "x" f32[3,2]
           = input 1: "i" i64[2,3]
           = opset 21

        error[E008]: index -4 is outside an axis of 3 elements
          --> test: node 0 "r" (GatherElements)
           = input 0: "x" f32[3,2]
           = input 1: "i" i64[1,1]
           = opset 21

        error[E008]: tuples of positions of type i64[2,3] do not fit f32[3,2] with 0 batch axes
          --> test: node 0 "r" (GatherND)
           = input 0: "x" f32[3,2]
           = input 1: "i" i64[2,3]
           = opset 21

        error[E008]: updates are f32[2] where f32[] is needed
          --> test: node 0 "r" (ScatterND)
           = input 0: "x" f32[3,2]
           = input 1: "i" i64[2]
           = input 2: "u" f32[2]
           = opset 21

        error[E007]: the attribute "reduction" is "odd"; none, add, mul, max and min are known
          --> test: node 0 "r" (ScatterElements)
           = input 0: "x" f32[3,2]
           = input 1: "i" i64[1,2]
           = input 2: "u" f32[1,2]
           = opset 21

        error[E005]: batch_axis 2 and time_axis 0 of ReverseSequence
          --> test: node 0 "r" (ReverseSequence)
           = input 0: "x" f32[3,2,2]
           = input 1: "i" i64[2]
           = opset 21
           = help: one of them must be 0 and the other 1
    "#]]
    .assert_eq(&errors);
}

#[test]
fn what_data_decides_is_planned_at_its_largest() {
    let program = |model: &str| {
        let graph = crate::testing::graph_of(model);
        let layouts = crate::lower::Layouts::choose(&[&graph], false, crate::types::Contents::default());
        let mut diagnostics = crate::diag::Diagnostics::new("test");
        let program = crate::lower::lower(&graph, &[], &layouts, &mut diagnostics);
        program.map_or_else(|| diagnostics.to_string(), |p| p.to_string())
    };
    let text = [
        "g (float[n,2] x, bool[n] c) => (int64[] r, float[] s, float[] t) {
            r = NonZero(x)
            s = Compress <axis = 0> (x, c)
            t, first, which, often = Unique <axis = 0> (s)
        }",
        "g (float[1,n,4] b, float[1,3,n] s) => (int64[] r) <int64 most = {5}, float overlap = {0.5}> {
            r = NonMaxSuppression(b, s, most, overlap)
        }",
        "g (float[2,n] x, int64[1] k) => (float[] v, int64[] i) { v, i = TopK(x, k) }",
    ]
    .map(program)
    .concat();
    expect![[r#"
        buffer b0 "x": f32 x 2*n input 0
        buffer b1 "c": bool x n input 1
        buffer b2 "r": i64 x 2*r_1 arena
        buffer b3 "s": f32 x 2*s_0 arena
        buffer b4 "t": f32 x 2*t_0 arena
        buffer b5 "first": i64 x t_0 arena
        buffer b6 "which": i64 x s_0 arena
        buffer b7 "often": i64 x t_0 arena
        buffer b8 "scratch": u32 x s_0 arena
        r_1 = select::nonzero(&[n, 2], x: b0+0, y: mut b2+0)  // NonZero: f32[n,2] -> i64[2,r_1]
        s_0 = select::compress(1, n, 2, x: b0+0, condition: b1+0, y: mut b3+0)  // Compress: f32[n,2], bool[n] -> f32[s_0,2]
        t_0 = select::unique(true, 1, s_0, 2, x: b3+0, y: mut b4+0, first: mut b5+0, inverse: mut b6+0, counts: mut b7+0, scratch: mut b8+0)  // Unique: f32[s_0,2] -> f32[t_0,2], i64[t_0], i64[s_0], i64[t_0]
        buffer b0 "b": f32 x 4*n input 0
        buffer b1 "s": f32 x 3*n input 1
        buffer b2 "most": i64 x 1 const i64[] {5} Plain
        buffer b3 "overlap": f32 x 1 const f32[] {0.5} Plain
        buffer b4 "r": i64 x 3*r_0 arena
        buffer b5 "scratch": u32 x n arena
        r_0 = select::non_max_suppression(&select::Boxes { batch: 1, classes: 3, count: n, center: false, }, boxes: b0+0, scores: b1+0, select::scalar(max_output_boxes_per_class: b2+0), select::scalar(iou_threshold: b3+0), None, y: mut b4+0, scratch: mut b5+0)  // Suppress: f32[1,n,4], f32[1,3,n], i64[], f32[] -> i64[r_0,3]
        buffer b0 "x": f32 x 2*n input 0
        buffer b1 "k": i64 x 1 input 1
        buffer b2 "v": f32 x 2*v_1 arena
        buffer b3 "i": i64 x 2*v_1 arena
        buffer b4 "scratch": u32 x n arena
        v_1 = b1+0  // Bind: i64[1] -> i64[1]
        sort::top_k(true, 2, n, 1, v_1, x: b0+0, values: mut b2+0, indices: mut b3+0, scratch: mut b4+0)  // TopK: f32[2,n] -> f32[2,v_1], i64[2,v_1]
    "#]].assert_eq(&text);
}

#[test]
fn caches() {
    let text = outputs_of(
        "<ir_version: 10, opset_import: [\"\" : 24]> g () => (float[] a, float[] b, float[] c)
           <float[2,3,1] past = {1, 2, 3, 4, 5, 6}, float[2,2,1] new = {10, 20, 30, 40}, int64[2] at = {0, 1}, int64[2] end = {2, 0}> {
            a = TensorScatter(past, new)
            b = TensorScatter(past, new, at)
            c = TensorScatter <mode = \"circular\", axis = 1> (past, new, end)
        }",
    );
    expect![[r#"
        a: f32[2,3,1] {10.0, 20.0, 3.0, 30.0, 40.0, 6.0}
        b: f32[2,3,1] {10.0, 20.0, 3.0, 4.0, 30.0, 40.0}
        c: f32[2,3,1] {20.0, 2.0, 10.0, 30.0, 40.0, 6.0}
    "#]]
    .assert_eq(&text);
}

#[test]
fn what_is_counted_twice_is_one_size() {
    let graph = graph_of(
        "g (float[n] x, float[n,4] y) => (float[] r) <float a = {0.5}, float b = {0.5}> {
            above = Greater(x, a)
            first = NonZero(above)
            again = Greater(x, b)
            second = NonZero(again)
            rows = Transpose(first)
            same = Transpose(second)
            scores = GatherND(x, rows)
            boxes = GatherND(y, same)
            one = Constant <value_ints = [1]> ()
            side = Unsqueeze(scores, one)
            r = Mul(boxes, side)
        }",
    );
    let text = graph.to_string();
    assert_eq!(text.matches("NonZero {").count(), 1, "{text}");
    assert!(graph.requirements.is_empty(), "{text}");
}

#[test]
fn boxes_and_scores_of_two_sizes_must_be_as_many() {
    let graph = graph_of(
        "g (float[1,n,4] b, float[1,3,m] s) => (int64[] r) <int64 most = {5}, float overlap = {0.5}> {
            r = NonMaxSuppression(b, s, most, overlap)
        }",
    );
    let text = graph.to_string();
    assert!(text.contains("require m == n: NonMaxSuppression"), "{text}");
}

/// Positions that are known, on an axis whose extent is not: they must be there when the program runs.
#[test]
fn known_positions_are_checked() {
    let graph = crate::testing::graph_of(
        "g (float[n,2] x) => (float[] first, float[] last, float[] far) <int64 zero = {0}, int64 end = {-1}, int64[2] some = {-4, -2}> {
            first = Gather(x, zero)
            last = Gather(x, end)
            far = Gather(x, some)
        }",
    );
    let checked: Vec<String> =
        graph.requirements.iter().map(|r| format!("{} == {}", r.have, r.want)).collect();
    assert_eq!(checked, ["max(4,n) == n"]);
}
