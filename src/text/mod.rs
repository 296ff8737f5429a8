//! What a person wrote, and what we say about it.
//!
//! [`Source`] is a named text, [`Span`] a byte range in it, [`Diagnostic`] a finding with spans, and [`render`] the
//! one place that turns findings into words on a terminal or into JSON. Nothing here knows of mappings or languages.

mod code;
mod diagnostic;
pub mod render;
mod shorten;
mod source;
mod suggest;

pub use code::Code;
pub use diagnostic::{Diagnostic, Diagnostics, Fix, Label, MAX_DIAGNOSTICS, Severity};
pub use shorten::shorten;
pub use source::{Position, Source, Span};
pub use suggest::{closest, did_you_mean};
