//! A plan carried out: users and groups made, linked and changed (the rest is in `relations`). After each wave of writes the links and
//! outcomes are in the store, so that a run that ends in the middle goes on where it was.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::Stop;
use super::part::{Made, Part, Wanted};
use super::patient::Patient;
use super::plan::{Action, Verb};
use super::planner::{YOUNG, reopened};
use super::report::{Counts, Tally};
use super::state::{State, States};
use crate::clock::{Clock, Millis};
use crate::mapping::Apply;
use crate::target::{Abilities, Difference, Done, Found, Kind, Target, TargetError, Write};

/// How many objects are done between two writes to the store: five rounds of four batches of twenty.
pub(super) const WAVE: usize = 400;
/// How many managers above one are looked for.
const MAX_LEVELS: usize = 50;

/// Carries out the actions of one kind.
pub(super) struct Applier<'a> {
    pub(super) part: &'a Part,
    pub(super) target: &'a Patient,
    pub(super) abilities: &'a Abilities,
    pub(super) clock: &'a dyn Clock,
    pub(super) tally: &'a Tally,
}

/// An action with what it needs.
pub(super) struct Job {
    pub(super) action: Action,
    pub(super) wanted: Wanted,
    /// The digest of what an update would send, by which a later run knows that nothing changed.
    pub(super) sent: String,
    /// The manager that somebody is made with, by the id in the target.
    pub(super) manager: Option<String>,
}

/// What became of one.
enum Fate {
    Did(Done),
    Failed(TargetError),
}

