//! `provisor fmt FILE...`: the layout of mapping files put right.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::mapping::{MAX_FILE, format};
use crate::text::{Code, Diagnostic, Diagnostics, Source};

use super::{
    Ending, Failure, Format, Input, Outcome, Trouble, color, counted, findings, mapping_files, print, read_text, tell,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Mapping files, or directories of them; `-` is standard input, printed to standard output
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write nothing; show what would change, and fail when something would
    #[arg(long)]
    check: bool,
}

/// What became of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Became {
    /// It was right.
    Same,
    /// It was changed, or would be.
    Changed,
    /// It cannot be read.
    Left,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let files = mapping_files(&arguments.files)?;
    let (mut changed, mut left) = (0, 0);
    for file in &files {
        match one(file, arguments.check)? {
            Became::Same => {}
            Became::Changed => changed += 1,
            Became::Left => left += 1,
        }
    }
    let what = match (changed, arguments.check) {
        (0, _) => "nothing to change".to_owned(),
        (changed, true) => format!("{changed} would change"),
        (changed, false) => format!("{changed} changed"),
    };
    let left_alone = if left > 0 { format!(", {left} left alone") } else { String::new() };
    tell(&format!("{}: {what}{left_alone}\n", counted(files.len(), "mapping file")));
    Ok(if left > 0 || arguments.check && changed > 0 { Ending::Findings } else { Ending::Clean })
}

fn one(file: &Path, check: bool) -> Result<Became, Failure> {
    let Input { name, text, mark, trouble } = read_text(file, 4 * MAX_FILE)?;
    let source = Source::new(name.clone(), text.clone());
    let made = match trouble {
        None => format(&source),
        Some(Trouble { message, help, at }) => {
            let mut found = Diagnostics::new(source);
            found.push(Diagnostic::new(Code::Unreadable, message, at).help(help));
            Err(found)
        }
    };
    let standard = file.as_os_str() == "-";
    let made = match made {
        Ok(made) => made,
        Err(found) => {
            tell(&findings(&found, Format::Human, color(), mark));
            if standard && !check {
                print(&text)?;
            }
            return Ok(Became::Left);
        }
    };
    let changed = made != text;
    if check {
        if changed {
            let diff = TextDiff::from_lines(&text, &made);
            print(&diff.unified_diff().context_radius(1).header(&name, &format!("{name} (formatted)")).to_string())?;
        }
    } else if standard {
        print(&made)?;
    } else if changed {
        replace(file, if mark > 0 { "\u{feff}" } else { "" }, &made)?;
        print(&format!("{name}\n"))?;
    }
    Ok(if changed { Became::Changed } else { Became::Same })
}

/// Writes a file beside and puts it in the old one's place, so that a reader sees one or the other.
fn replace(file: &Path, mark: &str, text: &str) -> Result<(), Failure> {
    let told = |error: &std::io::Error| Failure::told(format!("{}: {error}", file.display()));
    // A link stays a link.
    let file_itself = fs::canonicalize(file).map_err(|error| told(&error))?;
    let mut name = file_itself.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = file_itself.with_file_name(name);
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&beside)
        .and_then(|mut new| {
            new.write_all(mark.as_bytes())?;
            new.write_all(text.as_bytes())?;
            new.set_permissions(fs::metadata(&file_itself)?.permissions())?;
            new.sync_all()
        })
        .and_then(|()| fs::rename(&beside, &file_itself));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(|error| told(&error))
}
