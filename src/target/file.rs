//! A file as a target: a JSON object a line for each write, flushed and on disk before the answer.
//!
//! What the file says, read from its beginning, is what the target has: after a restart nothing is written twice. A line that a
//! crash cut off was never acknowledged and is taken away. One process writes a file at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::attribute::{self, values};
use super::{
    Abilities, Answer, Checked, Difference, Done, Found, Kind, Need, Object, Page, Target, TargetError, Write,
};

/// The writes of one batch, which are on disk together.
const BATCH: usize = 1_000;
/// The objects of a page.
const PAGE: usize = 1_000;

/// A file of operations.
pub(super) struct FileTarget {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    state: Mutex<Option<State>>,
}

/// What the lines so far come to.
struct State {
    file: File,
    objects: BTreeMap<(Kind, u64), Entry>,
    /// The highest id ever given, of what is gone too.
    last: u64,
}

#[derive(Default)]
struct Entry {
    attributes: Object,
    members: BTreeSet<String>,
}

/// A line that an answer waits for, and what the answer is.
type Planned = (Option<Value>, Result<Done, TargetError>);

impl FileTarget {
    /// The target that appends to this file, which need not be there yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { inner: Arc::new(Inner { path, state: Mutex::new(None) }) }
    }

    /// Works on the state where waiting for the disk holds up nobody.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, TargetError> + Send + 'static,
    ) -> Result<T, TargetError> {
        let inner = Arc::clone(&self.inner);
        let task = tokio::task::spawn_blocking(move || {
            let mut held = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = match held.as_mut() {
                Some(state) => work(state),
                None => work(held.insert(State::read(&inner.path)?)),
            };
            // After a write that failed, the file alone knows what it has.
            if matches!(result, Err(TargetError::Weather { .. })) {
                *held = None;
            }
            result
        });
        task.await.unwrap_or_else(|_| {
            Err(TargetError::Weather { what: "the work on the file was broken off".to_owned(), wait: None })
        })
    }
}

/// What the file system says, which may be over later: a full disk, a missing directory.
fn weather(path: &std::path::Path, error: &std::io::Error) -> TargetError {
    TargetError::Weather { what: format!("{}: {error}", path.display()), wait: None }
}

fn number(id: &str) -> Option<u64> {
    id.parse().ok().filter(|number: &u64| number.to_string() == id)
}

