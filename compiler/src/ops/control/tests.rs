//! Control flow as programs: what is carried in place, what is read in place, what is refused.

use crate::diag::Diagnostics;
use crate::lower::{Layouts, lower};
use crate::testing::{all_errors_of, errors_of, graph_of, outputs_of};
use crate::types::Contents;
use expect_test::{Expect, expect};

/// The program of a model after all passes.
#[track_caller]
fn check(model: &str, expect: Expect) {
    let graph = crate::passes::run(graph_of(model), &[], &mut Vec::new()).unwrap_or_else(|d| panic!("{d:?}"));
    let mut diagnostics = Diagnostics::new("test");
    let program =
        lower(&graph, &[], &Layouts::choose(&[&graph], false, Contents::default()), &mut diagnostics);
    let text = program.map_or_else(|| diagnostics.to_string(), |p| p.to_string());
    let steps = text.lines().filter(|l| !l.starts_with("buffer")).map(|l| format!("{l}\n"));
    expect.assert_eq(&steps.collect::<String>());
}

#[test]
fn known_conditions_leave_one_branch() {
    let text = outputs_of(
        "g () => (float[] r) <bool c = {0}, float[2] x = {1, 2}> {
            r = If (c) <
                then_branch = t () => (float[] a) { a = Neg(x) },
                else_branch = e () => (float[] b) { b = Exp(x) d = Squeeze(x) }
            >
        }",
    );
    expect![[r#"
        r: f32[2] {2.71828, 7.38906}
    "#]]
    .assert_eq(&text);
}

#[test]
fn branches_write_to_one_place_and_read_from_outside() {
    check(
        "g (bool c, float[2,3] x, float[n,3] y) => (float[] r) {
            z = Transpose(x)
            r = If (c) <
                then_branch = t () => (float[] a) { a = Neg(z) },
                else_branch = e () => (float[] b) { b = Concat <axis = 0> (y, y) }
            >
        }",
        expect![[r#"
            if b0+0, r_0 = 3 or 2*n, r_1 = 2 or 3  // Branch: bool[], f32[3,2], f32[n,3] -> f32[r_0,r_1]
              b3+0[2, 1] = map [3, 2] row 0 [neg(in0)](b1+0[1, 3])  // Map: f32[3,2] -> f32[3,2]
            else
              b3+0[3, 1] = copy [n, 3] b2+0[3, 1]  // Concat: f32[n,3], f32[n,3] -> f32[2*n,3]
              b3+3*n[3, 1] = copy [n, 3] b2+0[3, 1]  // Concat: f32[n,3], f32[n,3] -> f32[2*n,3]
        "#]],
    );
}

#[test]
fn loops_carry_in_place_and_collect() {
    check(
        "g (float[2] x) => (float[] last, float[] all) <int64 n = {3}, bool go = {1}, float[2] w = {1, 2}> {
            last, all = Loop (n, go, x) <
                body = b (int64 i, bool c, float[2] a) => (bool d, float[] y, float[] s) {
                    d = Identity(c)
                    k = Cast <to = 1> (i)
                    p = Mul(a, w)
                    y = Add(p, k)
                    s = Neg(y)
                }
            >
        }",
        expect![[r#"
            b1+0[1] = copy [2] b0+0[1]  // Repeat: f32[2] -> f32[2], f32[3,2]
            loop iteration to 3  // Repeat: f32[2] -> f32[2], f32[3,2]
              b1+0[1] = map [2] row 0 [add(mul(in0, in1), size(iteration))](b1+0[1], b3+0[1])  // Map: f32[2], f32[2] -> f32[2]
              b2+2*iteration[1] = map [2] row 0 [neg(in0)](b1+0[1])  // Map: f32[2] -> f32[2]
        "#]],
    );
}

#[test]
fn values_that_swap_are_saved() {
    check(
        "g (float[2] x, float[2] y, int64 n) => (float[] r, float[] s) {
            r, s = Loop (n, , x, y) <
                body = b (int64 i, bool c, float[2] p, float[2] q) => (bool d, float[] t, float[] u) {
                    d = Identity(c)
                    t = Identity(q)
                    u = Add(p, q)
                }
            >
        }",
        expect![[r#"
            trip_count = b2+0  // Bind: i64[] -> i64[]
            b3+0[1] = copy [2] b0+0[1]  // Repeat: f32[2], f32[2] -> f32[2], f32[2]
            b4+0[1] = copy [2] b1+0[1]  // Repeat: f32[2], f32[2] -> f32[2], f32[2]
            loop iteration to trip_count  // Repeat: f32[2], f32[2] -> f32[2], f32[2]
              b5+0[1] = map [2] row 0 [add(in0, in1)](b3+0[1], b4+0[1])  // Map: f32[2], f32[2] -> f32[2]
              b3+0[1] = copy [2] b4+0[1]  // Repeat: f32[2], f32[2] -> f32[2], f32[2]
              b4+0[1] = copy [2] b5+0[1]  // Repeat: f32[2], f32[2] -> f32[2], f32[2]
        "#]],
    );
}

#[test]
fn loops_end_on_conditions_and_values_grow() {
    check(
        "g (float[1] x) => (float[] r) <int64 n = {5}, float limit = {9}> {
            first = Constant <value = bool {1}> ()
            r = Loop (n, first, x) <
                body = b (int64 i, bool c, float[k] a) => (bool d, float[] y) {
                    y = Concat <axis = 0> (a, x)
                    s = ReduceSum <keepdims = 0> (y)
                    d = Less(s, limit)
                }
            >
        }",
        expect![[r#"
            b2+0[] = copy [] b1+0[]  // Repeat: bool[], f32[1], f32[1] -> f32[r_0]
            b3+0[1] = copy [1] b0+0[1]  // Repeat: bool[], f32[1], f32[1] -> f32[r_0]
            loop iteration to 5 while b2+0, r_0 = 1 then r_0+1  // Repeat: bool[], f32[1], f32[1] -> f32[r_0]
              b3+r_0[1] = copy [1] b0+0[1]  // Concat: f32[r_0], f32[1] -> f32[r_0+1]
              b4+0[0] = map [r_0+1] row 1 [row_sum(in0)](b3+0[1])  // Rows: f32[r_0+1] -> f32[1]
              b2+0[] = map [] row 0 [less(in0, 9.0)](b4+0[])  // Map: f32[] -> bool[]
            b5+0[1] = copy [r_0] b3+0[1]  // result "r": f32[r_0]
        "#]],
    );
}

#[test]
fn loops_without_iterations_give_what_they_are_given() {
    check(
        "g (float[2] x, bool go) => (float[] last, float[] all) <int64 n = {0}> {
            last, all = Loop (n, go, x) <
                body = b (int64 i, bool c, float[2] a) => (bool d, float[] y, float[] s) {
                    d = Identity(c)
                    y = Concat <axis = 0> (a, a)
                    s = Neg(x)
                }
            >
        }",
        expect![[r#"
            b3+0[1] = copy [2] b0+0[1]  // result "last": f32[2]
        "#]],
    );
}

#[test]
fn nesting_costs_no_more_than_it_may() {
    // Each level doubles what its level above builds: one branch of each never fits.
    let nested = (0..24).fold("y = Neg(x)".to_owned(), |inner, level| {
        format!(
            "y = If (c) <then_branch = t{level} () => (float[] y) {{ {inner} }},
             else_branch = e{level} () => (float[] z) {{ z = MatMul(x, w) }}>"
        )
    });
    let text = all_errors_of(&[&format!(
        "g (bool c, float[2] x) => (float[] y) <float[3,3] w = {{1, 2, 3, 4, 5, 6, 7, 8, 9}}> {{ {nested} }}"
    )]);
    assert!(text.contains("more than 8192 times"), "{text}");
}

#[test]
fn scans_read_slices_in_place() {
    check(
        "g (float[2] s, float[2,5] x) => (float[] t, float[] y) {
            t, y = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_input_directions = [1],
                         scan_output_axes = [-1]> (s, x) <
                body = b (float[2] a, float[2] z) => (float[] c, float[] d) {
                    c = Add(a, z)
                    d = Identity(c)
                }
            >
        }",
        expect![[r#"
            b2+0[1] = copy [2] b0+0[1]  // Repeat: f32[2], f32[2,5] -> f32[2], f32[2,5]
            loop iteration to 5  // Repeat: f32[2], f32[2,5] -> f32[2], f32[2,5]
              b3+iteration[5] = map [2] row 0 [add(in0, in1)](b2+0[1], b1+-iteration+4[5])  // Map: f32[2], f32[2] -> f32[2]
              b2+0[1] = copy [2] b3+iteration[5]  // Repeat: f32[2], f32[2,5] -> f32[2], f32[2,5]
        "#]],
    );
}

#[test]
fn defects_are_told() {
    expect![[r#"
        error[E008]: the condition is f32[], not one truth value
          --> test: node 0 "r" (If)
           = input 0: "c" f32[]
           = opset 21

        error[E005]: output 0 is f32[2] of one branch and i64[2] of the other
          --> test: node 0 "r" (If)
           = input 0: "c" bool[]
           = opset 21

        error[E004]: operator Nag is not supported
          --> test: node 0 "a" (Nag)
           = help: OPERATORS.md lists what is; an equivalent subgraph of those works as well

        error[E005]: nothing ends the loop: it has no trip count and its condition stays true
          --> test: node 0 "r" (Loop)
           = input 2: "x" f32[2]
           = opset 21

        error[E009]: nothing bounds the size "r_0", which depends on data
          --> test: node 0 "last" (Loop)
           = input 0: "n" i64[]
           = input 2: "x" f32[2]
           = opset 21
           = help: bound it, `dims: { r_0: 0..=64 }` (--dim r_0=0..=64)

        error[E009]: nothing bounds the size "r_0", which depends on data
          --> test: node 0 "r" (Loop)
           = input 0: "n" i64[]
           = input 2: "x" f32[2]
           = opset 21
           = help: bound it, `dims: { r_0: 0..=64 }` (--dim r_0=0..=64)
    "#]].assert_eq(&all_errors_of(&[
        "g (float c, float[2] x) => (float[] r) {
            r = If (c) <then_branch = t () => (float[] a) { a = Neg(x) },
                        else_branch = e () => (float[] b) { b = Exp(x) }>
        }",
        "g (bool c, float[2] x) => (float[] r) {
            r = If (c) <then_branch = t () => (float[] a) { a = Neg(x) },
                        else_branch = e () => (float[] b) { b = Cast <to = 7> (x) }>
        }",
        "g (bool c, float[2] x) => (float[] r) {
            r = If (c) <then_branch = t () => (float[] a) { a = Nag(x) },
                        else_branch = e () => (float[] b) { b = Exp(x) }>
        }",
        "g (float[2] x) => (float[] r) {
            r = Loop (, , x) <body = b (int64 i, bool c, float[2] a) => (bool c2, float[] y) {
                c2 = Identity(c) y = Neg(a) }>
        }",
        "g (int64 n, float[2] x) => (float[] r) {
            last, r = Loop (n, , x) <body = b (int64 i, bool c, float[2] a) => (bool c2, float[] y, float[] s) {
                c2 = Identity(c) y = Neg(a) s = Exp(a) }>
        }",
        "g (float[2] x) => (float[] r) <int64 n = {4}> {
            r = Loop (n, , x) <body = b (int64 i, bool c, float[2] a) => (bool c2, float[] y) {
                c2 = Identity(c) y = Concat <axis = 0> (a, a) }>
        }",
    ]));
}

