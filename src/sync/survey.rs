//! [`Survey`]: all records of a kind, mapped before anything is written. Of each one that is wanted it holds the id and its
//! manager, 34 bytes in [`Rows`]; of one without an object also what it is found by, in [`Texts`]. Payloads are made again where they
//! are needed.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::ids::{Id, IdText, Ids, Pool};
use super::index::Index;
use super::part::{Made, Part, Wanted};
use super::plan::{Plan, Skipped};
use super::planner::MAX_NAMED;
use super::records::Scope;
use super::rows::{Row, Rows};
use super::state::{States, short};
use super::texts::{Span, Texts};
use super::{Stop, SyncError};
use crate::mapping::{Apply, Rule};
use crate::target::Kind;

/// So many payloads of new objects are held, some four megabytes; those of others are made again.
const MOST_MADE: usize = 4_000;

/// What a run wants of one kind.
#[derive(Default)]
pub(super) struct Survey {
    held: Rows<Held>,
    ids: Ids,
    index: Index,
    /// Of those without an object, in JSON.
    briefs: Texts,
    managers: Pool,
    /// Records that are left out this time; their objects are left alone.
    left: HashSet<String>,
    /// Payloads of new objects that need not be made again, at most [`MOST_MADE`].
    made: HashMap<String, Wanted>,
    /// How many records there are, in scope or not.
    pub(super) records: u64,
}

/// A wanted record, in few bytes.
#[derive(Clone, Copy, Default)]
struct Held {
    record: Id,
    is_as_sent: bool,
    /// Which of the managers, or [`Pool::NONE`].
    manager: u32,
    /// What it is found by; empty of one with an object.
    brief: Span,
}

impl Row for Held {
    const WIDTH: usize = Id::WIDTH + 17;

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.record.bytes());
        bytes.push(self.is_as_sent.into());
        bytes.extend(self.manager.to_le_bytes());
        bytes.extend(self.brief.start.to_le_bytes());
        bytes.extend(self.brief.length.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (record, rest) = bytes.split_first_chunk()?;
        let (is_as_sent, rest) = rest.split_first()?;
        let (manager, rest) = rest.split_first_chunk()?;
        let (start, rest) = rest.split_first_chunk()?;
        let brief = Span { start: u64::from_le_bytes(*start), length: u32::from_le_bytes(*rest.first_chunk()?) };
        let manager = u32::from_le_bytes(*manager);
        Some(Self { record: Id::of(*record), is_as_sent: *is_as_sent != 0, manager, brief })
    }
}

/// A wanted record.
pub(super) struct Entry<'s> {
    /// Its id.
    pub(super) record: IdText<'s>,
    /// Whether its payload is the one that was sent last.
    pub(super) is_as_sent: bool,
    /// The record that is its manager.
    pub(super) manager: Option<IdText<'s>>,
    /// What is needed of one without an object ([`Survey::brief`]).
    brief: Span,
}

impl Entry<'_> {
    /// Whether it had no object when it was surveyed.
    pub(super) fn is_unlinked(&self) -> bool {
        self.brief.length > 0
    }
}

/// What a record without an object is found by.
#[derive(Serialize, Deserialize)]
pub(super) struct Brief {
    /// Target and value, by precedence.
    pub(super) matches: Vec<(String, String)>,
    /// What people call it.
    pub(super) name: String,
}

impl Survey {
    /// Maps every record of a kind.
    pub(super) async fn of(part: &Part, scope: &Scope, states: &States, plan: &mut Plan) -> Result<Self, Stop> {
        let mut survey = Self::default();
        // What is sent on creation alone asks for the record once more.
        let holds = part.records.are_fixed() && !part.mapping.rules().iter().any(Rule::is_create_only);
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
                let is_linked = states.is_linked(&record.id);
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
                        if holds && !is_linked && survey.made.len() < MOST_MADE {
                            survey.made.insert(record.id.clone(), (*wanted).clone());
                        }
                        let Wanted { digest, matches, name, manager, .. } = *wanted;
                        let brief = (!is_linked).then_some(Brief { matches, name });
                        let sent = states.sent(&record.id);
                        let is_as_sent = sent.is_some() && sent == short(&digest);
                        survey.add(&record.id, manager.as_deref(), is_as_sent, brief);
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

    fn add(&mut self, record: &str, manager: Option<&str>, is_as_sent: bool, brief: Option<Brief>) {
        let Ok(number) = u32::try_from(self.held.len()) else { return };
        let manager = manager.map_or(Pool::NONE, |manager| self.managers.number(manager));
        let id = self.ids.hold(record);
        // Texts always are JSON.
        let brief = brief.and_then(|brief| serde_json::to_string(&brief).ok());
        let brief = brief.map_or_else(Span::default, |brief| self.briefs.push(&brief));
        self.held.push(Held { record: id, is_as_sent, manager, brief });
        self.index.add(number, record);
    }

    /// The wanted records, in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.held.len()).map(|place| {
            let Held { record, is_as_sent, manager, brief } = self.held.get(place);
            Entry { record: self.ids.text(record), is_as_sent, manager: self.managers.text(manager), brief }
        })
    }

    /// What an entry without an object is found by; `None` of one with an object.
    pub(super) fn brief(&self, entry: &Entry<'_>) -> Option<Brief> {
        if !entry.is_unlinked() {
            return None;
        }
        // What cannot be read any more ends the run before its plan is used.
        let nothing = || Brief { matches: Vec::new(), name: String::new() };
        Some(serde_json::from_str(&self.briefs.get(entry.brief)).unwrap_or_else(|_| nothing()))
    }

    /// The id of a record by its place among the entries.
    pub(super) fn record(&self, place: usize) -> IdText<'_> {
        self.ids.text(self.held.get(place).record)
    }

    /// That all is there still.
    ///
    /// # Errors
    /// It is not: nothing that it said may be used.
    pub(super) fn intact(&self) -> Result<(), SyncError> {
        self.held.intact().and(self.index.intact()).and(self.briefs.intact()).map_err(SyncError::Settings)
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Where a record stands among the entries.
    pub(super) fn place(&self, record: &str) -> Option<usize> {
        self.index.find(record, |number| record_of(&self.held, &self.ids, number)).map(|number| number as usize)
    }

    /// The payloads of new objects that need not be made again, by record.
    pub(super) fn take_made(&mut self) -> HashMap<String, Wanted> {
        std::mem::take(&mut self.made)
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

fn record_of<'i>(held: &Rows<Held>, ids: &'i Ids, number: u32) -> IdText<'i> {
    ids.text(held.get(number as usize).record)
}
