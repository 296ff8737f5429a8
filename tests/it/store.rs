//! The store: what it promises about transactions, about concurrent writers, and about a process that is killed. The child
//! that is killed is this test binary, started again with `PROVISOR_STORE_CHILD` set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Cursor as Bytes, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use provisor::store::{
    Answer, Applied, Change, Committed, Expected, Keys, LogEntry, LogQuery, MODIFIED, Operation, Options, Scan,
    SledStore, Span, Start, Store, StoreError, Stored, Table, Transaction, Unknown, When, compact, time_key,
};
use tokio::runtime::{Builder, Runtime};

/// A directory that is gone after the test.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn open(&self) -> SledStore {
        SledStore::open(&self.0, Options::default()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

pub(crate) fn wait<T>(answer: Answer<'_, T>) -> Result<T, StoreError> {
    thread_local!(static RUNTIME: Runtime = Builder::new_current_thread().build().unwrap());
    RUNTIME.with(|runtime| runtime.block_on(answer))
}

pub(crate) fn create(kind: &str, id: &str, at: u64, body: &[u8], keys: Keys) -> Operation {
    Operation::Create { kind: kind.into(), id: id.into(), at, body: body.into(), profile: None, keys }
}

fn user(id: &str, name: &str) -> Operation {
    create("User", id, 1, b"{}", Keys::default().unique("userName", name))
}

/// The key of its first unique index.
fn name_of(stored: &Stored) -> Vec<u8> {
    stored.keys.of_unique().next().unwrap().1.to_vec()
}

fn group(id: &str) -> Operation {
    create("Group", id, 1, b"{}", Keys::default())
}

fn change(id: &str, change: Change) -> Operation {
    change_with(id, change, Unknown::Refuse)
}

pub(crate) fn change_with(id: &str, change: Change, unknown: Unknown) -> Operation {
    Operation::Members { id: id.into(), expected: Expected::Any, at: 2, change, unknown }
}

fn add(id: &str, members: &[&str]) -> Operation {
    change(id, Change::Add(members.iter().map(|member| (*member).to_owned()).collect()))
}

pub(crate) fn of(operations: impl IntoIterator<Item = Operation>) -> Transaction {
    Transaction { source: "s".into(), operations: operations.into_iter().collect() }
}

pub(crate) fn commit(
    store: &dyn Store,
    operations: impl IntoIterator<Item = Operation>,
) -> Result<Committed, StoreError> {
    wait(store.commit(of(operations)))
}

pub(crate) fn sound(store: &dyn Store) {
    let told = store.verify().unwrap();
    assert_eq!(told.findings, Vec::<String>::new());
}

fn all_members(store: &dyn Store, group: &str) -> BTreeSet<String> {
    let (mut members, mut after) = (BTreeSet::new(), None);
    loop {
        let page = wait(store.members("s", group, after, 7)).unwrap();
        members.extend(page.items.into_iter().map(|member| member.id));
        after = page.next;
        if after.is_none() {
            return members;
        }
    }
}

fn ids(store: &dyn Store, kind: &str, page: usize) -> Vec<String> {
    let (mut found, mut from) = (Vec::new(), Start::Offset(0));
    loop {
        let listed = wait(store.list("s", kind, from, page)).unwrap();
        found.extend(listed.items.into_iter().map(|stored| stored.id));
        match listed.next {
            Some(next) => from = Start::After(next),
            None => return found,
        }
    }
}

fn scan(store: &dyn Store, index: &str, unique: bool, span: &Span) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let scan = Scan { index: index.into(), unique, span: span.clone(), after, limit: 3 };
        let page = wait(store.scan("s", "User", &scan)).unwrap();
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

#[test]
fn a_transaction_is_stored_whole_or_not_at_all() {
    let place = Place::new();
    let store = place.open();
    commit(&store, [user("u1", "ada"), Operation::Outbox(b"1".to_vec())]).unwrap();
    let failed = commit(&store, [user("u2", "bob"), Operation::Outbox(b"2".to_vec()), user("u3", "ada")]);
    let duplicate = StoreError::Duplicate { index: "userName".into(), key: b"ada".to_vec(), holder: "u1".into() };
    assert_eq!(failed, Err(duplicate));
    assert_eq!(wait(store.get("s", "u2")).unwrap(), None);
    assert_eq!(wait(store.outbox(0, 10)).unwrap().len(), 1);
    // What failed took no number, and its names are free.
    let done = commit(&store, [user("u3", "bob"), Operation::Outbox(b"2".to_vec())]).unwrap();
    assert_eq!(done.applied, [Applied::Created { number: 1, is_member: false }, Applied::Number(1)]);
    assert_eq!(commit(&store, [user("u1", "cy")]), Err(StoreError::Exists { id: "u1".into() }));
    assert_eq!(commit(&store, [add("g", &["u1"])]), Err(StoreError::NotFound { id: "g".into() }));
    let missing = commit(&store, [group("g"), add("g", &["u1", "nobody"])]);
    assert_eq!(missing, Err(StoreError::MemberNotFound { id: "nobody".into() }));
    sound(&store);
}

#[test]
fn versions_members_and_memberships_follow_each_change() {
    let place = Place::new();
    let store = place.open();
    commit(&store, [user("u1", "ada"), user("u2", "bob"), group("g"), add("g", &["u1", "u2", "u1"])]).unwrap();
    let stored = wait(store.get("s", "g")).unwrap().unwrap();
    assert_eq!((stored.version, stored.members, stored.modified), (2, 2, 2));
    let again = commit(&store, [add("g", &["u1"])]).unwrap();
    assert_eq!(again.applied, [Applied::Members { version: 2, added: vec![], removed: vec![], total: 2 }]);
    let old = Operation::Delete { id: "g".into(), expected: Expected::Version(1), at: 3 };
    assert_eq!(commit(&store, [old]), Err(StoreError::VersionMismatch { id: "g".into(), found: 2 }));
    commit(&store, [Operation::Delete { id: "u1".into(), expected: Expected::Version(1), at: 9 }]).unwrap();
    let stored = wait(store.get("s", "g")).unwrap().unwrap();
    assert_eq!((stored.version, stored.members, stored.modified), (3, 1, 9));
    assert_eq!(wait(store.groups("s", "u2", None, 9)).unwrap().items, ["g"]);
    assert!(!wait(store.is_member("s", "g", "u1")).unwrap());
    commit(&store, [change("g", Change::Replace(vec![]))]).unwrap();
    assert_eq!(wait(store.groups("s", "u2", None, 9)).unwrap().items, Vec::<String>::new());
    // The name is free again; another source never saw it taken.
    commit(&store, [user("u3", "ada")]).unwrap();
    wait(store.commit(Transaction { source: "t".into(), operations: vec![user("u3", "ada")] })).unwrap();
    assert_eq!(wait(store.find("t", "User", "userName", b"ada")).unwrap(), Some("u3".into()));
    sound(&store);
}

#[test]
fn members_that_are_no_resources_are_kept_and_become_known() {
    let (place, other) = (Place::new(), Place::new());
    let store = place.open();
    let keep = |to: Change| change_with("g", to, Unknown::Keep);
    let kinds = |store: &dyn Store| -> Vec<(String, Option<String>)> {
        let page = wait(store.members("s", "g", None, 99)).unwrap();
        page.items.into_iter().map(|member| (member.id, member.kind)).collect()
    };
    let known = |id: &str| (id.to_owned(), Some("User".to_owned()));
    let unknown = |id: &str| (id.to_owned(), None);
    let three = ["u1", "u2", "u3"].map(str::to_owned).to_vec();
    commit(&store, [group("g"), user("u1", "ada"), keep(Change::Add(three.clone()))]).unwrap();
    assert_eq!(kinds(&store), [known("u1"), unknown("u2"), unknown("u3")]);
    assert_eq!(wait(store.get("s", "g")).unwrap().unwrap().members, 3);
    assert_eq!(wait(store.groups("s", "u2", None, 9)).unwrap().items, ["g"]);
    assert!(wait(store.is_member("s", "g", "u3")).unwrap());
    sound(&store);
    // Asked again without keeping, those who are members stay, and nobody joins.
    commit(&store, [change("g", Change::Replace(three))]).unwrap();
    assert!(commit(&store, [add("g", &["u4"])]).is_err());
    commit(&store, [user("u2", "bob")]).unwrap();
    assert_eq!(kinds(&store), [known("u1"), known("u2"), unknown("u3")]);
    let mut file = Vec::new();
    store.dump(&mut file).unwrap();
    let copy = other.open();
    copy.restore(&mut Bytes::new(&file)).unwrap();
    assert_eq!(contents(&copy), contents(&store));
    sound(&copy);
    drop((store, copy));
    compact(&place.0, Options::default()).unwrap();
    let store = place.open();
    assert_eq!(kinds(&store), [known("u1"), known("u2"), unknown("u3")]);
    commit(&store, [Operation::Delete { id: "u2".into(), expected: Expected::Any, at: 3 }]).unwrap();
    commit(&store, [change("g", Change::Remove(vec!["u3".into()]))]).unwrap();
    assert_eq!(kinds(&store), [known("u1")]);
    commit(&store, [keep(Change::Add(vec!["u9".into()]))]).unwrap();
    commit(&store, [Operation::Delete { id: "g".into(), expected: Expected::Any, at: 3 }]).unwrap();
    assert_eq!(wait(store.groups("s", "u9", None, 9)).unwrap().items, Vec::<String>::new());
    sound(&store);
}

#[test]
fn indexes_answer_exact_prefix_and_range_questions() {
    let place = Place::new();
    let store = place.open();
    for (at, name) in ["a", "ab", "a\0", "b", "ba", ""].iter().enumerate() {
        let keys = Keys::default().unique("userName", *name).plain("title", *name);
        commit(&store, [create("User", &format!("u{at}"), at as u64 * 1000, b"{}", keys)]).unwrap();
    }
    for (index, unique) in [("userName", true), ("title", false)] {
        let found = |span: Span| scan(&store, index, unique, &span);
        assert_eq!(found(Span::Exact(b"a".to_vec())), ["u0"]);
        assert_eq!(found(Span::Prefix(b"a".to_vec())), ["u0", "u2", "u1"]);
        assert_eq!(found(Span::Prefix(vec![])), ["u5", "u0", "u2", "u1", "u3", "u4"]);
        let included = |key: &[u8]| std::ops::Bound::Included(key.to_vec());
        let excluded = |key: &[u8]| std::ops::Bound::Excluded(key.to_vec());
        assert_eq!(found(Span::Between(included(b"a"), excluded(b"b"))), ["u0", "u2", "u1"]);
        assert_eq!(found(Span::Between(excluded(b"a"), included(b"b"))), ["u2", "u1", "u3"]);
        assert_eq!(found(Span::Between(excluded(b"b"), included(b"a"))), Vec::<String>::new());
    }
    let since = Span::Between(std::ops::Bound::Excluded(time_key(3000)), std::ops::Bound::Unbounded);
    assert_eq!(scan(&store, MODIFIED, false, &since), ["u4", "u5"]);
    // Keys too long to be stored whole are still told apart.
    let long = |last: u8| [vec![b'x'; 5_000], vec![last]].concat();
    for (id, last) in [("l1", 1), ("l2", 2)] {
        let keys = Keys::default().unique("userName", long(last)).plain("title", long(last));
        commit(&store, [create("User", id, 1, b"{}", keys)]).unwrap();
    }
    assert_eq!(wait(store.find("s", "User", "userName", &long(2))).unwrap(), Some("l2".into()));
    assert_eq!(scan(&store, "title", false, &Span::Exact(long(1))), ["l1"]);
    sound(&store);
}

#[test]
fn lists_keep_the_order_of_creation_whatever_is_deleted() {
    let place = Place::new();
    let store = place.open();
    let mut expected: Vec<String> = (0..300).map(|at| format!("{:03}", (at * 7) % 300)).collect();
    let delete = |id: &str| {
        commit(&store, [Operation::Delete { id: id.to_owned(), expected: Expected::Any, at: 2 }]).unwrap();
    };
    // Where pages begin is told by counts that are held from the first question on: so they are asked between writes.
    let compare = |expected: &[String]| {
        for offset in [0, 1, 63, 64, 100, 199, 200, 290, 5_000] {
            let page = wait(store.list("s", "User", Start::Offset(offset), 5)).unwrap();
            let found: Vec<String> = page.items.into_iter().map(|stored| stored.id).collect();
            let rest = expected.iter().skip(usize::try_from(offset).unwrap());
            assert_eq!(found, rest.take(5).cloned().collect::<Vec<_>>(), "at {offset}");
            let order = wait(store.order("s", "User", Start::Offset(offset), 5)).unwrap();
            assert_eq!(order.items.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), found, "at {offset}");
        }
    };
    commit(&store, expected.iter().map(|id| user(id, id))).unwrap();
    compare(&expected);
    for at in (0..300).step_by(3) {
        let id = format!("{at:03}");
        expected.retain(|kept| *kept != id);
        delete(&id);
        if at % 60 == 0 {
            compare(&expected);
        }
    }
    compare(&expected);
    assert_eq!(ids(&store, "User", 11), expected);
    assert_eq!(wait(store.count("s", "User")).unwrap(), 200);
    // UUIDs stand otherwise in the rows, beside other ids.
    for at in 0..150 {
        let id = format!("0190d6c0-0000-7000-8000-{at:012x}");
        commit(&store, [user(&id, &id)]).unwrap();
        expected.push(id);
    }
    compare(&expected);
    // A row in which nobody is left goes.
    for id in expected.drain(40..140) {
        delete(&id);
    }
    compare(&expected);
    assert_eq!(ids(&store, "User", 11), expected);
    sound(&store);
}

