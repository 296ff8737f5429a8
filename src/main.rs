//! The `provisor` binary: the command line of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    provisor::cli::run(std::env::args_os())
}
