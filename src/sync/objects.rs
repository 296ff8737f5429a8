//! Each object by itself: what was done last with it and why, how often it was tried, and when it is tried again. Reasons are told
//! without values, as the provisioning log tells them; the one value that is shown is its name.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::part::Made;
use super::plan::{Plan, Verb};
use super::runs::row;
use super::state::{State, States};
use super::survey::Survey;
use super::{PlanError, Stop, Sync, SyncError};
use crate::clock::Millis;
use crate::directory::token::DAY;
use crate::directory::{time, without_values};
use crate::mapping::Apply;
use crate::scim::compare::fold;
use crate::store::{Cursor, Table};
use crate::target::Kind;

/// How many records are read at once.
const PAGE: usize = 1_000;
/// How many states are written at once.
const AT_ONCE: usize = 200;
/// How many records one question looks at; the answer says where to go on.
const MAX_LOOKED: usize = 20_000;

/// The outcomes that an object may have, in words.
pub const OUTCOMES: [&str; 13] = [
    "created",
    "recreated",
    "linked",
    "updated",
    "unchanged",
    "disabled",
    "deleted",
    "unlinked",
    "failed",
    "skipped",
    "ambiguous",
    "begun",
    "pending",
];

/// What is remembered of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// Of which kind.
    pub kind: Kind,
    /// The record.
    pub record: String,
    /// What people call it: `displayName` or `userName`.
    pub name: String,
    /// The id of its object in the target.
    pub target: Option<String>,
    /// What was done last, one of [`OUTCOMES`]; `out of scope` when it was asked for by id and no run has to do with it.
    pub outcome: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Option<Millis>,
    /// How often it was tried in a row without success.
    pub attempts: u32,
    /// When a server tries it again, unless it changes before; `None` when nothing is open, or nobody knows.
    pub next: Option<Millis>,
}

/// Which objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectQuery {
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Only those with this text in name, record or target id, letter case aside.
    pub search: Option<String>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// Some objects. A page may be short, even empty, although more follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects: groups, then users, by record.
    pub objects: Vec<ObjectView>,
    /// Where it goes on; `None` at the end.
    pub next: Option<Cursor>,
}

/// The header of [`ObjectView::csv`], with its end.
pub const OBJECTS_CSV_HEADER: &str = "kind,record,name,target,outcome,reason,at,attempts,next\r\n";

impl ObjectView {
    /// As a row of CSV (RFC 4180), with its end; a cell that a spreadsheet would take for a formula begins with `'`.
    pub fn csv(&self) -> String {
        let when = |at: Option<Millis>| at.map(time).unwrap_or_default();
        row([
            self.kind.word().to_owned(),
            self.record.clone(),
            self.name.clone(),
            self.target.clone().unwrap_or_default(),
            self.outcome.clone(),
            self.reason.clone().unwrap_or_default(),
            when(self.at),
            self.attempts.to_string(),
            when(self.next),
        ])
    }
}

/// A record that a run leaves out, and that was not left out so before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Left {
    kind: Kind,
    record: String,
    outcome: &'static str,
    reason: String,
}

/// Whether something is open.
pub(super) fn is_open(outcome: &str) -> bool {
    matches!(outcome, "failed" | "skipped" | "ambiguous" | "begun" | "pending")
}

impl Plan {
    /// Notes that a record is left out. What is known already is not written again.
    pub(super) fn note(&mut self, states: &States, kind: Kind, record: &str, outcome: &'static str, reason: &str) {
        let reason = without_values(reason);
        if !states.is_told(record, outcome, &reason) {
            self.left.push(Left { kind, record: record.to_owned(), outcome, reason });
        }
    }
}

/// Remembers whom a run leaves out and why, and forgets who is gone and never had an object.
pub(super) async fn remember(
    plan: &Plan,
    surveys: &HashMap<Kind, Survey>,
    states: &mut HashMap<Kind, States>,
    (now, days): (Millis, u64),
) -> Result<(), Stop> {
    for (kind, states) in states {
        let left: Vec<&Left> = plan.left.iter().filter(|left| left.kind == *kind).collect();
        for some in left.chunks(AT_ONCE) {
            let mut changes = Vec::with_capacity(some.len());
            for left in some {
                let known = states.whole(&left.record).await.map_err(Stop::store)?.unwrap_or_default();
                let (outcome, reason) = (left.outcome.to_owned(), Some(left.reason.clone()));
                changes.push((left.record.clone(), Some(State { outcome, reason, at: now, attempts: 0, ..known })));
            }
            states.put(changes).await.map_err(Stop::store)?;
        }
        // Should the run end before they are written, the next one reads them.
        let regrouped = plan.actions.iter().filter(|action| action.is(*kind, &[Verb::Members]));
        let regrouped: Vec<&str> = regrouped.map(|action| action.record.as_str()).collect();
        for some in regrouped.chunks(AT_ONCE) {
            let mut changes = Vec::new();
            for record in some.iter().filter(|record| states.gathered(record).is_some()) {
                let known = states.whole(record).await.map_err(Stop::store)?.unwrap_or_default();
                changes.push(((*record).to_owned(), Some(State { gathered: None, ..known })));
            }
            states.put(changes).await.map_err(Stop::store)?;
        }
        let Some(survey) = surveys.get(kind).filter(|survey| survey.records > 0) else { continue };
        let before = now.saturating_sub(DAY.saturating_mul(days));
        states.forget_begun(|record| survey.has(record));
        let gone = states.without_object(before).filter(|record| !survey.has(record)).map(String::from);
        let gone: Vec<String> = gone.collect();
        for some in gone.chunks(AT_ONCE) {
            let changes = some.iter().map(|record| (record.clone(), None)).collect();
            states.put(changes).await.map_err(Stop::store)?;
        }
    }
    Ok(())
}

