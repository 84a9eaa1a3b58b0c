ingrain::onnx_model! {
    pub mod good = "models/product.onnx";
    pub mod bad = "models/unknown_operator.onnx";
}

fn main() {}
