ingrain::onnx_model! {
    mod other { variants: { a: "models/adapter_a.onnx", b: "models/adapter_wide.onnx" } };
}

ingrain::onnx_model! {
    mod missing { variants: { a: "models/adapter_a.onnx", b: "models/no_such.onnx" } };
}

ingrain::onnx_model! {
    mod twice = "models/adapter_a.onnx" { variants: { a: "models/adapter_a.onnx" } };
}

ingrain::onnx_model! {
    mod nothing { dims: { batch: 1 } };
}

ingrain::onnx_model! {
    mod unknown = "models/adapter_a.onnx" { overridable: ["*.lora", "*.adapter"] };
}

ingrain::onnx_model! {
    mod misplaced = "models/adapter_a.onnx" { weights: "elsewhere" };
}

fn main() {}
