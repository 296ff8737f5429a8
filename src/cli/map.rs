//! `provisor map MAPPING`: records in, payloads out, flat memory, in the order of the input.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use crate::function::{Context, Env};
use crate::mapping::{Apply, Mapping, Outcome as Mapped};
use crate::text::{Diagnostic, Source};
use crate::value::rows::{Row, Rows, cells, missing};
use crate::value::{Arena, Layout, RecordReader, Slot, Value};

use super::chunk::{Bad, Chunk, Chunker, Spare};
use super::env::{EnvOverride, machine};
use super::pool::{self, Go};
use super::traced;
use super::words::{json_trouble, printable};
use super::{
    Ending, Failure, Format, Outcome, color, compile, counted, finding, finding_json, grouped, record_finding, tell,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The mapping file
    mapping: PathBuf,
    /// The records: a JSONL or CSV file; standard input when left out or `-`
    #[arg(long = "in", value_name = "F")]
    input: Option<PathBuf>,
    /// Where the payloads go; standard output when left out or `-`
    #[arg(long = "out", value_name = "F")]
    output: Option<PathBuf>,
    /// What the input is; told by the file's name when left out
    #[arg(long, value_enum)]
    input_format: Option<InputFormat>,
    /// Threads; as many as there are processors when left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// What a record that fails does
    #[arg(long, value_enum, default_value_t)]
    on_error: OnError,
    /// Whether the payloads are for new objects or for those that are there
    #[arg(long, value_enum, default_value_t)]
    apply: ApplyTo,
    /// Clock, seed, taken values and more, as JSON: {"now": …, "seed": …, "taken": […], "defaultDomain": …}
    #[arg(long, value_name = "JSON")]
    env: Option<String>,
    /// Write, in place of payloads, what became of each record and why each target has its value
    #[arg(long)]
    trace: bool,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// No progress bar and no summary
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    Jsonl,
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum OnError {
    /// Stop at the first one
    #[default]
    Halt,
    /// Report it and go on
    Collect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ApplyTo {
    #[default]
    Create,
    Update,
}

/// How many failures or skips are told in full; the rest is counted.
const MAX_TOLD: usize = 20;

/// What the records of a run became.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    records: u64,
    payloads: u64,
    out_of_scope: u64,
    skipped: u64,
    failed: u64,
    borne: u64,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.records += other.records;
        self.payloads += other.payloads;
        self.out_of_scope += other.out_of_scope;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.borne += other.borne;
    }
}

/// What came of a piece of input.
struct Piece {
    output: Vec<u8>,
    bytes: u64,
    counts: Counts,
    /// Failures in words, with their number among the failures of the run still to be decided.
    failures: Vec<String>,
    skips: Vec<String>,
    halted: bool,
}

