//! The console over HTTP: sessions and how they end, what a form must bring, the headers, what nobody may run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::server::{ADMIN, Data, GROUP, Reply, SCIM, Server, USER};

/// Values that would run something on a page that does not escape.
pub(crate) const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "{{ 7 * 191 }}",
    "'-alert(1)-'</textarea><svg onload=alert(1)>",
];

/// A mapping of users.
pub(crate) const PEOPLE: &str = "name = \"people\"\nresource = \"User\"\n[source]\nkind = \"scim\"\n[attributes]\nuserName = { expr = 'ToLower([userName])', match = 1 }\ntitle = '[title]'\n";

/// The value of a header, in small letters as the tests' client has it.
fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    let found = reply.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.map(str::trim)
}

/// The hidden secret of a page's first form.
fn secret(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("no form: {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// Somebody at a browser without a window.
struct Visitor<'s> {
    server: &'s Server,
    cookie: String,
    csrf: String,
}

impl<'s> Visitor<'s> {
    /// Logs in.
    fn new(server: &'s Server, token: &str) -> Self {
        let reply = try_login(server, token, "");
        assert_eq!(reply.status, 303, "{}", reply.text());
        // Values of cookies keep their case: the raw head is needed.
        let cookie = raw_cookie(&reply, &format!("provisor_console_{}", server.port));
        let mut visitor = Self { server, cookie, csrf: String::new() };
        visitor.csrf = secret(&visitor.get("/console").text());
        visitor
    }

    fn get(&self, path: &str) -> Reply {
        self.server.send("GET", path, &[("Cookie", &self.cookie)], b"")
    }

    fn post_with(&self, path: &str, more: &[(&str, &str)], fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut headers = vec![("Cookie", self.cookie.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        headers.extend(more);
        self.server.send("POST", path, &headers, body.as_bytes())
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let all: Vec<(&str, &str)> = [("csrf", self.csrf.as_str())].iter().chain(fields).copied().collect();
        self.post_with(path, &[], &all)
    }

    /// As a script of a page asks.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        let headers =
            [("Cookie", self.cookie.as_str()), ("X-CSRF-Token", &self.csrf), ("Content-Type", "application/json")];
        self.server.send(method, &format!("/console/api/{path}"), &headers, body.to_string().as_bytes())
    }
}

fn raw_cookie(reply: &Reply, name: &str) -> String {
    let lines = reply.raw_head.lines().filter_map(|line| line.split_once(": "));
    let mut cookies = lines.filter(|(field, _)| field.eq_ignore_ascii_case("set-cookie"));
    let found = cookies.find(|(_, value)| value.starts_with(&format!("{name}="))).map(|(_, value)| value);
    found.unwrap_or_else(|| panic!("no {name}: {}", reply.raw_head)).split(';').next().unwrap().to_owned()
}

fn try_login(server: &Server, token: &str, next: &str) -> Reply {
    let form = server.send("GET", "/console/login", &[], b"");
    let cookie = raw_cookie(&form, &format!("provisor_login_{}", server.port));
    let fields = [("csrf", secret(&form.text())), ("token", token.to_owned()), ("next", next.to_owned())];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    server.send("POST", "/console/login", &[("Cookie", &cookie)], body.as_bytes())
}

#[test]
fn who_has_no_session_is_shown_the_way_to_one() {
    let data = Data::new();
    let server = Server::start(&data.0);
    for (path, to) in [
        ("/console", "/console/login"),
        ("/console/tokens", "/console/login?next=%2fconsole%2ftokens"),
        ("/console/log?outcome=failure", "/console/login?next=%2fconsole%2flog%3foutcome%3dfailure"),
    ] {
        let reply = server.send("GET", path, &[], b"");
        assert_eq!((reply.status, header(&reply, "location")), (303, Some(to)), "{path}");
    }
    let reply = server.send("GET", "/console/api/reference", &[], b"");
    assert_eq!(reply.status, 401, "{}", reply.text());
    let reply = try_login(&server, ADMIN, "/console/log?outcome=failure");
    assert_eq!(header(&reply, "location"), Some("/console/log?outcome=failure"));
    let reply = try_login(&server, ADMIN, "//evil.example/");
    assert_eq!(header(&reply, "location"), Some("/console"));
}

#[test]
fn two_servers_of_one_host_keep_their_sessions() {
    let (one_data, two_data) = (Data::new(), Data::new());
    let (one, two) = (Server::start(&one_data.0), Server::start(&two_data.0));
    let (first, second) = (Visitor::new(&one, ADMIN), Visitor::new(&two, ADMIN));
    // A browser sends both cookies to both, for a cookie knows no port.
    let both = format!("{}; {}", first.cookie, second.cookie);
    for server in [&one, &two] {
        assert_eq!(server.send("GET", "/console", &[("Cookie", &both)], b"").status, 200);
    }
    assert_eq!(first.post("/console/logout", &[]).status, 303);
    assert_eq!(one.send("GET", "/console", &[("Cookie", &both)], b"").status, 303);
    assert_eq!(two.send("GET", "/console", &[("Cookie", &both)], b"").status, 200);
}

#[test]
fn a_source_goes_when_its_name_is_typed() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let visitor = Visitor::new(&server, ADMIN);
    server.user("ada");
    let path = "/console/sources/default/remove";
    for typed in [&[][..], &[("confirm", "")], &[("confirm", "Default")]] {
        let reply = visitor.post(path, typed);
        assert_eq!((reply.status, header(&reply, "location")), (303, Some("/console/sources/default/users")));
        assert!(visitor.get("/console/sources/default/users").text().contains("type default to confirm"));
    }
    let reply = visitor.post(path, &[("confirm", "default")]);
    assert_eq!((reply.status, header(&reply, "location")), (303, Some("/console")), "{}", reply.text());
    let page = visitor.get("/console").text();
    assert!(page.contains("Source default is gone") && page.contains("No source yet"), "{page}");
    assert_eq!(visitor.get("/console/sources/default/users").status, 404);
}

#[test]
fn a_token_that_does_not_open_says_why() {
    let data = Data::new();
    let server = Server::start(&data.0);
    for (token, why) in [
        ("", "Paste an admin token"),
        ("something else", "no token of this server"),
        ("prv1_abc_def", "not known here"),
        (SCIM, "opens a SCIM endpoint"),
    ] {
        let reply = try_login(&server, token, "");
        assert_eq!(reply.status, 401, "{token}: {}", reply.text());
        assert!(reply.text().contains(why), "{token}: {}", reply.text());
        assert!(!reply.head.contains("provisor_console"), "{token}");
    }
    let mut replies = (0..60).map(|_| try_login(&server, "prv1_abc_def", "").status);
    assert!(replies.any(|status| status == 429), "who guesses is told to wait");
}

#[test]
fn every_answer_says_what_may_run() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let visitor = Visitor::new(&server, ADMIN);
    let page = visitor.get("/console");
    for path in ["/console", "/console/tokens", "/console/nowhere", "/console/api/reference", "/console/api/nowhere"] {
        let reply = visitor.get(path);
        let policy = header(&reply, "content-security-policy").unwrap_or_else(|| panic!("{path}: {}", reply.head));
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&reply, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header(&reply, "referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(header(&reply, "cache-control"), Some("no-store"), "{path}");
    }
    let text = page.text().replace("&#x2f;", "/");
    let assets: Vec<&str> = text.split('"').filter(|part| part.starts_with("/console/assets/")).collect();
    assert!(assets.len() >= 3, "{text}");
    for asset in assets {
        let reply = server.send("GET", asset, &[], b"");
        assert_eq!(reply.status, 200, "{asset}");
        assert!(header(&reply, "cache-control").unwrap().contains("immutable"), "{asset}");
    }
    assert!(!text.contains(" style=") && !text.contains(" onclick="), "nothing is inline");
    let login = server.send("GET", "/console/login", &[], b"");
    assert!(login.head.contains("httponly; samesite=strict"), "{}", login.head);
}

#[test]
fn what_changes_something_comes_from_a_page_of_ours() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let visitor = Visitor::new(&server, ADMIN);
    let fields = [("label", "x"), ("opens", "admin"), ("days", "30")];
    let with_csrf = [&[("csrf", visitor.csrf.as_str())][..], &fields].concat();
    let here = format!("http://127.0.0.1:{}", server.port);
    assert_eq!(visitor.post_with("/console/tokens", &[], &fields).status, 403, "without the secret");
    let wrong = [&[("csrf", "wrong")][..], &fields].concat();
    assert_eq!(visitor.post_with("/console/tokens", &[], &wrong).status, 403, "with another secret");
    for (name, value, status) in [
        ("Origin", "https://evil.example", 403),
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Origin", here.as_str(), 303),
        ("Origin", "null", 303),
        ("Sec-Fetch-Site", "same-origin", 303),
    ] {
        let reply = visitor.post_with("/console/tokens", &[(name, value)], &with_csrf);
        assert_eq!(reply.status, status, "{name}: {value}: {}", reply.text());
    }
    // Reads as well, where a script sends more than a GET.
    let cookie = [("Cookie", visitor.cookie.as_str())];
    let body = json!({"text": PEOPLE, "file": "x"}).to_string();
    assert_eq!(server.send("POST", "/console/api/try", &cookie, body.as_bytes()).status, 403);
    let reply = server.send("POST", "/console/login", &[], b"csrf=x&token=y");
    assert_eq!(reply.status, 403, "a form for logging in that another site sends");
}

