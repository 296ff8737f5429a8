//! The command line: one file a command. Here are the arguments, the exit codes and the way out.
//!
//! Exit codes: 0 all is well, 1 the input has findings (a mapping with errors, a failed test, a record that failed), 2 the
//! tool itself failed (a file that cannot be read, wrong arguments), 3 a mapping halted a sync. A reader that closes the pipe
//! is no failure.

#![allow(clippy::print_stderr, reason = "what is told to the person goes to standard error")]

mod check;
mod chunk;
mod client;
mod declared;
mod diff;
mod env;
mod eval;
mod export;
mod filters;
mod fmt;
mod functions;
mod gathered;
mod import;
mod jsonl;
mod line;
mod log;
mod logging;
mod manage;
mod map;
mod pool;
mod provisioned;
mod runs;
mod serve;
mod service;
mod sync;
mod test;
mod traced;
mod upkeep;
mod watch;
mod words;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::language::Language;
use crate::mapping::{Compiled, Mapping};
use crate::text::{Code, Diagnostic, Diagnostics, Source, Span, render};

use words::printable;

/// Check, explain, test and run attribute mappings for identity provisioning.
#[derive(Debug, Parser)]
#[command(name = "provisor", version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find what is wrong with mapping files
    Check(check::Arguments),
    /// Evaluate one expression over one record
    Eval(eval::Arguments),
    /// Map records (JSONL or CSV) to payloads (JSONL)
    Map(map::Arguments),
    /// Show whom another mapping would change
    Diff(diff::Arguments),
    /// Put the layout of mapping files right
    Fmt(fmt::Arguments),
    /// Run the [[tests]] of mapping files
    Test(test::Arguments),
    /// Print the reference of the functions
    Functions(functions::Arguments),
    /// Make mapping files of another product's mapping
    Import(import::Arguments),
    /// Print mapping files as another product's mapping
    Export(export::Arguments),
    /// Serve SCIM over a data directory
    Serve(serve::Arguments),
    /// Inbound SCIM endpoints
    #[command(subcommand)]
    Source(manage::Source),
    /// Push users and groups on into a target, as `[[sync]]` of the configuration says
    #[command(subcommand)]
    Sync(sync::Command),
    /// Tokens that open them
    #[command(subcommand)]
    Token(manage::Token),
    /// Clients that get access tokens at the token endpoint (OAuth 2.0)
    #[command(subcommand)]
    Client(client::Client),
    /// Print the provisioning log: every write of a client, what it changed, how it ended
    Log(log::Arguments),
    /// Write all data to a file
    Backup(manage::Backup),
    /// Read a backup into a new data directory
    Restore(manage::Backup),
    /// Look after a data directory
    #[command(subcommand)]
    Store(manage::Store),
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// With an excerpt and carets
    #[default]
    Human,
    /// A line each: file:line:column: error[E0301]: message
    Concise,
    /// A JSON object each, a line each
    Json,
}

impl From<Format> for render::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Human => render::Format::Human,
            Format::Concise => render::Format::Concise,
            Format::Json => render::Format::Json,
        }
    }
}

/// Why the tool failed, in words for the person.
#[derive(Debug)]
enum Failure {
    /// The reader of our output has gone; that is its right.
    ClosedPipe,
    /// Anything else.
    Told(String),
}

type Outcome = Result<Ending, Failure>;

/// How a command that did its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Nothing to complain of.
    Clean,
    /// The input has findings.
    Findings,
    /// A mapping halted a sync.
    Halted,
}

impl Failure {
    fn told(message: impl Into<String>) -> Self {
        Failure::Told(message.into())
    }

    /// For reading or writing `what`.
    fn io(what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::ClosedPipe;
        }
        Failure::Told(format!("{what}: {error}"))
    }
}

/// Runs the command line and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a closed pipe while printing them is none either.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let outcome = match arguments.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Map(arguments) => map::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Functions(arguments) => functions::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Fmt(arguments) => fmt::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Sync(command) => sync::run(&command),
        Command::Source(command) => manage::source(&command),
        Command::Token(command) => manage::token(&command),
        Command::Client(command) => client::run(&command),
        Command::Log(arguments) => log::run(&arguments),
        Command::Backup(arguments) => manage::backup(&arguments),
        Command::Restore(arguments) => manage::restore(&arguments),
        Command::Store(command) => manage::store(&command),
    };
    match outcome {
        Ok(Ending::Clean) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Ok(Ending::Findings) => ExitCode::from(1),
        Ok(Ending::Halted) => ExitCode::from(3),
        Err(Failure::Told(message)) => {
            let _ = writeln!(io::stderr(), "provisor: {message}");
            ExitCode::from(2)
        }
    }
}

/// Whether what is written to standard error may have colours.
fn color() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Writes to standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::io("standard output", &error))
}

/// Writes to standard error; nobody listens when that fails.
fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// What was read of a file or of standard input.
struct Input {
    /// The name to show.
    name: String,
    /// The text without its byte order mark; in one that is not UTF-8 something stands for each byte that is none.
    text: String,
    /// How many bytes the byte order mark takes, so that spans count from the file's first byte.
    mark: usize,
    trouble: Option<Trouble>,
}

/// Why the content of a file is no text to work with.
struct Trouble {
    message: String,
    help: &'static str,
    at: Span,
}