/// What all workers share.
struct Run<'r> {
    mapping: &'r Mapping,
    env: &'r Env,
    /// The bytes of the mapping file's byte order mark.
    mark: usize,
    name: &'r str,
    /// Of CSV: for each column the slot it fills.
    columns: Option<&'r [Option<Slot>]>,
    spare: &'r Spare,
    halt: bool,
    trace: bool,
    apply: Apply,
    format: Format,
    color: bool,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let loaded = compile(&arguments.mapping)?;
    let Some(mapping) = &loaded.compiled.mapping else {
        tell(&loaded.findings(arguments.format, color()));
        return Ok(Ending::Findings);
    };
    let overrides = EnvOverride::parse(arguments.env.as_deref())?;
    if !overrides.macros.is_empty() {
        return Err(Failure::told(
            "--env: `macros` is not for map, since macros are put in when the mapping is compiled: write them in its [env]",
        ));
    }
    let env = overrides.over(&mapping.env(&machine()?)).map_err(Failure::told)?;
    let input_path = arguments.input.as_deref().filter(|path| path.as_os_str() != "-");
    let output_path = arguments.output.as_deref().filter(|path| path.as_os_str() != "-");
    refuse_same_file(&arguments.mapping, input_path, output_path)?;
    let name = input_path.map_or("<stdin>".to_owned(), |path| path.display().to_string());
    let (input, size): (Box<dyn Read + Send>, Option<u64>) = match input_path {
        None => (Box::new(io::stdin()), None),
        Some(path) => {
            let file = File::open(path).map_err(|error| Failure::told(format!("{name}: {error}")))?;
            let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
            (Box::new(file), size)
        }
    };
    let is_csv = arguments.input_format.map_or_else(
        || {
            input_path
                .is_some_and(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")))
        },
        |format| format == InputFormat::Csv,
    );
    let (mut chunker, columns) = if is_csv {
        let (chunker, names) = Chunker::csv(input, &name)?;
        tell(&missing_columns(&names, mapping.layout(), &name, arguments.format));
        (chunker, Some(names.iter().map(|name| mapping.layout().find(name)).collect::<Vec<_>>()))
    } else {
        (Chunker::lines(input), None)
    };
    let mut output: Box<dyn Write + Send> = match output_path {
        None => Box::new(io::stdout()),
        Some(path) => {
            let file = File::create(path).map_err(|error| Failure::told(format!("{}: {error}", path.display())))?;
            Box::new(BufWriter::with_capacity(256 * 1024, file))
        }
    };
    let jobs = arguments.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let spare = Spare::default();
    let shared = Run {
        mapping,
        env: &env,
        mark: loaded.mark,
        name: &name,
        columns: columns.as_deref(),
        spare: &spare,
        halt: arguments.on_error == OnError::Halt,
        trace: arguments.trace,
        apply: if arguments.apply == ApplyTo::Create { Apply::Create } else { Apply::Update },
        format: arguments.format,
        color: color(),
    };
    let bar = progress(arguments.quiet, size);
    let mut totals = Counts::default();
    let mut told = Told::default();
    let write_error = |error: &io::Error| {
        Failure::io(output_path.map_or("standard output".into(), |path| path.display().to_string()).as_str(), error)
    };
    let ran = pool::run(
        jobs,
        || chunker.next(&spare),
        || {
            let mut worker = Worker { run: &shared, reader: RecordReader::new(), arena: Arena::new() };
            move |chunk| worker.work(chunk)
        },
        |piece: Piece| {
            output.write_all(&piece.output).map_err(|error| write_error(&error))?;
            totals.add(piece.counts);
            bar.inc(piece.bytes);
            let halted = piece.halted;
            told.add(&piece, &bar);
            spare.put(piece.output);
            Ok(if halted { Go::Stop } else { Go::On })
        },
    );
    let flushed = output.flush().map_err(|error| write_error(&error));
    bar.finish_and_clear();
    ran.and(flushed)?;
    told.rest();
    if !arguments.quiet && arguments.format != Format::Json {
        tell(&summary(&totals, told.halted));
    }
    Ok(if totals.failed > 0 { Ending::Findings } else { Ending::Clean })
}

/// Writing over what is read would lose it.
fn refuse_same_file(mapping: &Path, input: Option<&Path>, output: Option<&Path>) -> Result<(), Failure> {
    let Some(output) = output else { return Ok(()) };
    if is_same_file(Some(mapping), output) {
        return Err(Failure::told(format!("{}: the output would overwrite the mapping", output.display())));
    }
    if is_same_file(input, output) {
        return Err(Failure::told(format!(
            "{}: the output would overwrite the input: write to another file",
            output.display()
        )));
    }
    Ok(())
}

/// Whether both are one file, under whatever names; no path is standard input.
#[cfg(unix)]
fn is_same_file(input: Option<&Path>, output: &Path) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let input = match input {
        Some(path) => std::fs::metadata(path),
        None => io::stdin().as_fd().try_clone_to_owned().and_then(|stdin| File::from(stdin).metadata()),
    };
    // Terminals and /dev/null may well be both.
    matches!((input, std::fs::metadata(output)), (Ok(input), Ok(output))
        if input.is_file() && (input.dev(), input.ino()) == (output.dev(), output.ino()))
}

/// Whether both paths lead to one file.
#[cfg(not(unix))]
fn is_same_file(input: Option<&Path>, output: &Path) -> bool {
    matches!((input.map(Path::canonicalize), output.canonicalize()), (Some(Ok(input)), Ok(output)) if input == output)
}

/// A warning when the mapping reads columns that the file does not have; else nothing.
fn missing_columns(columns: &[String], layout: &Layout, name: &str, format: Format) -> String {
    let Some(message) = missing(columns, layout) else { return String::new() };
    if format == Format::Json {
        let json = serde_json::json!({"severity": "warning", "message": message, "file": name, "line": 1});
        return format!("{json}\n");
    }
    format!("warning: {name}:1: {}\n", printable(&message))
}

fn progress(quiet: bool, size: Option<u64>) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match size {
        Some(size) => {
            let style =
                ProgressStyle::with_template("{bar:40} {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec} {eta}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(size).with_style(style)
        }
        None => ProgressBar::new_spinner().with_style(
            ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        ),
    }
}

/// What has been told, so that ten thousand failures do not fill a screen.
#[derive(Default)]
struct Told {
    failures: usize,
    skips: usize,
    untold_failures: u64,
    untold_skips: u64,
    halted: bool,
}

