//! `provisor export entra MAPPING...`: mapping files as another product's mapping.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::mapping::entra_schema::{Outgoing, export};

use super::import::{MAX_SCHEMA, note_line, read_json, stem};
use super::{Ending, Failure, Format, Outcome, color, compile, findings, mapping_files, print, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What is to read it
    #[arg(value_enum)]
    to: To,
    /// Mapping files in Entra's language, or directories of them
    #[arg(required = true, value_name = "MAPPING")]
    files: Vec<PathBuf>,
    /// The schema that the job has: its object mappings are replaced, everything else stays
    #[arg(long, value_name = "SCHEMA")]
    into: Option<PathBuf>,
    /// Leave out what Entra's schema cannot hold, with a warning each
    #[arg(long)]
    lossy: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// Entra's provisioning schema, as the portal and Graph take it
    Entra,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let To::Entra = arguments.to;
    let mut files = Vec::new();
    let mut refused = false;
    for file in mapping_files(&arguments.files)? {
        let loaded = compile(&file)?;
        if loaded.compiled.mapping.is_none() {
            tell(&loaded.findings(Format::Human, color()));
            refused = true;
            continue;
        }
        let source = loaded.compiled.diagnostics.source();
        let (outgoing, found) = Outgoing::read(source, arguments.lossy);
        tell(&findings(&found, Format::Human, color(), loaded.mark));
        refused |= found.errors() > 0;
        files.push(outgoing);
    }
    if refused {
        return Ok(Ending::Findings);
    }
    let base = match &arguments.into {
        Some(path) => Some((path, stem(path), read_json(path, MAX_SCHEMA)?)),
        None => None,
    };
    let exported = export(&files, base.as_ref().map(|(_, stem, json)| (stem.as_str(), json))).map_err(|message| {
        Failure::told(match &base {
            Some((path, ..)) => format!("{}: {message}", path.display()),
            None => message,
        })
    })?;
    for (name, note) in &exported.notes {
        tell(&note_line(name, note));
    }
    let text = serde_json::to_string_pretty(&exported.json).map_err(|error| Failure::told(error.to_string()))?;
    print(&format!("{text}\n"))?;
    Ok(Ending::Clean)
}
