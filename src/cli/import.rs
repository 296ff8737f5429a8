//! `provisor import authnsh FILE -o DIR`: mappings of other products as mapping files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::mapping::{Mapping, authnsh};
use crate::text::{Diagnostics, Source};

use super::words::json_trouble;
use super::{Ending, Failure, Format, Outcome, color, findings, print, read_text, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where the mapping comes from
    #[arg(value_enum)]
    from: From,
    /// The file to import
    file: PathBuf,
    /// The directory for the mapping file, made when it is not there
    #[arg(short = 'o', long = "out", value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Write over a mapping file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// authn.sh's form: source paths, and templates with the target behind them
    Authnsh,
}

/// The largest file, in bytes.
const MAX_FILE: usize = 1024 * 1024;

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let From::Authnsh = arguments.from;
    let shown = arguments.file.display().to_string();
    let input = read_text(&arguments.file, MAX_FILE)?;
    if let Some(trouble) = input.trouble {
        return Err(Failure::told(format!("{shown}: {}", trouble.message)));
    }
    let json: serde_json::Value = serde_json::from_str(&input.text).map_err(|error| {
        Failure::told(format!(
            "{shown}:{}:{}: {}",
            error.line(),
            error.column(),
            json_trouble(&input.text, &error.to_string())
        ))
    })?;
    let name: String = arguments
        .file
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' })
        .take(100)
        .collect();
    let imported = authnsh::import(&name, &json).map_err(|message| Failure::told(format!("{shown}: {message}")))?;
    fs::create_dir_all(&arguments.out)
        .map_err(|error| Failure::told(format!("{}: {error}", arguments.out.display())))?;
    let path = arguments.out.join(format!("{name}.toml"));
    let mut options = OpenOptions::new();
    options.write(true);
    if arguments.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(&path).and_then(|mut file| file.write_all(imported.text.as_bytes())).map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::AlreadyExists { "; --force writes over it" } else { "" };
        Failure::told(format!("{}: {error}{hint}", path.display()))
    })?;
    for note in &imported.notes {
        tell(&format!("note: {note}\n"));
    }
    print(&format!("{}\n", path.display()))?;
    let source = Source::new(path.display().to_string(), imported.text);
    let diagnostics: Diagnostics = Mapping::compile(&source).diagnostics;
    tell(&findings(&diagnostics, Format::Human, color(), 0));
    Ok(if diagnostics.errors() > 0 { Ending::Findings } else { Ending::Clean })
}
