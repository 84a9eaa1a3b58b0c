ingrain::onnx_model! {
    pub mod digits = "models/digit.onnx";
    pub mod letters = "models/letter.onnx" { dims: { batch: 1 } };
}

fn main() {}
