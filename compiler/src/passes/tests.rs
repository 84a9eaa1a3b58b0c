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
