//! `provisor test [FILE...]`: the `[[tests]]` of mapping files.

use std::path::PathBuf;

use serde_json::json;

use super::{Ending, Failure, Format, Outcome, compile, counted, finding, finding_json, mapping_files, print, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Mapping files, or directories of them; without any, `mappings/` or the current directory
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Only tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let paths = if arguments.files.is_empty() {
        let mappings = PathBuf::from("mappings");
        vec![if mappings.is_dir() { mappings } else { PathBuf::from(".") }]
    } else {
        arguments.files.clone()
    };
    let (mut passed, mut failed, mut broken, mut left_out) = (0, 0, 0, 0);
    let mut unreadable = Vec::new();
    for file in mapping_files(&paths)? {
        let loaded = match compile(&file) {
            Ok(loaded) => loaded,
            // The other files are tested all the same.
            Err(Failure::Told(message)) => {
                unreadable.push(message);
                continue;
            }
            Err(closed) => return Err(closed),
        };
        let source = loaded.compiled.diagnostics.source().clone();
        let Some(mapping) = &loaded.compiled.mapping else {
            broken += 1;
            print(&loaded.findings(arguments.format, false))?;
            continue;
        };
        for case in mapping.cases() {
            if arguments.filter.as_ref().is_some_and(|filter| !case.name().contains(filter.as_str())) {
                left_out += 1;
                continue;
            }
            let result = mapping.run_case(case);
            if result.failure.is_none() {
                passed += 1;
            } else {
                failed += 1;
            }
            let text = match (arguments.format, &result.failure) {
                (Format::Json, failure) => {
                    let finding = failure.as_ref().map(|failure| finding_json(&source, failure, loaded.mark));
                    let ok = finding.is_none();
                    format!("{}\n", json!({"file": source.name(), "name": result.name, "ok": ok, "failure": finding}))
                }
                (_, None) => format!("ok      {} :: {}\n", source.name(), result.name),
                (format, Some(failure)) => {
                    let mut failure = failure.clone();
                    if format == Format::Concise && !failure.notes.is_empty() {
                        // What was expected and what came stands in the notes, which a line has no room for.
                        failure.message = format!("{}: {}", failure.message, failure.notes.join("; "));
                        failure.primary.text.clear();
                    }
                    let told = finding(&source, &failure, format, false, loaded.mark);
                    format!("FAILED  {} :: {}\n{told}", source.name(), result.name)
                }
            };
            print(&text)?;
        }
        if mapping.cases().is_empty() && arguments.format != Format::Json {
            print(&format!("        {} has no [[tests]]\n", source.name()))?;
        }
    }
    if arguments.format != Format::Json {
        let tests = if passed == 1 { "1 test".to_owned() } else { format!("{passed} tests") };
        let mut summary = format!("{tests} passed, {failed} failed");
        if broken > 0 {
            summary = format!("{summary}; {} with errors", counted(broken, "mapping"));
        }
        tell(&format!("{summary}\n"));
    }
    if !unreadable.is_empty() {
        return Err(Failure::told(unreadable.join("\nprovisor: ")));
    }
    if passed + failed + broken == 0 {
        return Err(Failure::told(match &arguments.filter {
            Some(filter) if left_out > 0 => {
                format!("no test has {filter:?} in its name: {} left out", counted(left_out, "test"))
            }
            _ => "there is no test to run: add [[tests]] to a mapping file".to_owned(),
        }));
    }
    Ok(if failed + broken > 0 { Ending::Findings } else { Ending::Clean })
}