/// The text of a file, or of standard input for `-`.
fn read_text(path: &Path, limit: usize) -> Result<Input, Failure> {
    let name = if path.as_os_str() == "-" { "<stdin>".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let limit_bytes = limit as u64 + 1;
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(limit_bytes).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit_bytes).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::told(format!("{name}: {error}")))?;
    if bytes.len() > limit {
        let message = format!("the file is larger than {} bytes", grouped(limit as u64));
        let trouble = Some(Trouble { message, help: "cut it in parts", at: Span::default() });
        return Ok(Input { name, text: String::new(), mark: 0, trouble });
    }
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    bytes.drain(..mark);
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Input { name, text, mark, trouble: None },
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let message = format!("the file is not UTF-8: byte {} is not part of a character", mark + at + 1);
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let at = Span::new(at, at + char::REPLACEMENT_CHARACTER.len_utf8());
            Input { name, text, mark, trouble: Some(Trouble { message, help: "save it as UTF-8", at }) }
        }
    })
}

/// A mapping file that was read and compiled, and the way to print its findings.
struct Loaded {
    compiled: Compiled,
    mark: usize,
}

/// A mapping file, compiled.
fn compile(path: &Path) -> Result<Loaded, Failure> {
    let Input { name, text, mark, trouble } = read_text(path, 4 * crate::mapping::MAX_FILE)?;
    let source = Source::new(name, text);
    let compiled = match trouble {
        None => Mapping::compile(&source),
        Some(Trouble { message, help, at }) => {
            let mut diagnostics = Diagnostics::new(source);
            diagnostics.push(Diagnostic::new(Code::Unreadable, message, at).help(help));
            Compiled { mapping: None, diagnostics }
        }
    };
    Ok(Loaded { compiled, mark })
}

impl Loaded {
    /// All findings of the file.
    fn findings(&self, format: Format, color: bool) -> String {
        findings(&self.compiled.diagnostics, format, color, self.mark)
    }
}

/// All findings as text; the text of their source begins behind a byte order mark of `mark` bytes.
fn findings(diagnostics: &Diagnostics, format: Format, color: bool, mark: usize) -> String {
    if format == Format::Human {
        return render::all(diagnostics, format.into(), color);
    }
    let mut text: String =
        diagnostics.iter().map(|diagnostic| finding(diagnostics.source(), diagnostic, format, color, mark)).collect();
    if diagnostics.dropped() > 0 && format != Format::Json {
        let more = counted(diagnostics.dropped(), "more finding");
        let _ = writeln!(text, "and {more} in {}", diagnostics.source().name());
    }
    text
}

/// One finding as text, ending in a line feed. On a line of its own nothing of the input may act on the terminal.
fn finding(source: &Source, diagnostic: &Diagnostic, format: Format, color: bool, mark: usize) -> String {
    match format {
        Format::Json => format!("{}\n", finding_json(source, diagnostic, mark)),
        Format::Human => render::one(source, diagnostic, format.into(), color),
        Format::Concise => {
            let line = render::one(source, diagnostic, format.into(), false);
            format!("{}\n", printable(line.trim_end_matches('\n')))
        }
    }
}

/// A finding as JSON, its spans counted from the file's first byte.
fn finding_json(source: &Source, diagnostic: &Diagnostic, mark: usize) -> serde_json::Value {
    let mut json = render::json(source, diagnostic);
    let shift = |object: &mut serde_json::Value| {
        for bound in object.get_mut("span").and_then(serde_json::Value::as_array_mut).into_iter().flatten() {
            *bound = bound.as_u64().map_or(0, |bound| bound + mark as u64).into();
        }
    };
    if mark > 0 {
        shift(&mut json);
        for list in ["related", "fixes"] {
            json.get_mut(list).and_then(serde_json::Value::as_array_mut).into_iter().flatten().for_each(shift);
        }
    }
    json
}

/// A finding about what stands at a place of the records, in which there is nothing to draw.
fn record_finding(format: Format, name: &str, line: u64, column: usize, message: &str) -> String {
    let code = Code::BadRecord;
    if format == Format::Json {
        let json = serde_json::json!({
            "code": code.to_string(), "severity": "error", "message": message, "file": name, "line": line, "column": column
        });
        return format!("{json}\n");
    }
    format!("error[{code}]: {name}:{line}:{column}: {}\n", printable(message))
}

/// The mapping files meant by the paths: files as they are, of directories every `.toml` file below that has rules.
fn mapping_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            collect(path, &mut files, 0)?;
            if files.len() == before {
                return Err(Failure::told(format!("{}: there is no mapping file in this directory", path.display())));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// What opens the part of a file that makes it a mapping.
const RULES: [&str; 2] = ["[attributes", "[script]"];

fn collect(directory: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<(), Failure> {
    let told = |error: &io::Error| Failure::told(format!("{}: {error}", directory.display()));
    let mut entries =
        std::fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(|error| told(&error))?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| told(&error))?;
        if kind.is_dir() && depth < 8 {
            collect(&path, files, depth + 1)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "toml") {
            let is_mapping = std::fs::read_to_string(&path).is_ok_and(|text| {
                text.lines().map(str::trim_start).any(|line| RULES.iter().any(|open| line.starts_with(open)))
            });
            if is_mapping {
                files.push(path);
            }
        }
    }
    Ok(())
}

/// The language that `--lang` names.
fn language(word: &str) -> Result<Language, Failure> {
    Language::parse(word)
        .ok_or_else(|| Failure::told(format!("--lang {word}: the languages are entra, liquid, rhai and jinja")))
}

/// `1 error`, `3 errors`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(count as u64)) }
}

/// `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
