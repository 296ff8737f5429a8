//! Whole processes, JSONL on stdin and JSONL on stdout: the `provisor` binary, and this bench as a floor.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{typed, value};

/// The option by which the bench starts itself as a floor.
pub(crate) const FLOOR: &str = "--floor";
const MAPPING_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/workload/mapping.toml");

/// What is run.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    /// This bench as one of its floors.
    Floor(&'static str),
    /// `provisor map` with so many jobs.
    Provisor { jobs: usize },
}

/// Files of the run, gone when it is over. They lie in memory where the machine has a place for that.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> io::Result<Self> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
        let directory = parent.join(format!("provisor-bench-{}", process::id()));
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes `text` as many times as asked for.
    pub(crate) fn write(&self, name: &str, text: &str, times: usize) -> io::Result<PathBuf> {
        let path = self.path(name);
        let mut file = File::create(&path)?;
        for _ in 0..times {
            file.write_all(text.as_bytes())?;
        }
        Ok(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(program: Program, input: &Path, output: &Path) -> io::Result<Child> {
    let mut command = match program {
        Program::Floor(name) => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args([FLOOR, name]);
            command
        }
        Program::Provisor { jobs } => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_provisor"));
            command.args(["map", MAPPING_FILE, "--jobs", &jobs.to_string()]);
            command
        }
    };
    command.stdin(File::open(input)?).stdout(File::create(output)?).stderr(Stdio::piped()).spawn()
}

/// Fails with what the process said.
fn finish(mut child: Child) -> io::Result<()> {
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{status}\n{said}"))) }
}

/// Runs the program as often as asked for, all at once, and gives the seconds until the last is done.
pub(crate) fn seconds(program: Program, at_once: usize, input: &Path, directory: &Directory) -> io::Result<f64> {
    let outputs: Vec<PathBuf> = (0..at_once).map(|number| directory.path(&format!("out-{number}.jsonl"))).collect();
    // To empty the file of the run before takes the system 20 ms, which is not the program's time.
    for output in outputs.iter().filter(|output| output.exists()) {
        fs::remove_file(output)?;
    }
    let begin = Instant::now();
    let children = outputs.iter().map(|output| start(program, input, output)).collect::<io::Result<Vec<_>>>()?;
    children.into_iter().try_for_each(finish)?;
    Ok(begin.elapsed().as_secs_f64())
}

/// What the program writes for the input.
pub(crate) fn output(program: Program, input: &Path, directory: &Directory) -> io::Result<String> {
    let path = directory.path("output.jsonl");
    finish(start(program, input, &path)?)?;
    fs::read_to_string(path)
}

/// The most memory the program holds at any time (its `VmHWM`), in MiB; `None` where there is no `/proc`.
pub(crate) fn peak_memory(program: Program, input: &Path) -> io::Result<Option<f64>> {
    let mut child = start(program, input, Path::new("/dev/null"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    while child.try_wait()?.is_none() {
        // The mark only rises, and it is gone with the process: the last look is the peak.
        let seen = fs::read_to_string(&status).ok();
        let kibibytes = seen.as_deref().and_then(|text| {
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok())
        });
        peak = kibibytes.map(|kibibytes| kibibytes / 1024.0).or(peak);
        thread::sleep(Duration::from_millis(2));
    }
    finish(child)?;
    Ok(peak)
}

/// Processor seconds of all children so far, in user and kernel mode; `None` where there is no `/proc`.
pub(crate) fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Fields are counted behind the name, which may hold blanks: cutime and cstime, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(13)? + ticks(14)?) / 100.0)
}

/// Being a floor: stdin to stdout, a line at a time.
pub(crate) fn be_floor(name: &str) -> io::Result<()> {
    let jsonl = match name {
        "typed" => typed::jsonl,
        "value" => value::jsonl,
        _ => return Err(io::Error::other(format!("there is no floor {name}"))),
    };
    let mut input = BufReader::with_capacity(1 << 18, io::stdin().lock());
    let mut output = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    let (mut line, mut payload) = (Vec::new(), Vec::new());
    while input.read_until(b'\n', &mut line)? > 0 {
        jsonl(&line, &mut payload);
        output.write_all(&payload)?;
        line.clear();
        payload.clear();
    }
    output.flush()
}
