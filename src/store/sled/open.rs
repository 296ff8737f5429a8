//! Opening a data directory: our lock first, leftovers away, the database behind a net, the schema's version checked,
//! what the database forgets to sync synced, and the journal replayed.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::store::StoreError;
use crate::store::watch::Watch;

use super::ahead::Ahead;
use super::codec::{Reader, Writer};
use super::engine::{Engine, Row, Value, encode, guarded};
use super::extents::Extents;
use super::joined::Joined;
use super::journal::Journal;
use super::keys::{self, Space};
use super::kinds::Kinds;
use super::lasts::Lasts;
use super::names::Names;
use super::resident::Resident;
use super::takeover;

/// The version of the layout in `keys.rs`, `codec.rs`, `chunk.rs` and `pack.rs`, and of the journal. Those before are taken over.
pub(super) const SCHEMA: u64 = 4;
const FIRST_SCHEMA: u64 = 1;
const SCHEMA_KEY: &str = "schema";
/// Present while a restore runs.
pub(super) const RESTORING: &str = "restoring";

/// The names in a data directory.
pub(super) const DATABASE: &str = "sled";
const LOCK: &str = "store.lock";
const OLD: &str = "sled.old";
const NEW: &str = "sled.new";

/// How long somebody else's lock is waited for. A process that was told to stop may still be closing, and a child that was
/// just forked holds its parent's locks until it runs its own program.
const PATIENCE: Duration = Duration::from_secs(1);

/// Holds the lock of a data directory until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a child that was just forked.
        drop(self.0.unlock());
    }
}

/// Tries until it is done, or fails for another reason, or patience ends.
fn patiently<T>(
    mut attempt: impl FnMut() -> Result<T, StoreError>,
    is_locked: impl Fn(&StoreError) -> bool,
) -> Result<T, StoreError> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_locked(&error) && start.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 50),
            done => return done,
        }
    }
}

/// The paths that a compaction uses.
pub(super) struct Places {
    pub(super) database: PathBuf,
    pub(super) old: PathBuf,
    pub(super) new: PathBuf,
}

pub(super) fn places(directory: &Path) -> Places {
    Places { database: directory.join(DATABASE), old: directory.join(OLD), new: directory.join(NEW) }
}

/// Takes the lock.
pub(super) fn lock(directory: &Path) -> Result<Lock, StoreError> {
    fs::create_dir_all(directory)?;
    patiently(|| try_lock(directory), |error| matches!(error, StoreError::Locked(_)))
}

fn try_lock(directory: &Path) -> Result<Lock, StoreError> {
    let path = directory.join(LOCK);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut who = String::new();
            // Only for the message.
            drop(file.take(64).read_to_string(&mut who));
            let who = if who.trim().is_empty() { "unknown".to_owned() } else { who.trim().to_owned() };
            return Err(StoreError::Locked(who));
        }
        Err(fs::TryLockError::Error(error)) => return Err(error.into()),
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {}", std::process::id())?;
    Ok(Lock(file))
}

/// Ends a compaction that was interrupted: before its last rename the old database counts, after it the new one.
pub(super) fn settle(directory: &Path) -> Result<(), StoreError> {
    let places = places(directory);
    if !places.database.exists() && places.old.exists() {
        fs::rename(&places.old, &places.database)?;
        sync_directory(directory)?;
    }
    for leftover in [&places.old, &places.new] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    Ok(())
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)?.sync_all()?;
    Ok(())
}

/// The database takes the last file whose name begins with `snap.` as its snapshot, also one that was being written.
fn remove_unfinished_snapshots(path: &Path) -> Result<(), StoreError> {
    let Ok(entries) = fs::read_dir(path) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens the database in a directory that exists or not. The caller holds the lock.
pub(super) fn open(path: &Path, cache: u64) -> Result<Engine, StoreError> {
    remove_unfinished_snapshots(path)?;
    let config = ::sled::Config::new().path(path).cache_capacity(cache).flush_every_ms(None);
    let attempt = || {
        guarded(|| {
            let db = config.open()?;
            let tree = db.open_tree("data")?;
            Ok((db, tree))
        })
    };
    // The database has a lock of its own, and no error of its own for it.
    let is_locked = |error: &StoreError| matches!(error, StoreError::Io(what) if what.contains("acquire lock"));
    let opened = patiently(attempt, is_locked);
    let (db, tree) = opened.map_err(|error| advise(path, error))?;
    let file = OpenOptions::new().read(true).write(true).open(path.join("db"))?;
    let engine = Engine {
        db,
        tree,
        file,
        ahead: Ahead::default(),
        joined: Joined::default(),
        names: Names::default(),
        resident: Resident::default(),
        learner: Mutex::default(),
        watch: Watch::default(),
        extents: Extents::default(),
        kinds: Kinds::default(),
        lasts: Lasts::default(),
    };
    check_schema(&engine)?;
    engine.sync()?;
    // Neither of these does the database sync itself.
    File::open(path.join("conf"))?.sync_all()?;
    sync_directory(path)?;
    path.parent().map_or(Ok(()), sync_directory)?;
    Ok(engine)
}

/// What a person can do whose database does not open. Nothing is deleted by us.
fn advise(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        error => StoreError::corrupt(
            "database",
            format!(
                "{path} does not open: {error}. Nothing was changed. Copy the directory; in the copy, delete the files \
                 `snap.*` (they are made anew) and try to open it; if that fails, restore the last backup into a new \
                 data directory",
                path = path.display()
            ),
        ),
    }
}

