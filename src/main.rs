//! The `lab` program: from arguments to a command to an exit code.

fn main() -> std::process::ExitCode {
    labfile::cli::main()
}
