//! One table of 1 GB, compiled, run, and run by onnxruntime beside it: memory, start-up and bandwidth, and whether they
//! are what they must be.
//!
//! ```text
//! cargo run --release -p ingrain-tests --bin full_size [-- --vocabulary N --width N --rounds N --folder DIR]
//! ```
//! Needs 7 GB of disk and 6 GB of memory for the full size, most of it for the linker; onnxruntime is measured if
//! `python3` has it. Ends with status 1 if a bound is missed. A small `--vocabulary` tries out the program itself: what
//! fits into a cache says nothing of bandwidth.

use clap::Parser;
use ingrain_tests::full_size::{self, Settings};
use std::path::PathBuf;
use std::process::ExitCode;

/// One table of 1 GB, compiled, run, and run by onnxruntime beside it.
#[derive(Parser)]
struct Arguments {
    /// Rows of the table.
    #[arg(long, default_value_t = 256_000)]
    vocabulary: usize,
    /// Columns of the table.
    #[arg(long, default_value_t = 1024)]
    width: usize,
    /// How often everything is timed.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Where models and programs are written.
    #[arg(long, default_value = "target/full-size")]
    folder: PathBuf,
    /// Set in the child process that compiles these models.
    #[arg(long, hide = true, num_args = 1.., value_name = "MODEL")]
    compile: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Arguments { vocabulary, width, rounds, folder, compile } = arguments;
    let settings = Settings { vocabulary, width, rounds, folder };
    let done = match compile.as_slice() {
        [] => full_size::run(&settings),
        models => full_size::compile(&settings, models).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}
