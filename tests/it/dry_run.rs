//! The dry run: what a mapping makes of records, whom another would change, and what an editor asks for. Nothing is written.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::readme::{bash, blocks};
use crate::server::{ADMIN, Data, Reply, SCIM, Server, USER};
use crate::support::{Scratch, code, json_lines, root, run, stderr, stdout};

const PEOPLE: &str = r#"
name = "people"
resource = "User"

[scope]
groups = [ [ { attribute = "userName", operator = "NOT EQUALS", value = "Eve" } ] ]

[attributes]
userName = { expr = 'ToLower([userName])', match = 1 }
displayName = { expr = '[displayName]', required = true }
title = { expr = 'FormatDateTime([title], , "yyyy-MM-dd", "d.M.yyyy")' }
nickName = { expr = 'RandomString(8, 0, 0, 0, 8, 0)', apply = "create" }

[[tests]]
name = "lower case"
given = { userName = "ADA", displayName = "Ada" }
expect = { userName = "ada" }

[[tests]]
name = "not so"
given = { userName = "ADA", displayName = "Ada" }
expect = { userName = "ADA" }
"#;

fn dry_run(server: &Server, body: &Value) -> Reply {
    server.api("POST", "/dry-run", &[], &body.to_string())
}

fn fine(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// The text of a body that came in chunks.
pub(crate) fn dechunked(reply: &Reply) -> String {
    if !reply.head.contains("transfer-encoding: chunked") {
        return reply.text();
    }
    let (mut rest, mut text) = (reply.body.as_slice(), Vec::new());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return String::from_utf8(text).unwrap();
        }
        text.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
}

#[test]
fn each_record_is_told_whole() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let records = json!([
        {"userName": "Ada", "displayName": "Ada", "title": "2026-05-01"},
        {"userName": "Bob", "title": "2026-05-01"},
        {"userName": "Eve", "displayName": "Eve"},
        {"userName": "Kim", "displayName": "Kim", "title": "soon"},
        7
    ]);
    let options = json!({"trace": true, "tests": true, "target": {"kind": "scim"}});
    let told = fine(&dry_run(&server, &json!({"mapping": {"text": PEOPLE}, "records": records, "options": options})));
    let ends: Vec<&str> =
        told["records"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(ends, ["payload", "skipped", "outOfScope", "failed", "unreadable"]);
    let ada = &told["records"][0];
    assert_eq!((&ada["payload"]["userName"], &ada["payload"]["title"]), (&json!("ada"), &json!("1.5.2026")));
    assert_eq!(ada["rules"][0], json!({"target": "userName", "value": "ada"}));
    let step = &ada["trace"][0]["steps"][0];
    assert_eq!((&step["text"], &step["value"], &step["line"]), (&json!("[userName]"), &json!("Ada"), &json!(9)));
    let request = &ada["target"]["requests"][0];
    assert_eq!((&request["method"], &request["path"]), (&json!("POST"), &json!("/Users")));
    assert_eq!(request["body"]["userName"], "ada");
    assert_eq!(told["skips"][0]["record"], 1);
    assert!(told["records"][1]["reason"].as_str().unwrap().contains("displayName"), "{told}");
    assert_eq!(told["records"][1]["rule"], "displayName");
    let error = &told["records"][3]["error"];
    assert_eq!((&error["rule"], &error["mapping"], &error["line"]), (&json!("title"), &json!("people"), &json!(11)));
    assert!(error["excerpt"].as_str().unwrap().contains("^^^"), "{error}");
    assert!(error["notes"][0].as_str().unwrap().contains("soon"), "{error}");
    let tests: Vec<bool> = told["tests"].as_array().unwrap().iter().map(|test| test["ok"].as_bool().unwrap()).collect();
    assert_eq!(tests, [true, false]);
    assert_eq!(told["tests"][1]["failure"]["code"], "E0709", "{}", told["tests"][1]);
    let summary = &told["summary"];
    assert_eq!(
        (&summary["wouldHalt"], &summary["complete"], &summary["traced"]),
        (&json!(true), &json!(true), &json!(5))
    );
    // The same request has the same answer, random values with it.
    let body = json!({"mapping": {"text": PEOPLE}, "records": records, "options": {"now": "2026-01-01T00:00:00Z"}});
    assert_eq!(dry_run(&server, &body).text(), dry_run(&server, &body).text());
    // Graph has no schemas, and nobody is shown a password.
    let graph = "name = 'g'\nresource = 'User'\n[target]\nkind = 'json'\n[attributes]\nuserPrincipalName = { expr = '[userName]', match = 1 }\n";
    let body = json!({"mapping": {"text": graph}, "records": [{"userName": "ada@x.example"}], "options": {"target": {"kind": "graph"}}});
    let told = fine(&dry_run(&server, &body));
    let request = &told["records"][0]["target"]["requests"][0];
    assert_eq!((&request["method"], &request["path"]), (&json!("POST"), &json!("/users")), "{told}");
    assert_eq!(request["body"]["passwordProfile"]["password"], "[not shown]");
}

