//! Compiles the user's copy of the model, and brings its tokenizer into the program.

use ingrain_compiler::build::Models;
use ingrain_compiler::harness::Interface;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

const HOW: &str =
    "This example needs a sentence encoder, which is not part of it. For instance all-MiniLM-L6-v2:
  https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2
Take onnx/model.onnx and tokenizer.json from there, put them into one folder, and build with
  INGRAIN_MINILM=/path/to/model.onnx cargo run --release";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/sentences.txt");
    println!("cargo::rerun-if-env-changed=INGRAIN_MINILM");
    let Some(path) = env::var_os("INGRAIN_MINILM").map(PathBuf::from) else { return Err(HOW.into()) };
    let path = path.canonicalize().map_err(|error| format!("{}: {error}\n\n{HOW}", path.display()))?;

    // Exports differ in what they call the number of sentences and their length.
    let interface = Interface::open(&path)?;
    let symbols = interface.symbols();
    let [batch, length] = symbols[..] else {
        return Err(format!("the model should have two dynamic dimensions, not {symbols:?}").into());
    };
    let bounded = |options: ingrain_compiler::Options| options.dim(batch, 1..=8).dim(length, 1..=128);
    let reports = Models::new().model("encoder", &path, bounded).compile();
    for report in reports {
        println!("cargo::rustc-env=ENCODER_WEIGHT_BYTES={}", report.stored_weight_bytes);
    }

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("Cargo sets OUT_DIR")?);
    fs::write(out.join("tokenizer.json"), tokenizer(&path)?)?;
    Ok(())
}

/// The tokenizer beside the model. If there is none, as for a model that is cut down for a test, one that knows the words
/// of the example and numbers them.
fn tokenizer(model: &Path) -> Result<String, Box<dyn Error>> {
    let file = model.with_file_name("tokenizer.json");
    println!("cargo::rerun-if-changed={}", file.display());
    if file.is_file() {
        return Ok(fs::read_to_string(file)?);
    }
    println!("cargo::warning=there is no {}; similarities will mean nothing", file.display());
    let text = fs::read_to_string("src/sentences.txt")?.to_lowercase();
    let words: BTreeSet<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let numbered: Vec<String> =
        words.iter().zip(2..).map(|(word, number)| format!("\"{word}\": {number}")).collect();
    Ok(format!(
        r#"{{ "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "post_processor": null, "decoder": null,
            "normalizer": {{ "type": "Lowercase" }}, "pre_tokenizer": {{ "type": "Whitespace" }},
            "model": {{ "type": "WordLevel", "unk_token": "[UNK]", "vocab": {{ "[PAD]": 0, "[UNK]": 1, {} }} }} }}"#,
        numbered.join(", ")
    ))
}
