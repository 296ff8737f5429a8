//! What a run gives to the functions, from the command line: the clock, randomness, taken values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::dotnet::date::{Moment, parse_any};
use crate::function::{Env, Seed, TakenList};

use super::Failure;
use super::words::{json_message, kind};

/// The keys of `--env` and of `env` in `eval --jsonl`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct EnvOverride {
    now: Option<String>,
    guid: Option<String>,
    random: Option<serde_json::Value>,
    taken: Option<Vec<String>>,
    default_domain: Option<String>,
    seed: Option<u64>,
    user: Option<serde_json::Value>,
    group: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) macros: BTreeMap<String, String>,
}

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

    /// These over `base`; the message says which one cannot be used.
    pub(super) fn over(&self, base: &Env) -> Result<Env, String> {
        let mut env = base.clone();
        if let Some(now) = &self.now {
            env.now = parse_any(now, None).map_err(|error| format!("env.now: {}", error.message))?;
        }
        if let Some(taken) = &self.taken {
            env.taken = Arc::new(taken.iter().collect::<TakenList>());
        }
        if let Some(seed) = self.seed {
            env.seed = Seed::from_number(seed);
        }
        env.guid = self.guid.clone().or(env.guid);
        env.default_domain = self.default_domain.clone().or(env.default_domain);
        for (name, record) in [("user", &self.user), ("group", &self.group)] {
            if let Some(record) = record {
                env.given.retain(|(known, _)| known != name);
                env.given.push((name.to_owned(), record.clone()));
            }
        }
        if let Some(random) = &self.random {
            env.random = Some(random.as_str().map_or_else(|| random.to_string(), str::to_owned));
        }
        Ok(env)
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
