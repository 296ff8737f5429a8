//! The server as a client meets it: the binary, a socket, a data directory on disk, and a `kill -9`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) const SCIM: &str = "scim-token-of-the-tests";
pub(crate) const ADMIN: &str = "admin-token-of-the-tests";
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A directory of its own, gone when it is dropped.
pub(crate) struct Data(pub(crate) PathBuf);

impl Data {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("provisor-server-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    pub(crate) greeting: String,
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    pub(crate) fn start_with(data: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_by(data, &[], variables)
    }

    pub(crate) fn start_by(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_provisor"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments)
            .env("PROVISOR_SCIM_TOKEN", SCIM)
            .env("PROVISOR_ADMIN_TOKEN", ADMIN)
            .env("PROVISOR_LIMITS_RATE", "100000")
            .env("PROVISOR_LIMITS_BURST", "100000")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while !greeting.contains("SCIM endpoint:") {
            assert!(out.read_line(&mut greeting).unwrap() > 0, "the server ended: {greeting}");
        }
        let at = greeting.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
        let port = greeting[at..].split('/').next().unwrap().parse().unwrap();
        Self { child, port, greeting }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n", self.port);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(reply[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_ascii_lowercase(), raw_head: head, body: reply[end + 4..].to_vec() }
    }

    pub(crate) fn scim(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.scim_with(method, path, &[], body)
    }

    pub(crate) fn scim_with(&self, method: &str, path: &str, more: &[(&str, &str)], body: Option<&Value>) -> Reply {
        let bearer = format!("Bearer {SCIM}");
        let mut headers =
            vec![("Authorization", bearer.as_str()), ("Content-Type", "application/scim+json; charset=utf-8")];
        headers.extend(more);
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.send(method, &format!("/scim/default/v2{path}"), &headers, body.as_bytes())
    }

    /// A request to the admin API.
    pub(crate) fn api(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Reply {
        let bearer = format!("Bearer {ADMIN}");
        let mut headers = vec![("Authorization", bearer.as_str())];
        if body.starts_with('{') {
            headers.push(("Content-Type", "application/json"));
        }
        headers.extend(more);
        self.send(method, &format!("/api/v1{path}"), &headers, body.as_bytes())
    }

    pub(crate) fn user(&self, name: &str) -> String {
        let reply = self.scim("POST", "/Users", Some(&json!({"schemas": [USER], "userName": name})));
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn group(&self, name: &str) -> String {
        let reply = self.scim("POST", "/Groups", Some(&json!({"schemas": [GROUP], "displayName": name})));
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is always made on the spot")]
    pub(crate) fn patch(&self, path: &str, operations: Value) -> Reply {
        self.scim("PATCH", path, Some(&json!({"schemas": [PATCH], "Operations": operations})))
    }

    pub(crate) fn members(&self, group: &str) -> BTreeSet<String> {
        let reply = self.scim("GET", &format!("/Groups/{group}"), None).json();
        let members = reply["members"].as_array().cloned().unwrap_or_default();
        members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The head in small letters.
    pub(crate) head: String,
    /// The head as it came: values keep their case.
    pub(crate) raw_head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

pub(crate) fn cli(arguments: &[&str], data: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_provisor")).args(arguments).arg("--data").arg(data).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

#[test]
fn a_user_s_whole_life() {
    let data = Data::new();
    let server = Server::start(&data.0);
    // Test Connection: nobody is there, and that is no error.
    let none = server.scim("GET", "/Users?filter=userName+eq+%22nobody%22&aadOptscim062020", None);
    assert_eq!((none.status, &none.json()["totalResults"]), (200, &json!(0)));
    let body = json!({"schemas": [USER], "userName": "Ada@Contoso.example", "externalId": "ada", "active": "True",
        "emails": [{"type": "work", "value": "ada@contoso.example"}], "password": "s3cret"});
    let made = server.scim("POST", "/Users/", Some(&body));
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(made.head.contains("content-type: application/scim+json\r\n"), "{}", made.head);
    assert!(made.head.contains("location: http://127.0.0.1:") && made.head.contains("etag: w/\"1\""), "{}", made.head);
    assert!(!made.text().contains("s3cret"), "a password is never given back");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.json()["active"], true);
    for filter in [
        "userName eq \"ada@CONTOSO.example\"",
        "externalId eq \"ada\"",
        "emails[type eq \"work\"].value eq \"ADA@contoso.example\"",
        "emails.value eq \"ada@contoso.example\" and active eq true",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"ada\"",
        &format!("id eq \"{id}\""),
    ] {
        let query: String = form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let found = server.scim("GET", &format!("/Users?filter={query}"), None);
        assert_eq!(found.json()["totalResults"], 1, "{filter}: {}", found.text());
    }
    let again = server.scim("POST", "/Users", Some(&json!({"schemas": [USER], "userName": "ADA@contoso.example"})));
    assert_eq!((again.status, &again.json()["scimType"]), (409, &json!("uniqueness")));
    assert!(again.text().contains("userName"), "{}", again.text());
    let off = server.patch(&format!("/Users/{id}"), json!([{"op": "Replace", "path": "active", "value": "False"}]));
    assert_eq!((off.status, &off.json()["active"]), (200, &json!(false)));
    let same = server.patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "active", "value": false}]));
    assert_eq!(same.json()["meta"], off.json()["meta"], "what changes nothing is no change");
    assert_eq!(
        server.scim("GET", &format!("/Users/{id}"), None).json()["active"],
        false,
        "a disabled user stays to be seen"
    );
    assert_eq!(server.scim("DELETE", &format!("/Users/{id}"), None).status, 204);
    assert_eq!(server.scim("DELETE", &format!("/Users/{id}"), None).status, 404);
    assert_eq!(server.scim("GET", &format!("/Users/{id}"), None).json()["status"], "404");
}

#[test]
fn who_is_asked_for_by_name_is_shown_as_they_are_now() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let (ada, bob) = (server.user("ada"), server.user("bob"));
    // Three times: first it is read, then found by its id, then by its name.
    let found = |name: &str| {
        let ask = || server.scim("GET", &format!("/Users?filter=userName+eq+%22{name}%22"), None).json();
        let (first, second, third) = (ask(), ask(), ask());
        assert_eq!((&first, &first), (&second, &third), "{name}");
        first["Resources"].as_array().cloned().unwrap_or_default()
    };
    let ids = |name: &str| found(name).iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let rename = |id: &str, name: &str| {
        let renamed =
            server.patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "userName", "value": name}]));
        assert_eq!(renamed.status, 200, "{}", renamed.text());
    };
    assert_eq!((ids("ada"), ids("Bob"), ids("eve")), (vec![ada.clone()], vec![bob.clone()], vec![]));
    rename(&ada, "eve");
    assert_eq!((ids("ada"), ids("EVE")), (vec![], vec![ada.clone()]));
    rename(&bob, "ada");
    assert_eq!((ids("ada"), ids("bob")), (vec![bob.clone()], vec![]));
    let group = server.group("Admins");
    let add = json!([{"op": "add", "path": "members", "value": [{"value": bob}]}]);
    assert!(server.patch(&format!("/Groups/{group}"), add).status < 300);
    assert_eq!(found("ada")[0]["groups"][0]["display"], "Admins");
    assert_eq!(server.scim("DELETE", &format!("/Users/{bob}"), None).status, 204);
    assert_eq!((ids("ada"), ids("eve")), (vec![], vec![ada]));
}

