//! The provisioning log as an operator meets it: what clients write, read back through the API and the command line.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use provisor::clock::{Clock, SetClock};
use provisor::directory::{Actor, Attempt, Call, Directory, LogFilter, SourceRecord, Write as Request};
use provisor::scim::error::ScimError;
use provisor::store::{LogEntry, LogQuery, Operation, Options, SledStore, Store, Table, Transaction};
use serde_json::{Value, json};

use crate::support::json_lines;

const SCIM: &str = "scim-token-of-the-log";
const ADMIN: &str = "admin-token-of-the-log";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A data directory of its own, gone when it is dropped.
struct Data(PathBuf);

impl Data {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("provisor-log-{}-{number}", std::process::id()));
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
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(data: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_provisor"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .envs([("PROVISOR_SCIM_TOKEN", SCIM), ("PROVISOR_ADMIN_TOKEN", ADMIN)])
            .envs([("PROVISOR_LIMITS_RATE", "100000"), ("PROVISOR_LIMITS_BURST", "100000")])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut greeting, mut out) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
        while !greeting.contains("SCIM endpoint:") {
            assert!(out.read_line(&mut greeting).unwrap() > 0, "the server ended: {greeting}");
        }
        let at = greeting.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
        Self { child, port: greeting[at..].split('/').next().unwrap().parse().unwrap() }
    }

    fn stop(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Status, headers in small letters, and the body with its chunks joined.
    fn send(&self, method: &str, path: &str, token: &str, more: &str, body: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{more}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let reply = String::from_utf8(reply).unwrap();
        let (head, mut body) = reply.split_once("\r\n\r\n").unwrap();
        let (status, head) = (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_ascii_lowercase());
        let mut whole = String::new();
        if head.contains("transfer-encoding: chunked") {
            loop {
                let (size, rest) = body.split_once("\r\n").unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                whole.push_str(&rest[..size]);
                body = &rest[size + 2..];
                if size == 0 {
                    return (status, head, whole);
                }
            }
        }
        (status, head, body.to_owned())
    }

    fn scim(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("/scim/default/v2{path}");
        let (status, _, body) =
            self.send(method, &path, SCIM, "Content-Type: application/scim+json\r\n", text.as_bytes());
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    fn made(&self, path: &str, body: &Value) -> String {
        let (status, made) = self.scim("POST", path, body);
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    fn api(&self, path: &str) -> Value {
        let (status, _, body) = self.send("GET", &format!("/api/v1{path}"), ADMIN, "", b"");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    fn lines(&self, query: &str) -> Vec<Value> {
        self.api(&format!("/log?{query}"))["lines"].as_array().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cli(arguments: &[&str], data: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_provisor")).args(arguments).arg("--data").arg(data).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

fn user(name: &str) -> Value {
    json!({"schemas": [USER], "userName": name, "nickName": "zaphod-the-secret", "password": "pass-the-secret"})
}

fn patch(operations: &Value) -> Value {
    json!({"schemas": [PATCH], "Operations": operations})
}

/// A line in short: operation, kind, name, attributes, outcome with status, scimType.
fn short(line: &Value) -> String {
    let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
    let attributes: Vec<&str> = line["attributes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mark = if line["unchanged"] == true { " unchanged" } else { "" };
    let bulk = if line["bulk"] == true { "bulk " } else { "" };
    format!(
        "{bulk}{} {} {} [{}] {} {}{mark} {}",
        text("operation"),
        text("resource"),
        text("name"),
        attributes.join(" "),
        text("outcome"),
        line["status"],
        text("scimType")
    )
}

#[test]
fn every_write_leaves_a_line_without_values() {
    let data = Data::new();
    let server = Server::start(&data.0, &[]);
    let ada = server.made("/Users", &user("ada"));
    let group = server.made("/Groups", &json!({"schemas": [GROUP], "displayName": "Admins"}));
    let title = patch(&json!([{"op": "replace", "path": "title", "value": "title-the-secret"}]));
    let add = patch(&json!([{"op": "add", "path": "members", "value": [{"value": ada}]}]));
    let all = patch(&json!([{"op": "replace", "path": "members", "value": [{"value": ada}]}]));
    let remove = patch(&json!([{"op": "remove", "path": "members", "value": [{"value": ada}]}]));
    let neither = patch(&json!([
        {"op": "remove", "path": "members", "value": [{"value": group}]}, {"op": "add", "path": "members", "value": [{"value": ada}]}
    ]));
    let (user_path, group_path) = (format!("/Users/{ada}"), format!("/Groups/{group}"));
    let put = json!({"schemas": [GROUP], "displayName": "Admins", "members": [{"value": ada}]});
    let bad = patch(&json!([{"op": "replace", "path": "emails[type eq \"mail-the-secret\"].value", "value": 7}]));
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "v", "data": user("bob")},
        {"method": "POST", "path": "/Users", "bulkId": "w", "data": user("ADA")},
    ]});
    let broken = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"schemas": [GROUP], "displayName": "Lost", "members": [{"value": "bulkId:none"}]}},
    ]});
    let big = json!({"schemas": [USER], "userName": "x".repeat(5 << 20)});
    let none = Value::Null;
    for (method, path, body, status, wanted) in [
        ("PATCH", &*user_path, &title, 200, "patch User ada [title] success 200 -"),
        ("PATCH", &user_path, &title, 200, "patch User ada [] success 200 unchanged -"),
        ("PATCH", &group_path, &add, 200, "patch Group Admins [members] success 200 -"),
        ("PATCH", &group_path, &add, 200, "patch Group Admins [] success 200 unchanged -"),
        ("PATCH", &group_path, &neither, 200, "patch Group Admins [] success 200 unchanged -"),
        ("PUT", &group_path, &put, 200, "replace Group Admins [] success 200 unchanged -"),
        ("PATCH", &group_path, &remove, 200, "patch Group Admins [members] success 200 -"),
        ("PATCH", &group_path, &remove, 200, "patch Group Admins [] success 200 unchanged -"),
        ("PUT", &group_path, &put, 200, "replace Group Admins [members] success 200 -"),
        ("PATCH", &group_path, &all, 200, "patch Group Admins [] success 200 unchanged -"),
        ("POST", "/Users", &user("ADA"), 409, "create User ADA [] failure 409 uniqueness"),
        ("PATCH", &user_path, &bad, 400, "patch User ada [] failure 400 invalidValue"),
        ("PATCH", "/Users/nobody", &title, 404, "patch User - [] failure 404 -"),
        ("PATCH", "/Groups/nobody", &add, 404, "patch Group - [] failure 404 -"),
        ("DELETE", "/Groups/nobody", &none, 404, "delete Group - [] failure 404 -"),
        ("POST", "/Users", &none, 400, "create User - [] failure 400 invalidSyntax"),
        ("POST", "/Users", &big, 413, "create User - [] failure 413 -"),
        ("POST", "/Bulk", &none, 400, "bulk - - [] failure 400 invalidSyntax"),
        ("POST", "/Bulk", &json!({"schemas": []}), 400, "bulk - - [] failure 400 invalidSyntax"),
        ("POST", "/Bulk", &bulk, 200, "bulk create User ADA [] failure 409 uniqueness"),
        ("POST", "/Bulk", &broken, 200, "bulk create Group Lost [] failure 400 invalidValue"),
        ("DELETE", &user_path, &none, 204, "delete User ada [] success 204 -"),
    ] {
        let (found, reply) = server.scim(method, path, body);
        assert_eq!(found, status, "{method} {path}: {reply}");
        let newest = server.lines("limit=1");
        assert_eq!(short(&newest[0]), wanted, "{method} {path}: {}", newest[0]);
    }
    let stale = server.send("DELETE", &format!("/scim/default/v2{group_path}"), SCIM, "If-Match: W/\"99\"\r\n", b"");
    assert_eq!((stale.0, &*short(&server.lines("limit=1")[0])), (412, "delete Group Admins [] failure 412 -"));
    let eve = format!("/Users/{}", server.made("/Users", &user("eve")));
    for path in [
        "emails[type eq the-secret].value",
        "emails[type eq 47114711471]",
        "roles[primary eq 47114711471].value",
        "x eq \"the-secret",
    ] {
        let change = patch(&json!([{"op": "add", "path": path, "value": "the-secret"}]));
        assert_eq!(server.scim("PATCH", &eve, &change).0, 400, "{path}");
    }
    let before = server.lines("limit=1000").len();
    for (method, path, token) in [
        ("GET", user_path.as_str(), SCIM),
        ("POST", "/Users", "wrong"),
        ("PUT", "/Users", SCIM),
        ("GET", "/Users", SCIM),
    ] {
        server.send(method, &format!("/scim/default/v2{path}"), token, "", b"");
    }
    let lines = server.lines("limit=1000");
    assert_eq!(lines.len(), before, "reading and strangers leave no line");
    let all = Value::Array(lines.clone()).to_string();
    assert!(!all.contains("the-secret") && !all.contains("47114711471") && !all.contains("\\\"ada\\\""), "{all}");
    let refused = lines.iter().find(|line| line["status"] == 409 && line["bulk"] != true).unwrap();
    assert_eq!(refused["detail"], "another User has this userName: \"…\"");
    let first = lines.last().unwrap();
    assert_eq!((&first["id"], &first["source"], &first["label"]), (&json!(ada), &json!("default"), &json!("default")));
    assert!(first["request"].as_str().is_some_and(|id| id.len() == 36) && first["token"].is_string(), "{first}");
    let attributes: Vec<&str> = first["attributes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(attributes.contains(&"nickName") && attributes.contains(&"userName"), "{attributes:?}");
    server.stop();
    let (clean, told) = cli(&["store", "verify"], &data.0);
    assert!(clean, "{told}");
}

