//! [`Gate`]: how often a token may ask, and how often the token endpoint of a source is asked. A busy tenant is told to wait,
//! and its probes are let through all the same; so is, at a busy token endpoint, who has the right secret.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::Limits;

/// Probes a second that a token has beside its rate: Entra tests a connection with a query, and takes a refusal for wrong
/// credentials.
const RESERVE: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// Requests a second to the token endpoint of a source, whoever asks, and how many may come at once. A client asks once an
/// hour; the rest is somebody who guesses.
const KNOCKS: NonZeroU32 = NonZeroU32::new(10).unwrap();
const KNOCKS_AT_ONCE: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Access tokens a second for each client when others have used the endpoint up.
const CLIENT_RESERVE: NonZeroU32 = NonZeroU32::new(1).unwrap();

/// Counts the requests of each token.
pub struct Gate {
    rate: DefaultKeyedRateLimiter<String>,
    reserve: DefaultKeyedRateLimiter<String>,
    knocks: DefaultKeyedRateLimiter<String>,
    client_reserve: DefaultKeyedRateLimiter<String>,
}

impl Gate {
    /// A gate with these limits.
    pub fn new(limits: &Limits) -> Self {
        let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(limits.rate)).allow_burst(at_least_one(limits.burst));
        Self {
            rate: RateLimiter::keyed(quota),
            reserve: RateLimiter::keyed(Quota::per_second(RESERVE)),
            knocks: RateLimiter::keyed(Quota::per_second(KNOCKS).allow_burst(KNOCKS_AT_ONCE)),
            client_reserve: RateLimiter::keyed(Quota::per_second(CLIENT_RESERVE)),
        }
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

    /// Whether the token endpoint of a source takes a request now; how long to wait if not.
    ///
    /// # Errors
    /// The time until the next request is let in.
    pub fn knock(&self, source: &String) -> Result<(), Duration> {
        self.knocks.check_key(source).map_err(|wait| wait.wait_time_from(DefaultClock::default().now()))
    }

    /// Whether a client that proved who it is gets an access token although the endpoint is used up.
    pub fn has_reserve(&self, client: &String) -> bool {
        self.client_reserve.check_key(client).is_ok()
    }

    /// Forgets who was not seen for a while.
    pub fn tidy(&self) {
        for limiter in [&self.rate, &self.reserve, &self.knocks, &self.client_reserve] {
            limiter.retain_recent();
        }
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
