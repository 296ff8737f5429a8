//! Members of groups as the store keeps them, several in a row: what becomes of them, of their order and of pages that are read
//! while they come and go, is compared with lists.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor as Bytes;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use provisor::store::{Change, Cursor, Expected, Keys, Member, Operation, Options, Store, Unknown, compact};
use sha2::{Digest, Sha256};

use crate::store::{Place, change_with, commit, create, sound, wait};

const GROUPS: [&str; 2] = ["g0", "00000000-0000-4000-8000-00000000000a"];

/// UUIDs, short ids, and long ones of which few fit into a row.
fn id(number: u8) -> String {
    match number % 4 {
        0 | 1 => format!("00000000-0000-7000-8000-0000000000{number:02x}"),
        2 => format!("m{number}"),
        _ => format!("{number:03}{}", "i".repeat(usize::from(number % 9) * 30)),
    }
}

/// What it is as a resource.
fn kind(number: u8) -> &'static str {
    if number.is_multiple_of(5) { "Device" } else { "User" }
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize, Vec<u8>),
    Remove(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    /// A user is created, or deleted when there is one.
    User(u8),
    /// A group is deleted and created again.
    Anew(usize),
}

fn steps() -> impl Strategy<Value = Step> {
    let group = || 0..GROUPS.len();
    // A run of neighbours, as clients send them, or anybody.
    let some = || {
        prop_oneof![
            (0_u8..200, 0_u8..100).prop_map(|(from, count)| (from..from.saturating_add(count)).collect()),
            proptest::collection::vec(0_u8..200, 0..9),
        ]
    };
    prop_oneof![
        5 => (group(), some()).prop_map(|(group, ids)| Step::Add(group, ids)),
        4 => (group(), some()).prop_map(|(group, ids)| Step::Remove(group, ids)),
        1 => (group(), some()).prop_map(|(group, ids)| Step::Replace(group, ids)),
        4 => (0_u8..200).prop_map(Step::User),
        1 => group().prop_map(Step::Anew),
    ]
}

/// Members in the order in which they came, and users.
#[derive(Clone, Default)]
struct Model {
    groups: [Vec<u8>; GROUPS.len()],
    users: BTreeSet<u8>,
    /// Who left since the page that is being read began.
    left: [BTreeSet<u8>; GROUPS.len()],
}

impl Model {
    fn run(&mut self, step: &Step) -> Vec<Operation> {
        let ids = |numbers: &[u8]| numbers.iter().map(|number| id(*number)).collect::<Vec<_>>();
        let members = |group: usize, change| vec![change_with(GROUPS[group], change, Unknown::Keep)];
        let delete = |id: String| Operation::Delete { id, expected: Expected::Any, at: 3 };
        match step {
            Step::Add(group, numbers) => {
                self.add(*group, numbers);
                members(*group, Change::Add(ids(numbers)))
            }
            Step::Remove(group, numbers) => {
                self.remove(*group, |number| numbers.contains(&number));
                members(*group, Change::Remove(ids(numbers)))
            }
            Step::Replace(group, numbers) => {
                self.remove(*group, |number| !numbers.contains(&number));
                self.add(*group, numbers);
                members(*group, Change::Replace(ids(numbers)))
            }
            Step::User(number) if self.users.remove(number) => {
                for group in 0..GROUPS.len() {
                    self.remove(group, |gone| gone == *number);
                }
                vec![delete(id(*number))]
            }
            Step::User(number) => {
                self.users.insert(*number);
                vec![create(kind(*number), &id(*number), 1, b"{}", Keys::default())]
            }
            Step::Anew(group) => {
                self.remove(*group, |_| true);
                let id = GROUPS[*group];
                vec![delete(id.to_owned()), create("Group", id, 1, b"{}", Keys::default())]
            }
        }
    }

    fn add(&mut self, group: usize, numbers: &[u8]) {
        for number in numbers {
            if !self.groups[group].contains(number) {
                self.groups[group].push(*number);
            }
        }
    }

    fn remove(&mut self, group: usize, goes: impl Fn(u8) -> bool) {
        self.left[group].extend(self.groups[group].iter().filter(|number| goes(**number)));
        self.groups[group].retain(|number| !goes(*number));
    }

