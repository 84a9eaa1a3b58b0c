//! Two models of one call, with a fixed and a bounded dimension, under strict lints.

#![deny(warnings, missing_docs, unreachable_pub)]
#![forbid(unsafe_code)]

ingrain::onnx_model! {
    /// `max(0, x · w + b)`
    pub mod tiny = "models/tiny.onnx" { dims: { batch: 1..=4 } };

    /// `x · w`
    mod product = "models/product.onnx";
}

fn main() {
    let mut model = tiny::Model::new();
    let rows = [1.0, 0.0, 0.0, 0.0, -1.0, 0.0];
    let x = ingrain::TensorRef::new(&rows, [2, 3]).unwrap();
    let out = model.run(tiny::Inputs { x }).unwrap();
    assert_eq!((out.y.data, out.y.dims), (&[1.5, 1.5, 0.0, 0.0][..], [2, 2]));

    let too_many = ingrain::TensorRef::new(&[0.0; 15], [5, 3]).unwrap();
    assert!(model.run(tiny::Inputs { x: too_many }).is_err());

    let mut arena = product::Arena::new();
    let mut model = product::Model::in_arena(&mut arena);
    let out = model.run(product::Inputs { x: &[1.0, 1.0, 1.0] }).unwrap();
    assert_eq!(out.y, &[9.0, 12.0]);
}
