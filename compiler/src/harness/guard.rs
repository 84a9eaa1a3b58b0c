//! Compiling one model file in a thread of its own, so that a panic or a hang costs only that model.

use crate::artifact::{Blob, source_text};
use crate::diag::{Code, Diagnostics};
use crate::options::Options;
use crate::report::Report;
use crate::tracked;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Once, mpsc};
use std::time::{Duration, Instant};

/// Stack of a compiling thread. Deep graphs recurse deeply; the memory is only touched where it is used.
const STACK_BYTES: usize = 512 << 20;

/// A compiled model, in a form that can leave its thread.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The module's items as Rust source.
    pub source: String,
    /// The module's documentation.
    pub doc: String,
    /// The weights.
    pub blob: Blob,
    /// Facts.
    pub report: Report,
    /// The external data files that were read.
    pub external: Vec<PathBuf>,
    /// How long the compiler took.
    pub time: Duration,
}

/// Why a model was not compiled.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The file cannot be read.
    Unreadable(String),
    /// The compiler told what is wrong.
    Diagnosed(Diagnostics),
    /// The compiler panicked, which is a defect of it.
    Panicked(String),
    /// The compiler did not finish in this time.
    TimedOut(Duration),
}

impl Refusal {
    /// Whether the model is sound but asks for what the compiler does not have.
    pub fn is_unsupported(&self) -> bool {
        const CODES: [Code; 5] = [
            Code::UnsupportedOperator,
            Code::UnsupportedForm,
            Code::UnsupportedType,
            Code::NotConstant,
            Code::UnboundDim,
        ];
        match self {
            Refusal::Diagnosed(diagnostics) => {
                !diagnostics.is_empty() && diagnostics.iter().all(|d| CODES.contains(&d.code))
            }
            _ => false,
        }
    }

    /// One line that says why.
    pub fn summary(&self) -> String {
        match self {
            Refusal::Diagnosed(diagnostics) => {
                let Some(first) = diagnostics.iter().next() else { return "refused".to_owned() };
                let more = diagnostics.iter().count() - 1;
                let at = first.origin.as_ref().map(|o| format!(" (node {} \"{}\")", o.index, o.name));
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("E{:03} {}{}{more}", first.code as u32, first.message, at.unwrap_or_default())
            }
            other => other.to_string().lines().next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unreadable(why) => f.write_str(why),
            Refusal::Diagnosed(diagnostics) => diagnostics.fmt(f),
            Refusal::Panicked(what) => write!(f, "the compiler has a defect and panicked: {what}"),
            Refusal::TimedOut(limit) => write!(f, "the compiler did not finish in {} s", limit.as_secs()),
        }
    }
}

/// Compiles the model file `path` as a module called `model`.
///
/// # Errors
/// Why it was not compiled.
pub fn compile_file(path: &Path, options: &Options, limit: Duration) -> Result<Compiled, Refusal> {
    let (path, options) = (path.to_path_buf(), options.clone());
    run_guarded(limit, move || compile_here(&path, &options)).and_then(|result| result)
}

/// Runs `work` in a thread with a large stack.
///
/// # Errors
/// If it panics or does not finish in time; then the thread is left behind.
pub fn run_guarded<R: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Refusal> {
    remember_panics();
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        GUARDED.with(|g| *g.borrow_mut() = Some(String::new()));
        let result = catch_unwind(AssertUnwindSafe(work));
        let said = GUARDED.with(|g| g.borrow_mut().take()).unwrap_or_default();
        // The receiver is gone if this came too late.
        let _ = sender.send(result.map_err(|_| Refusal::Panicked(said)));
    });
    if let Err(e) = thread {
        return Err(Refusal::Unreadable(format!("cannot start a thread: {e}")));
    }
    match receiver.recv_timeout(limit) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Refusal::TimedOut(limit)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Refusal::Panicked("its thread is gone".to_owned())),
    }
}

thread_local! {
    /// In a guarded thread: what its panic said.
    static GUARDED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on panics of guarded threads are remembered instead of printed.
fn remember_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let guarded = GUARDED.with(|g| match g.try_borrow_mut() {
                Ok(mut said) if said.is_some() => {
                    let payload = info.payload_as_str().unwrap_or("(no message)");
                    let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line()));
                    *said = Some(format!("{payload}{}", place.unwrap_or_default()));
                    true
                }
                _ => false,
            });
            if !guarded {
                usual(info);
            }
        }));
    });
}

fn compile_here(path: &Path, options: &Options) -> Result<Compiled, Refusal> {
    let (source, files) = tracked::open("model", path)
        .map_err(|e| Refusal::Unreadable(format!("cannot read {}: {e}", path.display())))?;
    let start = Instant::now();
    let artifact = crate::compile(&[(source, options.clone())]).map_err(Refusal::Diagnosed)?;
    let time = start.elapsed();
    let Some(module) = artifact.modules.into_iter().next() else {
        return Err(Refusal::Panicked("no module came out".to_owned()));
    };
    let source = source_text(module.items)
        .map_err(|error| Refusal::Panicked(format!("the generated code is malformed: {error}")))?;
    Ok(Compiled {
        source,
        doc: module.doc,
        blob: artifact.blob,
        report: module.report,
        external: files.external(),
        time,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_hangs_are_refusals() {
        let limit = Duration::from_secs(60);
        assert!(matches!(run_guarded(limit, || 7), Ok(7)));
        let panicked = run_guarded(limit, || panic!("a {} message", 1)).map(|()| 0);
        assert!(matches!(panicked, Err(Refusal::Panicked(text)) if text.starts_with("a 1 message (")));
        let slow = run_guarded(Duration::from_millis(5), || std::thread::sleep(Duration::from_secs(5)));
        assert!(matches!(slow, Err(Refusal::TimedOut(_))));
    }

    #[test]
    fn a_missing_file_is_told() {
        let refused =
            compile_file(Path::new("/nonexistent.onnx"), &Options::default(), Duration::from_secs(60));
        assert!(refused.unwrap_err().summary().contains("/nonexistent.onnx"));
    }
}