#[test]
fn members_come_and_go_in_every_shape() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let (ada, bob, group) = (server.user("ada"), server.user("bob"), server.group("Admins"));
    let path = format!("/Groups/{group}");
    let add = json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": ada}, {"value": bob}]}]);
    assert!(server.patch(&path, add).status < 300);
    assert_eq!(server.members(&group), BTreeSet::from([ada.clone(), bob.clone()]));
    let of = server.scim("GET", &format!("/Users/{ada}"), None).json();
    assert_eq!(of["groups"][0]["display"], "Admins");
    let asked = server.scim(
        "GET",
        &format!("/Groups?filter=id+eq+%22{group}%22+and+members+eq+%22{bob}%22&attributes=id"),
        None,
    );
    assert_eq!(asked.json()["totalResults"], 1, "{}", asked.text());
    // Read to the letter, this would remove everybody.
    assert!(server.patch(&path, json!([{"op": "Remove", "path": "members", "value": [{"value": ada}]}])).status < 300);
    assert_eq!(server.members(&group), BTreeSet::from([bob.clone()]));
    let nobody = server.patch(&path, json!([{"op": "Remove", "path": "members", "value": []}]));
    assert_eq!(nobody.status, 400, "a removal that names nobody removes nobody");
    assert_eq!(server.members(&group), BTreeSet::from([bob.clone()]));
    assert_eq!(server.scim("DELETE", &format!("/Users/{bob}"), None).status, 204);
    assert!(server.members(&group).is_empty(), "who is deleted leaves all groups");
    let same = server.scim("POST", "/Groups", Some(&json!({"schemas": [GROUP], "displayName": "ADMINS"})));
    assert_eq!(same.status, 409);
}