#[test]
fn values_of_any_size_come_back_and_leave_nothing_behind() {
    let place = Place::new();
    let store = place.open();
    let body = |size: usize| (0..size).map(|at| (at % 251) as u8).collect::<Vec<u8>>();
    for size in [3_900, 4_000, 4_001, 8_000, 1_000_000, 10] {
        let operation = if wait(store.get("s", "u")).unwrap().is_some() {
            let (id, expected, at, keys) = ("u".into(), Expected::Any, 2, Keys::default());
            Operation::Replace { id, expected, at, body: body(size), profile: Some(body(size / 2)), keys }
        } else {
            create("User", "u", 1, &body(size), Keys::default())
        };
        let key = b"big".to_vec();
        let record = Operation::Put { table: Table::Mappings, key, value: body(size), when: When::Always };
        commit(&store, [operation, record, Operation::Outbox(body(size))]).unwrap();
        assert_eq!(wait(store.get("s", "u")).unwrap().unwrap().body, body(size));
        assert_eq!(wait(store.record(Table::Mappings, b"big")).unwrap(), Some(body(size)));
        sound(&store);
    }
    assert_eq!(wait(store.outbox(4, 1)).unwrap()[0].body, body(1_000_000));
    commit(&store, [Operation::TrimOutbox(99), Operation::Delete { id: "u".into(), expected: Expected::Any, at: 3 }])
        .unwrap();
    sound(&store);
    let huge = commit(&store, [create("User", "h", 1, &vec![0; 17 << 20], Keys::default())]);
    assert!(matches!(huge, Err(StoreError::TooLarge { .. })));
    let long = commit(&store, [user(&"i".repeat(256), "long")]);
    assert!(matches!(long, Err(StoreError::TooLarge { .. })));
}

