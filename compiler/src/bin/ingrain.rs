//! The command `ingrain`.

fn main() -> std::process::ExitCode {
    ingrain_compiler::cli::main()
}
