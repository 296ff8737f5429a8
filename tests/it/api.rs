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
