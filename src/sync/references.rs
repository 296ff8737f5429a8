//! What objects say of each other: managers and members. Planned when all else is, written when everybody is there.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use serde_json::Value;

use super::part::{Made, Part};
use super::plan::{Action, Plan, Survey, Verb};
use super::state::States;
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
        let groups = stage.parts.iter().find(|part| part.kind == Kind::Group && part.settings.members);
        for action in &plan.actions {
            let is_new = matches!(action.verb, Verb::Create | Verb::Recreate | Verb::Link);
            if let Some(groups) =
                groups.filter(|groups| is_new && (action.kind == Kind::User || groups.settings.nested))
            {
                for group in groups.records.groups_of(&action.record).await.map_err(Stop::Failed)? {
                    take(Kind::Group, group);
                }
            }
            if let (Verb::Recreate, Some(states)) = (action.verb, stage.states.get(&action.kind))
                && let Some(lost) = states.target(&action.record)
            {
                for record in states.managed_by(lost) {
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
            let made: HashSet<(Kind, String)> =
                plan.actions.iter().filter(makes).map(|action| (action.kind, action.record.clone())).collect();
            let gone: HashSet<(Kind, String)> =
                plan.actions.iter().filter(leaves).map(|action| (action.kind, action.record.clone())).collect();
            let is_there = |kind: Kind, record: &str| {
                let id = (kind, record.to_owned());
                let linked = stage.states.get(&kind).is_some_and(|states| states.target(record).is_some());
                made.contains(&id) || linked && !gone.contains(&id)
            };
            let records: Vec<String> = match (only, surveys.get(&part.kind)) {
                (Some(only), _) => {
                    only.iter().filter(|(kind, _)| *kind == part.kind).map(|(_, record)| record.clone()).collect()
                }
                (None, Some(survey)) => survey.order().to_vec(),
                (None, None) => Vec::new(),
            };
            let is_free = |record: &String| !plan.protected.contains(&(part.kind, record.clone()));
            let records: Vec<String> =
                records.into_iter().filter(|record| is_free(record) && is_there(part.kind, record)).collect();
            if part.manager_path().is_some() {
                managers(part, states, &records, &is_there, &made, plan).await?;
            }
            if part.kind == Kind::Group && part.settings.members {
                self.plan_members(part, stage, &records, &is_there, plan).await?;
            }
        }
        Ok(())
    }

    async fn plan_members(
        &self,
        part: &Part,
        stage: &Stage,
        groups: &[String],
        is_there: &(dyn Fn(Kind, &str) -> bool + Send + std::marker::Sync),
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let Some(states) = stage.states.get(&Kind::Group) else { return Ok(()) };
        let kinds: &[Kind] = if part.settings.nested { &[Kind::User, Kind::Group] } else { &[Kind::User] };
        let most = stage.abilities.as_ref().map_or(1, |abilities| abilities.concurrent);
        let at_once = self.target.at_once(most);
        let shows = self.target.shows_members();
        let links = Links::of(plan, &stage.states, kinds);
        for some in groups.chunks(at_once) {
            let calls = some.iter().map(|group| async {
                match links.target(Kind::Group, group) {
                    Some(id) if shows => match self.target.members(id).await {
                        Ok(members) => Ok(members),
                        // It went while we looked; the next run makes it again.
                        Err(TargetError::Missing { .. }) => Ok(Vec::new()),
                        Err(error) => Err(Stop::target(error)),
                    },
                    Some(_) => Ok(states.get(group).map(|state| state.members.clone()).unwrap_or_default()),
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
                    .filter(|record| object(record).is_none_or(|id| !current.contains(id)))
                    .cloned()
                    .collect();
                let stays: HashSet<&String> = wanted.iter().collect();
                // Only who is ours goes: a member that somebody else added is somebody else's.
                let ours = |id: &String| links.record(id).is_some_and(|record| !stays.contains(&record.to_owned()));
                let mut remove: Vec<String> = current.iter().filter(|id| ours(id)).cloned().collect();
                remove.sort_unstable();
                if add.is_empty() && remove.is_empty() {
                    continue;
                }
                plan.actions.push(Action {
                    kind: Kind::Group,
                    verb: Verb::Members,
                    record: group.clone(),
                    target: links.target(Kind::Group, group).map(str::to_owned),
                    name: links.name(group).unwrap_or_default(),
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
        Self { states, kinds, found, records, lost, names }
    }

    fn target(&self, kind: Kind, record: &str) -> Option<&str> {
        let key = (kind, record.to_owned());
        if self.lost.contains(&key) {
            return None;
        }
        let linked = || self.states.get(&kind)?.target(record);
        self.found.get(&key).map(String::as_str).or_else(linked)
    }

    fn record(&self, id: &str) -> Option<&str> {
        let linked = || self.kinds.iter().find_map(|kind| self.states.get(kind)?.record(id));
        self.records.get(id).map(String::as_str).or_else(linked)
    }

    fn name(&self, group: &str) -> Option<String> {
        let known = || Some(self.states.get(&Kind::Group)?.get(group)?.name.clone());
        self.names.get(group).cloned().or_else(known)
    }
}

async fn managers(
    part: &Part,
    states: &States,
    records: &[String],
    is_there: &(dyn Fn(Kind, &str) -> bool + Send + std::marker::Sync),
    made: &HashSet<(Kind, String)>,
    plan: &mut Plan,
) -> Result<(), Stop> {
    let Some(path) = part.manager_path() else { return Ok(()) };
    let shows = !plan.managers.is_empty();
    for record in records {
        let Some(found) = part.records.one(&part.mapping, record).await.map_err(Stop::Failed)? else { continue };
        let apply = if states.target(record).is_some() { Apply::Update } else { Apply::Create };
        let Made::Wanted(wanted) = part.make(&found, apply)? else { continue };
        let manager = wanted.manager;
        let is_made = |record: &str| made.contains(&(part.kind, record.to_owned()));
        let sent = states.get(record).and_then(|state| state.manager.clone()).filter(|_| !is_made(record));
        let known = match plan.managers.get(record) {
            // What the target shows counts, but a manager that others have named is cleared by nobody.
            Some(shown) if manager.is_some() => Some(shown.clone()),
            // One that shows managers would show this one.
            None if manager.is_some() && shows => None,
            _ => sent,
        };
        let stays = match manager.as_deref() {
            None => known.is_none(),
            // One who is made again is another object, which nobody has named yet.
            Some(manager) => {
                !is_there(part.kind, manager)
                    || !is_made(manager) && known.is_some() && known.as_deref() == states.target(manager)
            }
        };
        if stays {
            continue;
        }
        let known = known.map(|id| states.record(&id).map(str::to_owned).unwrap_or(id));
        let text = |id: Option<String>| id.map_or(Value::Null, Value::String);
        plan.actions.push(Action {
            kind: part.kind,
            verb: Verb::Manager,
            record: record.clone(),
            target: states.target(record).map(str::to_owned),
            name: wanted.name,
            changes: vec![Difference { path: path.to_owned(), old: text(known), new: text(manager) }],
            add: Vec::new(),
            remove: Vec::new(),
            reason: "its manager is another".to_owned(),
        });
    }
    Ok(())
}
