//! The `solon` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    solon::cli::run(std::env::args_os())
}
