//! `provisor sync`: a directory or files pushed on into a target, as `[[sync]]` of the configuration says; while no server
//! has the data open.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::server;
use crate::sync::{Action, Ended, Plan, PlanError, Report, RunOptions, Status, Sync, SyncError, Verb};
use crate::target::{Kind, Verdict};

use super::runs;
use super::service::{Service, config, runtime};
use super::watch::watched;
use super::words::printable;
use super::{Ending, Failure, Outcome, print};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show what a run would do, and do nothing
    Plan {
        #[command(flatten)]
        common: Common,
        /// No progress bar
        #[arg(long, short)]
        quiet: bool,
        /// Write the plan to this file, to be run as it is with `run --plan`
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Read all of the target, not only what it says has changed
        #[arg(long)]
        full: bool,
    },
    /// Bring the target up to date
    #[command(after_help = CODES)]
    Run {
        #[command(flatten)]
        common: Common,
        /// No progress bar and no summary
        #[arg(long, short)]
        quiet: bool,
        /// Carry out this plan, if it is what would be done now
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
        /// Take away more than the guard allows
        #[arg(long)]
        allow_deletes: bool,
        /// Read all of the target, not only what it says has changed
        #[arg(long)]
        full: bool,
        /// Only this user, by the id of the record
        #[arg(long, value_name = "ID")]
        user: Vec<String>,
        /// Only this group, by the id of the record
        #[arg(long, value_name = "ID")]
        group: Vec<String>,
    },
    /// Show how it stands: the halt, if any, and the last runs
    Status {
        #[command(flatten)]
        common: Common,
        /// How many runs
        #[arg(long, default_value_t = 5, value_name = "N")]
        runs: usize,
    },
    /// Let a halted sync run again, and run it
    #[command(after_help = CODES)]
    Resume {
        #[command(flatten)]
        common: Common,
        /// No progress bar and no summary
        #[arg(long, short)]
        quiet: bool,
    },
    /// Look whether a run could do its work: credentials, rights, domains, attributes; writes nothing
    Check {
        #[command(flatten)]
        common: Common,
    },
    /// Show the runs: what each did, and how it ended
    Log(runs::Log),
    /// Show one object: what was done last with it and why, and when it is tried again
    Object(runs::Object),
    /// Show the objects with what was done last
    Objects(runs::Objects),
    /// Look for the records' objects in the target, and show who would be linked to what
    Discover {
        #[command(flatten)]
        common: Common,
        /// Read all of the target, not only what it says has changed
        #[arg(long)]
        full: bool,
    },
}

/// What the exit codes of a run are.
const CODES: &str = "Exit codes:
  0  complete, and the target refused nothing
  1  complete but for objects that the target refused; or degraded by the weather; or held back by the guard
  2  it could not run: arguments, settings, credentials, the data directory
  3  halted by a mapping";

/// Which sync.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// The sync's name
    name: String,
    /// The configuration; `provisor.toml` when it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory; over the configuration
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What a command takes that says one thing.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    #[command(flatten)]
    place: Where,
    /// Print JSON: the same as `--format json`
    #[arg(long)]
    json: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Form {
    /// For people
    #[default]
    Human,
    /// JSON
    Json,
}

impl Common {
    fn is_json(&self) -> bool {
        self.json || self.format == Form::Json
    }
}

/// The most actions that are shown for people; `--json` and `--out` have all.
const MAX_SHOWN: usize = 200;

