//! A server that looks after a sync: what is provisioned into it arrives in its target by itself, and stops when it must.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{Data, SCIM, Server, USER};

const PEOPLE: &str = r#"
name     = "onward"
resource = "User"

[source]
kind = "scim"

[attributes]
userName    = { expr = '[userName]', match = 1 }
displayName = '[displayName]'
active      = '[active]'
title       = 'ToUpper([title])'
externalId  = '[id]'
'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager' = '[urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.manager.value]'
"#;

const GROUPS: &str = r#"
name     = "onward-groups"
resource = "Group"

[source]
kind = "scim"

[attributes]
displayName = { expr = '[displayName]', match = 1 }
"#;

/// A source that pushes on into a target, and the target.
struct Pair {
    home: Data,
    /// The target's data, which go with it.
    other: Data,
    target: Server,
    source: Server,
}

impl Pair {
    fn start(more: &str) -> Self {
        let (home, other) = (Data::new(), Data::new());
        let target = Server::start(&other.0);
        fs::create_dir_all(&home.0).unwrap();
        fs::write(home.0.join("people.toml"), PEOPLE).unwrap();
        fs::write(home.0.join("groups.toml"), GROUPS).unwrap();
        fs::write(home.0.join("secret"), SCIM).unwrap();
        let config = format!(
            "[[sync]]\nname = \"onward\"\nsource = \"default\"\nusers = {{ mapping = \"people.toml\" }}\ngroups = {{ mapping = \"groups.toml\" }}\nweather = {{ wait = 5, attempts = 3 }}\n{more}\n[sync.target]\nkind = \"scim\"\nurl = \"http://127.0.0.1:{}/scim/default/v2\"\ntoken = {{ file = \"secret\" }}\n",
            target.port
        );
        fs::write(home.0.join("provisor.toml"), config).unwrap();
        let source = Self::source(&home.0);
        Self { home, other, target, source }
    }

    fn source(home: &Path) -> Server {
        let config = home.join("provisor.toml").display().to_string();
        Server::start_by(&home.join("data"), &["--config", &config], &[])
    }

    fn status(&self) -> Value {
        self.source.api("GET", "/syncs/onward", &[], "").json()
    }

    /// The target's users of this name, once there are as many as wanted.
    fn users(&self, name: &str, wanted: usize) -> Vec<Value> {
        let path = format!("/Users?filter=userName+eq+%22{name}%22");
        until(&format!("{wanted} users {name}: {}", self.status()), || {
            let found =
                self.target.scim("GET", &path, None).json()["Resources"].as_array().cloned().unwrap_or_default();
            (found.len() == wanted).then_some(found)
        })
    }

    fn members(&self, group: &str) -> usize {
        let path = format!("/Groups?filter=displayName+eq+%22{group}%22");
        let found = self.target.scim("GET", &path, None).json();
        found["Resources"][0]["members"].as_array().map_or(0, Vec::len)
    }
}

/// What comes in the end; what is waited for is told when it does not.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}")
}

