//! What .NET does with text, patterns and dates. Microsoft Entra's functions run on .NET, so their results are .NET's.
//!
//! Each module says where Rust and its crates differ and follows .NET; what it does not follow is in
//! `docs/differences.md`.

pub mod casing;
pub mod date;
pub mod diacritics;
pub mod pattern;
pub mod utf16;
