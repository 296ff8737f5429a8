//! [`Planner`]: decides for every record and object of a kind what is to be done.

use std::collections::HashSet;

use serde_json::Value;

use super::Stop;
use super::difference::{Compared, at, paths};
use super::listing::Listing;
use super::mark::Mark;
use super::matching::several;
use super::part::{Made, Part, Wanted};
use super::patient::Patient;
use super::plan::{Action, Plan, Settled, Skipped, Verb};
use super::records::Scope;
use super::settings::DeleteAction;
use super::state::{States, short};
use super::survey::{Entry, Survey};
use crate::clock::Millis;
use crate::mapping::Apply;
use crate::scim::compare::fold;
use crate::target::{Abilities, Difference, Found, Kind, Object, Target, TargetError};
/// For how long an object may be unknown after it was made, in targets that have such times, in milliseconds.
pub(super) const YOUNG: Millis = 60_000;
/// The most skipped records that a plan names.
pub(super) const MAX_NAMED: usize = 1_000;

/// What is known of a kind while it is planned.
pub(super) struct Planner<'p> {
    pub(super) part: &'p Part,
    pub(super) states: &'p States,
    pub(super) target: &'p Patient,
    pub(super) now: Millis,
    pub(super) abilities: &'p Abilities,
    pub(super) protected: &'p [String],
    /// Whether the plan is only carried out, and not shown: then it need not say what new objects have.
    pub(super) is_lean: bool,
}