/// When what is open is tried again.
struct Outlook(Option<Millis>);

impl Outlook {
    fn view(&self, kind: Kind, record: &str, state: &State) -> ObjectView {
        // What was begun and never ended has no outcome of its own.
        let begun = state.intent.is_some() && state.outcome.is_empty();
        let (outcome, reason) = if begun {
            ("begun".to_owned(), Some("it was being made when the run ended; the next looks for it".to_owned()))
        } else {
            (state.outcome.clone(), state.reason.as_deref().map(without_values))
        };
        ObjectView {
            kind,
            record: record.to_owned(),
            name: state.name.clone(),
            target: state.target.clone().or_else(|| state.shut.clone()),
            next: self.0.filter(|_| is_open(&outcome)),
            outcome,
            reason,
            at: state.intent.filter(|_| begun).or(Some(state.at)).filter(|at| *at > 0),
            attempts: state.attempts,
        }
    }
}

impl Sync {
    /// Kind and record of a key.
    fn of_key(&self, key: &[u8]) -> Option<(Kind, String)> {
        let rest = key.strip_prefix(self.prefix().as_slice())?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (word, record) = (rest.get(..end)?, rest.get(end + 1..)?);
        let kind = [Kind::User, Kind::Group].into_iter().find(|kind| kind.word().as_bytes() == word)?;
        Some((kind, String::from_utf8_lossy(record).into_owned()))
    }

    /// When what is open is tried again.
    async fn outlook(&self) -> Result<Outlook, SyncError> {
        if super::halt::read(self.store(), self.name()).await?.is_some() {
            return Ok(Outlook(None));
        }
        Ok(Outlook(match self.quarantined().await? {
            Some(quarantine) => quarantine.next,
            None => self.next_regular(),
        }))
    }

    /// What is remembered of the records of the sync, a page of it.
    ///
    /// # Errors
    /// The store fails.
    pub async fn objects(&self, query: &ObjectQuery) -> Result<ObjectPage, SyncError> {
        let outlook = self.outlook().await?;
        let search = query.search.as_deref().map(fold);
        let holds = |text: &str| search.as_ref().is_none_or(|search| fold(text).contains(&**search));
        let (mut page, mut after, mut looked) = (ObjectPage::default(), query.after.clone(), 0);
        let prefix = self.prefix();
        // What is only begun has no record of its own, and its place among those that have.
        let begun = self.begun().await?.into_iter();
        let begun = begun.map(|(kind, record, state)| (super::state::key(self.name(), kind, &record), state));
        let mut begun: BTreeMap<Vec<u8>, State> = begun.collect();
        if let Some(after) = &after {
            begun.retain(|key, _| key.as_slice() > after.as_bytes());
        }
        loop {
            let some = self.store().records(Table::Links, &prefix, after, PAGE).await?;
            looked += some.items.len();
            let stored = some.items.into_iter().map(|record| {
                let state = serde_json::from_slice(&record.value).unwrap_or_default();
                (record.key, state)
            });
            let mut stored: BTreeMap<Vec<u8>, State> = stored.collect();
            begun.retain(|key, _| !stored.contains_key(key));
            let mut here = match &some.next {
                Some(next) => {
                    let later = begun.split_off(next.as_bytes());
                    std::mem::replace(&mut begun, later)
                }
                None => std::mem::take(&mut begun),
            };
            here.append(&mut stored);
            for (key, state) in here {
                let Some((kind, id)) = self.of_key(&key) else { continue };
                let view = outlook.view(kind, &id, &state);
                let is_wanted = query.kind.is_none_or(|wanted| wanted == kind)
                    && query.outcome.as_ref().is_none_or(|outcome| *outcome == view.outcome)
                    && (holds(&view.name) || holds(&view.record) || view.target.as_deref().is_some_and(holds));
                if !is_wanted {
                    continue;
                }
                page.objects.push(view);
                if page.objects.len() >= query.limit {
                    page.next = Some(Cursor::from_bytes(&key));
                    return Ok(page);
                }
            }
            after = some.next;
            if after.is_none() || looked >= MAX_LOOKED {
                page.next = after;
                return Ok(page);
            }
            tokio::task::yield_now().await;
        }
    }

