//! The direct run: exactly what changed in the directory, taken from the outbox, each object once however often it changed, in
//! the order of the entries, at least once. What it has done is a number in the store; a halted sync leaves it where it is.

use std::collections::HashSet;

use super::{Kind, Report, RunOptions, Sync, SyncError};
use crate::store::{Operation, Table, Transaction, When};

/// How many entries one direct run takes.
const MOST: usize = 1_000;

/// What a direct run came to.
#[derive(Debug)]
pub(super) enum Direct {
    /// Nothing changed.
    Nothing,
    /// It ran; whether there is more.
    Ran(Box<Report>, bool),
}

impl Sync {
    /// Up to which entry the outbox is done.
    ///
    /// # Errors
    /// The store fails.
    pub async fn position(&self) -> Result<Option<u64>, SyncError> {
        let found = self.store().record(Table::Checkpoints, &self.lease_key()).await?;
        Ok(found.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))))
    }

    /// Notes down up to which entry the outbox is done.
    pub(super) async fn move_to(&self, position: u64) -> Result<(), SyncError> {
        let value = position.to_be_bytes().to_vec();
        let put = Operation::Put { table: Table::Checkpoints, key: self.lease_key(), value, when: When::Always };
        self.store().commit(Transaction::new("").with(put)).await?;
        Ok(())
    }

    /// The number that the next entry of the outbox gets.
    pub(super) fn outbox_end(&self) -> Result<u64, SyncError> {
        Ok(self.store().stats()?.outbox_next)
    }

    /// Pushes on what changed since the last time.
    pub(super) async fn direct(&self) -> Result<Direct, SyncError> {
        let (Some(source), Some(from)) = (&self.source, self.position().await?) else { return Ok(Direct::Nothing) };
        let (changes, next) = self.directory.changes(&source.slug, from, MOST).await?;
        if next == from {
            return Ok(Direct::Nothing);
        }
        let mut only: Vec<(Kind, String)> = Vec::new();
        let mut known = HashSet::new();
        let mut take = |kind: Kind, id: String| {
            if known.insert((kind, id.clone())) {
                only.push((kind, id));
            }
        };
        let scope = self.scope_group().await?;
        for change in changes {
            let kind = match change.kind.as_str() {
                "User" => Kind::User,
                "Group" => Kind::Group,
                _ => continue,
            };
            // Users whose membership changed may be mapped otherwise, or be in scope no more.
            if kind == Kind::Group {
                for member in change.members {
                    take(Kind::User, member);
                }
                if scope.as_ref() == Some(&change.id) {
                    for user in self.scope_moves(&change.id).await? {
                        take(Kind::User, user);
                    }
                }
            }
            take(kind, change.id);
        }
        let more = self.outbox_end()? > next;
        if only.is_empty() {
            self.move_to(next).await?;
            return Ok(Direct::Nothing);
        }
        let options = RunOptions { kind: Some("direct"), only: Some(only), ..RunOptions::default() };
        let report = self.run(&options).await?;
        if report.is_done() {
            self.move_to(next).await?;
        }
        Ok(Direct::Ran(Box::new(report), more))
    }

    /// The id of the group whose members alone are in scope.
    async fn scope_group(&self) -> Result<Option<String>, SyncError> {
        match (&self.settings.scope.group, &self.source) {
            (Some(name), Some(source)) => super::records::group_of(&self.directory, source, name).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Users who are linked and not in the group any more, or in it and not linked yet.
    async fn scope_moves(&self, group: &str) -> Result<Vec<String>, SyncError> {
        let Some(source) = &self.source else { return Ok(Vec::new()) };
        let members = self.directory.member_ids(source, group).await;
        let members: HashSet<String> =
            members.map_err(|error| SyncError::Directory(error.detail))?.into_iter().collect();
        let linked: HashSet<String> = self.linked(Kind::User).await?.into_iter().collect();
        Ok(members.symmetric_difference(&linked).cloned().collect())
    }
}
