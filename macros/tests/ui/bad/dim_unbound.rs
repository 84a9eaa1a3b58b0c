ingrain::onnx_model! {
    pub mod tiny = "models/tiny.onnx";
}

fn main() {}
