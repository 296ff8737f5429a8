//! What is kept of resources as answers have them is shown only while it is so: a service that was asked before each write answers
//! after it as one that has nothing kept.

use std::sync::Arc;

use proptest::prelude::*;
use provisor::clock::{Clock as _, SetClock};
use provisor::directory::{Actor, Call, Directory, Source, SourceRecord, Write};
use provisor::scim::list::Query;
use provisor::store::{Options, SledStore, Store};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::support::Scratch;

/// How many users there may be, and how many groups.
const USERS: usize = 5;
const GROUPS: usize = 3;

/// Something that changes what answers show.
#[derive(Debug, Clone)]
enum Step {
    /// A user is made, or deleted when it is there.
    User(usize),
    /// A user gets another title.
    Title(usize, u8),
    /// A user gets another name, so that it is found by that one.
    Name(usize, u8),
    /// A group is made with an id of a member that may come later, or deleted.
    Group(usize, usize),
    /// A group gets another name, which its members show.
    Rename(usize, u8),
    /// A user comes into a group, or leaves it.
    Join(usize, usize),
    Leave(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..USERS).prop_map(Step::User),
        2 => (0..USERS, any::<u8>()).prop_map(|(user, to)| Step::Title(user, to)),
        1 => (0..USERS, 0_u8..3).prop_map(|(user, to)| Step::Name(user, to)),
        1 => (0..GROUPS, 0..USERS).prop_map(|(group, user)| Step::Group(group, user)),
        2 => (0..GROUPS, any::<u8>()).prop_map(|(group, to)| Step::Rename(group, to)),
        4 => (0..GROUPS, 0..USERS).prop_map(|(group, user)| Step::Join(group, user)),
        2 => (0..GROUPS, 0..USERS).prop_map(|(group, user)| Step::Leave(group, user)),
    ]
}

struct World {
    store: Arc<dyn Store>,
    clock: Arc<SetClock>,
    /// The service that keeps.
    directory: Directory,
    source: Source,
    actor: Actor,
    runtime: Runtime,
    users: [Option<String>; USERS],
    groups: [Option<String>; GROUPS],
    name: String,
    place: Scratch,
}

impl World {
    fn new() -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("shelf-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let place = Scratch::new(&name);
        let store: Arc<dyn Store> = Arc::new(SledStore::open(place.path("data").as_ref(), Options::default()).unwrap());
        let clock = Arc::new(SetClock::at(1_000_000));
        let directory = Directory::new(Arc::clone(&store), clock.clone());
        let source = SourceRecord::new("s", 0).ready().unwrap();
        Self {
            store,
            clock,
            directory,
            source,
            actor: Actor::default(),
            runtime: Builder::new_current_thread().build().unwrap(),
            users: Default::default(),
            groups: Default::default(),
            name,
            place,
        }
    }

    fn call<'w>(&'w self, base: &'w str) -> Call<'w> {
        Call { base, ..Call::inside(&self.source, &self.actor) }
    }

    /// Carries a write out; the id of what was made. One that is refused changes nothing, which is as good.
    fn write(&self, kind: &str, write: Write<'_>) -> Option<String> {
        let kind = self.source.named(kind).unwrap();
        self.runtime.block_on(self.directory.write(&self.call("http://s"), kind, write)).ok()?.id
    }

    fn patch(&self, kind: &str, id: Option<&String>, operation: &Value) {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
        if let Some(id) = id {
            self.write(kind, Write::Patch(id, &body));
        }
    }