#[test]
fn the_door() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let path = "/scim/default/v2/Users";
    for (header, part) in [
        (None, "bearer token is needed"),
        (Some("Bearer some-other-product"), "no token of this server"),
        (Some("Bearer prv1_abc_def"), "not known"),
        (Some(&*format!("Bearer {ADMIN}")), "not known"),
        (Some("Basic YTpi"), "bearer token is needed"),
    ] {
        let headers: Vec<(&str, &str)> = header.iter().map(|value| ("Authorization", *value)).collect();
        let reply = server.send("GET", path, &headers, b"");
        assert_eq!(reply.status, 401, "{header:?}");
        assert!(reply.head.contains("www-authenticate: bearer"), "{}", reply.head);
        assert!(reply.text().contains(part), "{header:?}: {}", reply.text());
    }
    for (method, path, status, part) in [
        ("GET", "/Users/nobody", 404, "\"404\""),
        ("GET", "/Nothing", 404, "Nothing"),
        ("PUT", "/Users", 405, "GET, POST"),
        ("DELETE", "/Schemas", 405, "GET"),
        ("GET", "/Schemas?filter=id+eq+%22x%22", 403, "filter"),
        ("GET", "/Schemas/urn:nothing", 404, "urn:nothing"),
        ("GET", "/Me", 501, "Me"),
        ("GET", "/Users?filter=userNam+eq+%22x%22", 400, "invalidFilter"),
        ("GET", "/Users?filter=active+gt+true", 400, "invalidFilter"),
        ("GET", "/Users?cursor=nonsense", 400, "invalidCursor"),
    ] {
        let reply = server.scim(method, path, None);
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        assert!(
            reply.head.contains("application/scim+json") && reply.text().contains(part),
            "{path}: {}",
            reply.text()
        );
        assert_eq!(reply.json()["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error", "{path}");
    }
    let bearer = format!("Bearer {SCIM}");
    let with = |kind: &str, body: &[u8]| {
        server.send("POST", path, &[("Authorization", &bearer), ("Content-Type", kind)], body)
    };
    assert_eq!(with("text/plain", b"{}").status, 415);
    assert_eq!(with("application/json", b"{").json()["scimType"], "invalidSyntax");
    assert_eq!(with("application/json", &vec![b' '; 5 << 20]).status, 413);
    for document in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Schemas/", "/ResourceTypes/User"] {
        assert_eq!(server.scim("GET", document, None).status, 200, "{document}");
    }
    assert_eq!(server.send("GET", "/source/scim/default/v2/Users", &[("Authorization", &bearer)], b"").status, 200);
    assert_eq!(server.send("GET", "/healthz", &[], b"").text(), "ok\n");
    assert!(server.send("GET", "/metrics", &[], b"").text().contains("provisor_scim_unauthorized_total 5"));
}

#[test]
fn who_asks_too_often_waits() {
    let data = Data::new();
    let server = Server::start_with(&data.0, &[("PROVISOR_LIMITS_RATE", "1"), ("PROVISOR_LIMITS_BURST", "2")]);
    let statuses: Vec<u16> = (0..4).map(|_| server.scim("GET", "/Users/nobody", None).status).collect();
    assert_eq!((statuses[0], statuses[3]), (404, 429), "{statuses:?}");
    let probe = server.scim("GET", "/Users?filter=userName+eq+%22x%22", None);
    assert_eq!(probe.status, 200, "a probe is never told that its credentials are wrong");
    assert!(server.scim("GET", "/Users/nobody", None).head.contains("retry-after: "));
}

