//! `provisor map MAPPING`: records in, payloads out, flat memory, in the order of the input.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use crate::function::{Context, Env};
use crate::mapping::{Apply, Mapping, Outcome as Mapped};
use crate::text::{Code, Diagnostic, Source, render};
use crate::value::{Arena, RecordReader, Value};

use super::chunk::{Chunk, Chunker, Content, TOO_LONG};
use super::env::{EnvOverride, machine};
use super::pool::{self, Go};
use super::{Ending, Failure, Format, Outcome, color, compile, counted, grouped, tell};

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
    name: &'r str,
    columns: &'r [String],
    halt: bool,
    apply: Apply,
    format: Format,
    color: bool,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let compiled = compile(&arguments.mapping)?;
    let format = render::Format::from(arguments.format);
    let Some(mapping) = compiled.mapping else {
        tell(&render::all(&compiled.diagnostics, format, color()));
        return Ok(Ending::Findings);
    };
    let overrides = EnvOverride::parse(arguments.env.as_deref())?;
    let env = overrides.over(&mapping.env(&machine()?)).map_err(Failure::told)?;
    let input_path = arguments.input.as_deref().filter(|path| path.as_os_str() != "-");
    let output_path = arguments.output.as_deref().filter(|path| path.as_os_str() != "-");
    refuse_same_file(input_path, output_path)?;
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
    let (mut chunker, columns) = if is_csv { Chunker::csv(input, &name)? } else { (Chunker::lines(input), Vec::new()) };
    let mut output: Box<dyn Write> = match output_path {
        None => Box::new(io::stdout().lock()),
        Some(path) => {
            let file = File::create(path).map_err(|error| Failure::told(format!("{}: {error}", path.display())))?;
            Box::new(BufWriter::with_capacity(256 * 1024, file))
        }
    };
    let jobs = arguments.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let shared = Run {
        mapping: &mapping,
        env: &env,
        name: &name,
        columns: &columns,
        halt: arguments.on_error == OnError::Halt,
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
        || chunker.next(),
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
fn refuse_same_file(input: Option<&Path>, output: Option<&Path>) -> Result<(), Failure> {
    if let (Some(input), Some(output)) = (input, output)
        && let (Ok(input), Ok(canonical)) = (input.canonicalize(), output.canonicalize())
        && input == canonical
    {
        return Err(Failure::told(format!("{}: the output would overwrite the input", output.display())));
    }
    Ok(())
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
                tell(&format!("{} more records {what}\n", grouped(count)));
            }
        }
    }
}

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
        (counts.borne, "failures borne by on_error = \"null\""),
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
            output: Vec::new(),
            bytes: chunk.bytes,
            counts: Counts::default(),
            failures: Vec::new(),
            skips: Vec::new(),
            halted: false,
        };
        match chunk.content {
            Content::Lines { text, first_line } => {
                piece.output.reserve(text.len() + text.len() / 4);
                for (index, line) in lines(&text).enumerate() {
                    let number = chunk.records_before + index as u64;
                    self.line(line, first_line + index as u64, number, &mut piece);
                    if piece.halted {
                        break;
                    }
                }
            }
            Content::Rows(rows) => {
                for (index, (line, row)) in rows.iter().enumerate() {
                    let number = chunk.records_before + index as u64;
                    match row.get(0).and_then(|field| field.strip_prefix('\u{0}')).filter(|_| row.len() == 1) {
                        Some(message) => self.bad_input(*line, 0, message, "", &mut piece),
                        None => self.row(row, *line, number, &mut piece),
                    }
                    if piece.halted {
                        break;
                    }
                }
            }
            Content::Broken { line, message } => {
                self.bad_input(line, 0, &message, "", &mut piece);
                piece.halted = true;
            }
        }
        piece
    }

    fn line(&mut self, line: &[u8], number: u64, record: u64, piece: &mut Piece) {
        if line == TOO_LONG.trim_ascii_end() {
            let message = format!("the line is longer than {} bytes", super::chunk::MAX_LINE);
            self.bad_input(number, 0, &message, "", piece);
            piece.halted = true;
            return;
        }
        let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let text = match std::str::from_utf8(line) {
            Ok(text) => text.trim_ascii(),
            Err(error) => {
                let at = error.valid_up_to();
                let message = format!("the line is not UTF-8: byte {} is not part of a character", at + 1);
                return self.bad_input(number, at, &message, "", piece);
            }
        };
        if text.is_empty() {
            return;
        }
        self.arena.reset();
        match self.reader.read(self.run.mapping.layout(), text, &self.arena) {
            Ok(slots) => self.run.record(slots, &self.arena, number, record, piece),
            Err(error) => {
                let offset = error.offset.unwrap_or(0);
                self.bad_input(number, offset, &format!("the line is not a record: {error}"), text, piece);
            }
        }
    }

    fn row(&mut self, row: &csv::StringRecord, line: u64, record: u64, piece: &mut Piece) {
        self.arena.reset();
        let layout = self.run.mapping.layout();
        let slots = self.arena.filled(layout.len(), Value::Absent);
        for (name, field) in self.run.columns.iter().zip(row.iter()) {
            // An empty cell is no value: CSV cannot say null.
            if let (false, Some(slot)) = (field.is_empty(), layout.find(name))
                && let Some(place) = slots.get_mut(slot.index())
            {
                *place = Value::Text(field);
            }
        }
        layout.derive(slots);
        self.run.record(slots, &self.arena, line, record, piece);
    }

    /// What stands in the input is no record.
    fn bad_input(&self, line: u64, column: usize, message: &str, text: &str, piece: &mut Piece) {
        piece.counts.records += 1;
        piece.counts.failed += 1;
        piece.halted |= self.run.halt;
        if piece.failures.len() >= MAX_TOLD {
            return;
        }
        let name = self.run.name;
        let characters = text.get(..column).map_or(column, |before| before.chars().count());
        piece.failures.push(if self.run.format == Format::Json {
            let code = Code::BadRecord.to_string();
            format!(
                "{}\n",
                serde_json::json!({"code": code, "severity": "error", "message": message, "file": name, "line": line, "column": characters + 1})
            )
        } else {
            format!("error[{}]: {name}:{line}:{}: {message}\n", Code::BadRecord, characters + 1)
        });
    }
}