#[test]
fn what_cannot_be_asked_is_refused_in_words() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let broken = "name = 'p'\nresource = 'User'\n[attributes]\nuserName = { expr = 'ToLowr([mail])', match = 1 }\ntitle = '[x'\n";
    let reply = dry_run(&server, &json!({"mapping": {"text": broken}, "records": [{}]}));
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert!(reply.head.contains("application/problem+json"), "{}", reply.head);
    let problem = reply.json();
    let codes: Vec<&str> =
        problem["diagnostics"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes.len(), 2, "all findings: {codes:?}");
    assert_eq!((&problem["diagnostics"][0]["line"], &problem["diagnostics"][0]["code"]), (&json!(4), &json!("E0301")));
    let many: Vec<Value> = (0..10_001).map(|_| json!({})).collect();
    for (body, status, words) in [
        (json!({"mapping": "nobody", "records": []}), 404, "there is no mapping"),
        (json!({"mapping": {"name": "a", "revision": "x"}, "records": []}), 400, "names a mapping"),
        (json!({"mapping": {"txt": "a"}, "records": []}), 400, "has no \"txt\""),
        (json!({"mapping": {"text": PEOPLE}}), 400, "no `records`"),
        (json!({"mapping": {"text": PEOPLE}, "records": {"source": "x"}}), 404, "no source"),
        (json!({"mapping": {"text": PEOPLE}, "records": {"source": "default", "filter": "x eq"}}), 400, "`eq`"),
        (json!({"mapping": {"text": PEOPLE}, "records": {"source": "default", "kind": "Car"}}), 400, "Car"),
        (json!({"mapping": {"text": PEOPLE}, "records": {"source": "default", "limit": 10_001}}), 400, "`limit`"),
        (json!({"mapping": {"text": PEOPLE}, "records": many}), 413, "x-ndjson"),
        (json!({"mapping": {"text": PEOPLE}, "records": [], "options": {"traces": true}}), 400, "has no \"traces\""),
        (json!({"mapping": {"text": PEOPLE}, "records": [], "options": {"now": "x"}}), 400, "now"),
        (json!({"mapping": {"text": PEOPLE}, "records": [], "options": {"target": "x"}}), 404, "there is no sync"),
        (json!({"mapping": {"text": PEOPLE}, "records": [], "options": {"target": {"kind": "ldap"}}}), 400, "`target`"),
        (json!({"mapping": {"text": PEOPLE}, "more": 1, "records": []}), 400, "more"),
    ] {
        let reply = dry_run(&server, &body);
        assert_eq!(reply.status, status, "{words}: {}", reply.text());
        assert!(reply.json()["detail"].as_str().unwrap().contains(words), "{words}: {}", reply.text());
    }
    let scim = format!("Bearer {SCIM}");
    for (token, status) in [("Bearer nobody", 401), (scim.as_str(), 401)] {
        let reply = server.send("POST", "/api/v1/dry-run", &[("Authorization", token)], b"{}");
        assert_eq!(reply.status, status, "{}", reply.text());
    }
}

