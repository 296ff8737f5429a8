//! The sync: a directory or a file pushed through mappings into a target, and stopped before harm.
//!
//! A run maps every record in scope first (`part`, `survey`), so that a mapping that fails on the last one fails before
//! anything is written. It then looks at the target, decides for every record and object what is to be done (`planner`
//! makes a `plan`), and does it: users and groups (`apply`), then references, members, and last what is taken away
//! (`relations`). What it remembers of each record is in the store (`state`). Weather is borne (`patient`); a target that is
//! down ends the run *degraded*, and the next one goes on, for what is done already is then unchanged.

mod apply;
mod begun;
mod check;
mod demand;
mod difference;
mod direct;
mod error;
mod halt;
mod ids;
mod index;
mod keeping;
mod lines;
mod listing;
mod mark;
mod matching;
mod notice;
mod objects;
mod part;
mod patient;
mod plan;
mod planner;
mod preview;
mod progress;
mod records;
mod references;
mod relations;
mod report;
mod rows;
mod runs;
mod schedule;
mod settings;
mod sheet;
mod state;
mod status;
mod survey;
mod texts;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Millis};
use crate::directory::token::hash;
use crate::directory::{Directory, Source};
use crate::store::{Operation, Store, Table, Transaction, When};
use crate::target::{Abilities, Kind, Target};

pub use check::Checkup;
pub use demand::{Demand, DemandStep};
pub use error::{PlanError, SyncError};
pub use halt::SyncHalt;
pub use objects::{OBJECTS_CSV_HEADER, OUTCOMES, ObjectPage, ObjectQuery, ObjectView};
pub use patient::Patient;
pub use plan::{Action, Plan, PlanCounts, Skipped, Verb};
pub use progress::{Now, Phase};
pub use report::{Counts, Ended, Failed, Report};
pub use runs::{RUNS_CSV_HEADER, RunPage, RunQuery};
pub use schedule::{Ask, Quarantine, Tender};
pub use settings::{
    DeleteAction, GuardSettings, KindSettings, LogSettings, NoticeSettings, QuarantineSettings, ScheduleSettings,
    ScopeSettings, ServiceAccounts, SyncSettings, WeatherSettings,
};
pub use state::State;
pub use status::Status;

use apply::Applier;
use error::Stop;
use part::{Part, Wanted, environment};
use planner::Planner;
use progress::{Progress, Watched};
use records::Scope;
use report::Tally;
use schedule::STILL;
use state::States;
use survey::Survey;

/// How long a run holds its lease without renewing it: after a crash another may begin then, in milliseconds.
const LEASE: Millis = 60_000;

/// A sync, ready to run.
pub struct Sync {
    settings: SyncSettings,
    beside: PathBuf,
    directory: Directory,
    source: Option<Arc<Source>>,
    target: Patient,
    clock: Arc<dyn Clock>,
    /// Whether its mappings are named in the library; otherwise they are files.
    is_of_library: bool,
    /// Links and what the target can do, of the run before: a run is alone with them.
    kept: Mutex<Option<(HashMap<Kind, States>, Abilities)>>,
    /// How many users and groups are linked, as far as it is known while no links are kept.
    counted: Mutex<Option<[u64; 2]>>,
    /// How far the run is that is under way.
    progress: Arc<Progress>,
    /// How far what is only planned is.
    planning: Arc<Progress>,
    /// When its tender runs it next as a whole; 0 for never.
    next_full: AtomicU64,
}

/// What a run is to do beside what the settings say.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Objects may be taken away beyond what the guard allows.
    pub allow_deletes: bool,
    /// Only this plan is carried out, when it is what would be done now.
    pub plan: Option<Plan>,
    /// `full`, unless it is another kind of run.
    pub kind: Option<&'static str>,
    /// Only these records, by kind and id.
    pub only: Option<Vec<(Kind, String)>>,
}

/// All that a run has at hand.
struct Stage {
    parts: Vec<Part>,
    states: HashMap<Kind, States>,
    scope: Scope,
    /// What the target can do, once it was asked: after all records are mapped, so that a target that is down does not hide
    /// a mapping that fails.
    abilities: Option<Abilities>,
    progress: Arc<Progress>,
}

