//! The admin API as its clients meet it: which role may do what, and that a token of one source finds nothing of another's.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::{Data, Reply, SCIM, Server};
use crate::support::{Scratch, root};

/// A request, and who may make it: a line of `tests/cases/api/routes.json`. They are made in their order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Method and path; names in braces stand for what the test made.
    does: String,
    /// The least role that may.
    role: String,
    /// What is sent, as JSON or as text.
    #[serde(default)]
    body: Value,
    #[serde(default)]
    text: String,
    /// What whoever may gets, otherwise 200.
    status: Option<u16>,
    /// Whether it can be done only once.
    #[serde(default)]
    once: bool,
    /// What a token of the role limited to the source gets, when not the same.
    own: Option<u16>,
    /// What a token of the role limited to another source gets, when not 404.
    other: Option<u16>,
}

const ROLES: [&str; 3] = ["read", "operate", "admin"];

/// A server with two sources that have a user, a mapping, a client, a token and a sync each, and tokens of every kind.
struct World {
    server: Server,
    /// By name: `read`, `read of acme`, `read of other`, and so on.
    tokens: BTreeMap<String, String>,
    /// What stands in braces.
    names: BTreeMap<&'static str, String>,
    _data: Data,
    _scratch: Scratch,
}

impl World {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let mut config = String::new();
        for slug in ["acme", "other"] {
            let mapping = scratch.write(&format!("{slug}.toml"), mapping(&format!("{slug}-out")));
            let out = scratch.path(&format!("{slug}.jsonl"));
            config.push_str(&format!(
                "[[source]]\nslug = '{slug}'\n\n[[sync]]\nname = '{slug}-out'\nsource = '{slug}'\n"
            ));
            config.push_str(&format!(
                "users = {{ mapping = '{mapping}' }}\nschedule = {{ every = 0, direct = false }}\n"
            ));
            config.push_str(&format!("target = {{ kind = 'file', path = '{out}' }}\n\n"));
        }
        let config = scratch.write("provisor.toml", config);
        let data = Data::new();
        let server = Server::start_by(&data.0, &["--config", &config], &[]);
        let made = |path: &str, body: Value| {
            let reply = server.api("POST", path, &[], &body.to_string());
            assert_eq!(reply.status, 201, "{}", reply.text());
            reply.json()
        };
        let (mut tokens, mut names) = (BTreeMap::new(), BTreeMap::new());
        for slug in ["other", "acme"] {
            let name = format!("{slug}-users");
            assert_eq!(server.api("PUT", &format!("/mappings/{name}"), &[], &mapping(&name)).status, 201);
            let body = json!({"userMapping": name}).to_string();
            assert_eq!(server.api("PUT", &format!("/sources/{slug}"), &[], &body).status, 200);
            let token = made("/tokens", json!({"label": format!("{slug}-entra"), "source": slug}));
            let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
            let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/scim+json")];
            let user = json!({"schemas": [crate::server::USER], "userName": format!("user@{slug}.example")});
            let path = format!("/scim/{slug}/v2/Users");
            let user = server.send("POST", &path, &headers, user.to_string().as_bytes()).json();
            let client = made("/clients", json!({"label": format!("{slug}-client"), "source": slug}));
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let group = json!({"schemas": [crate::server::GROUP], "displayName": format!("Team of {slug}"),
                "members": [{"value": user["id"]}]});
            let path = format!("/scim/{slug}/v2/Groups");
            let group = server.send("POST", &path, &headers, group.to_string().as_bytes()).json();
            names.insert("{group}", text(&group["id"]));
            names.insert("{user}", text(&user["id"]));
            names.insert("{token}", text(&token["id"]));
            names.insert("{client}", text(&client["id"]));
            names.insert("{secret}", text(&client["secrets"][0]["id"]));
            tokens.insert(format!("scim of {slug}"), text(&token["token"]));
        }
        for role in ROLES {
            for (name, sources) in [("", json!([])), (" of acme", json!(["acme"])), (" of other", json!(["other"]))] {
                let label = format!("{role}{name}");
                let token = made("/tokens", json!({"label": label, "role": role, "sources": sources}));
                tokens.insert(label, token["token"].as_str().unwrap().to_owned());
            }
        }
        Self { server, tokens, names, _data: data, _scratch: scratch }
    }

    fn ask(&self, row: &Row, token: &str) -> Reply {
        let (method, path) = row.does.split_once(' ').unwrap();
        let path = self.names.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
        let body = if row.body.is_null() { row.text.clone() } else { row.body.to_string() };
        let bearer = format!("Bearer {}", self.tokens.get(token).map_or(token, String::as_str));
        let mut headers = vec![("Authorization", bearer.as_str())];
        if !row.body.is_null() {
            headers.push(("Content-Type", "application/json"));
        }
        self.server.send(method, &format!("/api/v1{path}"), &headers, body.as_bytes())
    }
}

