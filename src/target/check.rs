//! What is looked at before a sync is trusted to run: credentials, rights, domains, schemas. Each as found, missing with what to do,
//! or not to be told; nothing is written.

use serde::Serialize;

use super::{Kind, TargetError};

/// What a sync would do with objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Which kind.
    pub kind: Kind,
    /// The targets that its mapping writes.
    pub paths: Vec<String>,
    /// Whether objects are made, changed or taken away.
    pub writes: bool,
    /// Whether memberships are written.
    pub members: bool,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is as the sync needs it.
    Found,
    /// It is not; a run would fail by it.
    Missing,
    /// It cannot be told without writing.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Checked {
    /// What: `User.ReadWrite.All`, `verified domains`.
    pub what: String,
    /// What came of it.
    pub verdict: Verdict,
    /// A sentence of it, without secrets.
    pub outcome: String,
    /// What is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fix: Option<String>,
}

impl Checked {
    /// It is there.
    pub(crate) fn found(what: impl Into<String>, outcome: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Found, outcome: outcome.into(), fix: None }
    }

    /// It is not there, and this is to be done.
    pub(crate) fn missing(what: impl Into<String>, outcome: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Missing, outcome: outcome.into(), fix: Some(fix.into()) }
    }

    /// Nobody can tell.
    pub(crate) fn unknown(what: impl Into<String>, outcome: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Unknown, outcome: outcome.into(), fix: None }
    }

    /// A call that failed: the weather says nothing of what is there.
    pub(crate) fn failed(what: &str, error: &TargetError, fix: &str) -> Self {
        match error {
            TargetError::Weather { .. } => Self::unknown(what, error.to_string()),
            _ => Self::missing(what, error.to_string(), fix),
        }
    }
}
