//! Compaction: the database never gives space back, so everything is copied into a new one that takes its place.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::store::StoreError;

use super::engine::Engine;
use super::keys::Space;
use super::{Options, open};

/// Keys in a batch.
const BATCH: usize = 4_096;

/// Compacts the store of a data directory that no process has open. Gives the bytes before and after. Interrupted at any
/// moment, the directory opens with everything in it.
pub fn compact(directory: &Path, options: Options) -> Result<(u64, u64), StoreError> {
    let _lock = open::lock(directory)?;
    open::settle(directory)?;
    let places = open::places(directory);
    let sizes = {
        let old = open::open(&places.database, options.cache)?;
        drop(open::replay(directory, &old)?);
        let new = open::open(&places.new, options.cache)?;
        for space in Space::ALL {
            let mut batch = ::sled::Batch::default();
            let mut keys = 0;
            for row in old.stored_prefix(space)? {
                let (key, stored) = row?;
                batch.insert(key, stored);
                keys += 1;
                if keys == BATCH {
                    new.apply(std::mem::take(&mut batch))?;
                    keys = 0;
                }
            }
            new.apply(batch)?;
        }
        new.sync()?;
        if digest(&old)? != digest(&new)? {
            return Err(StoreError::corrupt("database", "the compacted copy differs from the original, which is kept"));
        }
        (size(&places.database)?, size(&places.new)?)
    };
    fs::rename(&places.database, &places.old)?;
    fs::rename(&places.new, &places.database)?;
    open::sync_directory(directory)?;
    fs::remove_dir_all(&places.old)?;
    Ok(sizes)
}

/// A digest over all keys and values, and their number.
fn digest(engine: &Engine) -> Result<(u64, Vec<u8>), StoreError> {
    let (mut digest, mut rows) = (Sha256::new(), 0);
    for space in Space::ALL {
        for row in engine.stored_prefix(space)? {
            let (key, stored) = row?;
            digest.update((key.len() as u64).to_be_bytes());
            digest.update(&key);
            digest.update((stored.len() as u64).to_be_bytes());
            digest.update(&stored);
            rows += 1;
        }
    }
    Ok((rows, digest.finalize().to_vec()))
}

/// The bytes of the files in a directory.
fn size(directory: &Path) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}