#[test]
fn the_log_is_questioned_paged_and_exported() {
    let data = Data::new();
    let server = Server::start(&data.0, &[]);
    let ids: Vec<String> = (0..25).map(|number| server.made("/Users", &user(&format!("u{number:02}")))).collect();
    server.scim("POST", "/Users", &user("=cmd()"));
    server.scim("POST", "/Users", &user("a\"b,c"));
    server.scim("POST", "/Groups", &json!({"schemas": [GROUP], "displayName": "Admins"}));
    for id in &ids[..5] {
        server.scim("PATCH", &format!("/Users/{id}"), &patch(&json!([{"op": "remove", "path": "userName"}])));
    }
    server.scim("DELETE", &format!("/Users/{}", ids[0]), &Value::Null);
    for (query, count) in [
        ("limit=1000", 34),
        ("limit=1000&outcome=failure", 5),
        ("limit=1000&outcome=success", 29),
        ("limit=1000&resource=group", 1),
        ("limit=1000&operation=create&resource=User", 27),
        ("limit=1000&operation=delete", 1),
        ("limit=1000&token=default", 34),
        ("limit=1000&token=other", 0),
        ("limit=1000&source=default&since=1h", 34),
        ("limit=1000&source=other", 0),
        ("limit=1000&until=1h", 0),
        ("limit=1000&since=2020-01-01T00:00:00Z&until=2020-01-02", 0),
        (&format!("limit=1000&id={}", ids[0]), 3),
        (&format!("id={}&outcome=failure", ids[0]), 1),
    ] {
        assert_eq!(server.lines(query).len(), count, "{query}");
    }
    for (order, filter, wanted) in [("newest", "", 34), ("oldest", "", 34), ("newest", "&operation=create", 28)] {
        let (mut numbers, mut cursor) = (Vec::new(), String::new());
        for _ in 0..20 {
            let page = server.api(&format!("/log?order={order}{filter}&limit=7&cursor={cursor}"));
            numbers.extend(page["lines"].as_array().unwrap().iter().map(|line| line["number"].as_u64().unwrap()));
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if order == "newest" {
            sorted.reverse();
        }
        assert_eq!((numbers.len(), &numbers), (wanted, &sorted), "{order}{filter}");
    }
    for (query, part) in [
        ("sort=x", "no parameter \\\"sort\\\""),
        ("since=yesterday", "24h"),
        ("outcome=odd", "success or failure"),
        ("cursor=!", "cursor"),
        ("limit=0", "from 1"),
        ("order=up", "newest or oldest"),
        ("format=xml", "csv"),
        ("limit=1&limit=2", "twice"),
    ] {
        let (status, head, body) = server.send("GET", &format!("/api/v1/log?{query}"), ADMIN, "", b"");
        assert_eq!(status, 400, "{query}");
        assert!(head.contains("application/problem+json") && body.contains(part), "{query}: {body}");
    }
    for path in ["/api/v1/log", "/api/v1/sources/default/users"] {
        assert_eq!(server.send("GET", path, SCIM, "", b"").0, 401, "{path} asks for an admin token");
    }

    let (_, head, jsonl) = server.send("GET", "/api/v1/log?order=oldest", ADMIN, "Accept: application/jsonl\r\n", b"");
    assert!(head.contains("application/jsonl"), "{head}");
    let exported = json_lines(&jsonl);
    assert_eq!((exported.len(), &exported[0]["id"]), (34, &json!(ids[0])));
    let (_, head, csv) = server.send("GET", "/api/v1/log", ADMIN, "Accept: text/csv\r\n", b"");
    assert!(head.contains("text/csv"), "{head}");
    let rows: Vec<csv::StringRecord> = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(csv.as_bytes())
        .records()
        .map(Result::unwrap)
        .collect();
    assert_eq!((rows.len(), &rows[0][7]), (35, "name"));
    assert!(rows.iter().any(|row| &row[7] == "'=cmd()") && rows.iter().any(|row| &row[7] == "a\"b,c"), "{csv}");
    let (_, _, few) = server.send("GET", "/api/v1/log?format=csv&limit=3&outcome=failure", ADMIN, "", b"");
    assert_eq!(few.lines().count(), 4);
    server.stop();

    let (_, offline) = cli(&["log", "--format", "jsonl", "--oldest"], &data.0);
    assert_eq!(json_lines(&offline), exported, "offline it is the same");
    assert_eq!(cli(&["log", "--format", "csv"], &data.0).1, csv);
    let (_, table) = cli(&["log", "--failed", "--since", "24h", "--limit", "2", "--source", "default"], &data.0);
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains("400 mutability") && table.contains("patch User u04"), "{table}");
    let (_, one) = cli(&["log", "--id", &ids[0], "--operation", "delete"], &data.0);
    assert!(one.lines().count() == 2 && one.contains("delete User u00"), "{one}");
    for (arguments, part) in [(["log", "--since", "soon"], "--since"), (["log", "--source", "acme"], "no source")] {
        let (done, told) = cli(&arguments, &data.0);
        assert!(!done && told.contains(part), "{told}");
    }
}