/// The lines of a backup, without what says when tokens were used.
fn stored(server: &Server) -> Vec<String> {
    let text = dechunked(&server.api("GET", "/backup", &[], ""));
    assert!(text.lines().count() > 3, "{text}");
    text.lines().filter(|line| !line.contains("digest") || !line.contains("count")).map(str::to_owned).collect()
}

#[test]
fn a_directory_is_mapped_and_nothing_is_written() {
    let data = Data::new();
    let server = Server::start(&data.0);
    assert_eq!(server.api("PUT", "/mappings/people", &[], PEOPLE).status, 201);
    assert_eq!(server.api("PUT", "/sources/default", &[], r#"{"userMapping": "people"}"#).status, 200);
    let mut ids = Vec::new();
    for name in ["Ada", "Bob", "Cleo"] {
        let user = json!({"schemas": [USER], "userName": name, "displayName": name, "title": "2026-05-01"});
        let made = server.scim("POST", "/Users", Some(&user));
        assert_eq!(made.status, 201, "{}", made.text());
        ids.push(made.json()["id"].as_str().unwrap().to_owned());
    }
    let before = stored(&server);
    let told = fine(&dry_run(&server, &json!({"mapping": "people", "records": {"source": "default"}})));
    assert_eq!((&told["mapping"]["revision"], &told["summary"]["payloads"]), (&json!(1), &json!(3)), "{told}");
    for (record, id) in told["records"].as_array().unwrap().iter().zip(&ids) {
        assert_eq!((&record["id"], &record["stored"]["revision"]), (&json!(id), &json!(1)));
        assert_eq!(record["differs"], json!([]), "what is stored is what would be made: {record}");
    }
    let other = PEOPLE.replace("ToLower", "ToUpper").replace("'[displayName]', required = true", "'[nickName]'");
    for pick in [
        json!({"source": "default", "ids": [ids[1], "none"]}),
        json!({"source": "default", "filter": "userName eq \"bob\""}),
        json!({"source": "default", "filter": "displayName co \"ob\"", "limit": 1, "kind": "User"}),
    ] {
        let told = fine(&dry_run(&server, &json!({"mapping": {"text": other}, "records": pick})));
        assert_eq!(told["summary"]["records"], 1, "{told}");
        assert_eq!(
            told["records"][0]["differs"],
            json!([{"path": "userName", "old": "bob", "new": "BOB"}, {"path": "displayName", "old": "Bob", "new": null}])
        );
    }
    let body = json!({"mapping": {"text": other}, "against": "people", "records": {"source": "default"}, "options": {"samples": 1}});
    let impact = fine(&server.api("POST", "/impact", &[], &body.to_string()));
    assert_eq!((&impact["records"], &impact["changed"], &impact["complete"]), (&json!(3), &json!(3), &json!(true)));
    assert_eq!(
        impact["attributes"][0],
        json!({"path": "displayName", "records": 3, "changed": 0, "added": 0, "removed": 3})
    );
    assert_eq!((impact["samples"].as_array().unwrap().len(), &impact["samples"][0]["id"]), (1, &json!(ids[0])));
    // Without `against` it is the revision that there is; and who is left out is counted.
    let stricter = PEOPLE.replace("NOT EQUALS", "EQUALS");
    let impact = fine(&server.api(
        "POST",
        "/impact",
        &[],
        &json!({"mapping": {"text": stricter}, "records": {"source": "default"}}).to_string(),
    ));
    assert_eq!((&impact["disappear"], &impact["old"]["revision"]), (&json!(3), &json!(1)), "{impact}");
    // A mapping that fails halts nothing.
    let failing = PEOPLE.replace("FormatDateTime([title], ,", "FormatDateTime([userName], ,");
    let told = fine(&dry_run(&server, &json!({"mapping": {"text": failing}, "records": {"source": "default"}})));
    assert_eq!((&told["summary"]["failed"], &told["summary"]["wouldHalt"]), (&json!(3), &json!(true)));
    assert_eq!(stored(&server), before, "a dry run writes nothing");
    assert_eq!(server.api("GET", "/sources/default", &[], "").json()["halt"], json!(null));
}

#[test]
fn a_sync_says_what_it_would_send() {
    let scratch = Scratch::new("dry-run-sync");
    let mapping = "name = 'out'\nresource = 'User'\n[attributes]\nuserName = { expr = '[userName]', match = 1 }\n";
    scratch.write("out.toml", mapping);
    let out = scratch.path("out.jsonl");
    let config = scratch.write(
        "provisor.toml",
        format!("[[sync]]\nname = 'onward'\nsource = 'default'\nusers = {{ mapping = 'out.toml' }}\nschedule = {{ every = 0, direct = false }}\ntarget = {{ kind = 'file', path = '{out}' }}\n"),
    );
    let data = Data::new();
    let server = Server::start_by(&data.0, &["--config", &config], &[]);
    let id = server.user("ada");
    let ask = |mapping: &str| {
        let body =
            json!({"mapping": {"text": mapping}, "records": {"source": "default"}, "options": {"target": "onward"}});
        fine(&dry_run(&server, &body))["records"][0]["target"].clone()
    };
    let target = ask(mapping);
    assert_eq!(
        (&target["verb"], &target["linked"], &target["sync"]),
        (&json!("create"), &json!(null), &json!("onward"))
    );
    assert_eq!(target["requests"].as_array().unwrap().len(), 1, "{target}");
    let report = fine(&server.api("POST", "/syncs/onward/run", &[], &json!({"wait": true}).to_string()));
    assert_eq!(report["counts"]["created"], 1, "{report}");
    assert_eq!(ask(mapping)["verb"], "none");
    let changed = ask(&mapping.replace("[userName]", "ToUpper([userName])"));
    assert_eq!((&changed["verb"], changed["linked"].is_string()), (&json!("update"), true), "{changed} {id}");
}

/// A connection on which records go out in chunks and answers are read as they come.
struct Talk(TcpStream, BufReader<TcpStream>);

impl Talk {
    fn begin(server: &Server, path: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n\
             Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self(stream, reader)
    }

    fn say(&mut self, text: &str) {
        self.0.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).unwrap();
    }

    /// The next line that is a JSON object; sizes of chunks and headers are passed over.
    fn hear(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "the answer ended");
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

#[test]
fn a_stream_is_answered_while_it_is_sent() {
    let data = Data::new();
    let server = Server::start(&data.0);
    assert_eq!(server.api("PUT", "/mappings/people", &[], PEOPLE).status, 201);
    let mut talk = Talk::begin(&server, "/dry-run?mapping=people&revision=1&rules=false&trace=true");
    for name in ["ada", "bob"] {
        talk.say(&format!("\n{{\"userName\": \"{name}\", \"displayName\": \"x\"}}\n"));
        let told = talk.hear();
        assert_eq!((&told["payload"]["userName"], told.get("rules")), (&json!(name), None));
        assert!(told["trace"].is_array());
    }
    talk.say("{\"userName\": \n");
    assert_eq!(talk.hear()["outcome"], "unreadable");
    // A line in two pieces, and the last one without its end.
    talk.say("{\"userName\": \"Cl");
    talk.say("eo\", \"displayName\": \"Cleo\"}");
    talk.0.write_all(b"0\r\n\r\n").unwrap();
    let cleo = talk.hear();
    assert_eq!((&cleo["payload"]["userName"], &cleo["line"], &cleo["record"]), (&json!("cleo"), &json!(6), &json!(3)));
    let last = talk.hear();
    assert_eq!((&last["summary"]["records"], &last["summary"]["unreadable"]), (&json!(4), &json!(1)), "{last}");
    assert_eq!((&last["mapping"]["revision"], &last["summary"]["complete"]), (&json!(1), &json!(true)));

    // Many, sent while the answer is read: more than the largest body, and more than any queue holds.
    let people = fs::read_to_string(root().join("examples/users.jsonl")).unwrap();
    let entra = fs::read_to_string(root().join("mappings/entra-user.toml")).unwrap();
    assert_eq!(server.api("PUT", "/mappings/entra-user", &[], &entra).status, 201);
    let mut talk = Talk::begin(&server, "/dry-run?mapping=entra-user&rules=false");
    let mut writer = talk.0.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        for _ in 0..8 {
            writer.write_all(format!("{:x}\r\n{people}\r\n", people.len()).as_bytes()).unwrap();
        }
        writer.write_all(b"0\r\n\r\n").unwrap();
    });
    let mut text = String::new();
    talk.1.read_to_string(&mut text).unwrap();
    sender.join().unwrap();
    assert!(text.contains("\"records\":12000,\"payloads\":12000"), "{}", &text[text.len() - 600..]);

    // What does not compile is told before a line is read.
    let reply = server.send(
        "POST",
        "/api/v1/dry-run?mapping=nobody",
        &[("Authorization", &format!("Bearer {ADMIN}")), ("Content-Type", "application/x-ndjson")],
        b"{}\n",
    );
    assert_eq!(reply.status, 404, "{}", reply.text());
}

