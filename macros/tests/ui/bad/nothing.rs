ingrain::onnx_model! {}

fn main() {}
