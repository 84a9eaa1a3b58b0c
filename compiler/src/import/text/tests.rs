//! Tests of the text syntax.

use super::*;
use crate::import::proto::AttributeType;

fn graph(body: &str) -> GraphProto {
    match parse(body) {
        Ok(model) => model.graph.unwrap(),
        Err(why) => panic!("{why}"),
    }
}

fn error(body: &str) -> String {
    parse(body).unwrap_err()
}

#[test]
fn a_whole_model() {
    let model = parse(
        r#"<ir_version: 7, opset_import: ["" : 17, "com.microsoft": 1], producer_name: "me">
        # A comment.
        agraph (float[N, 128] X, int64[2] idx, float[?, "a/b"] y) => (float C)
            <float[2] w = {1.0, -2e-3}, float[N, 5] T> {
            [first] T = MatMul(X, "w w")  // another
            S = Softmax <axis = -1> (T)
            C, , D = com.microsoft.Foo <x: int = 1> (S, , "")
        }"#,
    )
    .unwrap();
    assert_eq!((model.ir_version, model.producer_name.as_deref()), (Some(7), Some("me")));
    assert_eq!(model.opset_import[1].domain.as_deref(), Some("com.microsoft"));
    let graph = model.graph.unwrap();
    assert_eq!(graph.input.len(), 3);
    assert_eq!(graph.initializer[0].float_data, [1.0, -0.002]);
    assert_eq!(graph.value_info[0].name.as_deref(), Some("T"));
    assert_eq!(graph.node[0].name.as_deref(), Some("first"));
    assert_eq!(graph.node[0].input, ["X", "w w"]);
    assert_eq!(graph.node[1].attribute[0].i, Some(-1));
    let foo = &graph.node[2];
    assert_eq!((foo.domain.as_deref(), foo.op_type.as_deref()), (Some("com.microsoft"), Some("Foo")));
    assert_eq!(foo.output, ["C", "", "D"]);
    assert_eq!(foo.input, ["S", "", ""]);
    let Some(TypeValue::TensorType(y)) = graph.input[2].r#type.clone().unwrap().value else { panic!() };
    let dims: Vec<_> = y.shape.unwrap().dim.into_iter().map(|d| d.value).collect();
    assert_eq!(dims, [None, Some(DimensionValue::DimParam("a/b".into()))]);
}

#[test]
fn brackets_without_extents_mean_an_unknown_rank() {
    let ranks: Vec<_> = graph("g (float x, float[] y, float[?] z) => () {}")
        .input
        .into_iter()
        .map(|input| match input.r#type.unwrap().value.unwrap() {
            TypeValue::TensorType(t) => t.shape.map(|s| s.dim.len()),
            _ => panic!("not a tensor"),
        })
        .collect();
    assert_eq!(ranks, [Some(0), None, Some(1)]);
}

#[test]
fn attributes_of_every_kind() {
    let g = graph(
        r#"g () => (float y) {
        y = Op <i = 3, f = 3.0, g: float = 3, s = "a\"b", is = [1, 2], fs = [1, 2.5], none: floats = [], ss = ["a"],
                t = float[2] {1, 2}, u = int64 name = {7}, sub = then () => (z) { z = Id(x) },
                ty: type_proto = seq(float[3]), inf = -inf> ()
        }"#,
    );
    let attributes = &g.node[0].attribute;
    let types: Vec<AttributeType> = attributes.iter().map(|a| a.r#type()).collect();
    use AttributeType::*;
    let expected =
        [Int, Float, Float, String, Ints, Floats, Floats, Strings, Tensor, Tensor, Graph, TypeProto, Float];
    assert_eq!(types, expected);
    assert_eq!(attributes[2].f, Some(3.0));
    assert_eq!(attributes[3].s.as_deref(), Some(&b"a\"b"[..]));
    assert_eq!(attributes[5].floats, [1.0, 2.5]);
    assert_eq!(attributes[9].t.as_ref().unwrap().int64_data, [7]);
    assert_eq!(attributes[10].g.as_ref().unwrap().node.len(), 1);
    assert_eq!(attributes[12].f, Some(f32::NEG_INFINITY));
}

#[test]
fn functions_and_references() {
    let model = parse(
        r#"g (float[2] x) => (float[2] y) { y = my.f:v <a = 2> (x) }
        <domain: "my", overload: "v", opset_import: ["" : 18]>
        f <a, b: int = 3, c = 1.5> (x, float[N] z) => (y) { y = Op <axis: int = @a> (x, z) }"#,
    )
    .unwrap();
    let f = &model.functions[0];
    assert_eq!((f.attribute.len(), f.attribute_proto.len(), f.input.len()), (1, 2, 2));
    assert_eq!(f.overload.as_deref(), Some("v"));
    assert_eq!(f.node[0].attribute[0].ref_attr_name.as_deref(), Some("a"));
    assert_eq!(model.graph.unwrap().node[0].overload.as_deref(), Some("v"));
}

#[test]
fn elements_go_into_their_fields() {
    let g = graph(
        "g () => () <float16[2] h = {1, -2}, uint64 u = {18446744073709551615}, bool[1] b = {1}, \
         string[1] s = {\"x\"}, double d = {0.5}, uint8[0] e = {}, float[9] far = [\"location\": \"w\"]> {}",
    );
    assert_eq!(g.initializer[0].int32_data, [0x3c00, 0xc000]);
    assert_eq!(g.initializer[1].uint64_data, [u64::MAX]);
    assert_eq!(g.initializer[2].int32_data, [1]);
    assert_eq!(g.initializer[3].string_data[0], &b"x"[..]);
    assert_eq!(g.initializer[4].double_data, [0.5]);
    assert_eq!(g.initializer[5].dims, [0]);
    assert_eq!(g.initializer[6].data_location, Some(1));
}

#[test]
fn errors_say_where() {
    assert_eq!(
        error("g (float[2] x) =>\n  (float y) { y = }"),
        "line 2, column 19: expected a name, found \"}\""
    );
    assert_eq!(error(""), "line 1, column 1: expected a name, found the end of the text");
    assert_eq!(error("g (blob x) => () {}"), "line 1, column 9: expected \",\", found x");
    assert_eq!(error("g () => () <float[N] x = {1}> {}"), {
        "line 1, column 26: the extents of a constant must be numbers"
    });
    assert_eq!(error("g () => () { y = A <i: int = 1.5> () }"), {
        "line 1, column 30: the value is not of the attribute's type"
    });
    assert_eq!(error("g () => () { y = A <l = [1, \"x\"]> () }"), {
        "line 1, column 25: the elements are not of the attribute's type"
    });
    assert_eq!(error("g () => () <int64 x = {1.5}> {}"), "line 1, column 24: expected an integer");
    assert!(error("g () => () { \"y").contains("no end"));
}

#[test]
fn every_prefix_and_deep_nesting_end_in_errors() {
    let text =
        r#"<opset_import: ["" : 17]> g (seq(float[2]) x = {1}) => () { y = A <g = h () => (é) {}> ("ü") }"#;
    for end in (0..text.len()).filter(|&i| text.is_char_boundary(i)) {
        assert!(parse(&text[..end]).is_err(), "{}", &text[..end]);
    }
    let deep = format!("g ({}float", "seq(".repeat(100_000));
    assert!(error(&deep).contains("nested"));
}