impl Sync {
    /// A sync over a directory into a target. `beside`: where its files are relative to.
    pub fn new(
        settings: SyncSettings,
        beside: PathBuf,
        directory: Directory,
        source: Option<Arc<Source>>,
        target: Box<dyn Target>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let target = Patient::new(target, settings.weather.clone());
        Self {
            settings,
            beside,
            directory,
            source,
            target,
            clock,
            is_of_library: false,
            kept: Mutex::new(None),
            counted: Mutex::new(None),
            next_full: AtomicU64::new(0),
            progress: Arc::default(),
            planning: Arc::default(),
        }
    }

    /// The same with mappings that are named in the library, each with its newest revision.
    #[must_use]
    pub fn of_library(self) -> Self {
        Self { is_of_library: true, ..self }
    }

    /// The name and the text of the mapping of a kind as it is now.
    fn mapping_text(&self, of: &KindSettings) -> Result<(String, String), String> {
        if self.is_of_library {
            let name = of.mapping.to_string_lossy();
            let held = self.directory.library().get(&name).ok_or_else(|| format!("there is no mapping {name:?}"))?;
            return Ok((held.revision.file.clone(), held.revision.text.clone()));
        }
        let path = self.beside.join(&of.mapping);
        let file = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        Ok((file, text))
    }

