//! Conversations with the server as data: `tests/cases/http/*.json`. A file is a list of conversations, and each of them
//! has a source of its own, so that none sees what another one left.
//!
//! A step is `"do": "POST /Users"`, with `headers` and `body`, and what the answer must be: `status` (a number or a list),
//! `expect` (JSON pointers and values), `includes` (a pointer to a list, and what one of its elements has), `size`,
//! `absent` (pointers), `contains` (a part of the body), `head` (a part of the head, in small letters). `keep` puts a
//! value of the answer into a variable, which `{name}` is from then on. A conversation with `"dialects": true` is held
//! twice, the second time with `aadOptscim062020` in every URL; a step with `only` (`"plain"` or `"flag"`) is in one.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::server::{ADMIN, Reply, Server};
use crate::support::root;

/// One source of a server, with its token and the variables of a conversation.
pub(crate) struct Talk<'s> {
    server: &'s Server,
    base: String,
    bearer: String,
    flag: bool,
    pub(crate) variables: BTreeMap<String, String>,
}

impl<'s> Talk<'s> {
    /// A new source of that name.
    pub(crate) fn new(server: &'s Server, slug: &str, flag: bool) -> Self {
        let admin = format!("Bearer {ADMIN}");
        let headers = [("Authorization", admin.as_str()), ("Content-Type", "application/json")];
        let made = server.send("POST", "/api/v1/sources", &headers, json!({"slug": slug}).to_string().as_bytes());
        assert_eq!(made.status, 201, "{}", made.text());
        let token = json!({"label": slug, "source": slug}).to_string();
        let made = server.send("POST", "/api/v1/tokens", &headers, token.as_bytes()).json();
        let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
        Self { server, base: format!("/scim/{slug}/v2"), bearer, flag, variables: BTreeMap::new() }
    }

