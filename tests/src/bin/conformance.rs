//! `cargo run --release -p ingrain-tests --bin conformance [-- --filter TEXT] [--json FILE]`: the official ONNX test
//! vectors, each through the compiler, rustc and a process of its own.
//!
//! The last line is `N passed, M failed`; everything that is unsupported or skipped counts as failed. The exit status is 0
//! if the run itself went well, whatever passed: the numbers are the result.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ingrain_compiler::harness::{Cache, Profile, Settings, runtime, suite};
use ingrain_tests::conformance::{cases, table, wheel};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Run the official ONNX test vectors
#[derive(Parser)]
struct Args {
    /// Only cases whose name or operator contains this; may be given several times
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,
    /// Write everything to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// List every failure
    #[arg(short, long)]
    verbose: bool,
}

const SETTINGS: Settings = Settings {
    profile: Profile::Quick,
    compile_limit: Duration::from_secs(120),
    run_limit: Duration::from_secs(60),
};

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let tree = runtime::source_tree().ok_or("the source tree that this was built from is gone")?;
    let target = tree.join("target");
    let data = wheel::data(&target)?;
    let scratch = target.join(format!("onnx-{}", wheel::VERSION));
    let mut official = cases::find(&data, &scratch)?;
    if official.len() != cases::COUNT {
        let (found, expected) = (official.len(), cases::COUNT);
        return Err(format!(
            "{found} cases instead of {expected}: delete {} and try again",
            scratch.display()
        ));
    }
    if !args.filter.is_empty() {
        official.retain(|o| args.filter.iter().any(|f| o.case.name.contains(f) || o.operator == *f));
        if official.is_empty() {
            return Err(format!("no case's name contains \"{}\"", args.filter.join("\" or \"")));
        }
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    let list: Vec<_> = official.iter().map(|o| o.case.clone()).collect();
    let outcomes = suite::run(&Cache::open()?, &list, SETTINGS, &|text| bar.set_message(text.to_owned()));
    bar.finish_and_clear();
    let outcomes = outcomes?;
    if let Some(file) = &args.json {
        let json = table::to_json(&official, &outcomes).to_string();
        std::fs::write(file, json).map_err(|e| format!("cannot write {}: {e}", file.display()))?;
    }
    table::print(&official, &outcomes, args.verbose);
    Ok(())
}
