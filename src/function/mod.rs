//! The functions: one table for all languages, and their bodies by family.
//!
//! [`TABLE`] is the single source of names, parameters, kinds, documentation and examples. The checker, the engines,
//! `provisor functions` and the tests all walk it. A body takes values and a [`Context`] and knows no language.

#![allow(clippy::unnecessary_wraps, reason = "all bodies have one signature; not every function can fail")]

mod budget;
mod bytes;
mod context;
mod date;
mod eager;
mod encoding;
mod fault;
mod foreign;
mod identity;
mod list;
mod logic;
pub mod memo;
mod number;
mod replace;
mod roles;
mod spec;
mod table;
mod text;

pub use budget::{Limits, Meter};
pub use bytes::{Bytes, Table};
pub use context::{Context, Env, NothingTaken, QUICK_TEXT, Randomness, Seed, Taken, TakenList};
pub use eager::{MOST_ARGUMENTS, call_by_value};
pub use fault::{Detail, Fallible, Fault};
pub use foreign::{Foreign, foreign};
pub use identity::{candidate, none_free};
pub use logic::{Order, compare, key_matches, truth};
pub use spec::{
    ArgumentFinding, Body, Call, Example, Family, Form, Kinds, Literal, Param, Placement, Preparation, Prepared,
    Repeat, Spec,
};
pub use table::{TABLE, lookup};