    /// Sends a request; the path may have blanks, quotes and variables in it.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &Value, body: Option<&Value>) -> Reply {
        let mut path = encoded(&self.filled(path));
        if self.flag {
            path.push_str(if path.contains('?') { "&aadOptscim062020" } else { "?aadOptscim062020" });
        }
        let mut all = vec![("Authorization", self.bearer.as_str()), ("Content-Type", "application/scim+json")];
        for (name, value) in headers.as_object().into_iter().flatten() {
            all.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            // A header that is null is not sent.
            all.extend(value.as_str().map(|value| (name.as_str(), value)));
        }
        let body = match body {
            None => String::new(),
            // A text is sent as it is: it may be no JSON at all.
            Some(Value::String(text)) => self.filled(text),
            Some(body) => self.filled_json(body).to_string(),
        };
        self.server.send(method, &format!("{}{path}", self.base), &all, body.as_bytes())
    }

    fn filled(&self, text: &str) -> String {
        self.variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn filled_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.filled(text)),
            Value::Array(items) => items.iter().map(|item| self.filled_json(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (self.filled(key), self.filled_json(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// Does a step; the complaint says what is wrong with the answer.
    pub(crate) fn step(&mut self, step: &Value) -> Result<(), String> {
        let only = step["only"].as_str();
        if only.is_some_and(|only| (only == "flag") != self.flag) {
            return Ok(());
        }
        known_keys(step);
        let (method, path) = step["do"].as_str().and_then(|text| text.split_once(' ')).expect("`do`: method and path");
        let headers = self.filled_json(&step["headers"]);
        let reply = self.send(method, path, &headers, step.get("body"));
        let complaint =
            |what: String| Err(format!("{method} {path}: {what}\n    got {} {}", reply.status, reply.text()));
        let statuses = match &step["status"] {
            Value::Array(some) => some.clone(),
            Value::Null => panic!("{step}: no status"),
            one => vec![one.clone()],
        };
        if !statuses.contains(&json!(reply.status)) {
            return complaint(format!("the status should be {}", step["status"]));
        }
        if !matches!(reply.status, 204 | 304) && !reply.head.contains("content-type: application/scim+json\r\n") {
            return complaint("the answer is not application/scim+json".to_owned());
        }
        let body = if reply.body.is_empty() { Value::Null } else { reply.json() };
        if reply.status >= 400 && body["status"] != json!(reply.status.to_string()) {
            return complaint("the error has no `status` as a text".to_owned());
        }
        let at = |pointer: &str| body.pointer(&self.filled(pointer)).cloned();
        let object = |key: &str| self.filled_json(&step[key]).as_object().cloned().unwrap_or_default();
        for (pointer, wanted) in object("expect") {
            if at(&pointer) != Some(wanted.clone()) {
                return complaint(format!("{pointer} should be {wanted}"));
            }
        }
        for (pointer, wanted) in object("includes") {
            let wanted = wanted.as_object().expect("an object");
            let items = at(&pointer).and_then(|items| items.as_array().cloned()).unwrap_or_default();
            if !items.iter().any(|item| wanted.iter().all(|(key, value)| item.get(key) == Some(value))) {
                return complaint(format!("{pointer} should include {wanted:?}"));
            }
        }
        for (pointer, wanted) in object("size") {
            let items = at(&pointer).and_then(|items| items.as_array().map(Vec::len)).unwrap_or_default();
            if json!(items) != wanted {
                return complaint(format!("{pointer} should have {wanted} elements"));
            }
        }
        for pointer in step["absent"].as_array().into_iter().flatten() {
            if at(pointer.as_str().unwrap()).is_some() {
                return complaint(format!("{pointer} should not be there"));
            }
        }
        for part in step["contains"].as_array().into_iter().flatten() {
            if !reply.text().contains(&self.filled(part.as_str().unwrap())) {
                return complaint(format!("the body should have {part}"));
            }
        }
        for part in step["head"].as_array().into_iter().flatten() {
            if !reply.head.contains(&self.filled(part.as_str().unwrap())) {
                return complaint(format!("the head should have {part}:\n{}", reply.head));
            }
        }
        for (name, pointer) in object("keep") {
            let pointer = pointer.as_str().unwrap();
            match body.pointer(pointer) {
                Some(Value::String(text)) => self.variables.insert(name, text.clone()),
                Some(other) => self.variables.insert(name, other.to_string()),
                None => return complaint(format!("{pointer} is not there")),
            };
        }
        Ok(())
    }
}

/// A word that is misspelled would check nothing.
fn known_keys(step: &Value) {
    const KEYS: &[&str] = &[
        "do", "headers", "body", "status", "expect", "includes", "size", "absent", "contains", "head", "keep", "only",
        "why",
    ];
    for key in step.as_object().expect("a step is an object").keys() {
        assert!(KEYS.contains(&key.as_str()), "{key:?} is no word of a step: {step}");
    }
}

/// A path as it goes over the wire: what URLs do not have is escaped, blanks become `+` as with Entra.
fn encoded(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'"' | b'[' | b']' | b'{' | b'}' | b'\\' | b'<' | b'>' => out.push_str(&format!("%{byte:02X}")),
            _ if !byte.is_ascii_graphic() => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

/// Holds every conversation of a file; fails with all complaints. Says which were held.
pub(crate) fn hold(server: &Server, file: &str) -> Vec<String> {
    let path = root().join("tests/cases/http").join(file);
    let text = fs::read_to_string(&path).unwrap();
    let talks: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (mut names, mut complaints) = (Vec::new(), Vec::new());
    for (at, case) in talks.iter().enumerate() {
        let name = case["name"].as_str().unwrap_or_else(|| panic!("{file}: no name: {case}"));
        assert!(!names.iter().any(|known| known == name), "{file}: {name} is there twice");
        let dialects: &[bool] = if case["dialects"] == true { &[false, true] } else { &[false] };
        for flag in dialects {
            let mut talk = Talk::new(server, &format!("{}-{at}-{flag}", file.trim_end_matches(".json")), *flag);
            let steps = case["steps"].as_array().unwrap_or_else(|| panic!("{file}: {name} has no steps"));
            for step in steps {
                if let Err(complaint) = talk.step(step) {
                    let dialect = if *flag { " (with the flag)" } else { "" };
                    complaints.push(format!("{name}{dialect}: {complaint}"));
                    break;
                }
            }
        }
        names.push(name.to_owned());
    }
    println!("{file}: {} conversations, {} complaints", names.len(), complaints.len());
    assert!(complaints.is_empty(), "{file}: {} of {} fail:\n{}", complaints.len(), names.len(), complaints.join("\n"));
    names
}
