ingrain::onnx_model! {
    pub mod tiny = "models/tiny.onnx" { dims: { batch: "one" } };
}

fn main() {}