#[test]
fn a_source_shows_what_it_provisioned() {
    let data = Data::new();
    let server = Server::start(&data.0, &[]);
    assert_eq!(server.api("/sources/default")["activity"]["lastRequest"], Value::Null);
    let ids: Vec<String> = (0..12).map(|number| server.made("/Users", &user(&format!("u{number:02}")))).collect();
    let bad = patch(&json!([{"op": "remove", "path": "userName"}]));
    let fine = patch(&json!([{"op": "add", "path": "title", "value": "x"}]));
    for id in [&ids[3], &ids[7]] {
        assert_eq!(server.scim("PATCH", &format!("/Users/{id}"), &bad).0, 400);
    }
    thread::sleep(Duration::from_millis(2));
    assert_eq!(server.scim("PATCH", &format!("/Users/{}", ids[7]), &fine).0, 200);
    assert_eq!(server.scim("PATCH", "/Users/nobody", &fine).0, 404);
    let shown = server.api("/sources/default");
    let activity = &shown["activity"];
    assert_eq!(activity["last24Hours"], json!({"success": 13, "failure": 3}), "{shown}");
    assert_eq!(short(&activity["lastRequest"]), "patch User - [] failure 404 -");
    assert!(activity["hint"].as_str().unwrap().starts_with("12 users and no group"), "{shown}");
    let names = |page: &Value, list: &str| -> Vec<String> {
        page[list].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    let failed = server.api("/sources/default/users?outcome=failure");
    assert_eq!(names(&failed, "users"), ["u03"], "what was mended since is fine: {failed}");
    let last = &failed["users"][0]["lastRequest"];
    assert_eq!(
        (&last["outcome"], &last["status"], &last["scimType"]),
        (&json!("failure"), &json!(400), &json!("mutability"))
    );
    assert_eq!(names(&server.api("/sources/default/users?search=U1"), "users"), ["u10", "u11"]);
    let first = server.api("/sources/default/users?limit=5");
    let second = server.api(&format!("/sources/default/users?limit=50&cursor={}", first["next"].as_str().unwrap()));
    assert_eq!((names(&first, "users").len(), names(&second, "users").len(), &second["next"]), (5, 7, &Value::Null));
    assert_eq!(server.send("GET", "/api/v1/sources/none/users", ADMIN, "", b"").0, 404);

    let team = json!({"schemas": [GROUP], "displayName": "Team", "externalId": "g-1", "members": [{"value": ids[0]}, {"value": ids[1]}]});
    server.made("/Groups", &team);
    let groups = server.api("/sources/default/groups");
    let group = &groups["groups"][0];
    assert_eq!((&group["name"], &group["members"], &group["externalId"]), (&json!("Team"), &json!(2), &json!("g-1")));
    assert_eq!(group["lastRequest"], json!({"time": group["changed"], "outcome": "success"}));
    assert!(server.api("/sources/default")["activity"].get("hint").is_none());
    server.stop();

    let (_, told) = cli(&["source", "show", "default"], &data.0);
    assert!(
        told.contains("create Group success (201), token default") && told.contains("14 succeeded, 3 refused"),
        "{told}"
    );
    let (_, told) = cli(&["source", "users", "default", "--failed"], &data.0);
    assert!(told.lines().count() == 2 && told.contains("failure (patch 400 mutability"), "{told}");
    let (_, told) = cli(&["source", "users", "default", "--limit", "3"], &data.0);
    assert_eq!(told.lines().count(), 4, "{told}");
    let (_, told) = cli(&["source", "groups", "default"], &data.0);
    assert!(told.contains("Team") && told.contains("g-1"), "{told}");

    // The last request is not the log's to lose: a copy of the data has it too.
    let (file, other) = (data.0.join("backup.jsonl"), Data::new());
    assert!(cli(&["backup", file.to_str().unwrap()], &data.0).0);
    assert!(cli(&["restore", file.to_str().unwrap()], &other.0).0);
    let (_, told) = cli(&["source", "show", "default"], &other.0);
    assert!(told.contains("create Group success (201)"), "{told}");
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn old_lines_are_forgotten_by_age_and_by_size() {
    let data = Data::new();
    let (old, long) = (1_000, 40_000);
    {
        let store = SledStore::open(&data.0, Options::default()).unwrap();
        let mut transaction = Transaction::new("default");
        for at in [old; 30] {
            let body = vec![b' '; long];
            transaction = transaction.with(Operation::Log(LogEntry { at, resource: None, failed: false, body }));
        }
        wait(store.commit(transaction)).unwrap();
        let now = provisor::clock::SystemClock.now();
        for at in (0..60).map(|number| now - number * 1_000) {
            let body = vec![b' '; long];
            let entry = LogEntry { at, resource: None, failed: false, body };
            wait(store.commit(Transaction::new("default").with(Operation::Log(entry)))).unwrap();
        }
    }
    // The newest 60 are of this minute, and a megabyte holds 25.
    for (variables, wanted) in
        [(&[("PROVISOR_RETENTION_LOG_DAYS", "1")][..], 60), (&[("PROVISOR_RETENTION_LOG_MEGABYTES", "1")], 24)]
    {
        let server = Server::start(&data.0, variables);
        let begun = Instant::now();
        let mut kept = usize::MAX;
        while kept > wanted && begun.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(20));
            kept = server.lines("limit=1000").len();
        }
        assert_eq!(kept, wanted, "{variables:?}");
    }
    let (clean, told) = cli(&["store", "verify"], &data.0);
    assert!(clean, "{told}");
}