fn mapping(name: &str) -> String {
    format!(
        "name = '{name}'\nresource = 'User'\n\n[target]\nkind = 'json'\n\n[attributes]\nlogin = {{ expr = '[userName]', match = 1 }}\n"
    )
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/cases/api/routes.json")).unwrap();
    let rows: Vec<Row> = serde_json::from_str(&text).unwrap();
    assert!(!rows.is_empty());
    rows
}

/// A refusal, with its problem.
fn refused(row: &Row, who: &str, reply: &Reply, status: u16) -> Value {
    assert_eq!(reply.status, status, "{} as {who}: {}", row.does, reply.text());
    assert!(reply.head.contains("content-type: application/problem+json"), "{} as {who}: {}", row.does, reply.head);
    let problem = reply.json();
    assert_eq!(problem["status"], status);
    problem
}

#[test]
fn every_route_asks_for_its_role_and_shows_no_other_source() {
    let world = World::new("api-roles");
    let rows = rows();
    for row in &rows {
        for nobody in ["", "prv1_x_y", SCIM, "scim of acme", "prva1_x"] {
            refused(row, nobody, &world.ask(row, nobody), 401);
        }
        let least = ROLES.iter().position(|role| *role == row.role).unwrap();
        for role in &ROLES[..least] {
            for who in ["", " of acme", " of other"] {
                let who = format!("{role}{who}");
                let problem = refused(row, &who, &world.ask(row, &who), 403);
                assert!(problem["detail"].as_str().unwrap().contains(&format!("`{}`", row.role)), "{problem}");
            }
        }
        for role in &ROLES[least..] {
            let who = format!("{role} of other");
            let reply = world.ask(row, &who);
            match row.other {
                Some(status @ 200..=299) => {
                    assert_eq!(reply.status, status, "{} as {who}: {}", row.does, reply.text());
                    assert!(!reply.text().contains("acme"), "{} as {who}: {}", row.does, reply.text());
                }
                other => {
                    refused(row, &who, &reply, other.unwrap_or(404));
                }
            }
        }
        let own = row.own.filter(|status| *status >= 400);
        if let Some(status) = own {
            for role in &ROLES[least..] {
                let who = format!("{role} of acme");
                refused(row, &who, &world.ask(row, &who), status);
            }
        }
    }
    // Whoever may does it: of the least role, limited to the source and without a limit, as far as it can be done twice.
    for row in &rows {
        let once = row.once || row.does.starts_with("DELETE");
        let who = if once || row.own.is_some_and(|own| own >= 400) { vec![""] } else { vec![" of acme", ""] };
        for who in who {
            let who = format!("{}{who}", row.role);
            let reply = world.ask(row, &who);
            assert_eq!(reply.status, row.status.unwrap_or(200), "{} as {who}: {}", row.does, reply.text());
        }
    }
}

