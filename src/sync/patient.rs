//! [`Patient`]: a target whose weather is borne: calls are made again after a wait that grows and is jittered, or that the
//! target asks for, with fewer at once while it refuses for load. After too many failures in a row it gives up, so that a
//! run ends instead of waiting for a target that is down.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::settings::WeatherSettings;
use crate::target::{Abilities, Answer, Checked, Done, Found, Kind, Need, Page, Target, TargetError, Write};

/// A target with patience.
pub struct Patient {
    inner: Box<dyn Target>,
    settings: WeatherSettings,
    /// Failures since the last call that came through.
    in_a_row: AtomicU32,
    /// Calls that were made again.
    again: AtomicU64,
    /// How many calls the target takes at once, as it said when it was opened.
    most: AtomicUsize,
    /// How many calls may be under way, while the target asks for fewer; 0 for as many as it can.
    fewer: AtomicUsize,
}

impl Patient {
    /// Patience with this target.
    pub fn new(inner: Box<dyn Target>, settings: WeatherSettings) -> Self {
        let (in_a_row, again) = (AtomicU32::new(0), AtomicU64::new(0));
        let (most, fewer) = (AtomicUsize::new(1), AtomicUsize::new(0));
        Self { inner, settings, in_a_row, again, most, fewer }
    }

    /// How many calls were made again.
    pub fn repeated(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    /// How many calls may be under way at once.
    pub fn at_once(&self, most: usize) -> usize {
        match self.fewer.load(Ordering::Relaxed) {
            0 => most.max(1),
            fewer => fewer.clamp(1, most.max(1)),
        }
    }

    /// Whether it has given up: nothing came through for so long that it is down.
    pub fn gave_up(&self) -> bool {
        self.in_a_row.load(Ordering::Relaxed) >= self.settings.give_up
    }

    fn fared(&self, result: Result<(), &TargetError>) {
        let most = self.most.load(Ordering::Relaxed);
        match result {
            // It is there, and it is too much at once: half of it.
            Err(TargetError::Weather { wait: Some(_), .. }) => {
                let now = self.at_once(most);
                self.fewer.store((now / 2).max(1), Ordering::Relaxed);
            }
            Err(TargetError::Weather { wait: None, .. }) => {
                self.in_a_row.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                self.in_a_row.store(0, Ordering::Relaxed);
                // One more at a time, until it is all again.
                let fewer = self.fewer.load(Ordering::Relaxed);
                if fewer > 0 {
                    self.fewer.store(if fewer >= most { 0 } else { fewer + 1 }, Ordering::Relaxed);
                }
            }
        }
    }

    /// Waits before the next attempt; false when there is none.
    pub(super) async fn wait(&self, attempt: u32, error: &TargetError) -> bool {
        let TargetError::Weather { wait: asked, .. } = error else { return false };
        if attempt + 1 >= self.settings.attempts || self.gave_up() {
            return false;
        }
        let longest = Duration::from_secs(self.settings.longest);
        let own = Duration::from_millis(self.settings.wait.saturating_mul(1 << attempt.min(16)));
        let time = asked.unwrap_or(own).max(own).min(longest);
        // Between three quarters and five quarters of it, so that many do not come again at one moment.
        let mut jitter = [0; 1];
        let _ = getrandom::fill(&mut jitter);
        let part = 192 + u32::from(jitter.first().copied().unwrap_or(64)) / 2;
        let time = if asked.is_some() { time } else { time.saturating_mul(part) / 256 };
        self.again.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(time).await;
        true
    }

    async fn patiently<'a, T>(&'a self, call: impl Fn() -> Answer<'a, T>) -> Result<T, TargetError> {
        for attempt in 0.. {
            let result = call().await;
            self.fared(result.as_ref().map(|_| ()));
            match result {
                Err(error) if self.wait(attempt, &error).await => {}
                result => return result,
            }
        }
        Err(TargetError::Protocol { what: "no attempt was made".into() })
    }

    /// Makes objects, once: whether one was made when the weather took the answer is not known, and whoever sent it looks before it is
    /// made again.
    async fn create_once(&self, writes: Vec<Write>, count: usize) -> Vec<Result<Done, TargetError>> {
        match self.inner.write(writes).await {
            Ok(answers) => {
                for answer in &answers {
                    self.fared(answer.as_ref().map(|_| ()));
                }
                answers
            }
            Err(error) => {
                self.fared(Err(&error));
                vec![Err(error); count]
            }
        }
    }

