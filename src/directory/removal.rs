//! A source's resources taken away, in transactions of bounded size. It may end anywhere and begin again: what is gone is gone,
//! and the rest is found as it was.

use super::log::note_key;
use super::{Directory, Source, remap};
use crate::scim::discovery::ResourceType;
use crate::store::{Change, Expected, Operation, Start, StoreError, Table, Transaction, Unknown, When};

/// How many resources one transaction takes away.
const STEP: usize = 200;
/// How many members of groups one transaction takes away.
const MEMBERS: usize = 5_000;

impl Directory {
    /// How many resources a source has, of all the kinds that it declares.
    ///
    /// # Errors
    /// The store fails.
    pub async fn resources(&self, source: &Source) -> Result<u64, StoreError> {
        let mut all = 0;
        for kind in &source.types {
            all += self.store.count(&source.slug, kind.name()).await?;
        }
        Ok(all)
    }

    /// Takes some resources of a source away; false when it has none. Groups go first: a user who leaves would change each group
    /// once more. Nobody who follows the outbox hears of it, for no sync reads the source, and the provisioning log has no line
    /// for each: that the source goes is told once.
    ///
    /// # Errors
    /// The store fails.
    pub async fn take_away(&self, source: &Source) -> Result<bool, StoreError> {
        let (slug, at) = (source.slug.as_str(), self.now());
        let mut kinds: Vec<&str> = source.types.iter().map(ResourceType::name).collect();
        kinds.sort_by_key(|kind| *kind != "Group");
        for kind in kinds {
            let page = self.store.list(slug, kind, Start::Offset(0), STEP).await?;
            let (mut transaction, mut members) = (Transaction::new(slug), 0);
            for stored in page.items {
                if stored.members > MEMBERS as u64 {
                    let some = self.store.members(slug, &stored.id, None, MEMBERS).await?;
                    let change = Change::Remove(some.items.into_iter().map(|member| member.id).collect());
                    let unknown = Unknown::Keep;
                    let (id, expected) = (stored.id, Expected::Any);
                    transaction.operations.push(Operation::Members { id, expected, at, change, unknown });
                    members = MEMBERS;
                } else {
                    members += usize::try_from(stored.members).unwrap_or(MEMBERS);
                    let key = note_key(slug, &stored.id);
                    transaction.operations.extend([
                        Operation::Delete { id: stored.id, expected: Expected::Any, at },
                        Operation::Erase { table: Table::Requests, key, when: When::Always },
                    ]);
                }
                if members >= MEMBERS {
                    break;
                }
            }
            if transaction.operations.is_empty() {
                continue;
            }
            return match self.store.commit(transaction).await {
                // A write that was on its way when the source closed came first: the next time it is found.
                Ok(_) | Err(StoreError::NotFound { .. } | StoreError::Busy) => Ok(true),
                Err(error) => Err(error),
            };
        }
        Ok(false)
    }

    /// The operations that forget what is kept beside the resources of a source.
    pub(crate) fn forget(slug: &str) -> Vec<Operation> {
        let erase = |table, key| Operation::Erase { table, key, when: When::Always };
        vec![erase(Table::Settings, remap::key(slug)), erase(Table::Activity, slug.as_bytes().to_vec())]
    }
}