impl Told {
    fn add(&mut self, piece: &Piece, bar: &ProgressBar) {
        self.halted |= piece.halted;
        let (failures, skips) = (piece.failures.len(), piece.skips.len());
        bar.suspend(|| {
            for failure in piece.failures.iter().take(MAX_TOLD.saturating_sub(self.failures)) {
                tell(failure);
            }
            for skip in piece.skips.iter().take(MAX_TOLD.saturating_sub(self.skips)) {
                tell(skip);
            }
        });
        let told_failures = failures.min(MAX_TOLD.saturating_sub(self.failures));
        let told_skips = skips.min(MAX_TOLD.saturating_sub(self.skips));
        self.untold_failures += piece.counts.failed - told_failures as u64;
        self.untold_skips += piece.counts.skipped - told_skips as u64;
        self.failures += told_failures;
        self.skips += told_skips;
    }

    fn rest(&self) {
        for (count, what) in [(self.untold_failures, "failed"), (self.untold_skips, "were skipped")] {
            if count > 0 {
                let (records, what) = match (count, what) {
                    (1, "were skipped") => ("record", "was skipped"),
                    (1, what) => ("record", what),
                    (_, what) => ("records", what),
                };
                tell(&format!("{} more {records} {what}\n", grouped(count)));
            }
        }
    }
}

const BORNE: &str = "failures borne by on_error = \"null\"";
const BORNE_ONE: &str = "failure borne by on_error = \"null\"";

fn summary(counts: &Counts, halted: bool) -> String {
    let mut text = format!(
        "{} read, {}",
        counted(usize::try_from(counts.records).unwrap_or(usize::MAX), "record"),
        counted(usize::try_from(counts.payloads).unwrap_or(usize::MAX), "payload")
    );
    for (count, what) in [
        (counts.out_of_scope, "out of scope"),
        (counts.skipped, "skipped"),
        (counts.failed, "failed"),
        (counts.borne, if counts.borne == 1 { BORNE_ONE } else { BORNE }),
    ] {
        if count > 0 {
            let _ = write!(text, ", {} {what}", grouped(count));
        }
    }
    text.push_str(if halted { "; halted\n" } else { "\n" });
    text
}

struct Worker<'r> {
    run: &'r Run<'r>,
    reader: RecordReader,
    arena: Arena,
}

impl Worker<'_> {
    fn work(&mut self, chunk: Chunk) -> Piece {
        let mut piece = Piece {
            output: self.run.spare.get(),
            bytes: chunk.bytes,
            counts: Counts::default(),
            failures: Vec::new(),
            skips: Vec::new(),
            halted: false,
        };
        match self.run.columns {
            None => {
                // The whole piece at once; where it is no UTF-8, line by line, so that only that line is lost.
                let whole = simdutf8::basic::from_utf8(&chunk.text).ok();
                for (index, place) in (0..).zip(lines(&chunk.text)) {
                    let (line, record) = (chunk.first_line + index, chunk.records_before + index);
                    let text = match whole {
                        Some(whole) => whole.get(place),
                        None => chunk.text.get(place).and_then(|bytes| self.text(bytes, "line", line, &mut piece)),
                    };
                    if let Some(text) = text {
                        self.line(text, line, record, &mut piece);
                    }
                    if piece.halted {
                        break;
                    }
                }
            }
            Some(columns) => {
                let mut row_cells = Vec::with_capacity(columns.len());
                for (index, row) in (0..).zip(Rows::new(&chunk.text, chunk.first_line)) {
                    self.row(&row, columns, &mut row_cells, chunk.records_before + index, &mut piece);
                    if piece.halted {
                        break;
                    }
                }
            }
        }
        if let (Some(Bad { line, message }), false) = (&chunk.bad, piece.halted) {
            self.bad_input(*line, "", message, &mut piece);
        }
        self.run.spare.put(chunk.text);
        piece
    }

    fn line(&mut self, line: &str, number: u64, record: u64, piece: &mut Piece) {
        let text = line.trim_ascii();
        if text.is_empty() {
            return;
        }
        self.arena.reset();
        match self.reader.read(self.run.mapping.layout(), text, &self.arena) {
            Ok(slots) => self.run.record(slots, text, &self.arena, number, record, piece),
            Err(error) => {
                let before = text.get(..error.offset.unwrap_or(0)).unwrap_or_default();
                let message = format!("the line is not a record: {}", json_trouble(text, &error.message));
                self.bad_input(number, before, &message, piece);
            }
        }
    }

    fn row<'t>(
        &mut self,
        row: &Row<'t>,
        columns: &[Option<Slot>],
        row_cells: &mut Vec<Cow<'t, str>>,
        record: u64,
        piece: &mut Piece,
    ) {
        let Some(text) = self.text(row.text, "row", row.line, piece) else { return };
        cells(text, row_cells);
        if let Some(message) = row.misfit(row_cells.len(), columns.len()) {
            return self.bad_input(row.line, "", &message, piece);
        }
        self.arena.reset();
        let layout = self.run.mapping.layout();
        let slots = self.arena.filled(layout.len(), Value::Absent);
        for (slot, cell) in columns.iter().zip(row_cells.iter()) {
            // An empty cell is no value: CSV cannot say null.
            if let (false, Some(slot)) = (cell.is_empty(), slot)
                && let Some(place) = slots.get_mut(slot.index())
            {
                *place = Value::Text(cell);
            }
        }
        layout.derive(slots);
        self.run.record(slots, "", &self.arena, row.line, record, piece);
    }

    /// The text of a line or row; what is not UTF-8 is told.
    fn text<'t>(&self, bytes: &'t [u8], what: &str, line: u64, piece: &mut Piece) -> Option<&'t str> {
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => return Some(text),
            Err(error) => error,
        };
        let at = error.valid_up_to();
        let before = bytes.get(..at).and_then(|before| std::str::from_utf8(before).ok()).unwrap_or_default();
        let message = format!("the {what} is not UTF-8: byte {} is not part of a character", at + 1);
        // A row may have gone on to further lines.
        let line_start = before.rfind('\n').map_or(0, |feed| feed + 1);
        let line = line + before.bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.bad_input(line, before.get(line_start..).unwrap_or_default(), &message, piece);
        None
    }

    /// What stands in the input is no record; `before` is what stands before the place in its line.
    fn bad_input(&self, line: u64, before: &str, message: &str, piece: &mut Piece) {
        piece.counts.records += 1;
        piece.counts.failed += 1;
        piece.halted |= self.run.halt;
        if piece.failures.len() < MAX_TOLD {
            let column = before.chars().count() + 1;
            piece.failures.push(record_finding(self.run.format, self.run.name, line, column, message));
        }
    }
}