#[test]
fn records_are_put_under_conditions_and_listed_by_prefix() {
    let place = Place::new();
    let store = place.open();
    let put = |key: &str, value: &str, when: When| {
        let operation = Operation::Put { table: Table::Tokens, key: key.into(), value: value.into(), when };
        commit(&store, [operation])
    };
    put("a/1", "x", When::Absent).unwrap();
    assert_eq!(put("a/1", "y", When::Absent), Err(StoreError::Changed { key: b"a/1".to_vec() }));
    put("a/1", "y", When::Equals(b"x".to_vec())).unwrap();
    assert!(put("a/1", "z", When::Equals(b"x".to_vec())).is_err());
    put("a/2", "z", When::Always).unwrap();
    put("b/1", "z", When::Always).unwrap();
    let page = wait(store.records(Table::Tokens, b"a/", None, 1)).unwrap();
    assert_eq!((page.items[0].key.as_slice(), page.items[0].value.as_slice()), (&b"a/1"[..], &b"y"[..]));
    let page = wait(store.records(Table::Tokens, b"a/", page.next, 5)).unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
    assert_eq!(wait(store.records(Table::Links, b"", None, 5)).unwrap().items, []);
}

#[test]
fn the_log_is_questioned_and_forgets_by_age_and_size() {
    let place = Place::new();
    let store = place.open();
    for at in 0..100_u64 {
        let resource = Some(format!("u{}", at % 3));
        let entry = LogEntry { at, resource, failed: at % 10 == 0, body: vec![b'x'; 200] };
        commit(&store, [Operation::Log(entry)]).unwrap();
    }
    let numbers = |query: LogQuery| {
        let (mut found, mut query) = (Vec::new(), query);
        loop {
            let page = wait(store.log(&query)).unwrap();
            found.extend(page.items.into_iter().map(|line| line.number));
            query.after = page.next;
            if query.after.is_none() {
                return found;
            }
        }
    };
    let all = LogQuery { limit: 7, ..LogQuery::default() };
    assert_eq!(numbers(all.clone()), (0..100).collect::<Vec<_>>());
    assert_eq!(numbers(LogQuery { newest_first: true, ..all.clone() }), (0..100).rev().collect::<Vec<_>>());
    let failed = LogQuery { failed: Some(true), since: Some(15), until: Some(50), ..all.clone() };
    assert_eq!(numbers(failed), [20, 30, 40]);
    assert_eq!(numbers(LogQuery { resource: Some("u1".into()), until: Some(9), ..all.clone() }), [1, 4, 7]);
    assert_eq!(numbers(LogQuery { source: Some("other".into()), ..all.clone() }), Vec::<u64>::new());
    assert_eq!(wait(store.prune_log(Some(40), None)).unwrap(), 40);
    assert_eq!(wait(store.prune_log(Some(40), Some(4_200))).unwrap(), 40);
    assert_eq!(numbers(all), (80..100).collect::<Vec<_>>());
    sound(&store);
}

