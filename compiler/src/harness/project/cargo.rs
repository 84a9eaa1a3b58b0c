//! Running cargo, and reading its messages.

use super::clean_command;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// An error message of rustc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The program it is about.
    pub(super) program: String,
    /// The number of the module file that it points to.
    pub(super) module: Option<usize>,
    /// The message as rustc shows it.
    pub(super) text: String,
}

/// What came of a run of cargo.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Whether everything was built.
    pub(super) success: bool,
    /// Files of the programs that were built.
    pub(super) executables: HashMap<String, PathBuf>,
    /// Error messages.
    pub(super) complaints: Vec<Complaint>,
    stderr: String,
    timed_out: bool,
}

impl Outcome {
    /// What cargo or rustc said first.
    pub(super) fn complaint(&self) -> String {
        match self.complaints.first() {
            Some(complaint) => complaint.text.clone(),
            None => self.stderr.trim().to_owned(),
        }
    }

    /// Whether cargo came as far as compiling this program.
    pub(super) fn reached(&self, program: &str) -> bool {
        self.timed_out || !self.executables.is_empty() || self.stderr.contains(program)
    }
}

fn cargo() -> String {
    std::env::var("CARGO").ok().filter(|c| !c.is_empty()).unwrap_or_else(|| "cargo".to_owned())
}

/// What `rustc -vV` says.
pub(super) fn rustc_version() -> Result<String, String> {
    let rustc = std::env::var("RUSTC").ok().filter(|c| !c.is_empty()).unwrap_or_else(|| "rustc".to_owned());
    let output = Command::new(&rustc).arg("-vV").output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(format!("{rustc} -vV fails: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(e) => Err(format!("{rustc} cannot be run: {e} (a Rust toolchain is needed to build models)")),
    }
}

/// Builds the package in `dir`; without the network if that is possible.
pub(super) fn build(
    dir: &Path,
    target: &Path,
    limit: Duration,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Outcome, String> {
    let outcome = build_with(dir, target, limit, progress, true)?;
    let offline = !outcome.success && outcome.complaints.is_empty() && outcome.stderr.contains("offline");
    if offline { build_with(dir, target, limit, progress, false) } else { Ok(outcome) }
}

fn build_with(
    dir: &Path,
    target: &Path,
    limit: Duration,
    progress: &(dyn Fn(&str) + Sync),
    offline: bool,
) -> Result<Outcome, String> {
    let mut command = clean_command(&cargo());
    command
        .current_dir(dir)
        .args(["build", "--release", "--keep-going", "--message-format=json", "--color=never"])
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if offline {
        command.arg("--offline");
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|e| format!("cannot run cargo: {e}"))?;
    let (sender, lines) = mpsc::channel();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| -> Result<(), String> {
        scope.spawn(move || {
            for line in stdout.into_iter().flat_map(|s| BufReader::new(s).lines()).map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let said = scope.spawn(move || {
            let mut text = Vec::new();
            if let Some(mut stderr) = stderr {
                // What was read until an error is still worth showing.
                let _ = stderr.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        let start = Instant::now();
        let mut built = 0;
        loop {
            match lines.recv_timeout(limit.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    if outcome.take(&line) {
                        built += 1;
                        progress(&format!("rustc: {built} programs built"));
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    outcome.timed_out = true;
                    kill(&mut child);
                    break;
                }
            }
        }
        let status = child.wait().map_err(|e| format!("cannot wait for cargo: {e}"))?;
        outcome.success = status.success();
        outcome.stderr = said.join().unwrap_or_default();
        Ok(())
    })?;
    Ok(outcome)
}

/// Ends cargo and the compilers that it started.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    {
        // It may have ended by itself just now.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
    }
    let _ = child.kill();
}

impl Outcome {
    /// Takes one of cargo's messages; whether it says that a program was built.
    fn take(&mut self, line: &str) -> bool {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return false };
        let target = message["target"]["name"].as_str().unwrap_or_default().to_owned();
        match message["reason"].as_str() {
            Some("compiler-artifact") => {
                if let Some(file) = message["executable"].as_str() {
                    self.executables.insert(target, file.into());
                    return true;
                }
            }
            Some("compiler-message") if message["message"]["level"].as_str() != Some("warning") => {
                let message = &message["message"];
                let text = message["rendered"].as_str().unwrap_or_default().trim().to_owned();
                let summary =
                    text.starts_with("error: aborting due to") || message["level"] == "failure-note";
                if message["level"].as_str().is_some_and(|l| l.starts_with("error")) && !summary {
                    let module = module_of(message).or_else(|| module_in(&text));
                    self.complaints.push(Complaint { program: target, module, text: shortened(&text) });
                }
            }
            _ => {}
        }
        false
    }
}

/// The module file that a message or one of its notes points to, through macro expansions.
fn module_of(message: &Value) -> Option<usize> {
    let spans = message["spans"].as_array().into_iter().flatten();
    let in_span = |mut span: &Value| {
        loop {
            if let Some(module) = span["file_name"].as_str().and_then(module_in) {
                return Some(module);
            }
            span = span.get("expansion").filter(|e| !e.is_null())?.get("span")?;
        }
    };
    let mut spans: Vec<&Value> = spans.collect();
    spans.sort_by_key(|s| s["is_primary"].as_bool() != Some(true));
    spans
        .into_iter()
        .find_map(in_span)
        .or_else(|| message["children"].as_array().into_iter().flatten().find_map(module_of))
}

/// The number in the first `/m<number>.rs` of a text.
fn module_in(text: &str) -> Option<usize> {
    text.match_indices(['/', '\\']).find_map(|(at, _)| {
        let rest = text[at + 1..].strip_prefix('m')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        if rest[digits..].starts_with(".rs") { rest[..digits].parse().ok() } else { None }
    })
}

/// A message without the middle of very long lines and without its end if that is long.
fn shortened(text: &str) -> String {
    const LINE: usize = 300;
    let mut out = String::new();
    for line in text.lines().take(40) {
        match line.char_indices().nth(LINE) {
            Some((end, _)) => out.push_str(&format!("{} …\n", &line[..end])),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out.trim_end().to_owned()
}

/// Deletes what cargo keeps of a program that was taken away.
pub(super) fn forget(target: &Path, program: &str) {
    let mut folders = vec![target.join("release"), target.join("release/deps")];
    if let Ok(triple) = std::env::var("CARGO_BUILD_TARGET") {
        folders.extend([target.join(&triple).join("release"), target.join(&triple).join("release/deps")]);
    }
    for folder in folders {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(program) {
                // A file that stays costs only space.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_attributed_to_module_files() {
        assert_eq!(module_in("src/bin/mabc/m17.rs"), Some(17));
        assert_eq!(module_in("error\n --> src/bin/m0a1/m3.rs:1:2"), Some(3));
        assert_eq!(module_in("src/bin/m12/main.rs"), None);
        let line = r#"{"reason":"compiler-message","target":{"name":"p"},"message":{"level":"error",
            "rendered":"error: bad\n --> /lib/x.rs","children":[],"spans":[{"is_primary":true,"file_name":"/lib/x.rs",
            "expansion":{"span":{"file_name":"src/bin/p/m4.rs","expansion":null}}}]}}"#;
        let mut outcome = Outcome::default();
        assert!(!outcome.take(line));
        assert_eq!(outcome.complaints[0].module, Some(4));
        assert!(outcome.take(r#"{"reason":"compiler-artifact","target":{"name":"q"},"executable":"/t/q"}"#));
        assert_eq!(outcome.executables["q"], Path::new("/t/q"));
    }
}
