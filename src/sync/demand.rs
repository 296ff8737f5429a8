//! Provision on demand: one record, in the five steps that Entra shows: connection, import, scope, match, action, each with its
//! data. What is done is done by the same plan and run as always.

use serde::Serialize;
use serde_json::{Value, json};

use super::part::Made;
use super::{Kind, PlanError, Report, RunOptions, Stop, Sync, SyncError, Verb};
use crate::mapping::Apply;
use crate::target::Target as _;

/// One of the five steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DemandStep {
    /// Which.
    pub step: &'static str,
    /// Whether it came to a good end.
    pub fine: bool,
    /// What came of it, in a sentence.
    pub outcome: String,
    /// What it saw; secrets and redacted values are not in it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Demand {
    /// The steps that were reached, in order.
    pub steps: Vec<DemandStep>,
    /// The run of the last step.
    pub report: Option<Report>,
}

impl Demand {
    fn add(&mut self, step: &'static str, fine: bool, outcome: impl Into<String>, data: Value) {
        self.steps.push(DemandStep { step, fine, outcome: outcome.into(), data });
    }
}

impl Sync {
    /// Brings one record up to date, and tells each step.
    ///
    /// # Errors
    /// As [`Sync::run`]; what goes wrong within a step is told by it.
    pub async fn demand(&self, kind: Kind, id: &str, options: &RunOptions) -> Result<Demand, SyncError> {
        let mut told = Demand { steps: Vec::new(), report: None };
        match self.target.open().await {
            Ok(abilities) => {
                let data = json!({"finds": abilities.find, "lists": abilities.list, "batch": abilities.batch});
                told.add("connection", true, format!("{} answers", self.target.name()), data);
            }
            Err(error) => {
                told.add("connection", false, error.to_string(), Value::Null);
                return Ok(told);
            }
        }
        if let Err(stop) = self.looked(kind, id, &mut told).await {
            match PlanError::from(stop) {
                // The run that follows halts the sync by it, as any run does.
                PlanError::Mapping(report) => told.add("scope", false, report, Value::Null),
                PlanError::Other(error) => {
                    told.add("match", false, error.to_string(), Value::Null);
                    return Ok(told);
                }
            }
        }
        let only = Some(vec![(kind, id.to_owned())]);
        let report = self.run(&RunOptions { kind: Some("object"), only, ..options.clone() }).await?;
        let outcome = match (&report.error, report.failures.first()) {
            (Some(error), _) => error.clone(),
            (None, Some(failure)) => failure.reason.clone(),
            (None, None) if report.counts.writes() + report.counts.linked == 0 => "nothing was to be done".to_owned(),
            (None, None) => "done".to_owned(),
        };
        let fine = report.error.is_none() && report.failures.is_empty();
        told.add("action", fine, outcome, json!(report.counts));
        told.report = Some(report);
        Ok(told)
    }

    /// The steps between connection and action.
    async fn looked(&self, kind: Kind, id: &str, told: &mut Demand) -> Result<(), Stop> {
        let mut stage = self.stage(None, &self.planning).await?;
        let Some(part) = stage.parts.iter().find(|part| part.kind == kind) else {
            let why = format!("the sync does not push on any {}", kind.word());
            return Err(Stop::Failed(SyncError::Settings(why)));
        };
        let record = part.records.one(&part.mapping, id).await.map_err(Stop::Failed)?;
        match &record {
            Some(record) => {
                let data: Value = serde_json::from_str(&record.text).unwrap_or_default();
                told.add("import", true, "the record is there", data);
            }
            None => told.add("import", true, "there is no such record (any more)", Value::Null),
        }
        if let Some(record) = &record {
            let taken = kind == Kind::Group || stage.scope.takes(record);
            let apply = match stage.states.get(&kind).and_then(|states| states.target(id)) {
                Some(_) => Apply::Update,
                None => Apply::Create,
            };
            match part.make(record, apply)? {
                _ if !taken => told.add("scope", true, "out of scope, by the sync's `scope`", Value::Null),
                Made::OutOfScope => told.add("scope", true, "out of scope, by the mapping's filters", Value::Null),
                Made::Skipped(reason) => told.add("scope", false, format!("left out: {reason}"), Value::Null),
                Made::Wanted(wanted) => told.add("scope", true, "in scope", json!({"matches": wanted.matches})),
            }
        }
        let (plan, _) = self.planned(&mut stage, Some(&[(kind, id.to_owned())]), false).await?;
        let plan = plan.shown();
        let known = stage.states.get(&kind).and_then(|states| states.target(id));
        let found = plan.actions.iter().find(|action| action.verb == Verb::Link);
        let outcome = match (known, found, plan.ambiguous.first()) {
            (Some(target), _, _) => format!("it is linked to {target}"),
            (None, Some(action), _) => {
                format!("{} is found, and will be linked", action.target.as_deref().unwrap_or_default())
            }
            (None, None, Some(ambiguous)) => ambiguous.reason.clone(),
            (None, None, None) => "there is no object for it".to_owned(),
        };
        told.add("match", plan.ambiguous.is_empty(), outcome, json!(plan.actions));
        Ok(())
    }
}