#[test]
fn a_race_for_a_name_has_one_winner() {
    let place = Place::new();
    let store = Arc::new(place.open());
    for round in 0..20 {
        let winners: Vec<bool> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..16)
                .map(|racer| {
                    let store = &store;
                    scope.spawn(move || {
                        match commit(&**store, [user(&format!("{round}-{racer}"), &format!("name{round}"))]) {
                            Ok(_) => true,
                            Err(StoreError::Duplicate { .. }) => false,
                            Err(other) => panic!("{other}"),
                        }
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(winners.iter().filter(|won| **won).count(), 1);
    }
    assert_eq!(wait(store.count("s", "User")).unwrap(), 20);
    sound(&*store);
}

#[test]
fn sixteen_writers_on_one_group_lose_no_member() {
    let place = Place::new();
    let store = place.open();
    let users: Vec<String> = (0..16 * 20).map(|at| format!("u{at}")).collect();
    commit(&store, users.iter().map(|id| user(id, id)).chain([group("g")])).unwrap();
    std::thread::scope(|scope| {
        for mine in users.chunks(20) {
            let store = &store;
            scope.spawn(move || {
                for (at, id) in mine.iter().enumerate() {
                    commit(store, [add("g", &[id])]).unwrap();
                    if at % 4 == 0 {
                        commit(store, [change("g", Change::Remove(vec![id.clone()]))]).unwrap();
                    }
                }
            });
        }
    });
    let expected: BTreeSet<String> =
        users.iter().enumerate().filter(|(at, _)| at % 20 % 4 != 0).map(|(_, id)| id.clone()).collect();
    assert_eq!(all_members(&store, "g"), expected);
    let stored = wait(store.get("s", "g")).unwrap().unwrap();
    assert_eq!((stored.members, stored.version), (240, 1 + 16 * 25));
    // Those who waited together shared a sync.
    let stats = store.stats().unwrap();
    assert!(stats.transactions > stats.batches, "{stats:?}");
    sound(&store);
}

#[test]
fn what_takes_long_and_what_does_not_is_stored_side_by_side() {
    const WRITERS: usize = 8;
    let place = Place::new();
    let store = place.open();
    let mine = |writer: usize, count: usize| -> Vec<String> { (0..count).map(|at| format!("{writer}-{at}")).collect() };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                let (mut users, team) = (mine(writer, 60), format!("g{writer}"));
                for id in &users {
                    commit(store, [user(id, id)]).unwrap();
                }
                commit(store, [group(&team)]).unwrap();
                for round in 0..6 {
                    let few: Vec<&str> = users.iter().take(40).map(String::as_str).collect();
                    commit(store, [add(&team, &few)]).unwrap();
                    commit(store, [change(&team, Change::Replace(users.clone()))]).unwrap();
                    let id = users.swap_remove(round * 7);
                    commit(store, [Operation::Delete { id, expected: Expected::Any, at: 3 }]).unwrap();
                    commit(store, [Operation::Outbox(vec![0; 100 << (round * 2)])]).unwrap();
                    if writer == 0 {
                        store.verify().unwrap();
                        wait(store.prune_log(None, Some(0))).unwrap();
                        commit(store, [Operation::TrimOutbox(round as u64)]).unwrap();
                    }
                }
                assert_eq!(all_members(store, &team), users.into_iter().collect());
            });
        }
    });
    assert_eq!(wait(store.count("s", "User")).unwrap(), WRITERS as u64 * 54);
    sound(&store);
    drop(store);
    sound(&place.open());
}

#[test]
fn nobody_is_forgotten_who_comes_as_the_committer_goes_to_sleep() {
    let place = Place::new();
    let store = Arc::new(place.open());
    // Each round begins when all have their answers: nobody comes who would find what was left.
    let round = Arc::new(std::sync::Barrier::new(3));
    let (done, all) = std::sync::mpsc::channel();
    for mine in 0..3_u32 {
        let (store, round, done) = (Arc::clone(&store), Arc::clone(&round), done.clone());
        std::thread::spawn(move || {
            // They write nothing, so that the committer never waits for the disk.
            let refused = || Operation::Require { id: "nobody".into(), expected: Expected::Any };
            for at in 0..40_000_u32 {
                round.wait();
                (0..(at * (mine + 1)).wrapping_mul(7_919) % 1_024).for_each(|_| std::hint::spin_loop());
                assert!(matches!(commit(&*store, [refused()]), Err(StoreError::NotFound { .. })));
            }
            drop(store);
            done.send(mine).unwrap();
        });
    }
    for _ in 0..3 {
        // Some seconds, and more where little is left of a processor.
        all.recv_timeout(Duration::from_mins(5)).expect("somebody was forgotten, or was answered wrongly");
    }
}

/// Tells a thread to stop, also when the test fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn pages_are_complete_while_others_insert() {
    let place = Place::new();
    let store = place.open();
    let before: Vec<String> = (0..400).map(|at| format!("{:04}", at * 10)).collect();
    let named = |id: &str| create("User", id, 1, b"{}", Keys::default().unique("userName", id).plain("team", "t"));
    commit(&store, before.iter().map(|id| named(id))).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        scope.spawn(|| {
            for at in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                commit(&store, [named(&format!("{:04}x{at}", at * 37 % 4000))]).unwrap();
            }
        });
        let holds = |found: Vec<String>| {
            let unique: BTreeSet<&String> = found.iter().collect();
            assert_eq!(unique.len(), found.len());
            assert!(before.iter().all(|id| unique.contains(id)));
        };
        for _ in 0..10 {
            holds(scan(&store, "team", false, &Span::Exact(b"t".to_vec())));
            holds(scan(&store, "userName", true, &Span::Prefix(vec![])));
            holds(ids(&store, "User", 13));
        }
    });
    sound(&store);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_it_is_opened_again() {
    let place = Place::new();
    let store = place.open();
    commit(&store, [user("u1", "ada")]).unwrap();
    store.fail_next_sync();
    assert!(matches!(commit(&store, [user("u2", "bob")]), Err(StoreError::Io(_))));
    assert!(matches!(commit(&store, [user("u3", "cy")]), Err(StoreError::Stopped(_))));
    assert!(wait(store.get("s", "u1")).unwrap().is_some());
    drop(store);
    let store = place.open();
    commit(&store, [user("u3", "cy")]).unwrap();
    sound(&store);
}

#[test]
fn a_directory_is_open_once_and_says_by_whom() {
    let place = Place::new();
    let store = place.open();
    let second = SledStore::open(&place.0, Options::default()).err();
    assert_eq!(second, Some(StoreError::Locked(format!("process {}", std::process::id()))));
    drop(store);
    // An unfinished snapshot of the database would stop it from opening.
    fs::write(place.0.join("sled/snap.FFFFFFFFFFFFFFFF.generating"), b"half").unwrap();
    sound(&place.open());
}