pub(super) fn run(command: &Command) -> Outcome {
    let place = match command {
        Command::Plan { common, .. }
        | Command::Run { common, .. }
        | Command::Status { common, .. }
        | Command::Resume { common, .. }
        | Command::Check { common }
        | Command::Discover { common, .. } => &common.place,
        Command::Log(log) => &log.place,
        Command::Object(object) => &object.place,
        Command::Objects(objects) => &objects.place,
    };
    runtime()?.block_on(async {
        let sync = open(place).await?;
        if let Command::Plan { full: true, .. }
        | Command::Run { full: true, .. }
        | Command::Discover { full: true, .. } = command
        {
            sync.read_all_again().await.map_err(told)?;
        }
        match command {
            Command::Plan { common, quiet, out, .. } => {
                plan(&sync, common, out.as_deref(), !quiet && !common.is_json()).await
            }
            Command::Run { common, quiet, plan, allow_deletes, user, group, .. } => {
                let only: Vec<(Kind, String)> = user
                    .iter()
                    .map(|id| (Kind::User, id.clone()))
                    .chain(group.iter().map(|id| (Kind::Group, id.clone())))
                    .collect();
                let options = RunOptions {
                    allow_deletes: *allow_deletes,
                    plan: plan.as_deref().map(read_plan).transpose()?,
                    kind: (!only.is_empty()).then_some("object"),
                    only: (!only.is_empty()).then_some(only),
                };
                match options.only.as_deref() {
                    Some([(kind, id)]) => demand(&sync, common, *kind, id, &options).await,
                    _ => run_it(&sync, common, &options, *quiet).await,
                }
            }
            Command::Status { common, runs } => {
                let status = sync.status(*runs).await.map_err(told)?;
                let text = if common.is_json() { format!("{}\n", json!(status)) } else { standing(&status) };
                print(&text)?;
                Ok(if status.halt.is_some() { Ending::Halted } else { Ending::Clean })
            }
            Command::Resume { common, quiet } => {
                if !sync.resume().await.map_err(told)? && !common.is_json() && !quiet {
                    print("it was not halted\n")?;
                }
                run_it(&sync, common, &RunOptions::default(), *quiet).await
            }
            Command::Check { common } => check(&sync, common).await,
            Command::Discover { common, .. } => discover(&sync, common).await,
            Command::Log(log) => runs::log(&sync, log).await,
            Command::Object(object) => runs::object(&sync, object).await,
            Command::Objects(objects) => runs::objects(&sync, objects).await,
        }
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn told(error: SyncError) -> Failure {
    Failure::told(error.to_string())
}

/// The sync of that name, over the data directory and into its target.
async fn open(place: &Where) -> Result<Sync, Failure> {
    let mut config = config(place.config.as_deref())?;
    if let Some(data) = &place.data {
        config.server.data.clone_from(data);
    }
    let beside = place.config.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_path_buf();
    let name = &place.name;
    let service = Service::open_few(&config.server.data, &elsewhere(name)).await?;
    if config.sync.iter().all(|sync| sync.name != *name) {
        // The API's way to make a sync; its server runs it, and without a server so does this command.
        let (directory, registry) = (&service.directory, &service.registry);
        let stored = server::stored(name, directory, registry, &beside).await;
        if let Some(sync) = stored.map_err(|error| Failure::told(format!("stored {error}")))? {
            return Ok(sync);
        }
        let stored = server::stored_names(directory).await.map_err(|error| Failure::told(error.to_string()))?;
        return Err(unknown(&config, name, &stored));
    }
    made(&config, name, &beside, &service)
}

/// What to do when a server has the data open: it is the one to ask.
fn elsewhere(name: &str) -> String {
    format!(
        ", or ask it: `POST /api/v1/syncs/{name}/run` with a token of the role operate (`plan`, `check` and `resume` likewise; `GET /api/v1/syncs/{name}` is the status)"
    )
}

fn unknown(config: &Config, name: &str, stored: &[String]) -> Failure {
    let names = config.sync.iter().map(|sync| &sync.name).chain(stored).map(String::as_str);
    let hint = crate::text::did_you_mean(name, names).map(|hint| format!("; {hint}"));
    let hint = hint.unwrap_or_default();
    Failure::told(format!(
        "neither the configuration has a [[sync]] called {name:?} nor the data directory a stored one{hint}"
    ))
}

/// A sync of the configuration.
pub(super) fn made(config: &Config, name: &str, beside: &Path, service: &Service) -> Result<Sync, Failure> {
    let settings = config.sync.iter().find(|sync| sync.name == name).ok_or_else(|| unknown(config, name, &[]))?;
    let source = match &settings.source {
        None => None,
        Some(slug) => Some(service.registry.source(slug).ok_or_else(|| {
            Failure::told(format!("sync {name:?}: there is no source {slug:?}; `provisor source add {slug}` makes it"))
        })?),
    };
    let target = crate::target::open(&settings.target, beside)
        .map_err(|error| Failure::told(format!("sync {name:?}: target: {error}")))?;
    Ok(Sync::new(
        settings.clone(),
        beside.to_path_buf(),
        service.directory.clone(),
        source,
        target,
        Arc::new(SystemClock),
    ))
}

fn planned(plan: Result<Plan, PlanError>) -> Result<Result<Plan, String>, Failure> {
    match plan {
        Ok(plan) => Ok(Ok(plan)),
        Err(PlanError::Mapping(report)) => Ok(Err(report)),
        Err(PlanError::Other(error)) => Err(told(error)),
    }
}

async fn plan(sync: &Sync, common: &Common, out: Option<&Path>, has_bar: bool) -> Outcome {
    let plan = match planned(watched(sync, has_bar, sync.plan()).await)? {
        Ok(plan) => plan,
        Err(report) => {
            print(&format!("{report}\na run would halt here, before anything is written\n"))?;
            return Ok(Ending::Halted);
        }
    };
    if let Some(file) = out {
        let text = serde_json::to_string_pretty(&plan.shown()).map_err(|error| Failure::told(error.to_string()))?;
        std::fs::write(file, text).map_err(|error| Failure::told(format!("{}: {error}", file.display())))?;
    }
    print(&if common.is_json() { format!("{}\n", json!(plan.shown())) } else { shown(&plan.shown()) })?;
    Ok(Ending::Clean)
}

fn read_plan(file: &Path) -> Result<Plan, Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| Failure::told(format!("{name}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Failure::told(format!("{name} is no plan: {error}")))
}

/// One record, step by step.
async fn demand(sync: &Sync, common: &Common, kind: Kind, id: &str, options: &RunOptions) -> Outcome {
    let told = sync.demand(kind, id, options).await.map_err(told)?;
    if common.is_json() {
        print(&format!("{}\n", json!(told)))?;
    } else {
        let mut out = String::new();
        for (number, step) in (1..).zip(&told.steps) {
            let sign = if step.fine { "ok" } else { "!!" };
            let _ = writeln!(out, "{number} {:<10} {sign}  {}", step.step, step.outcome.trim_end());
            if !step.data.is_null() {
                let _ = writeln!(out, "               {}", step.data);
            }
        }
        print(&out)?;
    }
    let halted = told.report.as_ref().is_some_and(|report| report.outcome == Ended::Halted);
    let fine = told.steps.iter().all(|step| step.fine);
    Ok(if halted {
        Ending::Halted
    } else if fine {
        Ending::Clean
    } else {
        Ending::Findings
    })
}

async fn run_it(sync: &Sync, common: &Common, options: &RunOptions, quiet: bool) -> Outcome {
    let has_bar = !quiet && !common.is_json();
    let report = watched(sync, has_bar, sync.run(options)).await.map_err(told)?;
    let failed = report.outcome == Ended::Failed;
    let shown = Report { error: report.error.clone().filter(|_| !failed), ..report.clone() };
    if common.is_json() {
        print(&format!("{}\n", json!(report)))?;
    } else if !quiet {
        print(&summary(&shown))?;
    }
    Ok(match report.outcome {
        Ended::Complete if report.counts.failed == 0 => Ending::Clean,
        Ended::Halted => Ending::Halted,
        Ended::Complete | Ended::Degraded | Ended::Guarded => Ending::Findings,
        Ended::Failed => return Err(Failure::told(report.error.unwrap_or_default())),
    })
}

/// What the sync needs, a line each, and what to do where it is missing.
async fn check(sync: &Sync, common: &Common) -> Outcome {
    let told = sync.check().await.map_err(told)?;
    let mut out = if common.is_json() { format!("{}\n", json!(told)) } else { format!("{}\n", told.target) };
    for one in told.checks.iter().filter(|_| !common.is_json()) {
        let sign = match one.verdict {
            Verdict::Found => "ok",
            Verdict::Missing => "!!",
            Verdict::Unknown => "??",
        };
        let _ = writeln!(out, "{sign}  {:<24} {}", one.what, one.outcome.trim_end());
        if let Some(fix) = &one.fix {
            let _ = writeln!(out, "{:30}{fix}", "");
        }
    }
    print(&out)?;
    Ok(if told.fine { Ending::Clean } else { Ending::Findings })
}

async fn discover(sync: &Sync, common: &Common) -> Outcome {
    let plan = match planned(watched(sync, !common.is_json(), sync.discover()).await)? {
        Ok(plan) => plan.shown(),
        Err(report) => {
            print(&format!("{report}\n"))?;
            return Ok(Ending::Halted);
        }
    };
    let links: Vec<&Action> = plan.actions.iter().filter(|action| action.verb == Verb::Link).collect();
    if common.is_json() {
        print(&format!("{}\n", json!({"links": links, "ambiguous": plan.ambiguous, "counts": plan.counts})))?;
        return Ok(Ending::Clean);
    }
    let mut out = String::new();
    for action in &links {
        let _ = writeln!(
            out,
            "{:<6} {:<40} {}  ->  {}",
            action.kind.word(),
            action.name,
            action.record,
            action.target.as_deref().unwrap_or_default()
        );
    }
    for one in &plan.ambiguous {
        let _ = writeln!(out, "{:<6} {}: {}", one.kind.word(), one.record, one.reason);
    }
    let _ = writeln!(
        out,
        "{} objects in the target, {} linked, {} to be linked, {} ambiguous",
        plan.counts.objects,
        plan.counts.linked,
        links.len(),
        plan.counts.ambiguous
    );
    print(&out)?;
    Ok(Ending::Clean)
}

/// A plan for people: what is taken away first.
fn shown(plan: &Plan) -> String {
    let mut out = String::new();
    for warning in &plan.warnings {
        let _ = writeln!(out, "warning: {}", printable(warning));
    }
    let mut actions: Vec<&Action> = plan.actions.iter().collect();
    actions.sort_by_key(|action| !action.verb.takes_away());
    for action in actions.iter().take(MAX_SHOWN) {
        let sign = match action.verb {
            Verb::Create | Verb::Recreate => '+',
            Verb::Disable | Verb::Delete | Verb::Unlink => '-',
            Verb::Link => '=',
            _ => '~',
        };
        let _ = writeln!(
            out,
            "{sign} {:<8} {:<6} {}   ({})",
            action.verb.word(),
            action.kind.word(),
            action.name,
            action.reason
        );
        for change in action.changes.iter().filter(|_| !matches!(action.verb, Verb::Create | Verb::Recreate)) {
            let _ = writeln!(out, "      {}: {} -> {}", change.path, change.old, change.new);
        }
        if !action.add.is_empty() || !action.remove.is_empty() {
            let _ = writeln!(out, "      {} members come, {} go", action.add.len(), action.remove.len());
        }
    }
    if actions.len() > MAX_SHOWN {
        let _ = writeln!(out, "and {} more; --json has all", actions.len() - MAX_SHOWN);
    }
    for one in plan.skipped.iter().chain(&plan.ambiguous).take(20) {
        let _ = writeln!(out, "! left     {:<6} {}   ({})", one.kind.word(), one.record, one.reason);
    }
    let of = |verb: Verb| plan.actions.iter().filter(|action| action.verb == verb).count();
    let verbs = [
        Verb::Create,
        Verb::Recreate,
        Verb::Link,
        Verb::Update,
        Verb::Manager,
        Verb::Members,
        Verb::Disable,
        Verb::Delete,
        Verb::Unlink,
    ];
    let parts: Vec<String> =
        verbs.into_iter().filter(|verb| of(*verb) > 0).map(|verb| format!("{} {}", of(verb), verb.word())).collect();
    let what = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
    let counts = plan.counts;
    let _ = writeln!(
        out,
        "{what}; {} records, {} out of scope, {} skipped, {} unchanged",
        counts.records, counts.out_of_scope, counts.skipped, counts.unchanged
    );
    out
}

/// A run for people.
pub(super) fn summary(report: &Report) -> String {
    let mut out = String::new();
    for warning in &report.warnings {
        let _ = writeln!(out, "warning: {}", printable(warning));
    }
    if let Some(error) = &report.error {
        let _ = writeln!(out, "{}", error.trim_end());
    }
    for failure in report.failures.iter().take(20) {
        let told = format!("{} {} {}: {}", failure.verb, failure.kind.word(), failure.name, failure.reason);
        let _ = writeln!(out, "failed: {}", printable(&told));
    }
    let counts = &report.counts;
    let parts: Vec<String> = [
        (counts.created, "created"),
        (counts.recreated, "recreated"),
        (counts.linked, "linked"),
        (counts.updated, "updated"),
        (counts.disabled, "disabled"),
        (counts.deleted, "deleted"),
        (counts.unlinked, "unlinked"),
        (counts.members_added, "members added"),
        (counts.members_removed, "members removed"),
        (counts.unchanged, "unchanged"),
        (counts.skipped, "skipped"),
        (counts.out_of_scope, "out of scope"),
        (counts.ambiguous, "ambiguous"),
        (counts.failed, "failed"),
        (report.repeated, "calls repeated"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| format!("{number} {word}"))
    .collect();
    let what = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
    let seconds = report.ended.saturating_sub(report.started) as f64 / 1_000.0;
    let _ = writeln!(out, "{} {}: {what} ({seconds:.1} s)", report.sync, report.outcome.word());
    out
}

fn standing(status: &Status) -> String {
    let mut out = String::new();
    let [users, groups] = status.linked;
    let many = |number: u64, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let _ = writeln!(out, "{}: {} and {} linked", status.sync, many(users, "user"), many(groups, "group"));
    if let Some(halt) = &status.halt {
        let record = halt.record.as_ref().map(|(kind, id)| format!(", {} {id}", kind.word())).unwrap_or_default();
        let _ = writeln!(
            out,
            "HALTED since {}: mapping {:?}, {}{record}: mend it, or `provisor sync resume {}`\n{}",
            crate::directory::time(halt.at),
            halt.mapping,
            halt.place,
            status.sync,
            halt.report
        );
    }
    if status.running_until.is_some() {
        out.push_str("a run is under way\n");
    }
    for report in &status.runs {
        out.push_str(&runs::line(report));
    }
    out
}
