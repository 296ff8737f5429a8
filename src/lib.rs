//! Provisor.
pub mod text;
