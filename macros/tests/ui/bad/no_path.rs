ingrain::onnx_model! {
    pub mod tiny;
}

fn main() {}
