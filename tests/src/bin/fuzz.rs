//! Feeds random models to the compiler for a while and tells what went wrong: panics, crashes, hangs.
//!
//! ```text
//! fuzz [--seconds N] [--seed S] [--only ITERATION] [--save DIR] [--seeds DIR]
//! ```
//! The models are compiled in a child process with bounded memory, so that a crash or a hang is one finding among
//! others. Every finding is shown with the iteration that repeats it; `--only` writes that model to `DIR` and compiles
//! it in this process; `--seeds` writes the unchanged seeds to `DIR`, for other fuzzers. Exits with 1 if anything was
//! found.

use cap::Cap;
use clap::Parser;
use ingrain_compiler::diag::Code;
use ingrain_tests::fuzz;
use prost::Message;
use std::alloc::System;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

/// A small model must not need more.
const MAX_MEMORY: usize = 2 << 30;
/// A small model must not take longer.
const MAX_TIME: Duration = Duration::from_secs(20);

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, MAX_MEMORY);

/// Feeds random models to the compiler for a while.
#[derive(Parser)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Which models; a run with the same seed sees the same ones.
    #[arg(long)]
    seed: Option<u64>,
    /// Compiles only the model of this iteration, in this process, and shows what comes of it.
    #[arg(long, requires = "seed")]
    only: Option<u64>,
    /// Where that model is written to.
    #[arg(long, default_value = "target/fuzz")]
    save: PathBuf,
    /// Writes the unchanged seeds to this folder, for other fuzzers.
    #[arg(long)]
    seeds: Option<PathBuf>,
    /// Set in the child process: its first iteration.
    #[arg(long, hide = true)]
    from: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = arguments.seed.unwrap_or_else(|| now.map_or(1, |d| u64::from(d.subsec_micros())));
    if let Some(folder) = &arguments.seeds {
        return match write_seeds(folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{}: {why}", folder.display());
                ExitCode::from(2)
            }
        };
    }
    match (arguments.only, arguments.from) {
        (Some(iteration), _) => one(&arguments.save, seed, iteration),
        (None, Some(from)) => child(seed, from),
        (None, None) => supervise(seed, Duration::from_secs(arguments.seconds)),
    }
}

fn write_seeds(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (i, seed) in fuzz::seeds().iter().enumerate() {
        std::fs::write(folder.join(format!("seed{i}.onnx")), seed.encode_to_vec())?;
    }
    Ok(())
}

/// Compiles one model in this process and shows what comes of it.
fn one(save: &Path, seed: u64, iteration: u64) -> ExitCode {
    let model = fuzz::model(&fuzz::seeds(), seed, iteration);
    let path = save.join(format!("{seed}-{iteration}.onnx"));
    match std::fs::create_dir_all(save).and_then(|()| std::fs::write(&path, &model)) {
        Ok(()) => println!("{}", path.display()),
        Err(why) => eprintln!("{}: {why}", path.display()),
    }
    match fuzz::compile(model) {
        Ok(artifact) => println!("compiled, {} bytes of weights", artifact.blob.len()),
        Err(diagnostics) => println!("{diagnostics}"),
    }
    ExitCode::SUCCESS
}

/// Compiles one model after another, telling the parent what happens: `I iteration`, `P what went wrong`, `C` for a
/// model that compiled.
fn child(seed: u64, from: u64) -> ExitCode {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        let text = info.payload_as_str().unwrap_or("").lines().next().unwrap_or("").to_owned();
        println!("P panic at {place}: {text}");
    }));
    let seeds = fuzz::seeds();
    for iteration in from.. {
        println!("I {iteration}");
        let model = fuzz::model(&seeds, seed, iteration);
        match panic::catch_unwind(|| fuzz::compile(model)) {
            Ok(Ok(_)) => println!("C"),
            Ok(Err(diagnostics)) => {
                for defect in diagnostics.iter().filter(|d| d.code == Code::Internal) {
                    println!("P defect: {}", defect.message.replace('\n', " "));
                }
            }
            // The hook has told it.
            Err(_) => {}
        }
    }
    ExitCode::SUCCESS
}

fn supervise(seed: u64, time: Duration) -> ExitCode {
    println!("seed {seed}");
    let end = Instant::now() + time;
    let mut findings: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    let mut note = |what: String, iteration| {
        let entry = findings.entry(what.clone()).or_insert((0, iteration));
        entry.0 += 1;
        if entry.0 == 1 {
            println!("{what}\n    repeat with --seed {seed} --only {iteration}");
        }
    };
    let (mut next, mut compiled) = (0, 0_u64);
    while Instant::now() < end {
        match watch(seed, &mut next, end, &mut compiled, &mut note) {
            Ok(()) => {}
            Err(why) => {
                eprintln!("the child process cannot be started: {why}");
                return ExitCode::from(2);
            }
        }
    }
    println!("\n{next} models, {compiled} of them compiled");
    for (what, (count, first)) in &findings {
        println!("{count:6} x {what} (first: {first})");
    }
    println!("{} findings", findings.len());
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a child from iteration `next` on until it ends, hangs, or the time is over.
fn watch(
    seed: u64,
    next: &mut u64,
    end: Instant,
    compiled: &mut u64,
    note: &mut impl FnMut(String, u64),
) -> std::io::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--seed", &seed.to_string(), "--from", &next.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let Some(output) = child.stdout.take() else { return Ok(()) };
    let (send, lines) = channel();
    let reader = std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).all(|line| send.send(line).is_ok())
    });
    let mut iteration = *next;
    loop {
        match lines.recv_timeout(MAX_TIME) {
            Ok(line) => match line.split_once(' ') {
                Some(("I", number)) => {
                    iteration = number.parse().unwrap_or(iteration);
                    *next = iteration + 1;
                    if Instant::now() > end {
                        break;
                    }
                }
                Some(("P", what)) => note(without_numbers(what), iteration),
                _ if line == "C" => *compiled += 1,
                _ => {}
            },
            Err(RecvTimeoutError::Timeout) => {
                note(format!("no end within {} s", MAX_TIME.as_secs()), iteration);
                break;
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait()?;
                note(format!("the process died: {status}"), iteration);
                break;
            }
        }
    }
    stop(&mut child);
    drop(lines);
    let _ = reader.join();
    std::io::stdout().flush()
}

/// The text with one `#` for each list of numbers, so that one defect is one finding.
fn without_numbers(text: &str) -> String {
    let mut short = String::new();
    for c in text.chars() {
        if !c.is_ascii_digit() {
            short.push(c);
        } else if !short.ends_with(['#', ':']) {
            short.push('#');
        } else if short.ends_with(':') {
            // Lines of source say which panic it is.
            short.push(c);
        }
    }
    short
}

fn stop(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}
