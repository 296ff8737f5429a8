//! Impact: whom another mapping changes, and in what. Records pass one by one; what is kept are counts and some samples.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::function::Env;

use super::difference::{Change, differences};
use super::preview::{Ended, Preview, Previewer};
use super::{Apply, Mapping};

/// How many attributes are counted by name; a script may make up more.
const MOST_ATTRIBUTES: usize = 2_000;
/// How many failures of the new mapping are told.
const MOST_FAILURES: usize = 20;

/// Runs records through two mappings and sums up what differs.
pub struct Comparer<'m> {
    /// None when there was no mapping.
    old: Option<Previewer<'m>>,
    new: Previewer<'m>,
    old_text: Vec<u8>,
    new_text: Vec<u8>,
    apply: Apply,
    impact: Impact,
}

/// What differs, summed up.
#[derive(Debug, Default)]
pub struct Impact {
    /// How many records were looked at.
    pub records: u64,
    /// How many end otherwise than before, or with another payload.
    pub changed: u64,
    /// By how they ended with the old mapping and with the new one.
    ends: BTreeMap<(&'static str, &'static str), u64>,
    attributes: BTreeMap<String, Touched>,
    samples: Vec<Json>,
    most_samples: usize,
    failures: Vec<Json>,
}

/// How often an attribute differs.
#[derive(Debug, Default)]
struct Touched {
    changed: u64,
    added: u64,
    removed: u64,
}

impl<'m> Comparer<'m> {
    /// For an old mapping, if there was one, and a new one, both with the clock and the seed of one environment. `samples`: how
    /// many changed records are shown.
    ///
    /// # Errors
    /// `given` cannot be used; the message says why.
    pub fn new(
        (old, new): (Option<&'m Mapping>, &'m Mapping),
        base: &Env,
        given: &super::EnvOverride,
        apply: Apply,
        samples: usize,
    ) -> Result<Self, String> {
        let old = match old {
            Some(old) => Some(Previewer::new(old, given.over(&old.env(base))?)),
            None => None,
        };
        let new = Previewer::new(new, given.over(&new.env(base))?);
        let impact = Impact { most_samples: samples, ..Impact::default() };
        Ok(Self { old, new, old_text: Vec::new(), new_text: Vec::new(), apply, impact })
    }

    /// Adds a record. `id` names it in a sample; `number` is its place, and its own for random values.
    pub fn add(&mut self, record: &str, number: u64, id: Option<&str>) {
        self.old_text.clear();
        self.new_text.clear();
        let before = match &mut self.old {
            Some(old) => old.payload(record, number, self.apply, &mut self.old_text),
            None => Preview::of(Ended::Unmapped),
        };
        let after = self.new.payload(record, number, self.apply, &mut self.new_text);
        let impact = &mut self.impact;
        impact.records += 1;
        *impact.ends.entry((before.ended.word(), after.ended.word())).or_default() += 1;
        if after.ended == Ended::Failed && impact.failures.len() < MOST_FAILURES {
            impact.failures.push(json!({"record": number, "id": id, "reason": after.reason}));
        }
        // To get nothing where there was no mapping is no change.
        let is_nothing = before.ended == Ended::Unmapped && after.ended != Ended::Payload;
        if is_nothing || before.ended == after.ended && self.old_text == self.new_text {
            return;
        }
        let parsed = |text: &[u8]| serde_json::from_slice(text).unwrap_or(json!({}));
        let (old, new): (Json, Json) = (parsed(&self.old_text), parsed(&self.new_text));
        let changes = differences(&old, &new);
        if before.ended == after.ended && changes.is_empty() {
            return;
        }
        impact.changed += 1;
        // One who comes or goes as a whole is counted as that, and not attribute by attribute.
        if before.ended == after.ended {
            for change in &changes {
                impact.touch(change);
            }
        }
        if impact.samples.len() < impact.most_samples {
            let named = if before.ended == Ended::Payload { &old } else { &new };
            impact.samples.push(sample((number, id, named), &before, &after, &changes));
        }
    }

    /// What was found.
    pub fn end(self) -> Impact {
        self.impact
    }

    /// What was found so far.
    pub fn so_far(&self) -> &Impact {
        &self.impact
    }
}

/// A changed record as it is shown.
fn sample(
    (number, id, payload): (u64, Option<&str>, &Json),
    before: &Preview,
    after: &Preview,
    changes: &[Change],
) -> Json {
    let name = ["displayName", "userName", "userPrincipalName"].iter().find_map(|key| payload.get(*key)?.as_str());
    let mut shown = json!({"record": number, "before": before.ended.word(), "after": after.ended.word()});
    if let Some(fields) = shown.as_object_mut() {
        let mut add = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                fields.insert(key.into(), value.into());
            }
        };
        add("id", id);
        add("name", name);
        add("reason", after.reason.as_deref().or(before.reason.as_deref()));
        fields.insert("changes".into(), changes.iter().map(Change::to_json).collect());
    }
    shown
}

impl Impact {
    fn touch(&mut self, change: &Change) {
        if self.attributes.len() >= MOST_ATTRIBUTES && !self.attributes.contains_key(&change.path) {
            return;
        }
        let touched = self.attributes.entry(change.path.clone()).or_default();
        match (&change.old, &change.new) {
            (None, _) => touched.added += 1,
            (_, None) => touched.removed += 1,
            _ => touched.changed += 1,
        }
    }

    /// How many records ended one way with the old mapping (`before`) and another with the new one.
    pub fn ended(&self, before: impl Fn(&str) -> bool, after: impl Fn(&str) -> bool) -> u64 {
        self.ends.iter().filter(|((old, new), _)| before(old) && after(new)).map(|(_, count)| count).sum()
    }

    /// As JSON: `records`, `changed`, `unchanged`, `appear` (a payload where there was none), `disappear`, `ends` (how they
    /// ended before and after), `attributes` with counts, the most touched first, `samples`, `failures`.
    pub fn to_json(&self) -> Json {
        let payload = |word: &str| word == "payload";
        let other = |word: &str| word != "payload";
        let ends: Vec<Json> = self
            .ends
            .iter()
            .map(|((before, after), count)| json!({"before": before, "after": after, "records": count}))
            .collect();
        let attributes: Vec<Json> = self
            .touched()
            .iter()
            .map(|(path, [changed, added, removed])| {
                json!({"path": path, "records": changed + added + removed, "changed": changed, "added": added, "removed": removed})
            })
            .collect();
        json!({
            "records": self.records,
            "changed": self.changed,
            "unchanged": self.records - self.changed,
            "appear": self.ended(other, payload),
            "disappear": self.ended(payload, other),
            "failed": self.ended(|_| true, |word| word == "failed"),
            "ends": ends,
            "attributes": attributes,
            "samples": self.samples,
            "failures": self.failures,
        })
    }

    /// The attributes that differ, the most touched first: how often each has another value, has one where there was none, and
    /// has none where there was one.
    pub fn touched(&self) -> Vec<(&str, [u64; 3])> {
        let mut all: Vec<(&str, [u64; 3])> = self
            .attributes
            .iter()
            .map(|(path, touched)| (path.as_str(), [touched.changed, touched.added, touched.removed]))
            .collect();
        all.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<u64>()));
        all
    }

    /// Some of the changed records, as JSON.
    pub fn samples(&self) -> &[Json] {
        &self.samples
    }

    /// Some of the failures of the new mapping, as JSON.
    pub fn failures(&self) -> &[Json] {
        &self.failures
    }
}
