//! Whether a sync could run: its mappings, its records, and what the target lets it do. Nothing is written, in the target or in the
//! store.

use std::sync::Arc;

use serde::Serialize;

use super::difference::paths;
use super::part::{Part, environment};
use super::records::Scope;
use super::settings::DeleteAction;
use super::{Kind, PlanError, Stop, Sync, SyncError};
use crate::target::{Checked, Need, Target as _, Verdict};

/// What a sync needs, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Checkup {
    /// The sync.
    pub sync: String,
    /// The target, without secrets.
    pub target: String,
    /// Whether nothing is missing.
    pub fine: bool,
    /// What was looked at, in the order in which it is to be mended.
    pub checks: Vec<Checked>,
}

impl Sync {
    /// Looks at all that a run needs. What is missing is told, with what to do.
    ///
    /// # Errors
    /// The target cannot be asked at all.
    pub async fn check(&self) -> Result<Checkup, SyncError> {
        let (mut checks, mut needs) = (Vec::new(), Vec::new());
        let directory = self.source.as_ref().map(|source| (&self.directory, source));
        for kind in [Kind::User, Kind::Group] {
            let Some(of) = self.settings.of(kind) else { continue };
            let mut need = Need { kind, paths: Vec::new(), writes: true, members: kind == Kind::Group && of.members };
            need.writes = of.create || of.update || of.on_delete(kind) != DeleteAction::Nothing;
            let what = format!("{} mapping", kind.word());
            let read =
                self.mapping_text(of).map_err(|error| Stop::Failed(SyncError::Settings(error))).and_then(|text| {
                    let env = environment(self.clock.now(), [0; 32]);
                    Part::read(kind, of, text, &self.beside, directory, env, &Arc::default())
                });
            match read {
                Ok(part) => {
                    need.paths = paths(&part.mapping, None);
                    need.paths.extend(part.manager_path().map(str::to_owned));
                    let found = format!("{} compiles and writes {} attributes", part.mapping.name(), need.paths.len());
                    checks.push(Checked::found(what, found));
                    if part.mapping.matching_rules().is_empty() {
                        let fix = "give the rule by which objects are found `match = 1`";
                        checks.push(Checked::missing(
                            "matching",
                            format!("{} has no rule with `match`", part.mapping.name()),
                            fix,
                        ));
                    }
                }
                Err(stop) => checks.push(told(what, stop)),
            }
            needs.push(need);
        }
        let directory = self.source.as_deref().map(|source| (&self.directory, source));
        if let Err(error) = Scope::of(&self.settings.scope, directory).await {
            checks.push(Checked::missing("scope", error.to_string(), "mend `scope` of the sync"));
        }
        checks.extend(self.target.check(&needs).await.map_err(SyncError::Target)?);
        let fine = checks.iter().all(|check| check.verdict != Verdict::Missing);
        Ok(Checkup { sync: self.name().to_owned(), target: self.target.name(), fine, checks })
    }
}

/// Why a mapping or its records cannot be read.
fn told(what: String, stop: Stop) -> Checked {
    match PlanError::from(stop) {
        PlanError::Mapping(report) => {
            Checked::missing(what, report, "mend the mapping; `provisor check` shows every finding")
        }
        PlanError::Other(error) => Checked::missing(what, error.to_string(), "mend what the sync's settings name"),
    }
}
