//! [`EnvOverride`]: what a person gives to the functions of a run: the keys of `--env`, of `env` in `eval --jsonl`, and of a
//! dry run's options.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::dotnet::date::parse_any;
use crate::function::{Env, Seed, TakenList};

/// Clock, randomness and taken values, as far as somebody gives them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EnvOverride {
    now: Option<String>,
    guid: Option<String>,
    random: Option<Json>,
    taken: Option<Vec<String>>,
    default_domain: Option<String>,
    seed: Option<u64>,
    user: Option<Json>,
    group: Option<Json>,
    /// Macros of an expression that stands alone; a mapping file has its own.
    #[serde(default)]
    pub macros: BTreeMap<String, String>,
}

impl EnvOverride {
    /// These over `base`.
    ///
    /// # Errors
    /// The message says which one cannot be used.
    pub fn over(&self, base: &Env) -> Result<Env, String> {
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