#[test]
fn damage_is_told_and_does_not_panic() {
    let place = Place::new();
    let store = place.open();
    for at in 0..500 {
        commit(&store, [user(&format!("u{at}"), &format!("n{at}"))]).unwrap();
    }
    drop(store);
    let file = place.0.join("sled/db");
    let whole = fs::read(&file).unwrap();
    for round in 0..8 {
        let mut damaged = whole.clone();
        let at = whole.len() / 9 * (round + 1);
        for byte in damaged.iter_mut().skip(at).take(64) {
            *byte = !*byte;
        }
        fs::write(&file, &damaged).unwrap();
        match SledStore::open(&place.0, Options::default()) {
            Err(StoreError::Corrupt { what, .. }) => assert!(what.contains("does not open"), "{what}"),
            Err(other) => panic!("{other:?}"),
            Ok(store) => drop(store.verify()),
        }
        for entry in fs::read_dir(place.0.join("sled")).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// What a store holds, for comparing two.
fn contents(store: &dyn Store) -> Vec<String> {
    let mut told = Vec::new();
    for kind in ["User", "Group"] {
        for id in ids(store, kind, 50) {
            told.push(format!("{:?}", wait(store.get("s", &id)).unwrap()));
            told.push(format!("{:?} {:?}", all_members(store, &id), wait(store.groups("s", &id, None, 99)).unwrap()));
        }
    }
    for table in Table::ALL {
        told.push(format!("{:?}", wait(store.records(table, b"", None, 1000)).unwrap()));
    }
    told.push(format!("{:?}", wait(store.outbox(0, 10_000)).unwrap()));
    told.push(format!("{:?}", wait(store.log(&LogQuery { limit: 10_000, ..LogQuery::default() })).unwrap()));
    told
}

#[test]
fn a_backup_restores_into_an_empty_store_only() {
    let (from, to) = (Place::new(), Place::new());
    let store = from.open();
    for at in 0..200_u64 {
        let keys = Keys::default().unique("userName", vec![0xFF, at as u8]).plain("team", (at % 3).to_string());
        let entry = LogEntry { at, resource: None, failed: false, body: vec![0xFE, at as u8] };
        let record =
            Operation::Put { table: Table::Links, key: vec![at as u8, 0xFF], value: vec![0; 50], when: When::Always };
        let user = create("User", &format!("u{at}"), at, &vec![b'b'; 100 * at as usize], keys);
        commit(&store, [user, Operation::Log(entry), record, Operation::Outbox(at.to_string().into())]).unwrap();
    }
    commit(&store, [group("g"), add("g", &["u1", "u2"]), Operation::TrimOutbox(20)]).unwrap();
    commit(&store, [Operation::Delete { id: "u199".into(), expected: Expected::Any, at: 5 }]).unwrap();
    let mut file = Vec::new();
    let dumped = store.dump(&mut file).unwrap();

    let copy = to.open();
    let mut wrong = file.clone();
    let at = wrong.len() / 2;
    wrong[at] ^= 1;
    assert!(matches!(copy.restore(&mut Bytes::new(&wrong)), Err(StoreError::Dump { .. })));
    assert_eq!(copy.restore(&mut Bytes::new(&file)).unwrap(), dumped);
    assert_eq!(contents(&copy), contents(&store));
    sound(&copy);
    assert_eq!(copy.restore(&mut Bytes::new(&file)), Err(StoreError::NotEmpty));
    // Numbers go on where they were.
    for store in [&store, &copy] {
        let done = commit(store, [user("new", "new"), Operation::Outbox(vec![])]).unwrap();
        assert_eq!(done.applied, [Applied::Created { number: 200, is_member: false }, Applied::Number(200)]);
    }
}

#[test]
fn a_backup_beside_writers_is_the_store_of_one_moment() {
    let (from, to) = (Place::new(), Place::new());
    let store = from.open();
    commit(&store, (0..800).map(|at| user(&format!("u{at}"), &format!("n{at}"))).chain([group("g")])).unwrap();
    let stop = AtomicBool::new(false);
    let mut file = Vec::new();
    std::thread::scope(|scope| {
        for writer in 0..4_usize {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                // Each transaction swaps two names and puts one user in and out of the group; a torn copy has both or none.
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let (a, b) = (writer * 200 + round * 7 % 100, writer * 200 + 100 + round * 11 % 100);
                    let rename = |id: usize, name: String| Operation::Replace {
                        id: format!("u{id}"),
                        expected: Expected::Any,
                        at: 2,
                        body: b"{}".to_vec(),
                        profile: None,
                        keys: Keys::default().unique("userName", name),
                    };
                    let name = |id: usize| {
                        let stored = wait(store.get("s", &format!("u{id}"))).unwrap().unwrap();
                        String::from_utf8(name_of(&stored)).unwrap()
                    };
                    let (first, second) = (name(a), name(b));
                    let steps = [rename(a, format!("between{writer}")), rename(b, first), rename(a, second)];
                    let members = [add("g", &[&format!("u{a}")]), change("g", Change::Remove(vec![format!("u{b}")]))];
                    let entry = LogEntry { at: 1, resource: None, failed: false, body: vec![] };
                    let tail = [Operation::Outbox(vec![]), Operation::Log(entry)];
                    commit(store, steps.into_iter().chain(members).chain(tail)).unwrap();
                }
            });
        }
        std::thread::sleep(Duration::from_millis(100));
        store.dump(&mut file).unwrap();
        stop.store(true, Ordering::Relaxed);
    });
    let copy = to.open();
    copy.restore(&mut Bytes::new(&file)).unwrap();
    sound(&copy);
    let names: BTreeSet<Vec<u8>> =
        ids(&copy, "User", 100).iter().map(|id| name_of(&wait(copy.get("s", id)).unwrap().unwrap())).collect();
    assert_eq!(names, (0..800).map(|at| format!("n{at}").into_bytes()).collect());
}