#[test]
fn refusals_are_bounded_and_made_up_ids_leave_nothing() {
    let data = Data::new();
    let store = Arc::new(SledStore::open(&data.0, Options::default()).unwrap());
    let directory = Directory::new(store.clone(), Arc::new(SetClock::at(1_000_000)));
    let source = SourceRecord::new("default", 0).ready().unwrap();
    let actor = Actor { label: "entra".into(), ..Actor::default() };
    let call = Call {
        source: &source,
        base: "http://x/scim/default/v2",
        actor: &actor,
        if_match: None,
        if_none_match: None,
        attributes: None,
        excluded: None,
        entra: false,
    };
    let kind = source.named("User").unwrap();
    let error = ScimError::not_found("User \"x\"");
    wait(async {
        let waiting: Vec<String> = (0..500).map(|number| format!("made-up-{number}")).collect();
        let attempts: Vec<Attempt<'_>> = waiting
            .iter()
            .map(|id| Attempt { operation: "patch", kind: Some(kind), id: Some(id), body: None })
            .collect();
        let mut refusals: Vec<_> =
            attempts.iter().map(|attempt| Box::pin(directory.log_refusal(&call, attempt, &error))).collect();
        // All are begun before any is awaited to its end.
        std::future::poll_fn(|context| {
            refusals.retain_mut(|refusal| refusal.as_mut().poll(context).is_pending());
            if refusals.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        let filter = LogFilter { query: LogQuery { limit: 1_000, ..LogQuery::default() }, ..LogFilter::default() };
        let lines = directory.log(&filter).await.unwrap().items;
        let dropped = directory.dropped_lines() as usize;
        assert_eq!(lines.len() + dropped, 500);
        assert!(lines.len() >= 64 && dropped > 0, "{} lines, {dropped} dropped", lines.len());
        assert!(store.records(Table::Requests, b"", None, 10).await.unwrap().items.is_empty());
        // An id as long as a URL may be is logged without it.
        let id = "x".repeat(10_000);
        assert_eq!(directory.write(&call, kind, Request::Delete(&id)).await.unwrap_err().status, 404);
        let newest = LogFilter { query: LogQuery { limit: 1, newest_first: true, ..LogQuery::default() }, ..filter };
        let newest = directory.log(&newest).await.unwrap().items.remove(0);
        assert_eq!((newest.id, newest.told.operation.as_str(), newest.told.status), (None, "delete", 404));
    });
}
