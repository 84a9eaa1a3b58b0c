ingrain::onnx_model! {
    pub mod tiny = "models/tiny.onnx" { dims: { batch: 1 }, state: { "y" => "x", "y" => "x" } };
}

fn main() {}
