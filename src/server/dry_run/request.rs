//! What a dry run is asked for: a mapping by name, revision or text, records or where they are, and options.

use std::borrow::Cow;
use std::fmt;

use axum::body::Bytes;
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::State;
use super::super::caller::Caller;
use super::super::mappings::findings;
use super::super::page::{Parameters, bad};
use super::super::problem::Problem;
use super::{DEFAULT_SAMPLES, MOST_SAMPLES};
use crate::mapping::{Apply, EnvOverride, Mapping};
use crate::text::{Source, shorten};

/// A mapping as a request names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Named {
    /// The newest revision of this name.
    Newest(String),
    /// One that was once.
    Revision(String, u64),
    /// A text that is nowhere kept.
    Text(String),
}

/// A mapping that compiled.
pub(super) struct Chosen {
    pub(super) mapping: Mapping,
    /// Its revision; a text has none.
    pub(super) revision: Option<u64>,
    /// The warnings about it.
    pub(super) diagnostics: Value,
}

impl Named {
    /// What stands at `mapping` or `against`.
    fn of(key: &str, value: &Value) -> Result<Self, Problem> {
        let wrong = || {
            let form = r#""name", {"name": "…", "revision": 3} or {"text": "…"}"#;
            bad(format!("`{key}` names a mapping: {form}"))
        };
        if let Some(name) = value.as_str() {
            return Ok(Self::Newest(name.to_owned()));
        }
        let fields = value.as_object().ok_or_else(wrong)?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        if let Some(unknown) = fields.keys().find(|key| !["name", "revision", "text"].contains(&key.as_str())) {
            return Err(bad(format!("`{key}` has no {:?}: it has `name` and `revision`, or `text`", shorten(unknown))));
        }
        match (text("name"), fields.get("revision"), text("text")) {
            (_, None, Some(text)) => Ok(Self::Text(text)),
            (Some(name), None, None) => Ok(Self::Newest(name)),
            (Some(name), Some(revision), None) => Ok(Self::Revision(name, revision.as_u64().ok_or_else(wrong)?)),
            _ => Err(wrong()),
        }
    }

    /// What the parameters `mapping` and `revision` name.
    fn of_query(parameters: &Parameters<'_>, name: &str, revision: &str) -> Result<Option<Self>, Problem> {
        let Some(mapping) = parameters.get(name).map(str::to_owned) else { return Ok(None) };
        let Some(number) = parameters.get(revision) else { return Ok(Some(Self::Newest(mapping))) };
        let number = number.parse().map_err(|_| bad(format!("{revision} is a number, not {:?}", shorten(number))))?;
        Ok(Some(Self::Revision(mapping, number)))
    }

    /// Compiles it, as it is compiled to run.
    pub(super) async fn compile(self, state: &State, caller: &Caller) -> Result<Chosen, Problem> {
        let (file, text, revision) = match self {
            Self::Text(text) => ("<mapping>".to_owned(), text, None),
            Self::Newest(name) => {
                let held = caller.mapping(state, &name)?;
                (held.revision.file.clone(), held.revision.text.clone(), Some(held.revision.revision))
            }
            Self::Revision(name, number) => {
                caller.mapping(state, &name)?;
                let history = state.directory.library().history(&name).await?;
                let missing = || {
                    let detail = format!("there is no mapping {:?}, revision {number}", shorten(&name));
                    Problem::new(StatusCode::NOT_FOUND, detail)
                };
                let found = history.into_iter().find(|one| one.revision == number).ok_or_else(missing)?;
                (found.file, found.text, Some(number))
            }
        };
        // A large file takes a while, and other requests have their turn meanwhile.
        let compiled = tokio::task::spawn_blocking(move || Mapping::compile(&Source::new(file, text))).await;
        let compiled = compiled.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the compiler failed"))?;
        match compiled.mapping {
            Some(mapping) => Ok(Chosen { mapping, revision, diagnostics: findings(&compiled.diagnostics) }),
            None => Err(Problem::uncompiled(&compiled.diagnostics)),
        }
    }
}

impl Chosen {
    /// Which it is, for the answer.
    pub(super) fn to_json(&self) -> Value {
        json!({"name": self.mapping.name(), "resource": self.mapping.resource(), "revision": self.revision})
    }
}

/// Where records are.
#[derive(Debug)]
pub(super) enum Records {
    /// In the request, each with its text.
    Inline(Vec<Bytes>),
    /// In the directory of a source.
    Pick(Pick),
}

/// Records of a source's directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pick {
    /// The source.
    pub(super) source: String,
    /// `User` or `Group`; what the mapping makes, when left out.
    pub(super) kind: Option<String>,
    /// These.
    pub(super) ids: Option<Vec<String>>,
    /// Those for which a SCIM filter holds.
    pub(super) filter: Option<String>,
    /// At most so many.
    pub(super) limit: Option<u64>,
}

/// Records as they stand in a body: a list is not read here, only cut.
struct Standing<'b>(&'b Bytes);

impl<'de> DeserializeSeed<'de> for Standing<'de> {
    type Value = Records;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Records, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Standing<'de> {
    type Value = Records;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`records`: a list of records, or {\"source\": \"…\"} with `kind`, `ids`, `filter`, `limit`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Records, A::Error> {
        let mut records = Vec::new();
        while let Some(record) = list.next_element::<&'de RawValue>()? {
            records.push(self.0.slice_ref(record.get().as_bytes()));
        }
        Ok(Records::Inline(records))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Records, A::Error> {
        Pick::deserialize(MapAccessDeserializer::new(map)).map(Records::Pick)
    }
}