/// Sends all, and reads then; the lines of the answer.
fn send_then_read(server: &Server, path: &str, records: &[u8]) -> Vec<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    stream.set_write_timeout(Some(Duration::from_mins(1))).unwrap();
    let head = format!(
        "POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
        records.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(records).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.contains(" 200 "), "{head}");
    json_lines(&dechunked(&Reply { status: 200, raw_head: head.clone(), head, body: answer[end..].to_vec() }))
}

#[test]
fn who_sends_all_before_reading_is_answered_whole() {
    let data = Data::new();
    // Nobody reads for a sixth of the time, and no more than 16 MiB wait: then the run ends in words.
    let server = Server::start_with(&data.0, &[("PROVISOR_LIMITS_TIMEOUT", "18")]);
    assert_eq!(server.api("PUT", "/mappings/people", &[], PEOPLE).status, 201);
    let record = |number: usize, more: &str| {
        format!("{{\"userName\": \"Person{number}\", \"displayName\": \"P {number} {more}\"}}\n")
    };
    let more = "x".repeat(600);
    let records: String = (0..10_000).map(|number| record(number, &more)).collect();
    assert!(records.len() > 6_000_000);
    let told = send_then_read(&server, "/dry-run?mapping=people", records.as_bytes());
    assert_eq!((told.len(), &told[10_000]["summary"]["payloads"]), (10_001, &json!(10_000)), "{}", told[10_000]);
    for (number, one) in told[..10_000].iter().enumerate() {
        assert_eq!((&one["record"], &one["line"]), (&json!(number), &json!(number + 1)), "in the order of the records");
    }
    assert_eq!(told[9_999]["payload"]["userName"], "person9999");

    // Each answer is long: they cannot all wait in the sockets.
    let more = "x".repeat(1_000);
    let records: String = (0..48_000).map(|number| record(number, &more)).collect();
    let told = send_then_read(&server, "/dry-run?mapping=people", records.as_bytes());
    let summary = &told.last().unwrap()["summary"];
    assert_eq!(summary["complete"], false, "{summary}");
    assert!(summary["stopped"].as_str().unwrap().contains("nobody reads the answer"), "{summary}");
    assert_eq!(summary["records"], told.len() - 1, "what was told is counted");
}

