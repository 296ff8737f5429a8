//! When tokens and secrets were last used, and who is to be warned that one ends.
//!
//! A use is noted in memory, on the request's way with one atomic write, and comes to the store in batches, once a minute: a
//! server that is killed forgets the uses of its last minute.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::{Registry, RegistryError, named};
use crate::clock::Millis;
use crate::directory::Directory;
use crate::directory::token::{DAY, days_until};
use crate::store::{Operation, Table, Transaction, When};

/// Before the ids of what was used, in the table of settings.
const USED: &str = "used/";
/// Before the ids of what was warned of, in the table of settings.
const WARNED: &str = "warned/";
/// Days before the end at which somebody is warned; at 0 it has ended.
const THRESHOLDS: [u64; 5] = [0, 1, 7, 14, 30];

/// Which kind of credential it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bearer token.
    Token,
    /// The secret of a client.
    Secret,
}

impl Kind {
    /// `token` or `secret`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Secret => "secret",
        }
    }
}

/// A token or a secret that ends, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which kind.
    pub kind: Kind,
    /// The id of the token, or `client/secret`.
    pub id: String,
    /// What the operator called it.
    pub label: String,
    /// The source that it opens; empty for an admin token.
    pub source: String,
    /// Whole days until it ends; negative when it has ended.
    pub days_left: i64,
}

/// A credential that ends.
struct Ending {
    /// The id by which it is kept.
    key: String,
    warning: Warning,
    created: Millis,
    expires: Millis,
}

/// When a credential was last used; 0 is never.
#[derive(Default)]
pub(super) struct Mark {
    /// The last use.
    used: AtomicU64,
    /// The last use that the store knows.
    written: AtomicU64,
}

impl Mark {
    /// Notes a use.
    pub(super) fn touch(&self, now: Millis) {
        // Many come in one millisecond, and only the first has something to write.
        if self.used.load(Ordering::Relaxed) < now {
            self.used.fetch_max(now, Ordering::Relaxed);
        }
    }
}

/// Last uses by id.
pub(super) struct Usage {
    marks: RwLock<HashMap<String, Arc<Mark>>>,
    /// The smallest threshold of which somebody was told, by id.
    warned: RwLock<HashMap<String, u64>>,
}

impl Usage {
    pub(super) async fn load(directory: &Directory) -> Result<Self, RegistryError> {
        let used = named::<Millis>(directory, Table::Settings, USED.as_bytes()).await?;
        let marks = used.into_iter().map(|(id, at)| (id, Arc::new(Mark { used: at.into(), written: at.into() })));
        let warned = named::<u64>(directory, Table::Settings, WARNED.as_bytes()).await?;
        Ok(Self { marks: RwLock::new(marks.collect()), warned: RwLock::new(warned.into_iter().collect()) })
    }

    /// Notes a use of what has this id.
    pub(super) fn touch(&self, id: &str, now: Millis) {
        self.mark(id).touch(now);
    }

    /// The mark of what has this id.
    pub(super) fn mark(&self, id: &str) -> Arc<Mark> {
        let known = self.marks.read().unwrap_or_else(PoisonError::into_inner).get(id).map(Arc::clone);
        known.unwrap_or_else(|| {
            let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(marks.entry(id.to_owned()).or_default())
        })
    }

    fn last(&self, id: &str) -> Option<Millis> {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        marks.get(id).map(|mark| mark.used.load(Ordering::Relaxed)).filter(|used| *used > 0)
    }

    /// What the store does not know yet.
    fn fresh(&self) -> Vec<(String, Arc<Mark>, Millis)> {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = marks.iter().map(|(id, mark)| (id, mark, mark.used.load(Ordering::Relaxed)));
        fresh
            .filter(|(_, mark, used)| *used > mark.written.load(Ordering::Relaxed))
            .map(|(id, mark, used)| (id.clone(), Arc::clone(mark), used))
            .collect()
    }
}

