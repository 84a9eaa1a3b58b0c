ingrain::onnx_model! {
    pub mod tiny = "models/tiny.onnx" { dims: { batch: 1, seq: 1.. } };
}

fn main() {}
