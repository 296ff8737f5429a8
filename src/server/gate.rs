//! [`Gate`]: how often a token may ask. A busy tenant is told to wait, and its probes are let through all the same.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::Limits;

/// Probes a second that a token has beside its rate: Entra tests a connection with a query, and takes a refusal for wrong
/// credentials.
const RESERVE: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// Counts the requests of each token.
pub struct Gate {
    rate: DefaultKeyedRateLimiter<String>,
    reserve: DefaultKeyedRateLimiter<String>,
}

impl Gate {
    /// A gate with these limits.
    pub fn new(limits: &Limits) -> Self {
        let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(limits.rate)).allow_burst(at_least_one(limits.burst));
        Self { rate: RateLimiter::keyed(quota), reserve: RateLimiter::keyed(Quota::per_second(RESERVE)) }
    }

    /// Whether a request may come in now; how long to wait if not. `probe`: it only asks for a few resources.
    ///
    /// # Errors
    /// The time until the next request is let in.
    pub fn enter(&self, token: &String, probe: bool) -> Result<(), Duration> {
        let Err(wait) = self.rate.check_key(token) else { return Ok(()) };
        if probe && self.reserve.check_key(token).is_ok() {
            return Ok(());
        }
        Err(wait.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets tokens that were not seen for a while.
    pub fn tidy(&self) {
        self.rate.retain_recent();
        self.reserve.retain_recent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_token_waits_and_its_probes_do_not() {
        let gate = Gate::new(&Limits { rate: 1, burst: 2, ..Limits::default() });
        let (busy, other) = ("a".to_owned(), "b".to_owned());
        assert!(gate.enter(&busy, false).is_ok() && gate.enter(&busy, false).is_ok());
        assert!(gate.enter(&busy, false).is_err());
        assert!(gate.enter(&busy, true).is_ok(), "a probe has a reserve");
        assert!(gate.enter(&other, false).is_ok());
    }
}