impl Registry {
    /// When a token, a secret or a federated credential was last used.
    pub fn last_used(&self, id: &str) -> Option<Millis> {
        self.usage.last(id)
    }

    /// Writes the uses that the store does not know yet, all of them in one transaction. Called once a minute and at the end.
    ///
    /// # Errors
    /// The store fails; the uses are written the next time.
    pub async fn write_usage(&self) -> Result<(), RegistryError> {
        let fresh = self.usage.fresh();
        if fresh.is_empty() {
            return Ok(());
        }
        let entries = fresh.iter().map(|(id, _, used)| setting(USED, id, *used));
        self.commit(entries).await?;
        for (_, mark, used) in fresh {
            mark.written.fetch_max(used, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The days that every token and secret has left, ended ones included, without those that were revoked.
    pub fn days_left(&self) -> Vec<Warning> {
        self.endings().into_iter().map(|ending| ending.warning).collect()
    }

    /// Who is to be warned now: each token and each secret once at 30, 14, 7 and 1 days before its end, and once when it has
    /// ended. A life that is shorter than the threshold is not warned of at once. What is given here is not given again, by
    /// this server or its next start.
    ///
    /// # Errors
    /// The store fails; then nobody is told yet.
    pub async fn warnings(&self) -> Result<Vec<Warning>, RegistryError> {
        let now = self.directory.now();
        let mut due = Vec::new();
        {
            let warned = self.usage.warned.read().unwrap_or_else(PoisonError::into_inner);
            for ending in self.endings() {
                let left = ending.expires.saturating_sub(now);
                let life = ending.expires.saturating_sub(ending.created);
                let reached =
                    THRESHOLDS.into_iter().find(|days| left <= days * DAY && (life > days * DAY || *days == 0));
                let Some(reached) = reached else { continue };
                if warned.get(&ending.key).is_none_or(|told| *told > reached) {
                    due.push((ending, reached));
                }
            }
        }
        if due.is_empty() {
            return Ok(Vec::new());
        }
        self.commit(due.iter().map(|(ending, reached)| setting(WARNED, &ending.key, *reached))).await?;
        let mut warned = self.usage.warned.write().unwrap_or_else(PoisonError::into_inner);
        warned.extend(due.iter().map(|(ending, reached)| (ending.key.clone(), *reached)));
        Ok(due.into_iter().map(|(ending, _)| ending.warning).collect())
    }

    fn endings(&self) -> Vec<Ending> {
        let now = self.directory.now();
        let mut endings = Vec::new();
        for token in self.tokens() {
            let (Some(expires), None) = (token.expires, token.revoked) else { continue };
            let source = token.scope.sources().join(",");
            let warning = Warning {
                kind: Kind::Token,
                id: token.id.clone(),
                label: token.label.clone(),
                source,
                days_left: days_until(expires, now),
            };
            endings.push(Ending { key: token.id.clone(), warning, created: token.created, expires });
        }
        for client in self.clients().into_iter().filter(|client| client.revoked.is_none()) {
            for secret in client.secrets.iter().filter(|secret| secret.revoked.is_none()) {
                let warning = Warning {
                    kind: Kind::Secret,
                    id: format!("{}/{}", client.id, secret.id),
                    label: client.label.clone(),
                    source: client.source.clone(),
                    days_left: days_until(secret.expires, now),
                };
                let (key, created, expires) = (secret.id.clone(), secret.created, secret.expires);
                endings.push(Ending { key, warning, created, expires });
            }
        }
        endings
    }

    async fn commit(&self, operations: impl Iterator<Item = Operation>) -> Result<(), RegistryError> {
        let transaction = operations.fold(Transaction::new(""), Transaction::with);
        self.directory.store().commit(transaction).await?;
        Ok(())
    }
}

fn setting(prefix: &str, id: &str, number: u64) -> Operation {
    let (key, value) = (format!("{prefix}{id}").into_bytes(), number.to_string().into_bytes());
    Operation::Put { table: Table::Settings, key, value, when: When::Always }
}
