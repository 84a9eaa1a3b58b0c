//! Tests of resolving: names, order, constants, and everything that can contradict the specification.

use super::*;
use crate::import::text;
use crate::options::ExternalData;
use bytes::Bytes;
use std::sync::Arc;

/// Resolves a text; gives the model and the messages, each with the node it is about.
pub(in crate::import) fn resolve_text(text: &str) -> (Option<RawModel>, Vec<String>) {
    let model = text::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    resolve_model(model)
}

fn resolve_model(model: ModelProto) -> (Option<RawModel>, Vec<String>) {
    struct Nothing;
    impl ExternalData for Nothing {
        fn read(&self, location: &str) -> Result<Bytes, String> {
            Err(format!("no {location} here"))
        }
    }
    let external = Arc::new(Nothing);
    let source = ModelSource {
        name: "m".into(),
        file: "m".into(),
        bytes: Bytes::new(),
        external,
        variants: Vec::new(),
    };
    let mut diagnostics = Diagnostics::new("m");
    let model = resolve(model, &source, &mut diagnostics).ok();
    let messages = diagnostics.iter().map(|d| match &d.origin {
        Some(origin) => format!("{origin}: {}", d.message),
        None => d.message.clone(),
    });
    (model, messages.collect())
}

/// One line for each node: `NAME: OUTPUTS = OPERATOR VERSION (INPUTS)`, graphs behind it in braces.
pub(in crate::import) fn show(graph: &RawGraph) -> String {
    let names = |names: &[Option<String>]| {
        names.iter().map(|n| n.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ")
    };
    let mut lines = Vec::new();
    for n in &graph.nodes {
        let (outputs, inputs) = (names(&n.outputs), names(&n.inputs));
        let mut line = format!("{}: {outputs} = {} {} ({inputs})", n.origin.name, n.op_type, n.opset_version);
        for (name, attribute) in &n.attributes {
            match attribute {
                RawAttribute::Graph(g) => {
                    let captures: Vec<_> = g.captures.keys().map(String::as_str).collect();
                    line.push_str(&format!(" {name}[{}]{{{}}}", captures.join(" "), show(g)));
                }
                RawAttribute::Int(v) => line.push_str(&format!(" {name}={v}")),
                other => line.push_str(&format!(" {name}:{}", other.kind())),
            }
        }
        lines.push(line);
    }
    lines.join("; ")
}

fn graph(text: &str) -> RawGraph {
    let (model, messages) = resolve_text(text);
    assert!(messages.is_empty(), "{messages:?}");
    model.unwrap().graph
}

fn errors(text: &str) -> Vec<String> {
    resolve_text(text).1
}

#[test]
fn nodes_are_sorted_and_named() {
    let g = graph("g (float x) => (float d) { d = Add(c, b) [n] b, = A(x, , \"\") c = A(b) e = A(x) }");
    assert_eq!(show(&g), "n: b = A 21 (x); c: c = A 21 (b); d: d = Add 21 (c b); e: e = A 21 (x)");
    assert_eq!(g.nodes[2].origin.index, 0);
}

#[test]
fn a_sorted_graph_keeps_its_order() {
    let g = graph("g (float x) => (float d) { a = A(x) b = B(x) c = C(b) d = D(a) }");
    assert_eq!(g.nodes.iter().map(|n| n.op_type.as_str()).collect::<String>(), "ABCD");
}

#[test]
fn inputs_with_an_initializer_are_constants() {
    let g = graph("g (float[1] x, float[1] w = {1}) => (float[1] y) <float[1] y = {2}> {}");
    assert_eq!(g.inputs.len(), 1);
    assert_eq!(g.initializers.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["w", "y"]);
}

#[test]
fn types_are_read() {
    let g = graph(
        "g (float[N,2,?,-1] x, float[] r, seq(map(int64,string)) s, optional(sparse_tensor(float[2])) o) => () \
         <float[3] hint> { hint = A(x) }",
    );
    let dims = vec![RawDim::Param("N".into()), RawDim::Known(2), RawDim::Unknown, RawDim::Unknown];
    assert_eq!(g.inputs[0].ty, Some(RawType::Tensor { elem: 1, dims: Some(dims) }));
    assert_eq!(g.inputs[1].ty, Some(RawType::Tensor { elem: 1, dims: None }));
    let string = RawType::Tensor { elem: 8, dims: Some(vec![]) };
    let map = RawType::Map { key: 7, value: Box::new(string) };
    assert_eq!(g.inputs[2].ty, Some(RawType::Sequence(Box::new(map))));
    assert!(
        matches!(&g.inputs[3].ty, Some(RawType::Optional(o)) if matches!(**o, RawType::SparseTensor { .. }))
    );
    assert!(g.value_info.contains_key("hint"));
}

#[test]
fn graphs_capture_outer_values_and_order_follows() {
    let g = graph(
        "g (bool c, float x) => (float y) {
            y = If <then_branch = t () => (float a) { a = Add(late, x) },
                    else_branch = e () => (float b) { b = If <then_branch = i () => (late) {}> (c) }> (c)
            late = A(x)
        }",
    );
    assert_eq!(
        show(&g),
        "late: late = A 21 (x); y: y = If 21 (c) \
         else_branch[c late]{b: b = If 21 (c) then_branch[late]{}} then_branch[late x]{a: a = Add 21 (late x)}"
    );
    assert!(g.captures.is_empty());
}