#[test]
fn who_is_in_a_group_is_told_however_often_it_was_asked() {
    let place = Place::new();
    let groups = |store: &SledStore, id: &str| wait(store.groups("s", id, None, 9)).unwrap().items;
    // More questions than are answered before memberships are held in memory.
    let ask = |store: &SledStore| {
        for _ in 0..200 {
            assert_eq!(groups(store, "u1"), ["g"]);
            assert_eq!(groups(store, "u0"), Vec::<String>::new());
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let store = place.open();
    commit(&store, [user("u0", "n0"), user("u1", "n1"), user("u2", "n2"), group("g")]).unwrap();
    let known = Change::Add(vec!["u1".into(), "stray".into()]);
    commit(&store, [change_with("g", known, Unknown::Keep)]).unwrap();
    ask(&store);
    commit(&store, [add("g", &["u2"])]).unwrap();
    assert_eq!(groups(&store, "u2"), ["g"]);
    drop(store);
    let store = place.open();
    ask(&store);
    for id in ["u2", "stray"] {
        assert_eq!(groups(&store, id), ["g"]);
    }
    commit(&store, [change("g", Change::Remove(vec!["u1".into()]))]).unwrap();
    assert_eq!(groups(&store, "u1"), Vec::<String>::new());
    let mut file = Vec::new();
    store.dump(&mut file).unwrap();
    let other = Place::new();
    let copy = other.open();
    for _ in 0..200 {
        assert_eq!(groups(&copy, "u2"), Vec::<String>::new());
    }
    copy.restore(&mut Bytes::new(&file)).unwrap();
    assert_eq!(groups(&copy, "u2"), ["g"]);
}

#[test]
fn what_tells_of_a_change_is_stored_with_one_only() {
    let place = Place::new();
    let store = place.open();
    commit(&store, [user("u", "ada"), group("g")]).unwrap();
    let telling = |change: Operation| [change, Operation::OnlyIfChanged, Operation::Outbox(b"told".to_vec())];
    let told = |change: Operation| {
        let applied = commit(&store, telling(change)).unwrap().applied;
        (applied.len(), wait(store.outbox(0, 10)).unwrap().len())
    };
    assert_eq!(told(add("g", &["u"])), (3, 1));
    assert_eq!(told(add("g", &["u"])), (1, 1));
    assert_eq!(told(change("g", Change::Remove(vec!["nobody".into()]))), (1, 1));
    assert_eq!(told(Operation::Require { id: "u".into(), expected: Expected::Any }), (1, 1));
    assert_eq!(told(change("g", Change::Remove(vec!["u".into()]))), (3, 2));
    assert_eq!(wait(store.get("s", "g")).unwrap().unwrap().version, 3);
    sound(&store);
}

/// A commit of thousands of rows is acknowledged long before the database has them; each kind of question finds them all the same,
/// and what a second commit takes away is gone at once.
#[test]
fn what_is_acknowledged_is_read_while_the_database_is_being_given_it() {
    const MANY: usize = 2_000;
    let place = Place::new();
    let store = place.open();
    let id = |number: usize| format!("u{number:05}");
    let log =
        |at: u64, size: usize| Operation::Log(LogEntry { at, resource: None, failed: false, body: vec![b'x'; size] });
    commit(&store, [user("u", "before"), group("g"), add("g", &["u"]), log(1, 10)]).unwrap();
    let everybody: Vec<String> = (0..MANY).map(id).collect();
    let record = |number: usize| number.to_be_bytes().to_vec();
    let mut operations: Vec<Operation> = everybody.iter().map(|id| user(id, id)).collect();
    operations.push(change("g", Change::Add(everybody.clone())));
    operations.extend((0..MANY).map(|number| Operation::Put {
        table: Table::Runs,
        key: record(number),
        value: vec![number as u8; 9_000 * usize::from(number % 100 == 0)],
        when: When::Absent,
    }));
    operations.extend([log(2, 5_000), Operation::Outbox(b"told".to_vec())]);
    commit(&store, operations).unwrap();
    let questions = |there: &[String]| {
        // What is stored last is asked for first.
        let newest = LogQuery { newest_first: true, limit: 1, ..LogQuery::default() };
        let newest = wait(store.log(&newest)).unwrap().items.remove(0);
        let last = there.last().unwrap();
        let outbox = wait(store.outbox(0, 10)).unwrap().len();
        assert_eq!(wait(store.find("s", "User", "userName", last.as_bytes())).unwrap().as_ref(), Some(last));
        assert!(wait(store.is_member("s", "g", last)).unwrap());
        assert_eq!(wait(store.groups("s", last, None, 9)).unwrap().items, ["g"]);
        assert_eq!(
            wait(store.get("s", last)).unwrap().map(|stored| name_of(&stored)).as_deref(),
            Some(last.as_bytes())
        );
        assert_eq!(wait(store.count("s", "User")).unwrap(), there.len() as u64);
        let all = all_members(&store, "g");
        assert!(all.iter().eq(there), "{} members", all.len());
        assert_eq!(scan(&store, MODIFIED, false, &Span::Exact(time_key(1))), there);
        (newest.entry.at, outbox)
    };
    let all: Vec<String> = std::iter::once("u".to_owned()).chain(everybody.clone()).collect();
    assert_eq!(questions(&all), (2, 1));
    assert_eq!(wait(store.record(Table::Runs, &record(1_900))).unwrap(), Some(vec![1_900_u64 as u8; 9_000]));

    let (gone, left): (Vec<String>, Vec<String>) = everybody.into_iter().partition(|id| id.ends_with('7'));
    let mut operations: Vec<Operation> =
        gone.iter().map(|id| Operation::Delete { id: id.clone(), expected: Expected::Any, at: 3 }).collect();
    operations.extend([log(3, 10), Operation::Erase { table: Table::Runs, key: record(1_900), when: When::Always }]);
    commit(&store, operations).unwrap();
    let left: Vec<String> = std::iter::once("u".to_owned()).chain(left).collect();
    assert_eq!(questions(&left), (3, 1));
    assert_eq!(ids(&store, "User", 100), left);
    assert_eq!(wait(store.record(Table::Runs, &record(1_900))).unwrap(), None);
    assert_eq!(wait(store.records(Table::Runs, &[], None, 9_999)).unwrap().items.len(), MANY - 1);
    sound(&store);
}

#[test]
fn compaction_gives_space_back_and_keeps_everything() {
    let place = Place::new();
    let store = place.open();
    commit(&store, [user("u", "ada")]).unwrap();
    for round in 0..300_u64 {
        let put = |at: u64| Operation::Put {
            table: Table::Runs,
            key: (at + round * 5).to_be_bytes().to_vec(),
            value: vec![round as u8; 3_000],
            when: When::Always,
        };
        let erase = |at: u64| Operation::Erase {
            table: Table::Runs,
            key: (at + round * 5).to_be_bytes().to_vec(),
            when: When::Always,
        };
        commit(&store, (0..5).map(put)).unwrap();
        commit(&store, (0..5).map(erase)).unwrap();
    }
    let before = contents(&store);
    drop(store);
    let (old, new) = compact(&place.0, Options::default()).unwrap();
    assert!(new < old, "{old} to {new}");
    let store = place.open();
    assert_eq!(contents(&store), before);
    sound(&store);
    drop(store);
    // Stopped between its two renames.
    fs::rename(place.0.join("sled"), place.0.join("sled.old")).unwrap();
    fs::create_dir(place.0.join("sled.new")).unwrap();
    assert_eq!(contents(&place.open()), before);
}

/// The same operations on a map.
#[derive(Clone, Default)]
struct Model {
    /// Id to version, name, title and members.
    resources: BTreeMap<String, (u64, String, String, BTreeSet<String>)>,
    order: Vec<String>,
    outbox: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Step {
    Create(u8, u8, u8),
    Replace(u8, u8, u8, Option<u64>),
    Delete(u8),
    Add(u8, Vec<u8>, bool),
    Remove(u8, Vec<u8>),
    Members(u8, Vec<u8>, bool),
    Outbox(u8),
}

impl Model {
    /// Whether each of them is a resource, or is a member already.
    fn may_be_members(&self, group: u8, members: &[u8]) -> bool {
        let group = self.resources.get(&format!("r{group}"));
        members
            .iter()
            .map(|member| format!("r{member}"))
            .all(|member| self.resources.contains_key(&member) || group.is_some_and(|group| group.3.contains(&member)))
    }

    fn run(&mut self, step: &Step) -> bool {
        let name = |id: u8| format!("r{id}");
        let taken = |model: &Self, id: &str, wanted: &str| {
            model.resources.iter().any(|(other, (_, name, ..))| other != id && name == wanted)
        };
        match step {
            Step::Create(id, unique, title) => {
                let (id, unique) = (name(*id), unique.to_string());
                if self.resources.contains_key(&id) || taken(self, &id, &unique) {
                    return false;
                }
                self.order.push(id.clone());
                self.resources.insert(id, (1, unique, title.to_string(), BTreeSet::new()));
            }
            Step::Replace(id, unique, title, version) => {
                let (id, unique) = (name(*id), unique.to_string());
                if taken(self, &id, &unique) {
                    return false;
                }
                let Some(found) = self.resources.get_mut(&id) else { return false };
                if version.is_some_and(|version| version != found.0) {
                    return false;
                }
                (found.0, found.1, found.2) = (found.0 + 1, unique, title.to_string());
            }
            Step::Delete(id) => {
                let id = name(*id);
                if self.resources.remove(&id).is_none() {
                    return false;
                }
                self.order.retain(|other| *other != id);
                for group in self.resources.values_mut() {
                    if group.3.remove(&id) {
                        group.0 += 1;
                    }
                }
            }
            Step::Add(id, members, keep) => {
                let there = *keep || self.may_be_members(*id, members);
                let Some(group) = self.resources.get_mut(&name(*id)) else { return false };
                if !there {
                    return false;
                }
                let before = group.3.len();
                group.3.extend(members.iter().map(|member| name(*member)));
                group.0 += u64::from(before != group.3.len());
            }
            Step::Remove(id, members) => {
                let Some(group) = self.resources.get_mut(&name(*id)) else { return false };
                let before = group.3.len();
                group.3.retain(|member| !members.iter().any(|gone| name(*gone) == *member));
                group.0 += u64::from(before != group.3.len());
            }
            Step::Members(id, members, keep) => {
                let there = *keep || self.may_be_members(*id, members);
                let Some(group) = self.resources.get_mut(&name(*id)) else { return false };
                if !there {
                    return false;
                }
                let wanted: BTreeSet<String> = members.iter().map(|member| name(*member)).collect();
                group.0 += u64::from(wanted != group.3);
                group.3 = wanted;
            }
            Step::Outbox(number) => self.outbox.push(*number),
        }
        true
    }

    fn compare(&self, store: &dyn Store) {
        assert_eq!(ids(store, "User", 3), self.order);
        assert_eq!(wait(store.count("s", "User")).unwrap(), self.order.len() as u64);
        for (id, (version, name, title, members)) in &self.resources {
            let stored = wait(store.get("s", id)).unwrap().unwrap();
            assert_eq!((stored.version, stored.members), (*version, members.len() as u64));
            assert_eq!(wait(store.find("s", "User", "name", name.as_bytes())).unwrap().as_ref(), Some(id));
            assert!(scan(store, "title", false, &Span::Exact(title.clone().into())).contains(id));
            assert_eq!(all_members(store, id), *members);
            for member in wait(store.members("s", id, None, 99)).unwrap().items {
                assert_eq!(member.kind.is_some(), self.resources.contains_key(&member.id));
                assert!(wait(store.groups("s", &member.id, None, 99)).unwrap().items.contains(id));
            }
        }
        let bodies: Vec<u8> = wait(store.outbox(0, 999)).unwrap().iter().map(|entry| entry.body[0]).collect();
        assert_eq!(bodies, self.outbox);
    }
}

fn operation(step: &Step) -> Operation {
    let name = |id: &u8| format!("r{id}");
    let keys =
        |unique: &u8, title: &u8| Keys::default().unique("name", unique.to_string()).plain("title", title.to_string());
    let unknown = |keep: bool| if keep { Unknown::Keep } else { Unknown::Refuse };
    let body = |title: &u8| vec![*title; 600 * usize::from(*title)];
    match step {
        Step::Create(id, unique, title) => create("User", &name(id), 1, &body(title), keys(unique, title)),
        Step::Replace(id, unique, title, version) => Operation::Replace {
            id: name(id),
            expected: version.map_or(Expected::Any, Expected::Version),
            at: 2,
            body: body(title),
            profile: None,
            keys: keys(unique, title),
        },
        Step::Delete(id) => Operation::Delete { id: name(id), expected: Expected::Any, at: 3 },
        Step::Add(id, members, keep) => {
            change_with(&name(id), Change::Add(members.iter().map(name).collect()), unknown(*keep))
        }
        Step::Remove(id, members) => change(&name(id), Change::Remove(members.iter().map(name).collect())),
        Step::Members(id, members, keep) => {
            change_with(&name(id), Change::Replace(members.iter().map(name).collect()), unknown(*keep))
        }
        Step::Outbox(number) => Operation::Outbox(vec![*number]),
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let id = || 0_u8..9;
    let members = || proptest::collection::vec(0_u8..9, 0..5);
    prop_oneof![
        4 => (id(), 0_u8..9, 0_u8..9).prop_map(|(a, b, c)| Step::Create(a, b, c)),
        2 => (id(), 0_u8..9, 0_u8..9, proptest::option::of(1_u64..4)).prop_map(|(a, b, c, d)| Step::Replace(a, b, c, d)),
        1 => id().prop_map(Step::Delete),
        2 => (id(), members(), any::<bool>()).prop_map(|(a, b, c)| Step::Add(a, b, c)),
        1 => (id(), members()).prop_map(|(a, b)| Step::Remove(a, b)),
        1 => (id(), members(), any::<bool>()).prop_map(|(a, b, c)| Step::Members(a, b, c)),
        1 => any::<u8>().prop_map(Step::Outbox),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_transactions_do_what_they_do_to_a_map(
        rounds in proptest::collection::vec(proptest::collection::vec(proptest::collection::vec(steps(), 1..5), 1..12), 1..4),
    ) {
        let place = Place::new();
        let mut model = Model::default();
        for transactions in rounds {
            let store = place.open();
            // Sent together, so that they stand in the same batches and see each other's effects there.
            let answers: Vec<_> =
                transactions.iter().map(|steps| store.commit(of(steps.iter().map(operation)))).collect();
            for (steps, answer) in transactions.iter().zip(answers) {
                let mut next = model.clone();
                let holds = steps.iter().all(|step| next.run(step));
                let answer = wait(answer);
                prop_assert_eq!(answer.is_ok(), holds, "{:?} {:?}", steps, answer);
                if holds {
                    model = next;
                }
            }
            model.compare(&store);
            sound(&store);
            drop(store);
            model.compare(&place.open());
        }
    }
}

/// Writers of the child that is killed.
const WRITERS: usize = 8;
/// Kills.
const KILLS: usize = 24;

/// The child: writes until it is killed, and says what was acknowledged, a line each.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(directory) = std::env::var_os("PROVISOR_STORE_CHILD") else { return };
    let store = SledStore::open(Path::new(&directory), Options::default()).unwrap();
    let round = std::env::var("PROVISOR_STORE_ROUND").unwrap();
    drop(commit(&store, [group("g")]));
    let out = Mutex::new(std::io::stdout());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, out, round) = (&store, &out, &round);
            scope.spawn(move || {
                let mut last: Option<String> = None;
                for at in 0.. {
                    let id = format!("{round}-{writer}-{at}");
                    let keys = Keys::default().unique("userName", id.clone()).plain("writer", writer.to_string());
                    let body = vec![b'x'; if at % 9 == 0 { 9_000 } else { 300 }];
                    let mut operations = vec![
                        create("User", &id, at, &body, keys),
                        add("g", &[&id]),
                        Operation::Outbox(id.clone().into()),
                    ];
                    let entry = LogEntry { at, resource: Some(id.clone()), failed: false, body: b"{}".to_vec() };
                    operations.push(Operation::Log(entry));
                    // Every third takes its predecessor away again.
                    let gone = last.take().filter(|_| at % 3 == 2);
                    if let Some(gone) = &gone {
                        operations.push(Operation::Delete { id: gone.clone(), expected: Expected::Any, at });
                    }
                    commit(store, operations).unwrap();
                    let told = format!("{id} {}\n", gone.unwrap_or_default());
                    let mut out = out.lock().unwrap();
                    out.write_all(told.as_bytes()).unwrap();
                    out.flush().unwrap();
                    last = Some(id);
                }
            });
        }
    });
}