#[test]
fn a_session_ends_by_logging_out_and_with_its_token() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let visitor = Visitor::new(&server, ADMIN);
    assert_eq!(visitor.post("/console/logout", &[]).status, 303);
    assert_eq!(visitor.get("/console/tokens").status, 303);
    let made = server.api("POST", "/tokens", &[], "{\"label\": \"other\"}").json();
    let other = Visitor::new(&server, made["token"].as_str().unwrap());
    assert_eq!(other.get("/console/tokens").status, 200);
    let id = made["id"].as_str().unwrap();
    assert_eq!(server.api("DELETE", &format!("/tokens/{id}"), &[], "").status, 204);
    assert_eq!(other.get("/console/tokens").status, 303);
}

/// A clock that the test sets.
struct Set(AtomicU64);

impl provisor::clock::Clock for Set {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_session_ends_after_an_hour_of_silence_and_after_half_a_day() {
    use axum::body::Body;
    use axum::http::{Request, header};
    use tower::ServiceExt as _;

    const HOUR: u64 = 60 * 60 * 1_000;
    let data = Data::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = provisor::store::SledStore::open(&data.0, provisor::store::Options::default()).unwrap();
        let clock = Arc::new(Set(AtomicU64::new(1_800_000_000_000)));
        let directory = provisor::directory::Directory::new(Arc::new(store), Arc::clone(&clock) as _);
        let registry = provisor::server::Registry::load(directory.clone()).await.unwrap();
        registry.set_token("admin", provisor::directory::token::Scope::Admin, ADMIN).await.unwrap();
        let limits = provisor::config::Limits::default();
        let app = provisor::server::app(provisor::server::State::new(directory, Arc::new(registry), limits));
        let get = |cookie: String, poll: bool| {
            let mut request = Request::get("/console/tokens").header(header::COOKIE, cookie);
            if poll {
                request = request.header("x-console-poll", "1");
            }
            let app = app.clone();
            async move { app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16() }
        };
        let log_in = async || {
            let form = app.clone().oneshot(Request::get("/console/login").body(Body::empty()).unwrap()).await.unwrap();
            let cookie = form.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
            let text = axum::body::to_bytes(form.into_body(), 100_000).await.unwrap();
            let csrf = secret(std::str::from_utf8(&text).unwrap());
            let body = format!("csrf={csrf}&token={ADMIN}");
            let request = Request::post("/console/login").header(header::COOKIE, cookie).body(Body::from(body));
            let reply = app.clone().oneshot(request.unwrap()).await.unwrap();
            reply.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
        };
        let pass = |time: u64| clock.0.fetch_add(time, Ordering::Relaxed);

