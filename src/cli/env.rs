//! What a run gives to the functions, from the command line: the clock, randomness, taken values.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::dotnet::date::Moment;
use crate::function::{Env, Seed};
pub(super) use crate::mapping::EnvOverride;

use super::Failure;
use super::words::{json_message, kind};

impl EnvOverride {
    /// From the text of `--env`.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Failure> {
        match text {
            None => Ok(Self::default()),
            Some(text) => {
                Self::read(text).map_err(|message| Failure::told(format!("--env cannot be taken: {message}")))
            }
        }
    }

    /// From JSON; the message says what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        match kind(text) {
            Some(kind) => Err(format!("a JSON object such as {{\"seed\": 1}} is to stand here, this is {kind}")),
            None => serde_json::from_str(text).map_err(|error| json_message(&error.to_string())),
        }
    }
}

/// The machine's clock and randomness.
pub(super) fn machine() -> Result<Env, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_millis()).ok().and_then(Moment::from_unix_millis).unwrap_or(Moment::MIN);
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::told(format!("the machine gives no randomness: {error}")))?;
    Ok(Env::new(now, Seed::from_bytes(bytes)))
}
