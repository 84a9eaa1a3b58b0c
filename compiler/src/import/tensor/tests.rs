//! Tests of tensors in every encoding.

use super::*;
use crate::import::text;
use crate::types::Scalar;
use prost::Message;

struct Data;

impl ExternalData for Data {
    fn read(&self, location: &str) -> Result<Bytes, String> {
        match location {
            "w" => Ok(Bytes::from_static(&[9, 0, 0, 128, 63, 0, 0, 0, 64])),
            _ => Err(format!("\"{location}\" does not exist")),
        }
    }
}

/// The tensor that the text (`float[2] {1, 2}`) describes.
fn proto(text: &str) -> TensorProto {
    let (ty, value) = text.split_once('{').unwrap();
    let text = format!("g () => () <{ty} t = {{{value}> {{}}");
    text::parse(&text).unwrap().graph.unwrap().initializer.remove(0)
}

fn read(proto: &TensorProto) -> Result<Tensor, Diagnostic> {
    read_tensor(proto, &ExternalFiles::new(&Data))
}

fn error(proto: &TensorProto) -> (Code, String) {
    let d = read(proto).unwrap_err();
    (d.code, d.message)
}

#[test]
fn typed_fields_of_every_type() {
    let show = |text: &str| format!("{:?}", read(&proto(text)).unwrap());
    assert_eq!(show("float[2] {1, -2.5}"), "f32[2] {1.0,-2.5}");
    assert_eq!(show("double[1,2] {1, 0.1}"), "f64[1,2] {1.0,0.1}");
    assert_eq!(show("float16[2] {1, -2}"), "f16[2] {1.0,-2.0}");
    assert_eq!(show("bfloat16[2] {1, -2}"), "bf16[2] {1.0,-2.0}");
    assert_eq!(show("int8[2] {-128, 127}"), "i8[2] {-128,127}");
    assert_eq!(show("uint8[2] {0, 255}"), "u8[2] {0,255}");
    assert_eq!(show("int16[2] {-32768, 7}"), "i16[2] {-32768,7}");
    assert_eq!(show("uint16[1] {65535}"), "u16[1] {65535}");
    assert_eq!(show("int32[1] {-2147483648}"), "i32[1] {-2147483648}");
    assert_eq!(show("uint32[1] {4294967295}"), "u32[1] {4294967295}");
    assert_eq!(show("int64 {-9223372036854775808}"), "i64[] {-9223372036854775808}");
    assert_eq!(read(&proto("uint64 {18446744073709551615}")).unwrap().bytes()[..], [255; 8]);
    assert_eq!(show("bool[3] {0, 1, 1}"), "bool[3] {0,1,1}");
    assert_eq!(show("float[2,0,3] {}"), "f32[2,0,3] {}");
}

#[test]
fn settled_tensors_read_the_same() {
    for text in ["float[2] {1, 2}", "float16[2] {1, 2}", "bool[2] {0, 1}", "uint32[1] {7}", "int64[0] {}"] {
        let before = proto(text);
        let mut after = before.clone();
        settle(&mut after);
        assert!(after.raw_data.is_some() && after.encoded_len() >= after.raw_data.as_ref().unwrap().len());
        assert!(after.float_data.is_empty() && after.int32_data.is_empty() && after.uint64_data.is_empty());
        assert_eq!(read(&before).unwrap(), read(&after).unwrap());
    }
    let mut wrong = proto("float[3] {1, 2}");
    settle(&mut wrong);
    assert_eq!(wrong, proto("float[3] {1, 2}"));
}