#[test]
fn killed_at_any_moment_it_has_every_acknowledged_write() {
    let place = Place::new();
    let (mut there, mut gone) = (BTreeSet::new(), BTreeSet::new());
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64 ^ u64::from(std::process::id());
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::child_that_writes_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env("PROVISOR_STORE_CHILD", &place.0)
            .env("PROVISOR_STORE_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let said = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            let (mut told, mut line) = (Vec::new(), String::new());
            while lines.read_line(&mut line).unwrap_or(0) > 0 {
                // The end of a line that the kill cut off was not said.
                if line.ends_with('\n') {
                    told.push(line.trim_end().to_owned());
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                line.clear();
            }
            told
        });
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Some kills fall into the opening, most into the writing.
        let started = Instant::now();
        while round % 4 != 0 && said.load(Ordering::Relaxed) < 10 && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros((seed >> 33) % 150_000));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reader.join().unwrap() {
            // The test harness puts its own words at the beginning of the first line.
            let mut words = line.rsplit("... ").next().unwrap().split(' ');
            let (Some(id), removed) = (words.next(), words.next()) else { continue };
            if id.split('-').count() != 3 || !id.starts_with(char::is_numeric) {
                continue;
            }
            there.insert(id.to_owned());
            if let Some(removed) = removed.filter(|removed| !removed.is_empty()) {
                there.remove(removed);
                gone.insert(removed.to_owned());
            }
        }

        let start = Instant::now();
        let store = place.open();
        let opened = start.elapsed();
        assert!(opened < Duration::from_secs(5), "{opened:?}");
        sound(&store);
        let outbox: BTreeSet<String> = {
            let (mut all, mut from) = (BTreeSet::new(), 0);
            loop {
                let entries = wait(store.outbox(from, 1_000)).unwrap();
                let Some(last) = entries.last() else { break all };
                from = last.number + 1;
                all.extend(entries.into_iter().map(|entry| String::from_utf8(entry.body).unwrap()));
            }
        };
        let members = all_members(&store, "g");
        let mut after = None;
        loop {
            let query = LogQuery { limit: 1_000, after, ..LogQuery::default() };
            let page = wait(store.log(&query)).unwrap();
            for line in &page.items {
                assert!(outbox.contains(line.entry.resource.as_ref().unwrap()));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for id in &there {
            // The next one may have removed it without living to say so.
            let (head, at) = id.rsplit_once('-').unwrap();
            let next = format!("{head}-{}", at.parse::<u64>().unwrap() + 1);
            let stored = wait(store.get("s", id)).unwrap();
            assert!(stored.is_some() || outbox.contains(&next), "{id} was acknowledged and is lost");
            assert_eq!(members.contains(id), stored.is_some());
            assert!(outbox.contains(id));
        }
        for id in &gone {
            assert_eq!(wait(store.get("s", id)).unwrap(), None, "{id} was removed and is back");
        }
    }
    assert!(there.len() + gone.len() > 200, "only {} were acknowledged", there.len() + gone.len());
    println!("{KILLS} kills, {} acknowledged transactions, none lost", there.len() + gone.len());
}

