//! [`Survey`]: all records of a kind, mapped before anything is written. Of each one that is wanted it holds the id, a digest of
//! its payload and its manager; of one without an object also what it is found by. Payloads are made again where they are needed.

use std::collections::HashSet;
use std::sync::Arc;

use super::Stop;
use super::index::Index;
use super::part::{Made, Part, Wanted};
use super::plan::{MAX_NAMED, Plan, Skipped};
use super::records::Scope;
use super::state::{Short, States, short};
use crate::mapping::Apply;
use crate::target::Kind;

/// What a run wants of one kind.
pub(super) struct Survey {
    entries: Vec<Entry>,
    index: Index,
    /// Records that are left out this time; their objects are left alone.
    left: HashSet<String>,
    /// How many records there are, in scope or not.
    pub(super) records: u64,
}

/// A wanted record, in few bytes.
pub(super) struct Entry {
    /// Its id.
    pub(super) record: Arc<str>,
    /// The digest of its payload.
    pub(super) digest: Option<Short>,
    /// The record that is its manager.
    pub(super) manager: Option<Arc<str>>,
    /// What is needed of one without an object.
    pub(super) brief: Option<Box<Brief>>,
}

/// What a record without an object is found by.
pub(super) struct Brief {
    /// Target and value, by precedence.
    pub(super) matches: Vec<(String, String)>,
    /// What people call it.
    pub(super) name: String,
}

impl Survey {
    /// Maps every record of a kind.
    pub(super) async fn of(part: &Part, scope: &Scope, states: &States, plan: &mut Plan) -> Result<Self, Stop> {
        let mut survey = Self { entries: Vec::new(), index: Index::default(), left: HashSet::new(), records: 0 };
        let mut managers: HashSet<Arc<str>> = HashSet::new();
        let mut after = None;
        loop {
            let (records, next) = part.records.page(&part.mapping, after).await.map_err(Stop::Failed)?;
            part.progress.add(records.len());
            for record in records {
                plan.counts.records += 1;
                survey.records += 1;
                if part.kind == Kind::User && !scope.takes(&record) {
                    plan.counts.out_of_scope += 1;
                    continue;
                }
                let is_linked = states.target(&record.id).is_some();
                match part.make(&record, if is_linked { Apply::Update } else { Apply::Create })? {
                    Made::OutOfScope => plan.counts.out_of_scope += 1,
                    Made::Skipped(reason) => {
                        plan.counts.skipped += 1;
                        plan.note(states, part.kind, &record.id, "skipped", &reason);
                        if plan.skipped.len() < MAX_NAMED {
                            plan.skipped.push(Skipped { kind: part.kind, record: record.id.clone(), reason });
                        }
                        survey.left.insert(record.id);
                    }
                    Made::Wanted(wanted) => {
                        let Wanted { digest, matches, name, manager, .. } = *wanted;
                        // Managers are few, and each is of many.
                        let manager = manager.map(|id| match managers.get(&*id) {
                            Some(known) => Arc::clone(known),
                            None => {
                                let known: Arc<str> = id.into();
                                managers.insert(Arc::clone(&known));
                                known
                            }
                        });
                        let brief = || Box::new(Brief { matches, name });
                        survey.add(Entry {
                            record: states.shared(&record.id).unwrap_or_else(|| record.id.into()),
                            digest: short(&digest),
                            manager,
                            brief: (!is_linked).then(brief),
                        });
                    }
                }
            }
            after = next;
            if after.is_none() {
                return Ok(survey);
            }
            tokio::task::yield_now().await;
        }
    }

    fn add(&mut self, entry: Entry) {
        let Ok(number) = u32::try_from(self.entries.len()) else { return };
        let record = Arc::clone(&entry.record);
        self.entries.push(entry);
        self.index.add(number, &record, |number| record_of(&self.entries, number));
    }

    /// The wanted records, in their order.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where a record stands among the entries.
    pub(super) fn place(&self, record: &str) -> Option<usize> {
        self.index.find(record, |number| record_of(&self.entries, number)).map(|number| number as usize)
    }

    /// Whether the record is wanted.
    pub(super) fn wants(&self, record: &str) -> bool {
        self.place(record).is_some()
    }

    /// Whether the record is there: wanted, or left out this time.
    pub(super) fn has(&self, record: &str) -> bool {
        self.wants(record) || self.left.contains(record)
    }
}

fn record_of(entries: &[Entry], number: u32) -> &str {
    entries.get(number as usize).map_or("", |entry| &entry.record)
}
