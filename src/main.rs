//! The `provisor` binary: the command line of the library.

use std::process::ExitCode;

/// Many small texts come and go on several threads, which the system's allocator is slower for. Without huge pages (`no_thp`): with
/// them a server that has nothing to do holds 70 MiB instead of 22.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    provisor::cli::run(std::env::args_os())
}
