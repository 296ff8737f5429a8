//! The program itself, as operators run it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::{Client, TOKEN, request};

/// The tokens of the bench, and no limit on the rate.
pub(crate) const UNBOUNDED: [(&str, &str); 4] = [
    ("PROVISOR_SCIM_TOKEN", TOKEN),
    ("PROVISOR_ADMIN_TOKEN", "the-admin-of-the-bench"),
    ("PROVISOR_LIMITS_RATE", "1000000"),
    ("PROVISOR_LIMITS_BURST", "1000000"),
];

/// Starts `provisor serve` over a data directory; gives it, what it prints after its greeting, and its port. It is the caller's to stop.
pub(crate) fn spawn(data: &Path, variables: &[(&str, &str)]) -> (Child, BufReader<ChildStdout>, u16) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_provisor"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut greeting, mut out) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
    while !greeting.contains("SCIM endpoint:") {
        assert!(out.read_line(&mut greeting).unwrap() > 0, "the server ended: {greeting}");
    }
    let at = greeting.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
    let port = greeting[at..].split('/').next().unwrap().parse().unwrap();
    (child, out, port)
}

/// A process.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
}

impl Process {
    /// Starts it; says how long it took until the first answer.
    pub(crate) fn start(data: &Path) -> (Self, Duration) {
        let begun = Instant::now();
        let (child, _, port) = spawn(data, &UNBOUNDED);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async {
            Client::connect(port).await.send(&request("GET", "/scim/default/v2/Users?count=1", "")).await.0
        });
        assert_eq!(status, 200);
        (Self { child, port }, begun.elapsed())
    }

    /// Resident memory in MiB, now and at its highest.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let read = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default() / 1024
        };
        (read("VmRSS:"), read("VmHWM:"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn disk(path: &Path) -> u64 {
    let mut size = 0;
    let mut left: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            let data = entry.metadata().unwrap();
            if data.is_dir() { left.push(entry.path()) } else { size += data.len() }
        }
    }
    size >> 20
}
