//! A value is numbers or truth values.

ingrain::onnx_model! {
    mod sum = "models/sum.onnx" { values: { axes: ["last"] } };
}

fn main() {}
