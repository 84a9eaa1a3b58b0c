//! A value that its input cannot have.

ingrain::onnx_model! {
    mod sum = "models/sum.onnx" { values: { axes: [0, 1] } };
}

fn main() {}