impl State {
    /// Opens the file, takes it for this process, and reads it from its beginning.
    fn read(path: &std::path::Path) -> Result<Self, TargetError> {
        let told = |error: std::io::Error| weather(path, &error);
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(told)?;
        // A file system without locks is taken as it is.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            let what = format!("{}: another process writes this file", path.display());
            return Err(TargetError::Weather { what, wait: None });
        }
        let mut reader = BufReader::new(file.try_clone().map_err(told)?);
        let mut state = Self { file, objects: BTreeMap::new(), last: 0 };
        let (mut line, mut number, mut end) = (Vec::new(), 0, 0);
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(told)?;
            number += 1;
            if !line.ends_with(b"\n") {
                if length > 0 {
                    state.file.set_len(end).map_err(told)?;
                    state.file.seek(SeekFrom::End(0)).map_err(told)?;
                }
                return Ok(state);
            }
            end += length as u64;
            let understood = serde_json::from_slice::<Value>(&line).ok().and_then(|line| state.take(&line));
            if understood.is_none() && !line.trim_ascii().is_empty() {
                let what = format!("{}:{number}: no operation of ours", path.display());
                return Err(TargetError::Protocol { what });
            }
        }
    }

    /// Takes in a line; `None` when it is no operation of ours.
    fn take(&mut self, line: &Value) -> Option<()> {
        let kind = match line.get("kind").and_then(Value::as_str) {
            Some("User") => Kind::User,
            Some("Group") => Kind::Group,
            _ => return None,
        };
        let id = number(line.get("id")?.as_str()?)?;
        self.last = self.last.max(id);
        let ids = |name: &str| -> Vec<String> {
            let ids = line.get(name).and_then(Value::as_array).into_iter().flatten();
            ids.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        match line.get("op")?.as_str()? {
            "create" => {
                let attributes = line.get("payload")?.as_object()?.clone();
                self.objects.insert((kind, id), Entry { attributes, members: BTreeSet::new() });
            }
            "update" => {
                let changes: Vec<Difference> = serde_json::from_value(line.get("changes")?.clone()).ok()?;
                let entry = self.objects.get_mut(&(kind, id))?;
                for change in &changes {
                    attribute::write(&mut entry.attributes, change, &Object::new());
                }
            }
            "disable" => {
                self.objects.get_mut(&(kind, id))?.attributes.insert("active".to_owned(), false.into());
            }
            "delete" => {
                self.objects.remove(&(kind, id));
            }
            "members" => {
                let entry = self.objects.get_mut(&(kind, id))?;
                entry.members.retain(|member| !ids("remove").contains(member));
                entry.members.extend(ids("add"));
            }
            _ => return None,
        }
        Some(())
    }

    fn found(&self, kind: Kind, id: u64) -> Option<Found> {
        let attributes = self.objects.get(&(kind, id))?.attributes.clone();
        Some(Found { id: id.to_string(), attributes })
    }

    fn has(&self, kind: Kind, id: &str) -> bool {
        number(id).is_some_and(|id| self.objects.contains_key(&(kind, id)))
    }

    /// The line of a write, taken in; no line when there is nothing to do or it cannot be done.
    fn plan(&mut self, write: &Write) -> Planned {
        let done = |id: &str| Ok(Done { id: id.to_owned(), refused: Vec::new() });
        let (line, id) = match write {
            Write::Create { .. } => {
                self.last += 1;
                let id = self.last.to_string();
                (line(write, &id), id)
            }
            Write::Update { kind, id, .. } | Write::Disable { kind, id } if !self.has(*kind, id) => {
                return (None, Err(TargetError::Missing { id: id.clone() }));
            }
            Write::Members { id, .. } if !self.has(Kind::Group, id) => {
                return (None, Err(TargetError::Missing { id: id.clone() }));
            }
            // Gone is what was wanted.
            Write::Delete { kind, id } if !self.has(*kind, id) => return (None, done(id)),
            Write::Update { id, changes, .. } if changes.is_empty() => return (None, done(id)),
            Write::Members { id, add, remove } if add.is_empty() && remove.is_empty() => return (None, done(id)),
            Write::Update { id, .. }
            | Write::Disable { id, .. }
            | Write::Delete { id, .. }
            | Write::Members { id, .. } => (line(write, id), id.clone()),
        };
        self.take(&line);
        (Some(line), done(&id))
    }

    /// Appends lines and waits until they are on disk.
    fn append(&mut self, lines: &[Value]) -> std::io::Result<()> {
        let mut text = String::new();
        for line in lines {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()
    }
}

/// The line of a write.
fn line(write: &Write, id: &str) -> Value {
    match write {
        Write::Create { kind, payload } => json!({"op": "create", "kind": kind.word(), "id": id, "payload": payload}),
        Write::Update { kind, changes, .. } => {
            json!({"op": "update", "kind": kind.word(), "id": id, "changes": changes})
        }
        Write::Disable { kind, .. } => json!({"op": "disable", "kind": kind.word(), "id": id}),
        Write::Delete { kind, .. } => json!({"op": "delete", "kind": kind.word(), "id": id}),
        Write::Members { add, remove, .. } => {
            json!({"op": "members", "kind": Kind::Group.word(), "id": id, "add": add, "remove": remove})
        }
    }
}

impl Target for FileTarget {
    fn name(&self) -> String {
        format!("the file {}", self.inner.path.display())
    }

    fn folds(&self, _: Kind, _: &str) -> bool {
        false
    }

    fn open(&self) -> Answer<'_, Abilities> {
        Box::pin(self.with(|_| Ok(Abilities { find: true, list: true, batch: BATCH, concurrent: 1 })))
    }

    fn find<'a>(&'a self, kind: Kind, path: &'a str, value: &'a str) -> Answer<'a, Vec<Found>> {
        let (path, value) = (path.to_owned(), Value::from(value));
        Box::pin(self.with(move |state| {
            let of_kind = state.objects.iter().filter(|((of, _), _)| *of == kind);
            let hits =
                of_kind.filter(|(_, entry)| values(&entry.attributes, &path).into_iter().any(|found| *found == value));
            Ok(hits.filter_map(|((_, id), _)| state.found(kind, *id)).collect())
        }))
    }

    fn get<'a>(&'a self, kind: Kind, id: &'a str) -> Answer<'a, Option<Found>> {
        let id = number(id);
        Box::pin(self.with(move |state| Ok(id.and_then(|id| state.found(kind, id)))))
    }

    fn list<'a>(&'a self, kind: Kind, _: &'a [String], _: Option<&'a str>, next: Option<&'a str>) -> Answer<'a, Page> {
        let after = next.map_or(Some(0), number);
        Box::pin(self.with(move |state| {
            let odd = || TargetError::Protocol { what: "this is no place in a list of ours".to_owned() };
            let from = after.ok_or_else(odd)?.saturating_add(1);
            let ids = state.objects.range((kind, from)..=(kind, u64::MAX)).map(|((_, id), _)| *id);
            let ids: Vec<u64> = ids.take(PAGE + 1).collect();
            let items: Vec<Found> = ids.iter().take(PAGE).filter_map(|id| state.found(kind, *id)).collect();
            let next = items.last().filter(|_| ids.len() > PAGE).map(|last| last.id.clone());
            Ok(Page { items, next, ..Page::default() })
        }))
    }

    fn members<'a>(&'a self, group: &'a str) -> Answer<'a, Vec<String>> {
        let group = group.to_owned();
        Box::pin(self.with(move |state| {
            let entry = number(&group).and_then(|id| state.objects.get(&(Kind::Group, id)));
            let entry = entry.ok_or(TargetError::Missing { id: group })?;
            Ok(entry.members.iter().cloned().collect())
        }))
    }

    fn write(&self, writes: Vec<Write>) -> Answer<'_, Vec<Result<Done, TargetError>>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(self.with(move |state| {
            let planned: Vec<Planned> = writes.iter().map(|write| state.plan(write)).collect();
            let (lines, results): (Vec<Option<Value>>, Vec<_>) = planned.into_iter().unzip();
            let lines: Vec<Value> = lines.into_iter().flatten().collect();
            if !lines.is_empty() {
                state.append(&lines).map_err(|error| weather(&inner.path, &error))?;
            }
            Ok(results)
        }))
    }

    fn check<'a>(&'a self, _: &'a [Need]) -> Answer<'a, Vec<Checked>> {
        Box::pin(async {
            // To open it would make it.
            let path = &self.inner.path;
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            let is_there = path.is_file() || directory.is_none_or(std::path::Path::is_dir);
            let what = path.display().to_string();
            Ok(vec![if is_there {
                Checked::found(what, "its directory is there")
            } else {
                Checked::missing(what, "its directory is not there", "make the directory, or mend `path` of the target")
            }])
        })
    }

    fn preview(&self, write: &Write) -> Vec<Value> {
        let id = match write {
            Write::Create { .. } => "",
            Write::Update { id, .. }
            | Write::Disable { id, .. }
            | Write::Delete { id, .. }
            | Write::Members { id, .. } => id,
        };
        vec![json!({"method": "APPEND", "url": self.inner.path.display().to_string(), "body": line(write, id)})]
    }
}
