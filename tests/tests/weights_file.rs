//! A program whose weights are in a file of their own: what it does with a file that is not right.
//!
//! A process maps weights once, so each case is a process of its own.
#![cfg(target_os = "linux")]

use ingrain::TensorRef;
use ingrain_compiler::options::{ModelSource, Options, WeightsIn};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

ingrain::onnx_model! {
    /// Its constants hold positions for Gather, too.
    mod encoder = "../examples/shared-weights/data/t5_lora_a_encoder.onnx"
        { dims: { batch: 1, seq: 1..=16 }, weights: "file" };
}

/// Tells the child process which file it takes.
const FILE: &str = "INGRAIN_TEST_WEIGHTS_FILE";
/// Tells it to check the length only.
const UNCHECKED: &str = "INGRAIN_TEST_UNCHECKED";

fn run(worker: &mut encoder::Model<'_>) -> Result<u32, ingrain::Error> {
    let input_ids = TensorRef::new(&[3, 1, 4, 1, 5, 9, 2, 6], [1, 8])?;
    let attention_mask = TensorRef::new(&[1; 8], [1, 8])?;
    let out = worker.run(encoder::Inputs { input_ids, attention_mask })?;
    Ok(out.encoder_hidden_states.data.iter().fold(0, |sum, value| sum.rotate_left(1) ^ value.to_bits()))
}

/// Not a test: what the child processes do.
#[test]
fn child() {
    let Some(path) = env::var_os(FILE) else { return };
    let worker = match env::var_os(UNCHECKED) {
        Some(_) => encoder::Model::with_weights_file_unchecked(path),
        None => encoder::Model::with_weights_file(path),
    };
    match worker {
        Ok(mut worker) => println!("told: ran {:?}", run(&mut worker)),
        Err(error) => println!("told: {error}"),
    }
}

/// What a program says when its weights are in this file.
fn told(path: &Path, unchecked: bool) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(FILE, path);
    if unchecked {
        command.env(UNCHECKED, "1");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // A signal would mean that something was read that is not there.
    assert!(output.status.code().is_some(), "{}: {text}", output.status);
    let line = text.lines().find_map(|line| line.split_once("told: "));
    line.map(|(_, told)| told.replace(&*path.to_string_lossy(), "FILE")).unwrap_or_default()
}

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("ingrain-weights-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.0.join(name), bytes).unwrap();
        self.0.join(name)
    }

    /// The file of weights of another model.
    fn blob_of(&self, model: &str, options: Options) -> PathBuf {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shared-weights/data").join(model);
        let source = ModelSource::open("other", &path).unwrap();
        let artifact = ingrain_compiler::compile(&[(source, options.weights(WeightsIn::File))]).unwrap();
        artifact.write_blob(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The right file: where the compiler wrote it. It is not beside the test, so this is what a worker maps.
fn right() -> PathBuf {
    let mut worker = encoder::Model::new().unwrap();
    run(&mut worker).unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with(".blob")).expect("the file is mapped");
    // Nobody writes to it.
    assert!(line.contains(" r--p "), "{line}");
    PathBuf::from(&line[line.find('/').unwrap()..])
}

#[test]
fn a_wrong_file_is_refused_with_the_reason() {
    let folder = Folder::new("refused");
    let right = right();
    let good = fs::read(&right).unwrap();
    let ran = told(&right, false);
    assert!(ran.starts_with("ran Ok("), "{ran}");

    let damaged = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        told(&folder.file("damaged.blob", &bytes), false)
    };
    for at in [0, good.len() / 2, good.len() - 1] {
        let text = damaged(at);
        assert!(
            text.starts_with("the weights FILE are damaged or those of another program: their hash is "),
            "{text}"
        );
    }
    let (all, short) = (good.len(), good.len() - 64);
    assert_eq!(
        told(&folder.file("short.blob", &good[..short]), false),
        format!("the weights FILE are cut short: {short} of {all} bytes")
    );
    assert_eq!(
        told(&folder.file("empty.blob", &[]), false),
        format!("the weights FILE are cut short: 0 of {all} bytes")
    );
    let long = [&good[..], &[0; 64]].concat();
    assert_eq!(
        told(&folder.file("long.blob", &long), false),
        format!("the weights FILE are those of another program: {} bytes instead of {all}", all + 64)
    );
    let missing = told(&folder.0.join("missing.blob"), false);
    assert!(missing.starts_with("the weights FILE cannot be read: "), "{missing}");
    assert!(missing.contains("the file belongs beside the executable"), "{missing}");
    let no_file = told(&folder.0, false);
    assert!(no_file.starts_with("the weights FILE cannot be read: it is a folder"), "{no_file}");
}

#[test]
fn the_file_of_another_model_is_refused() {
    let folder = Folder::new("swapped");
    let own = right().metadata().unwrap().len();
    // Another adapter in the same architecture: only the content differs.
    let twin =
        folder.blob_of("t5_lora_b_encoder.onnx", Options::default().dim("batch", 1).dim("seq", 1..=16));
    assert_eq!(twin.metadata().unwrap().len(), own);
    let text = told(&twin, false);
    assert!(
        text.starts_with("the weights FILE are damaged or those of another program: their hash is "),
        "{text}"
    );
    let all_one = ["batch", "batch2", "seq", "seq2"].iter().fold(Options::default(), |o, &dim| o.dim(dim, 1));
    let other = folder.blob_of("nllb_tiny_embed_lm_head_if.onnx", all_one);
    let got = other.metadata().unwrap().len();
    assert_eq!(told(&other, false), format!("the weights FILE are cut short: {got} of {own} bytes"));
}

#[test]
fn damage_that_nobody_looked_for_leads_nowhere() {
    let folder = Folder::new("unchecked");
    let good = fs::read(right()).unwrap();
    // Positions become enormous, negative, or anything.
    let patterns: [fn(usize) -> u8; 3] =
        [|_| 0x7f, |_| 0xff, |at| (at.wrapping_mul(0x9e37_79b1) >> 11) as u8];
    for (number, pattern) in patterns.iter().enumerate() {
        let bytes: Vec<u8> = (0..good.len()).map(pattern).collect();
        told(&folder.file(&format!("{number}.blob"), &bytes), true);
    }
    // Of another length it is refused all the same.
    let text = told(&folder.file("short.blob", &good[1..]), true);
    assert!(text.starts_with("the weights FILE are cut short: "), "{text}");
}