        let cookie = log_in().await;
        pass(HOUR / 2);
        assert_eq!(get(cookie.clone(), true).await, 200);
        pass(HOUR / 2);
        assert_eq!(get(cookie, true).await, 303, "a page that looks again by itself is nobody");

        let cookie = log_in().await;
        for _ in 0..23 {
            pass(HOUR / 2);
            assert_eq!(get(cookie.clone(), false).await, 200);
        }
        pass(HOUR / 2);
        assert_eq!(get(cookie, false).await, 303, "half a day is the end, however busy");
    });
}

#[test]
fn pages_show_what_there_is_and_run_nothing_of_it() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let visitor = Visitor::new(&server, ADMIN);
    assert_eq!(server.api("PUT", "/mappings/people", &[], PEOPLE).status, 201);
    let mut ids = Vec::new();
    for (number, value) in HOSTILE.iter().enumerate() {
        let user = json!({"schemas": [USER], "userName": format!("{value}{number}"), "externalId": value, "displayName": value, "title": value});
        let id = server.scim("POST", "/Users", Some(&user)).json()["id"].as_str().unwrap().to_owned();
        let group = json!({"schemas": [GROUP], "displayName": format!("{value}{number}"), "members": [{"value": id}]});
        let group = server.scim("POST", "/Groups", Some(&group)).json()["id"].as_str().unwrap().to_owned();
        ids.extend([
            format!("/console/sources/default/users/{id}"),
            format!("/console/sources/default/groups/{group}"),
        ]);
        let label = json!({"label": value, "source": "default"}).to_string();
        assert_eq!(server.api("POST", "/tokens", &[], &label).status, 201);
        let taken = server.scim("POST", "/Users", Some(&user));
        assert_eq!(taken.status, 409);
    }
    let mut pages: Vec<String> = [
        "/console",
        "/console/sources/default/users",
        "/console/sources/default/groups",
        "/console/sources/default/users?search=%3Cscript%3Ealert(1)%3C/script%3E",
        "/console/log",
        "/console/log?id=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
        "/console/syncs",
        "/console/mappings",
        "/console/mappings/people",
        "/console/mappings/people/edit?source=%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
        "/console/mappings/new",
        "/console/tokens",
        "/console/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ]
    .map(str::to_owned)
    .into();
    pages.extend(ids);
    for path in pages {
        let reply = visitor.get(&path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let text = reply.text();
        for part in ["<script>alert", "<img src=x", "<svg onload", "1337"] {
            assert!(!text.contains(part), "{path} has {part}");
        }
    }
}

#[test]
fn tokens_are_made_shown_once_and_revoked() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let visitor = Visitor::new(&server, ADMIN);
    for (fields, why) in [
        (&[("opens", "admin"), ("days", "30")][..], "needs a name"),
        (&[("label", "x"), ("days", "30")], "say what the token opens"),
        (&[("label", "x"), ("opens", "admin"), ("days", "31")], "lasts 30, 90"),
        (&[("label", "x"), ("opens", "scim:nobody"), ("days", "30")], "no source"),
    ] {
        let reply = visitor.post("/console/tokens", fields);
        assert!(reply.status >= 400 && reply.text().contains(why), "{fields:?}: {}", reply.text());
    }
    let reply = visitor.post("/console/tokens", &[("label", "entra"), ("opens", "scim:default"), ("days", "90")]);
    assert_eq!(reply.status, 303);
    let page = visitor.get("/console/tokens").text().replace("&#x2f;", "/");
    let token = page.split("value=\"prv1_").nth(1).expect("it is shown").split('"').next().unwrap();
    let token = format!("prv1_{token}");
    assert!(page.contains(&format!("http://127.0.0.1:{}/scim/default/v2", server.port)), "with the URL to paste");
    assert!(!visitor.get("/console/tokens").text().contains(&token), "and then no more");
    let bearer = format!("Bearer {token}");
    let asked = || server.send("GET", "/scim/default/v2/Users", &[("Authorization", &bearer)], b"").status;
    assert_eq!(asked(), 200);
    let id = token.split('_').nth(1).unwrap();
    assert_eq!(visitor.post(&format!("/console/tokens/{id}/revoke"), &[]).status, 303);
    assert_eq!(asked(), 401);
}

