//! The source files of a program of compiled models.

use crate::report::{Port, Report};
use crate::types::DType;
use std::fmt::Write as _;

/// The runner that all programs share.
pub(super) const SUPPORT: &str = include_str!("runner/support.rs");

/// Blobs of at least this many bytes are embedded by the assembler, which costs rustc nothing.
const LARGE_BLOB: u64 = 64 << 10;

/// A function `drive` that runs the module `model` beside it.
pub(super) fn drive(report: &Report) -> String {
    let mut text = String::from(
        "\n/// Runs the model for the task.\n\
         pub fn drive(task: &mut crate::support::Task) -> Result<(), String> {\n    \
         let mut model = model::Model::new();\n    task.ready();\n",
    );
    let mut fields = String::new();
    for (index, port) in report.inputs.iter().enumerate() {
        let ty = rust_type(port.dtype);
        let _ = writeln!(text, "    let elements{index} = task.input::<{ty}>({index})?;");
        match port.fixed {
            Some(_) => {
                let _ = writeln!(
                    text,
                    "    let input{index} = crate::support::array({index}, &elements{index})?;"
                );
            }
            None => {
                let rank = port.shape.len();
                let _ = writeln!(
                    text,
                    "    let input{index} = ::ingrain::TensorRef {{ data: &elements{index}[..], dims: \
                     task.dims::<{rank}>({index})? }};"
                );
            }
        }
        let _ = write!(fields, "{}: input{index}, ", port.field);
    }
    let _ = write!(
        text,
        "    loop {{\n        task.start();\n        let outputs = model.run(model::Inputs {{ {fields}}})\
         .map_err(|e| e.to_string())?;\n        task.stop(&outputs);\n"
    );
    for port in &report.outputs {
        let _ = writeln!(text, "        {}", write_output(port));
    }
    text.push_str("        if !task.again() {\n            return Ok(());\n        }\n    }\n}\n");
    text
}

fn write_output(port: &Port) -> String {
    let (field, ty) = (&port.field, rust_type(port.dtype));
    match &port.fixed {
        Some(shape) => format!("task.output::<{ty}>(&{shape:?}, &outputs.{field}[..]);"),
        None => format!("task.output::<{ty}>(&outputs.{field}.dims, outputs.{field}.data);"),
    }
}

/// The line that defines `WEIGHTS` over the file `path`; empty if there is nothing that would use it.
pub(super) fn weights(source: &str, hash: &str, path: &str, bytes: u64) -> String {
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"");
    if bytes == 0 {
        let used = source.contains("WEIGHTS");
        let line = "const WEIGHTS: ::ingrain::Blob = ::ingrain::Blob::EMPTY;\n";
        return if used { line.to_owned() } else { String::new() };
    }
    if bytes < LARGE_BLOB {
        return format!("const WEIGHTS: ::ingrain::Blob = ::ingrain::include_blob!(\"{escaped}\");\n");
    }
    let path = escaped.replace('{', "{{").replace('}', "}}");
    format!(
        "const WEIGHTS: ::ingrain::Blob = ::ingrain::embed_blob!(\"ingrain_{hash}\", \"{path}\", {bytes});\n"
    )
}

/// The main file of a program of `count` models.
pub(super) fn main_file(count: usize) -> String {
    let mut text = String::from("//! Compiled models behind one runner.\n\nmod support;\n");
    for index in 0..count {
        let _ = writeln!(text, "#[allow(warnings)]\nmod m{index};");
    }
    text.push_str("\nfn main() -> std::process::ExitCode {\n    support::main(&[");
    for index in 0..count {
        let _ = write!(text, "m{index}::drive, ");
    }
    text.push_str("])\n}\n");
    text
}

fn rust_type(dtype: DType) -> &'static str {
    match dtype {
        DType::F16 => "::ingrain::f16",
        DType::BF16 => "::ingrain::bf16",
        other => other.name(),
    }
}
