//! [`Tender`]: looks after one sync for as long as the server runs: full runs when it is new, when its settings change, every
//! few hours at minutes of its own, and when somebody asks; direct runs as the directory changes. One at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::direct::Direct;
use super::{Ended, Report, RunOptions, Sync, SyncError, notice};
use crate::clock::Millis;
use crate::store::{Operation, Table, Transaction, When};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
/// How long changes are gathered before they are pushed on: those of one request come together.
const GATHER: Duration = Duration::from_millis(20);
/// How long a direct run waits after weather, or while the sync is halted.
const PAUSE: Duration = Duration::from_secs(30);
/// How long a quarantined sync waits, the first times and then each time; after four weeks it stops.
const QUARANTINE: [Millis; 3] = [6 * HOUR, 12 * HOUR, 24 * HOUR];
const QUARANTINE_END: Millis = 28 * 24 * HOUR;

/// What somebody asks of a sync.
pub struct Ask {
    /// What the run is to do.
    pub options: RunOptions,
    /// Whether a halt is lifted before.
    pub resume: bool,
    /// Where the report goes.
    pub answer: oneshot::Sender<Result<Report, SyncError>>,
}

/// What is remembered of a sync that fails too much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Quarantine {
    /// Since when.
    pub since: Millis,
    /// How often in a row.
    pub times: u32,
    /// When it is tried again; `None` never.
    pub next: Option<Millis>,
}

/// Looks after a sync.
pub struct Tender {
    sync: Arc<Sync>,
    asks: mpsc::Receiver<Ask>,
    /// A digest of settings that no full run has gone through yet.
    unseen: Option<Vec<u8>>,
}

impl Tender {
    /// A tender of this sync, and where to ask it.
    pub fn new(sync: Arc<Sync>) -> (Self, mpsc::Sender<Ask>) {
        let (send, asks) = mpsc::channel(16);
        (Self { sync, asks, unseen: None }, send)
    }

