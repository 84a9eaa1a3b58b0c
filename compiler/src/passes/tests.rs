//! Before and after, in text: what the pipeline makes of small models.

use crate::diag::Diagnostics;
use crate::import;
use crate::options::{ModelSource, Options};
use expect_test::{Expect, expect};

/// Runs all passes over a model in ONNX text and compares the graph.
#[track_caller]
fn check(model: &str, expected: Expect) {
    let mut diagnostics = Diagnostics::new("test");
    let source = ModelSource::from_bytes("test", import::text::model_bytes(model));
    let raw = import::raw::read(&source, &mut diagnostics).expect("the model reads");
    let graph = import::graph::build(&raw, &Options::default(), &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let graph = super::run(graph, &[], &mut Vec::new()).expect("passes run");
    graph.verify().expect("the graph holds together");
    expected.assert_eq(&graph.to_string());
}

#[test]
fn convolutions_run_channels_last_with_their_epilogues() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[1,3,4,4] x, float[3,3,1,1] w, float[3] b) => (float[1,3,4,4] y) {
            a = Conv(x, w, b)
            r = Relu(a)
            c = Conv(r, w, b)
            s = Add(c, r)
            y = Relu(s)
        }"#,
        expect![[r#"
            input %0 "x": f32[1,3,4,4]
            input %1 "w": f32[3,3,1,1]
            input %2 "b": f32[3]
            %3: f32[1,4,4,3] = Transpose { perm: [0, 2, 3, 1] }(%0)
            %4: f32[1,4,4,3] = Conv { window: Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], begin: [0, 0], end: [0, 0] }, groups: 1 }(%3, %1) then [max(add(in0, in1), 0.0)](%2)
            %5: f32[1,4,4,3] = Conv { window: Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], begin: [0, 0], end: [0, 0] }, groups: 1 }(%4, %1) then [max(add(add(in0, in1), in2), 0.0)](%2, %4)
            %6: f32[1,3,4,4] = Transpose { perm: [0, 3, 1, 2] }(%5)
            output %6 "y"
        "#]],
    );
}

#[test]
fn chains_and_trees_of_maps_are_one_map() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[2,3] x, float[3] b) => (float[2,3] y) {
            a = Add(x, b)
            r = Relu(a)
            e = Exp(r)
            y = Add(e, r)
        }"#,
        expect![[r#"
            input %0 "x": f32[2,3]
            input %1 "b": f32[3]
            %2: f32[2,3] = Map [let t4 = max(add(in0, in1), 0.0); add(exp(t4), t4)] over [2, 3](%0, %1)
            output %2 "y"
        "#]],
    );
}

#[test]
fn a_normalisation_in_pieces_is_one_row_map() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[4,8] x, float[4,8] z, float[8] s, float[8] b) => (float[4,8] y) <float two = {2}, float tiny = {0.00001}> {
            h = Add(x, z)
            mean = ReduceMean <axes = [-1]> (h)
            d = Sub(h, mean)
            square = Pow(d, two)
            variance = ReduceMean <axes = [-1]> (square)
            more = Add(variance, tiny)
            deviation = Sqrt(more)
            n = Div(d, deviation)
            scaled = Mul(n, s)
            y = Add(scaled, b)
        }"#,
        expect![[r#"
            input %0 "x": f32[4,8]
            input %1 "z": f32[4,8]
            input %2 "s": f32[8]
            input %3 "b": f32[8]
            %4: f32[4,8] = Rows [let t2 = add(in0, in1); let t6 = sub(t2, div(row_sum(t2), 8.0)); add(mul(div(t6, sqrt(add(div(row_sum(mul(t6, t6)), 8.0), 9.999999747378752e-6))), in2), in3)] over [4, 8] rows 1(%0, %1, %2, %3)
            output %4 "y"
        "#]],
    );
}

#[test]
fn pooling_of_all_pixels_stays_channels_last() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[1,3,4,4] x, float[3,3,1,1] w) => (float[1,3] y) {
            a = Conv(x, w)
            p = GlobalAveragePool(a)
            y = Flatten(p)
        }"#,
        expect![[r#"
            input %0 "x": f32[1,3,4,4]
            input %1 "w": f32[3,3,1,1]
            %2: f32[1,4,4,3] = Transpose { perm: [0, 2, 3, 1] }(%0)
            %3: f32[1,4,4,3] = Conv { window: Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], begin: [0, 0], end: [0, 0] }, groups: 1 }(%2, %1)
            %4: f32[1,1,1,3] = Reduce { op: Sum, axes: [1, 2] }(%3)
            %5: f32[1,3,1,1] = Reshape { shape: [1, 3, 1, 1] }(%4)
            %6: f32[1,3,1,1] = Map [div(in0, 16.0)] over [1, 3, 1, 1](%5)
            %7: f32[1,3] = Reshape { shape: [1, 3] }(%6)
            output %7 "y"
        "#]],
    );
}
