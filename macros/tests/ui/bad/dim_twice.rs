ingrain::onnx_model! {
    pub mod tiny = "models/tiny.onnx" { dims: { batch: 1, "batch": 2 } };
}

fn main() {}