    /// Runs for ever.
    pub async fn tend(mut self) {
        let mut writes = self.sync.directory.writes();
        let mut full = match self.begin().await {
            Ok(at) => at,
            Err(error) => {
                tracing::error!(target: "sync", sync = self.sync.name(), %error, "the sync cannot be looked after");
                None
            }
        };
        let mut pause: Option<tokio::time::Instant> = None;
        loop {
            self.sync.next_full.store(full.unwrap_or_default(), Ordering::Relaxed);
            let direct = self.sync.settings.schedule.direct && self.sync.source.is_some();
            let paused = async {
                match pause {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.answer(ask).await,
                    None => return,
                },
                () = self.sync.clock.until(full.unwrap_or(Millis::MAX)) => {
                    if full.is_some_and(|at| at <= self.sync.clock.now()) {
                        full = self.run_full().await;
                    }
                }
                changed = writes.changed(), if direct && pause.is_none() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(GATHER).await;
                    writes.mark_unchanged();
                    pause = self.run_direct().await;
                }
                () = paused => pause = self.run_direct().await,
            }
        }
    }

    /// When the first full run is: at once when the sync is new, or its settings or mappings are others.
    async fn begin(&mut self) -> Result<Option<Millis>, SyncError> {
        let sync = Arc::clone(&self.sync);
        let mut saved = Sha256::new();
        saved.update(serde_json::to_vec(&sync.settings).unwrap_or_default());
        for of in [&sync.settings.users, &sync.settings.groups].into_iter().flatten() {
            // One that cannot be read is told by the run.
            saved.update(sync.mapping_text(of).map(|(_, text)| text).unwrap_or_default());
        }
        let digest = saved.finalize().to_vec();
        let known = sync.store().record(Table::Settings, &self.settings_key()).await?;
        if known.as_ref() == Some(&digest) {
            if sync.settings.schedule.direct && sync.source.is_some() {
                // What changed while nobody looked.
                let _ = self.run_direct().await;
            }
            return Ok(self.next());
        }
        if sync.position().await?.is_none() {
            // Everything up to here is in the full run that comes now. One that is through moves on by itself; until then what
            // changed waits.
            sync.move_to(sync.outbox_end()?).await?;
        }
        let runs = sync.settings.schedule.every > 0;
        let now = sync.clock.now();
        self.unseen = Some(digest);
        if !runs {
            self.seen().await?;
        }
        Ok(runs.then_some(now))
    }

    /// Notes that a full run has gone through the settings as they are. One that ended before it was through, by the weather or
    /// with the process, comes again at the next start.
    async fn seen(&mut self) -> Result<(), SyncError> {
        let Some(value) = self.unseen.take() else { return Ok(()) };
        let put = Operation::Put { table: Table::Settings, key: self.settings_key(), value, when: When::Always };
        self.sync.store().commit(Transaction::new("").with(put)).await?;
        Ok(())
    }

    fn settings_key(&self) -> Vec<u8> {
        format!("sync-settings/{}", self.sync.name()).into_bytes()
    }

    fn next(&self) -> Option<Millis> {
        self.sync.next_regular()
    }

    async fn run_full(&mut self) -> Option<Millis> {
        let sync = Arc::clone(&self.sync);
        // What changes from here on is the next direct run's.
        let end = sync.outbox_end();
        let report = match sync.run(&RunOptions::default()).await {
            Ok(report) => report,
            // Whoever is at it began before this one was due, perhaps with other settings.
            Err(SyncError::Busy) => {
                let pause = Millis::try_from(PAUSE.as_millis()).unwrap_or(Millis::MAX);
                return Some(sync.clock.now().saturating_add(pause));
            }
            Err(error) => {
                tracing::warn!(target: "sync", sync = sync.name(), %error, "the full run did not begin");
                return self.next();
            }
        };
        if let (true, Ok(end)) = (report.is_done(), end)
            && let Err(error) = sync.move_to(end).await
        {
            tracing::warn!(target: "sync", sync = sync.name(), %error, "the outbox's position was not stored");
        }
        if report.is_done()
            && let Err(error) = self.seen().await
        {
            tracing::warn!(target: "sync", sync = sync.name(), %error, "the settings' digest was not stored");
        }
        self.told(&report).await;
        match self.quarantine(&report).await {
            Ok(None) => self.next(),
            Ok(Some(quarantine)) => quarantine.next,
            Err(error) => {
                tracing::warn!(target: "sync", sync = sync.name(), %error, "the quarantine was not stored");
                self.next()
            }
        }
    }

    /// Pushes on what changed; when to try again, if it could not.
    async fn run_direct(&self) -> Option<tokio::time::Instant> {
        loop {
            let pause = || Some(tokio::time::Instant::now() + PAUSE);
            match self.sync.direct().await {
                Ok(Direct::Nothing) => return None,
                Ok(Direct::Ran(report, more)) => {
                    self.told(&report).await;
                    if !report.is_done() {
                        return pause();
                    }
                    if !more {
                        return None;
                    }
                }
                Err(SyncError::Busy) => return pause(),
                Err(error) => {
                    tracing::warn!(target: "sync", sync = self.sync.name(), %error, "the direct run did not begin");
                    return pause();
                }
            }
        }
    }

    async fn answer(&self, ask: Ask) {
        if ask.resume
            && let Err(error) = self.sync.resume().await
        {
            let _ = ask.answer.send(Err(error));
            return;
        }
        let result = self.sync.run(&ask.options).await;
        if let Ok(report) = &result {
            self.told(report).await;
        }
        // Who asked may have gone.
        let _ = ask.answer.send(result);
    }

    /// Logs a run, and tells those who want to know when it stopped.
    async fn told(&self, report: &Report) {
        let sync = &self.sync;
        tracing::info!(
            target: "sync",
            sync = sync.name(),
            run = report.number,
            kind = report.kind,
            outcome = report.outcome.word(),
            writes = report.counts.writes(),
            failed = report.counts.failed,
            ms = report.ended.saturating_sub(report.started),
        );
        if matches!(report.outcome, Ended::Halted | Ended::Guarded) && report.is_news() {
            notice::send(&sync.settings.notice, &sync.beside, report.outcome.word(), report).await;
        }
    }

    /// Whether too much failed, and when it is tried again then.
    async fn quarantine(&self, report: &Report) -> Result<Option<Quarantine>, SyncError> {
        let sync = &self.sync;
        let settings = &sync.settings.quarantine;
        let (failed, writes) = (report.counts.failed, report.counts.writes() + report.counts.failed);
        let bad = failed >= settings.failures
            && (failed * 100 > writes * u64::from(settings.share) || failed > settings.most);
        let known = sync.quarantined().await?;
        if !bad {
            if known.is_some() && report.is_done() {
                sync.set_quarantine(None).await?;
            }
            return Ok(None);
        }
        let now = sync.clock.now();
        let Quarantine { since, times, .. } = known.unwrap_or(Quarantine { since: now, ..Quarantine::default() });
        let wait = QUARANTINE.get(times as usize).copied().unwrap_or(24 * HOUR);
        let next = Some(now.saturating_add(wait)).filter(|next| *next < since.saturating_add(QUARANTINE_END));
        let quarantine = Quarantine { since, times: times + 1, next };
        sync.set_quarantine(Some(quarantine)).await?;
        tracing::warn!(target: "sync", sync = sync.name(), failed, writes, "too much fails: the sync is in quarantine");
        notice::send(&sync.settings.notice, &sync.beside, "quarantined", report).await;
        Ok(Some(quarantine))
    }
}

impl Sync {
    /// The next full run of a server: every so many minutes, at an offset that is the sync's own and stays.
    pub(super) fn next_regular(&self) -> Option<Millis> {
        let every = self.settings.schedule.every.checked_mul(MINUTE).filter(|every| *every > 0)?;
        let digest = Sha256::digest(self.name().as_bytes());
        let own = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)) % every;
        let now = self.clock.now();
        let begun = now.saturating_sub(own) / every * every + own;
        Some(if begun > now { begun } else { begun + every })
    }

    fn quarantine_key(&self) -> Vec<u8> {
        format!("sync-quarantine/{}", self.name()).into_bytes()
    }

    /// The quarantine that it is in.
    ///
    /// # Errors
    /// The store fails.
    pub async fn quarantined(&self) -> Result<Option<Quarantine>, SyncError> {
        let found = self.store().record(Table::Settings, &self.quarantine_key()).await?;
        Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    async fn set_quarantine(&self, quarantine: Option<Quarantine>) -> Result<(), SyncError> {
        let (table, key, when) = (Table::Settings, self.quarantine_key(), When::Always);
        let operation = match quarantine {
            Some(quarantine) => {
                Operation::Put { table, key, value: serde_json::to_vec(&quarantine).unwrap_or_default(), when }
            }
            None => Operation::Erase { table, key, when },
        };
        self.store().commit(Transaction::new("").with(operation)).await?;
        Ok(())
    }
}

impl Report {
    /// Whether what was to be done is done, as far as the target takes it.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Ended::Complete | Ended::Guarded)
    }

    /// Whether it tells something that the run before did not: a halt that stands is told once.
    pub fn is_news(&self) -> bool {
        !self.error.as_deref().is_some_and(|error| error.starts_with(STILL))
    }
}

/// What the error of a run begins with that found its sync halted.
pub(super) const STILL: &str = "still halted";