#[test]
fn lines_and_one_object_are_two_forms_of_an_answer() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let body =
        json!({"mapping": {"text": PEOPLE}, "records": [{"userName": "a", "displayName": "A"}, {"userName": "b"}]});
    let reply = server.api("POST", "/dry-run", &[("Accept", "application/x-ndjson")], &body.to_string());
    let lines = json_lines(&dechunked(&reply));
    assert_eq!(lines.len(), 3, "{}", reply.text());
    assert_eq!((&lines[1]["outcome"], &lines[2]["summary"]["skipped"]), (&json!("skipped"), &json!(1)));
    assert_eq!(server.api("PUT", "/mappings/people", &[], PEOPLE).status, 201);
    let headers = [("Accept", "application/json"), ("Content-Type", "application/x-ndjson")];
    let told = fine(&server.api(
        "POST",
        "/dry-run?mapping=people&target=scim",
        &headers,
        "\n{\"userName\": \"a\", \"displayName\": \"A\"}",
    ));
    assert_eq!((&told["summary"]["records"], &told["records"][0]["line"]), (&json!(1), &json!(2)));
    assert_eq!(told["records"][0]["target"]["verb"], "create");
    // Tests alone need no records.
    let told = fine(&dry_run(&server, &json!({"mapping": "people", "options": {"tests": true}})));
    assert_eq!(told["tests"].as_array().unwrap().len(), 2);
}

