//! Compiles the model into `OUT_DIR`, from where `src/main.rs` includes it.

use ingrain_compiler::build::Models;

fn main() {
    let reports = Models::new().model("digits", "../digits/data/digits.onnx", |m| m.dim("s31", 1)).compile();

    // What a model costs is known here, before the program runs.
    for report in reports {
        assert!(report.context_bytes < 64 << 10, "the model needs {} bytes of memory", report.context_bytes);
    }
}
