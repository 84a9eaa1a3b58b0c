use super::*;
use crate::report::{StepReport, ValueReport, WeightReport};
use crate::types::DType;

fn weight(name: &str, readers: &[&str]) -> WeightReport {
    WeightReport {
        names: vec![name.to_owned()],
        dtype: DType::F32,
        shape: vec![4, 4],
        offset: 0,
        bytes: 64,
        layout: "row-major".to_owned(),
        readers: readers.iter().map(|&reader| reader.to_owned()).collect(),
        second_form: false,
    }
}

fn step(origins: &[&str]) -> StepReport {
    StepReport {
        what: String::new(),
        origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
        macs: 0,
    }
}

#[test]
fn the_page_stands_alone_and_shows_every_block() {
    let value =
        |name: &str, bytes| ValueReport { name: name.to_owned(), offset: 0, bytes, first: 0, last: 1 };
    let report = Report {
        context_bytes: 128,
        context_lower_bound_bytes: 64,
        weights: vec![
            weight("encoder.layers.0.fc.weight", &["MatMul \"a\""]),
            weight("encoder.layers.0.fc.bias", &["Add \"b\""]),
            weight("onnx::MatMul_7", &["MatMul \"/m/block.3/q/MatMul\"", "Gather \"g\""]),
        ],
        steps: vec![step(&["Conv \"/c.1/Conv\""]), step(&["Relu \"/c.2/Relu\""])],
        values: vec![value("a<b", 64), value("scratch", 0)],
        ..Report::default()
    };
    let html = page(&[("x & y".to_owned(), report)]);
    assert!(html.contains("<h1>x &amp; y</h1>") && html.contains("a&lt;b\n64 B at 0 B"), "{html}");
    // A value, three constants; two layers of steps; one constant with two readers.
    assert_eq!(html.matches("class=\"block k").count(), 4);
    assert_eq!(html.matches("class=\"layer").count(), 2);
    assert_eq!(html.matches("class=\"hatch\"").count(), 1);
    assert_eq!(html.matches(">encoder.layers.0<").count(), 1);
    assert!(html.contains(">m.block.3<") && html.contains("64 B needed at once, 128 B planned"));
    assert!(!html.contains("http") && !html.contains("<script"));
}

#[test]
fn what_costs_most_is_the_kind_of_a_step() {
    let kind = |origins: &[&str]| Kind::of_origins(step(origins).origins.iter());
    assert_eq!(kind(&["Conv \"c\"", "Sigmoid \"s\"", "Mul \"m\""]), Kind::Convolution);
    assert_eq!(kind(&["MatMul \"a\"", "Softmax \"b\"", "MatMul \"c\""]), Kind::Attention);
    assert_eq!(kind(&["MatMul \"a\"", "Add \"b\""]), Kind::Product);
    assert_eq!(kind(&["Pow \"a\"", "ReduceMean \"b\"", "Sqrt \"c\""]), Kind::Reduction);
    assert_eq!(kind(&["Reshape \"a\"", "Add \"b\""]), Kind::Pointwise);
    assert_eq!(kind(&["Concat \"a\""]), Kind::Movement);
    assert_eq!(kind(&[]), Kind::Other);
}

#[test]
fn scales_are_round_and_names_fit() {
    assert_eq!([1, 12, 13, 100, 1000].map(|total| draw::round_step(total, 12)), [1, 1, 2, 10, 100]);
    assert_eq!(draw::binary_step(527_424, 8), 65_536);
    assert_eq!(draw::shortened("encoder.layers.0.attention", 13), "enco…ttention");
    assert_eq!(draw::fitting("encoder", 20.0), None);
    assert_eq!(draw::fitting("encoder", 100.0).as_deref(), Some("encoder"));
    assert_eq!(draw::fitting("/m/encoder.layers.0/Add", 80.0).as_deref(), Some("…0/Add"));
    assert_eq!(
        ["m.lm_head.weight", "a.1.b", "/c/Conv", "w"].map(kind::layer),
        ["m.lm_head", "a.1", "c", "w"]
    );
}

#[test]
fn very_many_layers_become_few_rows() {
    let weights = (0..200).map(|n| weight(&format!("layer.{n}.w"), &["MatMul \"m\""])).collect();
    let html = page(&[("m".to_owned(), Report { weights, ..Report::default() })]);
    assert!(html.contains(">200 smaller layers<"), "{}", html.len());
}
