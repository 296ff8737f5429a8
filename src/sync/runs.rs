//! The run log: each run as it ended, the newest first. What it keeps names objects and says why, without the values that a
//! target or a finding shows.

use super::report::{Ended, Report};
use super::{Sync, SyncError};
use crate::directory::token::DAY;
use crate::directory::{guarded, time, without_values};
use crate::store::{Operation, Table, Transaction, When};

/// How many old runs are forgotten at most when one is kept: a limit that was lowered is reached after some runs.
const FORGOTTEN: usize = 8;
/// How many runs are read at once.
const PAGE: usize = 200;

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only of this kind: `full`, `direct`, `object`, `discover`.
    pub kind: Option<String>,
    /// Only those that ended so.
    pub outcome: Option<Ended>,
    /// Only older ones than that with this number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Some runs, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<Report>,
    /// What goes into [`RunQuery::before`] for the older ones; `None` at the end.
    pub next: Option<u64>,
}

/// The header of [`Report::csv`], with its end.
pub const RUNS_CSV_HEADER: &str = "run,sync,kind,started,ended,outcome,created,recreated,linked,updated,disabled,deleted,unlinked,\
members added,members removed,unchanged,skipped,out of scope,ambiguous,failed,held back,calls,repeated,error\r\n";

impl Report {
    /// As a row of CSV (RFC 4180), with its end; a cell that a spreadsheet would take for a formula begins with `'`.
    pub fn csv(&self) -> String {
        let counts = &self.counts;
        let texts = [
            self.number.to_string(),
            self.sync.clone(),
            self.kind.clone(),
            time(self.started),
            time(self.ended),
            self.outcome.word().to_owned(),
        ];
        let numbers = [
            counts.created,
            counts.recreated,
            counts.linked,
            counts.updated,
            counts.disabled,
            counts.deleted,
            counts.unlinked,
            counts.members_added,
            counts.members_removed,
            counts.unchanged,
            counts.skipped,
            counts.out_of_scope,
            counts.ambiguous,
            counts.failed,
            self.held_back,
            self.calls,
            self.repeated,
        ];
        let error = self.error.clone().unwrap_or_default();
        row(texts.into_iter().chain(numbers.map(|number| number.to_string())).chain([error]))
    }

    /// It as it is kept: without values. Of the finding of a halt its headline and place are left; `sync status` has the rest.
    fn kept(&self) -> Self {
        let mut kept = self.clone();
        for failure in &mut kept.failures {
            failure.reason = without_values(&failure.reason);
        }
        kept.error = kept.error.map(|error| {
            let of_finding = self.outcome == Ended::Halted && error.contains('\n');
            let lines: Vec<&str> = error.lines().take(if of_finding { 2 } else { usize::MAX }).map(str::trim).collect();
            let text = lines.join(" ");
            if of_finding { without_values(&text) } else { text }
        });
        kept
    }
}

/// Cells as a row of CSV, with its end.
pub(super) fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| guarded(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

impl Sync {
    /// What the keys of all links and of all runs of the sync begin with.
    pub(super) fn prefix(&self) -> Vec<u8> {
        [self.name().as_bytes(), &[0]].concat()
    }

    fn run_key(&self, number: u64) -> Vec<u8> {
        [self.prefix().as_slice(), &number.to_be_bytes()].concat()
    }

    fn last_run_key(&self) -> Vec<u8> {
        format!("sync-runs/{}", self.name()).into_bytes()
    }

    /// The number of the last run; 0 before the first.
    async fn last_run(&self) -> Result<u64, SyncError> {
        if let Some(known) = self.store().record(Table::Settings, &self.last_run_key()).await?
            && let Ok(bytes) = known.try_into()
        {
            return Ok(u64::from_be_bytes(bytes));
        }
        // A store that was written before the number was kept.
        let (mut last, mut after) = (0, None);
        loop {
            let page = self.store().records(Table::Runs, &self.prefix(), after, PAGE).await?;
            let number = |value: &[u8]| serde_json::from_slice(value).map_or(0, |report: Report| report.number);
            last = page.items.last().map_or(last, |record| number(&record.value));
            after = page.next;
            if after.is_none() {
                return Ok(last);
            }
        }
    }

    /// Keeps a run, and forgets the oldest beyond what the settings allow. The report with its number.
    pub(super) async fn keep(&self, mut report: Report) -> Result<Report, SyncError> {
        report.number = self.last_run().await? + 1;
        let (table, when) = (Table::Runs, When::Always);
        let value = serde_json::to_vec(&report.kept()).unwrap_or_default();
        let last = report.number.to_be_bytes().to_vec();
        let mut transaction = Transaction::new("")
            .with(Operation::Put { table, key: self.run_key(report.number), value, when: when.clone() })
            .with(Operation::Put { table: Table::Settings, key: self.last_run_key(), value: last, when: when.clone() });
        let settings = &self.settings.log;
        let since = report.ended.saturating_sub(DAY.saturating_mul(settings.days));
        let oldest = self.store().records(Table::Runs, &self.prefix(), None, FORGOTTEN).await?;
        for record in oldest.items {
            let old: Option<Report> = serde_json::from_slice(&record.value).ok();
            let stays = |old: &Report| old.number + settings.runs > report.number && old.ended >= since;
            // They lie in the order of their numbers, and leave no gap.
            if old.as_ref().is_some_and(stays) {
                break;
            }
            transaction = transaction.with(Operation::Erase { table, key: record.key, when: when.clone() });
        }
        self.store().commit(transaction).await?;
        Ok(report)
    }

    /// One run; `None` when there is none of that number, or it is forgotten.
    ///
    /// # Errors
    /// The store fails.
    pub async fn run_of(&self, number: u64) -> Result<Option<Report>, SyncError> {
        let found = self.store().record(Table::Runs, &self.run_key(number)).await?;
        Ok(found.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Some runs, the newest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn runs(&self, query: &RunQuery) -> Result<RunPage, SyncError> {
        let last = self.last_run().await?;
        let mut number = query.before.map_or(last, |before| before.saturating_sub(1).min(last));
        let mut page = RunPage::default();
        while number > 0 {
            let Some(run) = self.run_of(number).await? else { break };
            if page.runs.len() == query.limit {
                page.next = Some(number + 1);
                break;
            }
            let is_kind = query.kind.as_ref().is_none_or(|kind| *kind == run.kind);
            if is_kind && query.outcome.is_none_or(|outcome| outcome == run.outcome) {
                page.runs.push(run);
            }
            number -= 1;
        }
        Ok(page)
    }
}