    fn member(&self, number: u8) -> Member {
        Member { id: id(number), kind: self.users.contains(&number).then(|| kind(number).to_owned()) }
    }

    fn compare(&self, store: &dyn Store, in_order: bool) {
        let all: Vec<String> = (0..200).map(id).collect();
        for (group, members) in GROUPS.iter().zip(&self.groups) {
            assert_eq!(wait(store.get("s", group)).unwrap().unwrap().members, members.len() as u64);
            let mut found = wait(store.members("s", group, None, 1_000)).unwrap().items;
            let mut wanted: Vec<Member> = members.iter().map(|number| self.member(*number)).collect();
            if !in_order {
                found.sort_by(|one, other| one.id.cmp(&other.id));
                wanted.sort_by(|one, other| one.id.cmp(&other.id));
            }
            assert_eq!(found, wanted);
            let are = wait(store.are_members("s", group, &all)).unwrap();
            for (number, is) in (0..200).zip(are) {
                assert_eq!(is, members.contains(&number), "{number} in {group}");
                assert_eq!(wait(store.is_member("s", group, &id(number))).unwrap(), is);
            }
        }
        for number in 0..200 {
            let groups = wait(store.groups("s", &id(number), None, 9)).unwrap().items;
            let wanted = GROUPS.iter().zip(&self.groups).filter(|(_, members)| members.contains(&number));
            assert_eq!(BTreeSet::from_iter(groups), wanted.map(|(group, _)| (*group).to_owned()).collect());
        }
        sound(store);
    }
}

/// All pages of a group, read one at a time while members come and go.
struct Walk {
    group: usize,
    limit: usize,
    /// Who was there when it began.
    there: Vec<u8>,
    seen: Vec<String>,
    after: Option<Cursor>,
}

impl Walk {
    fn begin(model: &mut Model, group: usize, limit: usize) -> Self {
        model.left[group].clear();
        Self { group, limit, there: model.groups[group].clone(), seen: Vec::new(), after: None }
    }

