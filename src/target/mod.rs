//! Where a sync writes: one trait for Microsoft Graph, SCIM services and files. A target knows protocol and weather; what is to
//! be written, and whether, is decided in `sync`.
//!
//! Payloads are JSON objects as a mapping makes them for the target. A target never sees records of the source, and it
//! never decides to write: each call is one that the plan has.

mod attribute;
mod check;
mod file;
mod graph;
mod http;
mod scim;
mod settings;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Map, Value};

pub use check::{Checked, Need, Verdict};
pub(crate) use http::use_ring;
pub use settings::{ClientCredentials, GraphSettings, ScimSettings, Secret, TargetSettings};

/// A JSON object.
pub type Object = Map<String, Value>;

/// An answer on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, TargetError>> + Send + 'a>>;

/// What kind of object is meant.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// People.
    User,
    /// Groups of them.
    Group,
}

impl Kind {
    /// `User` or `Group`, as SCIM has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }
}

/// What a target can do, found out when it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// Whether [`Target::find`] can ask for one value; otherwise everything is listed.
    pub find: bool,
    /// Whether all objects can be listed.
    pub list: bool,
    /// How many writes go into one call at most.
    pub batch: usize,
    /// How many calls may be under way at once.
    pub concurrent: usize,
}

/// An object of the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its id there.
    pub id: String,
    /// Its attributes, as far as the mapping writes them; without members.
    pub attributes: Object,
}

/// Some of the objects of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The objects.
    pub items: Vec<Found>,
    /// Ids that the target says are gone since the last time; only of lists of changes.
    pub gone: Vec<String>,
    /// Where to go on; `None` after the last page.
    pub next: Option<String>,
    /// With what the next list of changes begins; on the last page of targets that have such lists.
    pub delta: Option<String>,
    /// Whether it says of groups that their members changed. Then a group that a list of changes does not name has the members that it
    /// had.
    pub members: bool,
}

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Makes an object.
    Create {
        /// Of which kind.
        kind: Kind,
        /// Its attributes.
        payload: Object,
    },
    /// Changes attributes; what is not named stays, null clears.
    Update {
        /// Of which kind.
        kind: Kind,
        /// Which.
        id: String,
        /// Paths as the mapping's targets have them, with the values they get.
        changes: Vec<Difference>,
        /// The whole payload, for targets that can only replace.
        payload: Object,
    },
    /// Shuts an account, which stays.
    Disable {
        /// Of which kind.
        kind: Kind,
        /// Which.
        id: String,
    },
    /// Removes an object.
    Delete {
        /// Of which kind.
        kind: Kind,
        /// Which.
        id: String,
    },
    /// Adds and removes members of a group, by their ids in the target. At most [`Write::MEMBERS`] in all.
    Members {
        /// The group.
        id: String,
        /// Who comes.
        add: Vec<String>,
        /// Who goes.
        remove: Vec<String>,
    },
}

impl Write {
    /// The most members that one write names.
    pub const MEMBERS: usize = 1_000;
}

/// An attribute that differs.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// The attribute at the top of the payload, or a URN and the attribute under it (`urn:…:User:department`), or a
    /// complex attribute's part (`name.givenName`).
    pub path: String,
    /// What the target has; null for nothing.
    pub old: Value,
    /// What it is to have; null to clear.
    pub new: Value,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// The id of what was created or changed.
    pub id: String,
    /// Members that the target refused, with its words; the rest is as asked.
    pub refused: Vec<(String, String)>,
}

/// Why a call did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetError {
    /// Weather: network, time-out, 429, 5xx, token endpoint down. The same call may do it later.
    Weather {
        /// What happened, without secrets.
        what: String,
        /// How long the target asks to wait.
        wait: Option<Duration>,
    },
    /// The target refuses this object (400, 422…): it would refuse it again.
    Rejected {
        /// The status.
        status: u16,
        /// The target's own words, shortened.
        what: String,
    },
    /// There is one already (409, and 400 that says so).
    Exists {
        /// The target's own words.
        what: String,
    },
    /// It is not there (any more).
    Missing {
        /// The id.
        id: String,
    },
    /// Our credentials, or their rights, are refused (401, 403).
    Denied {
        /// What was refused, and which right is missing when the target says so.
        what: String,
    },
    /// What came back cannot be understood.
    Protocol {
        /// What is wrong with it.
        what: String,
    },
}

