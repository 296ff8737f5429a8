//! The black-box tests, in one binary: linking is the slow part on a small machine.
//!
//! Behaviour is tested through the public faces: the command line as a process, the library as its users call it. Cases
//! are data files under `tests/cases`; a runner that finds no case fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a test may stop at what it does not expect"
)]

mod api;
mod attacks;
mod browser;
mod cases;
mod cli;
mod conformance;
mod console;
mod console_browser;
mod credentials;
mod diagnostics;
mod dry_run;
mod entra_schema;
mod fmt;
#[path = "../support/graph/mod.rs"]
mod graph_fake;
mod guides;
mod http;
mod inbound;
mod jinja;
mod languages;
mod large;
mod liquid;
mod live;
mod log;
mod members;
mod names;
mod newcomer;
mod pieces;
mod programs;
mod properties;
mod quick;
mod readme;
mod removal;
mod rfc;
mod rhai;
mod schema;
mod scim;
mod server;
mod store;
mod storm;
mod support;
mod sync_cli;
mod sync_delta;
mod sync_faults;
mod sync_graph;
mod sync_halt;
mod sync_live;
mod sync_match;
mod sync_seeds;
mod sync_view;
mod sync_walk;
mod sync_weather;
mod sync_world;
mod target_graph;
mod target_scim;
mod target_web;
mod tidy;
mod transport;
mod validator;