    fn take(&mut self, step: &Step) {
        self.clock.set(self.clock.now() + 1);
        let user_of = |user: usize| self.users[user].clone().unwrap_or_else(|| format!("nobody-{user}"));
        match *step {
            Step::User(user) => match self.users[user].take() {
                Some(id) => drop(self.write("User", Write::Delete(&id))),
                None => {
                    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                        "userName": format!("user{user}"), "title": "new"});
                    self.users[user] = self.write("User", Write::Create(&body));
                }
            },
            Step::Title(user, to) => {
                self.patch(
                    "User",
                    self.users[user].as_ref(),
                    &json!({"op": "replace", "path": "title", "value": to.to_string()}),
                );
            }
            Step::Name(user, to) => {
                let value = format!("user{user}{}", ["", "a", "b"][usize::from(to)]);
                self.patch(
                    "User",
                    self.users[user].as_ref(),
                    &json!({"op": "replace", "path": "userName", "value": value}),
                );
            }
            Step::Group(group, user) => match self.groups[group].take() {
                Some(id) => drop(self.write("Group", Write::Delete(&id))),
                None => {
                    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                        "displayName": format!("group{group}"), "members": [{"value": user_of(user)}]});
                    self.groups[group] = self.write("Group", Write::Create(&body));
                }
            },
            Step::Rename(group, to) => {
                let operation = json!({"op": "replace", "path": "displayName", "value": format!("group {to}")});
                self.patch("Group", self.groups[group].as_ref(), &operation);
            }
            Step::Join(group, user) => {
                let operation = json!({"op": "add", "path": "members", "value": [{"value": user_of(user)}]});
                self.patch("Group", self.groups[group].as_ref(), &operation);
            }
            Step::Leave(group, user) => {
                let operation = json!({"op": "remove", "path": "members", "value": [{"value": user_of(user)}]});
                self.patch("Group", self.groups[group].as_ref(), &operation);
            }
        }
    }

    /// Closes the store, and opens it with no rows in memory.
    fn open_again(&mut self) {
        let other = Scratch::new(&format!("{}-other", self.name));
        let empty: Arc<dyn Store> = Arc::new(SledStore::open(other.path("data").as_ref(), Options::default()).unwrap());
        // Whoever has the old one lets go of it, so that it is closed.
        (self.directory, self.store) = (Directory::new(Arc::clone(&empty), self.clock.clone()), empty);
        let options = Options { rows: 0, ..Options::default() };
        self.store = Arc::new(SledStore::open(self.place.path("data").as_ref(), options).unwrap());
        self.directory = Directory::new(Arc::clone(&self.store), self.clock.clone());
    }

    /// All that there is to ask.
    fn answers(&self, directory: &Directory) -> Vec<String> {
        let mut told = Vec::new();
        for base in ["http://s", "https://t"] {
            let call = self.call(base);
            for (kind, ids) in [("User", self.users.as_slice()), ("Group", self.groups.as_slice())] {
                let kind = self.source.named(kind).unwrap();
                for id in ids.iter().flatten() {
                    told.push(match self.runtime.block_on(directory.get(&call, kind, id)) {
                        Ok(answer) => format!("{answer:?}"),
                        Err(error) => format!("{error:?}"),
                    });
                }
                let mut queries =
                    vec![Query::default(), Query { start_index: Some(2), count: Some(2), ..Query::default() }];
                for name in ["user0", "user1a", "user2b"] {
                    let filter =
                        format!("{} eq \"{name}\"", if kind.name() == "User" { "userName" } else { "displayName" });
                    queries.push(Query { filter: Some(filter), ..Query::default() });
                }
                for id in self.users.iter().chain(&self.groups).flatten() {
                    queries.push(Query { filter: Some(format!("id eq \"{id}\"")), ..Query::default() });
                }
                for (start_index, count) in [(Some(2), None), (None, Some(0)), (Some(12), Some(1))] {
                    let filter = queries.get(2).and_then(|query| query.filter.clone());
                    queries.push(Query { filter, start_index, count, ..Query::default() });
                }
                for query in queries {
                    let text = |query: &Query| {
                        let answer = self.runtime.block_on(directory.list(&call, kind, query)).unwrap();
                        String::from_utf8(answer.body.unwrap().whole().unwrap().to_vec()).unwrap()
                    };
                    // Names of no attributes are none, and an answer without waiting is not looked for then.
                    let slowly = Query { attributes: Some(String::new()), ..query.clone() };
                    told.push(text(&query));
                    assert_eq!(told.last(), Some(&text(&slowly)), "{query:?}");
                }
            }
        }
        told
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_kept_is_shown_as_long_as_it_is_so(steps in proptest::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            let anew = Directory::new(Arc::clone(&world.store), world.clock.clone());
            prop_assert_eq!(world.answers(&world.directory), world.answers(&anew), "{:?}", step);
        }
        // The database has what memory had.
        let answers = world.answers(&world.directory);
        world.open_again();
        prop_assert_eq!(answers, world.answers(&world.directory));
    }
}
