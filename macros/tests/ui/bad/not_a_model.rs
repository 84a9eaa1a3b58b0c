ingrain::onnx_model! {
    mod text = "main.rs";
}

fn main() {}