/// How it is to be run, and what is to be told.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) rules: bool,
    pub(super) trace: bool,
    pub(super) tests: bool,
    pub(super) apply: Apply,
    /// A sync's name, or `{"kind": "scim"}`.
    pub(super) target: Option<Value>,
    pub(super) samples: usize,
    pub(super) given: EnvOverride,
}

/// The options that are not the environment's.
const OWN: [&str; 6] = ["rules", "trace", "tests", "apply", "target", "samples"];
/// Those that are.
const ENVIRONMENT: [&str; 8] = ["now", "seed", "taken", "defaultDomain", "guid", "random", "user", "group"];

impl Options {
    fn of(mut fields: Map<String, Value>) -> Result<Self, Problem> {
        let known = |key: &str| OWN.contains(&key) || ENVIRONMENT.contains(&key);
        if let Some(unknown) = fields.keys().find(|key| !known(key)) {
            let all: Vec<&str> = OWN.iter().chain(&ENVIRONMENT).copied().collect();
            return Err(bad(format!("`options` has no {:?}; it has {}", shorten(unknown), all.join(", "))));
        }
        let mut flag = |key: &str, default: bool| match fields.shift_remove(key) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(bad(format!("`{key}` is true or false"))),
        };
        let (rules, trace, tests) = (flag("rules", true)?, flag("trace", false)?, flag("tests", false)?);
        let apply = match fields.shift_remove("apply").as_ref().map(|apply| apply.as_str().unwrap_or_default()) {
            None | Some("create") => Apply::Create,
            Some("update") => Apply::Update,
            Some(_) => return Err(bad("`apply` is \"create\" or \"update\"")),
        };
        let samples = match fields.shift_remove("samples") {
            None => DEFAULT_SAMPLES,
            Some(number) => {
                let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
                let number = number.filter(|number| *number <= MOST_SAMPLES);
                number.ok_or_else(|| bad(format!("`samples` is a number from 0 to {MOST_SAMPLES}")))?
            }
        };
        let target = fields.shift_remove("target").filter(|target| !target.is_null());
        let given = serde_json::from_value(fields.into()).map_err(|error| bad(format!("`options`: {error}")))?;
        Ok(Self { rules, trace, tests, apply, target, samples, given })
    }

    /// The options that a query has, for records that come as a stream.
    fn of_query(parameters: &Parameters<'_>) -> Result<Self, Problem> {
        let mut fields = Map::new();
        for key in OWN.into_iter().chain(["now", "seed", "defaultDomain"]) {
            let Some(text) = parameters.get(key) else { continue };
            let value = match (key, text.parse::<u64>()) {
                ("target", _) if ["scim", "graph"].contains(&text) => json!({"kind": text}),
                ("seed" | "samples", Ok(number)) => number.into(),
                _ => match text {
                    "true" => true.into(),
                    "false" => false.into(),
                    text => text.into(),
                },
            };
            fields.insert(key.to_owned(), value);
        }
        Self::of(fields)
    }
}

/// A request whose records are not a stream.
pub(super) struct Wanted {
    pub(super) mapping: Named,
    /// What it is compared with, of an impact.
    pub(super) against: Option<Named>,
    pub(super) records: Option<Records>,
    pub(super) options: Options,
}

/// A body's members as they are read.
struct Raw<'b>(&'b Bytes);

impl<'de> Visitor<'de> for Raw<'de> {
    type Value = (Value, Option<Value>, Option<Records>, Map<String, Value>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `mapping` and `records`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut mapping, mut against, mut records, mut options) = (None, None, None, None);
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match &*key {
                "mapping" => mapping = Some(map.next_value()?),
                "against" => against = map.next_value()?,
                "records" => records = Some(map.next_value_seed(Standing(self.0))?),
                "options" => options = map.next_value()?,
                other => {
                    let known = ["mapping", "against", "records", "options"].as_slice();
                    return Err(Error::unknown_field(&shorten(other), known));
                }
            }
        }
        let mapping = mapping.ok_or_else(|| Error::missing_field("mapping"))?;
        Ok((mapping, against, records, options.unwrap_or_default()))
    }
}

impl Wanted {
    /// From a JSON body.
    pub(super) fn of_json(body: &Bytes) -> Result<Self, Problem> {
        let wrong = |error: serde_json::Error| bad(format!("the body: {error}"));
        let mut reader = serde_json::Deserializer::from_slice(body);
        let (mapping, against, records, options) = reader.deserialize_map(Raw(body)).map_err(wrong)?;
        reader.end().map_err(wrong)?;
        Ok(Self {
            mapping: Named::of("mapping", &mapping)?,
            against: against.map(|against| Named::of("against", &against)).transpose()?,
            records,
            options: Options::of(options)?,
        })
    }

    /// From the query of a request whose body is a record a line.
    pub(super) fn of_query(parameters: &Parameters<'_>) -> Result<Self, Problem> {
        let mapping = Named::of_query(parameters, "mapping", "revision")?;
        Ok(Self {
            mapping: mapping.ok_or_else(|| {
                bad("the query names no mapping: ?mapping=NAME, and &revision=3 for one of its revisions")
            })?,
            against: Named::of_query(parameters, "against", "againstRevision")?,
            records: None,
            options: Options::of_query(parameters)?,
        })
    }
}

/// The parameters of a query, for records that come as a stream.
pub(super) const PARAMETERS: [&str; 13] = [
    "mapping",
    "revision",
    "against",
    "againstRevision",
    "rules",
    "trace",
    "tests",
    "apply",
    "target",
    "samples",
    "now",
    "seed",
    "defaultDomain",
];