    async fn write_patiently(&self, writes: Vec<Write>) -> Result<Vec<Result<Done, TargetError>>, TargetError> {
        if writes.iter().all(|write| matches!(write, Write::Create { .. })) {
            let count = writes.len();
            return Ok(self.create_once(writes, count).await);
        }
        let mut results: Vec<Option<Result<Done, TargetError>>> = writes.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..writes.len()).collect();
        for attempt in 0.. {
            let some: Vec<Write> = open.iter().filter_map(|place| writes.get(*place).cloned()).collect();
            let creates = some.iter().any(|write| matches!(write, Write::Create { .. }));
            let answers = match self.inner.write(some).await {
                Ok(answers) => answers,
                // Whether an object was made is not known: whoever sent it looks before it is made again.
                Err(error) if creates => {
                    self.fared(Err(&error));
                    open.iter().map(|_| Err(error.clone())).collect()
                }
                Err(error) => {
                    self.fared(Err(&error));
                    if self.wait(attempt, &error).await {
                        continue;
                    }
                    return Err(error);
                }
            };
            let mut weather = None;
            let mut left = Vec::new();
            for (place, answer) in std::mem::take(&mut open).into_iter().zip(answers) {
                if let Err(error) = &answer
                    && error.is_weather()
                    && !(creates && matches!(writes.get(place), Some(Write::Create { .. })))
                {
                    weather = Some(error.clone());
                    left.push(place);
                } else {
                    self.fared(answer.as_ref().map(|_| ()));
                }
                if let Some(result) = results.get_mut(place) {
                    *result = Some(answer);
                }
            }
            let Some(weather) = weather else { break };
            self.fared(Err(&weather));
            open = left;
            if !self.wait(attempt, &weather).await {
                break;
            }
        }
        let lost = || Err(TargetError::Protocol { what: "the target gave fewer answers than it was asked".into() });
        Ok(results.into_iter().map(|result| result.unwrap_or_else(lost)).collect())
    }
}

impl Target for Patient {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn folds(&self, kind: Kind, path: &str) -> bool {
        self.inner.folds(kind, path)
    }

    fn open(&self) -> Answer<'_, Abilities> {
        Box::pin(async {
            // A run begins without what the one before met.
            self.in_a_row.store(0, Ordering::Relaxed);
            self.fewer.store(0, Ordering::Relaxed);
            let abilities = self.patiently(|| self.inner.open()).await?;
            self.most.store(abilities.concurrent.max(1), Ordering::Relaxed);
            Ok(abilities)
        })
    }

    fn find<'a>(&'a self, kind: Kind, path: &'a str, value: &'a str) -> Answer<'a, Vec<Found>> {
        Box::pin(self.patiently(move || self.inner.find(kind, path, value)))
    }

    fn get<'a>(&'a self, kind: Kind, id: &'a str) -> Answer<'a, Option<Found>> {
        Box::pin(self.patiently(move || self.inner.get(kind, id)))
    }

    fn list<'a>(
        &'a self,
        kind: Kind,
        paths: &'a [String],
        delta: Option<&'a str>,
        next: Option<&'a str>,
    ) -> Answer<'a, Page> {
        Box::pin(self.patiently(move || self.inner.list(kind, paths, delta, next)))
    }

    fn members<'a>(&'a self, group: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(self.patiently(move || self.inner.members(group)))
    }

    fn write(&self, writes: Vec<Write>) -> Answer<'_, Vec<Result<Done, TargetError>>> {
        Box::pin(self.write_patiently(writes))
    }

    fn shows_members(&self) -> bool {
        self.inner.shows_members()
    }

    fn lists_members(&self) -> bool {
        self.inner.lists_members()
    }

    fn takes_managers(&self) -> bool {
        self.inner.takes_managers()
    }

    fn is_eventual(&self) -> bool {
        self.inner.is_eventual()
    }

    fn open_attribute(&self) -> &'static str {
        self.inner.open_attribute()
    }

    fn check<'a>(&'a self, needs: &'a [Need]) -> Answer<'a, Vec<Checked>> {
        self.inner.check(needs)
    }

    fn preview(&self, write: &Write) -> Vec<Value> {
        self.inner.preview(write)
    }
}
