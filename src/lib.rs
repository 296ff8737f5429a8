//! Provisor.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]
pub mod cli;
pub mod dotnet;
pub mod function;
pub mod language;
pub mod mapping;
pub mod scim;
pub mod text;
pub mod value;