#[test]
fn what_is_provisioned_arrives_in_the_target() {
    let pair = Pair::start("");
    let ada = pair.source.user("ada");
    let bob = pair.source.scim(
        "POST",
        "/Users",
        Some(&json!({"schemas": [USER], "userName": "bob", "title": "cook", "active": true,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": ada}}})),
    );
    let bob = bob.json()["id"].as_str().unwrap().to_owned();
    let there = pair.users("bob", 1);
    assert_eq!(there[0]["title"], "COOK");
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let boss = pair.users("ada", 1)[0]["id"].clone();
    until("bob's manager", || (pair.users("bob", 1)[0][manager]["manager"]["value"] == boss).then_some(()));
    let group = pair.source.group("Cooks");
    let path = format!("/Groups/{group}");
    pair.source.patch(&path, json!([{"op": "Add", "path": "members", "value": [{"value": ada}, {"value": bob}]}]));
    until("two cooks", || (pair.members("Cooks") == 2).then_some(()));
    pair.source.patch(&path, json!([{"op": "Remove", "path": "members", "value": [{"value": ada}]}]));
    until("one cook", || (pair.members("Cooks") == 1).then_some(()));
    pair.source.patch(&format!("/Users/{bob}"), json!([{"op": "replace", "path": "title", "value": "chef"}]));
    until("a chef", || (pair.users("bob", 1)[0]["title"] == "CHEF").then_some(()));
    // Who goes is shut in the target, and stays.
    assert_eq!(pair.source.scim("DELETE", &format!("/Users/{bob}"), None).status, 204);
    until("bob is shut", || (pair.users("bob", 1)[0]["active"] == false).then_some(()));
    until("an empty group", || (pair.members("Cooks") == 0).then_some(()));
    until("nothing to be left to do", || {
        let plan = pair.source.api("POST", "/syncs/onward/plan", &[], "").json();
        (plan["actions"] == json!([])).then_some(())
    });
    // A full run sends nothing either.
    let report = pair.source.api("POST", "/syncs/onward/run", &[], "{\"wait\": true}").json();
    assert_eq!((&report["outcome"], &report["calls"]), (&json!("complete"), &json!(0)), "{report}");
}

#[test]
fn a_failing_mapping_halts_and_a_mended_one_goes_on() {
    let pair = Pair::start("");
    pair.source.user("ada");
    pair.users("ada", 1);
    let people = pair.home.0.join("people.toml");
    fs::write(&people, PEOPLE.replace("'ToUpper([title])'", "'CDate([title])'")).unwrap();
    let bad = json!({"schemas": [USER], "userName": "bob", "title": "no date"});
    assert_eq!(
        pair.source.scim("POST", "/Users", Some(&bad)).status,
        201,
        "what comes in is not held up by what goes out"
    );
    until("the halt", || (!pair.status()["halt"].is_null()).then_some(()));
    let status = pair.status();
    assert_eq!((&status["halt"]["rule"], &status["halt"]["mapping"]), (&json!("title"), &json!("onward")));
    assert!(status["halt"]["report"].as_str().unwrap().contains("^^^"), "{status}");
    let metrics = pair.source.send("GET", "/metrics", &[], b"").text();
    assert!(metrics.contains("provisor_sync_halted{sync=\"onward\"} 1"), "{metrics}");
    // While it stands, a run says so in a line, and writes nothing.
    let report = pair.source.api("POST", "/syncs/onward/run", &[], "{\"wait\": true}").json();
    assert_eq!(report["outcome"], "halted");
    assert!(report["error"].as_str().unwrap().starts_with("still halted since"), "{report}");
    pair.users("bob", 0);
    // It outlives the process.
    let Pair { home, other, target, source } = pair;
    source.kill();
    let source = Pair::source(&home.0);
    let pair = Pair { home, other, target, source };
    assert!(!pair.status()["halt"].is_null());
    fs::write(&people, PEOPLE).unwrap();
    let report = pair.source.api("POST", "/syncs/onward/run", &[], "{\"wait\": true}").json();
    assert_eq!(report["outcome"], "complete", "{report}");
    assert!(pair.status()["halt"].is_null());
    assert_eq!(pair.users("bob", 1)[0]["title"], "NO DATE");
}

#[test]
fn a_webhook_is_told_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ear = thread::spawn(move || {
        let mut heard = Vec::new();
        listener.set_nonblocking(false).unwrap();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut text = String::new();
            let mut piece = [0; 4096];
            while !text.ends_with('}') {
                let count = stream.read(&mut piece).unwrap_or(0);
                if count == 0 {
                    break;
                }
                text.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
            if text.starts_with("GET /end") {
                return heard;
            }
            heard.push(text);
        }
        heard
    });
    let pair = Pair::start(&format!("notice = {{ webhook = \"http://127.0.0.1:{port}/hook\" }}\n"));
    fs::write(pair.home.0.join("people.toml"), PEOPLE.replace("ToUpper", "ToUper")).unwrap();
    pair.source.user("ada");
    until("the halt", || (!pair.status()["halt"].is_null()).then_some(()));
    for _ in 0..3 {
        pair.source.api("POST", "/syncs/onward/run", &[], "{\"wait\": true}");
    }
    let mut end = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    end.write_all(b"GET /end HTTP/1.1\r\n\r\n{}").unwrap();
    let heard = ear.join().unwrap();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].contains("\"event\":\"sync.halted\"") && heard[0].contains("\"sync\":\"onward\""), "{heard:?}");
}

/// A mail server that takes one message, and gives what it was told.
fn postbox() -> (u16, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"220 here\r\n").unwrap();
        let (mut told, mut piece, mut in_data) = (String::new(), [0; 4096], false);
        loop {
            let count = stream.read(&mut piece).unwrap();
            if count == 0 {
                return told;
            }
            let text = String::from_utf8_lossy(&piece[..count]).into_owned();
            told.push_str(&text);
            let answer: &[u8] = match text.get(..4).unwrap_or_default() {
                "EHLO" => b"250 here\r\n",
                "DATA" => {
                    in_data = true;
                    b"354 go on\r\n"
                }
                "QUIT" => {
                    let _ = stream.write_all(b"221 bye\r\n");
                    return told;
                }
                _ if in_data && !told.ends_with("\r\n.\r\n") => continue,
                _ => b"250 fine\r\n",
            };
            stream.write_all(answer).unwrap();
            if told.ends_with("\r\n.\r\n") {
                return told;
            }
        }
    });
    (port, taken)
}

#[test]
fn a_halt_is_told_by_e_mail() {
    let (port, taken) = postbox();
    let pair = Pair::start(&format!(
        "notice = {{ email = {{ from = \"provisor@x.example\", to = [\"admin@x.example\"], server = \"127.0.0.1\", port = {port}, encryption = \"none\" }} }}\n"
    ));
    fs::write(pair.home.0.join("people.toml"), PEOPLE.replace("'ToUpper([title])'", "'CDate([title])'")).unwrap();
    pair.source.scim("POST", "/Users", Some(&json!({"schemas": [USER], "userName": "bob", "title": "Tuesday"})));
    let told = taken.join().unwrap();
    for words in ["admin@x.example", "Subject: Provisor: sync onward is halted", "provisor sync status onward"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    assert!(!told.contains("Tuesday"), "no value is told: {told}");
}

#[test]
fn the_api_refuses_what_it_cannot_do() {
    let pair = Pair::start("");
    assert_eq!(pair.source.api("GET", "/syncs/nobody", &[], "").status, 404);
    let refused = pair.source.api("POST", "/syncs/onward/run", &[], "{\"allowdeletes\": true}");
    assert!(refused.status == 400 && refused.text().contains("allowdeletes"), "{}", refused.text());
    let scim = format!("Bearer {SCIM}");
    let foreign = pair.source.send("POST", "/api/v1/syncs/onward/run", &[("Authorization", scim.as_str())], b"");
    assert_eq!(foreign.status, 401, "a SCIM token runs nothing");
    assert_eq!(pair.source.api("POST", "/syncs/onward/run", &[], "").status, 202);
    let all = pair.source.api("GET", "/syncs", &[], "").json();
    assert_eq!(all["syncs"][0]["sync"], "onward");
}
