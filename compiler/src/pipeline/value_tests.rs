//! Options that change what a model is.

use crate::diag::Diagnostics;
use crate::import::text;
use crate::options::{ModelSource, Options};
use crate::types::{DType, Scalar, Tensor};
use expect_test::expect;

/// The text of the compiled module.
fn compile(options: Options) -> Result<String, Diagnostics> {
    let model = "g (float[2,3] x, int64[1] axes) => (float[] y) { y = ReduceSum <keepdims = 0> (x, axes) }";
    let source = ModelSource::from_bytes("model", text::model_bytes(model));
    let artifact = crate::compile(&[(source, options)])?;
    Ok(artifact.modules.iter().map(|module| module.items.to_string()).collect())
}

#[test]
fn a_known_value_is_compiled_in_and_checked() {
    let text = compile(Options::default().value("axes", Tensor::from_i64s(&[-1]))).unwrap();
    assert!(text.contains("check_value (\"input `axes`\" , * inputs . axes == [- 1]) ?"), "{text}");
    assert!(text.contains("pub y : & 'a [f32 ; 2]"), "{text}");
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let error = |options| compile(options).unwrap_err().to_string();
    let float = Tensor::from_scalars(DType::F32, vec![1], [Scalar::from_f64(DType::F32, 1.0)]);
    let text = [
        error(Options::default()),
        error(Options::default().value("axes", float)),
        error(
            Options::default().value("axes", Tensor::from_i64s(&[1])).value("axis", Tensor::from_i64s(&[1])),
        ),
    ]
    .concat();
    expect![[r#"
        error[E012]: `axes` of ReduceSum must be known at compile time
          --> model.onnx: node 0 "y" (ReduceSum)
           = input 0: "x" f32[2,3]
           = input 1: "axes" i64[1]
           = opset 21
           = help: make it a constant or fix the symbolic dimensions that it is computed from; or compile for one value of "axes" (option `values`)
        error[E010]: the value of type f32[1] does not fit the input "axes"
          --> model.onnx
        error[E010]: the model has no input "axis" that could have a known value
          --> model.onnx
    "#]].assert_eq(&text);
}