    /// What is remembered of a record: its object in the target, what was done last and how it went.
    ///
    /// # Errors
    /// The store fails.
    pub async fn link(&self, kind: Kind, record: &str) -> Result<Option<State>, SyncError> {
        let value = self.store().record(Table::Links, &state::key(self.name(), kind, record)).await?;
        if let Some(value) = value {
            return Ok(Some(state::read(&value)?));
        }
        let mut begun = self.begun().await?.into_iter();
        Ok(begun.find(|(of, known, _)| *of == kind && known == record).map(|(_, _, state)| state))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What the settings say.
    pub fn settings(&self) -> &SyncSettings {
        &self.settings
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.directory.store()
    }

    /// What a run would do; nothing is written, in the target or in the store.
    ///
    /// # Errors
    /// It cannot be said; a mapping that fails is [`Ended::Halted`] in the report of a run, and a finding here.
    pub async fn plan(&self) -> Result<Plan, PlanError> {
        let _watched = Watched(&self.planning);
        let mut stage = self.stage(None, &self.planning).await.map_err(PlanError::from)?;
        self.planned(&mut stage, None, false).await.map(|(plan, _)| plan).map_err(PlanError::from)
    }

    /// How far the run, or the plan, is that is under way in this process.
    pub fn progress(&self) -> Option<Now> {
        self.progress.now().or_else(|| self.planning.now())
    }

    /// Looks for the records' objects: a plan, kept in the run log as a run of its own.
    ///
    /// # Errors
    /// As [`Sync::plan`]; another run is under way.
    pub async fn discover(&self) -> Result<Plan, PlanError> {
        let lease = self.take_lease().await.map_err(PlanError::Other)?;
        let started = self.clock.now();
        let result = self.plan().await;
        let counts = match &result {
            Ok(Plan { counts, .. }) => Counts {
                unchanged: counts.unchanged,
                skipped: counts.skipped,
                out_of_scope: counts.out_of_scope,
                ambiguous: counts.ambiguous,
                ..Counts::default()
            },
            Err(_) => Counts::default(),
        };
        let (outcome, error) = match &result {
            Ok(_) => (Ended::Complete, None),
            Err(PlanError::Mapping(report)) => (Ended::Halted, Some(report.clone())),
            Err(PlanError::Other(SyncError::Target(error))) if error.is_weather() => {
                (Ended::Degraded, Some(error.to_string()))
            }
            Err(PlanError::Other(error)) => (Ended::Failed, Some(error.to_string())),
        };
        let report = Report {
            sync: self.name().to_owned(),
            number: 0,
            kind: "discover".to_owned(),
            started,
            ended: self.clock.now(),
            outcome,
            counts,
            error,
            failures: Vec::new(),
            held_back: 0,
            warnings: Vec::new(),
            calls: 0,
            repeated: self.target.repeated(),
        };
        self.keep(report).await.map_err(PlanError::Other)?;
        self.give_lease(&lease).await.map_err(PlanError::Other)?;
        result
    }

    /// Runs it, once at a time.
    ///
    /// # Errors
    /// Another run is under way, or the store fails; all else is in the report.
    pub async fn run(&self, options: &RunOptions) -> Result<Report, SyncError> {
        let lease = self.take_lease().await?;
        let started = self.clock.now();
        let tally = Tally::default();
        let watched = Watched(&self.progress);
        let ended = tokio::select! {
            ended = self.run_stages(options, &tally) => ended,
            error = self.keep_lease(&lease) => Err(Stop::Failed(error)),
        };
        let (outcome, error, held_back) = match ended {
            Ok(0) => (Ended::Complete, None, 0),
            Ok(held_back) => {
                let why = format!(
                    "{held_back} objects would be taken away, more than the guard allows: `--allow-deletes` does it, `sync plan` shows them"
                );
                (Ended::Guarded, Some(why), held_back)
            }
            Err(Stop::Halt { mapping, digest, record, told }) => {
                let halt = SyncHalt::new(self.name(), self.clock.now(), mapping, digest, record, *told);
                tracing::error!(target: "sync", sync = self.name(), mapping = halt.mapping, place = halt.place, code = halt.code, "the sync is halted");
                halt::write(self.store(), &halt).await?;
                (Ended::Halted, Some(halt.report), 0)
            }
            Err(Stop::Standing(halt)) => {
                let SyncHalt { at, mapping, place, code, .. } = *halt;
                let since = crate::directory::time(at);
                let name = self.name();
                let why = format!(
                    "{STILL} since {since}: mapping {mapping:?}, {place}: {code}; `provisor sync status {name}` says more"
                );
                (Ended::Halted, Some(why), 0)
            }
            Err(Stop::Weather(what)) => (Ended::Degraded, Some(what), 0),
            Err(Stop::Failed(error @ SyncError::Changed(_))) => {
                self.give_lease(&lease).await?;
                return Err(error);
            }
            Err(Stop::Failed(error)) => (Ended::Failed, Some(error.to_string()), 0),
        };
        self.count_again();
        let (counts, failures, calls) = tally.taken();
        let report = Report {
            sync: self.name().to_owned(),
            number: 0,
            kind: options.kind.unwrap_or("full").to_owned(),
            started,
            ended: self.clock.now(),
            outcome,
            counts,
            error,
            failures,
            held_back,
            warnings: tally.warnings(),
            calls,
            repeated: self.target.repeated(),
        };
        // Whoever sees the run in the log sees none under way.
        drop(watched);
        let report = self.keep(report).await?;
        self.give_lease(&lease).await?;
        Ok(report)
    }

    async fn run_stages(&self, options: &RunOptions, tally: &Tally) -> Result<u64, Stop> {
        if let Some(halt) = halt::read(self.store(), self.name()).await.map_err(Stop::store)? {
            self.mended(halt).await?;
        }
        // A full run looks at everything anew.
        let kept = self.take_kept();
        let started = self.clock.now();
        let mut stage = self.stage(kept.filter(|_| options.only.is_some()), &self.progress).await?;
        let (plan, mut surveys) = self.planned(&mut stage, options.only.as_deref(), options.plan.is_none()).await?;
        if let Some(wanted) = &options.plan {
            wanted.shown().agrees(&plan.shown()).map_err(|lines| Stop::Failed(SyncError::Changed(lines)))?;
        }
        tally.add(|counts| {
            counts.unchanged = plan.counts.unchanged;
            counts.skipped = plan.counts.skipped;
            counts.out_of_scope = plan.counts.out_of_scope;
            counts.ambiguous = plan.counts.ambiguous;
        });
        tally.warn(&plan.warnings);
        objects::remember(&plan, &surveys, &mut stage.states, (self.clock.now(), self.settings.log.days)).await?;
        let made = surveys.iter_mut().map(|(kind, survey)| (*kind, survey.take_made())).collect();
        drop(surveys);
        let held_back = self.carry_out(&plan, &mut stage, made, tally, options).await?;
        self.settle(&plan, &mut stage, started).await.map_err(Stop::store)?;
        let kept = stage.abilities.map(|abilities| (stage.states, abilities));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        match tally.denied() {
            Some(error) => Err(Stop::target(error)),
            None => Ok(held_back),
        }
    }

    /// Whether what halted the sync is another by now; if not, it stays halted.
    async fn mended(&self, halt: SyncHalt) -> Result<(), Stop> {
        for kind in [Kind::User, Kind::Group] {
            let Some(of) = self.settings.of(kind) else { continue };
            let (_, text) = self.mapping_text(of).unwrap_or_default();
            if hash(&text) == halt.digest {
                return Err(Stop::Standing(Box::new(halt)));
            }
        }
        halt::lift(self.store(), self.name()).await.map_err(Stop::store)
    }

    /// Reads mappings, records and links.
    async fn stage(
        &self,
        kept: Option<(HashMap<Kind, States>, Abilities)>,
        progress: &Arc<Progress>,
    ) -> Result<Stage, Stop> {
        progress.begin(Phase::Reading, None);
        let seed = self.seed().await?;
        let directory = self.source.as_ref().map(|source| (&self.directory, source));
        let mut parts = Vec::new();
        for kind in [Kind::User, Kind::Group] {
            let env = environment(self.clock.now(), seed);
            let Some(of) = self.settings.of(kind) else { continue };
            let text = self.mapping_text(of).map_err(|error| Stop::Failed(SyncError::Settings(error)))?;
            parts.push(Part::read(kind, of, text, &self.beside, directory, env, progress)?);
        }
        let directory = self.source.as_deref().map(|source| (&self.directory, source));
        let scope = Scope::of(&self.settings.scope, directory).await.map_err(Stop::Failed)?;
        if let Some((states, abilities)) = kept {
            return Ok(Stage { parts, states, scope, abilities: Some(abilities), progress: Arc::clone(progress) });
        }
        let mut states = HashMap::new();
        for kind in [Kind::User, Kind::Group] {
            let of = States::load(Arc::clone(self.store()), self.name(), kind).await.map_err(Stop::store)?;
            states.insert(kind, of);
        }
        Ok(Stage { parts, states, scope, abilities: None, progress: Arc::clone(progress) })
    }

    /// The seed of the sync's random values: the same in every run, so that a plan says what a run does.
    async fn seed(&self) -> Result<[u8; 32], Stop> {
        let key = format!("sync-seed/{}", self.name()).into_bytes();
        let known = self.store().record(Table::Settings, &key).await.map_err(Stop::store)?;
        if let Some(seed) = known.and_then(|bytes| bytes.try_into().ok()) {
            return Ok(seed);
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| Stop::Failed(SyncError::Settings(format!("the machine gives no randomness: {error}"))))?;
        let put = Operation::Put { table: Table::Settings, key, value: seed.to_vec(), when: When::Absent };
        self.store().commit(Transaction::new("").with(put)).await.map_err(Stop::store)?;
        Ok(seed)
    }

    /// Evaluates all records, looks at the target, and decides. `is_lean`: for a plan that is only carried out.
    async fn planned(
        &self,
        stage: &mut Stage,
        only: Option<&[(Kind, String)]>,
        is_lean: bool,
    ) -> Result<(Plan, HashMap<Kind, Survey>), Stop> {
        let mut plan = Plan { sync: self.name().to_owned(), ..Plan::default() };
        let mut surveys = HashMap::new();
        if only.is_none() {
            let mut records = 0;
            for part in &stage.parts {
                records += part.records.count().await.map_err(Stop::Failed)?;
            }
            stage.progress.begin(Phase::Mapping, Some(records));
        }
        for part in &stage.parts {
            plan.warnings.extend(part.warnings.iter().cloned());
            plan.mappings.insert(part.kind.word().to_owned(), part.digest.clone());
            let Some(states) = stage.states.get(&part.kind) else { continue };
            plan.counts.linked += states.linked_count();
            if only.is_none() {
                // All records of all kinds are mapped before the target is asked for anything.
                surveys.insert(part.kind, Survey::of(part, &stage.scope, states, &mut plan).await?);
            }
        }
        stage.progress.begin(Phase::Discovering, None);
        let abilities = match stage.abilities.take() {
            Some(abilities) => abilities,
            None => self.target.open().await.map_err(Stop::target)?,
        };
        let abilities = &*stage.abilities.insert(abilities);
        for part in &stage.parts {
            let Some(states) = stage.states.get(&part.kind) else { continue };
            let planner = Planner {
                part,
                states,
                target: &self.target,
                now: self.clock.now(),
                abilities,
                protected: &self.settings.guard.protected,
                is_lean,
            };
            match (only, surveys.get(&part.kind)) {
                (Some(only), _) => {
                    for (_, id) in only.iter().filter(|(kind, _)| *kind == part.kind) {
                        planner.one(id, &stage.scope, &mut plan).await?;
                    }
                }
                (None, Some(survey)) => {
                    let mark = self.mark(part).await.map_err(Stop::store)?;
                    planner.plan(survey, mark.as_ref(), &mut plan).await?;
                }
                (None, None) => {}
            }
        }
        let with_referrers = match only {
            Some(only) => Some(self.with_referrers(stage, only, &plan).await?),
            None => None,
        };
        self.plan_references(stage, with_referrers.as_deref(), &surveys, &mut plan).await?;
        for survey in surveys.values() {
            survey.intact().map_err(Stop::Failed)?;
        }
        for states in stage.states.values() {
            states.intact().map_err(Stop::store)?;
        }
        Ok((plan, surveys))
    }

    /// Carries a plan out; the number of objects that the guard kept from being taken away.
    async fn carry_out(
        &self,
        plan: &Plan,
        stage: &mut Stage,
        mut made: HashMap<Kind, HashMap<String, Wanted>>,
        tally: &Tally,
        options: &RunOptions,
    ) -> Result<u64, Stop> {
        let guarded = !options.allow_deletes && self.takes_too_much(plan);
        let Stage { parts, states, abilities: Some(abilities), progress, .. } = stage else { return Ok(0) };
        // Who is held back stays in the groups too.
        let held: HashSet<&str> = plan
            .actions
            .iter()
            .filter(|action| guarded && action.verb.takes_away())
            .filter_map(|action| action.target.as_deref())
            .collect();
        for part in &*parts {
            let applier = self.applier(part, abilities, tally);
            let Some(of) = states.get_mut(&part.kind) else { continue };
            let chosen = |verbs: &[Verb]| -> Vec<&Action> {
                plan.actions.iter().filter(|action| action.is(part.kind, verbs)).collect()
            };
            let writes = chosen(&[Verb::Create, Verb::Recreate, Verb::Link, Verb::Update]);
            let phase = if part.kind == Kind::User { Phase::Users } else { Phase::Groups };
            progress.begin(phase, Some(writes.len() as u64));
            let managers = chosen(&[Verb::Manager]);
            let named = managers
                .iter()
                .filter_map(|action| Some((action.record.as_str(), action.changes.first()?.new.as_str()?)));
            let mut made = made.remove(&part.kind).unwrap_or_default();
            let with = applier.write(writes, &named.collect(), &mut made, of).await?;
            progress.begin(Phase::References, Some(managers.len() as u64));
            applier.managers(&managers, &with, of).await?;
        }
        // The objects of those who come into groups.
        let coming = plan.actions.iter().flat_map(|action| &action.add);
        let object = |record: &str| [Kind::Group, Kind::User].iter().find_map(|kind| states.get(kind)?.target(record));
        let people: HashMap<String, String> =
            coming.filter_map(|record| Some((record.clone(), object(record)?.into()))).collect();
        for part in &*parts {
            let Some(of) = states.get_mut(&part.kind) else { continue };
            let members: Vec<Action> = plan
                .actions
                .iter()
                .filter(|action| action.is(part.kind, &[Verb::Members]))
                .map(|action| {
                    let remove = action.remove.iter().filter(|id| !held.contains(id.as_str())).cloned().collect();
                    Action { remove, ..action.clone() }
                })
                .collect();
            let members: Vec<&Action> = members.iter().collect();
            progress.begin(Phase::References, Some(members.len() as u64));
            self.applier(part, abilities, tally).members(&members, of, &people).await?;
        }
        let harmless = if guarded { vec![Verb::Unlink] } else { vec![Verb::Unlink, Verb::Disable, Verb::Delete] };
        for part in parts.iter().rev() {
            let Some(of) = states.get_mut(&part.kind) else { continue };
            let gone: Vec<&Action> = plan.actions.iter().filter(|action| action.is(part.kind, &harmless)).collect();
            progress.begin(Phase::Leaving, Some(gone.len() as u64));
            self.applier(part, abilities, tally).take_away(&gone, of).await?;
        }
        Ok(if guarded { plan.taken() } else { 0 })
    }

    fn applier<'a>(&'a self, part: &'a Part, abilities: &'a Abilities, tally: &'a Tally) -> Applier<'a> {
        Applier { part, target: &self.target, abilities, clock: &*self.clock, tally }
    }

    /// Whether a plan takes away more than the guard allows, or everything because there are no records.
    fn takes_too_much(&self, plan: &Plan) -> bool {
        let (taken, linked) = (plan.taken(), plan.counts.linked);
        let share = linked > 20 && taken * 100 > linked * u64::from(self.settings.guard.share);
        // Records of a kind that are all gone at once are more likely a mishap than meant.
        taken > 0 && (plan.counts.without_records > 0 || taken > self.settings.guard.deletes || share)
    }
}