impl Planner<'_> {
    /// Decides for every record and every object of the kind.
    pub(super) async fn plan(&self, survey: &Survey, mark: Option<&Mark>, plan: &mut Plan) -> Result<(), Stop> {
        let kind = self.part.kind;
        self.keep_secret(plan);
        plan.shows_managers |= mark.is_some();
        let mut listing = self.list(survey, mark, plan).await?;
        let mut taken: HashSet<String> = HashSet::new();
        for (place, entry) in survey.entries().enumerate() {
            let record = &*entry.record;
            match self.states.target(record) {
                Some(_) if plan.is_protected(kind, record) => self.leave(record, "its object is protected", plan),
                Some(_) if listing.has_seen(place) => {}
                Some(_) if listing.by_changes && !listing.is_open(place) && self.is_settled(&entry) => {
                    plan.counts.unchanged += 1;
                }
                Some(id) => self.look(record, &id, plan).await?,
                None if listing.has_seen(place) => {}
                None => self.unlinked_record(survey, &entry, &mut listing, &mut taken, plan).await?,
            }
        }
        self.gone(survey, plan).await?;
        if let Some(next) = listing.link {
            plan.links.insert(kind, next);
        }
        if kind == Kind::Group {
            plan.regrouped = listing.regrouped;
        }
        Ok(())
    }

    /// Decides for a record without an object.
    async fn unlinked_record(
        &self,
        survey: &Survey,
        entry: &Entry<'_>,
        listing: &mut Listing,
        taken: &mut HashSet<String>,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let (record, Some(brief)) = (&*entry.record, survey.brief(entry)) else { return Ok(()) };
        let object = match listing.met.remove(record) {
            Some(object) => Some(object),
            // What a run that died has made may be in no list yet.
            None if !self.abilities.list || listing.by_changes || self.states.is_begun(record) => {
                self.find(record, &brief.matches, plan).await?
            }
            None => None,
        };
        if plan.is_ambiguous(self.part.kind, record) {
            return Ok(());
        }
        match object {
            Some(object) if !taken.insert(object.id.clone()) => {
                self.ambiguous(record, "the object that it matches is another record's", plan);
            }
            Some(object) if self.is_protected(&object) => self.leave(record, "it is protected", plan),
            Some(object) => {
                self.compare(record, &object, Verb::Link, true, plan).await?;
            }
            None => self.create(record, &brief.name, Verb::Create, "there is none", plan).await?,
        }
        Ok(())
    }

    /// Decides for one record, by looking it up; what `plan` does for all.
    pub(super) async fn one(&self, id: &str, scope: &Scope, plan: &mut Plan) -> Result<(), Stop> {
        let record = self.part.records.one(&self.part.mapping, id).await.map_err(Stop::Failed)?;
        plan.counts.records += 1;
        let linked = self.states.target(id);
        let apply = if linked.is_some() { Apply::Update } else { Apply::Create };
        let made = match &record {
            Some(record) if self.part.kind == Kind::Group || scope.takes(record) => {
                Some(self.part.make(record, apply)?)
            }
            _ => None,
        };
        match made {
            Some(Made::Wanted(wanted)) => {
                let Wanted { matches, name, .. } = *wanted;
                match linked {
                    Some(target) => self.look(id, &target, plan).await,
                    None => match self.find(id, &matches, plan).await? {
                        Some(object) if plan.takes(&object.id) => {
                            self.ambiguous(id, "the object that it matches is another record's", plan);
                            Ok(())
                        }
                        Some(object) if self.is_protected(&object) => {
                            self.leave(id, "it is protected", plan);
                            Ok(())
                        }
                        Some(object) => self.compare(id, &object, Verb::Link, true, plan).await.map(|_| ()),
                        None if plan.is_ambiguous(self.part.kind, id) => Ok(()),
                        None => self.create(id, &name, Verb::Create, "there is none", plan).await,
                    },
                }
            }
            Some(Made::Skipped(reason)) => {
                self.leave(id, &reason, plan);
                Ok(())
            }
            Some(Made::OutOfScope) | None => {
                plan.counts.out_of_scope += u64::from(record.is_some());
                if let Some(target) = linked {
                    let why = if record.is_some() { "the record is out of scope" } else { "the record is gone" };
                    if !self.protected.is_empty()
                        && let Some(object) = self.target.get(self.part.kind, &target).await.map_err(Stop::target)?
                        && self.is_protected(&object)
                    {
                        self.protect(id, false, plan);
                    }
                    self.take_away(id, &target, why, plan).await?;
                }
                Ok(())
            }
        }
    }

    /// A linked object that was not in a list: it may be gone, or the list was short.
    async fn look(&self, record: &str, id: &str, plan: &mut Plan) -> Result<(), Stop> {
        let mut found = self.target.get(self.part.kind, id).await.map_err(Stop::target)?;
        // Of groups the target would take a second one without a word.
        let is_group = self.part.kind == Kind::Group;
        for attempt in 0.. {
            let unknown = TargetError::Weather { what: "it is not known everywhere yet".to_owned(), wait: None };
            if found.is_some() || !(is_group && self.is_young(record) && self.target.wait(attempt, &unknown).await) {
                break;
            }
            found = self.target.get(self.part.kind, id).await.map_err(Stop::target)?;
        }
        match found {
            Some(object) if self.is_protected(&object) => {
                self.protect(record, true, plan);
                Ok(())
            }
            Some(object) => self.compare(record, &object, Verb::Update, true, plan).await.map(|_| ()),
            None => {
                let Some(wanted) = self.payload(record, Apply::Create).await? else { return Ok(()) };
                // One that was made again by a run that died before it knew has the values that it is found by.
                match self.find(record, &wanted.matches, plan).await? {
                    Some(object) if !plan.takes(&object.id) => {
                        self.compare(record, &object, Verb::Link, true, plan).await.map(|_| ())
                    }
                    None if plan.is_ambiguous(self.part.kind, record) => {
                        plan.undecided.insert(self.part.kind);
                        Ok(())
                    }
                    _ => {
                        let why = "somebody deleted it in the target";
                        self.create(record, &wanted.name, Verb::Recreate, why, plan).await
                    }
                }
            }
        }
    }

    /// Whether the object was made so shortly ago that the target need not know it yet.
    fn is_young(&self, record: &str) -> bool {
        let made = self.states.made(record);
        self.target.is_eventual() && made.is_some_and(|made| made.saturating_add(YOUNG) > self.now)
    }

    /// Asks the target for objects by what the record is found by; the first that finds any decides.
    async fn find(&self, record: &str, matches: &[(String, String)], plan: &mut Plan) -> Result<Option<Found>, Stop> {
        if let Some(id) = self.states.shut_of(record)
            && let Some(object) = self.target.get(self.part.kind, id).await.map_err(Stop::target)?
            && self.states.record(&object.id).is_none()
        {
            return Ok(Some(object));
        }
        if !self.abilities.find && !self.abilities.list {
            return Ok(None);
        }
        for (path, value) in matches {
            let mut found = self.target.find(self.part.kind, path, value).await.map_err(Stop::target)?;
            found.retain(|object| self.states.record(&object.id).is_none());
            if found.len() > 1 {
                self.ambiguous(record, &several(&found), plan);
                return Ok(None);
            }
            if let Some(object) = found.pop() {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    /// The payload of a record as it is now; `None` when it is wanted no more since it was surveyed.
    async fn payload(&self, record: &str, apply: Apply) -> Result<Option<Wanted>, Stop> {
        let Some(found) = self.part.records.one(&self.part.mapping, record).await.map_err(Stop::Failed)? else {
            return Ok(None);
        };
        Ok(match self.part.make(&found, apply)? {
            Made::Wanted(wanted) => Some(*wanted),
            _ => None,
        })
    }

    /// Compares an object with what is wanted of it. `is_whole`: whether it is there with all that it has; of one out of a list
    /// of changes what is not said may be unchanged, and the answer is false when that decides.
    pub(super) async fn compare(
        &self,
        record: &str,
        object: &Found,
        verb: Verb,
        is_whole: bool,
        plan: &mut Plan,
    ) -> Result<bool, Stop> {
        // What is there already is not made: rules for what is made say nothing of it.
        let Some(wanted) = self.payload(record, Apply::Update).await? else { return Ok(true) };
        let was_sent = self.states.sent(record).is_some_and(|sent| short(&wanted.digest) == Some(sent));
        let mut changes = Compared {
            kind: self.part.kind,
            mapping: &self.part.mapping,
            target: self.target,
            payload: &wanted.payload,
            found: &object.attributes,
            was_sent,
            clear: self.part.settings.clear,
        }
        .differences();
        if !is_whole && changes.iter().any(|change| change.old.is_null()) {
            return Ok(false);
        }
        self.note_manager(record, object, is_whole, plan);
        let is_like_it = changes.is_empty();
        if !self.part.settings.update {
            changes.clear();
        }
        changes.extend(reopened(self.part.kind, self.states, self.target, (record, &wanted.payload), object));
        if verb == Verb::Update && changes.is_empty() {
            plan.counts.unchanged += 1;
            let is_new = is_like_it && !was_sent;
            let is_open = self.states.is_open(record);
            if is_new || is_open {
                let (kind, record) = (self.part.kind, record.to_owned());
                let sent = is_like_it.then_some(wanted.digest);
                plan.settled.push(Settled { kind, record, is_fine: true, sent, manager: None, gathered: None });
            }
            return Ok(true);
        }
        let reason = match verb {
            Verb::Link => "it is found by what the mapping matches".to_owned(),
            _ if was_sent => "somebody changed it in the target".to_owned(),
            _ => "the record changed".to_owned(),
        };
        plan.actions.push(Action {
            kind: self.part.kind,
            verb,
            record: record.to_owned(),
            target: Some(object.id.clone()),
            name: wanted.name,
            changes,
            add: Vec::new(),
            remove: Vec::new(),
            reason,
        });
        Ok(true)
    }

    /// Notes the manager that an object has, when it is not the one that was sent.
    fn note_manager(&self, record: &str, object: &Found, is_whole: bool, plan: &mut Plan) {
        let Some(path) = self.part.manager_path() else { return };
        // Of a manager that did not change a list of changes says nothing.
        let top = path.split('.').next().unwrap_or(path);
        if !is_whole && !object.attributes.contains_key(top) {
            return;
        }
        let shown = super::part::manager_in(&object.attributes, path);
        plan.shows_managers |= shown.is_some();
        if shown.as_deref() == self.states.manager(record).as_deref() {
            plan.managers.remove(record);
        } else {
            plan.managers.insert(record.to_owned(), shown);
        }
    }

    async fn create(&self, record: &str, name: &str, verb: Verb, why: &str, plan: &mut Plan) -> Result<(), Stop> {
        if !self.part.settings.create {
            self.leave(record, "objects of this kind are not made (`create = false`)", plan);
            if verb == Verb::Recreate {
                plan.undecided.insert(self.part.kind);
            }
            return Ok(());
        }
        let changes = if self.is_lean {
            Vec::new()
        } else {
            let Some(wanted) = self.payload(record, Apply::Create).await? else { return Ok(()) };
            new_values(&self.part.mapping, &wanted.payload)
        };
        plan.actions.push(Action {
            kind: self.part.kind,
            verb,
            record: record.to_owned(),
            target: None,
            name: name.to_owned(),
            changes,
            add: Vec::new(),
            remove: Vec::new(),
            reason: why.to_owned(),
        });
        Ok(())
    }

    /// Links whose record is gone or out of scope.
    async fn gone(&self, survey: &Survey, plan: &mut Plan) -> Result<(), Stop> {
        let gone = self.states.linked().filter(|(record, _)| !survey.has(record));
        let mut gone: Vec<(String, String)> = gone.map(|(record, target)| (record.into(), target.into())).collect();
        gone.sort_unstable();
        if survey.records == 0 {
            plan.counts.without_records += gone.len() as u64;
        }
        for (record, target) in gone {
            self.take_away(&record, &target, "the record is gone or out of scope", plan).await?;
        }
        Ok(())
    }

    async fn take_away(&self, record: &str, target: &str, why: &str, plan: &mut Plan) -> Result<(), Stop> {
        let verb = match self.part.settings.on_delete(self.part.kind) {
            _ if self.protected.iter().any(|one| one == target) => Verb::Unlink,
            _ if plan.is_protected(self.part.kind, record) => Verb::Unlink,
            DeleteAction::Delete => Verb::Delete,
            // A group has nothing that could be shut.
            DeleteAction::Disable if self.part.kind == Kind::User => Verb::Disable,
            DeleteAction::Disable | DeleteAction::Nothing => Verb::Unlink,
        };
        plan.actions.push(Action {
            kind: self.part.kind,
            verb,
            record: record.to_owned(),
            target: Some(target.to_owned()),
            name: self.states.whole(record).await.map_err(Stop::store)?.unwrap_or_default().name,
            changes: Vec::new(),
            add: Vec::new(),
            remove: Vec::new(),
            reason: why.to_owned(),
        });
        Ok(())
    }

    fn leave(&self, record: &str, reason: &str, plan: &mut Plan) {
        plan.note(self.states, self.part.kind, record, "skipped", reason);
        plan.counts.skipped += 1;
        if plan.skipped.len() < MAX_NAMED {
            let reason = reason.to_owned();
            plan.skipped.push(Skipped { kind: self.part.kind, record: record.to_owned(), reason });
        }
    }

    pub(super) fn ambiguous(&self, record: &str, why: &str, plan: &mut Plan) {
        plan.counts.ambiguous += 1;
        let reason = format!("{why}: it is linked to none");
        plan.note(self.states, self.part.kind, record, "ambiguous", &reason);
        plan.ambiguous.push(Skipped { kind: self.part.kind, record: record.to_owned(), reason });
    }

    /// Notes that the object of a linked record is not to be touched.
    fn protect(&self, record: &str, is_wanted: bool, plan: &mut Plan) {
        plan.protected.insert((self.part.kind, record.to_owned()));
        if is_wanted {
            self.leave(record, "its object is protected", plan);
        }
    }

    /// Notes what is not shown: what the mapping redacts, and what no target gives back.
    fn keep_secret(&self, plan: &mut Plan) {
        let kind = self.part.kind;
        let hidden = self.part.mapping.rules().iter().filter(|rule| rule.is_redacted());
        plan.secret.extend(hidden.map(|rule| (kind, rule.target().to_owned())));
    }

    pub(super) fn is_protected(&self, object: &Found) -> bool {
        self.protected.iter().any(|one| {
            *one == object.id
                || self.part.mapping.matching_rules().iter().any(|rule| {
                    at(&object.attributes, rule.target()).as_str().is_some_and(|value| fold(value) == fold(one))
                })
        })
    }
}

/// What opens an account again that we have shut, where the record and its payload do not say whether it is open.
pub(super) fn reopened(
    kind: Kind,
    states: &States,
    target: &dyn Target,
    (record, payload): (&str, &Object),
    object: &Found,
) -> Option<Difference> {
    let path = target.open_attribute();
    let ours = kind == Kind::User && states.shut_of(record) == Some(object.id.as_str());
    let says = || !at(payload, path).is_null();
    let old = at(&object.attributes, path);
    (ours && !says() && old != Value::Bool(true)).then(|| Difference { path: path.to_owned(), old, new: true.into() })
}

/// A whole payload as differences from nothing.
pub(super) fn new_values(mapping: &crate::mapping::Mapping, payload: &Object) -> Vec<Difference> {
    let values = paths(mapping, Some(payload)).into_iter().map(|path| {
        let new = at(payload, &path);
        Difference { path, old: Value::Null, new }
    });
    values.filter(|difference| !difference.new.is_null()).collect()
}
