//! The command `ingrain` on bad input: it says what is wrong and ends with the right status, never with a panic.
#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder of its own for a test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ingrain-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file and gives its path as text.
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        std::fs::remove_dir_all(path).unwrap();
    }
}

/// Runs the command; its status and what it said on the standard error.
fn ingrain(args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ingrain")).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{args:?}: {said}");
    (output.status.code().expect("an exit status"), said)
}

/// A field of a message that holds bytes, text or another message.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2, content.len() as u8], content].concat()
}

/// A model `y = Identity(x)` with `x: f32[2]`, in the encoding of its messages.
fn identity() -> Vec<u8> {
    model("Identity", &["x"], &[1 << 3, 2])
}

/// A model of one node over inputs of one axis with this extent.
fn model(operator: &str, inputs: &[&str], extent: &[u8]) -> Vec<u8> {
    let value = |name: &[u8]| {
        let shape = field(1, extent);
        let tensor = [&[1 << 3, 1][..], &field(2, &shape)].concat();
        [field(1, name), field(2, &field(1, &tensor))].concat()
    };
    let inputs: Vec<u8> = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect();
    let node = [inputs, field(2, b"y"), field(4, operator.as_bytes())].concat();
    let graph = [field(1, &node), field(2, b"g"), field(11, &value(b"x")), field(12, &value(b"y"))].concat();
    [&[1 << 3, 8][..], &field(7, &graph), &field(8, &[2 << 3, 17])].concat()
}

#[test]
fn missing_files_are_told() {
    let folder = Folder::new("missing");
    let nowhere = folder.0.join("no.onnx").to_string_lossy().into_owned();
    let out = folder.0.join("out").to_string_lossy().into_owned();
    for args in [
        &["inspect", &nowhere][..],
        &["compile", &nowhere, "-o", &out],
        &["run", &nowhere],
        &["test", &nowhere],
        &["bench", &nowhere],
        &["inspect", &folder.0.to_string_lossy()],
        &["test", &folder.0.to_string_lossy()],
    ] {
        let (status, said) = ingrain(args);
        assert_eq!(status, 2, "{args:?}: {said}");
        assert!(said.starts_with("error: there is no"), "{args:?}: {said}");
    }
    assert!(!folder.0.join("out").exists());
}

#[test]
fn broken_models_are_refused() {
    let folder = Folder::new("broken");
    let whole = identity();
    let out = folder.0.join("out").to_string_lossy().into_owned();
    for (name, bytes) in [("empty", &[][..]), ("text", b"# not a model"), ("cut", &whole[..whole.len() - 9])]
    {
        let model = folder.file(&format!("{name}.onnx"), bytes);
        for args in [
            &["inspect", &model][..],
            &["inspect", &model, "--json"],
            &["compile", &model, "-o", &out],
            &["run", &model],
            &["bench", &model],
        ] {
            let (status, said) = ingrain(args);
            assert_eq!(status, 1, "{args:?}: {said}");
            assert!(said.starts_with("error"), "{args:?}: {said}");
        }
    }
}

#[test]
fn inputs_that_do_not_fit_are_told() {
    let folder = Folder::new("inputs");
    let model = folder.file("m.onnx", &identity());
    let broken = format!("x={}", folder.file("broken.npy", b"\x93NUMPY\x01\x00\xff\xff"));
    let unknown = format!("z={}", folder.file("z.npy", b""));
    for (inputs, why) in [
        (&["--input", broken.as_str()][..], "its header is cut off"),
        (&["--input", &unknown], "the model has no input \"z\"; its inputs are: x"),
        (&["--input", "x"], "is not NAME=FILE"),
        (&[], "add --input x=FILE.npy"),
        (&["--dim", "n"], "is neither NAME=VALUE nor NAME=LO..=HI"),
    ] {
        let (status, said) = ingrain(&[&["run", model.as_str()], inputs].concat());
        assert_eq!(status, 2, "{inputs:?}: {said}");
        assert!(said.contains(why), "{inputs:?}: {said}");
    }
}