#[test]
fn raw_data_are_shared_and_truth_values_are_made_clean() {
    let raw = Bytes::from(vec![1, 0, 0, 0, 2, 0, 0, 0]);
    let mut t =
        TensorProto { dims: vec![2], data_type: Some(6), raw_data: Some(raw.clone()), ..Default::default() };
    let tensor = read(&t).unwrap();
    assert_eq!(tensor.to_i64s(), [1, 2]);
    assert_eq!(tensor.bytes().as_ptr(), raw.as_ptr());
    t.dims = vec![8];
    t.data_type = Some(9);
    assert_eq!(read(&t).unwrap().bytes()[..], [1, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn writing_and_reading_are_inverse() {
    for tensor in [Tensor::from_f32s(vec![2, 1], &[1.0, f32::NAN]), Tensor::scalar(Scalar::Bool(true))] {
        let file = write_tensor("name", &tensor).encode_to_vec();
        assert_eq!(read_tensor_file(file.into()).unwrap(), ("name".to_owned(), tensor));
    }
    let d = read_tensor_file(Bytes::from_static(&[0x70, 1, 0x10, 1])).unwrap_err();
    assert_eq!(d.code, Code::BadExternalData);
    assert_eq!(read_tensor_file(Bytes::from_static(b"npy")).unwrap_err().code, Code::BadFile);
}

#[test]
fn what_does_not_fit_is_told() {
    assert_eq!(
        error(&proto("float[3] {1, 2}")),
        (Code::BadModel, "tensor \"t\" has 2 elements in float_data instead of 3".to_owned())
    );
    let raw = TensorProto { raw_data: Some(Bytes::from_static(&[0; 3])), ..proto("float {1}") };
    assert_eq!(error(&raw).1, "tensor \"t\" has 3 bytes of raw data instead of 4");
    assert_eq!(error(&proto("float[-2] {1, 2}")).1, "tensor \"t\" has the extent -2");
    assert_eq!(error(&proto("float[4611686018427387904, 2] {}")).0, Code::TooLarge);
    assert_eq!(error(&proto("float[9223372036854775807] {}")).0, Code::TooLarge);
    assert_eq!(error(&proto("float[0, 4611686018427387904] {}")).0, Code::TooLarge);
    let string = error(&proto("string[1] {\"a\"}"));
    assert_eq!(string.0, Code::UnsupportedType);
    assert!(string.1.contains("STRING"), "{}", string.1);
    assert!(error(&TensorProto::default()).1.contains("UNDEFINED"));
    assert!(error(&TensorProto { data_type: Some(-7), ..Default::default() }).1.contains("unknown"));
}

#[test]
fn external_data_are_found() {
    let entry = |key: &str, value: &str| proto::StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    let mut t = proto("float[2] {}");
    t.data_location = Some(1);
    t.external_data = vec![entry("location", "w"), entry("offset", "1"), entry("length", "8")];
    assert_eq!(read(&t).unwrap().to_f32s(), [1.0, 2.0]);
    t.external_data[0] = entry("location", "v");
    assert_eq!(error(&t), (Code::BadExternalData, "external data: \"v\" does not exist".to_owned()));
}

fn sparse(values: &str, indices: &str, dims: &[i64]) -> Result<Tensor, Diagnostic> {
    let (values, indices) = (Some(proto(values)), Some(proto(indices)));
    read_sparse(&SparseTensorProto { values, indices, dims: dims.to_vec() }, &ExternalFiles::new(&Data))
}

#[test]
fn sparse_tensors_become_dense() {
    let linear = sparse("int32[2] {7, 8}", "int64[2] {1, 5}", &[2, 3]).unwrap();
    assert_eq!(linear.to_i64s(), [0, 7, 0, 0, 0, 8]);
    let coordinates = sparse("int32[2] {7, 8}", "int64[2,2] {0, 1, 1, 2}", &[2, 3]).unwrap();
    assert_eq!(coordinates, linear);
    assert_eq!(sparse("float[0] {}", "int64[0] {}", &[2]).unwrap().to_f32s(), [0.0, 0.0]);
}

#[test]
fn wrong_sparse_tensors_are_told() {
    let message = |values, indices, dims: &[i64]| sparse(values, indices, dims).unwrap_err();
    assert!(message("float[1] {7}", "int64[1] {6}", &[6]).message.contains("out of range"));
    assert!(message("float[1] {7}", "int64[1,1] {-1}", &[6]).message.contains("out of range"));
    assert!(message("float[2] {7, 8}", "int64[2] {3, 3}", &[6]).message.contains("ascending"));
    assert!(message("float[2] {7, 8}", "int64[3] {1, 2, 3}", &[6]).message.contains("i64[2]"));
    assert!(message("float[2] {7, 8}", "int32[2] {1, 2}", &[6]).message.contains("i32[2]"));
    assert_eq!(message("float[1] {7}", "int64[1] {1}", &[1 << 40]).code, Code::TooLarge);
}