impl TargetError {
    /// Whether the same call may do it later.
    pub fn is_weather(&self) -> bool {
        matches!(self, Self::Weather { .. })
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weather { what, wait: Some(wait) } => write!(f, "{what}; the target asks for {} s", wait.as_secs()),
            Self::Weather { what, wait: None } => f.write_str(what),
            Self::Rejected { status, what } => write!(f, "the target refuses it ({status}): {what}"),
            Self::Exists { what } => write!(f, "the target has it already: {what}"),
            Self::Missing { id } => write!(f, "the target has no object {id:?}"),
            Self::Denied { what } => write!(f, "the target denies us: {what}"),
            Self::Protocol { what } => write!(f, "the target's answer cannot be understood: {what}"),
        }
    }
}

impl std::error::Error for TargetError {}

/// A place that a sync writes to. Calls may be made at once from several tasks; each is one request or one batch, and is
/// not repeated by the target: waiting and trying again is the sync's.
pub trait Target: Send + Sync {
    /// What it is, for people, without secrets: `SCIM at https://…`.
    fn name(&self) -> String;

    /// Whether letter case is all one to the target when it compares this attribute.
    fn folds(&self, kind: Kind, path: &str) -> bool;

    /// Finds out what the target can do and whether we are let in.
    fn open(&self) -> Answer<'_, Abilities>;

    /// Objects whose attribute has this value (SCIM `eq`). The path is a mapping's target.
    fn find<'a>(&'a self, kind: Kind, path: &'a str, value: &'a str) -> Answer<'a, Vec<Found>>;

    /// An object by its id; `None` when it is not there.
    fn get<'a>(&'a self, kind: Kind, id: &'a str) -> Answer<'a, Option<Found>>;

    /// A page of all objects, or with `delta` of those that changed since. `paths`: the targets that the mapping writes.
    fn list<'a>(
        &'a self,
        kind: Kind,
        paths: &'a [String],
        delta: Option<&'a str>,
        next: Option<&'a str>,
    ) -> Answer<'a, Page>;

    /// The ids of a group's members, all of them.
    fn members<'a>(&'a self, group: &'a str) -> Answer<'a, Vec<String>>;

    /// Carries out writes, at most [`Abilities::batch`]; a result for each, in order. The outer error: none was carried out,
    /// or it is not known which were.
    fn write(&self, writes: Vec<Write>) -> Answer<'_, Vec<Result<Done, TargetError>>>;

    /// Whether [`Target::find`] asks for this attribute alone; where it does not, it reads the whole list for each value.
    fn finds(&self, _kind: Kind, _path: &str) -> bool {
        true
    }

    /// Whether lists of changes may name groups whose members changed, when `members` is among the paths.
    fn lists_members(&self) -> bool {
        false
    }

    /// Whether [`Target::members`] can be asked. Where it cannot, the members are those that were written last.
    fn shows_members(&self) -> bool {
        true
    }

    /// Whether somebody who is made gets the manager that the payload names, when that one is there already.
    fn takes_managers(&self) -> bool {
        false
    }

    /// Whether an object may be unknown for a while after it was made.
    fn is_eventual(&self) -> bool {
        false
    }

    /// The attribute that says whether an account is open: what [`Write::Disable`] sets to false.
    fn open_attribute(&self) -> &'static str {
        "active"
    }

    /// Looks at what a sync needs of the target, and writes nothing: credentials, rights, attributes.
    fn check<'a>(&'a self, needs: &'a [Need]) -> Answer<'a, Vec<Checked>>;

    /// What a write would send, for plans and dry runs: method, URL and body, without secrets.
    fn preview(&self, write: &Write) -> Vec<Value>;
}

/// A target that stands for all of its kind, `scim` or `graph`, for the requests of a preview: it has no credentials, and
/// nothing is to be sent to it. With its base, which nobody need see.
pub fn sample(kind: &str) -> Option<(&'static dyn Target, &'static str)> {
    static SCIM: OnceLock<Option<Box<dyn Target>>> = OnceLock::new();
    static GRAPH: OnceLock<Option<Box<dyn Target>>> = OnceLock::new();
    let (target, base) = match kind {
        "scim" => (SCIM.get_or_init(scim::sample), scim::SAMPLE),
        "graph" => (GRAPH.get_or_init(graph::sample), graph::SAMPLE),
        _ => return None,
    };
    Some((target.as_deref()?, base))
}

/// The target of a configuration. Nothing is sent before [`Target::open`]. Files are relative to `beside`, the directory of the
/// configuration.
///
/// # Errors
/// An address, profile or path is wrong, or a secret is not where it should be. What is said of a secret is its place.
pub fn open(settings: &TargetSettings, beside: &Path) -> Result<Box<dyn Target>, String> {
    match settings {
        TargetSettings::Scim(settings) => Ok(Box::new(scim::ScimTarget::new(settings, beside)?)),
        TargetSettings::Graph(settings) => Ok(Box::new(graph::GraphTarget::new(settings, beside)?)),
        TargetSettings::File { path } => Ok(Box::new(file::FileTarget::new(beside.join(path)))),
    }
}
