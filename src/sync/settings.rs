//! What a configuration says of a sync: `[[sync]]` in `provisor.toml`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::target::{Kind, Secret, TargetSettings};

/// A sync.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncSettings {
    /// Its name: letters, digits, `-`, `_` and `.`, up to 63.
    pub name: String,
    /// The source whose directory is pushed on; left out when records come from files.
    #[serde(default)]
    pub source: Option<String>,
    /// Users.
    #[serde(default)]
    pub users: Option<KindSettings>,
    /// Groups.
    #[serde(default)]
    pub groups: Option<KindSettings>,
    /// Who is pushed on.
    #[serde(default)]
    pub scope: ScopeSettings,
    /// What stops it before harm.
    #[serde(default)]
    pub guard: GuardSettings,
    /// When it runs by itself.
    #[serde(default)]
    pub schedule: ScheduleSettings,
    /// How it bears weather.
    #[serde(default)]
    pub weather: WeatherSettings,
    /// When it slows down because too much fails.
    #[serde(default)]
    pub quarantine: QuarantineSettings,
    /// How much of what it did is kept.
    #[serde(default)]
    pub log: LogSettings,
    /// Who is told when it stops.
    #[serde(default)]
    pub notice: NoticeSettings,
    /// Where it writes.
    pub target: TargetSettings,
}

/// What is done with one kind of object.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindSettings {
    /// The mapping file.
    pub mapping: PathBuf,
    /// A file with the records, instead of a source: JSON lines, or CSV when its name ends in `.csv`.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The attribute that names a record of a file.
    #[serde(default)]
    pub key: Option<String>,
    /// What becomes of an object whose record is gone or out of scope.
    #[serde(default)]
    pub delete: Option<DeleteAction>,
    /// Whether objects are made.
    #[serde(default = "yes")]
    pub create: bool,
    /// Whether objects are changed.
    #[serde(default = "yes")]
    pub update: bool,
    /// Whether memberships are pushed on (of groups).
    #[serde(default = "yes")]
    pub members: bool,
    /// Whether groups may be members of groups.
    #[serde(default)]
    pub nested: bool,
    /// Whether a value that the mapping gives no more is cleared in the target. Entra never does.
    #[serde(default)]
    pub clear: bool,
}

/// What becomes of an object whose record is gone or out of scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeleteAction {
    /// It is removed.
    Delete,
    /// It is shut, and stays.
    Disable,
    /// Nothing; the link is given up.
    Nothing,
}

/// Who is pushed on, beside the scoping filters of the mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScopeSettings {
    /// Only members of this group of the source, by `displayName` or id.
    pub group: Option<String>,
    /// Service accounts are left out: users for whom this attribute has one of these values.
    pub service_accounts: Option<ServiceAccounts>,
}

/// How a service account is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccounts {
    /// The attribute, such as `userType`.
    pub attribute: String,
    /// Its values, such as `["Service"]`; letter case aside.
    pub values: Vec<String>,
}

/// What stops a run before harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardSettings {
    /// The most objects that one run deletes or disables.
    pub deletes: u64,
    /// The most of them in a hundred linked ones, when there are more than 20.
    pub share: u8,
    /// Objects of the target that are never changed, by the value of a matching attribute or by id.
    pub protected: Vec<String>,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { deletes: 500, share: 20, protected: Vec::new() }
    }
}

/// When a sync runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSettings {
    /// Minutes between full runs; 0 for none.
    pub every: u64,
    /// Whether changes of the directory are pushed on at once.
    pub direct: bool,
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self { every: 240, direct: true }
    }
}

/// When a sync slows down because too much fails; the defaults are Entra's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuarantineSettings {
    /// From how many refused objects of a run on it is looked at.
    pub failures: u64,
    /// The most of them in a hundred writes.
    pub share: u8,
    /// The most of them at all.
    pub most: u64,
}

impl Default for QuarantineSettings {
    fn default() -> Self {
        Self { failures: 5_000, share: 40, most: 40_000 }
    }
}

/// How much of the run log is kept; the oldest is forgotten first, as runs are added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// How many runs, from 1 to 100,000.
    pub runs: u64,
    /// For how many days, from 1; so long it is also remembered what was deleted.
    pub days: u64,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { runs: 1_000, days: 90 }
    }
}