/// The lines of a text, line feeds left out. `split` on bytes would look at each one; this jumps.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text).chain((!text.ends_with(b"\n")).then_some(text.len())).filter_map(move |end| {
        let line = text.get(start..end);
        start = end + 1;
        line
    })
}

impl Run<'_> {
    /// Maps one record whose slots are filled.
    fn record<'a>(&'a self, slots: &'a [Value<'a>], arena: &'a Arena, line: u64, record: u64, piece: &mut Piece) {
        let context = Context::new(arena, self.env, record);
        piece.counts.records += 1;
        match self.mapping.apply(slots, &context, self.apply) {
            Mapped::Payload(payload) => {
                piece.counts.payloads += 1;
                piece.counts.borne += payload.borne().len() as u64;
                payload.write_json(&mut piece.output);
                piece.output.push(b'\n');
            }
            Mapped::OutOfScope => piece.counts.out_of_scope += 1,
            Mapped::Skipped(skip) => {
                piece.counts.skipped += 1;
                if piece.skips.len() < MAX_TOLD {
                    let reason = self.mapping.describe_skip(&skip);
                    piece.skips.push(if self.format == Format::Json {
                        format!("{}\n", serde_json::json!({"skipped": reason, "file": self.name, "line": line}))
                    } else {
                        format!("skipped: {}:{line}: {reason}\n", self.name)
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

    fn tell_failure(&self, diagnostic: Diagnostic, line: u64) -> String {
        let source: &Source = self.mapping.source();
        match self.format {
            Format::Json => {
                let mut json = render::json(source, &diagnostic);
                if let serde_json::Value::Object(fields) = &mut json {
                    fields.insert("record".into(), serde_json::json!({"file": self.name, "line": line}));
                }
                format!("{json}\n")
            }
            format => {
                let note = format!("the record is line {line} of {}", self.name);
                let mut diagnostic = diagnostic;
                if format == Format::Concise {
                    diagnostic.message = format!("{} ({note})", diagnostic.message);
                }
                diagnostic.notes.insert(0, note);
                render::one(source, &diagnostic, format.into(), self.color)
            }
        }
    }
}