#[test]
fn versions_guard_writes_and_pages_follow_cursors() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let ids: BTreeSet<String> = (0..25).map(|number| server.user(&format!("u{number:02}"))).collect();
    let first = ids.iter().next().unwrap();
    let change = json!({"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "x"}]});
    let path = format!("/Users/{first}");
    let stale = server.scim_with("PATCH", &path, &[("If-Match", "W/\"7\"")], Some(&change));
    assert_eq!(stale.status, 412, "{}", stale.text());
    let fresh = server.scim_with("PATCH", &path, &[("If-Match", "W/\"1\"")], Some(&change));
    assert_eq!((fresh.status, &fresh.json()["meta"]["version"]), (200, &json!("W/\"2\"")));
    assert_eq!(server.scim_with("GET", &path, &[("If-None-Match", "W/\"2\"")], None).status, 304);
    for query in [
        "/Users?count=10&cursor=",
        "/Users?count=10&sortBy=userName&cursor=",
        "/Users?count=10&filter=userName+sw+%22u%22&cursor=",
    ] {
        let (mut seen, mut cursor, mut pages) = (BTreeSet::new(), String::new(), 0);
        loop {
            let page = server.scim("GET", &format!("{query}{cursor}"), None).json();
            let found = page["Resources"].as_array().unwrap_or_else(|| panic!("{query}: {page}"));
            seen.extend(found.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
            pages += 1;
            match page["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!((pages, &seen), (3, &ids), "{query}");
    }
    let sorted = server.scim("GET", "/Users?sortBy=userName&sortOrder=descending&count=2&startIndex=2", None).json();
    assert_eq!((&sorted["Resources"][0]["userName"], &sorted["startIndex"]), (&json!("u23"), &json!(2)));
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName eq \"u03\"", "attributes": ["userName"]});
    for place in ["/Users/.search", "/.search"] {
        let found = server.scim("POST", place, Some(&search)).json();
        assert_eq!((&found["totalResults"], &found["Resources"][0]["userName"]), (&json!(1), &json!("u03")), "{place}");
    }
}

#[test]
fn bulk_refers_forward() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"schemas": [GROUP], "displayName": "Team", "members": [{"value": "bulkId:u"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER], "userName": "ada"}},
        {"method": "POST", "path": "/Users", "bulkId": "v", "data": {"schemas": [USER], "userName": "ADA"}},
    ]});
    let reply = server.scim("POST", "/Bulk", Some(&body)).json();
    let statuses: Vec<&Value> = reply["Operations"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [&json!("201"), &json!("201"), &json!("409")], "{reply}");
    assert_eq!(server.scim("GET", "/Groups", None).json()["Resources"][0]["members"].as_array().unwrap().len(), 1);
}

#[test]
fn sources_and_tokens() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let admin = format!("Bearer {ADMIN}");
    let api = |method: &str, path: &str, body: Value| {
        let headers = [("Authorization", admin.as_str()), ("Content-Type", "application/json")];
        server.send(method, &format!("/api/v1{path}"), &headers, body.to_string().as_bytes())
    };
    assert_eq!(api("POST", "/sources", json!({"slug": "acme"})).status, 201);
    assert_eq!(api("POST", "/sources", json!({"slug": "acme"})).status, 409);
    assert_eq!(api("POST", "/sources", json!({"slug": "No Good"})).status, 422);
    let made = api("POST", "/tokens", json!({"label": "entra", "source": "acme"})).json();
    let token = format!("Bearer {}", made["token"].as_str().unwrap());
    let ask = |source: &str| {
        server.send("GET", &format!("/scim/{source}/v2/Users"), &[("Authorization", &token)], b"").status
    };
    assert_eq!((ask("acme"), ask("default")), (200, 401), "a token opens its own source and no other");
    server.user("only-in-default");
    let seen = server.send("GET", "/scim/acme/v2/Users", &[("Authorization", &token)], b"").json();
    assert_eq!(seen["totalResults"], 0);
    let listed = api("GET", "/tokens", json!(null)).text();
    assert!(listed.contains("entra") && !listed.contains("hash") && !listed.contains(&token[7..]), "{listed}");
    assert_eq!(api("DELETE", &format!("/tokens/{}", made["id"].as_str().unwrap()), json!(null)).status, 204);
    assert_eq!(ask("acme"), 401);
    assert_eq!(server.send("GET", "/api/v1/sources", &[], b"").status, 401);
    let (done, told) = cli(&["source", "list"], &data.0);
    assert!(!done && told.contains("open in another process"), "{told}");
    server.kill();
    let (done, told) = cli(&["source", "show", "default"], &data.0);
    assert!(done && told.contains("User   1"), "{told}");
    let (done, made) = cli(&["token", "create", "okta", "--source", "acme", "--days", "1"], &data.0);
    assert!(done && made.starts_with("prv1_"), "{made}");
    let (done, told) = cli(&["token", "list"], &data.0);
    assert!(done && told.contains("okta") && told.contains("revoked") && told.contains("0 days left"), "{told}");
}