#[test]
fn a_role_is_given_at_the_command_line_and_listed() {
    let data = Data::new();
    Server::start(&data.0).kill();
    for (arguments, opens) in [
        (vec!["--role", "read"], "api:read"),
        (vec!["--role", "operate", "--source", "default"], "api:operate of default"),
        (vec!["--role", "admin"], "opens admin"),
        (vec!["--source", "default"], "opens default"),
    ] {
        let arguments = [vec!["token", "create", "x"], arguments].concat();
        let (fine, printed) = crate::server::cli(&arguments, &data.0);
        assert!(fine && printed.starts_with("prv1_"), "{printed}");
        let (_, list) = crate::server::cli(&["token", "list"], &data.0);
        assert!(list.contains(opens), "{list}");
    }
    for (arguments, words) in [
        (vec!["--role", "root"], "there are read, operate and admin"),
        (vec!["--source", "default", "--source", "b"], "opens one source"),
        (vec!["--role", "read", "--source", "nobody"], "there is no source \"nobody\""),
    ] {
        let arguments = [vec!["token", "create", "x"], arguments].concat();
        let (fine, printed) = crate::server::cli(&arguments, &data.0);
        assert!(!fine && printed.contains(words), "{printed}");
    }
}

/// The operations of the document, as method and path in its segments.
fn documented(document: &Value) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in
            item.as_object().unwrap().keys().filter(|key| ["get", "put", "post", "delete"].contains(&key.as_str()))
        {
            found.push((method.to_uppercase(), path.split('/').map(str::to_owned).collect()));
        }
    }
    found
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let reply = server.send("GET", "/api/v1/openapi.json", &[], b"");
    assert!(reply.status == 200 && reply.head.contains("content-type: application/json"), "{}", reply.head);
    let document = reply.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations = documented(&document);
    assert!(operations.len() > 40, "{}", operations.len());
    let mut untested = operations.clone();
    for row in rows() {
        let (method, path) = row.does.split_once(' ').unwrap();
        let path: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
        let fits = |(known, template): &&(String, Vec<String>)| {
            let mut both = template.iter().zip(&path);
            known == method && template.len() == path.len() && both.all(|(a, b)| a == b || a.starts_with('{'))
        };
        // The one with the fewest names in braces is meant.
        let found = operations
            .iter()
            .filter(fits)
            .min_by_key(|(_, template)| template.iter().filter(|part| part.starts_with('{')).count());
        let found = found.unwrap_or_else(|| panic!("the document has no {}", row.does));
        untested.retain(|operation| operation != found);
    }
    assert_eq!(untested, [], "operations without a row in tests/cases/api/routes.json");
    // What is not made by the macro is not in the document.
    for file in [
        "admin",
        "attribute_mapping",
        "backup",
        "clients",
        "log",
        "mappings",
        "provisioned",
        "removal",
        "runs",
        "stored_syncs",
        "syncs",
        "tokens",
    ] {
        let text = fs::read_to_string(root().join(format!("src/server/{file}.rs"))).unwrap();
        assert!(!text.contains(".route("), "src/server/{file}.rs has a route beside the document");
    }
}

#[test]
fn the_document_is_whole() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let text = server.send("GET", "/api/v1/openapi.json", &[], b"").text();
    let document: Value = serde_json::from_str(&text).unwrap();
    let reference = regex::Regex::new(r##""\$ref":"#([^"]+)""##).unwrap();
    for found in reference.captures_iter(&text) {
        assert!(document.pointer(&found[1]).is_some(), "{} is nowhere", &found[1]);
    }
    let mut names = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{place} says not what it does");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{place}");
            assert_eq!(operation["security"], json!([{"token": []}]), "{place}");
            names.push(operation["operationId"].as_str().unwrap().to_owned());
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(!parameter["description"].as_str().unwrap_or_default().is_empty(), "{place}: {parameter}");
            }
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                let body = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(body, "#/components/schemas/Problem", "{place} {status}");
            }
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two operations have one name");
}

