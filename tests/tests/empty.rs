//! Tensors that turn out to have no elements: whatever part of them is asked for is empty, and nothing panics.

use ingrain::TensorRef;

ingrain::onnx_model! {
    /// A slice, a transpose, a join and a sum along axes of `n` elements.
    mod parts = "tests/empty/empty.onnx" { dims: { n: 0..=3 } };
}

#[test]
fn parts_of_nothing_are_nothing() {
    let mut model = parts::Model::new();
    for _ in 0..2 {
        let x = TensorRef::new(&[], [0, 4]).unwrap();
        let b = TensorRef::new(&[], [5, 0]).unwrap();
        let out = model.run(parts::Inputs { x, b }).unwrap();
        assert_eq!((out.y.data, out.y.dims), (&[][..], [0, 2]));
        assert_eq!((out.w.data, out.w.dims), (&[][..], [4, 0]));
        assert_eq!((out.v.data, out.v.dims), (&[][..], [5, 0]));
        assert_eq!(out.s, &[0.0; 5]);

        let x = TensorRef::new(&[-1.0, 2.0, -3.0, 4.0], [1, 4]).unwrap();
        let b = TensorRef::new(&[1.0, -2.0, 3.0, -4.0, 5.0], [5, 1]).unwrap();
        let out = model.run(parts::Inputs { x, b }).unwrap();
        assert_eq!(out.y.data, [2.0, 0.0]);
        assert_eq!(out.w.data, [1.0, -2.0, 3.0, -4.0]);
        assert_eq!(out.v.data, [-1.0, 1.0, 2.0, 2.0, -3.0, 3.0, 4.0, 4.0, -5.0, 5.0]);
        assert_eq!(out.s, &[1.0, -2.0, 3.0, -4.0, 5.0]);
    }
}
