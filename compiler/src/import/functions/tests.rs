//! Tests of inlining.

use crate::import::raw::tests::{resolve_text, show};

/// The graph of a model whose functions are in the domain `f`.
fn inline(text: &str) -> String {
    let (model, messages) = resolve_text(text);
    assert!(messages.is_empty(), "{messages:?}");
    show(&model.unwrap().graph)
}

fn errors(text: &str) -> Vec<String> {
    resolve_text(text).1
}

#[test]
fn bodies_replace_calls() {
    assert_eq!(
        inline(
            "g (float x) => (float y) { [one] t = f.Twice(x) y = f.Twice(t) }
             <domain: \"f\", opset_import: [\"\" : 18]> Twice (a) => (b) { [add] s = Add(a, a) b = Relu(s) }"
        ),
        "one/add: one/s = Add 18 (x x); one/b: t = Relu 18 (one/s); \
         y/add: y/s = Add 18 (t t); y/b: y = Relu 18 (y/s)"
    );
}

#[test]
fn calls_nest_and_names_stay_unique() {
    assert_eq!(
        inline(
            "g (x) => (y) { \"n/i/v\" = A(x) [n] y = f.Outer(\"n/i/v\") }
             <domain: \"f\"> Outer (a) => (b) { [i] b = f.Inner(a) }
             <domain: \"f\"> Inner (a) => (b) { v = B(a) b = C(v) }"
        ),
        "n/i/v: n/i/v = A 21 (x); n/i/v: n/i/v_2 = B 21 (n/i/v); n/i/b: y = C 21 (n/i/v_2)"
    );
}

#[test]
fn attributes_come_from_the_call_the_default_or_not_at_all() {
    assert_eq!(
        inline(
            "g (x) => (y) { t = f.F <a = 5> (x) y = f.F <b = 6, c = h () => (q) { q = N(x) }> (t) }
             <domain: \"f\"> F <a, b: int = 3, c> (x) => (y) { y = Op <p: int = @a, q: int = @b, r: graph = @c> (x) }"
        ),
        "t/y: t = Op 21 (x) p=5 q=3; y/y: y = Op 21 (t) q=6 r[x]{q: q = N 21 (x)}"
    );
}

#[test]
fn inputs_and_outputs_may_be_left_out() {
    assert_eq!(
        inline(
            "g (x) => (y) { , y = f.F(x) }
             <domain: \"f\"> F (a, b, c) => (u, v, w) { u = A(a, b, c, a) v = B(u, b) w = C(v) }"
        ),
        "y/u: y/u = A 21 (x - - x); y/v: y = B 21 (y/u); y/w: y/w = C 21 (y)"
    );
}

#[test]
fn outputs_that_are_inputs_become_identities() {
    assert_eq!(
        inline("g (x) => (y, z) { [n] y, z = f.F(x) } <domain: \"f\"> F (a) => (a, b) { b = A(a) }"),
        "n/b: z = A 21 (x); n: y = Identity 21 (x)"
    );
}

#[test]
fn graphs_in_bodies_read_the_body_and_those_around() {
    assert_eq!(
        inline(
            "g (c, x) => (y) { y = If <t = h () => (z) { [n] z = f.F(c, x) }> (c) }
             <domain: \"f\"> F (c, x) => (r) { s = A(x) r = If <t = i () => (q) { q = B(s, x) }> (c) }"
        ),
        "y: y = If 21 (c) t[c x]{n/s: n/s = A 21 (x); n/r: z = If 21 (c) t[n/s x]{n/q: n/q = B 21 (n/s x)}}"
    );
}

#[test]
fn overloads_and_operators_are_told_apart() {
    assert_eq!(
        inline(
            "g (x) => (z) { a = f.F(x) b = f.F:v(a) c = Relu(b) z = Selu(c) }
             <domain: \"f\"> F (x) => (y) { y = A(x) }
             <domain: \"f\", overload: \"v\"> F (x) => (y) { y = B(x) }
             <domain: \"ai.onnx\"> Selu (x) => (y) { y = C(x) }"
        ),
        "a/y: a = A 21 (x); b/y: b = B 21 (a); c: c = Relu 21 (b); z/y: z = C 21 (c)"
    );
}

#[test]
fn wrong_calls_are_told() {
    let f = "<domain: \"f\"> F <a> (x) => (y) { y = A(x) }";
    let of = |nodes: &str| errors(&format!("g (x) => (y) {{ {nodes} }} {f}"));
    assert_eq!(of("y = f.F(x, x)"), ["F \"y\": 2 inputs for the local function \"F\", which has 1"]);
    assert_eq!(of("y, z = f.F(x)"), ["F \"y\": 2 outputs for the local function \"F\", which has 1"]);
    assert_eq!(of("y = f.F <b = 1> (x)"), ["F \"y\": the local function \"F\" has no attribute \"b\""]);
    assert_eq!(
        of("y = A <b: int = @a> (x)"),
        ["A \"y\": the attribute \"b\" refers to an attribute of a function, but stands in none"]
    );
    let twice = errors(&format!("g () => () {{}} {f} {f}"));
    assert_eq!(twice, ["two local functions are called \"F\" in the same domain"]);
    let undefined = errors("g (x) => (y) { y = f.F(x) } <domain: \"f\"> F (x) => (y) { z = A(x) }");
    assert_eq!(undefined, ["the output \"y\" of a graph is defined nowhere"]);
}

#[test]
fn recursion_is_told() {
    let messages = errors(
        "g (x) => (y) { [n] y = f.F(x) }
         <domain: \"f\"> F (x) => (y) { [i] y = f.G(x) }
         <domain: \"f\"> G (x) => (y) { [k] y = f.F(x) }",
    );
    assert_eq!(messages, ["F \"n/i/k\": the local function \"F\" calls itself"]);
}

#[test]
fn expansion_is_bounded() {
    let mut text = "g (x) => (y) { y = f.F0(x) }".to_owned();
    for i in 0..40 {
        let j = i + 1;
        text += &format!("<domain: \"f\"> F{i} (x) => (y) {{ t = f.F{j}(x) y = f.F{j}(t) }}");
    }
    text += "<domain: \"f\"> F40 (x) => (y) { y = A(x) }";
    let messages = errors(&text);
    assert!(messages[0].contains("expand to more than"), "{messages:?}");
    let mut deep = "g (x) => (y) { y = f.F0(x) }".to_owned();
    for i in 0..100 {
        deep += &format!("<domain: \"f\"> F{i} (x) => (y) {{ y = f.F{}(x) }}", i + 1);
    }
    assert!(errors(&deep)[0].contains("nested more than"));
}