    /// One object: by the id of its record, by its id in the target, by its name, or by a value that it is matched by; the first
    /// of these that finds one decides. A record that no run has come to is told as it would fare now.
    ///
    /// # Errors
    /// The store fails; a mapping that is needed to look further does not compile or fails on a record.
    pub async fn object(&self, kind: Option<Kind>, id: &str) -> Result<Option<ObjectView>, PlanError> {
        let outlook = self.outlook().await.map_err(PlanError::Other)?;
        let kinds = [Kind::User, Kind::Group].into_iter().filter(|one| kind.is_none_or(|kind| kind == *one));
        let kinds: Vec<Kind> = kinds.collect();
        for kind in &kinds {
            if let Some(state) = self.link(*kind, id).await.map_err(PlanError::Other)? {
                return Ok(Some(outlook.view(*kind, id, &state)));
            }
        }
        let found = self.named(&kinds, id, &outlook).await.map_err(PlanError::Other)?;
        match found {
            Some(found) => Ok(Some(found)),
            None => self.sought(&kinds, id, &outlook).await.map_err(PlanError::from),
        }
    }

    /// Looks through what is remembered, by id in the target first and by name second; users before groups.
    async fn named(&self, kinds: &[Kind], id: &str, outlook: &Outlook) -> Result<Option<ObjectView>, SyncError> {
        let place = |kind: Kind| kinds.iter().position(|one| *one == kind);
        let (mut best, mut after): (Option<((bool, usize), ObjectView)>, _) = (None, None);
        let mut begun = self.begun().await?;
        loop {
            let some = self.store().records(Table::Links, &self.prefix(), after, PAGE).await?;
            let stored = some.items.into_iter().filter_map(|record| {
                let (kind, number) = self.of_key(&record.key)?;
                Some((kind, number, serde_json::from_slice(&record.value).unwrap_or_default()))
            });
            for (kind, number, state) in stored.chain(std::mem::take(&mut begun)) {
                let Some(place) = place(kind) else { continue };
                let is_target = state.target.as_deref() == Some(id) || state.shut.as_deref() == Some(id);
                let rank = (!is_target, place);
                if (is_target || fold(&state.name) == fold(id)) && best.as_ref().is_none_or(|(known, _)| rank < *known)
                {
                    best = Some((rank, outlook.view(kind, &number, &state)));
                }
            }
            after = some.next;
            if after.is_none() {
                return Ok(best.map(|(_, view)| view));
            }
            tokio::task::yield_now().await;
        }
    }

    /// Looks through the records themselves.
    async fn sought(&self, kinds: &[Kind], id: &str, outlook: &Outlook) -> Result<Option<ObjectView>, Stop> {
        let stage = self.stage(None, &self.planning).await?;
        let _watched = super::progress::Watched(&self.planning);
        let wanted = fold(id);
        for part in stage.parts.iter().filter(|part| kinds.contains(&part.kind)) {
            if let Some(record) = part.records.one(&part.mapping, id).await.map_err(Stop::Failed)? {
                let taken = part.kind == Kind::Group || stage.scope.takes(&record);
                let told = match part.make(&record, Apply::Create)? {
                    Made::Wanted(wanted) if taken => ("pending", Some("no run has come to it".to_owned()), wanted.name),
                    Made::Skipped(reason) if taken => ("skipped", Some(without_values(&reason)), String::new()),
                    _ => ("out of scope", None, String::new()),
                };
                let state = State { outcome: told.0.to_owned(), reason: told.1, name: told.2, ..State::default() };
                return Ok(Some(outlook.view(part.kind, id, &state)));
            }
            let mut after = None;
            loop {
                let (records, next) = part.records.page(&part.mapping, after).await.map_err(Stop::Failed)?;
                for record in records {
                    let Made::Wanted(made) = part.make(&record, Apply::Create)? else { continue };
                    if made.matches.iter().any(|(_, value)| fold(value) == wanted) {
                        let pending = || State {
                            outcome: "pending".to_owned(),
                            reason: Some("no run has come to it".to_owned()),
                            name: made.name.clone(),
                            ..State::default()
                        };
                        let known = self.link(part.kind, &record.id).await.map_err(Stop::Failed)?;
                        let state = known.unwrap_or_else(pending);
                        return Ok(Some(outlook.view(part.kind, &record.id, &state)));
                    }
                }
                after = next;
                if after.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(None)
    }
}
