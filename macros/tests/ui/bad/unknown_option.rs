ingrain::onnx_model! {
    pub mod tiny = "models/tiny.onnx" { dim: { batch: 1 } };
}

fn main() {}