    /// Reads a page; false when it was the last one.
    fn step(&mut self, store: &dyn Store, model: &Model) -> bool {
        let page = wait(store.members("s", GROUPS[self.group], self.after.take(), self.limit)).unwrap();
        assert!(page.items.len() <= self.limit);
        self.seen.extend(page.items.into_iter().map(|member| member.id));
        self.after = page.next;
        if self.after.is_some() {
            return true;
        }
        let mut times: BTreeMap<&String, usize> = BTreeMap::new();
        for id in &self.seen {
            *times.entry(id).or_default() += 1;
        }
        for number in self.there.iter().filter(|number| !model.left[self.group].contains(*number)) {
            assert_eq!(times.get(&id(*number)), Some(&1), "{number} stayed");
        }
        false
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn members_do_what_a_list_does_and_pages_are_exact(
        rounds in proptest::collection::vec(
            proptest::collection::vec((proptest::collection::vec(steps(), 1..4), 0..3_usize), 1..12), 1..4),
        limits in proptest::collection::vec(1_usize..70, 8),
    ) {
        let (place, other) = (Place::new(), Place::new());
        let mut model = Model::default();
        let groups = || GROUPS.into_iter().map(|id| create("Group", id, 1, b"{}", Keys::default()));
        commit(&place.open(), groups()).unwrap();
        let mut limits = limits.into_iter().cycle();
        let mut walk = Walk::begin(&mut model, 0, 5);
        for (at, round) in rounds.into_iter().enumerate() {
            let store = place.open();
            for (steps, pages) in round {
                let operations: Vec<_> = steps.iter().flat_map(|step| model.run(step)).collect();
                commit(&store, operations).unwrap();
                for _ in 0..pages {
                    if !walk.step(&store, &model) {
                        let group = (walk.group + 1) % GROUPS.len();
                        walk = Walk::begin(&mut model, group, limits.next().unwrap());
                    }
                }
            }
            model.compare(&store, true);
            drop(store);
            if at == 1 {
                compact(&place.0, Options::default()).unwrap();
            }
            model.compare(&place.open(), true);
        }
        while walk.step(&place.open(), &model) {}
        let mut file = Vec::new();
        place.open().dump(&mut file).unwrap();
        let copy = other.open();
        copy.restore(&mut Bytes::new(&file)).unwrap();
        model.compare(&copy, false);
        // What is restored goes on.
        for step in [Step::Add(0, (0..99).collect()), Step::Remove(0, (30..60).collect()), Step::User(7)] {
            commit(&copy, model.run(&step)).unwrap();
        }
        model.compare(&copy, false);
    }
}

#[test]
fn writers_of_one_batch_fill_the_same_rows() {
    let place = Place::new();
    let store = place.open();
    commit(&store, [create("Group", "g", 1, b"{}", Keys::default())]).unwrap();
    // Sent together, so that they stand in the same batches: each comes behind the one before, and every third leaves again.
    let answers: Vec<_> = (0..200_u8)
        .flat_map(|number| {
            let add = change_with("g", Change::Add(vec![id(number)]), Unknown::Keep);
            let remove = change_with("g", Change::Remove(vec![id(number)]), Unknown::Keep);
            std::iter::once(add).chain((number % 3 == 0).then_some(remove))
        })
        .map(|operation| store.commit(crate::store::of([operation])))
        .collect();
    // One that is not stored leaves nothing behind, neither a member nor a row.
    let many = Change::Add((0..90).map(|at| format!("nobody{at}")).collect());
    let missing = Operation::Require { id: "nobody".to_owned(), expected: Expected::Any };
    let failed = store.commit(crate::store::of([change_with("g", many, Unknown::Keep), missing]));
    let last = store.commit(crate::store::of([change_with("g", Change::Add(vec!["last".into()]), Unknown::Keep)]));
    for answer in answers {
        wait(answer).unwrap();
    }
    assert!(wait(failed).is_err());
    wait(last).unwrap();
    let found: Vec<String> =
        wait(store.members("s", "g", None, 999)).unwrap().items.into_iter().map(|m| m.id).collect();
    let wanted: Vec<String> = (0..200).filter(|number| number % 3 != 0).map(id).chain(["last".to_owned()]).collect();
    assert_eq!(found, wanted);
    sound(&store);
}

#[test]
fn pages_are_complete_while_members_come_and_go() {
    let place = Place::new();
    let store = place.open();
    let stay: BTreeSet<String> = (0..300).map(|at| format!("stays{at}")).collect();
    commit(&store, [create("Group", "g", 1, b"{}", Keys::default())]).unwrap();
    // Between them those who go.
    for (at, id) in stay.iter().enumerate() {
        let ids = vec![format!("goes{at}"), id.clone()];
        commit(&store, [change_with("g", Change::Add(ids), Unknown::Keep)]).unwrap();
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in (0..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                let gone = Change::Remove(vec![format!("goes{}", at * 7 % 300), format!("new{}", at - at.min(3))]);
                let new = Change::Add(vec![format!("new{at}"), format!("goes{}", at * 11 % 300)]);
                let both = [gone, new].map(|change| change_with("g", change, Unknown::Keep));
                commit(&store, both).unwrap();
            }
        });
        for limit in [1, 7, 31, 32, 33, 64, 5, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = wait(store.members("s", "g", after, limit)).unwrap();
                found.extend(page.items.into_iter().map(|member| member.id).filter(|id| stay.contains(id)));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found.len(), stay.len(), "pages of {limit}");
            assert_eq!(BTreeSet::from_iter(found), stay, "pages of {limit}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    sound(&store);
}

#[test]
fn any_cursor_ends_somewhere() {
    let place = Place::new();
    let store = place.open();
    let ids = (0..70).map(id).collect();
    commit(&store, [create("Group", "g", 1, b"{}", Keys::default())]).unwrap();
    commit(&store, [change_with("g", Change::Add(ids), Unknown::Keep)]).unwrap();
    let uuid = [1; 17];
    for bytes in [&b""[..], b"x", &[0; 8], &[0; 9], &[0xFF; 9], &[0xFF; 40], &uuid, b"\x02member\0\x01"] {
        let mut after = Some(Cursor::from_bytes(bytes));
        let mut count = 0;
        while after.is_some() {
            let page = wait(store.members("s", "g", after, 9)).unwrap();
            count += page.items.len();
            after = page.next;
        }
        assert!(count <= 70, "{bytes:?}");
    }
}

#[test]
fn a_backup_tells_of_members_who_become_known_meanwhile() {
    let (from, to) = (Place::new(), Place::new());
    let store = from.open();
    let ids: Vec<String> = (0..3_000).map(|at| format!("{at:05}")).collect();
    commit(&store, [create("Group", "g", 1, b"{}", Keys::default())]).unwrap();
    commit(&store, [change_with("g", Change::Add(ids.clone()), Unknown::Keep)]).unwrap();
    let stop = AtomicBool::new(false);
    let mut file = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // From both ends, so that some are behind the walk and some before it.
            for (first, last) in ids.iter().zip(ids.iter().rev()).take(1_400) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                commit(&store, [first, last].map(|id| create("User", id, 1, b"{}", Keys::default()))).unwrap();
                let gone = Operation::Delete { id: last.clone(), expected: Expected::Any, at: 2 };
                commit(&store, [gone]).unwrap();
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        store.dump(&mut file).unwrap();
        stop.store(true, Ordering::Relaxed);
    });
    let copy = to.open();
    // A restore looks whether all agrees.
    copy.restore(&mut Bytes::new(&file)).unwrap();
    let known = wait(copy.count("s", "User")).unwrap();
    let members = wait(copy.members("s", "g", None, 10_000)).unwrap().items;
    assert_eq!(members.iter().filter(|member| member.kind.is_some()).count() as u64, known);
    assert_eq!(wait(copy.get("s", "g")).unwrap().unwrap().members, members.len() as u64);
}