/// Where the lines of a text stand, line feeds left out. `split` on bytes would look at each one; this jumps.
fn lines(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text).chain((!text.ends_with(b"\n")).then_some(text.len())).map(move |end| {
        let line = start..end;
        start = end + 1;
        line
    })
}

impl Run<'_> {
    /// Maps one record whose slots are filled, of this text of JSON, or of none.
    fn record<'a>(
        &'a self,
        slots: &'a [Value<'a>],
        text: &'a str,
        arena: &'a Arena,
        line: u64,
        record: u64,
        piece: &mut Piece,
    ) {
        let context = Context::new(arena, self.env, record);
        piece.counts.records += 1;
        let outcome = self.mapping.apply(slots, &context, self.apply);
        if self.trace {
            let again = Context::new(arena, self.env, record);
            traced::write(self.mapping, slots, &outcome, &again, line, &mut piece.output);
        }
        match outcome {
            Mapped::Payload(payload) => {
                piece.counts.payloads += 1;
                piece.counts.borne += payload.borne() as u64;
                if !self.trace {
                    payload.write_json_of(text, &mut piece.output);
                    piece.output.push(b'\n');
                }
            }
            Mapped::OutOfScope => piece.counts.out_of_scope += 1,
            Mapped::Skipped(skip) => {
                piece.counts.skipped += 1;
                if piece.skips.len() < MAX_TOLD {
                    let reason = self.mapping.describe_skip(&skip);
                    piece.skips.push(if self.format == Format::Json {
                        format!("{}\n", serde_json::json!({"skipped": reason, "file": self.name, "line": line}))
                    } else {
                        format!("skipped: {}:{line}: {}\n", self.name, printable(&reason))
                    });
                }
            }
            Mapped::Failed(failure) => {
                piece.counts.failed += 1;
                piece.halted |= self.halt;
                if piece.failures.len() < MAX_TOLD {
                    // The same clock, seed and record give the same values again.
                    let again = Context::new(arena, self.env, record);
                    let diagnostic = self.mapping.describe(&failure, slots, &again);
                    piece.failures.push(self.tell_failure(diagnostic, line));
                }
            }
        }
    }

    fn tell_failure(&self, mut diagnostic: Diagnostic, line: u64) -> String {
        let source: &Source = self.mapping.source();
        if self.format == Format::Json {
            let mut json = finding_json(source, &diagnostic, self.mark);
            if let serde_json::Value::Object(fields) = &mut json {
                fields.insert("record".into(), serde_json::json!({"file": self.name, "line": line}));
            }
            return format!("{json}\n");
        }
        let note = format!("the record is line {line} of {}", self.name);
        if self.format == Format::Concise {
            diagnostic.message = format!("{} ({note})", diagnostic.message);
        }
        diagnostic.notes.insert(0, note);
        finding(source, &diagnostic, self.format, self.color, self.mark)
    }
}