#[test]
fn one_broken_test_folder_does_not_hide_the_others() {
    let folder = Folder::new("suite");
    folder.file("a/model.onnx", b"broken");
    folder.file("a/test_data_set_0/input_0.pb", b"");
    folder.file("b/model.onnx", &identity());
    folder.file("c/test_data_set_0/input_0.pb", b"");
    folder.file("d/model.onnx", &identity());
    folder.file("d/test_data_set_0/input_0.pb", b"\xff");
    let output = Command::new(env!("CARGO_BIN_EXE_ingrain"))
        .args(["test", &folder.0.to_string_lossy(), "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["passed"].as_u64(), json["failed"].as_u64()), (Some(0), Some(4)));
    let results = json["results"].as_array().unwrap();
    for (result, (model, why)) in results.iter().zip([
        ("a", "cannot be read as an ONNX model"),
        ("b", "there is no test_data_set_* folder"),
        ("c", "model.onnx"),
        ("d", "cannot be read as an ONNX tensor"),
    ]) {
        assert_eq!(result["model"], model);
        assert_eq!(result["status"], "error");
        assert!(result["detail"].as_str().unwrap().contains(why), "{result}");
    }
}

/// A `TensorProto` of floats with one axis.
fn floats(values: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    [&[1 << 3, values.len() as u8, 2 << 3, 1][..], &field(9, &data)].concat()
}

/// Runs the command, which must succeed; what it printed.
fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ingrain")).args(args).output().unwrap();
    let (said, printed) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{args:?}: {printed}{said}");
    printed.into_owned()
}

/// One model that works goes through every command.
#[test]
fn a_model_is_tested_timed_run_and_written() {
    let folder = Folder::new("good");
    // `y = x + x` with a symbolic extent, and data of two sizes.
    let extent = field(2, b"n");
    folder.file("twice/model.onnx", &model("Add", &["x", "x"], &extent));
    for (set, values) in [(0, &[1.0, -2.5][..]), (1, &[3.0])] {
        let twice: Vec<f32> = values.iter().map(|v| 2.0 * v).collect();
        folder.file(&format!("twice/test_data_set_{set}/input_0.pb"), &floats(values));
        folder.file(&format!("twice/test_data_set_{set}/output_0.pb"), &floats(&twice));
    }
    folder.file("wrong/model.onnx", &identity());
    folder.file("wrong/test_data_set_0/input_0.pb", &floats(&[1.0, 2.0]));
    folder.file("wrong/test_data_set_0/output_0.pb", &floats(&[1.0, 2.1]));
    let (status, said) = ingrain(&["test", "--quick", &folder.0.to_string_lossy()]);
    assert_eq!(status, 1, "{said}");
    let twice = folder.0.join("twice").to_string_lossy().into_owned();
    let tested = printed(&["test", "--quick", &twice]);
    assert_eq!(tested.lines().last(), Some("1 passed, 0 failed"), "{tested}");

    let timed = printed(&["bench", "--json", "--runs", "1", &twice]);
    let timed: serde_json::Value = serde_json::from_str(timed.lines().last().unwrap()).unwrap();
    for key in ["runs", "min_us", "median_us", "mean_us", "context_bytes", "binary_bytes", "peak_rss_bytes"] {
        assert!(timed[key].as_f64().is_some(), "{key}: {timed}");
    }
    let inspected = printed(&["inspect", "--json", &twice]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!((&inspected["operators"]["Add"], &inspected["inputs"][0]["shape"][0]), (&1.into(), &2.into()));

    let out = folder.0.join("out").to_string_lossy().into_owned();
    let input = format!("x={}", folder.file("x.pb", &floats(&[0.25])));
    let ran = printed(&["run", &twice, "--input", &input, "--output", &out]);
    assert_eq!(ran.trim(), "y: f32[1] = [0.5]");
    let npy = std::fs::read(folder.0.join("out/y.npy")).unwrap();
    assert!(npy.ends_with(&0.5_f32.to_le_bytes()), "{npy:?}");
    printed(&["compile", &twice, "-o", &out, "--dim", "n=4"]);
    let source = std::fs::read_to_string(folder.0.join("out/twice.rs")).unwrap();
    assert!(source.contains("pub use self::compiled::*;"), "{source}");
}

/// The bytes of a message field of any length below 16384.
fn long_field(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    assert!(length < 1 << 14, "two bytes hold the length");
    [&[tag << 3 | 2, (length & 127) as u8 | 128, (length >> 7) as u8], content].concat()
}

/// A model `y = x · w` with `x: f32[1, 2]` and a weight `w: f32[2, columns]`.
fn product(weights: &[f32]) -> Vec<u8> {
    let columns = (weights.len() / 2) as u8;
    let value = |name: &[u8], extents: [u8; 2]| {
        let shape: Vec<u8> = extents.iter().flat_map(|&n| field(1, &[1 << 3, n])).collect();
        let tensor = [&[1 << 3, 1][..], &field(2, &shape)].concat();
        [field(1, name), field(2, &field(1, &tensor))].concat()
    };
    let data: Vec<u8> = weights.iter().flat_map(|v| v.to_le_bytes()).collect();
    let weight = [&[1 << 3, 2, 1 << 3, columns, 2 << 3, 1][..], &field(8, b"w"), &field(9, &data)].concat();
    let node = [field(1, b"x"), field(1, b"w"), field(2, b"y"), field(4, b"MatMul")].concat();
    let (x, y) = (value(b"x", [1, 2]), value(b"y", [1, columns]));
    let graph = [field(1, &node), field(2, b"g"), field(5, &weight), field(11, &x), field(12, &y)].concat();
    [&[1 << 3, 8][..], &long_field(7, &graph), &field(8, &[2 << 3, 17])].concat()
}

/// Whoever reads the results may stop: `ingrain inspect MODEL | head -1`.
#[test]
fn a_reader_that_has_enough_ends_the_command_quietly() {
    let folder = Folder::new("pipe");
    let path = folder.file("tiny.onnx", &identity());
    let out = folder.0.join("out").to_string_lossy().into_owned();
    for arguments in [&["inspect", &path][..], &["inspect", "--json", &path], &["compile", &path, "-o", &out]]
    {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ingrain"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Nobody reads: the first write fails.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""));
    }
}

/// Several models in one call share one blob, which the program holds once.
#[test]
fn models_compiled_together_share_their_weights() {
    let folder = Folder::new("bundle");
    let one = folder.file("one.onnx", &product(&[1.0, 2.0, 3.0, 4.0]));
    let two = folder.file("two.onnx", &product(&[5.0, 6.0, 7.0, 8.0, 9.0, 10.0]));
    let source = folder.0.join("program/src");
    let out = source.to_string_lossy().into_owned();
    let said = printed(&["compile", &one, &two, "-o", &out]);
    let rows = |part: &str| said.lines().filter(|line| line.contains(part)).count();
    assert_eq!(
        (rows("saved by sharing"), rows("spent on second forms"), rows("MatMul")),
        (2, 2, 2),
        "{said}"
    );
    let blob = said.lines().last().unwrap();
    assert!(blob.contains(".blob: all weights, ") && !blob.contains("saves"), "{blob}");
    let told = printed(&["compile", "--json", &one, &two, "-o", &out]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["models"][1]["unique_initializer_bytes"], 24);
    assert_eq!(told["models"][1]["weights"][0]["names"][0], "w");
    for key in ["second_form_bytes", "shared_bytes", "context_lower_bound_bytes", "stored_weight_bytes"] {
        assert!(told["models"][0][key].is_u64(), "{key}: {told}");
    }
    assert!(told["blob"]["bytes"].as_u64() >= Some(40) && told["blob"]["file"].is_string(), "{told}");
    let text = |name: &str| std::fs::read_to_string(source.join(name)).unwrap();
    assert_eq!(text("weights.rs").matches("include_blob!").count(), 1);
    for name in ["one.rs", "two.rs"] {
        assert!(text(name).contains("use super::weights::WEIGHTS;") && !text(name).contains("include_blob!"));
    }
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("runtime-min");
    folder.file(
        "program/Cargo.toml",
        format!(
            "[package]\nname = \"bundle\"\nedition = \"2024\"\n[workspace]\n[dependencies]\ningrain = {{ path = {:?} }}\n",
            runtime.to_string_lossy()
        )
        .as_bytes(),
    );
    folder.file(
        "program/src/main.rs",
        b"#![deny(warnings)]
mod one;
mod two;
mod weights;
fn main() {
    let x = [1.0, 10.0];
    println!(\"{:?}\", one::Model::new().run(one::Inputs { x: &x }).unwrap().y);
    println!(\"{:?}\", two::Model::new().run(two::Inputs { x: &x }).unwrap().y);
}
",
    );
    // Built beside the other tests' programs, so that the kernels are built once.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    std::fs::copy(runtime.join("../Cargo.lock"), folder.0.join("program/Cargo.lock")).unwrap();
    let ran = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(folder.0.join("program"))
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let (said, result) = (String::from_utf8_lossy(&ran.stderr), String::from_utf8_lossy(&ran.stdout));
    assert_eq!(result, "[31.0, 42.0]\n[85.0, 96.0, 107.0]\n", "{said}");

    let single = folder.0.join("single").to_string_lossy().into_owned();
    printed(&["compile", &one, "-o", &single]);
    assert!(!folder.0.join("single/weights.rs").exists());
    let named = folder.file("weights.onnx", &product(&[0.0; 4]));
    let (status, said) = ingrain(&["compile", &one, &named, "-o", &single]);
    assert!(status == 2 && said.contains("give the model another name"), "{said}");
}
