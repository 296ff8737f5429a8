//! SCIM services and files as targets: a second `provisor serve`, services that are odd, weather, and what must not leak.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provisor::target::{Difference, Kind, Object, Target, TargetError, TargetSettings, Write, open};
use serde_json::{Value, json};

use crate::server::{Data, Server};
use crate::support::Scratch;
use crate::target_web::{Answer, Odd, Web, service};

const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";

/// Waits for an answer.
fn now<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(answer)
}

fn settings(value: Value) -> TargetSettings {
    serde_json::from_value(value).unwrap()
}

fn target(url: &str) -> Box<dyn Target> {
    open(&settings(json!({"kind": "scim", "url": format!("{url}/v2"), "timeout": 5})), Path::new(".")).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "it is always made on the spot")]
fn object(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

fn user(name: &str) -> Write {
    Write::Create { kind: Kind::User, payload: object(json!({"userName": name, "title": "old"})) }
}

fn change(path: &str, old: Value, new: Value) -> Difference {
    Difference { path: path.into(), old, new }
}

fn retitle(id: &str) -> Write {
    let changes = vec![change("title", json!("old"), json!("new"))];
    Write::Update {
        kind: Kind::User,
        id: id.into(),
        changes,
        payload: object(json!({"userName": "x", "title": "new"})),
    }
}

/// The id of each write, all of which must succeed.
fn ids(target: &dyn Target, writes: Vec<Write>) -> Vec<String> {
    let results = now(target.write(writes)).unwrap();
    results.into_iter().map(|result| result.unwrap().id).collect()
}

fn one(target: &dyn Target, write: Write) -> Result<String, TargetError> {
    now(target.write(vec![write])).unwrap().remove(0).map(|done| done.id)
}

/// All names in a list, page by page; it must end.
fn listed(target: &dyn Target) -> Vec<String> {
    let (mut names, mut next) = (Vec::new(), None);
    for _ in 0..1_000 {
        let page = now(target.list(Kind::User, &[], None, next.as_deref())).unwrap();
        names.extend(page.items.iter().map(|item| item.attributes["userName"].as_str().unwrap().to_owned()));
        next = page.next;
        if next.is_none() {
            return names;
        }
    }
    panic!("the list does not end");
}

#[test]
fn a_second_server_is_provisioned() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let line = server.greeting.lines().find(|line| line.contains("SCIM endpoint:")).unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http")).unwrap().trim_end_matches('/');
    let scratch = Scratch::new("target-scim");
    scratch.write("token", "scim-token-of-the-tests\n");
    let to = settings(json!({"kind": "scim", "url": format!("{url}?aadOptscim062020"), "token": {"file": "token"}}));
    let target = open(&to, Path::new(&scratch.path("."))).unwrap();
    let abilities = now(target.open()).unwrap();
    assert!(abilities.find && abilities.list && abilities.batch == 100, "{abilities:?}");

    let many: Vec<Write> = (0..450).map(|number| user(&format!("user{number:03}@x.example"))).collect();
    let made: Vec<String> = many.chunks(abilities.batch).flat_map(|some| ids(&*target, some.to_vec())).collect();
    assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), 450);
    let names = listed(&*target);
    assert_eq!((names.len(), names.iter().collect::<BTreeSet<_>>().len()), (450, 450));
    assert!(matches!(one(&*target, user("USER007@x.example")), Err(TargetError::Exists { .. })));

    let id = &made[7];
    let found = now(target.find(Kind::User, "userName", "USER007@X.example")).unwrap();
    assert_eq!((found.len(), &found[0].id), (1, id));
    let payload = object(json!({"userName": "user007@x.example"}));
    let changes = vec![
        change("name.givenName", Value::Null, json!("Ada")),
        change(DEPARTMENT, Value::Null, json!("R&D")),
        change("emails", Value::Null, json!([{"type": "work", "value": "a\"da@x.example"}])),
        change("phoneNumbers[type eq \"work\"].value", Value::Null, json!("+41 1")),
        change("title", json!("old"), Value::Null),
    ];
    one(&*target, Write::Update { kind: Kind::User, id: id.clone(), changes, payload }).unwrap();
    let has = now(target.get(Kind::User, id)).unwrap().unwrap().attributes;
    assert_eq!(has["name"]["givenName"], "Ada");
    assert_eq!(has["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["department"], "R&D");
    assert_eq!(has["phoneNumbers"][0]["value"], "+41 1");
    assert!(!has.contains_key("title"), "{has:?}");
    for (path, value) in [("emails[type eq \"work\"].value", "A\"DA@x.example"), ("emails.value", "a\"da@x.example")] {
        assert_eq!(now(target.find(Kind::User, path, value)).unwrap().len(), 1, "{path}");
    }
    assert!(now(target.find(Kind::User, "userName", "\" or userName pr or title eq \"")).unwrap().is_empty());
    one(&*target, Write::Disable { kind: Kind::User, id: id.clone() }).unwrap();
    assert_eq!(now(target.get(Kind::User, id)).unwrap().unwrap().attributes["active"], false);
    assert!(target.folds(Kind::User, "userName") && !target.folds(Kind::User, "externalId"));

    let payload = object(json!({"displayName": "All"}));
    let group = one(&*target, Write::Create { kind: Kind::Group, payload }).unwrap();
    one(&*target, Write::Members { id: group.clone(), add: made.clone(), remove: vec![] }).unwrap();
    let remove = made[..250].to_vec();
    one(&*target, Write::Members { id: group.clone(), add: vec![], remove: remove.clone() }).unwrap();
    // Who is gone already is no error.
    one(&*target, Write::Members { id: group.clone(), add: vec![], remove }).unwrap();
    let members: BTreeSet<String> = now(target.members(&group)).unwrap().into_iter().collect();
    assert_eq!(members, made[250..].iter().cloned().collect());
    let groups = now(target.list(Kind::Group, &[], None, None)).unwrap();
    assert!(groups.items.len() == 1 && !groups.items[0].attributes.contains_key("members"));

    let gone = Write::Delete { kind: Kind::User, id: id.clone() };
    let nobody = |id: &str| Write::Update {
        kind: Kind::User,
        id: id.into(),
        changes: vec![change("title", Value::Null, json!("x"))],
        payload: Object::new(),
    };
    let results = now(target.write(vec![gone.clone(), gone.clone(), nobody(id)])).unwrap();
    assert!(results[0].is_ok() && results[1].is_ok(), "{results:?}");
    assert_eq!(results[2], Err(TargetError::Missing { id: id.clone() }));
    assert!(one(&*target, gone).is_ok());
    for odd in ["..", ".", "", "a/../b?x#y%2e"] {
        assert_eq!(now(target.get(Kind::User, odd)), Ok(None), "{odd}");
        assert_eq!(one(&*target, nobody(odd)), Err(TargetError::Missing { id: odd.into() }));
    }
    assert_eq!(now(target.members("nobody")), Err(TargetError::Missing { id: "nobody".into() }));
}

#[test]
fn odd_services_are_taken_as_they_are() {
    let plain = Odd::PLAIN;
    let odds = [
        plain,
        Odd { name: "says nothing", described: false, ..plain },
        Odd { name: "no PATCH", patch: false, ..plain },
        Odd { name: "no PATCH and does not say so", patch: false, described: false, ..plain },
        Odd { name: "no filter", filter: false, ..plain },
        Odd { name: "ignores filters and does not say so", filter: false, described: false, ..plain },
        Odd { name: "bulk of two", bulk: 2, ..plain },
        Odd { name: "bulk of one", bulk: 1, ..plain },
        Odd { name: "page of one", page: 1, filter: false, ..plain },
        Odd { name: "page of two by cursor", page: 2, cursor: true, filter: false, ..plain },
        Odd { name: "counts the page", page: 2, total: |_, page| Some(page), ..plain },
        Odd { name: "counts too many", page: 2, total: |all, _| Some(all + 1_000), ..plain },
        Odd { name: "counts none", page: 2, total: |_, _| Some(0), ..plain },
        Odd { name: "does not count", page: 2, total: |_, _| None, ..plain },
        Odd { name: "repeats its page", repeats: true, total: |all, _| Some(all + 5), ..plain },
    ];
    for odd in odds {
        let web = service(odd);
        let target = target(&web.url());
        let abilities = now(target.open()).unwrap_or_else(|error| panic!("{}: {error}", odd.name));
        assert_eq!(abilities.batch, odd.bulk.max(1), "{}", odd.name);
        let made = ids(&*target, (0..5).map(|number| user(&format!("u\"{number}"))).collect());
        assert_eq!(made, ["u1", "u2", "u3", "u4", "u5"], "{}", odd.name);
        assert_eq!(listed(&*target), ["u\"0", "u\"1", "u\"2", "u\"3", "u\"4"], "{}", odd.name);
        let found = now(target.find(Kind::User, "userName", "u\"3")).unwrap();
        assert_eq!(found.iter().map(|found| &*found.id).collect::<Vec<_>>(), ["u4"], "{}", odd.name);
        assert!(now(target.find(Kind::User, "userName", "nobody")).unwrap().is_empty(), "{}", odd.name);
        ids(&*target, vec![retitle("u1"), Write::Disable { kind: Kind::User, id: "u2".into() }, retitle("u3")]);
        for (id, title, active) in [("u1", "new", Value::Null), ("u2", "old", json!(false)), ("u3", "new", Value::Null)]
        {
            let has = Value::Object(now(target.get(Kind::User, id)).unwrap().unwrap().attributes);
            let expected = (&json!(title), &active, &json!("theirs"));
            assert_eq!((&has["title"], &has["active"], &has["nickName"]), expected, "{} {id}", odd.name);
        }
        let results =
            now(target.write(vec![user("u\"0"), retitle("u9"), Write::Delete { kind: Kind::User, id: "u9".into() }]));
        let results = results.unwrap();
        assert!(matches!(results[0], Err(TargetError::Exists { .. })), "{}: {results:?}", odd.name);
        assert!(matches!(results[1], Err(TargetError::Missing { .. })), "{}: {results:?}", odd.name);
        assert!(results[2].is_ok(), "{}: {results:?}", odd.name);
        if odd.bulk > 1 {
            let bulks = web.requests().iter().filter(|request| request.path() == "/v2/Bulk").count();
            assert_eq!(bulks, 4, "5 creates as 2+2 and one alone; 3 as 2 and one alone, twice");
        }
    }
}

#[test]
fn weather_is_told_from_refusal() {
    let later = httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(1_000_090));
    let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000));
    #[expect(clippy::type_complexity, reason = "a table, read by its rows")]
    let cases: Vec<(u16, Vec<(&'static str, String)>, &str, &str, Option<u64>)> = vec![
        (429, vec![("Retry-After", "7".into())], "", "weather", Some(7)),
        (429, vec![("Retry-After", later), ("Date", date)], "", "weather", Some(90)),
        (429, vec![("Retry-After", "soon".into())], "", "weather", None),
        (503, vec![("Retry-After", "99999999999999999999".into())], "", "weather", Some(86_400)),
        (408, vec![], "", "weather", None),
        (500, vec![], "<html>", "weather", None),
        (504, vec![], "", "weather", None),
        (403, vec![("Retry-After", "3".into())], "", "weather", Some(3)),
        (0, vec![], "", "weather", None),
        (401, vec![], "", "denied", None),
        (403, vec![], r#"{"detail": "right scim:write is missing"}"#, "denied", None),
        (404, vec![], "", "missing", None),
        (410, vec![], "", "missing", None),
        (409, vec![], "", "exists", None),
        (400, vec![], r#"{"scimType": "uniqueness", "detail": "no"}"#, "exists", None),
        (400, vec![], r#"{"detail": "A user with this name already exists."}"#, "exists", None),
        (400, vec![], r#"{"detail": "title is too long"}"#, "rejected", None),
        (422, vec![], "", "rejected", None),
        (412, vec![], "", "weather", None),
        (302, vec![("Location", "http://127.0.0.1:1/".into())], "", "protocol", None),
        (200, vec![("Content-Encoding", "gzip".into())], "this is no gzip", "weather", None),
    ];
    for (status, headers, body, expected, wait) in cases {
        let (theirs, text) = (headers.clone(), body.to_owned());
        let web = Web::new(move |_| Answer(status, theirs.clone(), text.clone()));
        let error = one(&*target(&web.url()), retitle("u1")).unwrap_err();
        let (kind, waits) = match &error {
            TargetError::Weather { wait, .. } => ("weather", *wait),
            TargetError::Rejected { .. } => ("rejected", None),
            TargetError::Exists { .. } => ("exists", None),
            TargetError::Missing { .. } => ("missing", None),
            TargetError::Denied { .. } => ("denied", None),
            TargetError::Protocol { .. } => ("protocol", None),
        };
        assert_eq!((kind, waits.map(|wait| wait.as_secs())), (expected, wait), "{status} {headers:?} {body}: {error}");
        assert_eq!(web.requests().len(), 1, "nothing is tried again: {status}");
    }
    // Nobody listens, and nobody answers.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = format!("http://127.0.0.1:{}/v2", port.local_addr().unwrap().port());
    let silent = open(&settings(json!({"kind": "scim", "url": deaf, "timeout": 1})), Path::new(".")).unwrap();
    let error = one(&*silent, retitle("u1")).unwrap_err();
    assert!(error.is_weather() && error.to_string().contains("did not answer within 1 s"), "{error}");
    drop(port);
    let error = one(&*silent, retitle("u1")).unwrap_err();
    assert!(error.is_weather() && error.to_string().contains("cannot be reached"), "{error}");
}

#[test]
fn hostile_answers_are_errors() {
    for body in [
        "",
        "[]",
        "{",
        "{}",
        r#"{"Resources": {}}"#,
        r#"{"totalResults": 1, "Resources": [{"userName": "x"}]}"#,
        r#"{"totalResults": 1, "Resources": [7]}"#,
    ] {
        let web = Web::new(move |_| Answer(200, vec![], body.into()));
        let error = now(target(&web.url()).list(Kind::User, &[], None, None)).unwrap_err();
        assert!(matches!(error, TargetError::Protocol { .. }), "{body}: {error:?}");
    }
    let web = Web::new(|_| Answer(200, vec![], "x".repeat((64 << 20) + 1)));
    let error = now(target(&web.url()).get(Kind::User, "a")).unwrap_err();
    assert!(error.to_string().contains("more than 67108864 bytes"), "{error}");
    // A cursor that leads in a circle.
    let web = Web::new(|request| {
        let next = if request.query("cursor").as_deref() == Some("b") { "a" } else { "b" };
        Answer::json(200, &json!({"Resources": [{"id": next, "userName": next}], "nextCursor": next}))
    });
    let round = json!({"kind": "scim", "url": format!("{}/v2", web.url()), "profile": "aws"});
    assert!(listed(&*open(&settings(round), Path::new(".")).unwrap()).len() <= 3);
}

#[test]
fn tokens_go_home_and_nowhere_else() {
    const TOKEN: &str = "s3cret-token-0123456789";
    let elsewhere = Web::new(|_| Answer::json(200, &json!({"id": "u1"})));
    let to = elsewhere.url();
    let web = Web::new(move |request| match request.path() {
        "/v2/Users/away" => Answer(302, vec![("Location", format!("{to}/v2/Users/u1"))], String::new()),
        "/v2/Users/moved" => Answer(307, vec![("Location", "/v2/Users/here".into())], String::new()),
        "/v2/Users/round" => Answer(307, vec![("Location", "/v2/Users/round".into())], String::new()),
        "/v2/Users/here" => Answer::json(200, &json!({"id": "here"})),
        // It repeats what it was sent.
        _ => Answer::error(400, "invalidValue", &request.head),
    });
    let scratch = Scratch::new("target-token");
    scratch.write("token", TOKEN);
    let to = settings(json!({"kind": "scim", "url": format!("{}/v2", web.url()), "token": {"file": "token"}}));
    assert!(!format!("{to:?}").contains(TOKEN));
    let target = open(&to, Path::new(&scratch.path("."))).unwrap();
    assert_eq!(now(target.get(Kind::User, "moved")).unwrap().unwrap().id, "here");
    assert!(matches!(now(target.get(Kind::User, "away")), Err(TargetError::Protocol { .. })));
    assert!(matches!(now(target.get(Kind::User, "round")), Err(TargetError::Protocol { .. })));
    assert!(elsewhere.requests().is_empty(), "the token went to another host");
    let error = one(&*target, user("ada")).unwrap_err();
    let told = format!("{error} {error:?} {} {:?}", target.name(), target.preview(&user("ada")));
    assert!(told.contains("[secret]") && !told.contains(TOKEN), "{told}");
    assert!(web.requests().iter().all(|request| request.head.contains(TOKEN)), "it did get the token");

    for (wrong, says) in [
        (json!({"kind": "scim", "url": "ftp://x/"}), "https://"),
        (json!({"kind": "scim", "url": "https://user:pass@x/"}), "secrets belong"),
        (json!({"kind": "scim", "url": "https://x/", "profile": "slak"}), "slack"),
        (json!({"kind": "scim", "url": "https://x/", "token": {"file": "none"}}), "none"),
    ] {
        let error = open(&settings(wrong), Path::new(&scratch.path("."))).err().unwrap();
        assert!(error.contains(says) && !error.contains("pass@"), "{error}");
    }
}

#[test]
fn client_credentials_get_tokens_and_keep_them() {
    const SECRET: &str = "the-client-s-secret";
    static FETCHED: AtomicUsize = AtomicUsize::new(0);
    let issuer = Web::new(|request| {
        if request.path() == "/down" {
            return Answer(503, vec![("Retry-After", "5".into())], String::new());
        }
        if request.path() == "/wrong" {
            let body = json!({"error": "invalid_client", "error_description": format!("not known: {}", request.body)});
            return Answer::json(401, &body);
        }
        assert!(request.body.contains("grant_type=client_credentials") && request.body.contains("scope=a+b"));
        let number = FETCHED.fetch_add(1, Ordering::SeqCst) + 1;
        Answer::json(
            200,
            &json!({"access_token": format!("token-{number}"), "token_type": "bearer", "expires_in": "3600"}),
        )
    });
    // The first token is refused after its second use.
    let used = AtomicUsize::new(0);
    let web = Web::new(move |request| {
        let first = request.head.contains("token-1\r\n");
        if request.path() == "/v2/Users/closed" || (first && used.fetch_add(1, Ordering::SeqCst) >= 2) {
            return Answer(401, vec![("WWW-Authenticate", "Bearer error=\"invalid_token\"".into())], String::new());
        }
        Answer::json(200, &json!({"id": "u1"}))
    });
    let scratch = Scratch::new("target-oauth");
    scratch.write("secret", SECRET);
    let target = |path: &str| {
        let oauth = json!({"token_url": format!("{}{path}", issuer.url()), "client_id": "us", "client_secret": {"file": "secret"}, "scope": "a b"});
        let to = settings(json!({"kind": "scim", "url": format!("{}/v2", web.url()), "oauth": oauth}));
        open(&to, Path::new(&scratch.path("."))).unwrap()
    };
    let good = target("/token");
    for _ in 0..5 {
        assert!(now(good.get(Kind::User, "u1")).unwrap().is_some());
    }
    assert_eq!(FETCHED.load(Ordering::SeqCst), 2, "one at first, and one after it was refused");
    let error = now(good.get(Kind::User, "closed")).unwrap_err();
    assert!(matches!(&error, TargetError::Denied { what } if what.contains("invalid_token")), "{error:?}");
    assert_eq!(FETCHED.load(Ordering::SeqCst), 3, "fetched anew once, not for ever");
    let error = now(target("/down").get(Kind::User, "u1")).unwrap_err();
    assert!(matches!(&error, TargetError::Weather { wait: Some(wait), .. } if wait.as_secs() == 5), "{error:?}");
    let error = now(target("/wrong").get(Kind::User, "u1")).unwrap_err();
    assert!(matches!(&error, TargetError::Denied { what } if what.contains("invalid_client")), "{error:?}");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}

#[test]
fn members_that_are_refused_are_named_and_the_rest_is_done() {
    let web = Web::new(|request| match request.method.as_str() {
        "PATCH" if request.path().ends_with("/gone") => Answer::error(404, "", "no such group"),
        "PATCH" if request.body.contains("\"bad") => Answer::error(400, "invalidValue", "unknown member"),
        "PATCH" => Answer(204, vec![], String::new()),
        _ if request.path().ends_with("/gone") => Answer::error(404, "", "no such group"),
        _ => Answer::json(200, &json!({"id": "g", "displayName": "g"})),
    });
    let to = json!({"kind": "scim", "url": format!("{}/v2", web.url()), "profile": "aws"});
    let target = open(&settings(to), Path::new(".")).unwrap();
    let mut add: Vec<String> = (0..250).map(|number| format!("m{number}")).collect();
    add[3] = "bad1".into();
    add[199] = "bad2".into();
    let write = |id: &str| Write::Members { id: id.into(), add: add.clone(), remove: vec!["m1000".into()] };
    let done = now(target.write(vec![write("g")])).unwrap().remove(0).unwrap();
    assert_eq!(done.refused.iter().map(|(id, _)| &**id).collect::<Vec<_>>(), ["bad1", "bad2"]);
    let mut taken = BTreeSet::new();
    for request in
        web.requests().iter().filter(|request| !request.body.contains("\"bad") && request.body.contains("add"))
    {
        let values = request.json()["Operations"][0]["value"].as_array().unwrap().clone();
        assert!(values.len() <= 100);
        taken.extend(values.iter().map(|value| value["value"].as_str().unwrap().to_owned()));
    }
    assert_eq!(taken.len(), 248);
    assert_eq!(one(&*target, write("gone")), Err(TargetError::Missing { id: "gone".into() }));
    assert!(!target.shows_members() && now(target.members("g")).is_err());
    let told = target.preview(&write("g"));
    assert_eq!(
        (told.len(), &told[0]["method"], &told[1]["body"]["Operations"][0]["op"]),
        (4, &json!("PATCH"), &json!("add"))
    );
}

#[test]
fn a_file_has_what_its_lines_come_to() {
    let scratch = Scratch::new("target-file");
    let to = settings(json!({"kind": "file", "path": "out.jsonl"}));
    let again = || open(&to, Path::new(&scratch.path("."))).unwrap();
    let target = again();
    assert!(now(target.open()).unwrap().batch > 1);
    let group = Write::Create { kind: Kind::Group, payload: object(json!({"displayName": "All"})) };
    let made = ids(&*target, vec![user("ada"), user("bob"), group]);
    assert_eq!(made, ["1", "2", "3"]);
    let members = |add: &[&str], remove: &[&str]| Write::Members {
        id: "3".into(),
        add: add.iter().map(ToString::to_string).collect(),
        remove: remove.iter().map(ToString::to_string).collect(),
    };
    let writes = vec![retitle("1"), members(&["1", "2"], &[]), members(&[], &["2"])];
    ids(&*target, writes);
    ids(
        &*target,
        vec![Write::Disable { kind: Kind::User, id: "1".into() }, Write::Delete { kind: Kind::User, id: "2".into() }],
    );
    assert_eq!(one(&*target, retitle("2")), Err(TargetError::Missing { id: "2".into() }));
    ids(&*target, vec![Write::Delete { kind: Kind::User, id: "2".into() }]);
    let first =
        "{\"op\":\"create\",\"kind\":\"User\",\"id\":\"1\",\"payload\":{\"userName\":\"ada\",\"title\":\"old\"}}";
    let text = scratch.read("out.jsonl");
    assert_eq!((text.lines().next(), text.lines().count()), (Some(first), 8), "{text}");
    let error = now(again().open()).unwrap_err();
    assert!(error.is_weather() && error.to_string().contains("another process"), "{error}");
    drop(target);

    // A crash in the middle of a line, which nobody was told of.
    scratch.write("out.jsonl", format!("{text}{{\"op\":\"create\",\"ki"));
    let target = again();
    let page = now(target.list(Kind::User, &[], None, None)).unwrap();
    let ada = object(json!({"userName": "ada", "title": "new", "active": false}));
    assert_eq!((page.items.len(), &page.items[0].attributes, page.next), (1, &ada, None));
    assert_eq!(now(target.find(Kind::User, "userName", "ada")).unwrap()[0].id, "1");
    assert_eq!(now(target.members("3")).unwrap(), ["1"]);
    assert_eq!(scratch.read("out.jsonl"), text);
    assert_eq!(
        ids(&*target, (0..2_500).map(|number| user(&format!("u{number}"))).collect())[0],
        "4",
        "2 is not given again"
    );
    assert_eq!(listed(&*target).len(), 2_501);
    drop(target);
    scratch.write("out.jsonl", format!("{text}{{\"op\":\"rename\"}}\n"));
    let error = now(again().open()).unwrap_err();
    assert!(error.to_string().contains("out.jsonl:9"), "{error}");
}
