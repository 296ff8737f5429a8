//! The servers: how each is started where `benches/http/run` has put it, what its processes cost, and its end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The token that every server takes, or does not look at.
pub(crate) const TOKEN: &str = "the-token-of-the-bench";

/// What a server is written in, which decides what we are to be beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    /// JavaScript, or Python.
    Script,
    Rust,
}

/// A server that can be started.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Where its SCIM begins.
    pub(crate) root: String,
    program: PathBuf,
    /// Behind the program; `PORT` and `DATA` are put in.
    arguments: Vec<String>,
    folder: PathBuf,
    /// What is to be known when its figures are read.
    pub(crate) note: &'static str,
}

impl Server {
    /// Ours, as operators run it, without limits on the rate.
    pub(crate) fn ours(program: PathBuf) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:PORT", "--data", "DATA"].map(str::to_owned).to_vec();
        let (name, root) = ("provisor".to_owned(), "/scim/default/v2".to_owned());
        let note = "durable: a write is answered after its fdatasync; versions, a log and an outbox; tokens as hashes";
        Self { name, kind: Kind::Ours, root, program, arguments, folder: PathBuf::from("."), note }
    }

    /// SCIMMY behind express, with a host of ours.
    pub(crate) fn scimmy(prepared: &Path, hosts: &Path) -> Self {
        let arguments = vec![hosts.join("scimmy.mjs").display().to_string(), "PORT".to_owned()];
        let (name, root, program) = ("scimmy".to_owned(), "/scim/v2".to_owned(), PathBuf::from("node"));
        let note = "JavaScript, in memory; maps by id and name, and pages, are of a host of ours";
        Self { name, kind: Kind::Script, root, program, arguments, folder: prepared.join("scimmy"), note }
    }

    /// scim2-server under uvicorn.
    pub(crate) fn scim2(prepared: &Path, hosts: &Path) -> Self {
        let arguments = vec![hosts.join("scim2.py").display().to_string(), "PORT".to_owned()];
        let (name, root, folder) = ("scim2-server".to_owned(), "/v2".to_owned(), prepared.join("scim2"));
        let note = "Python, in memory, under uvicorn with uvloop";
        Self { name, kind: Kind::Script, root, program: folder.join("bin/python"), arguments, folder, note }
    }

    /// A program that somebody has: `NAME,KIND,ROOT,PROGRAM`, which is given the port as its only argument.
    pub(crate) fn also(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.splitn(4, ',').collect();
        let [name, kind, root, program] = parts[..] else {
            return Err(format!("{text}: not NAME,KIND,ROOT,PROGRAM, as in other,rust,/scim/v2,/opt/other/start"));
        };
        let kind = match kind {
            "script" => Kind::Script,
            "rust" => Kind::Rust,
            _ => return Err(format!("{kind}: the kinds are script and rust")),
        };
        let (name, root, program) = (name.to_owned(), root.to_owned(), PathBuf::from(program));
        let (arguments, folder) = (vec!["PORT".to_owned()], PathBuf::from("."));
        Ok(Self { name, kind, root, program, arguments, folder, note: "as its program starts it" })
    }

    /// Whether its folder is there; the run tells why it could not be prepared.
    pub(crate) fn prepared(&self) -> bool {
        self.folder.is_dir()
    }

    /// Starts it, and waits until it accepts connections.
    pub(crate) fn start(&self, scratch: &Path) -> Result<Running, String> {
        let told = |what: &str, error: std::io::Error| format!("{}: {what}: {error}", self.name);
        fs::create_dir_all(scratch).map_err(|error| told("scratch", error))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| told("no port", error))?;
        let address = listener.local_addr().map_err(|error| told("no port", error))?;
        drop(listener);
        let data = scratch.join(format!("data-{}", std::process::id()));
        drop(fs::remove_dir_all(&data));
        let arguments = self.arguments.iter().map(|argument| {
            argument.replace("PORT", &address.port().to_string()).replace("DATA", &data.display().to_string())
        });
        let log = scratch.join(format!("{}.log", self.name));
        let file = File::create(&log).map_err(|error| told("log", error))?;
        let again = file.try_clone().map_err(|error| told("log", error))?;
        let child = Command::new(&self.program)
            .args(arguments)
            .current_dir(&self.folder)
            .env("BENCH_TOKEN", TOKEN)
            .env("NODE_ENV", "production")
            .env("PROVISOR_SCIM_TOKEN", TOKEN)
            .env("PROVISOR_ADMIN_TOKEN", "the-admin-of-the-bench")
            .env("PROVISOR_LIMITS_RATE", "1000000")
            .env("PROVISOR_LIMITS_BURST", "1000000")
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .spawn()
            .map_err(|error| told(&self.program.display().to_string(), error))?;
        let mut running = Running { child, address, data };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(format!("{} ended at its start ({status}); see {}", self.name, log.display()));
            }
            if begun.elapsed() > Duration::from_secs(60) {
                return Err(format!("{} did not listen within 60 s; see {}", self.name, log.display()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }
}

/// A process, which ends with this.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    data: PathBuf,
}

impl Running {
    /// Microseconds of processor that it and its children have had. Linux counts them in hundredths of a second.
    pub(crate) fn worked(&self) -> f64 {
        self.family().values().map(Process::worked).sum()
    }

    /// MiB resident, it and its children together, in pages of 4 KiB.
    pub(crate) fn resident(&self) -> u64 {
        self.family().values().map(|process| process.pages).sum::<u64>() * 4 / 1024
    }

    fn family(&self) -> BTreeMap<u32, Process> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            all.insert(id, Process::of(&entry.path()));
        }
        let mut family = BTreeMap::new();
        let mut next = vec![self.child.id()];
        while let Some(id) = next.pop() {
            next.extend(all.iter().filter(|(_, process)| process.parent == id).map(|(child, _)| *child));
            if let Some(process) = all.get(&id) {
                family.insert(id, *process);
            }
        }
        family
    }
}

/// What `/proc` says of a process.
#[derive(Clone, Copy)]
struct Process {
    parent: u32,
    ticks: u64,
    pages: u64,
}

impl Process {
    fn of(folder: &Path) -> Self {
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        // Behind the name of the program, which may have blanks in it.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        // Of the process and of its children that ended: user and system time.
        Self { parent: number(1) as u32, ticks: (11..15).map(number).sum(), pages: number(21) }
    }

    fn worked(&self) -> f64 {
        self.ticks as f64 * 1e4
    }
}

/// Microseconds of processor that the driver itself has had, and the servers that it has ended.
pub(crate) fn drove() -> f64 {
    Process::of(Path::new("/proc/self")).worked()
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.data));
    }
}
