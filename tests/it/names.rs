//! Who has a unique key is told by memory once somebody asked for some: it answers as a model does, whatever is written, closed,
//! opened and restored meanwhile, and while a thread still reads the names of before.

use std::collections::BTreeMap;
use std::io::Cursor as Bytes;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;
use provisor::store::{Expected, Holder, Keys, Operation, SledStore, Store, StoreError, Transaction, Unknown};

use crate::store::{Place, wait};

/// More questions than a store answers before it reads all names.
const ENOUGH: usize = 70;

fn find(store: &SledStore, index: &str, key: &str) -> Option<String> {
    wait(store.find("s", "User", index, key.as_bytes())).unwrap()
}

fn create(id: String, keys: Keys) -> Operation {
    Operation::Create { kind: "User".into(), id, at: 1, body: b"{}".to_vec(), profile: None, keys }
}

fn delete(id: String) -> Operation {
    Operation::Delete { id, expected: Expected::Any, at: 2 }
}

fn commit(store: &SledStore, operations: Vec<Operation>) -> Result<(), StoreError> {
    wait(store.commit(Transaction { source: "s".into(), operations })).map(drop)
}

/// How many resources there may be, and how many keys they may have.
const RESOURCES: usize = 12;
const KEYS: usize = 8;

/// The id of a resource: most are UUIDs, as the service makes them; what is restored may have others, and some look like none.
fn id(resource: usize) -> String {
    match resource {
        0 => "00000000-0000-0000-0000-000000000000".to_owned(),
        1 => "ffffffff-ffff-ffff-ffff-ffffffffffff".to_owned(),
        2 => "0190D6C0-0000-7000-8000-00000000000A".to_owned(),
        3 => "x".repeat(255),
        4 => "nobody".to_owned(),
        other => format!("0190d6c0-0000-7000-8000-{other:012x}"),
    }
}

#[derive(Debug, Clone)]
enum Change {
    /// A resource is made with two keys, or gets them in the place of its own.
    Put(usize, usize, usize),
    Delete(usize),
}

#[derive(Debug, Clone)]
enum Step {
    /// One transaction. One that is refused changes nothing.
    Write(Vec<Change>),
    /// The same with a value that is too large for the journal.
    WriteMuch(Vec<Change>),
    /// So often is asked that all names are read.
    Ask,
    /// The store is closed and opened.
    Restart,
    /// What is in it is restored into another one, whose names were asked for.
    Restore,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0..RESOURCES, 0..KEYS, 0..KEYS).prop_map(|(resource, name, other)| Change::Put(resource, name, other)),
        2 => (0..RESOURCES).prop_map(Change::Delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => proptest::collection::vec(change(), 1..6).prop_map(Step::Write),
        1 => proptest::collection::vec(change(), 1..6).prop_map(Step::WriteMuch),
        6 => Just(Step::Ask),
        3 => Just(Step::Restart),
        1 => Just(Step::Restore),
    ]
}

/// What the store should hold: the keys of each resource.
#[derive(Debug, Clone, Default)]
struct Model(BTreeMap<usize, (usize, usize)>);

impl Model {
    /// The operations of some changes, and what is there after them; `None` when two would have one key.
    fn plan(&self, changes: &[Change]) -> (Vec<Operation>, Option<Self>) {
        let (mut operations, mut after, mut fits) = (Vec::new(), self.clone(), true);
        for change in changes {
            match *change {
                Change::Put(resource, name, other) => {
                    let keys = Keys::default().unique("userName", key(name)).unique("externalId", key(other));
                    let before = after.0.insert(resource, (name, other));
                    operations.push(match before {
                        None => create(id(resource), keys),
                        Some(_) => {
                            let (id, expected, body) = (id(resource), Expected::Any, b"{}".to_vec());
                            Operation::Replace { id, expected, at: 2, body, profile: None, keys }
                        }
                    });
                    let taken =
                        |(of, had): (&usize, &(usize, usize))| *of != resource && (had.0 == name || had.1 == other);
                    fits &= !after.0.iter().any(taken);
                }
                Change::Delete(resource) => {
                    fits &= after.0.remove(&resource).is_some();
                    operations.push(delete(id(resource)));
                }
            }
        }
        (operations, fits.then_some(after))
    }

