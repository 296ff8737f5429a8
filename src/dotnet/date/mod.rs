//! Dates as .NET's `DateTime` has them: 100 ns ticks, years 1 to 9999, no daylight saving, zone UTC.
//!
//! Entra's date functions print and read text with .NET's custom formats, and read free text as
//! `DateTime.Parse` does under the invariant culture. The files, in reading order:
//!
//! - `moment`: the value, its calendar parts and the one general way to print it
//! - `arithmetic`: `DateAdd`, `DateDiff` (Visual Basic's rules) and AD file time
//! - `format`: format text to items; `lint` says which formats are probably meant otherwise
//! - `print`, `parse`: a compiled format for printing, for reading
//! - `styles`: the names of `DateTimeStyles`; `zone`: what an offset does to a value
//! - `cdate`: free text, what `CDate` takes
//!
//! Nothing here reads the clock: where .NET takes a missing year from today, the caller passes today in.

mod arithmetic;
mod cdate;
mod format;
mod lint;
mod moment;
mod parse;
mod print;
mod styles;
#[cfg(test)]
mod tests;
mod zone;

use std::fmt;

pub use arithmetic::{Interval, add, diff, from_file_time, to_file_time};
pub use cdate::parse_any;
pub use format::{FormatError, FormatLint};
pub use moment::{DAYS, Kind, MONTHS, Moment, print_general, write_general, write_iso};
pub use parse::ReadFormat;
pub use print::PrintFormat;
pub use styles::Styles;

/// Why a text is not a date, or a date cannot be had: the .NET call fails there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateError {
    /// Names the text and the reason: `"2023-02-29" is not a date: February 2023 has 28 days`.
    pub message: String,
    /// What to write instead, when there is something to say.
    pub help: Option<String>,
}

impl DateError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `"text" is not a date: reason`.
    fn not_a_date(text: &str, reason: impl fmt::Display) -> Self {
        Self::new(format!("{} is not a date: {reason}", quoted(text)))
    }
}

impl fmt::Display for DateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for DateError {}

/// The text in quotes, cut where a message would become unreadable.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{:?}", format!("{}…", text.get(..cut).unwrap_or_default())),
        None => format!("{text:?}"),
    }
}