#[test]
fn two_editors_do_not_overwrite_each_other_and_a_mapping_rolls_back() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let text = |title: &str| mapping("people").replace("[userName]", title);
    let put = |headers: &[(&str, &str)], body: &str| server.api("PUT", "/mappings/people", headers, body);
    assert_eq!(put(&[("If-Match", "*")], &text("[userName]")).status, 412);
    let first = put(&[("If-None-Match", "*")], &text("[userName]"));
    assert!(first.status == 201 && first.head.contains("etag: \"1\""), "{}", first.head);
    assert_eq!(put(&[("If-None-Match", "*")], &text("[title]")).status, 412);
    assert_eq!(put(&[("If-Match", "\"1\"")], &text("[title]")).status, 200);
    let late = put(&[("If-Match", "\"1\"")], &text("[nickName]"));
    assert_eq!((late.status, late.json()["detail"].as_str().unwrap().contains("revision 2")), (412, true));
    assert_eq!(put(&[("If-Match", "one")], &text("[title]")).status, 400);
    let broken = put(&[], &text("Swich("));
    assert_eq!((broken.status, broken.json()["diagnostics"][0]["severity"].clone()), (422, json!("error")));
    let diff = server.api("GET", "/mappings/people/diff", &[], "").text();
    for part in [
        "--- people revision 1",
        "+++ people revision 2",
        "-login = { expr = '[userName]'",
        "+login = { expr = '[title]'",
    ] {
        assert!(diff.contains(part), "{part}: {diff}");
    }
    assert_eq!(server.api("POST", "/mappings/people/revisions/1/restore", &[("If-Match", "\"1\"")], "").status, 412);
    let back = server.api("POST", "/mappings/people/revisions/1/restore", &[("If-Match", "\"2\"")], "");
    assert_eq!((back.status, &back.json()["revision"]), (200, &json!(3)));
    assert_eq!(server.api("GET", "/mappings/people", &[], "").text(), text("[userName]"));
    assert_eq!(server.api("GET", "/mappings/people/diff?from=1&to=3", &[], "").text(), "");
    // By pages.
    let page = server.api("GET", "/mappings/people/revisions?limit=2", &[], "").json();
    assert_eq!(page["revisions"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let rest = server.api("GET", &format!("/mappings/people/revisions?limit=2&cursor={next}"), &[], "").json();
    assert_eq!((&rest["revisions"][0]["revision"], &rest["next"]), (&json!(3), &Value::Null));
    // What is used stays.
    assert_eq!(server.api("PUT", "/sources/default", &[], "{\"userMapping\":\"people\"}").status, 200);
    let used = server.api("DELETE", "/mappings/people", &[], "");
    assert!(used.status == 409 && used.text().contains("default"), "{}", used.text());
    assert_eq!(server.api("PUT", "/sources/default", &[], "{}").status, 200);
    assert_eq!(server.api("DELETE", "/mappings/people", &[("If-Match", "\"1\"")], "").status, 412);
    assert_eq!(server.api("DELETE", "/mappings/people", &[], "").status, 204);
    assert_eq!(server.api("GET", "/mappings/people/revisions", &[], "").status, 404);
}

#[test]
fn an_attribute_mapping_makes_profiles_and_gives_back_what_was_before() {
    let data = Data::new();
    let server = Server::start(&data.0);
    assert_eq!(server.api("PUT", "/mappings/people", &[], &mapping("people")).status, 201);
    assert_eq!(server.api("PUT", "/sources/default", &[], "{\"userMapping\":\"people\"}").status, 200);
    let path = "/sources/default/attribute-mapping/user";
    assert_eq!(server.api("GET", path, &[], "").status, 404);
    let body = json!({"mapping": {"userName": "{{ value | downcase }}.login", "title": "job"}}).to_string();
    let put = server.api("PUT", path, &[], &body);
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(server.api("GET", path, &[], "").json(), put.json());
    let id = server.user("ADA@contoso.example");
    let shown = server.api("GET", &format!("/sources/default/users/{id}"), &[], "").json();
    assert_eq!(shown["profile"]["value"]["login"], "ada@contoso.example", "{shown}");
    assert_eq!(shown["resource"]["userName"], "ADA@contoso.example");
    assert_eq!(shown["log"][0]["operation"], "create");
    let broken = json!({"mapping": {"userName": "{{ value | no_such_filter }}.login"}}).to_string();
    assert_eq!(server.api("PUT", path, &[], &broken).status, 422);
    assert_eq!(server.api("PUT", path, &[], "{\"mapping\": {\"userName\": 1}}").status, 422);
    assert_eq!(server.api("GET", path, &[], "").json(), put.json(), "the one before stays");
    assert_eq!(server.api("DELETE", path, &[], "").status, 204);
    let source = server.api("GET", "/sources/default", &[], "").json();
    assert_eq!(source["source"]["userMapping"], "people");
    assert_eq!(server.api("PUT", "/sources/default/attribute-mapping/device", &[], &body).status, 404);
}

#[test]
fn a_token_is_renewed_and_the_old_one_ends() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let made = |path: &str, body: Value| server.api("POST", path, &[], &body.to_string()).json();
    let scim = |token: &Value| {
        let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
        server.send("GET", "/scim/default/v2/Users", &[("Authorization", &bearer)], b"").status
    };
    let old = made("/tokens", json!({"label": "okta", "source": "default"}));
    let id = old["id"].as_str().unwrap();
    let new = made(&format!("/tokens/{id}/rotate"), json!({"overlapMinutes": 10}));
    assert_eq!((scim(&old), scim(&new), &new["label"]), (200, 200, &json!("okta")));
    let left = server.api("GET", &format!("/tokens/{id}"), &[], "").json();
    assert!(left["daysLeft"] == 0 && left.get("token").is_none(), "{left}");
    made(&format!("/tokens/{id}/rotate"), json!({"overlapMinutes": 0}));
    assert_eq!((scim(&old), scim(&new)), (401, 200));
    assert_eq!(server.api("POST", &format!("/tokens/{id}/rotate"), &[], "{}").status, 409);
    for (body, status) in [
        (json!({"label": ""}), 422),
        (json!({"label": "x", "days": 40_000}), 422),
        (json!({"label": "x", "role": "root"}), 422),
        (json!({"label": "x", "sources": ["default", "other"], "role": "read"}), 404),
        (json!({"label": "x", "sources": ["default", "default"], "role": "read"}), 422),
    ] {
        let reply = server.api("POST", "/tokens", &[], &body.to_string());
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
    }
}

