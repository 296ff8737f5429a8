//! `provisor check FILE...`: all findings of mapping files.

use std::path::PathBuf;

use super::{Ending, Failure, Format, Outcome, compile, counted, mapping_files, print, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Mapping files, or directories of them; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Let warnings fail too
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let (mut errors, mut warnings, mut unreadable) = (0, 0, Vec::new());
    let files = mapping_files(&arguments.files)?;
    for file in &files {
        let loaded = match compile(file) {
            Ok(loaded) => loaded,
            // The other files are checked all the same.
            Err(Failure::Told(message)) => {
                unreadable.push(message);
                continue;
            }
            Err(closed) => return Err(closed),
        };
        errors += loaded.compiled.diagnostics.errors();
        warnings += loaded.compiled.diagnostics.warnings();
        let color = arguments.format == Format::Human && std::io::IsTerminal::is_terminal(&std::io::stdout());
        let color = color && std::env::var_os("NO_COLOR").is_none();
        print(&loaded.findings(arguments.format, color))?;
    }
    if !unreadable.is_empty() {
        return Err(Failure::told(unreadable.join("\nprovisor: ")));
    }
    if arguments.format != Format::Json {
        let found = match (errors, warnings) {
            (0, 0) => "no findings".to_owned(),
            (0, warnings) => counted(warnings, "warning"),
            (errors, 0) => counted(errors, "error"),
            (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
        };
        tell(&format!("{}: {found}\n", counted(files.len(), "mapping file")));
    }
    Ok(if errors > 0 || arguments.strict && warnings > 0 { Ending::Findings } else { Ending::Clean })
}