#[test]
fn a_loop_body_keeps_inputs_that_have_an_initializer() {
    let g = graph(
        "g (int64 n, bool c) => () { = Loop <body = b (int64 i, bool k = {1}, float v) => (bool k) {}> (n, c) }",
    );
    let RawAttribute::Graph(body) = &g.nodes[0].attributes["body"] else { panic!() };
    assert_eq!((body.inputs.len(), body.initializers.len()), (3, 0));
}

#[test]
fn all_problems_are_found_at_once() {
    let (model, messages) = resolve_text(
        r#"<opset_import: ["" : 17]> g (float x, float x) => (float y, float gone) <string[1] s = {"a"}> {
            y = Add(x, nothing)
            y = Mul(x, x)
            z = other.Foo(x)
            q = other.Bar(z)
            a = A(b)
            b = B(a)
            u = C(s)
            v = D <t = string[1] {"a"}> (u)
        }"#,
    );
    assert_eq!(
        messages,
        [
            "tensor \"s\" has elements of the unsupported type STRING",
            "two inputs are called \"x\"",
            "Mul \"y\": the value \"y\" is defined more than once",
            "Foo \"z\": the model does not say which version of other it uses",
            "D \"v\": an unnamed tensor has elements of the unsupported type STRING",
            "A \"a\": the node needs its own result",
            "the output \"gone\" of a graph is defined nowhere",
            "Add \"y\": the value \"nothing\" is read and defined nowhere",
        ]
    );
    let graph = model.unwrap().graph;
    assert_eq!(show(&graph), "y: y = Add 17 (x nothing); y: - = Mul 17 (x x); u: u = C 17 (s)");
    let failed: Vec<_> = graph.failed.iter().map(String::as_str).collect();
    assert_eq!(failed, ["a", "b", "gone", "nothing", "q", "s", "v", "z"]);
}

#[test]
fn an_undefined_value_in_a_graph_is_found_at_its_reader() {
    let text =
        "g (bool c) => (y) { y = If <t = g () => (z) { z = If <t = h () => (w) { w = A(v) }> (c) }> (c) }";
    assert_eq!(errors(text), ["A \"w\": the value \"v\" is read and defined nowhere"]);
}

#[test]
fn cycles_through_graphs_are_found() {
    let text = "g (bool c) => (y) { y = If <t = g () => (z) { z = A(w) }> (c) w = B(y) }";
    assert_eq!(errors(text), ["If \"y\": the node needs its own result"]);
}

#[test]
fn versions_are_checked() {
    assert_eq!(errors("<ir_version: 2> g () => () {}"), ["the model's IR version is 2"]);
    assert_eq!(errors("<ir_version: 99> g () => () {}"), ["the model's IR version is 99"]);
    assert_eq!(
        errors("<opset_import: [\"\" : 999]> g () => () {}"),
        ["the model asks for version 999 of the operators of ai.onnx"]
    );
    assert_eq!(errors("<opset_import: [\"\" : 0]> g () => () {}").len(), 1);
    assert_eq!(errors("<opset_import: [\"\" : 17, \"ai.onnx\" : 18]> g () => () {}").len(), 1);
    assert!(errors("<opset_import: [\"ai.onnx\" : 17]> g (x) => () { = ai.onnx.A(x) }").is_empty());
    assert!(errors("<opset_import: [\"ai.onnx\" : 17]> g (x) => (y) { y = A(x) }").is_empty());
}

#[test]
fn a_model_without_a_graph_is_no_model() {
    let (model, messages) = resolve_model(ModelProto { ir_version: Some(8), ..ModelProto::default() });
    assert!(model.is_none());
    assert_eq!(messages, ["the model has no graph"]);
}

#[test]
fn the_type_of_an_attribute_may_be_missing() {
    let mut model =
        text::parse("g () => () { = A <i = 1, g = b () => () {}, ts = [float {1}], n: ints = []> () }")
            .unwrap();
    for attribute in &mut model.graph.as_mut().unwrap().node[0].attribute {
        attribute.r#type = None;
    }
    let (model, messages) = resolve_model(model);
    assert_eq!(messages, ["A \"\": the attribute \"n\" has no value"]);
    assert!(model.unwrap().graph.nodes.is_empty());
}

#[test]
fn initializers_of_one_name_must_be_equal() {
    assert!(errors("g () => () <float w = {1}, float w = {1}> {}").is_empty());
    assert_eq!(
        errors("g () => () <float w = {1}, float w = {2}> {}"),
        ["two different initializers are called \"w\""]
    );
    assert_eq!(errors("g () => () <float w = {1}> { w = A() }").len(), 1);
}