#[test]
fn conditions_that_count_are_numbers_of_iterations() {
    check(
        "g (float[n,2] x, float[2] first) => (float[] last, int64 count, float[] all) <
            int32 zero = {0}, int32 one = {1}, int64 axis = {0}, bool go = {1}, float[2] decay = {0.5, 0.25}
        > {
            s = Shape(x)
            n = Gather(s, axis)
            limit = Cast <to = 1> (n)
            begins = Cast <to = 1> (zero)
            c = Less(begins, limit)
            i, last, d, all = Loop(, c, zero, first, decay) <
                body = b (int64 iteration, bool on, int32 i, float[2] h, float[2] d)
                    => (bool more, int32 next, float[2] g, float[2] e, float[2] out) {
                    row = Gather(x, i)
                    faded = Mul(h, d)
                    g = Add(faded, row)
                    out = Identity(g)
                    e = Identity(d)
                    next = Add(i, one)
                    at = Cast <to = 1> (next)
                    less = Less(at, limit)
                    more = And(less, on)
                }
            >
            count = Cast <to = 7> (i)
        }",
        expect![[r#"
            b2+0[1] = copy [2] b1+0[1]  // Repeat: f32[2], f32[2], f32[n,2] -> f32[2], f32[2], f32[n,2]
            loop iteration to n  // Repeat: f32[2], f32[2], f32[n,2] -> f32[2], f32[2], f32[n,2]
              b5+2*iteration[1] = map [2] row 0 [add(mul(in0, in1), in2)](b2+0[1], b3+0[1], b0+2*iteration[1])  // Map: f32[2], f32[2], f32[2] -> f32[2]
              b2+0[1] = copy [2] b5+2*iteration[1]  // Repeat: f32[2], f32[2], f32[n,2] -> f32[2], f32[2], f32[n,2]
            b6+0[] = map [] row 0 [size(n)]()  // Map:  -> i64[]
        "#]],
    );
}

#[test]
fn counting_down_and_by_more_than_one() {
    check(
        "g (float[n,2] x) => (float[] down, float[] odd) <
            int64 five = {5}, int64 zero = {0}, int64 one = {1}, int64 two = {2}, bool go = {1}, int64 axis = {0}
        > {
            s = Shape(x)
            n = Gather(s, axis)
            i, down = Loop(, go, five) <
                body = b (int64 iteration, bool on, int64 i) => (bool more, int64 next, float[2] out) {
                    out = Gather(x, i)
                    next = Sub(i, two)
                    less = Less(next, zero)
                    more = Not(less)
                }
            >
            j, odd = Loop(five, go, one) <
                body = c (int64 iteration, bool on, int64 j) => (bool more, int64 next, float[2] out) {
                    out = Gather(x, j)
                    next = Add(j, two)
                    more = Greater(n, next)
                }
            >
        }",
        expect![[r#"
            loop iteration to 3  // Repeat: f32[n,2] -> f32[3,2]
              b1+2*iteration[1] = copy [2] b0+-4*iteration+10[1]  // Reshape: f32[1,2] -> f32[2]
            loop iteration_2 to min(5,max(-floor((-n+1)/(2))-1,0)+1)  // Repeat: f32[n,2] -> f32[min(5,max(-floor((-n+1)/(2))-1,0)+1),2]
              b2+2*iteration_2[1] = copy [2] b0+4*iteration_2+2[1]  // Reshape: f32[1,2] -> f32[2]
        "#]],
    );
}

/// Only the part of a condition that counts bounds the loop; the rest still ends it.
#[test]
fn other_conditions_still_end_loops() {
    check(
        "g (float x, float most) => (float y, float[] all) <int64 zero = {0}, int64 one = {1}, int64 six = {6}, bool go = {1}> {
            i, y, all = Loop(, go, zero, x) <
                body = b (int64 iteration, bool on, int64 i, float h) => (bool more, int64 next, float g, float out) {
                    g = Add(h, h)
                    out = Identity(g)
                    next = Add(i, one)
                    few = Less(next, six)
                    small = Less(g, most)
                    more = And(few, small)
                }
            >
        }",
        expect![[r#"
            b3+0[] = copy [] b2+0[]  // Repeat: bool[], f32[], f32[] -> f32[], f32[all_0]
            b4+0[] = copy [] b0+0[]  // Repeat: bool[], f32[], f32[] -> f32[], f32[all_0]
            loop iteration to 6 while b3+0  // Repeat: bool[], f32[], f32[] -> f32[], f32[all_0]
              b5+iteration[] = map [] row 0 [add(in0, in1)](b4+0[], b4+0[])  // Map: f32[], f32[] -> f32[]
              b3+0[] = map [] row 0 [and(less(size(iteration+1), 6), less(in0, in1))](b5+iteration[], b1+0[])  // Map: f32[], f32[] -> bool[]
              b4+0[] = copy [] b5+iteration[]  // Repeat: bool[], f32[], f32[] -> f32[], f32[all_0]
        "#]],
    );
}

/// A carried integer that is not counted keeps its place.
#[test]
fn what_changes_by_data_is_carried() {
    check(
        "g (int64[4] x) => (int64 sum, float[] r) <int64 zero = {0}, int64 one = {1}, int64 four = {4}, bool go = {1}, float[1] f = {1}> {
            i, sum = Loop(, go, zero, zero) <
                body = b (int64 iteration, bool on, int64 i, int64 k) => (bool more, int64 next, int64 m) {
                    e = Gather(x, i)
                    m = Add(k, e)
                    next = Add(i, one)
                    more = Less(next, four)
                }
            >
            r = Identity(f)
        }",
        expect![[r#"
            b2+0[] = copy [] b1+0[]  // Repeat: i64[], i64[4] -> i64[]
            loop iteration to 4  // Repeat: i64[], i64[4] -> i64[]
              b2+0[] = map [] row 0 [add(in0, in1)](b2+0[], b0+iteration[])  // Map: i64[], i64[] -> i64[]
            b5+0[1] = copy [1] b4+0[1]  // result "r": f32[1]
        "#]],
    );
}

#[test]
fn scans_of_old_models_have_a_batch() {
    check(
        "<opset_import: [\"\" : 8]> g (float[n,2] s, float[n,5,2] x) => (float[] t, float[] y) {
            t, y = Scan <num_scan_inputs = 1, directions = [1]> (, s, x) <
                body = e (float[2] a, float[2] z) => (float[2] c, float[2] d) {
                    c = Add(a, z)
                    d = Identity(c)
                }
            >
        }",
        expect![[r#"
            loop iteration to n  // Repeat: f32[n,2], f32[n,5,2] -> f32[n,2], f32[n,5,2]
              b4+0[1] = copy [2] b0+2*iteration[1]  // Repeat: f32[2], f32[5,2] -> f32[2], f32[5,2]
              loop iteration_2 to 5  // Repeat: f32[2], f32[5,2] -> f32[2], f32[5,2]
                b5+2*iteration_2[1] = map [2] row 0 [add(in0, in1)](b4+0[1], b1+10*iteration-2*iteration_2+8[1])  // Map: f32[2], f32[2] -> f32[2]
                b4+0[1] = copy [2] b5+2*iteration_2[1]  // Repeat: f32[2], f32[5,2] -> f32[2], f32[5,2]
              b2+2*iteration[1] = copy [2] b4+0[1]  // Repeat: f32[n,2], f32[n,5,2] -> f32[n,2], f32[n,5,2]
              b3+10*iteration[2, 1] = copy [5, 2] b5+0[2, 1]  // Repeat: f32[n,2], f32[n,5,2] -> f32[n,2], f32[n,5,2]
        "#]],
    );
}

/// The parts between positions that a model computes: bags of an embedding.
#[test]
fn positions_found_in_lists_cut_and_decide() {
    check(
        "g (float[6,2] x, int64[3] offsets) => (float[] r) <
            int64[1] zero = {0}, int64[1] one = {1}, bool go = {1}, int64[1] two = {2}, float[2] none = {0, 0}
        > {
            i, r = Loop(, go, zero) <
                body = b (int64 iteration, bool on, int64[1] i) => (bool more, int64[1] next, float[2] sum) {
                    next = Add(i, one)
                    after = Add(next, one)
                    begin = Slice(offsets, i, next)
                    end = Slice(offsets, next, after)
                    empty = Equal(begin, end)
                    sum = If (empty) <
                        then_branch = t () => (float[2] p) { p = Identity(none) },
                        else_branch = e () => (float[2] q) {
                            rows = Slice(x, begin, end)
                            q = ReduceSum <keepdims = 0> (rows, zero)
                        }
                    >
                    less = Less(next, two)
                    more = Squeeze(less)
                }
            >
        }",
        expect![[r#"
            loop iteration to 2  // Repeat: i64[3], f32[6,2] -> f32[2,2]
              b3+0[1] = map [1] row 0 [equal(in0, in1)](b1+iteration[1], b1+iteration+1[1])  // Map: i64[1], i64[1] -> bool[1]
              if b3+0  // Branch: bool[1], i64[1], i64[1], f32[6,2] -> f32[2]
                b2+2*iteration[1] = copy [2] b4+0[1]  // Branch: bool[1], i64[1], i64[1], f32[6,2] -> f32[2]
              else
                b5+0[] = map [] row 0 [let t6 = max(min(in0, 6), -7); let t12 = max(min(in1, 6), -7); min(max(sub(select(less(t12, 0), add(t12, 6), t12), max(select(less(t6, 0), add(t6, 6), t6), 0)), 0), 6)](b1+iteration[], b1+iteration+1[])  // Map: i64[], i64[] -> i64[]
                b6+0[] = map [] row 0 [let t6 = max(min(in0, 6), -7); select(equal(in1, 0), 0, max(select(less(t6, 0), add(t6, 6), t6), 0))](b1+iteration[], b5+0[])  // Map: i64[], i64[] -> i64[]
                rows_0_start = b6+0  // Bind: i64[] -> i64[]
                rows_0 = b5+0  // Bind: i64[] -> i64[]
                reduce::reduce_f32(reduce::Reduction::Sum, 1, rows_0, 2, x: b0+2*rows_0_start, y: mut b7+0)  // Reduce: f32[rows_0,2] -> f32[1,2]
                b2+2*iteration[1] = copy [2] b7+0[1]  // Reshape: f32[1,2] -> f32[2]
        "#]],
    );
}

/// The condition is read where it is, also if it is carried as well.
#[test]
fn a_condition_that_is_carried_is_written_twice() {
    check(
        "g (float x, float most) => (float y, bool last) <bool go = {1}> {
            last, y = Loop(, go, go, x) <
                body = b (int64 iteration, bool on, bool before, float h) => (bool more, bool again, float g) {
                    g = Add(h, h)
                    more = Less(g, most)
                    again = Identity(more)
                }
            >
        }",
        expect![[r#"
            b3+0[] = copy [] b2+0[]  // Repeat: bool[], bool[], f32[], f32[] -> bool[], f32[]
            b4+0[] = copy [] b2+0[]  // Repeat: bool[], bool[], f32[], f32[] -> bool[], f32[]
            b5+0[] = copy [] b0+0[]  // Repeat: bool[], bool[], f32[], f32[] -> bool[], f32[]
            loop iteration while b3+0  // Repeat: bool[], bool[], f32[], f32[] -> bool[], f32[]
              b5+0[] = map [] row 0 [add(in0, in1)](b5+0[], b5+0[])  // Map: f32[], f32[] -> f32[]
              b3+0[] = map [] row 0 [less(in0, in1)](b5+0[], b1+0[])  // Map: f32[], f32[] -> bool[]
              b4+0[] = copy [] b3+0[]  // Repeat: bool[], bool[], f32[], f32[] -> bool[], f32[]
        "#]],
    );
}

#[test]
fn a_scan_of_more_than_its_inputs() {
    let model = "g (float[4,2] x) => (float[] y, float[] ys) <float[2] h = {0, 0}> {
        y, ys = Scan <num_scan_inputs: int = 4611686018427387904, body = b (float[2] a, float[2] v) => (float[2] w, float[2] s) {
            w = Add(a, v) s = Identity(w) }> (h, x) }";
    expect![[r#"
        error[E007]: `num_scan_inputs` is 4611686018427387904, the node has 2 inputs
          --> test: node 0 "y" (Scan)
           = input 0: "h" f32[2]
           = input 1: "x" f32[4,2]
           = opset 21
    "#]]
    .assert_eq(&errors_of(model));
}

/// Each part of this condition is asked for twice by the one after it: 2^30 ways lead to the first.
#[test]
fn conditions_that_share_their_parts() {
    let levels: String =
        (1..30).map(|i| format!("a{i} = And(a{0}, b{0}) b{i} = And(b{0}, a{0})\n", i - 1)).collect();
    let model = format!(
        "g (float[2] x, bool p, bool q) => (float[] y) <int64 trips = {{3}}, bool go = {{1}}, int64 zero = {{0}}, int64 one = {{1}}, int64 most = {{9}}> {{
            y, last = Loop <body = step (int64 i, bool c, float[2] v, int64 k) => (bool again, float[2] w, int64 next) {{
                next = Add(k, one) a0 = Less(next, most) b0 = Or(q, p)
                {levels}
                again = And(a29, b29) w = Add(v, v) }}> (trips, go, x, zero) }}"
    );
    assert_eq!(graph_of(&model).outputs.len(), 1);
}
