//! What can be wrong with a pattern, and what can go wrong while it runs.

use std::fmt;
use std::ops::Range;

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The bytes of the pattern it is about.
    pub span: Range<usize>,
    /// Whether .NET, and so Entra, refuses the pattern too; otherwise we do not support it.
    pub dotnet_refuses: bool,
}

impl PatternError {
    /// .NET refuses this.
    pub(super) fn refused(span: Range<usize>, message: impl Into<String>) -> PatternError {
        PatternError { message: message.into(), help: None, span, dotnet_refuses: true }
    }

    /// .NET takes this, we do not.
    pub(super) fn unsupported(span: Range<usize>, message: impl Into<String>) -> PatternError {
        PatternError { message: message.into(), help: None, span, dotnet_refuses: false }
    }

    /// Adds what to write instead.
    pub(super) fn help(mut self, help: impl Into<String>) -> PatternError {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PatternError {}

/// Something in a pattern or template that is allowed and probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternLint {
    /// What is odd, in one sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The bytes of the pattern, or of the template, it is about.
    pub span: Range<usize>,
}

/// A run that was stopped. It is a failure of the program, never "no match".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runaway {
    /// The search tried too many ways to match.
    Backtracking {
        /// How many ways it may try.
        limit: usize,
    },
    /// The text is too long for a pattern that must try out its matches: some look at all the rest of the text from
    /// every place in it, which no count of attempts tells.
    TextTooLong {
        /// How many bytes it may have.
        limit: usize,
    },
    /// The result grew too long.
    OutputTooLong {
        /// How many bytes it may have.
        limit: usize,
    },
}

impl fmt::Display for Runaway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Runaway::Backtracking { limit } => {
                write!(f, "the pattern gave up on this text after {limit} attempts to match")
            }
            Runaway::TextTooLong { limit } => {
                write!(
                    f,
                    "the text is longer than the {limit} bytes that a pattern with look-around or references takes"
                )
            }
            Runaway::OutputTooLong { limit } => {
                write!(f, "the result is longer than {limit} bytes")
            }
        }
    }
}

impl std::error::Error for Runaway {}
