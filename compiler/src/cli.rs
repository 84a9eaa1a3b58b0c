//! The command line: `ingrain compile | inspect | run | test | bench`.
//!
//! Results go to the standard output, progress and errors to the standard error. The exit status is 0 if all is well, 1
//! if a model is refused, fails or is wrong, and 2 if the command itself cannot be carried out.

/// As in std, but a closed pipe ends the command instead of panicking. In scope in all modules below.
macro_rules! print {
    ($($text:tt)*) => { $crate::cli::terminal::result(format_args!($($text)*)) };
}

/// As in std, but a closed pipe ends the command instead of panicking.
macro_rules! println {
    () => { print!("\n") };
    ($format:literal $($rest:tt)*) => { print!("{}\n", format_args!($format $($rest)*)) };
}

mod bench;
mod compile;
mod constants;
mod facts;
mod inspect;
mod run;
mod subject;
mod terminal;
mod test;

use crate::harness::Interface;
use crate::harness::bind::Dims;
use crate::options::{DimBinding, Optimize, Options, WeightsIn};
use clap::{Parser, Subcommand};
use std::path::Path;
use std::process::ExitCode;

/// Ahead-of-time compiler from ONNX to specialised Rust.
#[derive(Parser)]
#[command(name = "ingrain", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Compile(compile::Args),
    Inspect(inspect::Args),
    Run(run::Args),
    Test(test::Args),
    Bench(bench::Args),
}

/// Why a command ends early: the exit status and what to tell.
struct Stop {
    status: u8,
    message: String,
}

impl Stop {
    /// A model is refused.
    fn refused(message: impl Into<String>) -> Stop {
        Stop { status: 1, message: message.into() }
    }
}

impl From<String> for Stop {
    /// The command cannot be carried out.
    fn from(message: String) -> Stop {
        Stop { status: 2, message }
    }
}

/// Does what the process's arguments say.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Compile(args) => compile::main(&args),
        Command::Inspect(args) => inspect::main(&args),
        Command::Run(args) => run::main(&args),
        Command::Test(args) => test::main(&args),
        Command::Bench(args) => bench::main(&args),
    };
    match outcome {
        Ok(status) => status,
        Err(stop) => {
            terminal::complain(&stop.message);
            ExitCode::from(stop.status)
        }
    }
}

/// Bindings of symbolic dimensions on the command line.
#[derive(clap::Args, Clone)]
struct DimArgs {
    /// The size of a symbolic dimension (`batch=1`) or its range (`seq=1..=512`). May be given several times
    #[arg(long = "dim", value_name = "NAME=VALUE|LO..=HI", value_parser = parse_dim)]
    dims: Vec<(String, DimBinding)>,
}

impl DimArgs {
    fn get(&self) -> Dims {
        self.dims.iter().cloned().collect()
    }
}

/// What the user chooses for a model beside its dimensions.
#[derive(clap::Args, Clone)]
struct ChoiceArgs {
    /// What matters where size and speed are at odds: `speed` may store weights in a second layout
    #[arg(long, value_name = "size|speed", default_value = "size", value_parser = parse_optimize)]
    optimize: Optimize,
    /// How weights come into the program: as part of it, or in a file that it maps
    #[arg(long, value_name = "program|file", default_value = "program", value_parser = parse_weights)]
    weights: WeightsIn,
    /// Keep an output as an input of the next run (`hn=h0`, or `'present.*=past_key_values.*'`). May be given several
    /// times
    #[arg(long = "state", value_name = "OUTPUT=INPUT", value_parser = parse_state)]
    state: Vec<(String, String)>,
    /// Initializers that the program may replace at run time; `*` stands for any text. May be given several times
    #[arg(long, value_name = "PATTERN")]
    overridable: Vec<String>,
}

impl ChoiceArgs {
    /// The options of a model that the state `state` concerns.
    fn options(&self, dims: Dims, state: Vec<(String, String)>, dump_after: &[String]) -> Options {
        Options {
            dims,
            state,
            optimize: self.optimize,
            weights: self.weights,
            overridable: self.overridable.clone(),
            dump_after: dump_after.to_vec(),
            ..Options::default()
        }
    }

    /// The pairs that concern a model: those of its own outputs, and those of no model's, which the compiler will
    /// complain of.
    fn state_of_each(&self, models: &[&Path]) -> Vec<Vec<(String, String)>> {
        // A file that cannot be read is told by whoever compiles it.
        let interfaces: Vec<Interface> =
            models.iter().map(|model| Interface::open(model).unwrap_or_default()).collect();
        let has = |interface: &Interface, output: &str| {
            interface.outputs.iter().any(|declared| crate::state::is_named(&declared.name, output))
        };
        let of_none = |output: &str| !interfaces.iter().any(|interface| has(interface, output));
        let concerns = |interface: &Interface| {
            let own = |(output, _): &&(String, String)| has(interface, output) || of_none(output);
            self.state.iter().filter(own).cloned().collect()
        };
        interfaces.iter().map(concerns).collect()
    }
}

fn parse_optimize(text: &str) -> Result<Optimize, String> {
    match text {
        "size" => Ok(Optimize::Size),
        "speed" => Ok(Optimize::Speed),
        _ => Err(format!("\"{text}\" is neither size nor speed")),
    }
}

fn parse_weights(text: &str) -> Result<WeightsIn, String> {
    match text {
        "program" => Ok(WeightsIn::Program),
        "file" => Ok(WeightsIn::File),
        _ => Err(format!("\"{text}\" is neither program nor file")),
    }
}

fn parse_state(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((output, input)) if !output.is_empty() && !input.is_empty() => {
            Ok((output.to_owned(), input.to_owned()))
        }
        _ => Err(format!("\"{text}\" is not OUTPUT=INPUT")),
    }
}

fn parse_dim(text: &str) -> Result<(String, DimBinding), String> {
    let wrong = || format!("\"{text}\" is neither NAME=VALUE nor NAME=LO..=HI");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let size = |text: &str| text.trim().parse::<i64>().ok().filter(|&v| v >= 0);
    let binding = match value.split_once("..=") {
        Some((lo, hi)) => {
            let (lo, hi) = (size(lo).ok_or_else(wrong)?, size(hi).ok_or_else(wrong)?);
            if lo > hi {
                return Err(format!("the range {value} of {name} is empty"));
            }
            DimBinding::Range(lo, hi)
        }
        None => DimBinding::Fixed(size(value).ok_or_else(wrong)?),
    };
    if name.is_empty() { Err(wrong()) } else { Ok((name.to_owned(), binding)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn state_is_pairs_of_names() {
        assert_eq!(parse_state("present.*=past.*"), Ok(("present.*".to_owned(), "past.*".to_owned())));
        for bad in ["present", "=past", "present="] {
            assert!(parse_state(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dims_are_values_or_ranges() {
        assert_eq!(parse_dim("batch=1"), Ok(("batch".to_owned(), DimBinding::Fixed(1))));
        assert_eq!(parse_dim("seq=1..=512"), Ok(("seq".to_owned(), DimBinding::Range(1, 512))));
        for bad in ["batch", "=1", "n=", "n=x", "n=-1", "n=3..=2", "n=1..4", "n=..=4"] {
            assert!(parse_dim(bad).is_err(), "{bad}");
        }
    }
}
