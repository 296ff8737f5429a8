//! Entra's provisioning schema (`synchronizationSchema` of Microsoft Graph), made into mapping files and made of them.
//!
//! `read` takes the JSON apart and says where it is not what Graph documents, `source` turns the trees of
//! `attributeMappingSource` into expressions and back, `import` writes a mapping file of each `objectMapping`, `export` makes the
//! JSON of mapping files.

mod directory;
mod export;
mod import;
mod outgoing;
mod read;
mod scope;
mod source;
mod target;

pub use export::{Exported, export};
pub use import::{Imported, import};
pub use outgoing::Outgoing;

/// What has no counterpart on the other side, or was not taken over as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about: a target, a clause of the scope; empty for the whole.
    pub place: String,
    /// What is to be known, and why.
    pub message: String,
    /// Whether what was made does something else than what it was made of.
    pub changes: bool,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.place, self.message) }
    }
}

/// Notes as they are found.
#[derive(Debug, Default)]
struct Notes(Vec<Note>);

impl Notes {
    /// What is not taken over and changes nothing that is sent.
    fn tell(&mut self, place: &str, message: impl Into<String>) {
        self.0.push(Note { place: crate::text::shorten(place).into_owned(), message: message.into(), changes: false });
    }

    /// What makes the result do something else.
    fn warn(&mut self, place: &str, message: impl Into<String>) {
        self.0.push(Note { place: crate::text::shorten(place).into_owned(), message: message.into(), changes: true });
    }
}

/// The names of the mapping files of these object mappings, no two alike.
fn names(stem: &str, found: &[read::ObjectMapping<'_>]) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for of in found {
        let base = name_of(stem, of)?;
        let mut name = base.clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{base}-{number}");
            number += 1;
        }
        names.push(name);
    }
    Ok(names)
}

/// The name of the mapping file of an object mapping: the target's and the object's.
fn name_of(stem: &str, of: &read::ObjectMapping<'_>) -> Result<String, String> {
    let directory = of.rule.word("targetDirectoryName")?.unwrap_or(stem);
    let object = of.mapping.word("targetObjectName")?.unwrap_or("object");
    let object = object.rsplit(':').next().unwrap_or(object);
    let name: String = format!("{directory}-{object}")
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "_.".contains(letter) { letter } else { '-' })
        .collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").to_ascii_lowercase().chars().take(90).collect();
    Ok(if name.is_empty() { "mapping".to_owned() } else { name })
}

/// The `kind` of `[source]` for a directory of this name.
fn source_kind(directory: Option<&str>) -> Option<&'static str> {
    let name = directory?.to_ascii_lowercase();
    ["azure active directory", "azure ad", "microsoft entra id"].contains(&name.as_str()).then_some("entra")
}