#[test]
fn a_backup_is_made_while_the_server_goes_on() {
    let (data, elsewhere) = (Data::new(), Data::new());
    let server = Server::start(&data.0);
    for number in 0..200 {
        server.user(&format!("u{number}"));
    }
    let backup = std::thread::scope(|scope| {
        let server = &server;
        let writing = scope.spawn(move || (200..230).for_each(|number| drop(server.user(&format!("u{number}")))));
        let backup = server.api("GET", "/backup", &[], "");
        writing.join().unwrap();
        backup
    });
    assert_eq!(backup.status, 200);
    assert!(backup.text().contains("u199"));
    fs::create_dir_all(&elsewhere.0).unwrap();
    let file = elsewhere.0.join("backup.jsonl");
    // The answer comes in chunks, whose sizes stand on lines of their own.
    fs::write(&file, unchunked(&backup.body)).unwrap();
    let restored = elsewhere.0.join("data");
    let (fine, text) = cli(&["restore", file.to_str().unwrap()], &restored);
    assert!(fine, "{text}");
    let (fine, text) = cli(&["store", "verify"], &restored);
    assert!(fine && text.contains("all agree"), "{text}");
    let shut = server.patch(
        &format!("/Users/{}", server.user("last")),
        json!([{"op": "replace", "path": "active", "value": false}]),
    );
    assert_eq!(shut.status, 200);
    assert_eq!(server.scim("GET", "/Users?filter=active+eq+false", None).json()["totalResults"], 1);
    assert_eq!(server.scim("GET", "/Users?filter=not+(active+eq+false)&count=0", None).json()["totalResults"], 230);
}

/// A body without the marks of its chunks.
fn unchunked(body: &[u8]) -> Vec<u8> {
    let (mut whole, mut rest) = (Vec::new(), body);
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}

#[test]
fn a_backup_is_restored_elsewhere() {
    let (data, other) = (Data::new(), Data::new());
    let server = Server::start(&data.0);
    let (ada, group) = (server.user("ada"), server.group("Team"));
    server.patch(&format!("/Groups/{group}"), json!([{"op": "add", "path": "members", "value": [{"value": ada}]}]));
    server.kill();
    let file = data.0.join("backup.jsonl");
    let (done, told) = cli(&["backup", file.to_str().unwrap()], &data.0);
    assert!(done && told.contains("sha256"), "{told}");
    let (done, told) = cli(&["restore", file.to_str().unwrap()], &other.0);
    assert!(done, "{told}");
    let server = Server::start(&other.0);
    assert_eq!(server.members(&group), BTreeSet::from([ada]));
    let (done, told) = cli(&["restore", file.to_str().unwrap()], &data.0);
    assert!(!done && told.contains("not empty"), "{told}");
}

#[test]
fn nobody_listens_in_the_clear_by_accident() {
    let data = Data::new();
    let (done, told) = cli(&["serve", "--listen", "0.0.0.0:0"], &data.0);
    assert!(!done && told.contains("in the clear"), "{told}");
}