#[test]
fn a_stored_sync_runs_survives_a_restart_and_reads_no_file_of_the_server() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let far_data = Data::new();
    let far = Server::start(&far_data.0);
    let variables = [("PROVISOR_SECRET_FAR", SCIM)];
    server.kill();
    let server = Server::start_with(&data.0, &variables);
    let people = "name = 'people'\nresource = 'User'\n[attributes]\nuserName = { expr = '[userName]', match = 1 }\n";
    assert_eq!(server.api("PUT", "/mappings/people", &[], people).status, 201);
    let sync = json!({"source": "default", "users": {"mapping": "people"}, "schedule": {"every": 0, "direct": false},
        "target": {"kind": "scim", "url": format!("http://127.0.0.1:{}/scim/default/v2", far.port), "token": {"env": "PROVISOR_SECRET_FAR"}}});
    let with = |path: &str, value: Value| {
        let mut sync = sync.clone();
        *sync.pointer_mut(path).unwrap() = value;
        sync
    };
    for (settings, words) in [
        (with("/target/token", json!({"env": "HOME"})), "PROVISOR_SECRET_"),
        (with("/target/token", json!({"file": "/etc/passwd"})), "secrets/"),
        (with("/target/token", json!({"file": "secrets/../../x"})), "secrets/"),
        (with("/target", json!({"kind": "file", "path": "/tmp/x"})), "configuration file"),
        (with("/users", json!({"mapping": "nobody"})), "there is no mapping"),
        (with("/users", json!({"mapping": "people", "file": "/etc/passwd"})), "one of the two"),
        (with("/source", json!("nobody")), "there is no source"),
        (with("/source", json!(3)), "invalid type"),
    ] {
        let reply = server.api("PUT", "/syncs/far", &[], &settings.to_string());
        assert!(reply.status == 422 && reply.text().contains(words), "{settings}: {}", reply.text());
    }
    let put = server.api("PUT", "/syncs/far", &[], &sync.to_string());
    assert!(put.status == 201 && !put.text().contains(SCIM), "{}", put.text());
    let id = server.user("ada@contoso.example");
    let run = |server: &Server| server.api("POST", "/syncs/far/run", &[], "{\"wait\": true}").json();
    assert_eq!(run(&server)["counts"]["created"], 1);
    assert_eq!(far.scim("GET", "/Users?count=0", None).json()["totalResults"], 1);
    let detail = server.api("GET", &format!("/sources/default/users/{id}"), &[], "").json();
    assert!(detail["links"][0]["sync"] == "far" && detail["links"][0]["state"]["target"].is_string(), "{detail}");
    // The command finds it too, where no server has the data open; where one has, it says whom to ask.
    let command = |arguments: &[&str]| {
        let mut command = crate::support::provisor();
        command.arg("sync").args(arguments).arg("--data").arg(&data.0).envs(variables);
        let output = command.output().unwrap();
        let text = format!("{}{}", crate::support::stdout(&output), crate::support::stderr(&output));
        (crate::support::code(&output), text)
    };
    let (code, text) = command(&["status", "far"]);
    assert!(code == 2 && text.contains("POST /api/v1/syncs/far/run"), "{code}: {text}");
    server.kill();
    let (code, text) = command(&["status", "far"]);
    assert!(code == 0 && text.contains("far: 1 user and 0 groups linked"), "{code}: {text}");
    let (code, text) = command(&["run", "far"]);
    assert!(code == 0 && text.contains("1 unchanged"), "{code}: {text}");
    let (code, text) = command(&["run", "fair"]);
    assert!(code == 2 && text.contains("did you mean") && text.contains("far"), "{code}: {text}");
    let server = Server::start_with(&data.0, &variables);
    assert_eq!(run(&server)["counts"]["unchanged"], 1);
    assert_eq!(server.api("PUT", "/syncs/far", &[], &sync.to_string()).status, 200);
    assert_eq!(run(&server)["counts"]["unchanged"], 1);
    assert_eq!(server.api("DELETE", "/mappings/people", &[], "").status, 409);
    assert_eq!(server.api("DELETE", "/syncs/far", &[], "").status, 204);
    assert_eq!(server.api("GET", "/syncs/far", &[], "").status, 404);
}

