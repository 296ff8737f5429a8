//! The `provisor` binary: the command line of the library.

use std::process::ExitCode;

/// Many small texts come and go on several threads: the system's allocator takes a tenth more time for the same requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    provisor::cli::run(std::env::args_os())
}
