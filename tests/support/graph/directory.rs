//! What the tenant holds: users, groups, who is in them, and in which order all of it changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

/// A user or group.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) value: Map<String, Value>,
    /// When it last changed.
    pub(crate) changed: u64,
    /// How many requests that name it do not find it yet.
    pub(crate) hidden: usize,
}

/// The users, or the groups, by the number under which they were made.
#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) entries: BTreeMap<u64, Entry>,
    numbers: HashMap<String, u64>,
    names: HashMap<String, u64>,
}

impl Objects {
    pub(crate) fn all(&self) -> Vec<Map<String, Value>> {
        self.entries.values().map(|entry| entry.value.clone()).collect()
    }

    /// By id, or by `userPrincipalName`.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        self.numbers.get(id).or_else(|| self.names.get(&id.to_lowercase())).copied()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(&self.number(id)?)
    }

    /// The number of who has this `userPrincipalName`.
    pub(crate) fn named(&self, name: &str) -> Option<u64> {
        self.names.get(&name.to_lowercase()).copied()
    }

    fn name_of(entry: &Entry) -> Option<String> {
        entry.value.get("userPrincipalName").and_then(Value::as_str).map(str::to_lowercase)
    }
}

/// What becomes of `manager@odata.bind` in a new user.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binds {
    /// The user is made with the manager.
    Taken,
    /// Nobody takes notice of it.
    Ignored,
    /// The user is refused.
    Refused,
}

/// The tenant.
pub(crate) struct Directory {
    pub(crate) users: Objects,
    pub(crate) groups: Objects,
    pub(crate) members: HashMap<String, BTreeSet<String>>,
    /// Whose members changed, and when.
    pub(crate) regrouped: HashMap<String, u64>,
    /// Whether lists of changes say so when `members` is selected.
    pub(crate) tells_members: bool,
    pub(crate) managers: HashMap<String, String>,
    /// Whose manager changed, when, and who it was before.
    pub(crate) moved: HashMap<String, (u64, Option<String>)>,
    /// What was deleted, and when.
    pub(crate) gone: Vec<(u64, &'static str, String)>,
    pub(crate) domains: Vec<String>,
    /// Counts every change.
    pub(crate) sequence: u64,
    /// Delta links from before are of no use.
    pub(crate) forgotten: u64,
    pub(crate) lag: usize,
    pub(crate) page: usize,
    /// Whether a list has its first object once more at its end.
    pub(crate) repeats: bool,
    pub(crate) binds: Binds,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            users: Objects::default(),
            groups: Objects::default(),
            members: HashMap::new(),
            regrouped: HashMap::new(),
            tells_members: true,
            managers: HashMap::new(),
            moved: HashMap::new(),
            gone: Vec::new(),
            domains: vec!["contoso.com".into(), "contoso.onmicrosoft.com".into()],
            sequence: 0,
            forgotten: 0,
            lag: 0,
            page: 999,
            repeats: false,
            binds: Binds::Taken,
        }
    }
}

impl Directory {
    pub(crate) fn objects(&self, kind: &str) -> &Objects {
        if kind == "users" { &self.users } else { &self.groups }
    }

    pub(crate) fn objects_mut(&mut self, kind: &str) -> &mut Objects {
        if kind == "users" { &mut self.users } else { &mut self.groups }
    }

