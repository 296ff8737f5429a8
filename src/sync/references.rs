//! What objects say of each other: managers and members. Planned when all else is, written when everybody is there.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use serde_json::Value;

use super::ids::IdText;
use super::part::{Made, Part, Wanted};
use super::plan::{Action, Plan, Settled, Verb};
use super::state::{States, short};
use super::survey::Survey;
use super::{Stage, Stop, Sync};
use crate::mapping::Apply;
use crate::target::{Difference, Kind, Target as _, TargetError};

impl Sync {
    /// The records of a run for some alone, with those who name an object that is new: the groups of a user who came, and whoever
    /// had as manager somebody who is made again. They are written anew as a full run would.
    pub(super) async fn with_referrers(
        &self,
        stage: &Stage,
        only: &[(Kind, String)],
        plan: &Plan,
    ) -> Result<Vec<(Kind, String)>, Stop> {
        let mut all = only.to_vec();
        let mut known: HashSet<(Kind, String)> = only.iter().cloned().collect();
        let mut take = |kind: Kind, id: String| {
            if known.insert((kind, id.clone())) {
                all.push((kind, id));
            }
        };
        if let Some(groups) = stage.parts.iter().find(|part| part.kind == Kind::Group && part.settings.members) {
            let is_new = |action: &Action| matches!(action.verb, Verb::Create | Verb::Recreate | Verb::Link);
            let new = members(groups, plan, is_new);
            for group in groups.records.groups_with(&new).await.map_err(Stop::Failed)? {
                take(Kind::Group, group);
            }
        }
        for action in &plan.actions {
            if let (Verb::Recreate, Some(states)) = (action.verb, stage.states.get(&action.kind))
                && let Some(lost) = states.target(&action.record)
            {
                for record in states.managed_by(&lost) {
                    take(action.kind, record);
                }
            }
        }
        Ok(all)
    }

    /// Adds to a plan whose manager changes, and who comes into and goes out of which group.
    pub(super) async fn plan_references(
        &self,
        stage: &Stage,
        only: Option<&[(Kind, String)]>,
        surveys: &HashMap<Kind, Survey>,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        for part in &stage.parts {
            let Some(states) = stage.states.get(&part.kind) else { continue };
            // Who is in the target when the plan is carried out.
            let makes = |action: &&Action| matches!(action.verb, Verb::Create | Verb::Recreate | Verb::Link);
            let leaves = |action: &&Action| action.verb.takes_away() || action.verb == Verb::Unlink;
            let made = Records::of(plan.actions.iter().filter(makes));
            let gone = Records::of(plan.actions.iter().filter(leaves));
            let is_there = |kind: Kind, record: &str| {
                let linked = || stage.states.get(&kind).is_some_and(|states| states.is_linked(record));
                made.has(kind, record) || linked() && !gone.has(kind, record)
            };
            let survey = surveys.get(&part.kind).filter(|_| only.is_none());
            if part.manager_path().is_some() {
                let of = Managers { part, states, is_there: &is_there, made: &made };
                for entry in survey.into_iter().flat_map(Survey::entries) {
                    of.plan(&entry.record, entry.manager.as_deref(), plan).await?;
                }
                for (_, record) in only.unwrap_or_default().iter().filter(|(kind, _)| *kind == part.kind) {
                    let Some(wanted) = of.wanted(record).await? else { continue };
                    of.plan(record, wanted.manager.as_deref(), plan).await?;
                }
            }
            if part.kind == Kind::Group && part.settings.members {
                let surveyed = survey.into_iter().flat_map(Survey::entries).map(|entry| String::from(entry.record));
                let named = only.unwrap_or_default().iter().filter(|(kind, _)| *kind == part.kind);
                let groups = surveyed.chain(named.map(|(_, record)| record.clone()));
                let is_free = |record: &String| !plan.is_protected(part.kind, record) && is_there(part.kind, record);
                let groups: Vec<String> = groups.filter(is_free).collect();
                self.plan_members(part, stage, &groups, &is_there, None, plan).await?;
                let Some(only) = only else { continue };
                // Who goes does so in the groups that have not changed themselves, too.
                let leavers = members(part, plan, |action| self.leaves(action, plan));
                let known: HashSet<&String> =
                    only.iter().filter(|(kind, _)| *kind == Kind::Group).map(|(_, record)| record).collect();
                let mut groups = part.records.groups_with(&leavers).await.map_err(Stop::Failed)?;
                groups.retain(|group| {
                    let is_free = !plan.is_protected(part.kind, group) && is_there(part.kind, group);
                    is_free && !known.contains(group)
                });
                self.plan_members(part, stage, &groups, &is_there, Some(&leavers), plan).await?;
            }
        }
        Ok(())
    }

