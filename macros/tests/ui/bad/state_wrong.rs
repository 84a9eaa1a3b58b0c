ingrain::onnx_model! {
    pub mod tiny = "models/tiny.onnx" { dims: { batch: 1 }, state: { "present.*" => "past.*", "y" => "z" } };
}

fn main() {}
