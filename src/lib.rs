//! Provisor maps identity attributes: a mapping file is compiled, records go in, payloads come out, and when something is
//! wrong it says exactly where.
//!
//! ```text
//! record ──► scope ──► rules ──► payload
//! ```
//!
//! ```
//! use provisor::dotnet::date::parse_any;
//! use provisor::function::{Context, Env, Seed};
//! use provisor::mapping::{Apply, Mapping, Outcome};
//! use provisor::text::Source;
//! use provisor::value::{Arena, RecordReader};
//!
//! let file = "name = 'app'\nresource = 'User'\n[attributes]\nuserName = { expr = 'ToLower([mail])', match = 1 }\n";
//! let mapping = Mapping::compile(&Source::new("app.toml", file)).mapping.expect("it has no errors");
//! let env = Env::new(parse_any("2026-01-01", None)?, Seed::from_number(1));
//! let arena = Arena::new();
//! let slots = RecordReader::new().read(mapping.layout(), r#"{"mail": "Ada@Contoso.com"}"#, &arena)?;
//! let outcome = mapping.apply(slots, &Context::new(&arena, &env, 0), Apply::Create);
//! let Outcome::Payload(payload) = outcome else { panic!("{outcome:?}") };
//! assert_eq!(payload.to_json()["userName"], "ada@contoso.com");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules stand here in the order in which they may use each other, and in which they are best read. `ARCHITECTURE.md`
//! is the map.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod text;

pub mod dotnet;

pub mod value;

pub mod function;

pub mod language;

pub mod scim;

pub mod mapping;

pub mod clock;

pub mod store;

pub mod directory;

pub mod target;

pub mod sync;

pub mod config;

pub mod server;

pub mod cli;