    /// Of which kind the id is.
    fn kind_of(&self, id: &str) -> Option<&'static str> {
        ["users", "groups"].into_iter().find(|kind| self.objects(kind).numbers.contains_key(id))
    }

    /// Whether somebody or something has this id, and the request that asks may know it.
    pub(crate) fn knows(&mut self, id: &str) -> bool {
        let Some(kind) = self.kind_of(id) else { return false };
        self.sees(kind, id)
    }

    /// Whether it is there for the request that asks: each one brings a new object nearer.
    pub(crate) fn sees(&mut self, kind: &str, id: &str) -> bool {
        let now = self.sequence + 1;
        let objects = self.objects_mut(kind);
        let Some(number) = objects.number(id) else { return false };
        let entry = objects.entries.get_mut(&number).unwrap();
        let seen = entry.hidden == 0;
        entry.hidden = entry.hidden.saturating_sub(1);
        if !seen && entry.hidden == 0 {
            // Whoever listed changes in between gets to know it now.
            entry.changed = now;
            self.sequence = now;
        }
        seen
    }

    /// Names a user's manager, or nobody; who it was.
    pub(crate) fn set_manager(&mut self, user: &str, manager: Option<String>) -> Option<String> {
        let before = match manager {
            Some(manager) => self.managers.insert(user.to_owned(), manager),
            None => self.managers.remove(user),
        };
        self.touch(user);
        self.moved.insert(user.to_owned(), (self.sequence, before.clone()));
        before
    }

    pub(crate) fn put(&mut self, kind: &str, mut value: Map<String, Value>) -> String {
        self.sequence += 1;
        let number = self.sequence;
        let id = format!("{number:08x}-aaaa-4bbb-8ccc-{number:012x}");
        value.insert("id".into(), json!(id));
        let entry = Entry { value, changed: number, hidden: 0 };
        let objects = self.objects_mut(kind);
        objects.numbers.insert(id.clone(), number);
        if let Some(name) = Objects::name_of(&entry) {
            objects.names.insert(name, number);
        }
        objects.entries.insert(number, entry);
        id
    }

    pub(crate) fn change(&mut self, id: &str, changes: &Map<String, Value>) {
        self.sequence += 1;
        let sequence = self.sequence;
        let kind = self.kind_of(id).unwrap_or_else(|| panic!("there is no {id}"));
        let objects = self.objects_mut(kind);
        let number = objects.numbers[id];
        let entry = objects.entries.get_mut(&number).unwrap();
        let before = Objects::name_of(entry);
        merge(&mut entry.value, changes);
        entry.changed = sequence;
        let after = Objects::name_of(entry);
        if before != after {
            objects.names.remove(&before.unwrap_or_default());
            objects.names.insert(after.unwrap_or_default(), number);
        }
    }

    /// The members of a group, which are about to change.
    pub(crate) fn members_mut(&mut self, group: &str) -> &mut BTreeSet<String> {
        self.sequence += 1;
        self.regrouped.insert(group.to_owned(), self.sequence);
        self.members.entry(group.to_owned()).or_default()
    }

    /// Marks an object whose references changed.
    pub(crate) fn touch(&mut self, id: &str) {
        self.change(id, &Map::new());
    }

    pub(crate) fn delete(&mut self, id: &str) -> bool {
        let Some(kind) = self.kind_of(id) else { return false };
        self.sequence += 1;
        let objects = self.objects_mut(kind);
        let number = objects.numbers.remove(id).unwrap();
        let entry = objects.entries.remove(&number).unwrap();
        objects.names.remove(&Objects::name_of(&entry).unwrap_or_default());
        self.gone.push((self.sequence, kind, id.to_owned()));
        self.members.remove(id);
        self.managers.remove(id);
        let reports = self.managers.iter().filter(|(_, manager)| *manager == id);
        let reports: Vec<String> = reports.map(|(user, _)| user.clone()).collect();
        for user in reports {
            self.set_manager(&user, None);
        }
        let groups: Vec<String> =
            self.members.iter().filter(|(_, members)| members.contains(id)).map(|(group, _)| group.clone()).collect();
        for group in groups {
            self.members_mut(&group).remove(id);
        }
        true
    }
}

/// A PATCH: objects are merged, everything else is replaced, null clears.
fn merge(value: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, new) in changes {
        match (value.get_mut(name), new) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, Value::Null) => {
                value.remove(name);
            }
            _ => {
                value.insert(name.clone(), new.clone());
            }
        }
    }
}
