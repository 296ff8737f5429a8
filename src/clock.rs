//! [`Clock`]: what time it is, as a value that tests can set.

use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::dotnet::date::Moment;

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = u64;

/// The longest that one waits for a time without looking at the clock again: somebody may have set it.
const LOOK: Duration = Duration::from_hours(1);

/// The moment of so many milliseconds; the first there is for those beyond the calendar.
pub fn moment(at: Millis) -> Moment {
    i64::try_from(at).ok().and_then(Moment::from_unix_millis).unwrap_or(Moment::MIN)
}

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Millis;

    /// Comes when it is this time, or before: who waits looks at the clock again.
    fn until(&self, at: Millis) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let wait = Duration::from_millis(at.saturating_sub(self.now())).min(LOOK);
        Box::pin(tokio::time::sleep(wait))
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands until it is set. Who waits for a time wakes when it is set to it.
#[derive(Debug, Default)]
pub struct SetClock(watch::Sender<Millis>);

impl SetClock {
    /// A clock that stands at `now`.
    pub fn at(now: Millis) -> Self {
        Self(watch::Sender::new(now))
    }

    /// Sets it.
    pub fn set(&self, now: Millis) {
        self.0.send_replace(now);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Millis {
        *self.0.borrow()
    }

    fn until(&self, at: Millis) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut told = self.0.subscribe();
        Box::pin(async move {
            // The clock that tells is borrowed for as long as this waits, so it cannot be gone.
            let _ = told.wait_for(|now| *now >= at).await;
        })
    }
}
