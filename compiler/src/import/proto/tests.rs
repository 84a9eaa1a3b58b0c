//! Tests of decoding: shared memory, and files that are not what they should be.

use super::*;
use crate::diag::Diagnostics;
use crate::import::{raw, tensor, text};
use crate::options::{ExternalData, ModelSource};
use std::sync::Arc;

const MODEL: &str = r#"<ir_version: 9, opset_import: ["" : 17, "my" : 1]>
    g (float[N,2] x, seq(optional(float)) s) => (float y) <float[2] w = {1, 2}, float[N] t> {
        t = If (w) <then = a () => (q) { q = Relu(x) }, k = [1, 2], f = 1.5, names = ["a", "b"]>
        y = my.f <to = int64[1] {3}> (t, , w)
    }
    <domain: "my", opset_import: ["" : 17]> f <to, by = 3> (a, b, c) => (z) { z = Add(a, c) }"#;

fn decode_error(bytes: impl Into<Bytes>) -> String {
    let d = decode(bytes.into()).unwrap_err();
    assert_eq!(d.code, Code::BadFile);
    d.message
}

/// Decodes and resolves; what is wrong may be reported, nothing may panic.
fn survive(bytes: Bytes) {
    struct Nothing;
    impl ExternalData for Nothing {
        fn read(&self, location: &str) -> Result<Bytes, String> {
            Err(format!("no {location} here"))
        }
    }
    let source = ModelSource {
        name: "m".into(),
        file: "m".into(),
        bytes,
        external: Arc::new(Nothing),
        variants: Vec::new(),
    };
    let mut diagnostics = Diagnostics::new("m");
    if raw::read(&source, &mut diagnostics).is_err() {
        assert!(!diagnostics.is_empty());
    }
}

/// A length-delimited field.
fn field(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2];
    prost::encode_length_delimiter(contents.len(), &mut bytes).unwrap();
    bytes.extend(contents);
    bytes
}

#[test]
fn encoding_and_decoding_are_inverse() {
    let mut model = text::parse(MODEL).unwrap();
    let file = Bytes::from(model.encode_to_vec());
    // Packed floats are decoded as raw data.
    tensor::settle(&mut model.graph.as_mut().unwrap().initializer[0]);
    assert_eq!(decode(file).unwrap(), model);
}

#[test]
fn raw_data_share_the_file() {
    let tensor = TensorProto { raw_data: Some(Bytes::from(vec![1; 100])), ..TensorProto::default() };
    let graph = GraphProto { initializer: vec![tensor], ..GraphProto::default() };
    let file = Bytes::from(ModelProto { graph: Some(graph), ..ModelProto::default() }.encode_to_vec());
    let data = decode(file.clone()).unwrap().graph.unwrap().initializer[0].raw_data.clone().unwrap();
    assert!(file.as_ptr_range().contains(&data.as_ptr()));
}

#[test]
fn packed_floats_share_the_file() {
    let text = "g () => () <float[2] a = {1, 2}, double[1] b = {3}, int64[1] c = {4}, float[1] d = {5}> {}";
    let file = text::model_bytes(text);
    let tensors = decode(file.clone()).unwrap().graph.unwrap().initializer;
    for (tensor, len) in [(&tensors[0], 8), (&tensors[1], 8), (&tensors[3], 4)] {
        let data = tensor.raw_data.as_ref().unwrap();
        assert_eq!(data.len(), len);
        assert!(file.as_ptr_range().contains(&data.as_ptr()));
        assert!(tensor.float_data.is_empty() && tensor.double_data.is_empty());
    }
    assert_eq!(tensors[3].raw_data.as_deref(), Some(&5_f32.to_le_bytes()[..]));
    assert_eq!((tensors[2].name.as_deref(), &tensors[2].int64_data[..]), (Some("c"), &[4][..]));
}

#[test]
fn floats_that_are_not_in_one_piece_are_joined() {
    let one = 1_f32.to_le_bytes();
    let float = vec![2 << 3, 1];
    let pieces = decode_tensor([field(4, &one), float.clone(), field(4, &one)].concat().into()).unwrap();
    assert_eq!(pieces.float_data, [1.0, 1.0]);
    let single = decode_tensor([float.clone(), vec![4 << 3 | 5], one.to_vec()].concat().into()).unwrap();
    assert_eq!(single.float_data, [1.0]);
    // Real and imaginary parts of another type stay what they are.
    let complex = decode_tensor([vec![2 << 3, 14], field(4, &one)].concat().into()).unwrap();
    assert_eq!((complex.float_data.len(), complex.raw_data), (1, None));
}

#[test]
fn typed_data_may_be_packed_or_not() {
    let packed = decode_tensor(field(5, &[1, 2]).into()).unwrap();
    let single = decode_tensor(Bytes::from_static(&[5 << 3, 1, 5 << 3, 2])).unwrap();
    assert_eq!(packed.int32_data, [1, 2]);
    assert_eq!(single.int32_data, [1, 2]);
}

#[test]
fn no_prefix_of_a_model_panics() {
    let bytes = text::model_bytes(MODEL);
    for end in 0..bytes.len() {
        survive(bytes.slice(..end));
    }
}

#[test]
fn no_flipped_bits_panic() {
    let bytes = text::model_bytes(MODEL);
    let mut state = 1_u64;
    for _ in 0..3_000 {
        let mut broken = bytes.to_vec();
        for _ in 0..1 + state % 3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % broken.len();
            broken[at] ^= 1 << (state >> 20 & 7);
        }
        survive(broken.into());
    }
}

#[test]
fn errors_say_what_and_where() {
    assert!(decode_error(Bytes::new()).contains("it is empty"));
    assert!(decode_error(vec![0x3a, 10, 1]).contains("it ends inside the field that starts at byte 0"));
    assert!(decode_error(b"<!DOCTYPE html>".to_vec()).contains("wire type"));
    let node = field(1, &field(3, &[0xff, 0xfe]));
    let why = decode_error(field(7, &node));
    assert!(why.contains("UTF-8") && why.contains("NodeProto.name"), "{why}");
    let overlong = field(7, &[1 << 3 | 2, 5, 0]);
    assert!(decode_error(overlong).contains("it ends inside"));
    let mut inner = field(7, &[1 << 3 | 2, 5, 0]);
    inner.extend([0x08, 0x09]);
    assert!(decode_error(inner).contains("longer than its message"));
}

#[test]
fn nesting_is_bounded() {
    let mut graph = Vec::new();
    for _ in 0..400 {
        graph = field(1, &field(5, &field(6, &graph)));
    }
    assert!(decode_error(field(7, &graph)).contains("nested more than"));
    let mut ty = Vec::new();
    for _ in 0..2_000 {
        ty = field(9, &field(1, &ty));
    }
    assert!(decode_error(field(7, &field(11, &field(2, &ty)))).contains("nested more than"));
    // What the scan lets through, prost must decode.
    for depth in 30..36 {
        let mut graph = Vec::new();
        for _ in 0..depth {
            graph = field(1, &field(5, &field(6, &graph)));
        }
        let bytes = field(7, &graph);
        assert_eq!(
            scan::check(&bytes, &scan::MODEL).is_ok(),
            ModelProto::decode(&bytes[..]).is_ok(),
            "{depth}"
        );
    }
}

#[test]
fn amplification_is_bounded() {
    let nodes = [1 << 3 | 2, 0].repeat(9 << 20);
    assert!(decode_error(field(7, &nodes)).contains("messages and strings"));
}
