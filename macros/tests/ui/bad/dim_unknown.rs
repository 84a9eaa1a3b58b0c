ingrain::onnx_model! {
    pub mod tiny = "models/tiny.onnx" { dims: { batch: 1, bach: 2 } };
}

fn main() {}
