ingrain::onnx_model! {
    pub mod tiny = "models/tiny.onnx" { dims: { bach: 2, seq: 1..=4 } };
    pub mod unknown = "models/unknown_operator.onnx";
}

fn main() {}
