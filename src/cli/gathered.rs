//! Lines of the log on their way to standard error: those of a moment are written at once together, by a thread. To write each by
//! itself is a tenth of the work of a read that is answered from memory.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait. An operator who looks on does not see it.
const MOMENT: Duration = Duration::from_millis(20);
/// Bytes of lines that may wait; who has more writes them, and waits for whoever reads them.
const MOST: usize = 1 << 20;

/// Lines that are not written yet.
#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Whether each line is written when it comes, because no thread does it.
    at_once: bool,
}

/// What the thread and those who have lines share.
#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    some: Condvar,
    /// Held by whoever takes lines until they are written, so that they are in their order. Taken before `waiting`.
    writing: Mutex<()>,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Lines are whole after each change, whoever panicked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], is_urgent: bool) {
        let mut waiting = self.waiting();
        if waiting.lines.is_empty() {
            self.some.notify_one();
        }
        waiting.lines.extend_from_slice(line);
        let is_due = is_urgent || waiting.at_once || waiting.lines.len() >= MOST;
        drop(waiting);
        if is_due {
            self.write();
        }
    }

    fn write(&self) {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = mem::take(&mut self.waiting().lines);
        // Nobody listens when that fails.
        let _ = io::stderr().lock().write_all(&lines);
    }

    fn run(&self) -> ! {
        loop {
            let some = self.some.wait_while(self.waiting(), |waiting| waiting.lines.is_empty());
            drop(some);
            thread::sleep(MOMENT);
            self.write();
        }
    }
}

/// Where the log writes to. Warnings and errors are written at once, with all lines before them.
pub(super) struct Gathered(Arc<Shared>);

/// Writes what waits when it is dropped; from then on every line is written when it comes.
pub(super) struct Rest(Arc<Shared>);

impl Gathered {
    pub(super) fn new() -> (Self, Rest) {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || theirs.run());
        shared.waiting().at_once = thread.is_err();
        (Self(Arc::clone(&shared)), Rest(shared))
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.waiting().at_once = true;
        self.0.write();
    }
}

impl<'g> MakeWriter<'g> for Gathered {
    type Writer = Line<'g>;

    fn make_writer(&'g self) -> Line<'g> {
        Line { shared: &self.0, is_urgent: true }
    }

    fn make_writer_for(&'g self, about: &tracing::Metadata<'_>) -> Line<'g> {
        Line { shared: &self.0, is_urgent: *about.level() <= tracing::Level::WARN }
    }
}

/// A line, which comes in one piece.
pub(super) struct Line<'g> {
    shared: &'g Shared,
    is_urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.add(line, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