#[test]
fn a_mapping_is_tried_compared_saved_and_rolled_back() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let visitor = Visitor::new(&server, ADMIN);
    let id = server.user("Ada@Contoso.example");
    server.user("grace@contoso.example");
    let saved = visitor.ask("PUT", "mappings/people", &json!({"text": PEOPLE, "revision": 0}));
    assert_eq!((saved.status, &saved.json()["revision"]), (200, &json!(1)), "{}", saved.text());

    let record = visitor.ask("GET", &format!("record?source=default&kind=User&id={id}"), &Value::Null).json();
    assert_eq!(record["userName"], "Ada@Contoso.example");
    let found = visitor.ask("GET", "records?source=default&kind=User&search=ADA", &Value::Null).json();
    assert_eq!((found["records"].as_array().unwrap().len(), &found["records"][0]["id"]), (1, &json!(id)));
    let tried = |text: &str| {
        let draft = json!({"text": text, "file": "people.toml", "record": record.to_string()});
        visitor.ask("POST", "try", &draft).json()
    };
    assert_eq!(tried(PEOPLE)["result"]["payload"]["userName"], "ada@contoso.example");
    let broken = tried(&PEOPLE.replace("ToLower", "ToLowr"));
    assert!(broken["findings"][0]["picture"].as_str().unwrap().contains("^^^^^^"), "{broken}");

    let upper = PEOPLE.replace("ToLower", "ToUpper");
    let asked = |text: &str| json!({"mapping": {"text": text}, "records": {"source": "default", "kind": "User"}});
    let impact = visitor.ask("POST", "impact", &asked(&upper)).json();
    assert_eq!((&impact["records"], &impact["changed"]), (&json!(2), &json!(2)), "{impact}");
    assert_eq!(impact["samples"][0]["changes"][0]["new"], "ADA@CONTOSO.EXAMPLE", "{impact}");
    let none = visitor.ask("POST", "impact", &asked(PEOPLE)).json();
    assert_eq!((&none["changed"], &none["unchanged"]), (&json!(0), &json!(2)), "{none}");
    let failing = PEOPLE.replace("ToLower([userName])", "CDate([userName])");
    let impact = visitor.ask("POST", "impact", &asked(&failing)).json();
    assert_eq!(impact["failed"], 2, "{impact}");

    let stale = visitor.ask("PUT", "mappings/people", &json!({"text": upper, "revision": 0}));
    assert_eq!((stale.status, &stale.json()["theirs"]["revision"]), (412, &json!(1)), "{}", stale.text());
    assert_eq!(visitor.ask("PUT", "mappings/people", &json!({"text": upper, "revision": 1})).status, 200);
    let page = visitor.get("/console/mappings/people").text();
    assert!(page.contains("diff-gone") && page.contains("Roll back to 1"), "{page}");
    let back = visitor.post("/console/mappings/people/rollback", &[("revision", "1"), ("newest", "2")]);
    assert_eq!(back.status, 303, "{}", back.text());
    assert_eq!(server.api("GET", "/mappings/people", &[], "").text(), PEOPLE);
    let late = visitor.post("/console/mappings/people/rollback", &[("revision", "2"), ("newest", "2")]);
    assert_eq!(late.status, 412, "somebody saved meanwhile");
}

