//! [`Gate`]: how often a token may ask, and how often the token endpoint of a source is asked. A busy tenant is told to wait,
//! and its probes are let through all the same; so is, at a busy token endpoint, who has the right secret.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use hashbrown::DefaultHashBuilder;

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

/// How each token stands: every request asks, and the ids are ours.
type Standings = DashMapStateStore<Arc<str>, DefaultHashBuilder>;

/// Counts the requests of each token.
pub struct Gate {
    rate: RateLimiter<Arc<str>, Standings, DefaultClock, StateInformationMiddleware>,
    reserve: DefaultKeyedRateLimiter<Arc<str>>,
    knocks: DefaultKeyedRateLimiter<String>,
    client_reserve: DefaultKeyedRateLimiter<String>,
    limits: Limits,
}

/// How a token stands with its rate, for the headers of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests that it may make at once when it has been silent.
    pub limit: u32,
    /// Requests that it may make now.
    pub remaining: u32,
    /// Seconds until it has all of them again.
    pub reset: u32,
}

/// A refusal at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The time until the next request is let in.
    pub time: Duration,
    /// How the token stands.
    pub standing: Standing,
}

impl Gate {
    /// A gate with these limits.
    pub fn new(limits: &Limits) -> Self {
        Self {
            rate: RateLimiter::dashmap_with_hasher(quota(limits), DefaultHashBuilder::default()).with_middleware(),
            reserve: RateLimiter::keyed(Quota::per_second(RESERVE)),
            knocks: RateLimiter::keyed(Quota::per_second(KNOCKS).allow_burst(KNOCKS_AT_ONCE)),
            client_reserve: RateLimiter::keyed(Quota::per_second(CLIENT_RESERVE)),
            limits: *limits,
        }
    }

    /// Whether a request may come in now. `probe`: it only asks for a few resources.
    ///
    /// # Errors
    /// How long to wait.
    pub fn enter(&self, token: &Arc<str>, probe: bool) -> Result<Standing, Wait> {
        let wait = match self.rate.check_key(token) {
            Ok(state) => return Ok(self.standing(state.remaining_burst_capacity())),
            Err(wait) => wait,
        };
        let standing = self.standing(0);
        if probe && self.reserve.check_key(token).is_ok() {
            return Ok(standing);
        }
        Err(Wait { time: wait.wait_time_from(DefaultClock::default().now()), standing })
    }

    fn standing(&self, remaining: u32) -> Standing {
        let Limits { rate, burst, .. } = self.limits;
        Standing { limit: burst, remaining, reset: burst.saturating_sub(remaining).div_ceil(rate.max(1)) }
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
        self.rate.retain_recent();
        self.reserve.retain_recent();
        for limiter in [&self.knocks, &self.client_reserve] {
            limiter.retain_recent();
        }
    }
}

fn quota(limits: &Limits) -> Quota {
    let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(limits.rate)).allow_burst(at_least_one(limits.burst))
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn a_busy_token_waits_and_its_probes_do_not() {
        let gate = Gate::new(&Limits { rate: 1, burst: 2, ..Limits::default() });
        let (busy, other) = (Arc::from("a"), Arc::from("b"));
        assert!(gate.enter(&busy, false).is_ok() && gate.enter(&busy, false).is_ok());
        assert!(gate.enter(&busy, false).is_err());
        assert!(gate.enter(&busy, true).is_ok(), "a probe has a reserve");
        assert!(gate.enter(&other, false).is_ok());
    }
    #[test]
    fn a_tenant_at_the_rate_of_entra_s_gallery_is_never_refused() {
        let clock = FakeRelativeClock::default();
        let rate = RateLimiter::direct_with_clock(quota(&Limits::default()), clock.clone());
        // An hour of 25 requests a second, sent in heaps: all of a second at once, and each minute those of six seconds.
        for second in 0..3_600 {
            let heap = if second % 60 == 0 { 25 * 6 } else { 25 };
            for number in 0..heap {
                assert!(rate.check().is_ok(), "request {number} of second {second}");
            }
            clock.advance(Duration::from_secs(1));
        }
    }

    #[test]
    fn what_is_left_is_told() {
        let gate = Gate::new(&Limits { rate: 1, burst: 3, ..Limits::default() });
        let token = Arc::from("a");
        assert_eq!(gate.enter(&token, false), Ok(Standing { limit: 3, remaining: 2, reset: 1 }));
        assert!(gate.enter(&token, false).is_ok() && gate.enter(&token, false).is_ok());
        let wait = gate.enter(&token, false).unwrap_err();
        assert_eq!(wait.standing, Standing { limit: 3, remaining: 0, reset: 3 });
        assert!(wait.time <= Duration::from_secs(1));
    }
}
