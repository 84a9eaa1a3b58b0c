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
mod options;
mod run;
mod subject;
mod terminal;
mod test;

use clap::{Parser, Subcommand};
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
