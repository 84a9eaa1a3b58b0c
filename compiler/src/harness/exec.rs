//! Running compiled models, each run in a process of its own with a time limit.

use super::Cache;
use super::project::Placed;
use crate::types::{DType, Tensor};
use bytes::{Buf, Bytes};
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The model returned an error.
    Refused(String),
    /// The process panicked or died.
    Crashed(String),
    /// The process did not finish in this time.
    TimedOut(Duration),
    /// The process could not be started, or its files not be read or written.
    System(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(why) => write!(f, "the model refused its inputs: {why}"),
            Failure::Crashed(how) => write!(f, "the run crashed: {how}"),
            Failure::TimedOut(limit) => write!(f, "the run did not finish in {} s", limit.as_secs()),
            Failure::System(why) => f.write_str(why),
        }
    }
}

/// Outputs of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Tensors in the order of the model's outputs.
    pub outputs: Vec<Tensor>,
    /// Whether a second run on the same inputs gave the same bits.
    pub stable: bool,
}

/// Runs a model on these inputs, in the order of the model's inputs.
///
/// # Errors
/// Why there are no outputs.
pub fn run(cache: &Cache, model: &Placed, inputs: &[Tensor], limit: Duration) -> Result<Run, Failure> {
    let out = Scratch(cache.temporary(".out").map_err(Failure::System)?);
    let file = Scratch(cache.temporary(".in").map_err(Failure::System)?);
    fs::write(&file.0, encode(inputs))
        .map_err(|e| Failure::System(format!("cannot write the inputs: {e}")))?;
    let line = call(cache, model, "run", &file.0, out.0.as_os_str(), limit)?;
    let bytes = fs::read(&out.0).map_err(|e| Failure::System(format!("cannot read the outputs: {e}")))?;
    let outputs =
        decode(bytes.into()).ok_or_else(|| Failure::System("the outputs are cut off".to_owned()))?;
    Ok(Run { outputs, stable: line.get("stable").and_then(serde_json::Value::as_bool).unwrap_or(false) })
}

/// Times a model on the inputs in a file (see [`encode`]); the runner's JSON object.
///
/// # Errors
/// Why it could not be timed.
pub fn bench(
    cache: &Cache,
    model: &Placed,
    inputs: &Path,
    runs: usize,
    limit: Duration,
) -> Result<serde_json::Value, Failure> {
    call(cache, model, "bench", inputs, runs.to_string().as_ref(), limit)
}

fn call(
    cache: &Cache,
    model: &Placed,
    verb: &str,
    inputs: &Path,
    last: &std::ffi::OsStr,
    limit: Duration,
) -> Result<serde_json::Value, Failure> {
    let mut command = Command::new(&model.binary);
    command.arg(verb).arg(model.index.to_string()).arg(inputs).arg(last);
    let finished = finish(cache, &mut command, limit).map_err(Failure::System)?;
    let Some(status) = finished.status else { return Err(Failure::TimedOut(limit)) };
    match status.code() {
        Some(0) => serde_json::from_str(finished.stdout.trim())
            .map_err(|e| Failure::System(format!("the runner printed no result: {e}"))),
        Some(3) => Err(Failure::Refused(finished.stderr.trim().to_owned())),
        Some(2) => Err(Failure::System(finished.stderr.trim().to_owned())),
        _ => Err(Failure::Crashed(describe(status, &finished.stderr))),
    }
}

/// How a process ended, and the end of what it said.
fn describe(status: ExitStatus, stderr: &str) -> String {
    // A panic says where on one line and why on the next.
    let mut lines = stderr.lines().filter(|l| !l.starts_with("note: ") && !l.trim().is_empty());
    let said: Vec<&str> = match lines.clone().position(|l| l.contains("panicked at")) {
        Some(at) => lines.skip(at).take(2).collect(),
        None => lines.next_back().into_iter().collect(),
    };
    if said.is_empty() { status.to_string() } else { format!("{status}: {}", said.join(" ")) }
}

/// A process that ended; without a status if it was killed because its time was over.
pub struct Finished {
    /// How it ended.
    pub status: Option<ExitStatus>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// Runs a command to its end, or for `limit`. Its output goes through files, so it can never block on a full pipe.
///
/// # Errors
/// If it cannot be started.
pub fn finish(cache: &Cache, command: &mut Command, limit: Duration) -> Result<Finished, String> {
    let (stdout, stderr) = (Scratch(cache.temporary(".stdout")?), Scratch(cache.temporary(".stderr")?));
    let open = |s: &Scratch| File::create(&s.0).map_err(|e| format!("cannot make {}: {e}", s.0.display()));
    command.stdin(Stdio::null()).stdout(open(&stdout)?).stderr(open(&stderr)?);
    let mut child = command
        .spawn()
        .map_err(|e| format!("cannot start {}: {e}", command.get_program().to_string_lossy()))?;
    let start = Instant::now();
    let mut pause = Duration::from_micros(500);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if start.elapsed() < limit => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            Ok(None) => {
                // It may have ended by itself just now.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            Err(e) => return Err(format!("cannot wait for a process: {e}")),
        }
    };
    let text = |s: &Scratch| String::from_utf8_lossy(&fs::read(&s.0).unwrap_or_default()).into_owned();
    Ok(Finished { status, stdout: text(&stdout), stderr: text(&stderr) })
}

/// A file that goes when this value does.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        // It may never have been made.
        let _ = fs::remove_file(path);
    }
}

/// Tensors in the runner's form: type, rank, extents, number of bytes, bytes; all little-endian.
pub fn encode(tensors: &[Tensor]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for tensor in tensors {
        bytes.extend(onnx_code(tensor.dtype()).to_le_bytes());
        bytes.extend((tensor.shape().len() as u32).to_le_bytes());
        for &extent in tensor.shape() {
            bytes.extend((extent as u64).to_le_bytes());
        }
        bytes.extend((tensor.bytes().len() as u64).to_le_bytes());
        bytes.extend_from_slice(tensor.bytes());
    }
    bytes
}

fn decode(mut bytes: Bytes) -> Option<Vec<Tensor>> {
    let mut tensors = Vec::new();
    while bytes.has_remaining() {
        let dtype = DType::from_onnx(i32::try_from(bytes.try_get_u32_le().ok()?).ok()?)?;
        let rank = bytes.try_get_u32_le().ok()?;
        let mut shape = Vec::new();
        for _ in 0..rank {
            shape.push(usize::try_from(bytes.try_get_u64_le().ok()?).ok()?);
        }
        let len = usize::try_from(bytes.try_get_u64_le().ok()?).ok()?;
        if len > bytes.remaining() {
            return None;
        }
        tensors.push(Tensor::new(dtype, shape, bytes.split_to(len))?);
    }
    Some(tensors)
}

fn onnx_code(dtype: DType) -> u32 {
    (1..=64).find(|&code| DType::from_onnx(code) == Some(dtype)).map_or(0, i32::cast_unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_survive_the_wire() {
        let tensors: Vec<Tensor> = DType::ALL
            .into_iter()
            .flat_map(|d| [vec![], vec![2, 3], vec![0]].map(|shape| (d, shape)))
            .map(|(d, shape): (DType, Vec<usize>)| {
                let bytes = shape.iter().product::<usize>() * d.size();
                Tensor::new(d, shape, vec![1_u8; bytes].into()).unwrap()
            })
            .collect();
        let bytes = Bytes::from(encode(&tensors));
        assert_eq!(decode(bytes.clone()).unwrap(), tensors);
        assert_eq!(decode(bytes.slice(..bytes.len() - 1)), None);
    }
}