/// Who is told when a sync halts, is held by its guard, or goes into quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoticeSettings {
    /// Gets a JSON object by POST.
    pub webhook: Option<String>,
    /// The bearer token that is shown to it.
    pub token: Option<Secret>,
    /// Who gets an e-mail, and by which server.
    pub email: Option<EmailSettings>,
}

/// An e-mail notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailSettings {
    /// From whom: `Provisor <provisor@contoso.example>`.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// The SMTP server.
    pub server: String,
    /// Its port; 587, 465 or 25 by `encryption` when left out.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is secured.
    #[serde(default)]
    pub encryption: Encryption,
    /// Who we are to it.
    #[serde(default)]
    pub user: Option<String>,
    /// The password.
    #[serde(default)]
    pub password: Option<Secret>,
}

/// How a connection to an SMTP server is secured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// STARTTLS, without which nothing is sent.
    #[default]
    Starttls,
    /// TLS from the beginning.
    Tls,
    /// None: for a server on this machine.
    None,
}

/// How a run bears weather.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WeatherSettings {
    /// How often a call is made before it is given up.
    pub attempts: u32,
    /// The first wait between two, in milliseconds; each is twice the one before, and jittered.
    pub wait: u64,
    /// The longest wait, in seconds, also when the target asks for more.
    pub longest: u64,
    /// How many calls in a row may fail before the run ends, *degraded*.
    pub give_up: u32,
}

impl Default for WeatherSettings {
    fn default() -> Self {
        Self { attempts: 5, wait: 1_000, longest: 180, give_up: 10 }
    }
}

fn yes() -> bool {
    true
}

impl SyncSettings {
    /// The settings of a kind.
    pub fn of(&self, kind: Kind) -> Option<&KindSettings> {
        match kind {
            Kind::User => self.users.as_ref(),
            Kind::Group => self.groups.as_ref(),
        }
    }

    /// What is wrong with it.
    ///
    /// # Errors
    /// The sentence that says so.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if name.is_empty() || name.len() > 63 || !legal {
            return Err(format!("{name:?} cannot name a sync: letters, digits, `-`, `_` and `.`, up to 63"));
        }
        let kinds = [("users", &self.users), ("groups", &self.groups)];
        if kinds.iter().all(|(_, settings)| settings.is_none()) {
            return Err(format!("sync {name:?}: neither `users` nor `groups` says what is pushed on"));
        }
        for (word, settings) in kinds {
            let Some(settings) = settings else { continue };
            match (&self.source, &settings.file) {
                (Some(_), Some(_)) => {
                    return Err(format!(
                        "sync {name:?}: `{word}` names a file, and the sync names a source: one of the two"
                    ));
                }
                (None, None) => return Err(format!("sync {name:?}: `{word}` has records of no source and no file")),
                _ => {}
            }
        }
        if let Some(email) = &self.notice.email {
            if email.user.is_some() != email.password.is_some() {
                return Err(format!("sync {name:?}: `user` and `password` under notice.email go together"));
            }
            if email.encryption == Encryption::None && email.password.is_some() {
                return Err(format!(
                    "sync {name:?}: a password would cross the network in the clear: `encryption` under notice.email is `starttls` or `tls`"
                ));
            }
            if email.to.is_empty() {
                return Err(format!("sync {name:?}: `to` under notice.email names nobody"));
            }
        }
        if self.guard.share > 100 {
            return Err(format!("sync {name:?}: `share` under guard is a number in a hundred"));
        }
        if !(1..=100_000).contains(&self.log.runs) || self.log.days == 0 {
            return Err(format!("sync {name:?}: `runs` under log is from 1 to 100000, and `days` from 1"));
        }
        if self.weather.attempts == 0 || self.weather.give_up == 0 {
            return Err(format!("sync {name:?}: `attempts` and `give_up` under weather are at least 1"));
        }
        Ok(())
    }
}

impl KindSettings {
    /// What becomes of an object whose record is gone: users are shut, groups removed, when nothing is said.
    pub fn on_delete(&self, kind: Kind) -> DeleteAction {
        self.delete.unwrap_or(match kind {
            Kind::User => DeleteAction::Disable,
            Kind::Group => DeleteAction::Delete,
        })
    }
}