    /// Whether an object stays in the target and is no longer of this sync: then it leaves the groups that are. One that is
    /// protected stays where it is, and one that is deleted is in no group anyway.
    fn leaves(&self, action: &Action, plan: &Plan) -> bool {
        let is_protected = || {
            plan.protected.contains(&(action.kind, action.record.clone()))
                || action.target.as_ref().is_some_and(|target| self.settings.guard.protected.contains(target))
        };
        match action.verb {
            Verb::Disable => true,
            Verb::Unlink => !is_protected(),
            _ => false,
        }
    }

    /// A digest of the members that a group is to have.
    async fn members_digest(&self, part: &Part, group: &str, links: &Links<'_>) -> Result<String, Stop> {
        let wanted = part.records.members(group).await.map_err(Stop::Failed)?;
        Ok(digest_of(&wanted, links))
    }

    /// `leavers`: when they are given, only they go, and nobody comes.
    async fn plan_members(
        &self,
        part: &Part,
        stage: &Stage,
        groups: &[String],
        is_there: &(dyn Fn(Kind, &str) -> bool + Send + std::marker::Sync),
        leavers: Option<&HashSet<String>>,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        if groups.is_empty() {
            return Ok(());
        }
        let Some(states) = stage.states.get(&Kind::Group) else { return Ok(()) };
        let leaving: HashSet<(Kind, String)> = plan
            .actions
            .iter()
            .filter(|action| self.leaves(action, plan))
            .map(|action| (action.kind, action.record.clone()))
            .collect();
        let kinds: &[Kind] = if part.settings.nested { &[Kind::User, Kind::Group] } else { &[Kind::User] };
        let most = stage.abilities.as_ref().map_or(1, |abilities| abilities.concurrent);
        let at_once = self.target.at_once(most);
        let shows = self.target.shows_members();
        let links = Links::of(plan, &stage.states, kinds);
        // Who is linked now may be a member of groups that nothing else changes.
        let is_calm = plan.actions.iter().all(|action| action.verb != Verb::Link);
        let named = plan.regrouped.take().filter(|_| is_calm && leavers.is_none());
        let mut open = Vec::with_capacity(groups.len());
        for group in groups {
            let is_named = named.as_ref().is_none_or(|named| named.contains(group));
            let is_there = links.target(Kind::Group, group).is_some();
            let gathered = states.gathered(group).filter(|_| !is_named && is_there);
            if gathered.is_none() || gathered != short(&self.members_digest(part, group, &links).await?) {
                open.push(group);
            }
        }
        for some in open.chunks(at_once) {
            let calls = some.iter().map(|group| async {
                match links.target(Kind::Group, group) {
                    Some(id) if shows => match self.target.members(&id).await {
                        Ok(members) => Ok(members),
                        // It went while we looked; the next run makes it again.
                        Err(TargetError::Missing { .. }) => Ok(Vec::new()),
                        Err(error) => Err(Stop::target(error)),
                    },
                    Some(_) => {
                        let known = states.whole(group).await.map_err(Stop::store)?;
                        Ok(known.map(|known| known.members).unwrap_or_default())
                    }
                    None => Ok(Vec::new()),
                }
            });
            for (group, current) in some.iter().zip(join_all(calls).await) {
                let current: HashSet<String> = current?.into_iter().collect();
                let wanted = part.records.members(group).await.map_err(Stop::Failed)?;
                let object = |record: &str| kinds.iter().find_map(|kind| links.target(*kind, record));
                let add: Vec<String> = wanted
                    .iter()
                    .filter(|record| kinds.iter().any(|kind| is_there(*kind, record)))
                    .filter(|record| object(record).is_none_or(|id| !current.contains(&*id)))
                    .filter(|_| leavers.is_none())
                    .cloned()
                    .collect();
                let goes = |record: &str| {
                    let leaves = |kind: &Kind| leaving.contains(&(*kind, record.to_owned()));
                    kinds.iter().any(leaves) || links.is_shut(record)
                };
                let stays: HashSet<&str> = wanted.iter().map(String::as_str).filter(|record| !goes(record)).collect();
                // Only who is ours, or was, goes: a member that somebody else added is somebody else's.
                let ours = |id: &String| {
                    let record = links.record(id).filter(|record| !stays.contains(&**record));
                    record.is_some_and(|record| leavers.is_none_or(|leavers| leavers.contains(&*record)))
                };
                let mut remove: Vec<String> = current.iter().filter(|id| ours(id)).cloned().collect();
                remove.sort_unstable();
                if add.is_empty() && remove.is_empty() {
                    let digest = digest_of(&wanted, &links);
                    if leavers.is_none() && shows && short(&digest) != states.gathered(group) {
                        let (kind, record, gathered) = (Kind::Group, (*group).clone(), Some(digest));
                        plan.settled.push(Settled {
                            kind,
                            record,
                            is_fine: false,
                            sent: None,
                            manager: None,
                            gathered,
                        });
                    }
                    continue;
                }
                plan.actions.push(Action {
                    kind: Kind::Group,
                    verb: Verb::Members,
                    record: (*group).clone(),
                    target: links.target(Kind::Group, group).map(String::from),
                    name: match links.name(group) {
                        Some(name) => name,
                        None => states.whole(group).await.map_err(Stop::store)?.unwrap_or_default().name,
                    },
                    changes: Vec::new(),
                    reason: "its members are others".to_owned(),
                    add,
                    remove,
                });
            }
        }
        Ok(())
    }
}

