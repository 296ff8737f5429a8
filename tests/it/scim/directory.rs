//! The directory without HTTP: tolerances that only show where something is stored, and cursors under a clock that is set.

use std::sync::Arc;

use provisor::clock::SetClock;
use provisor::directory::{Actor, Answer, Call, Directory, Source, SourceRecord, Write};
use provisor::scim::ScimError;
use provisor::scim::list::{CURSOR_TIMEOUT, Query};
use provisor::scim::peer::Tolerances;
use provisor::store::{Options, SledStore};
use serde_json::{Value, json};

use crate::support::Scratch;

/// A directory of its own with one source.
struct World {
    directory: Directory,
    clock: Arc<SetClock>,
    source: Source,
    actor: Actor,
    _place: Scratch,
}

impl World {
    fn new(name: &str, tolerances: Tolerances) -> Self {
        let place = Scratch::new(name);
        let store = SledStore::open(place.path("data").as_ref(), Options::default()).unwrap();
        let clock = Arc::new(SetClock::at(1_000_000));
        let mut source = SourceRecord::new("s", 0).ready().unwrap();
        source.tolerances = tolerances;
        let directory = Directory::new(Arc::new(store), clock.clone());
        Self { directory, clock, source, actor: Actor::default(), _place: place }
    }

    fn send(&self, method: &str, path: &str, body: &Value, entra: bool) -> Result<Answer, ScimError> {
        let call = Call {
            source: &self.source,
            base: "http://s",
            actor: &self.actor,
            if_match: None,
            if_none_match: None,
            attributes: None,
            excluded: None,
            entra,
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut parts = path.split('/');
        let kind = self.source.at_endpoint(parts.next().unwrap()).unwrap();
        let id = parts.next().unwrap_or_default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            match method {
                "POST" => self.directory.write(&call, kind, Write::Create(body)).await,
                "PUT" => self.directory.write(&call, kind, Write::Replace(id, body)).await,
                "PATCH" => self.directory.write(&call, kind, Write::Patch(id, body)).await,
                "DELETE" => self.directory.write(&call, kind, Write::Delete(id)).await,
                _ if id.is_empty() => {
                    let parameters: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
                    let pairs = parameters.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
                    self.directory.list(&call, kind, &Query::from_parameters(pairs)?).await
                }
                _ => self.directory.get(&call, kind, id).await,
            }
        })
    }
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

/// The body of an answer.
fn body(answer: Result<Answer, ScimError>) -> Value {
    json(&answer.unwrap().body.unwrap().whole().unwrap())
}

/// Carries the calls of a case out. A call is a method, a path, a body, and what of the answer is shown beside its
/// status; `$1` is the id of the first resource that was created.
pub(super) fn outcome(case: &Value, t: Tolerances) -> Value {
    // The same case runs in several tests at once.
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let world = World::new(&format!("directory-{number}"), t);
    let (mut ids, mut told) = (Vec::<String>::new(), Vec::new());
    for call in case["calls"].as_array().unwrap() {
        let mut text = call.to_string();
        for (at, id) in ids.iter().enumerate() {
            text = text.replace(&format!("${}", at + 1), id);
        }
        let call: Value = serde_json::from_str(&text).unwrap();
        let (method, path) = (call[0].as_str().unwrap(), call[1].as_str().unwrap());
        told.push(match world.send(method, path, &call[2], case["entra"] == true) {
            Ok(answer) => {
                let shown = call[3].as_str().map(|pointer| {
                    let body = answer.body.clone().map_or(Value::Null, |body| json(&body.whole().unwrap()));
                    let shown = body.pointer(pointer).cloned();
                    let mut text = shown.unwrap_or_default().to_string();
                    for (at, id) in ids.iter().enumerate() {
                        text = text.replace(id, &format!("${}", at + 1));
                    }
                    serde_json::from_str::<Value>(&text).unwrap()
                });
                if answer.status == 201 {
                    ids.push(answer.id.clone().unwrap());
                }
                shown.map_or_else(|| json!(answer.status), |shown| json!([answer.status, shown]))
            }
            Err(error) => super::word(&error),
        });
    }
    json!({ "expect": told })
}

