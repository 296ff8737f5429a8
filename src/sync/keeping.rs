//! The lease of a sync: by it one run is under way at a time, in all processes that share the store.

use std::sync::LazyLock;

use super::{LEASE, Sync, SyncError};
use crate::clock::Millis;
use crate::store::{Operation, StoreError, Table, Transaction, When};

/// This process, among all that ever had the store.
static PROCESS: LazyLock<String> = LazyLock::new(|| uuid::Uuid::new_v4().to_string());

impl Sync {
    pub(super) fn lease_key(&self) -> Vec<u8> {
        format!("sync/{}", self.name()).into_bytes()
    }

    /// Takes the lease, when nobody has it or who had it has died.
    pub(super) async fn take_lease(&self) -> Result<Vec<u8>, SyncError> {
        let key = self.lease_key();
        let now = self.clock.now();
        let held = self.store().record(Table::Leases, &key).await?;
        if held.as_deref().and_then(|lease| self.held_until(lease)).is_some() {
            return Err(SyncError::Busy);
        }
        let value = format!("{} {}/{}", now.saturating_add(LEASE), *PROCESS, uuid::Uuid::new_v4()).into_bytes();
        let when = held.map_or(When::Absent, When::Equals);
        let put = Operation::Put { table: Table::Leases, key, value: value.clone(), when };
        match self.store().commit(Transaction::new("").with(put)).await {
            Ok(_) => Ok(value),
            Err(StoreError::Changed { .. }) => Err(SyncError::Busy),
            Err(error) => Err(error.into()),
        }
    }

    /// Until when a lease is held; `None` when it is over, or when who had it has died.
    pub(super) fn held_until(&self, lease: &[u8]) -> Option<Millis> {
        let (until, holder) = std::str::from_utf8(lease).ok()?.split_once(' ')?;
        let lives = !self.store().is_exclusive() || holder.starts_with(PROCESS.as_str());
        until.parse().ok().filter(|until| lives && *until > self.clock.now())
    }

    /// Renews the lease until the run is over; comes only when it is lost.
    pub(super) async fn keep_lease(&self, first: &[u8]) -> SyncError {
        let holder = first.split(|byte| *byte == b' ').next_back().unwrap_or_default().to_vec();
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(LEASE / 3)).await;
            let until = self.clock.now().saturating_add(LEASE).to_string();
            let value = [until.as_bytes(), b" ", &holder].concat();
            match self.store().record(Table::Leases, &self.lease_key()).await {
                Ok(Some(held)) if held.ends_with(&holder) => {
                    let when = When::Equals(held);
                    let put = Operation::Put { table: Table::Leases, key: self.lease_key(), value, when };
                    if let Err(error) = self.store().commit(Transaction::new("").with(put)).await {
                        return error.into();
                    }
                }
                Ok(_) => return SyncError::Busy,
                Err(error) => return error.into(),
            }
        }
    }

    /// Gives the lease back, unless another has it by now.
    pub(super) async fn give_lease(&self, first: &[u8]) -> Result<(), SyncError> {
        let holder = first.split(|byte| *byte == b' ').next_back().unwrap_or_default();
        let held = self.store().record(Table::Leases, &self.lease_key()).await?;
        let Some(held) = held.filter(|held| held.ends_with(holder)) else { return Ok(()) };
        let erase = Operation::Erase { table: Table::Leases, key: self.lease_key(), when: When::Equals(held) };
        match self.store().commit(Transaction::new("").with(erase)).await {
            Ok(_) | Err(StoreError::Changed { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
