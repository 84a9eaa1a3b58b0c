//! Compiles three models into two programs with one file of weights, and tells what each part of that file takes.

use ingrain_compiler::build::Models;
use ingrain_compiler::options::{Options, WeightsIn};
use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SHARED_WEIGHTS_NLLB");
    let nllb = env::var("SHARED_WEIGHTS_NLLB");
    let nllb = nllb.unwrap_or_else(|_| "data/nllb_tiny_embed_lm_head_if.onnx".to_owned());
    let adapters = [("a", "data/t5_lora_a_encoder.onnx"), ("b", "data/t5_lora_b_encoder.onnx")];

    // A program maps a file of 1 GB in no time; to link it takes a while.
    let in_file = |options: Options| options.weights(WeightsIn::File);
    let reports = Models::new()
        .model("nllb", nllb, |m| in_file(m).dim("batch", 1).dim("seq", 1).dim("batch2", 1).dim("seq2", 1))
        .variants("t5", adapters, |m| in_file(m).dim("batch", 1).dim("seq", 1..=16))
        .compile();

    let (nllb, t5) = (&reports[0], &reports[1]);
    let table = nllb.weights.iter().max_by_key(|weight| weight.bytes).expect("a model with weights");
    let shape: Vec<String> = table.shape.iter().map(usize::to_string).collect();
    let mut parts = vec![(
        format!("nllb, table of {}", shape.join(" x ")),
        nllb.initializer_bytes,
        nllb.stored_weight_bytes,
    )];
    for variant in &t5.variants {
        parts.push((format!("t5, adapter {}", variant.name), t5.initializer_bytes, variant.added_bytes));
    }
    let parts: String = parts.iter().map(|part| format!("{part:?},")).collect();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR"));
    fs::write(out.join("parts.rs"), format!("[{parts}]")).expect("OUT_DIR can be written");
}
