//! Which pairs are state, and what is said of those that cannot be.

use crate::import::text;
use crate::options::{DimBinding, ModelSource, Options};
use expect_test::{Expect, expect};

/// A decoder's cache, a hidden state, and values that are neither.
const MODEL: &str =
    "g (float[b,2,past,4] past_0, float[b,2,past,4] past_1, float[b,2,n,4] x, float[b,8] h, float16[b,8] k,
        float[c,8] lonely) => (float[] next_0, float[] next_1, float[] hn, float[] other) {
    next_0 = Concat <axis = 2> (past_0, x)
    next_1 = Concat <axis = 2> (past_1, x, x)
    hn = Relu(h)
    other = Relu(lonely)
}";

#[track_caller]
fn check(state: &[(&str, &str)], past: DimBinding, expected: Expect) {
    let mut options = Options::default().dim("b", 1..=2).dim("n", 1..=3).dim("c", 1..=2);
    options.dims.insert("past".to_owned(), past);
    for (output, input) in state {
        options = options.state(*output, *input);
    }
    let model = ModelSource::from_bytes("test", text::model_bytes(MODEL));
    let text = match crate::compile(&[(model, options)]) {
        Ok(artifact) => {
            let report = &artifact.modules[0].report;
            let ports = |ports: &[crate::report::Port]| {
                ports.iter().map(|p| p.name.clone()).collect::<Vec<_>>().join(" ")
            };
            let states: Vec<String> = report
                .states
                .iter()
                .map(|s| format!("{} -> {} {:?} {} bytes\n", s.output, s.input, s.shape, s.bytes))
                .collect();
            format!("{} => {}\n{}", ports(&report.inputs), ports(&report.outputs), states.concat())
        }
        Err(diagnostics) => diagnostics.to_string(),
    };
    expected.assert_eq(&text);
}

const BOUNDED: DimBinding = DimBinding::Range(0, 5);

#[test]
fn pairs_leave_the_interface() {
    check(
        &[("next_0", "past_0"), ("hn", "h")],
        BOUNDED,
        expect![[r#"
        past_1 x k lonely => next_1 other
        next_0 -> past_0 ["b", "2", "past", "4"] 512 bytes
        hn -> h ["b", "8"] 64 bytes
    "#]],
    );
}

#[test]
fn names_that_are_not_there() {
    check(
        &[("nxt_*", "past_*")],
        BOUNDED,
        expect![[r#"
        error[E010]: no output of the model is called "nxt_*"
          --> test.onnx
           = help: the outputs are: "next_0", "next_1", "hn", "other"
    "#]],
    );
    check(
        &[("next_*", "past_key.*")],
        BOUNDED,
        expect![[r#"
        error[E010]: the output "next_0" should be the state "past_key.0", but no input is called so
          --> test.onnx
           = help: the inputs are: "past_0", "past_1", "x", "h", "k", "lonely"

        error[E010]: the output "next_1" should be the state "past_key.1", but no input is called so
          --> test.onnx
           = help: the inputs are: "past_0", "past_1", "x", "h", "k", "lonely"
    "#]],
    );
    check(
        &[("hn", "h"), ("h?", "h")],
        BOUNDED,
        expect![[r#"
        error[E010]: no output of the model is called "h?"
          --> test.onnx
           = help: the outputs are: "next_0", "next_1", "hn", "other"
    "#]],
    );
}

#[test]
fn values_that_cannot_be_state() {
    check(
        &[("hn", "k"), ("next_0", "h"), ("hn", "x")],
        BOUNDED,
        expect![[r#"
        error[E010]: the output "hn": f32[b,8] cannot become the input "k": f16[b,8]; their element types differ
          --> test.onnx
           = help: keep the two apart, or export them with one type

        error[E010]: the output "next_0": f32[b,2,n+past,4] cannot become the input "h": f32[b,8]; they have different numbers of axes
          --> test.onnx

        error[E010]: the output "hn": f32[b,8] cannot become the input "x": f32[b,2,n,4]; they have different numbers of axes
          --> test.onnx
    "#]],
    );
    check(
        &[("next_0", "past_0")],
        DimBinding::Fixed(5),
        expect![[r#"
        error[E010]: the output "next_0": f32[b,2,n+5,4] cannot become the input "past_0": f32[b,2,5,4]; its extent 5 at axis 2 is fixed, and would be n+5 after a run
          --> test.onnx
           = help: bound the dimension, beginning at 0: `dims: { past: 0..=512 }`
    "#]],
    );
    check(
        &[("next_0", "past_0")],
        DimBinding::Range(1, 5),
        expect![[r#"
        error[E010]: the output "next_0": f32[b,2,n+past,4] cannot become the input "past_0": f32[b,2,past,4]; state begins empty, but "past" is at least 1
          --> test.onnx
           = help: bound it from 0: `dims: { past: 0..=5 }`
    "#]],
    );
}

#[test]
fn states_that_contradict_each_other() {
    check(
        &[("next_*", "past_*")],
        BOUNDED,
        expect![[r#"
        error[E010]: "next_1" and "next_0" give the dimension "past" different sizes
          --> test.onnx
    "#]],
    );
    check(
        &[("hn", "h"), ("h*n", "h*")],
        BOUNDED,
        expect![[r#"
        error[E010]: the input "h" is the state of "hn" already
          --> test.onnx
    "#]],
    );
    check(
        &[("other", "lonely")],
        BOUNDED,
        expect![[r#"
        error[E010]: only state has the dimension "c", so that nothing tells its size
          --> test.onnx
           = help: fix it: `dims: { c: 1 }`
    "#]],
    );
}
