//! Ahead-of-time compiler from ONNX to specialised Rust.