/// Which values the next child writes: their keys and sizes.
const VALUES: [&[(u8, usize)]; 4] = [
    &[(1, 100)],
    // Larger than a file of the journal.
    &[(2, 12 << 20)],
    &[(3, 100), (2, 50)],
    // Together more than both files.
    &[(10, 4 << 20), (11, 4 << 20), (12, 4 << 20), (13, 4 << 20), (14, 4 << 20), (15, 4 << 20), (16, 100)],
];

/// The child: writes values, says so, and waits until it is killed.
#[test]
fn child_that_writes_values_of_all_sizes() {
    let Some(directory) = std::env::var_os("PROVISOR_STORE_VALUES") else { return };
    let round: usize = std::env::var("PROVISOR_STORE_ROUND").unwrap().parse().unwrap();
    let store = SledStore::open(Path::new(&directory), Options::default()).unwrap();
    for &(key, size) in VALUES[round] {
        let put = Operation::Put { table: Table::Runs, key: vec![key], value: vec![key; size], when: When::Always };
        commit(&store, [put]).unwrap();
    }
    println!("written");
    std::thread::sleep(Duration::from_mins(10));
}

#[test]
fn killed_it_has_values_of_all_sizes() {
    let place = Place::new();
    let mut wanted = BTreeMap::new();
    for (round, values) in VALUES.into_iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::child_that_writes_values_of_all_sizes", "--nocapture", "--test-threads=1"])
            .env("PROVISOR_STORE_VALUES", &place.0)
            .env("PROVISOR_STORE_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("written")));
        child.kill().unwrap();
        child.wait().unwrap();
        wanted.extend(values.iter().copied());
        let store = place.open();
        sound(&store);
        let stored = wait(store.records(Table::Runs, b"", None, 100)).unwrap().items;
        assert!(stored.iter().all(|record| record.value.iter().all(|byte| *byte == record.key[0])));
        let sizes: BTreeMap<_, _> = stored.iter().map(|record| (record.key[0], record.value.len())).collect();
        assert_eq!(sizes, wanted, "after round {round}");
    }
}