#[test]
fn a_run_that_takes_too_long_says_so() {
    let data = Data::new();
    let server = Server::start_with(&data.0, &[("PROVISOR_LIMITS_TIMEOUT", "3")]);
    let slow = "name = 's'\nresource = 'User'\n[budget]\nsteps = 10000000\nmilliseconds = 1000\n[attributes]\nuserName = { expr = '[u]', match = 1 }\ntitle = { rhai = 'let n = 0; while n < 5000 { n += 1; } `${n}`' }\n";
    let records: Vec<Value> = (0..9_999).map(|number| json!({"u": number.to_string()})).collect();
    let told =
        fine(&dry_run(&server, &json!({"mapping": {"text": slow}, "records": records, "options": {"rules": false}})));
    assert_eq!(told["summary"]["complete"], false, "{}", told["summary"]);
    assert!(told["summary"]["stopped"].as_str().unwrap().contains("timeout"), "{}", told["summary"]);
    assert!(told["summary"]["records"].as_u64().unwrap() > 0);
}

#[test]
fn an_editor_is_told_what_is_wrong_and_which_words_there_are() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let check = |text: &str| fine(&server.api("POST", "/check", &[], &json!({"text": text}).to_string()));
    let good = check(PEOPLE);
    assert_eq!(
        (&good["ok"], &good["rules"], &good["tests"], &good["name"]),
        (&json!(true), &json!(4), &json!(2), &json!("people"))
    );
    assert!(good["reads"].as_array().unwrap().contains(&json!("userName")), "{good}");
    let bad = check(&PEOPLE.replace("ToLower", "ToLowr"));
    assert_eq!(
        (&bad["ok"], &bad["errors"], &bad["diagnostics"][0]["code"]),
        (&json!(false), &json!(1), &json!("E0301"))
    );
    assert_eq!(bad["diagnostics"][0]["fixes"][0]["replacement"], "ToLower", "{bad}");
    let words = fine(&server.api("GET", "/reference?resource=User&source=default", &[], ""));
    let has = |list: &str, key: &str, name: &str| words[list].as_array().unwrap().iter().any(|one| one[key] == name);
    assert!(has("functions", "name", "ToLower") && has("filters", "name", "downcase"));
    assert!(has("attributes", "path", "name.givenName") && !has("attributes", "path", "meta"));
    assert!(has("attributes", "path", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"));
    assert_eq!(server.api("GET", "/reference?resource=Car", &[], "").status, 404);
}

#[test]
fn the_command_line_compares_two_files() {
    let scratch = Scratch::new("diff");
    let old = scratch.write("old.toml", PEOPLE);
    let new =
        scratch.write("new.toml", PEOPLE.replace("'[displayName]', required = true", "'[nickName]', required = true"));
    let people = scratch.write(
        "people.jsonl",
        "{\"userName\":\"Ada\",\"displayName\":\"Ada\",\"nickName\":\"a\"}\n\n{\"userName\":\"Bob\",\"displayName\":\"Bob\"}\n{\"userName\":\"Cleo\",\"displayName\":\"c\",\"nickName\":\"c\"}\n",
    );
    let output = run(&["diff", &old, &new, "--in", &people], b"");
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let told = stdout(&output);
    for part in [
        "3 records: 2 would change, 1 would not",
        "1 would disappear",
        "displayName",
        "line 1 Ada",
        "\"Ada\" -> \"a\"",
        "line 3 Bob (payload -> skipped)",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let output = run(&["diff", &old, &new, "--in", &people, "--format", "json"], b"");
    let impact: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!((&impact["changed"], &impact["disappear"]), (&json!(2), &json!(1)), "{impact}");
    let csv = scratch.write("people.csv", "userName,displayName,nickName\nAda,Ada,a\n");
    let output = run(&["diff", &old, &new, "--in", &csv, "--format", "json"], b"");
    let impact: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(impact["attributes"][0]["path"], "displayName", "{impact}");
    // Nobody changes, nothing compiles.
    assert_eq!(code(&run(&["diff", &old, &old], b"{\"userName\":\"a\"}\n")), 0);
    let broken = scratch.write("broken.toml", "name = 'x'");
    let output = run(&["diff", &old, &broken, "--in", &people], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("error["), "{}", stderr(&output));
}

/// Whether all that is wanted is there: an object may have more, a list may be longer.
fn holds(wanted: &Value, got: &Value, place: &str) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                holds(value, got.get(key).unwrap_or(&Value::Null), &format!("{place}/{key}"));
            }
        }
        (Value::Array(wanted), Value::Array(got)) => {
            assert!(wanted.len() <= got.len(), "{place}: {got:?}");
            for (index, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                holds(wanted, got, &format!("{place}/{index}"));
            }
        }
        (Value::String(text), got) if text.ends_with('…') => assert!(got.is_string(), "{place}: {got}"),
        (wanted, got) => assert_eq!(wanted, got, "{place}"),
    }
}

