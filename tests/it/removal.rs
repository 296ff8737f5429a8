//! A source removed: what keeps it, what goes with it, and that a restart goes on where a removal was cut off.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{ADMIN, Data, GROUP, SCIM, Server, USER, cli};

const PEOPLE: &str =
    "name = 'people'\nresource = 'User'\n[attributes]\nuserName = { expr = '[userName]', match = 1 }\n";

/// How many users and groups a source shows.
fn counts(server: &Server, slug: &str) -> (u64, u64) {
    let shown = server.api("GET", &format!("/sources/{slug}"), &[], "");
    assert_eq!(shown.status, 200, "{}", shown.text());
    let resources = &shown.json()["resources"];
    (resources["User"].as_u64().unwrap(), resources["Group"].as_u64().unwrap())
}

/// Users, and a group of them all.
fn furnish(server: &Server, users: usize) {
    let ids: Vec<String> = (0..users).map(|number| server.user(&format!("user{number}"))).collect();
    let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
    let group = json!({"schemas": [GROUP], "displayName": "All", "members": members});
    assert_eq!(server.scim("POST", "/Groups", Some(&group)).status, 201);
}

#[test]
fn what_needs_a_source_keeps_it() {
    let data = Data::new();
    fs::create_dir_all(&data.0).unwrap();
    let config = data.0.join("provisor.toml");
    fs::write(&config, "[[source]]\nslug = \"declared\"\n").unwrap();
    let server = Server::start_by(&data.0.join("data"), &["--config", &config.display().to_string()], &[]);
    let remove = |path: &str| server.api("DELETE", path, &[], "");
    for (path, status, words) in [
        ("/sources/nobody", 404, "no source"),
        ("/sources/default?purge=yes", 400, "`purge`"),
        ("/sources/default?all=true", 400, "all"),
        ("/sources/declared?purge=true", 409, "[[source]]"),
    ] {
        let reply = remove(path);
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        assert!(reply.json()["detail"].as_str().unwrap().contains(words), "{path}: {}", reply.text());
    }
    furnish(&server, 3);
    let reply = remove("/sources/default");
    assert_eq!(reply.status, 409, "{}", reply.text());
    assert!(reply.text().contains("has 4 resources") && reply.text().contains("purge"), "{}", reply.text());

    assert_eq!(server.api("PUT", "/mappings/people", &[], PEOPLE).status, 201);
    let sync = json!({"source": "default", "users": {"mapping": "people"}, "schedule": {"every": 0, "direct": false},
        "target": {"kind": "scim", "url": "http://127.0.0.1:9/scim/v2"}});
    let put = server.api("PUT", "/syncs/onward", &[], &sync.to_string());
    assert_eq!(put.status, 201, "{}", put.text());
    let reply = remove("/sources/default?purge=true");
    assert_eq!(reply.status, 409, "{}", reply.text());
    assert!(reply.text().contains("onward"), "{}", reply.text());
    assert_eq!(counts(&server, "default"), (3, 1), "nothing was touched");

    // One with the role, but for one source alone, and one without.
    for token in
        [json!({"label": "one", "role": "admin", "sources": ["default"]}), json!({"label": "two", "role": "operate"})]
    {
        let made = server.api("POST", "/tokens", &[], &token.to_string()).json()["token"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {made}");
        let reply = server.send("DELETE", "/api/v1/sources/default?purge=true", &[("Authorization", &bearer)], b"");
        assert_eq!(reply.status, 403, "{}", reply.text());
    }
}

#[test]
fn it_goes_with_all_that_it_had() {
    let data = Data::new();
    let server = Server::start(&data.0);
    assert_eq!(server.api("POST", "/sources", &[], r#"{"slug": "other"}"#).status, 201);
    assert_eq!(server.api("DELETE", "/sources/other", &[], "").status, 204, "an empty one goes at once");
    assert_eq!(server.api("POST", "/sources", &[], r#"{"slug": "other"}"#).status, 201);
    let made = |body: serde_json::Value| {
        let reply = server.api("POST", "/tokens", &[], &body.to_string());
        assert_eq!(reply.status, 201, "{}", reply.text());
        format!("Bearer {}", reply.json()["token"].as_str().unwrap())
    };
    let alone = made(json!({"label": "alone", "role": "read", "sources": ["default"]}));
    let both = made(json!({"label": "both", "role": "read", "sources": ["default", "other"]}));
    let client = json!({"label": "entra", "source": "default"}).to_string();
    assert_eq!(server.api("POST", "/clients", &[], &client).status, 201);
    // More than one step takes away.
    furnish(&server, 450);
    // A request that changes nothing leaves a note beside the resource.
    let id = server.user("again");
    let same = json!([{"op": "replace", "path": "userName", "value": "again"}]);
    assert!(server.patch(&format!("/Users/{id}"), same).status < 300);
    let reply = server.api("DELETE", "/sources/default?purge=true", &[], "");
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(server.api("GET", "/sources/default", &[], "").status, 404);
    let bearer = format!("Bearer {SCIM}");
    assert!(server.send("GET", "/scim/default/v2/Users", &[("Authorization", &bearer)], b"").status >= 400);
    let see = |bearer: &str| server.send("GET", "/api/v1/sources", &[("Authorization", bearer)], b"");
    assert_eq!(see(&alone).status, 401, "who was limited to it opens nothing");
    let left = see(&both).json();
    assert_eq!(left["sources"].as_array().unwrap().len(), 1, "{left}");
    let clients = server.api("GET", "/clients", &[], "").json();
    assert!(clients["clients"].as_array().unwrap().iter().all(|client| !client["revoked"].is_null()), "{clients}");

    // One of the same name begins anew, and what opened the old one does not open it.
    assert_eq!(server.api("POST", "/sources", &[], r#"{"slug": "default"}"#).status, 201);
    assert_eq!(counts(&server, "default"), (0, 0));
    assert_eq!(server.send("GET", "/scim/default/v2/Users", &[("Authorization", &bearer)], b"").status, 401);
    let log = server.api("GET", "/log?source=default", &[], "").json();
    assert!(!log["lines"].as_array().unwrap().is_empty(), "the provisioning log keeps what was done: {log}");
    server.kill();
    let (fine, told) = cli(&["store", "verify"], &data.0);
    assert!(fine && told.contains("0 resources") && told.contains("all agree"), "{told}");
}

#[test]
fn a_restart_goes_on_with_it() {
    let data = Data::new();
    let server = Server::start(&data.0);
    furnish(&server, 300);
    // The client goes away, and the server is killed, somewhere on the way.
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let head = format!(
        "DELETE /api/v1/sources/default?purge=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n"
    );
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let begun = Instant::now();
    while server.api("GET", "/sources/default", &[], "").status != 404 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it was never closed");
    }
    server.kill();
    // The command line goes on as well as a server does.
    let (fine, told) = cli(&["source", "list"], &data.0);
    assert!(fine && !told.contains("default"), "{told}");
    let (fine, told) = cli(&["source", "add", "other"], &data.0);
    assert!(fine, "{told}");
    let server = Server::start(&data.0);
    let again = json!({"slug": "default"}).to_string();
    let begun = Instant::now();
    while server.api("POST", "/sources", &[], &again).status != 201 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it was never gone");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(counts(&server, "default"), (0, 0));
    assert_eq!(server.scim("GET", "/Users", None).status, 401);
}

#[test]
fn the_command_line_removes_one() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let user = json!({"schemas": [USER], "userName": "ada"});
    assert_eq!(server.scim("POST", "/Users", Some(&user)).status, 201);
    server.kill();
    let (fine, told) = cli(&["source", "remove", "default"], &data.0);
    assert!(!fine && told.contains("has 1 resource,"), "{told}");
    let (fine, told) = cli(&["source", "remove", "nobody"], &data.0);
    assert!(!fine && told.contains("no source"), "{told}");
    let (fine, told) = cli(&["source", "remove", "default", "--purge"], &data.0);
    assert!(fine && told.contains("default: gone"), "{told}");
    let (fine, told) = cli(&["source", "list"], &data.0);
    assert!(fine && !told.contains("default"), "{told}");
    let (fine, told) = cli(&["token", "list"], &data.0);
    assert!(fine && told.contains("revoked"), "{told}");
}
