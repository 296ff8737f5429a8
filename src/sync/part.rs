//! [`Part`]: one kind of object in a run: its mapping, its records, and what the mapping makes of them.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::difference::{at, is_reference};
use super::progress::Progress;
use super::records::{Record, Records};
use super::settings::KindSettings;
use super::{Stop, SyncError};
use crate::clock::{Millis, moment};
use crate::directory::token::hash;
use crate::directory::{Directory, Source as Endpoint};
use crate::function::{Env, Seed};
use crate::mapping::{Apply, Mapping, Ran, Rule, Told};
use crate::target::{Kind, Object};
use crate::text::Source;

/// One kind of object in a run.
pub(super) struct Part {
    pub(super) kind: Kind,
    pub(super) settings: KindSettings,
    pub(super) mapping: Mapping,
    /// SHA-256 of the mapping's text, by which a changed one is known.
    pub(super) digest: String,
    pub(super) records: Records,
    /// What is odd about the records.
    pub(super) warnings: Vec<String>,
    /// Where it is told how far the run is.
    pub(super) progress: Arc<Progress>,
    env: Env,
}

/// What a mapping made of a record, ready to be compared.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) payload: Object,
    /// A digest of it.
    pub(super) digest: String,
    /// What it is found by: target and value, by precedence.
    pub(super) matches: Vec<(String, String)>,
    /// What people call it.
    pub(super) name: String,
    /// The record that is its manager.
    pub(super) manager: Option<String>,
}

/// What became of a record.
pub(super) enum Made {
    Wanted(Box<Wanted>),
    OutOfScope,
    Skipped(String),
}

impl Part {
    /// Compiles the mapping of a kind, its name and its text, and opens its records.
    pub(super) fn read(
        kind: Kind,
        of: &KindSettings,
        (file, text): (String, String),
        beside: &Path,
        directory: Option<(&Directory, &Arc<Endpoint>)>,
        env: Env,
        progress: &Arc<Progress>,
    ) -> Result<Self, Stop> {
        let digest = hash(&text);
        let compiled = Mapping::compile(&Source::new(file.clone(), text));
        let Some(mapping) = compiled.mapping else {
            let found = compiled.diagnostics;
            let told =
                found.iter().find(|finding| finding.is_error()).map(|first| Told::of(found.source(), None, first));
            return Err(Stop::Halt {
                mapping: file,
                digest,
                record: None,
                told: Box::new(told.unwrap_or_else(unknown)),
            });
        };
        let mut warnings = Vec::new();
        let records = match (&of.file, directory) {
            (Some(file), _) => {
                Records::file(&beside.join(file), of, mapping.layout(), &mut warnings).map_err(Stop::Failed)?
            }
            (None, Some((directory, source))) => Records::Directory(directory.clone(), Arc::clone(source), kind),
            (None, None) => return Err(Stop::Failed(SyncError::Settings("there are no records".into()))),
        };
        let progress = Arc::clone(progress);
        Ok(Self { kind, settings: of.clone(), mapping, digest, records, warnings, progress, env })
    }

    /// Maps a record. Random values are the same for a record in every run of the sync.
    pub(super) fn make(&self, record: &Record, apply: Apply) -> Result<Made, Stop> {
        let number =
            Sha256::digest(record.id.as_bytes()).iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        match self.mapping.run(&record.text, &self.env, number, apply) {
            Ran::OutOfScope => Ok(Made::OutOfScope),
            Ran::Skipped { reason, .. } => Ok(Made::Skipped(reason)),
            Ran::Failed(told) => Err(Stop::Halt {
                mapping: self.mapping.name().to_owned(),
                digest: self.digest.clone(),
                record: Some((self.kind, record.id.clone())),
                told,
            }),
            Ran::Payload { payload: Value::Object(payload), .. } => {
                Ok(Made::Wanted(Box::new(wanted(&self.mapping, payload))))
            }
            Ran::Payload { .. } => Ok(Made::Skipped("the mapping makes no object".into())),
        }
    }

    /// The digest of what an update of the record would send: what is sent on creation alone is no part of it.
    pub(super) fn digest_of_update(&self, record: &Record, made: &Wanted) -> Result<String, Stop> {
        if !self.mapping.rules().iter().any(Rule::is_create_only) {
            return Ok(made.digest.clone());
        }
        Ok(match self.make(record, Apply::Update)? {
            Made::Wanted(wanted) => wanted.digest,
            _ => made.digest.clone(),
        })
    }

    /// The target of the mapping that writes the manager.
    pub(super) fn manager_path(&self) -> Option<&str> {
        let mut targets = self.mapping.rules().iter().map(Rule::target);
        targets.find(|path| is_reference(path) && !path.starts_with("members"))
    }
}

/// A payload ready to be compared: without references, which are written when everybody is there.
pub(super) fn wanted(mapping: &Mapping, mut payload: Object) -> Wanted {
    let manager = take_manager(mapping, &mut payload);
    payload.shift_remove("members");
    let text = |value: Value| match value {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let rules = mapping.matching_rules();
    let matches: Vec<(String, String)> =
        rules.iter().filter_map(|rule| Some((rule.target().to_owned(), text(at(&payload, rule.target()))?))).collect();
    let named = ["displayName", "userName", "userPrincipalName", "name"];
    let name = named.iter().find_map(|key| text(payload.get(*key)?.clone()));
    let name = name.or_else(|| matches.first().map(|(_, value)| value.clone())).unwrap_or_default();
    let digest = digest(&payload);
    Wanted { payload, digest, matches, name, manager }
}

/// Takes the manager out, who is written when everybody is there.
fn take_manager(mapping: &Mapping, payload: &mut Object) -> Option<String> {
    let writes = |path: &str| is_reference(path) && !path.starts_with("members");
    if !mapping.rules().iter().any(|rule| writes(rule.target())) {
        return None;
    }
    let enterprise = crate::scim::schema::ENTERPRISE_USER;
    let mut found = payload.shift_remove("manager");
    if let Some(section) = payload.get_mut(enterprise).and_then(Value::as_object_mut) {
        found = found.or(section.shift_remove("manager"));
        if section.is_empty() {
            payload.shift_remove(enterprise);
        }
    }
    let id = match found {
        Some(Value::Object(fields)) => fields.get("value").and_then(Value::as_str).map(str::to_owned),
        Some(Value::String(id)) => Some(id),
        _ => None,
    };
    id.filter(|id| !id.is_empty())
}

/// The id of the manager that an object of the target has.
pub(super) fn manager_in(object: &Object, path: &str) -> Option<String> {
    match at(object, path) {
        Value::String(id) if !id.is_empty() => Some(id),
        Value::Object(fields) => fields.get("value").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

/// A digest of a payload, to know it again: half of a hash is enough for that.
pub(super) fn digest(payload: &Object) -> String {
    let text = serde_json::to_string(payload).unwrap_or_default();
    hash(&text).get(..32).unwrap_or_default().to_owned()
}

/// The environment of a run: its clock, and the seed of the sync.
pub(super) fn environment(now: Millis, seed: [u8; 32]) -> Env {
    Env::new(moment(now), Seed::from_bytes(seed))
}

fn unknown() -> Told {
    Told { rule: None, code: "E0101".into(), place: String::new(), report: "the mapping does not compile".into() }
}