/// A digest of which objects a group's members are.
fn digest_of(wanted: &[String], links: &Links<'_>) -> String {
    let object = |record: &String| links.kinds.iter().find_map(|kind| links.target(*kind, record)).map(String::from);
    let mut ids: Vec<String> = wanted.iter().filter_map(object).collect();
    ids.sort_unstable();
    crate::directory::token::hash(&ids.join("\0")).get(..32).unwrap_or_default().to_owned()
}

/// The records of some actions of a plan, of those who may be members.
fn members(groups: &Part, plan: &Plan, is_one: impl Fn(&Action) -> bool) -> HashSet<String> {
    let may = |action: &&Action| action.kind == Kind::User || groups.settings.nested;
    plan.actions.iter().filter(may).filter(|action| is_one(action)).map(|action| action.record.clone()).collect()
}

/// Which object is whose when the plan is carried out.
struct Links<'l> {
    states: &'l HashMap<Kind, States>,
    kinds: &'l [Kind],
    /// Objects that are to be linked, by kind and record.
    found: HashMap<(Kind, String), String>,
    /// The same the other way round.
    records: HashMap<String, String>,
    /// Records whose objects are made again: the link is to what is gone.
    lost: HashSet<(Kind, String)>,
    /// Objects that were shut when their records went, and that are not to be linked again.
    shut: HashMap<String, String>,
    /// These records.
    without: HashSet<String>,
    /// What groups are called that the plan makes or changes.
    names: HashMap<String, String>,
}

impl<'l> Links<'l> {
    fn of(plan: &Plan, states: &'l HashMap<Kind, States>, kinds: &'l [Kind]) -> Self {
        let (mut found, mut records, mut lost, mut names) =
            (HashMap::new(), HashMap::new(), HashSet::new(), HashMap::new());
        for action in &plan.actions {
            match (action.verb, &action.target) {
                (Verb::Link, Some(id)) => {
                    found.insert((action.kind, action.record.clone()), id.clone());
                    if kinds.contains(&action.kind) {
                        records.insert(id.clone(), action.record.clone());
                    }
                }
                (Verb::Recreate, _) => {
                    lost.insert((action.kind, action.record.clone()));
                }
                _ => {}
            }
            if action.kind == Kind::Group {
                names.insert(action.record.clone(), action.name.clone());
            }
        }
        let all = kinds.iter().filter_map(|kind| states.get(kind)).flat_map(States::shut);
        let away =
            all.filter(|(_, record)| kinds.iter().all(|kind| !found.contains_key(&(*kind, String::from(*record)))));
        let shut: HashMap<String, String> = away.map(|(id, record)| (id.to_owned(), record.into())).collect();
        let without = shut.values().cloned().collect();
        Self { states, kinds, found, records, lost, shut, without, names }
    }