/// The number of the last batch that the database has.
pub(super) fn last_batch(engine: &Engine) -> Result<u64, StoreError> {
    engine.get(&keys::meta(keys::BATCH))?.map_or(Ok(0), |row| number(&row))
}

/// The row that says so, which every batch has.
pub(super) fn batch_row(number: u64) -> Row {
    number_row(keys::BATCH, number)
}

fn number_row(name: &str, number: u64) -> Row {
    let mut row = Writer::default();
    row.number(number);
    let key = keys::meta(name);
    let stored = encode(&key, &row.0, 0).0;
    (key, stored)
}

/// Gives the database what only the journal has, and then the layout of today. The journal is empty after that.
pub(super) fn replay(directory: &Path, engine: &Engine) -> Result<Journal, StoreError> {
    let mut journal = Journal::open(directory)?;
    let missing = journal.after(last_batch(engine)?)?;
    if !missing.is_empty() {
        engine.apply_each(missing.iter().map(|(_, writes)| writes))?;
        engine.sync()?;
    }
    journal.clear()?;
    sync_directory(directory)?;
    takeover::take_over(engine)?;
    Ok(journal)
}

fn check_schema(engine: &Engine) -> Result<(), StoreError> {
    if engine.get(&keys::meta(RESTORING))?.is_some() {
        let what = "a restore into this data directory did not finish; delete the directory and restore again";
        return Err(StoreError::Dump { line: 0, what: what.to_owned() });
    }
    match schema(engine)? {
        // The journal may still hold rows of the older one, so it is taken over after that.
        Some(FIRST_SCHEMA..=SCHEMA) => Ok(()),
        Some(found) => Err(StoreError::Schema { found, known: SCHEMA }),
        None if engine.range(std::ops::Bound::Unbounded, None).next().is_none() => {
            let (key, row) = schema_row(SCHEMA);
            let mut batch = ::sled::Batch::default();
            batch.insert(key, row);
            engine.apply(batch)
        }
        None => Err(StoreError::corrupt("meta", "there is data, but no schema version")),
    }
}

/// The schema of a database; `None` when it has none.
pub(super) fn schema(engine: &Engine) -> Result<Option<u64>, StoreError> {
    engine.get(&keys::meta(SCHEMA_KEY))?.map(|row| number(&row)).transpose()
}

/// The row that says so.
pub(super) fn schema_row(schema: u64) -> Row {
    number_row(SCHEMA_KEY, schema)
}

fn number(row: &Value) -> Result<u64, StoreError> {
    Reader::new(Space::Meta, row).number()
}

/// The file systems on which the promise about durability is not kept or not known.
pub(super) fn doubtful_file_system(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(at, _)| directory.starts_with(at))
        .max_by_key(|(at, _)| at.len())?;
    let doubtful = ["btrfs", "zfs", "nfs", "nfs4", "cifs", "smb3", "9p", "tmpfs", "ramfs", "overlay"];
    (doubtful.contains(&mount.1) || mount.1.starts_with("fuse")).then(|| mount.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_values_were_packed_is_read_and_packed_when_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let (key, value) = (keys::resource("a", "1"), b"{\"userName\":\"x\"}".repeat(40));
        {
            let engine = open(directory.path(), 1 << 20).unwrap();
            let (meta, row) = schema_row(2);
            engine.tree.insert(meta, row).unwrap();
            engine.tree.insert(&key, [&[1], value.as_slice()].concat()).unwrap();
        }
        let engine = open(directory.path(), 1 << 20).unwrap();
        takeover::take_over(&engine).unwrap();
        assert_eq!(engine.get(&key).unwrap().unwrap().to_vec(), value);
        assert_eq!(schema(&engine), Ok(Some(SCHEMA)));
        let packed = encode(&key, &value, 0).0;
        assert!(packed.len() < value.len() / 4, "{}", packed.len());
        engine.tree.insert(&key, packed).unwrap();
        assert_eq!(engine.get(&key).unwrap().unwrap().to_vec(), value);
        engine.tree.insert(&key, [3, 0, 200, 1, 2, 3].as_slice()).unwrap();
        assert!(engine.get(&key).is_err());
    }
}
