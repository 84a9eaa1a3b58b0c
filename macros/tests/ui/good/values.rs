//! A model whose shapes depend on an input, compiled for one value of it.

ingrain::onnx_model! {
    mod sum = "models/sum.onnx" { values: { axes: [-1] } };
}

fn main() {
    let mut model = sum::Model::new();
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let out = model.run(sum::Inputs { x: &x, axes: &[-1] }).unwrap();
    assert_eq!(out.y, &[6.0, 15.0]);
    let refused = model.run(sum::Inputs { x: &x, axes: &[0] }).unwrap_err();
    assert!(refused.to_string().contains("axes"), "{refused}");
}