#[test]
fn the_requests_of_the_page_have_the_answers_that_it_shows() {
    let page = fs::read_to_string(root().join("docs/dry-run.md")).unwrap();
    let data = Data::new();
    let server = Server::start(&data.0);
    let people = "name = 'people'\nresource = 'User'\n[attributes]\nuserName = { expr = '[userName]', match = 1 }\ntitle = '[title]'\n";
    assert_eq!(server.api("PUT", "/mappings/people", &[], people).status, 201);
    for (name, title) in [("ada", json!("Engineer")), ("bob", json!("Clerk")), ("cleo", json!(null))] {
        let user = json!({"schemas": [USER], "userName": name, "title": title});
        assert_eq!(server.scim("POST", "/Users", Some(&user)).status, 201);
    }
    let scratch = Scratch::new("dry-run-page");
    let users = scratch.write("users.jsonl", "{\"userName\": \"ada\"}\n");
    let directory = std::path::Path::new(&users).parent().unwrap();
    let here =
        |text: &str| text.replace("prv1_…", ADMIN).replace("127.0.0.1:8080", &format!("127.0.0.1:{}", server.port));
    let scripts = blocks(&page, "sh");
    let (opening, first) =
        scripts[0].split_once("api $URL").map(|(head, rest)| (here(head), format!("api $URL{rest}"))).unwrap();
    let asked: Vec<&str> = std::iter::once(first.as_str())
        .chain(scripts.iter().skip(1).map(String::as_str))
        .filter(|script| script.starts_with("api"))
        .collect();
    assert_eq!(asked.len(), 4, "the dry run, the findings, the directory, the impact");
    let answers: Vec<Value> = asked
        .iter()
        .map(|script| serde_json::from_str(&bash(&format!("{opening}{script}"), directory, &[])).unwrap())
        .collect();
    let shown: Vec<Value> = blocks(&page, "json").iter().map(|block| serde_json::from_str(block).unwrap()).collect();
    holds(&shown[0], &answers[0], "dry run");
    holds(&shown[1], &answers[1], "findings");
    assert_eq!(answers[2]["summary"]["payloads"], 1, "{}", answers[2]);
    holds(&shown[2], &answers[3], "impact");
    let stream = scripts.iter().find(|script| script.contains("-T users.jsonl")).unwrap();
    bash(&format!("{opening}{stream}"), directory, &[]);
    let told = json_lines(&scratch.read("told.jsonl"));
    assert_eq!(
        (&told[0]["payload"]["userName"], &told[1]["summary"]["records"]),
        (&json!("ada"), &json!(1)),
        "{told:?}"
    );
}
