//! Who would change: two revisions of a mapping over the records of a source's directory, in bounded steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::bench::environment;
use crate::clock::Millis;
use crate::directory::{DirectoryRecord, Held};
use crate::mapping::{Apply, Mapping, Ran};
use crate::server::State;
use crate::server::problem::Problem;

/// Records that one question looks at.
const RECORDS: usize = 20_000;
/// How long one question takes.
const TIME: Duration = Duration::from_secs(10);
/// People who are named.
const NAMED: usize = 25;
/// Attributes that are named of one of them.
const ATTRIBUTES: usize = 20;

/// What two mappings make of many records.
#[derive(Default)]
struct Tally {
    looked: usize,
    unchanged: usize,
    changed: usize,
    /// Records that only the new mapping fails on.
    failing: usize,
    /// Records that only the new mapping leaves out.
    leaving: usize,
    /// By attribute.
    attributes: BTreeMap<String, usize>,
    samples: Vec<Value>,
    failures: Vec<Value>,
}

/// What came of a record, as it is compared.
enum Made {
    Payload(Map<String, Value>),
    Left(String),
    Failed(String),
}

fn made(mapping: &Mapping, record: &str, now: Millis) -> Made {
    match mapping.run(record, &environment(now), 0, Apply::Create) {
        Ran::Payload { payload, .. } => {
            let mut flat = Map::new();
            flatten("", &payload, &mut flat);
            Made::Payload(flat)
        }
        Ran::OutOfScope => Made::Left("out of scope".to_owned()),
        Ran::Skipped { reason, .. } => Made::Left(reason),
        Ran::Failed(told) => Made::Failed(told.report),
    }
}

/// Each value by its path.
fn flatten(path: &str, value: &Value, out: &mut Map<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, out);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (place, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{place}]"), item, out);
            }
        }
        value => {
            out.insert(path.to_owned(), value.clone());
        }
    }
}

impl Tally {
    fn add(&mut self, entry: &DirectoryRecord, old: Option<&Made>, new: &Made) {
        self.looked += 1;
        let name = ["userName", "displayName"].iter().find_map(|name| entry.record.get(*name)?.as_str());
        let who = json!({"id": entry.id, "name": name.unwrap_or(&entry.id)});
        let empty = Map::new();
        let before = match old {
            Some(Made::Payload(fields)) => fields,
            _ => &empty,
        };
        let after = match new {
            Made::Payload(fields) => fields,
            Made::Failed(report) => {
                if !matches!(old, Some(Made::Failed(_))) {
                    self.failing += 1;
                    if self.failures.len() < NAMED {
                        self.failures.push(json!({"who": who, "report": report}));
                    }
                } else {
                    self.unchanged += 1;
                }
                return;
            }
            Made::Left(reason) => {
                if matches!(old, Some(Made::Left(_))) {
                    self.unchanged += 1;
                } else {
                    self.leaving += 1;
                    if self.samples.len() < NAMED {
                        self.samples.push(json!({"who": who, "reason": reason, "changes": []}));
                    }
                }
                return;
            }
        };
        let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        let differing: Vec<&String> = names.filter(|name| before.get(*name) != after.get(*name)).collect();
        if differing.is_empty() && matches!(old, Some(Made::Payload(_))) {
            self.unchanged += 1;
            return;
        }
        self.changed += 1;
        for name in &differing {
            *self.attributes.entry((*name).clone()).or_default() += 1;
        }
        if self.samples.len() < NAMED {
            let changes = differing
                .iter()
                .take(ATTRIBUTES)
                .map(|name| json!({"path": name, "old": before.get(*name), "new": after.get(*name)}));
            self.samples.push(json!({"who": who, "changes": changes.collect::<Vec<_>>()}));
        }
    }

    fn into_json(self, is_whole: bool, compared: Option<u64>) -> Value {
        let mut attributes: Vec<(String, usize)> = self.attributes.into_iter().collect();
        attributes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        json!({
            "looked": self.looked, "unchanged": self.unchanged, "changed": self.changed, "failing": self.failing,
            "leaving": self.leaving, "whole": is_whole, "against": compared,
            "attributes": attributes.into_iter().map(|(path, count)| json!({"path": path, "count": count})).collect::<Vec<_>>(),
            "samples": self.samples, "failures": self.failures,
        })
    }
}

/// Compares a mapping with the one that is kept under its name, over the users or groups of a source.
pub(super) async fn over(state: &State, slug: &str, kind: &str, new: Mapping) -> Result<Value, Problem> {
    let source = state.registry.source(slug);
    let source = source.ok_or_else(|| super::missing(&format!("source {slug:?}")))?;
    let held: Option<Arc<Held>> = state.directory.library().get(new.name());
    let against = held.as_ref().filter(|held| held.mapping.is_ok()).map(|held| held.revision.revision);
    let (new, now, begun) = (Arc::new(new), state.directory.now(), Instant::now());
    let (mut tally, mut after) = (Tally::default(), None);
    loop {
        let reads = |_: &str| true;
        let page = state.directory.entries(&source, kind, after, &reads).await;
        let (entries, next) = page.map_err(|error| Problem::of_status(error.status, error.detail))?;
        let (held, new) = (held.clone(), Arc::clone(&new));
        // A page of mapping is work for the processor: others answer meanwhile.
        let counted = tokio::task::spawn_blocking(move || {
            for entry in &entries {
                let record = Value::Object(entry.record.clone()).to_string();
                let old = held.as_ref().and_then(|held| held.mapping.as_ref().ok());
                let old = old.map(|mapping| made(mapping, &record, now));
                tally.add(entry, old.as_ref(), &made(&new, &record, now));
                if begun.elapsed() > TIME {
                    return (tally, true);
                }
            }
            (tally, false)
        });
        let late;
        (tally, late) = counted.await.map_err(|_| Problem::of_status(500, "the comparison failed".to_owned()))?;
        let is_whole = next.is_none() && !late;
        after = next;
        if is_whole || late || tally.looked >= RECORDS || after.is_none() {
            return Ok(tally.into_json(is_whole, against));
        }
    }
}
