//! Why a sync cannot run, why there is no plan, and why a run ends before its plan does.

use std::fmt;

use super::halt::SyncHalt;
use crate::mapping::Told;
use crate::store::StoreError;
use crate::target::{Kind, TargetError};

/// Why a sync cannot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncError {
    /// What was configured cannot be used.
    Settings(String),
    /// The directory cannot be read.
    Directory(String),
    /// The store failed.
    Store(StoreError),
    /// The target refuses us, or cannot be understood.
    Target(TargetError),
    /// Another run of this sync is under way.
    Busy,
    /// The plan is not what would be done now; what changed since, a line each.
    Changed(Vec<String>),
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(what) | Self::Directory(what) => f.write_str(what),
            Self::Store(error) => error.fmt(f),
            Self::Target(error) => error.fmt(f),
            Self::Busy => f.write_str("another run of this sync is under way"),
            Self::Changed(lines) => write!(f, "the plan is not what would be done now:\n  {}", lines.join("\n  ")),
        }
    }
}

impl std::error::Error for SyncError {}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why a run ends before its plan does.
pub(super) enum Stop {
    /// It was halted before, and nothing is mended.
    Standing(Box<SyncHalt>),
    /// A mapping failed.
    Halt { mapping: String, digest: String, record: Option<(Kind, String)>, told: Box<Told> },
    /// The weather.
    Weather(String),
    /// Everything else.
    Failed(SyncError),
}

impl Stop {
    /// What a target's refusal of a question means for the run.
    pub(super) fn target(error: TargetError) -> Self {
        if error.is_weather() { Self::Weather(error.to_string()) } else { Self::Failed(SyncError::Target(error)) }
    }

    pub(super) fn store(error: StoreError) -> Self {
        Self::Failed(SyncError::Store(error))
    }
}

/// Why there is no plan.
#[derive(Debug)]
pub enum PlanError {
    /// A mapping fails; the run would halt. The finding, with carets.
    Mapping(String),
    /// The weather, or anything else.
    Other(SyncError),
}

impl From<Stop> for PlanError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Halt { told, .. } => Self::Mapping(told.report),
            Stop::Standing(halt) => Self::Mapping(halt.report),
            Stop::Weather(what) => Self::Other(SyncError::Target(TargetError::Weather { what, wait: None })),
            Stop::Failed(error) => Self::Other(error),
        }
    }
}
