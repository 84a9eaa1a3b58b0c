//! Movement of a few elements, of symbolic extents, and what cannot be moved.

use crate::testing::{all_errors_of, errors_of, graph_of, outputs_of, values};
use expect_test::{Expect, expect};

#[track_caller]
fn check(bodies: &[&str], expect: Expect) {
    let constants = "int32[2,3] x = {1, 2, 3, 4, 5, 6}, int32[1,4,1,2] d = {1, 2, 3, 4, 5, 6, 7, 8}, \
         int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[2] ones = {1, 1}, \
         int64[1] far = {9223372036854775807}, int64[1] back = {-1}, int64[1] low = {-9223372036854775807}, \
         int64[2] flat = {3, -1}, int64[3] keep = {0, 1, -1}, int64[2] twice = {2, 1}, int64[3] wide = {2, 2, 3}, \
         int64[4] around = {0, 2, 0, 1}, int64[4] crop = {-1, 1, 0, -2}, int64[2] sides = {1, 1}, int32 nine = {9}, \
         int64[2] parts = {1, 2}, int64[2] center = {3, 2}";
    let cases: Vec<_> = bodies.iter().map(|body| (constants, *body)).collect();
    expect.assert_eq(&values(&cases));
}

#[test]
fn shapes() {
    check(
        &[
            "r = Reshape(x, flat)",
            "r = Reshape(x, keep)",
            "r = Flatten <axis = 0> (x)",
            "r = Flatten <axis = 2> (x)",
            "r = Unsqueeze(x, back)",
            "r = Squeeze(d)",
            "r = Squeeze(d, zero)",
            "r = Transpose(x)",
            "r = Transpose <perm = [0, 3, 2, 1]> (d)",
        ],
        expect![[r#"
            r = Reshape(x, flat)
                i32[3,2] {1, 2, 3, 4, 5, 6}
            r = Reshape(x, keep)
                i32[2,1,3] {1, 2, 3, 4, 5, 6}
            r = Flatten <axis = 0> (x)
                i32[1,6] {1, 2, 3, 4, 5, 6}
            r = Flatten <axis = 2> (x)
                i32[6,1] {1, 2, 3, 4, 5, 6}
            r = Unsqueeze(x, back)
                i32[2,3,1] {1, 2, 3, 4, 5, 6}
            r = Squeeze(d)
                i32[4,2] {1, 2, 3, 4, 5, 6, 7, 8}
            r = Squeeze(d, zero)
                i32[4,1,2] {1, 2, 3, 4, 5, 6, 7, 8}
            r = Transpose(x)
                i32[3,2] {1, 4, 2, 5, 3, 6}
            r = Transpose <perm = [0, 3, 2, 1]> (d)
                i32[1,2,1,4] {1, 3, 5, 7, 2, 4, 6, 8}
        "#]],
    );
}

#[test]
fn parts() {
    check(
        &[
            "r = Slice(x, one, far, one)",
            "r = Slice(x, back, low, one, back)",
            "r = Slice(x, zero, far, back, two)",
            "r = Slice(x, two, one)",
            "a, r = Split <axis = 1> (x, parts)",
            "a, r = Split <axis = 1, num_outputs = 2> (x)",
            "r, a = Split(x)",
        ],
        expect![[r#"
            r = Slice(x, one, far, one)
                i32[2,2] {2, 3, 5, 6}
            r = Slice(x, back, low, one, back)
                i32[2,3] {3, 2, 1, 6, 5, 4}
            r = Slice(x, zero, far, back, two)
                i32[2,2] {1, 3, 4, 6}
            r = Slice(x, two, one)
                i32[0,3] {}
            a, r = Split <axis = 1> (x, parts)
                i32[2,2] {2, 3, 5, 6}
            a, r = Split <axis = 1, num_outputs = 2> (x)
                i32[2,1] {3, 6}
            r, a = Split(x)
                i32[1,3] {1, 2, 3}
        "#]],
    );
}

#[test]
fn joins_and_repeats() {
    check(
        &[
            "r = Concat <axis = 0> (x, x)",
            "r = Concat <axis = -1> (x, x)",
            "r = Expand(x, wide)",
            "r = Expand(one, wide)",
            "r = Tile(x, twice)",
            "r = DepthToSpace <blocksize = 2> (d)",
            "r = DepthToSpace <blocksize = 2, mode = \"CRD\"> (d)",
            "t = DepthToSpace <blocksize = 2> (d)  r = SpaceToDepth <blocksize = 2> (t)",
        ],
        expect![[r#"
            r = Concat <axis = 0> (x, x)
                i32[4,3] {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}
            r = Concat <axis = -1> (x, x)
                i32[2,6] {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6}
            r = Expand(x, wide)
                i32[2,2,3] {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}
            r = Expand(one, wide)
                i64[2,2,3] {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
            r = Tile(x, twice)
                i32[4,3] {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}
            r = DepthToSpace <blocksize = 2> (d)
                i32[1,1,2,4] {1, 3, 2, 4, 5, 7, 6, 8}
            r = DepthToSpace <blocksize = 2, mode = "CRD"> (d)
                i32[1,1,2,4] {1, 3, 2, 4, 5, 7, 6, 8}
            t = DepthToSpace <blocksize = 2> (d)  r = SpaceToDepth <blocksize = 2> (t)
                i32[1,4,1,2] {1, 2, 3, 4, 5, 6, 7, 8}
        "#]],
    );
}

#[test]
fn pads() {
    check(
        &[
            "r = Pad(x, around)",
            "r = Pad(x, around, nine)",
            "r = Pad(x, crop, nine)",
            "r = Pad(x, sides, nine, back)",
            "r = Pad <mode = \"edge\"> (x, around)",
            "r = Pad <mode = \"reflect\"> (x, around)",
            "r = Pad <mode = \"wrap\"> (x, around)",
            "r = CenterCropPad(x, center)",
        ],
        expect![[r#"
            r = Pad(x, around)
                i32[2,6] {0, 0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 0}
            r = Pad(x, around, nine)
                i32[2,6] {9, 9, 1, 2, 3, 9, 9, 9, 4, 5, 6, 9}
            r = Pad(x, crop, nine)
                i32[1,2] {9, 4}
            r = Pad(x, sides, nine, back)
                i32[2,5] {9, 1, 2, 3, 9, 9, 4, 5, 6, 9}
            r = Pad <mode = "edge"> (x, around)
                i32[2,6] {1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6}
            r = Pad <mode = "reflect"> (x, around)
                i32[2,6] {3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5}
            r = Pad <mode = "wrap"> (x, around)
                i32[2,6] {2, 3, 1, 2, 3, 1, 5, 6, 4, 5, 6, 4}
            r = CenterCropPad(x, center)
                i32[3,2] {1, 2, 4, 5, 0, 0}
        "#]],
    );
}

#[test]
fn older_operator_sets_take_attributes() {
    let old = |body: &str, opset: i64| {
        outputs_of(&format!(
            "<opset_import: [\"\" : {opset}]> g () => (float[] r) <float[2,3] x = {{1, 2, 3, 4, 5, 6}}> {{ {body} }}"
        ))
    };
    let text: String = [
        old("r = Slice <starts = [0], ends = [-1], axes = [1]> (x)", 9),
        old("r = Pad <pads = [0, 1, 0, 0], value = 7.0> (x)", 10),
        old("r = Unsqueeze <axes = [0]> (x)", 11),
        old("t = Unsqueeze <axes = [0]> (x)  r = Squeeze <axes = [0]> (t)", 11),
        old("a, r = Split <axis = 1, split = [1, 2]> (x)", 11),
    ]
    .concat();
    expect![[r#"
        r: f32[2,2] {1.0, 2.0, 4.0, 5.0}
        r: f32[2,4] {7.0, 1.0, 2.0, 3.0, 7.0, 4.0, 5.0, 6.0}
        r: f32[1,2,3] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}
        r: f32[2,3] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}
        r: f32[2,2] {2.0, 3.0, 5.0, 6.0}
    "#]]
    .assert_eq(&text);
}

#[test]
fn symbolic_extents_follow() {
    let graph = graph_of(
        "g (float[n,4,6] x) => (float[] a, float[] b, float[] c, float[] d) <int64[3] shape = {0, 2, -1},
           int64[1] start = {1}, int64[1] end = {1000}, int64[1] first = {0}, int64 one = {1}, int64[1] six = {6}> {
            a = Reshape(x, shape)
            s = Shape(x)
            n = Gather(s, first)
            p = Concat <axis = 0> (six, n)
            y = Flatten <axis = 2> (x)
            t = Transpose(y)
            f = Flatten(t)
            q = Concat <axis = 0> (n, six)
            z = Slice(x, start, end)
            b = Reshape(z, shape)
            c = Slice(x, start, n)
            d = Expand(x, s)
        }",
    );
    expect![[r#"
        input %0 "x": f32[n,4,6]
        const %1 = i64[3] {0,2,-1}
        const %2 = i64[1] {1}
        const %3 = i64[1] {1000}
        const %4 = i64[1] {0}
        const %5 = i64[] {1}
        const %6 = i64[1] {6}
        %7: f32[n,2,12] = Reshape { shape: [n, 2, 12] }(%0)
        %8: i64[3] = Dims { dims: [n, 4, 6], list: true }()
        %9: i64[1] = Slice { axes: [0..1] }(%8)
        %10: i64[2] = Concat { axis: 0 }(%6, %9)
        %11: f32[4*n,6] = Reshape { shape: [4*n, 6] }(%0)
        %12: f32[6,4*n] = Transpose { perm: [1, 0] }(%11)
        %13: i64[2] = Concat { axis: 0 }(%9, %6)
        %14: f32[n-1,4,6] = Slice { axes: [1..n, 0..4, 0..6] }(%0)
        %15: f32[n-1,2,12] = Reshape { shape: [n-1, 2, 12] }(%14)
        %16: f32[n-1,4,6] = Slice { axes: [1..n, 0..4, 0..6] }(%0)
        output %7 "a"
        output %15 "b"
        output %16 "c"
        output %0 "d"
    "#]]
    .assert_eq(&graph.to_string());
}

/// Cutting a sequence into windows asks for lengths that are multiples of a window.
#[test]
fn reshapes_that_need_certain_sizes_are_checked_at_run_time() {
    let graph = graph_of(
        "g (float[2,n,3] x) => (float[] a, float[] b) <int64[4] s = {2, -1, 4, 3}, int64[2] t = {-1, 9}>
         { a = Reshape(x, s) b = Reshape(x, t) }",
    );
    let types: Vec<String> = graph.outputs.iter().map(|(_, v)| graph.ty(*v).to_string()).collect();
    assert_eq!(types, ["f32[2,floor((n)/(4)),4,3]", "f32[floor((2*n)/(3)),9]"]);
    let checks: Vec<String> =
        graph.requirements.iter().map(|r| format!("{} == {}", r.have, r.want)).collect();
    assert_eq!(checks, ["n == 4*floor((n)/(4))", "6*n == 9*floor((2*n)/(3))"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let errors = all_errors_of(&[
        "g (float[2,3] x) => (float[] r) <int64[2] s = {4, -1}> { r = Reshape(x, s) }",
        "g (float[2,3] x) => (float[] r) <int64[2] s = {7, 1}> { r = Reshape(x, s) }",
        "g (float[2,3] x) => (float[] r) <int64[2] s = {-1, -1}> { r = Reshape(x, s) }",
        "g (float[2,3] x, int64[2] s) => (float[] r) { r = Reshape(x, s) }",
        "g (float[2,3] x) => (float[] r) <int64[1] a = {1}> { r = Squeeze(x, a) }",
        "g (float[2,3] x) => (float[] r) <int64[2] a = {0, 0}> { r = Unsqueeze(x, a) }",
        "g (float[2,3] x) => (float[] r) { r = Transpose <perm = [0, 0]> (x) }",
        "g (float[2,3] x, float[2,4] y) => (float[] r) { r = Concat <axis = 0> (x, y) }",
        "g (float[2,3] x) => (float[] r) { r = Concat <axis = 2> (x, x) }",
        "g (float[2,3] x) => (float[] r, float[] s) { r, s = Split <axis = 1> (x) }",
        "g (float[2,3] x) => (float[] r) <int64[1] a = {0}, int64[1] b = {1}> { r = Slice(x, a, b, a, a) }",
        "g (float[2,3] x) => (float[] r) <int64[3] p = {0, 1, 2}> { r = Pad(x, p) }",
        "g (float[2,3] x) => (float[] r) <int64[4] p = {0, 1, 2, 0}> { r = Pad <mode = \"odd\"> (x, p) }",
        "g (float[2,3] x) => (float[] r) <int64[3] s = {2, 2, 2}> { r = Expand(x, s) }",
        "g (float[1,3,2,2] x) => (float[] r) { r = DepthToSpace <blocksize = 2> (x) }",
    ]);
    expect![[r#"
        error[E008]: 6 elements cannot be divided into the shape [4, -1]
          --> test: node 0 "r" (Reshape)
           = input 0: "x" f32[2,3]
           = input 1: "s" i64[2]
           = opset 21
           = help: the extents that are given must divide the number of elements

        error[E008]: f32[2,3] with 6 elements cannot be reshaped to f32[7,1] with 7
          --> test: node 0 "r" (Reshape)
           = input 0: "x" f32[2,3]
           = input 1: "s" i64[2]
           = opset 21

        error[E008]: `shape` is [-1, -1]
          --> test: node 0 "r" (Reshape)
           = input 0: "x" f32[2,3]
           = input 1: "s" i64[2]
           = opset 21
           = help: one extent may be -1, which takes what is left; no other may be negative

        error[E012]: `shape` of Reshape must be known at compile time
          --> test: node 0 "r" (Reshape)
           = input 0: "x" f32[2,3]
           = input 1: "s" i64[2]
           = opset 21
           = help: make it a constant or fix the symbolic dimensions that it is computed from; or compile for one value of "s" (option `values`)

        error[E008]: axis 1 of f32[2,3] has extent 3 and cannot be squeezed
          --> test: node 0 "r" (Squeeze)
           = input 0: "x" f32[2,3]
           = input 1: "a" i64[1]
           = opset 21
           = help: only axes of extent 1 can be

        error[E007]: `axes` [0, 0] names an axis twice
          --> test: node 0 "r" (Unsqueeze)
           = input 0: "x" f32[2,3]
           = input 1: "a" i64[2]
           = opset 21

        error[E007]: [0, 0] is not an order of the 2 axes of f32[2,3]
          --> test: node 0 "r" (Transpose)
           = input 0: "x" f32[2,3]
           = opset 21

        error[E008]: f32[2,3] and f32[2,4] cannot be joined along axis 0: element type and all other extents must agree
          --> test: node 0 "r" (Concat)
           = input 0: "x" f32[2,3]
           = input 1: "y" f32[2,4]
           = opset 21

        error[E007]: axis 2 is out of range for 2 axes
          --> test: node 0 "r" (Concat)
           = input 0: "x" f32[2,3]
           = input 1: "x" f32[2,3]
           = opset 21
           = help: axes run from -2 to 1

        error[E008]: 3 elements do not split into 2 equal parts
          --> test: node 0 "r" (Split)
           = input 0: "x" f32[2,3]
           = opset 21
           = help: give the sizes of the parts, or fix the dimension if it is symbolic

        error[E008]: a step of Slice is 0
          --> test: node 0 "r" (Slice)
           = input 0: "x" f32[2,3]
           = input 1: "a" i64[1]
           = input 2: "b" i64[1]
           = input 3: "a" i64[1]
           = input 4: "a" i64[1]
           = opset 21

        error[E008]: `pads` has 3 elements for 2 axes
          --> test: node 0 "r" (Pad)
           = input 0: "x" f32[2,3]
           = input 1: "p" i64[3]
           = opset 21
           = help: it holds the amounts before each axis, then the amounts after each

        error[E007]: the attribute "mode" is "odd"; constant, reflect, edge and wrap are known
          --> test: node 0 "r" (Pad)
           = input 0: "x" f32[2,3]
           = input 1: "p" i64[4]
           = opset 21

        error[E008]: shapes [2, 3] and [2, 2, 2] do not broadcast: 3 against 2 at axis 2 of the result
          --> test: node 0 "r" (Expand)
           = input 0: "x" f32[2,3]
           = input 1: "s" i64[3]
           = opset 21

        error[E008]: the number of channels 3 is not a multiple of 4
          --> test: node 0 "r" (DepthToSpace)
           = input 0: "x" f32[1,3,2,2]
           = opset 21
    "#]].assert_eq(&errors);
}

#[test]
fn extents_that_must_be_equal_are_checked_by_the_program() {
    let graph = graph_of(
        "g (float[n,2] x, float[m,2] y) => (float[] a, float[] b) {
            a = Concat <axis = 1> (x, y)
            b = Add(x, y)
        }",
    );
    expect![[r#"
        input %0 "x": f32[n,2]
        input %1 "y": f32[m,2]
        %2: f32[n,2] = Restate { shape: [n, 2] }(%1)
        %3: f32[n,4] = Concat { axis: 1 }(%0, %2)
        %4: f32[n,2] = Restate { shape: [n, 2] }(%1)
        %5: f32[n,2] = Map [add(in0, in1)] over [n, 2](%0, %4)
        require m == n: Concat "a", axis 0 (`m`)
        output %3 "a"
        output %5 "b"
    "#]]
    .assert_eq(&graph.to_string());
}

#[test]
fn ends_that_data_decides_become_dimensions() {
    let program = |model: &str| {
        let graph = graph_of(model);
        let layouts = crate::lower::Layouts::choose(&[&graph], false, crate::types::Contents::default());
        let mut diagnostics = crate::diag::Diagnostics::new("test");
        let program = crate::lower::lower(&graph, &[], &layouts, &mut diagnostics);
        program.map_or_else(|| diagnostics.to_string(), |p| p.to_string())
    };
    let text = [
        "g (float[n,3] x, int64[1] e) => (float[] r) <int64[1] zero = {0}> { r = Slice(x, zero, e, zero) }",
        "g (float[8] x, int64[1] s) => (float[] r) <int64[1] far = {-100}, int64[1] zero = {0}, int64[1] back = {-2}> {
            r = Slice(x, s, far, zero, back)
        }",
    ]
    .map(program)
    .concat();
    expect![[r#"
        buffer b0 "x": f32 x 3*n input 0
        buffer b1 "e": i64 x 1 input 1
        buffer b2 "": i64 x 1 arena
        buffer b3 "": i64 x 1 arena
        buffer b4 "r": f32 x 3*r_0 arena
        movement::write_sizes(&[n], y: mut b2+0)  // Dims:  -> i64[]
        b3+0[] = map [] row 0 [let t4 = sub(-1, in1); let t6 = max(min(0, in1), t4); let t12 = max(min(in0, in1), t4); min(max(sub(select(less(t12, 0), add(t12, in1), t12), max(select(less(t6, 0), add(t6, in1), t6), 0)), 0), in1)](b1+0[], b2+0[])  // Map: i64[], i64[] -> i64[]
        r_0 = b3+0  // Bind: i64[] -> i64[]
        b4+0[3, 1] = copy [r_0, 3] b0+0[3, 1]  // result "r": f32[r_0,3]
        buffer b0 "x": f32 x 8 input 0
        buffer b1 "s": i64 x 1 input 1
        buffer b2 "": i64 x 1 arena
        buffer b3 "": i64 x 1 arena
        buffer b4 "r": f32 x r_0 arena
        b2+0[] = map [] row 0 [let t6 = max(min(in0, 8), -9); min(div(add(max(sub(max(min(select(less(t6, 0), add(t6, 8), t6), 7), 0), -1), 0), 1), 2), 8)](b1+0[])  // Map: i64[] -> i64[]
        b3+0[] = map [] row 0 [let t6 = max(min(in0, 8), -9); select(equal(in1, 0), 0, max(min(select(less(t6, 0), add(t6, 8), t6), 7), 0))](b1+0[], b2+0[])  // Map: i64[], i64[] -> i64[]
        r_0_start = b3+0  // Bind: i64[] -> i64[]
        r_0 = b2+0  // Bind: i64[] -> i64[]
        b4+0[1] = copy [r_0] b0+r_0_start[-2]  // result "r": f32[r_0]
    "#]].assert_eq(&text);
}

/// `x[i:i+1]` without that axis: one element where `i` is within the axis, which the program checks.
#[test]
fn parts_of_one_element_lose_their_axis() {
    let graph = graph_of(
        "g (float[2,n,3] x, int64 i) => (float[] r, float[] e) <int64 one = {1}, int64[1] axis = {1}, int64[1] first = {0}> {
            j = Add(i, one)
            from = Unsqueeze(i, first)
            to = Unsqueeze(j, first)
            part = Slice(x, from, to, axis)
            r = Squeeze(part, axis)
            e = Expand(part, shape)
            shape = Constant <value_ints = [2, 1, 3]> ()
        }",
    );
    let types: Vec<String> = graph.outputs.iter().map(|(_, v)| graph.ty(*v).to_string()).collect();
    assert_eq!(types, ["f32[2,3]", "f32[2,part_1,3]"]);
    let checked: Vec<String> =
        graph.requirements.iter().map(|r| format!("{} == {}", r.have, r.want)).collect();
    assert_eq!(checked, ["part_1 == 1"]);
    let (_, r) = graph.symbols.iter().find(|(s, _)| s.name() == "part_1").unwrap();
    assert_eq!((r.lo, r.hi), (0, 1));
}

/// Positions that data decide: a part that cannot have elements, and more positions than there are axes.
#[test]
fn slices_without_elements_or_axes() {
    let graph = graph_of(
        "g (float[5,6] x, int64[1] s) => (float[] y) <int64[1] a = {0}, int64[1] p = {-2}> { y = Slice(x, s, s, a, p) }",
    );
    assert_eq!(graph.ty(graph.outputs[0].1).to_string(), "f32[0,6]");
    expect![[r#"
        error[E008]: there are 2147483648 ends and 2 axes
          --> test: node 0 "y" (Slice)
           = input 0: "x" f32[n,6]
           = input 1: "a" i64[1]
           = input 2: "e" i64[1,2147483648]
           = input 3: "a" i64[1]
           = opset 21
    "#]]
    .assert_eq(&errors_of(
        "g (float[n,6] x, int64[1,2147483648] e) => (float[] y) <int64[1] a = {0}> { y = Slice(x, a, e, a) }",
    ));
}
