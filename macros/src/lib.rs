//! The `onnx_model!` macro.