#[test]
fn who_asks_for_more_runs_than_may_wait_hears_to_come_again() {
    let data = Data::new();
    let server = Server::start_with(&data.0, &[("PROVISOR_SECRET_FAR", SCIM)]);
    let people = "name = 'people'\nresource = 'User'\n[attributes]\nuserName = { expr = '[userName]', match = 1 }\n";
    assert_eq!(server.api("PUT", "/mappings/people", &[], people).status, 201);
    // Takes connections and never answers, so that the first run stays under way.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/scim", silent.local_addr().unwrap());
    let sync = json!({"source": "default", "users": {"mapping": "people"}, "schedule": {"every": 0, "direct": false},
        "target": {"kind": "scim", "url": url, "token": {"env": "PROVISOR_SECRET_FAR"}}});
    assert_eq!(server.api("PUT", "/syncs/far", &[], &sync.to_string()).status, 201);
    let last = (0..20).map(|_| server.api("POST", "/syncs/far/run", &[], "{}")).find(|reply| reply.status != 202);
    let refused = last.expect("twenty runs do not wait");
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
}

#[test]
fn users_are_found_by_pages_names_and_filters() {
    let data = Data::new();
    let server = Server::start(&data.0);
    for number in 0..7 {
        server.user(&format!("user{number}@contoso.example"));
    }
    server.user("\"quoted\"@contoso.example");
    let found = |query: &str| {
        let mut names = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/sources/default/users?limit=3{query}{cursor}");
            let page = server.api("GET", &path, &[], "");
            assert_eq!(page.status, 200, "{}", page.text());
            let page = page.json();
            let users = page["users"].as_array().unwrap();
            assert!(users.len() <= 3);
            names.extend(users.iter().map(|user| user["name"].as_str().unwrap().split('@').next().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { return names };
            cursor = format!("&cursor={next}");
        }
    };
    assert_eq!(found("").len(), 8);
    assert_eq!(found("&userName=USER").len(), 7);
    assert_eq!(found("&userName=user3"), ["user3"]);
    assert_eq!(found("&userName=%22quoted"), ["\"quoted\""]);
    assert_eq!(found("&filter=userName%20eq%20%22user4@contoso.example%22"), ["user4"]);
    assert_eq!(
        found("&userName=user&filter=userName%20co%20%225%22%20or%20userName%20co%20%226%22"),
        ["user5", "user6"]
    );
    assert_eq!(found("&search=r2&filter=userName%20pr"), ["user2"]);
    for bad in ["filter=userName", "limit=0", "limit=x", "cursor=x", "limit=1&limit=2", "colour=red", "outcome=maybe"] {
        assert_eq!(server.api("GET", &format!("/sources/default/users?{bad}"), &[], "").status, 400, "{bad}");
    }
}

#[test]
fn a_token_of_two_sources_sees_both_and_no_third() {
    let world = World::new("api-two");
    let body = "{\"slug\": \"third\"}";
    assert_eq!(world.server.api("POST", "/sources", &[], body).status, 201);
    let body = json!({"label": "two", "role": "read", "sources": ["acme", "third"]}).to_string();
    let token = world.server.api("POST", "/tokens", &[], &body).json();
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let get = |path: &str| world.server.send("GET", &format!("/api/v1{path}"), &[("Authorization", &bearer)], b"");
    let sources = get("/sources").json();
    let slugs: Vec<&str> =
        sources["sources"].as_array().unwrap().iter().map(|one| one["slug"].as_str().unwrap()).collect();
    assert_eq!(slugs, ["acme", "third"]);
    // Lines of both sources lie in the log, the other's first; pages by one find those that are ours.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("/log?limit=1&order=oldest{cursor}"));
        assert!(page.status == 200 && !page.text().contains("other"), "{}", page.text());
        let page = page.json();
        seen.extend(page["lines"].as_array().unwrap().iter().map(|line| line["source"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["acme", "acme"]);
    assert_eq!((get("/log?source=other").status, get("/log?source=third").status), (404, 200));
    assert!(!get("/log?format=csv").text().contains("other"));
    // One that administers a source makes no token for another, and none for all.
    let bearer = format!("Bearer {}", world.tokens["admin of acme"]);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    for (body, status) in [
        (json!({"label": "x", "role": "read", "sources": ["acme", "other"]}), 404),
        (json!({"label": "x", "source": "other"}), 404),
        (json!({"label": "x", "role": "admin"}), 403),
        (json!({"label": "x", "role": "admin", "source": "acme"}), 201),
    ] {
        let reply = world.server.send("POST", "/api/v1/tokens", &headers, body.to_string().as_bytes());
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
    }
    // Nor does it give its source a mapping of another's, by which that would be shown.
    let body = "{\"userMapping\": \"other-users\"}";
    let reply = world.server.send("PUT", "/api/v1/sources/acme", &headers, body.as_bytes());
    assert!(reply.status == 404 && reply.text().contains("there is no mapping"), "{}", reply.text());
}