#[test]
fn the_log_is_filtered_and_exported() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let visitor = Visitor::new(&server, ADMIN);
    server.user("ada");
    let double = json!({"schemas": [USER], "userName": "ada"});
    assert_eq!(server.scim("POST", "/Users", Some(&double)).status, 409);
    let page = visitor.get("/console/log?outcome=failure").text();
    assert!(page.contains("uniqueness") && page.matches("<tr>").count() == 2, "{page}");
    let csv = visitor.get("/console/log/export?format=csv&outcome=failure");
    assert!(header(&csv, "content-disposition").unwrap().contains("provisioning-log.csv"));
    assert_eq!(csv.text().matches(",failure,").count(), 1, "{}", csv.text());
    let page = visitor.get("/console/log?since=yesterday");
    assert!(page.status == 200 && page.text().contains("is no time"), "{}", page.text());
}

#[test]
fn a_role_may_do_what_it_may_and_a_limit_hides_the_rest() {
    let data = Data::new();
    let server = Server::start(&data.0);
    assert_eq!(server.api("POST", "/sources", &[], "{\"slug\": \"other\"}").status, 201);
    assert_eq!(server.api("PUT", "/mappings/people", &[], PEOPLE).status, 201);
    let id = server.user("ada");
    let made = |body: &Value| {
        let reply = server.api("POST", "/tokens", &[], &body.to_string());
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()["token"].as_str().unwrap().to_owned()
    };

    let reader = Visitor::new(&server, &made(&json!({"label": "reader", "role": "read"})));
    for path in ["/console/tokens", "/console/mappings", "/console/mappings/people", "/console/sources/other/users"] {
        let reply = reader.get(path);
        assert_eq!(reply.status, 200, "{path}");
        for button in ["Make token", ">Revoke<", "Roll back", "New mapping", "Resume", "Remove this source"] {
            assert!(!reply.text().contains(button), "{path} offers {button:?}");
        }
    }
    let draft = json!({"text": PEOPLE, "file": "x"});
    assert_eq!(reader.ask("POST", "try", &draft).status, 200);
    let kept = json!({"text": PEOPLE.replace("ToLower", "ToUpper"), "revision": 1});
    assert_eq!(reader.ask("PUT", "mappings/people", &kept).status, 403);
    for (path, fields) in [
        ("/console/tokens", &[("label", "x"), ("opens", "admin"), ("days", "30")][..]),
        ("/console/tokens/abc/revoke", &[]),
        ("/console/mappings/people/rollback", &[("revision", "1"), ("newest", "1")]),
        ("/console/sources/default/resume", &[]),
        ("/console/sources/default/remove", &[("confirm", "default")]),
    ] {
        let reply = reader.post(path, fields);
        assert!(reply.status == 403 && reply.text().contains("role"), "{path}: {} {}", reply.status, reply.text());
    }

    let operator = Visitor::new(&server, &made(&json!({"label": "operator", "role": "operate"})));
    assert_eq!(operator.post("/console/sources/default/resume", &[]).status, 303);

    // One who administers another source alone.
    let limited = json!({"label": "limited", "role": "admin", "sources": ["other"]});
    let limited = Visitor::new(&server, &made(&limited));
    for path in [
        "/console/sources/default/users",
        "/console/log?source=default",
        "/console/mappings/people",
        "/console/mappings/people/edit",
    ] {
        assert_eq!(limited.get(path).status, 404, "{path}");
    }
    assert_eq!(limited.get(&format!("/console/sources/default/users/{id}")).status, 404);
    for path in ["/console", "/console/log", "/console/tokens", "/console/mappings"] {
        let text = limited.get(path).text();
        assert!(!text.contains("default") && !text.contains(">ada<") && !text.contains(">people<"), "{path}: {text}");
    }
    let record = format!("record?source=default&kind=User&id={id}");
    assert_eq!(limited.ask("GET", &record, &Value::Null).status, 404);
    assert_eq!(limited.ask("GET", "records?source=default&kind=User", &Value::Null).status, 404);
    let asked = json!({"mapping": {"text": PEOPLE}, "records": {"source": "default", "kind": "User"}});
    assert_eq!(limited.ask("POST", "impact", &asked).status, 404);
    let more = limited.post("/console/tokens", &[("label", "x"), ("opens", "admin"), ("days", "30")]);
    assert_eq!(more.status, 403, "a token gives no more than it has");
    let own = limited.post("/console/tokens", &[("label", "x"), ("opens", "scim:other"), ("days", "30")]);
    assert_eq!(own.status, 303);
    assert_eq!(limited.post("/console/sources/other/remove", &[("confirm", "other")]).status, 403);
}
