//! Resizing of a few elements; the official vectors cover the attributes.

use crate::testing::{all_errors_of, graph_of, values};
use expect_test::{Expect, expect};

#[track_caller]
fn check(bodies: &[&str], expect: Expect) {
    let constants = "float[1,1,2,2] x = {1, 2, 3, 4}, int32[3] i = {1, 2, 4}, float[4] double = {1, 1, 2, 2}, \
         float[1] half = {0.5}, float[1] grow = {1.5}, int64[2] sizes = {3, 5}, int64[1] six = {6}, float[0] none = {}, \
         float[2] roi = {0.5, 1.5}";
    let cases: Vec<_> = bodies.iter().map(|body| (constants, *body)).collect();
    expect.assert_eq(&values(&cases));
}

#[test]
fn resizes() {
    check(
        &[
            "r = Resize(x, none, double)",
            "r = Resize <mode = \"linear\"> (x, none, double)",
            "r = Resize <mode = \"linear\", axes = [2, 3], keep_aspect_ratio_policy = \"not_larger\"> (x, , , sizes)",
            "r = Resize <coordinate_transformation_mode = \"asymmetric\", nearest_mode = \"floor\"> (i, , grow)",
            "r = Resize <mode = \"linear\", antialias = 1> (i, , half)",
            "r = Resize <coordinate_transformation_mode = \"tf_crop_and_resize\", extrapolation_value = 9.0> (i, roi, , six)",
            "r = Resize <mode = \"cubic\", exclude_outside = 1> (i, , , six)",
        ],
        expect![[r#"
            r = Resize(x, none, double)
                f32[1,1,4,4] {1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 3.0, 3.0, 4.0, 4.0}
            r = Resize <mode = "linear"> (x, none, double)
                f32[1,1,4,4] {1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0}
            r = Resize <mode = "linear", axes = [2, 3], keep_aspect_ratio_policy = "not_larger"> (x, , , sizes)
                f32[1,1,3,3] {1.0, 1.5, 2.0, 2.0, 2.5, 3.0, 3.0, 3.5, 4.0}
            r = Resize <coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> (i, , grow)
                i32[4] {1, 1, 2, 4}
            r = Resize <mode = "linear", antialias = 1> (i, , half)
                i32[1] {2}
            r = Resize <coordinate_transformation_mode = "tf_crop_and_resize", extrapolation_value = 9.0> (i, roi, , six)
                i32[6] {2, 2, 4, 9, 9, 9}
            r = Resize <mode = "cubic", exclude_outside = 1> (i, , , six)
                i32[6] {1, 1, 2, 3, 4, 4}
        "#]],
    );
}

#[test]
fn symbolic_sizes_make_their_tables_at_run_time() {
    let graph = graph_of(
        "g (float[1,2,n,m] x) => (float[] a, float[] b) <float[4] s = {1, 1, 1.5, 2}, int64[2] to = {9, 9}> {
            a = Resize(x, , s)
            b = Resize <mode = \"cubic\", axes = [2, 3]> (x, , , to)
        }",
    );
    let mut diagnostics = crate::diag::Diagnostics::new("test");
    let program = crate::lower::lower(&graph, &[], &crate::lower::Layouts::default(), &mut diagnostics);
    expect![[r#"
        buffer b0 "x": f32 x 2*m*n input 0
        buffer b1 "scratch": u32 x floor((3*n)/(2)) arena
        buffer b2 "scratch": u32 x 2*m arena
        buffer b3 "a": f32 x 4*m*floor((3*n)/(2)) arena
        buffer b4 "scratch": u32 x 36 arena
        buffer b5 "scratch": f32 x 36 arena
        buffer b6 "scratch": f32 x 18*m arena
        buffer b7 "scratch": u32 x 36 arena
        buffer b8 "scratch": f32 x 36 arena
        buffer b9 "b": f32 x 162 arena
        resize::ResizeAxis::nearest_table(&resize::ResizeAxis { input: n, output: floor((3*n)/(2)), scale: 1.5, coordinates: resize::Coordinates::HalfPixel, antialias: false, exclude_outside: false, }, resize::Nearest::RoundPreferFloor, positions: mut b1+0)  // Resize: f32[1,2,n,m] -> f32[1,2,floor((3*n)/(2)),2*m]
        resize::ResizeAxis::nearest_table(&resize::ResizeAxis { input: m, output: 2*m, scale: 2.0, coordinates: resize::Coordinates::HalfPixel, antialias: false, exclude_outside: false, }, resize::Nearest::RoundPreferFloor, positions: mut b2+0)  // Resize: f32[1,2,n,m] -> f32[1,2,floor((3*n)/(2)),2*m]
        resize::resize_nearest(2, [n, m], 1, x: b0+0, rows: b1+0, columns: b2+0, 0.0, y: mut b3+0)  // Resize: f32[1,2,n,m] -> f32[1,2,floor((3*n)/(2)),2*m]
        resize::ResizeAxis::table(&resize::ResizeAxis::between(n, 9, resize::Coordinates::HalfPixel, false, false), resize::Interpolation::Cubic(-0.75), positions: mut b4+0, weights: mut b5+0)  // Resize: f32[1,2,n,m] -> f32[1,2,9,9]
        resize::resize_axis_f32(2, n, 9, m, x: b0+0, 4, positions: b4+0, weights: b5+0, 0.0, y: mut b6+0)  // Resize: f32[1,2,n,m] -> f32[1,2,9,9]
        resize::ResizeAxis::table(&resize::ResizeAxis::between(m, 9, resize::Coordinates::HalfPixel, false, false), resize::Interpolation::Cubic(-0.75), positions: mut b7+0, weights: mut b8+0)  // Resize: f32[1,2,n,m] -> f32[1,2,9,9]
        resize::resize_axis_f32(18, m, 9, 1, x: b6+0, 4, positions: b7+0, weights: b8+0, 0.0, y: mut b9+0)  // Resize: f32[1,2,n,m] -> f32[1,2,9,9]
    "#]].assert_eq(&program.map_or_else(|| diagnostics.to_string(), |p| p.to_string()));
}

#[test]
fn what_does_not_fit_is_refused() {
    let errors = all_errors_of(&[
        "g (float[1,2] x) => (float[] r) <float[1] s = {2}> { r = Resize(x, , s) }",
        "g (float[1,2] x) => (float[] r) <float[2] s = {1, 0}> { r = Resize(x, , s) }",
        "g (float[1,2] x) => (float[] r) <float[2] s = {1, 2}> { r = Resize <mode = \"odd\"> (x, , s) }",
        "g (float[1,2] x, float[2] s) => (float[] r) { r = Resize(x, , s) }",
        "g (float[1,n] x) => (float[] r) <float[2] s = {1, 0.3}> { r = Resize(x, , s) }",
        "g (float[1,2] x) => (float[] r) <float[2] s = {1, 2}> {
            r = Resize <coordinate_transformation_mode = \"odd\"> (x, , s) }",
    ]);
    expect![[r#"
        error[E008]: `scales` has 1 elements for 2 axes
          --> test: node 0 "r" (Resize)
           = input 0: "x" f32[1,2]
           = input 2: "s" f32[1]
           = opset 21

        error[E008]: `scales` holds 0
          --> test: node 0 "r" (Resize)
           = input 0: "x" f32[1,2]
           = input 2: "s" f32[2]
           = opset 21

        error[E007]: the attribute "mode" is "odd"; nearest, linear and cubic are known
          --> test: node 0 "r" (Resize)
           = input 0: "x" f32[1,2]
           = input 2: "s" f32[2]
           = opset 21

        error[E012]: `scales` of Resize must be known at compile time
          --> test: node 0 "r" (Resize)
           = input 0: "x" f32[1,2]
           = input 2: "s" f32[2]
           = opset 21
           = help: make it a constant or fix the symbolic dimensions that it is computed from; or compile for one value of "s" (option `values`)

        error[E012]: the dimension n scaled by 0.30000001192092896 cannot be expressed
          --> test: node 0 "r" (Resize)
           = input 0: "x" f32[1,n]
           = input 2: "s" f32[2]
           = opset 21
           = help: fix the symbolic dimension, or use a scale that is a simple fraction

        error[E007]: the attribute "coordinate_transformation_mode" is "odd"; half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric, tf_half_pixel_for_nn and tf_crop_and_resize are known
          --> test: node 0 "r" (Resize)
           = input 0: "x" f32[1,2]
           = input 2: "s" f32[2]
           = opset 21
    "#]].assert_eq(&errors);
}
