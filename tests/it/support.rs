//! What the tests share: running the binary, finding files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The test data that stands beside the repository on the project's own machines; absent elsewhere.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(path);
    path.exists().then_some(path)
}

/// The binary under test.
pub(crate) fn provisor() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisor"));
    command.current_dir(root()).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    command
}

/// Runs the binary with this on its standard input.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = provisor()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let input = input.to_vec();
    // Written beside the reading: a large input and a large output would wait for each other.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the binary ends");
    // A binary that stops early closes the pipe; that is its right.
    let _ = writer.join();
    output
}

/// What a process wrote to standard output, as text.
pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("standard output is UTF-8")
}

/// What a process wrote to standard error, as text.
pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("standard error is UTF-8")
}
