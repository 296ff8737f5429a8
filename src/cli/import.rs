//! `provisor import entra|authnsh FILE -o DIR`: mappings of other products as mapping files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::mapping::{Mapping, authnsh, entra_schema};
use crate::text::{Diagnostics, Source};

use super::words::{json_trouble, printable};
use super::{Ending, Failure, Format, Outcome, color, findings, print, read_text, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where the mapping comes from
    #[arg(value_enum)]
    from: From,
    /// The file to import
    file: PathBuf,
    /// The directory for the mapping files, made when it is not there
    #[arg(short = 'o', long = "out", value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Write over mapping files that are there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// Entra's provisioning schema, as the portal downloads it and Graph answers it: a file of each object mapping
    Entra,
    /// authn.sh's form: source paths, and templates with the target behind them
    Authnsh,
}

/// The largest file of authn.sh, in bytes.
const MAX_FILE: usize = 1024 * 1024;
/// The largest provisioning schema, in bytes: its directories list every attribute.
pub(super) const MAX_SCHEMA: usize = 16 * 1024 * 1024;

/// A mapping file to be written.
struct Made {
    name: String,
    text: String,
    /// What is said of it on standard error.
    told: String,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let shown = arguments.file.display().to_string();
    let limit = if arguments.from == From::Entra { MAX_SCHEMA } else { MAX_FILE };
    let json = read_json(&arguments.file, limit)?;
    let stem = stem(&arguments.file);
    let made = match arguments.from {
        From::Entra => entra_schema::import(&stem, &json).map(|made| made.into_iter().map(entra).collect()),
        From::Authnsh => authnsh::import(&stem, &json).map(|imported| vec![authnsh(stem, imported)]),
    };
    let made: Vec<Made> = made.map_err(|message| Failure::told(format!("{shown}: {message}")))?;
    let told = |error: &std::io::Error| Failure::told(format!("{}: {error}", arguments.out.display()));
    fs::create_dir_all(&arguments.out).map_err(|error| told(&error))?;
    let path = |made: &Made| arguments.out.join(format!("{}.toml", made.name));
    // All or none: a second run would meet the files of the first.
    let there: Vec<PathBuf> = made.iter().map(path).filter(|path| !arguments.force && path.exists()).collect();
    if let Some(path) = there.first() {
        return Err(Failure::told(format!("{}: File exists; --force writes over it", path.display())));
    }
    let mut errors = 0;
    for made in &made {
        errors += write(&path(made), made, arguments.force)?;
    }
    Ok(if errors > 0 { Ending::Findings } else { Ending::Clean })
}

/// Writes a file, says what is to be known of it, and how many errors it has.
fn write(path: &Path, made: &Made, force: bool) -> Result<usize, Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(path).and_then(|mut file| file.write_all(made.text.as_bytes())).map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::AlreadyExists { "; --force writes over it" } else { "" };
        Failure::told(format!("{}: {error}{hint}", path.display()))
    })?;
    tell(&made.told);
    print(&format!("{}\n", path.display()))?;
    let source = Source::new(path.display().to_string(), made.text.clone());
    let diagnostics: Diagnostics = Mapping::compile(&source).diagnostics;
    tell(&findings(&diagnostics, Format::Human, color(), 0));
    Ok(diagnostics.errors())
}

fn entra(imported: entra_schema::Imported) -> Made {
    let entra_schema::Imported { name, text, notes, .. } = imported;
    Made { told: notes.iter().map(|note| note_line(&name, note)).collect(), name, text }
}

fn authnsh(name: String, imported: authnsh::Imported) -> Made {
    let told: Vec<String> = imported.notes.iter().map(|note| format!("note: {}\n", printable(note))).collect();
    Made { name, text: imported.text, told: told.concat() }
}

/// A note on a line of its own.
pub(super) fn note_line(name: &str, note: &entra_schema::Note) -> String {
    let word = if note.changes { "warning" } else { "note" };
    format!("{word}: {name}: {}\n", printable(&note.to_string()))
}

/// The JSON of a file.
pub(super) fn read_json(path: &Path, limit: usize) -> Result<serde_json::Value, Failure> {
    let input = read_text(path, limit)?;
    let shown = &input.name;
    if let Some(trouble) = input.trouble {
        return Err(Failure::told(format!("{shown}: {}", trouble.message)));
    }
    serde_json::from_str(&input.text).map_err(|error| {
        let message = json_trouble(&input.text, &error.to_string());
        Failure::told(format!("{shown}:{}:{}: {message}", error.line(), error.column()))
    })
}

/// The file's name without its ending, as a mapping may be called.
pub(super) fn stem(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    stem.chars().map(plain).take(100).collect()
}