#[test]
fn a_cursor_is_sealed_and_bound_to_its_question() {
    let mut world = World::new("cursors", Tolerances::ALL);
    for number in 0..7 {
        let user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("u{number}")});
        world.send("POST", "Users", &user, false).unwrap();
    }
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "u"});
    world.send("POST", "Groups", &group, false).unwrap();
    let page = |world: &World, query: &str| world.send("GET", query, &Value::Null, false);
    let cursor = |answer: Result<Answer, ScimError>| body(answer)["nextCursor"].as_str().map(str::to_owned);
    let refusal = |answer: Result<Answer, ScimError>| answer.unwrap_err().scim_type.unwrap().as_str();
    for question in ["Users?count=3", "Users?count=3&sortBy=userName", "Users?count=3&filter=userName+sw+%22u%22"] {
        let first = cursor(page(&world, &format!("{question}&cursor="))).unwrap();
        let again = cursor(page(&world, &format!("{question}&cursor="))).unwrap();
        assert_ne!(first, again, "{question}: two cursors of one place are not the same text");
        let second = body(page(&world, &format!("{question}&cursor={first}")));
        assert_eq!((second["itemsPerPage"].as_u64(), second["totalResults"].as_u64()), (Some(3), Some(7)), "{second}");
        assert!(second.get("startIndex").is_none(), "{second}");
        let last = second["nextCursor"].as_str().unwrap();
        let third = body(page(&world, &format!("{question}&cursor={last}")));
        assert!(third.get("nextCursor").is_none() && third["itemsPerPage"] == 1, "{third}");
        // Without a count it is the one of before.
        let without = body(page(&world, &question.replace("count=3", &format!("cursor={first}"))));
        assert_eq!(without["itemsPerPage"], 3);

        assert_eq!(
            refusal(page(&world, &question.replace("count=3", &format!("count=4&cursor={first}")))),
            "invalidCount"
        );
        assert_eq!(refusal(page(&world, &format!("{question}&cursor={first}&attributes=title"))), "invalidCursor");
        assert_eq!(refusal(page(&world, &format!("{question}&cursor={first}x"))), "invalidCursor");
        for at in 0..first.len() {
            let letter = if &first[at..=at] == "A" { "B" } else { "A" };
            let wrong = format!("{}{letter}{}", &first[..at], &first[at + 1..]);
            assert_eq!(refusal(page(&world, &format!("{question}&cursor={wrong}"))), "invalidCursor", "at {at}");
        }
        let before = world.source.slug.clone();
        "t".clone_into(&mut world.source.slug);
        assert_eq!(refusal(page(&world, &format!("{question}&cursor={first}"))), "invalidCursor");
        world.source.slug = before;
        world.clock.set(1_000_000 + CURSOR_TIMEOUT * 1_000);
        assert!(page(&world, &format!("{question}&cursor={first}")).is_ok());
        world.clock.set(1_000_001 + CURSOR_TIMEOUT * 1_000);
        assert_eq!(refusal(page(&world, &format!("{question}&cursor={first}"))), "expiredCursor");
        world.clock.set(1_000_000);
    }
    let users = cursor(page(&world, "Users?count=3&cursor=")).unwrap();
    assert_eq!(refusal(page(&world, &format!("Groups?count=3&cursor={users}"))), "invalidCursor");
    let other = World::new("cursors-elsewhere", Tolerances::ALL);
    assert_eq!(refusal(page(&other, &format!("Users?count=3&cursor={users}"))), "invalidCursor");
    // Another process on the same store goes on.
    let store = Arc::clone(world.directory.store());
    world.directory = Directory::new(store, world.clock.clone());
    assert_eq!(body(page(&world, &format!("Users?count=3&cursor={users}")))["itemsPerPage"], 3);
}

/// Who follows the outbox hears of those who came, however many were sent with them that had come before.
#[test]
fn the_outbox_names_who_came_among_many_who_were_there() {
    let world = World::new("outbox-names", Tolerances::default());
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "g"});
    let id = world.send("POST", "Groups", &group, false).unwrap().id.unwrap();
    let ids: Vec<String> = (0..150).map(|number| format!("m{number:03}")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut from = 0;
    let mut told = |operation: &str, members: &[String]| {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let operation = json!({"op": operation, "path": "members", "value": members});
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
        world.send("PATCH", &format!("Groups/{id}"), &body, false).unwrap();
        let (changes, next) = runtime.block_on(world.directory.changes("s", from, 100)).unwrap();
        from = next;
        changes.into_iter().flat_map(|change| change.members).collect::<Vec<_>>()
    };
    assert_eq!(told("add", &ids[..100]), ids[..100]);
    assert_eq!(told("add", &ids), ids[100..]);
    assert_eq!(told("add", &ids), [] as [String; 0]);
    assert_eq!(told("remove", &ids[..100]), ids[..100]);
    assert_eq!(told("remove", &ids), ids[100..]);
}
