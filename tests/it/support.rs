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

/// The exit code of a process that ended by itself.
pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().expect("the process ended by itself")
}

/// Every line of a text as JSON.
pub(crate) fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The codes behind `expects:` in a case file, sorted, and whether a known bug stands behind `bug:`.
pub(crate) fn expected_codes(text: &str) -> Option<(Vec<String>, bool)> {
    let line = text.lines().find_map(|line| line.split_once("expects:").map(|(_, codes)| codes))?;
    let (codes, bug) = line.split_once("bug:").map_or((line, false), |(codes, _)| (codes, true));
    let code = regex::Regex::new("[EW][0-9]{4}").unwrap();
    let mut codes: Vec<String> = code.find_iter(codes).map(|code| code.as_str().to_owned()).collect();
    codes.sort();
    Some((codes, bug))
}

/// A directory of one test's own, gone when the test ends.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// An empty directory; `name` is unique among the tests.
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    /// The path of a file in it, which may not be there.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is UTF-8").to_owned()
    }

    /// Writes a file and gives its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file of the test");
        path
    }

    /// The text of a file in it.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("a file of the test")
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