impl Applier<'_> {
    fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Makes, links and changes objects. `managers`: the records that are to get another manager, and whom. `made`: payloads that need
    /// not be made again. What comes back: the records that were made with their managers, and these by their ids in the target.
    pub(super) async fn write(
        &self,
        actions: Vec<&Action>,
        managers: &HashMap<&str, &str>,
        made: &mut HashMap<String, Wanted>,
        states: &mut States,
    ) -> Result<HashMap<String, String>, Stop> {
        let mut with = HashMap::new();
        for wave in self.waves(actions, managers) {
            let wave = &wave;
            let mut jobs = Vec::with_capacity(wave.len());
            for action in wave {
                let wanted = made.remove(&action.record).filter(|_| action.verb == Verb::Create);
                let action = (*action).clone();
                match wanted {
                    Some(wanted) => {
                        let sent = wanted.digest.clone();
                        jobs.push(Job { action, wanted, sent, manager: None });
                    }
                    None => jobs.extend(self.job(action).await?),
                }
            }
            self.wave(jobs, states, &mut with).await?;
        }
        Ok(with)
    }

    /// The actions in waves. Where who is made can be made with a manager, managers come before whose managers they are.
    fn waves<'p>(&self, mut actions: Vec<&'p Action>, managers: &HashMap<&str, &str>) -> Vec<Vec<&'p Action>> {
        if managers.is_empty() || !self.target.takes_managers() {
            return actions.chunks(WAVE).map(<[&Action]>::to_vec).collect();
        }
        let made = actions.iter().filter(|action| matches!(action.verb, Verb::Create | Verb::Recreate));
        let made: HashSet<&str> = made.map(|action| action.record.as_str()).collect();
        let level = |action: &&Action| {
            let above = |record: &&str| managers.get(record).copied().filter(|manager| made.contains(manager));
            // Who are managers of each other are found nowhere at the top.
            std::iter::successors(above(&action.record.as_str()), above).take(MAX_LEVELS).count()
        };
        actions.sort_by_cached_key(level);
        let mut waves: Vec<Vec<&Action>> = Vec::new();
        let mut last = 0;
        for action in actions {
            let level = level(&action);
            match waves.last_mut() {
                Some(wave) if wave.len() < WAVE && (level == last || wave.len() < self.abilities.batch) => {
                    wave.push(action);
                }
                _ => waves.push(vec![action]),
            }
            last = level;
        }
        waves
    }

    /// The payload of a record as it is now. It was mapped before anything was written; what changed since then and fails now
    /// stops the run all the same.
    pub(super) async fn job(&self, action: Action) -> Result<Option<Job>, Stop> {
        let found = self.part.records.one(&self.part.mapping, &action.record).await.map_err(Stop::Failed)?;
        let Some(record) = found else { return Ok(None) };
        let makes = matches!(action.verb, Verb::Create | Verb::Recreate);
        let Made::Wanted(wanted) = self.part.make(&record, if makes { Apply::Create } else { Apply::Update })? else {
            return Ok(None);
        };
        let sent = if makes { self.part.digest_of_update(&record, &wanted)? } else { wanted.digest.clone() };
        Ok(Some(Job { action, wanted: *wanted, sent, manager: None }))
    }

    async fn wave(
        &self,
        mut jobs: Vec<Job>,
        states: &mut States,
        with: &mut HashMap<String, String>,
    ) -> Result<(), Stop> {
        let mut attempt = 0;
        while !jobs.is_empty() {
            self.note_intents(&mut jobs, states).await?;
            let fates = self.send(&jobs).await?;
            let mut changes = Vec::new();
            let (mut again, mut later) = (Vec::new(), Vec::new());
            let mut weather = None;
            let mut stop = denied(fates.iter().map(|fate| match fate {
                Fate::Failed(error) => Err(error),
                Fate::Did(_) => Ok(()),
            }));
            for (job, fate) in jobs.into_iter().zip(fates) {
                match fate {
                    Fate::Did(done) => {
                        let is_made = job.manager.is_some();
                        let (record, state) = self.did(job, done, states).await?;
                        let manager = state.as_ref().and_then(|state| state.manager.clone()).filter(|_| is_made);
                        with.extend(manager.map(|manager| (record.clone(), manager)));
                        changes.push((record, state));
                    }
                    Fate::Failed(error @ TargetError::Weather { .. }) => {
                        // A target that asks to wait has not begun, and takes nobody's name twice.
                        let is_refusal = matches!(&error, TargetError::Weather { wait: Some(_), .. });
                        let place = if is_refusal && self.part.kind == Kind::User { &mut later } else { &mut again };
                        place.push(job);
                        weather = Some(error);
                    }
                    // What is done is kept, whatever else ends the run.
                    Fate::Failed(_) if stop.is_some() => {}
                    Fate::Failed(error) => match self.otherwise(job, &error, states).await {
                        Ok(Ok(job)) if attempt < 2 => again.push(job),
                        Ok(Ok(job)) => changes.push(self.did_not(&job.action, &error, states).await?),
                        Ok(Err(action)) => changes.push(self.did_not(&action, &error, states).await?),
                        Err(other) => stop = Some(other),
                    },
                }
            }
            states.put(changes).await.map_err(Stop::store)?;
            if let Some(stop) = stop {
                return Err(stop);
            }
            if let Some(error) = weather {
                if !self.target.wait(attempt, &error).await {
                    return Err(Stop::Weather(error.to_string()));
                }
                // The call may have been carried out before it failed: look before anything is made twice.
                again = self.look_again(again, states).await?;
            }
            attempt += 1;
            again.append(&mut later);
            jobs = again;
        }
        Ok(())
    }

    /// Before an object is made it is noted that it will be: a process that dies in between looks for it when it is back.
    async fn note_intents(&self, jobs: &mut [Job], states: &mut States) -> Result<(), Stop> {
        let mut begun = Vec::new();
        for job in jobs.iter_mut().filter(|job| matches!(job.action.verb, Verb::Create | Verb::Recreate)) {
            let manager = job.wanted.manager.as_deref().filter(|_| self.target.takes_managers());
            job.manager = manager.and_then(|manager| states.target(manager)).map(String::from);
            begun.push((job.action.record.as_str(), job.wanted.name.as_str()));
        }
        states.begin(&begun, self.now()).await.map_err(Stop::store)
    }

    async fn send(&self, jobs: &[Job]) -> Result<Vec<Fate>, Stop> {
        let mut fates: Vec<Option<Fate>> = Vec::new();
        let mut writes = Vec::new();
        for (place, job) in jobs.iter().enumerate() {
            let write = match (job.action.verb, &job.action.target) {
                (Verb::Create | Verb::Recreate, _) | (_, None) => {
                    let mut payload = job.wanted.payload.clone();
                    if let (Some(manager), Some(path)) = (&job.manager, self.part.manager_path()) {
                        super::difference::set(&mut payload, path, manager.as_str().into());
                    }
                    Write::Create { kind: self.part.kind, payload }
                }
                (_, Some(id)) => Write::Update {
                    kind: self.part.kind,
                    id: id.clone(),
                    changes: job.action.changes.clone(),
                    payload: job.wanted.payload.clone(),
                },
            };
            // One that is found and needs nothing is only linked.
            let nothing = matches!(&write, Write::Update { changes, .. } if changes.is_empty());
            let linked = || Fate::Did(Done { id: job.action.target.clone().unwrap_or_default(), ..Done::default() });
            self.part.progress.add(usize::from(nothing));
            fates.push(nothing.then(linked));
            if !nothing {
                writes.push((place, write));
            }
        }
        for (place, answer) in self.in_batches(writes).await? {
            if let Some(fate) = fates.get_mut(place) {
                *fate = Some(match answer {
                    Ok(done) => Fate::Did(done),
                    Err(error) => Fate::Failed(error),
                });
            }
        }
        let lost = || Fate::Failed(TargetError::Protocol { what: "there was no answer".into() });
        Ok(fates.into_iter().map(|fate| fate.unwrap_or_else(lost)).collect())
    }

    /// Sends writes in batches, several at once.
    pub(super) async fn in_batches(
        &self,
        writes: Vec<(usize, Write)>,
    ) -> Result<Vec<(usize, Result<Done, TargetError>)>, Stop> {
        let mut answers = Vec::with_capacity(writes.len());
        let batch = self.abilities.batch.max(1);
        let mut batches: Vec<Vec<(usize, Write)>> = Vec::new();
        for write in writes {
            match batches.last_mut() {
                Some(last) if last.len() < batch => last.push(write),
                _ => batches.push(vec![write]),
            }
        }
        let call = |batch: Vec<(usize, Write)>| async {
            let (places, writes): (Vec<usize>, Vec<Write>) = batch.into_iter().unzip();
            self.tally.calls(1);
            (places, self.target.write(writes).await)
        };
        let mut batches = batches.into_iter();
        let mut under_way = FuturesUnordered::new();
        loop {
            // As soon as one is answered the next goes; how many may be under way changes with the weather.
            while under_way.len() < self.target.at_once(self.abilities.concurrent) {
                let Some(batch) = batches.next() else { break };
                under_way.push(call(batch));
            }
            let Some((places, result)) = under_way.next().await else { break };
            self.part.progress.add(places.len());
            match result {
                Ok(results) => answers.extend(places.into_iter().zip(results)),
                Err(error) => answers.extend(places.into_iter().map(|place| (place, Err(error.clone())))),
            }
        }
        answers.sort_unstable_by_key(|(place, _)| *place);
        Ok(answers)
    }

    async fn did(&self, job: Job, done: Done, states: &States) -> Result<(String, Option<State>), Stop> {
        let Job { action, wanted, sent, manager } = job;
        // Whom the target refused as a manager is named once more when everybody is there.
        let refused = |manager: &String| done.refused.iter().any(|(other, _)| other == manager);
        let is_made = matches!(action.verb, Verb::Create | Verb::Recreate);
        let with = manager.filter(|manager| is_made && !refused(manager));
        let outcome = match action.verb {
            Verb::Create => "created",
            Verb::Recreate => "recreated",
            Verb::Link => "linked",
            _ => "updated",
        };
        self.tally.add(|counts| match action.verb {
            Verb::Create => counts.created += 1,
            Verb::Recreate => counts.recreated += 1,
            Verb::Link => {
                counts.linked += 1;
                counts.updated += u64::from(!action.changes.is_empty());
            }
            _ => counts.updated += 1,
        });
        let known = known(states, &action.record).await?;
        // In another object than before nothing has been named yet.
        let is_other = action.verb != Verb::Update;
        let state = State {
            target: Some(done.id),
            sent: Some(sent),
            manager: with.or_else(|| known.manager.filter(|_| !is_other)),
            gathered: known.gathered.filter(|_| !is_other),
            members: if is_other { Vec::new() } else { known.members },
            shut: None,
            intent: None,
            outcome: outcome.to_owned(),
            reason: Some(action.reason),
            at: self.now(),
            attempts: 0,
            name: wanted.name,
        };
        Ok((action.record, Some(state)))
    }

    /// What is remembered of what was brought up to date in parts: its manager, its members. What was made a moment ago stays
    /// remembered as that, for the target need not know it everywhere yet.
    pub(super) fn touched(&self, action: &Action, known: State) -> State {
        let is_made = matches!(known.outcome.as_str(), "created" | "recreated");
        if is_made && known.at.saturating_add(YOUNG) > self.now() {
            return State { attempts: 0, ..known };
        }
        let (outcome, reason) = ("updated".to_owned(), Some(action.reason.clone()));
        State { outcome, reason, at: self.now(), attempts: 0, ..known }
    }

    /// What is remembered for a while of an object that is the sync's no more.
    pub(super) fn was(&self, action: &Action, outcome: &str) -> State {
        State {
            outcome: outcome.to_owned(),
            reason: Some(action.reason.clone()),
            at: self.now(),
            name: action.name.clone(),
            ..State::default()
        }
    }

    /// What is remembered of who was shut, to be let in again.
    pub(super) fn shut(&self, action: &Action) -> State {
        State { shut: action.target.clone(), ..self.was(action, "disabled") }
    }

    pub(super) async fn did_not(
        &self,
        action: &Action,
        error: &TargetError,
        states: &States,
    ) -> Result<(String, Option<State>), Stop> {
        self.tally.failed(action, &error.to_string());
        if matches!(error, TargetError::Denied { .. }) {
            self.tally.was_denied(error);
        }
        let known = known(states, &action.record).await?;
        Ok((action.record.clone(), Some(self.failed(action, &error.to_string(), known))))
    }

    /// What is remembered of what the target refused: its words without values.
    pub(super) fn failed(&self, action: &Action, why: &str, known: State) -> State {
        State {
            outcome: "failed".to_owned(),
            reason: Some(crate::directory::without_values(why)),
            at: self.now(),
            attempts: known.attempts.saturating_add(1),
            name: action.name.clone(),
            intent: None,
            gathered: None,
            ..known
        }
    }

    /// What is done instead when the target has it already, or has it no more; the action back when there is nothing.
    async fn otherwise(&self, mut job: Job, error: &TargetError, states: &States) -> Result<Result<Job, Action>, Stop> {
        match error {
            TargetError::Exists { .. } if matches!(job.action.verb, Verb::Create | Verb::Recreate) => {
                match self.find(&job.wanted, states).await? {
                    Some(found) => {
                        "the target has it already".clone_into(&mut job.action.reason);
                        Ok(Ok(self.linking(job, found, states).await?))
                    }
                    None => Ok(Err(job.action)),
                }
            }
            TargetError::Missing { .. } if matches!(job.action.verb, Verb::Update | Verb::Link) => {
                if !self.part.settings.create {
                    return Ok(Err(job.action));
                }
                job.action.verb = Verb::Recreate;
                job.action.target = None;
                "somebody deleted it in the target".clone_into(&mut job.action.reason);
                let action = job.action.clone();
                Ok(self.job(job.action).await?.ok_or(action))
            }
            _ => Ok(Err(job.action)),
        }
    }

    /// After a call whose end is not known: what was made by it is linked.
    async fn look_again(&self, jobs: Vec<Job>, states: &States) -> Result<Vec<Job>, Stop> {
        let mut again = Vec::with_capacity(jobs.len());
        for mut job in jobs {
            if matches!(job.action.verb, Verb::Create | Verb::Recreate)
                && let Some(found) = self.find(&job.wanted, states).await?
            {
                job = self.linking(job, found, states).await?;
            }
            again.push(job);
        }
        Ok(again)
    }

    /// The job of linking what was found where something was to be made.
    async fn linking(&self, job: Job, found: Found, states: &States) -> Result<Job, Stop> {
        let action = Action { verb: Verb::Link, target: Some(found.id.clone()), ..job.action.clone() };
        // What is there is not made: rules for what is made say nothing of it.
        let mut job = self.job(action).await?.unwrap_or(Job { action: job.action, ..job });
        job.action.verb = Verb::Link;
        job.action.target = Some(found.id.clone());
        job.action.changes = if self.part.settings.update { self.differences(&job.wanted, &found) } else { Vec::new() };
        let of = (job.action.record.as_str(), &job.wanted.payload);
        let opened = reopened(self.part.kind, states, self.target, of, &found);
        job.action.changes.extend(opened);
        Ok(job)
    }

    async fn find(&self, wanted: &Wanted, states: &States) -> Result<Option<Found>, Stop> {
        if !self.abilities.find && !self.abilities.list {
            return Ok(None);
        }
        for (path, value) in &wanted.matches {
            let mut found = self.target.find(self.part.kind, path, value).await.map_err(Stop::target)?;
            found.retain(|object| states.record(&object.id).is_none());
            match found.len() {
                0 => {}
                1 => return Ok(found.pop()),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    fn differences(&self, wanted: &Wanted, found: &Found) -> Vec<Difference> {
        super::difference::Compared {
            kind: self.part.kind,
            mapping: &self.part.mapping,
            target: self.target,
            payload: &wanted.payload,
            found: &found.attributes,
            was_sent: false,
            clear: self.part.settings.clear,
        }
        .differences()
    }
}

/// What is remembered of a record.
pub(super) async fn known(states: &States, record: &str) -> Result<State, Stop> {
    Ok(states.whole(record).await.map_err(Stop::store)?.unwrap_or_default())
}

/// Why the run ends, when all of several writes are denied: then it is not about the objects.
pub(super) fn denied<'a>(results: impl Iterator<Item = Result<(), &'a TargetError>>) -> Option<Stop> {
    let mut last = None;
    let mut count = 0;
    for result in results {
        match result {
            Err(error @ TargetError::Denied { .. }) => last = Some(error),
            _ => return None,
        }
        count += 1;
    }
    last.filter(|_| count > 1).map(|error| Stop::target(error.clone()))
}

/// Counts of nothing, for a plan that is only shown.
impl Counts {
    /// How many writes it counts.
    pub fn writes(&self) -> u64 {
        self.created
            + self.recreated
            + self.updated
            + self.disabled
            + self.deleted
            + self.members_added
            + self.members_removed
    }
}

/// The kind is a part of an action.
impl Action {
    pub(super) fn is(&self, kind: Kind, verbs: &[Verb]) -> bool {
        self.kind == kind && verbs.contains(&self.verb)
    }
}