    fn owner(&self, index: &str, wanted: usize) -> Option<String> {
        let has = |(_, had): &(&usize, &(usize, usize))| wanted == if index == "userName" { had.0 } else { had.1 };
        self.0.iter().find(has).map(|(resource, _)| id(*resource))
    }

    fn compare(&self, store: &SledStore) {
        for index in ["userName", "externalId"] {
            for wanted in 0..KEYS {
                let expected = self.owner(index, wanted);
                assert_eq!(find(store, index, &key(wanted)), expected, "{index} {wanted}");
                let known = store.find_known("s", "User", index, key(wanted).as_bytes());
                assert!([held(expected.as_deref()), Holder::Unknown].contains(&known), "{index} {wanted}");
            }
        }
    }
}

/// Some keys are longer than the store keeps them.
fn key(number: usize) -> String {
    if number == 0 { "long".repeat(300) } else { format!("key{number}") }
}

fn held(id: Option<&str>) -> Holder {
    id.map_or(Holder::Nobody, |id| Holder::Id(id.to_owned()))
}

/// Until memory answers.
fn learn(store: &SledStore) {
    for _ in 0..ENOUGH {
        find(store, "userName", "nobody has this");
    }
    for _ in 0..1_000 {
        if store.find_known("s", "User", "userName", b"nobody has this") != Holder::Unknown {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("all names are read, but memory has no answer");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn names_are_those_of_a_model(steps in proptest::collection::vec(step(), 1..40)) {
        let (mut places, mut model) = (vec![Place::new()], Model::default());
        let mut store = places[0].open();
        for step in &steps {
            match step {
                Step::Write(changes) | Step::WriteMuch(changes) => {
                    let (mut operations, after) = model.plan(changes);
                    if matches!(step, Step::WriteMuch(_)) {
                        operations.push(Operation::Outbox(vec![7; 9 << 20]));
                    }
                    let done = commit(&store, operations);
                    prop_assert_eq!(done.is_ok(), after.is_some(), "{:?}: {:?}", step, done);
                    model = after.unwrap_or(model);
                }
                Step::Ask => learn(&store),
                Step::Restart => {
                    drop(store);
                    store = places.last().unwrap().open();
                }
                Step::Restore => {
                    let mut file = Vec::new();
                    store.dump(&mut file).unwrap();
                    places.push(Place::new());
                    store = places.last().unwrap().open();
                    learn(&store);
                    store.restore(&mut Bytes::new(&file)).unwrap();
                }
            }
            model.compare(&store);
        }
        prop_assert_eq!(store.verify().unwrap().findings, Vec::<String>::new());
    }
}

#[test]
fn an_empty_store_knows_that_it_is_empty() {
    let place = Place::new();
    let store = place.open();
    assert_eq!(store.find_known("s", "User", "userName", b"ada"), Holder::Nobody);
    let uuid = "0190d6c0-0000-7000-8000-000000000001";
    commit(&store, vec![create(uuid.into(), Keys::default().unique("userName", "ada"))]).unwrap();
    assert_eq!(store.find_known("s", "User", "userName", b"ada"), held(Some(uuid)));
    assert_eq!(store.find_known("s", "Group", "userName", b"ada"), Holder::Nobody);
    // An id that is none of ours is looked up.
    commit(&store, vec![create("x".into(), Keys::default().unique("userName", "bob"))]).unwrap();
    assert_eq!(store.find_known("s", "User", "userName", b"bob"), Holder::Unknown);
    assert_eq!(find(&store, "userName", "bob"), Some("x".to_owned()));
    drop(store);
    // What is there already is read when it is worth it.
    let store = place.open();
    assert_eq!(store.find_known("s", "User", "userName", b"ada"), Holder::Unknown);
    learn(&store);
    assert_eq!(store.find_known("s", "User", "userName", b"ada"), held(Some(uuid)));
}

#[test]
fn memberships_of_a_restored_store_are_found() {
    let (from, to) = (Place::new(), Place::new());
    let ids: Vec<String> = (0..100).map(|number| format!("0190d6c0-0000-7000-8000-{number:012x}")).collect();
    let store = from.open();
    let group = Operation::Create {
        kind: "Group".into(),
        id: "g".into(),
        at: 1,
        body: b"{}".to_vec(),
        profile: None,
        keys: Keys::default(),
    };
    let change = provisor::store::Change::Add(ids.clone());
    let members =
        Operation::Members { id: "g".into(), expected: Expected::Any, at: 2, change, unknown: Unknown::Refuse };
    let users = ids.iter().map(|id| create(id.clone(), Keys::default()));
    commit(&store, users.chain([group, members]).collect()).unwrap();
    let mut file = Vec::new();
    store.dump(&mut file).unwrap();
    let copy = to.open();
    let groups = |id: &str| wait(copy.groups("s", id, None, 9)).unwrap().items;
    for id in &ids {
        assert_eq!(groups(id), Vec::<String>::new());
    }
    copy.restore(&mut Bytes::new(&file)).unwrap();
    for _ in 0..3 {
        for id in &ids {
            assert_eq!(groups(id), ["g"]);
        }
    }
}

/// How many resources have names that are written while others read them.
const CROWD: usize = 2_000;
/// How many of them change in one transaction.
const AT_ONCE: usize = 50;
/// The indexes in which each of them has its name.
const INDEXES: [&str; 4] = ["userName", "externalId", "emails.unique", "declared.badge"];

/// Who has a name after so many changes of it: it goes from one to another, is free, and is taken again.
fn owner(name: usize, changes: u64) -> Option<String> {
    let uuid = || format!("0190d6c0-{name:04x}-7000-8000-{changes:012x}");
    match changes % 3 {
        2 => None,
        _ if name.is_multiple_of(9) => Some(format!("{name}/{changes}")),
        _ => Some(uuid()),
    }
}

fn named(name: usize, id: String) -> Operation {
    let key = format!("name{name}");
    create(id, INDEXES.iter().fold(Keys::default(), |keys, index| keys.unique(index, key.as_str())))
}

/// The next change of a name.
fn next(name: usize, changes: u64) -> Vec<Operation> {
    let gone = owner(name, changes).map(delete);
    gone.into_iter().chain(owner(name, changes + 1).map(|id| named(name, id))).collect()
}

#[test]
fn while_names_are_read_and_written_each_answer_is_one_of_its_time() {
    let place = Place::new();
    // Changes that were begun, and those that were acknowledged.
    let (begun, done): (Vec<_>, Vec<_>) = (0..CROWD).map(|_| (AtomicU64::new(0), AtomicU64::new(0))).unzip();
    let is_right = |store: &SledStore, name: usize, index: &str| {
        let first = done[name].load(Ordering::SeqCst);
        let found = find(store, index, &format!("name{name}"));
        let last = begun[name].load(Ordering::SeqCst);
        let mut of_its_time = (first..=last).map(|changes| owner(name, changes));
        assert!(of_its_time.any(|owner| owner == found), "{index} {name}, {first} to {last}: {found:?}");
    };
    let store = place.open();
    let all: Vec<usize> = (0..CROWD).collect();
    for names in all.chunks(500) {
        commit(&store, names.iter().map(|name| named(*name, owner(*name, 0).unwrap())).collect()).unwrap();
    }
    drop(store);
    for round in 0..6 {
        let store = place.open();
        let (is_time, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for reader in 0..2 {
                let (store, is_time, is_over, is_right) = (&store, &is_time, &is_over, &is_right);
                scope.spawn(move || {
                    // The names of before are read in the midst of writes.
                    while !is_time.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    for step in 0.. {
                        if is_over.load(Ordering::SeqCst) {
                            break;
                        }
                        is_right(store, (step * 7_919 + reader * 13) % CROWD, INDEXES[step % 4]);
                    }
                });
            }
            let over = Over(&is_time, &is_over);
            for batch in 0..16 {
                is_time.store(batch > 0, Ordering::SeqCst);
                let apart = CROWD / AT_ONCE;
                let names: Vec<usize> = (0..AT_ONCE).map(|at| at * apart + (batch * 3 + round) % apart).collect();
                let mut operations = Vec::new();
                for name in &names {
                    operations.extend(next(*name, begun[*name].fetch_add(1, Ordering::SeqCst)));
                }
                commit(&store, operations).unwrap();
                for name in &names {
                    done[*name].fetch_add(1, Ordering::SeqCst);
                }
            }
            drop(over);
        });
        learn(&store);
        for index in INDEXES {
            (0..CROWD).for_each(|name| is_right(&store, name, index));
        }
    }
    assert_eq!(place.open().verify().unwrap().findings, Vec::<String>::new());
}

/// Has the readers end, also when a writer fails.
struct Over<'o>(&'o AtomicBool, &'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
        self.0.store(true, Ordering::SeqCst);
    }
}
