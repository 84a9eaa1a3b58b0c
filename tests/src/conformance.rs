//! The official ONNX test vectors against compiled models: the neutral ruler.
//!
//! The vectors come from the wheel of ONNX itself. Each case goes the way of an application, through the compiler, rustc
//! and a process; whatever is unsupported or skipped counts as failed.

pub mod cases;
pub mod light;
pub mod table;
pub mod wheel;