    fn target(&self, kind: Kind, record: &str) -> Option<IdText<'_>> {
        let key = (kind, record.to_owned());
        if self.lost.contains(&key) {
            return None;
        }
        let linked = || self.states.get(&kind)?.target(record);
        self.found.get(&key).map(|id| id.as_str().into()).or_else(linked)
    }

    fn record(&self, id: &str) -> Option<IdText<'_>> {
        let linked = || self.kinds.iter().find_map(|kind| self.states.get(kind)?.record(id));
        let shut = || self.shut.get(id).map(|record| record.as_str().into());
        self.records.get(id).map(|record| record.as_str().into()).or_else(linked).or_else(shut)
    }

    /// Whether a record's object was shut, and is not linked again.
    fn is_shut(&self, record: &str) -> bool {
        self.without.contains(record)
    }

    fn name(&self, group: &str) -> Option<String> {
        self.names.get(group).cloned()
    }
}

/// Records by kind.
struct Records(HashMap<Kind, HashSet<String>>);

impl Records {
    fn of<'a>(actions: impl Iterator<Item = &'a Action>) -> Self {
        let mut records: HashMap<Kind, HashSet<String>> = HashMap::new();
        for action in actions {
            records.entry(action.kind).or_default().insert(action.record.clone());
        }
        Self(records)
    }

    fn has(&self, kind: Kind, record: &str) -> bool {
        self.0.get(&kind).is_some_and(|records| records.contains(record))
    }
}

/// What is known where managers are decided.
struct Managers<'m> {
    part: &'m Part,
    states: &'m States,
    is_there: &'m (dyn Fn(Kind, &str) -> bool + Send + std::marker::Sync),
    /// Who is made or linked by the plan.
    made: &'m Records,
}

impl Managers<'_> {
    /// What the mapping makes of a record now.
    async fn wanted(&self, record: &str) -> Result<Option<Wanted>, Stop> {
        let Some(found) = self.part.records.one(&self.part.mapping, record).await.map_err(Stop::Failed)? else {
            return Ok(None);
        };
        let apply = if self.states.target(record).is_some() { Apply::Update } else { Apply::Create };
        Ok(match self.part.make(&found, apply)? {
            Made::Wanted(wanted) => Some(*wanted),
            _ => None,
        })
    }

    /// Adds that a record's manager is another, when it is.
    async fn plan(&self, record: &str, manager: Option<&str>, plan: &mut Plan) -> Result<(), Stop> {
        let (kind, states) = (self.part.kind, self.states);
        let Some(path) = self.part.manager_path() else { return Ok(()) };
        let is_made = |record: &str| self.made.has(kind, record);
        let sent = states.manager(record).filter(|_| !is_made(record));
        let known = match plan.managers.get(record) {
            // What the target shows counts, but a manager that others have named is cleared by nobody.
            Some(Some(shown)) if manager.is_some() => Some(IdText::from(shown.as_str())),
            // One that shows managers would show this one.
            Some(None) if manager.is_some() && plan.shows_managers => None,
            _ => sent,
        };
        let stays = match manager {
            None => known.is_none(),
            // One who is made again is another object, which nobody has named yet.
            Some(manager) => {
                !(self.is_there)(kind, manager)
                    || !is_made(manager) && known.is_some() && known == states.target(manager)
            }
        };
        if stays || plan.is_protected(kind, record) || !(self.is_there)(kind, record) {
            if stays && manager.is_some() && known.is_some() && known != states.manager(record) {
                let (record, manager) = (record.to_owned(), known.map(String::from));
                plan.settled.push(Settled { kind, record, is_fine: false, sent: None, manager, gathered: None });
            }
            return Ok(());
        }
        let known = known.map(|id| states.record(&id).unwrap_or(id).into());
        let Some(wanted) = self.wanted(record).await? else { return Ok(()) };
        let text = |id: Option<String>| id.map_or(Value::Null, Value::String);
        plan.actions.push(Action {
            kind,
            verb: Verb::Manager,
            record: record.to_owned(),
            target: states.target(record).map(String::from),
            name: wanted.name,
            changes: vec![Difference {
                path: path.to_owned(),
                old: text(known),
                new: text(manager.map(str::to_owned)),
            }],
            add: Vec::new(),
            remove: Vec::new(),
            reason: "its manager is another".to_owned(),
        });
        Ok(())
    }
}
