//! What users of `onnx_model!` see: models that work, and the errors for calls that do not.
//!
//! `TRYBUILD=overwrite cargo test -p ingrain-macros` accepts changed messages.

use std::fs;
use std::path::Path;

#[test]
fn ui() {
    // A package of its own is made from each case. Paths to models are relative to it.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let models = target.join("tests/trybuild/ingrain-macros/models");
    fs::create_dir_all(&models).unwrap();
    for model in fs::read_dir("tests/ui/models").unwrap() {
        let model = model.unwrap();
        fs::copy(model.path(), models.join(model.file_name())).unwrap();
    }

    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/bad/*.rs");
    cases.pass("tests/ui/good/*.rs");
}