/// A backup with these lines.
fn backup(lines: &[String]) -> Vec<u8> {
    let mut text = "{\"provisor\":\"backup\",\"schema\":1}\n".to_owned();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{text}{{\"end\":{},\"sha256\":\"{digest}\"}}\n", lines.len()).into_bytes()
}

#[test]
fn a_backup_has_the_lines_that_it_had_and_older_ones_restore() {
    let place = Place::new();
    let store = place.open();
    let users =
        (0..80).filter(|number| number % 2 == 0).map(|number| create("User", &id(number), 1, b"{}", Keys::default()));
    commit(&store, users.chain(GROUPS.map(|id| create("Group", id, 1, b"{}", Keys::default())))).unwrap();
    for group in GROUPS {
        commit(&store, [change_with(group, Change::Add((0..80).map(id).collect()), Unknown::Keep)]).unwrap();
    }
    let mut file = Vec::new();
    store.dump(&mut file).unwrap();
    let text = String::from_utf8(file).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.pop();
    lines.remove(0);
    let line = |group: &str, number: u8, kind: &str| {
        let member = id(number);
        format!("{{\"member\":{{\"source\":\"s\",\"group\":\"{group}\",\"member\":\"{member}\",\"kind\":\"{kind}\"}}}}")
    };
    let mut wanted = BTreeSet::new();
    for group in GROUPS {
        wanted.extend((0..80).map(|number| line(group, number, if number % 2 == 0 { "User" } else { "" })));
    }
    let (mut members, others): (Vec<String>, Vec<String>) =
        lines.into_iter().partition(|line| line.starts_with("{\"member\""));
    assert_eq!(members.iter().cloned().collect::<BTreeSet<_>>(), wanted);

    // Group by group, as it was; and what changed while it was written comes again.
    members.sort();
    let gone = format!("{{\"no_member\":{{\"source\":\"s\",\"group\":\"g0\",\"member\":\"{}\"}}}}", "passing");
    let passing = line("g0", 4, "").replace(&id(4), "passing");
    let before = [line("g0", 2, ""), passing, gone];
    let older: Vec<String> = before.into_iter().chain(members.clone()).chain(others.clone()).collect();
    let copy = Place::new();
    let restored = copy.open();
    restored.restore(&mut Bytes::new(&backup(&older))).unwrap();
    sound(&restored);
    for group in GROUPS {
        let sorted = |store: &dyn Store| {
            let mut members = wait(store.members("s", group, None, 999)).unwrap().items;
            members.sort_by(|one, other| one.id.cmp(&other.id));
            members
        };
        assert_eq!(sorted(&restored), sorted(&store));
    }
    // One that does not agree with itself is still refused.
    let wrong: Vec<String> = [members, others, vec![line("g0", 3, "User")]].concat();
    let copy = Place::new();
    let refused = copy.open().restore(&mut Bytes::new(&backup(&wrong))).unwrap_err().to_string();
    assert!(refused.contains("does not agree with itself"), "{refused}");
}
