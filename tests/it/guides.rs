//! The guides are walked as they stand: files are written, commands run and compared with what is printed, requests sent as
//! the other system sends them. A page in which something cannot be done fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use serde_json::{Value, json};

use crate::graph_fake::{GraphFake, SECRET};
use crate::server::{ADMIN, Data, SCIM, Server};
use crate::support::{Scratch, code, json_lines, root, run, stdout};

/// Where a guide says that the target of its sync is.
const TARGET: &str = "https://SCIM-URL";

/// Where the guides reach the server.
const HERE: &str = "127.0.0.1:8080";

/// What stands for the service at the end of a sync: it asks for what SAFE asks for, and takes what ConfigCat takes.
const STAND_IN: &str = r#"
[[source]]
slug = "default"
unique_email = true
[[source.extensions]]
urn = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"
attributes = [ { name = "postalCode", type = "any" } ]
"#;

/// A guide being walked.
struct Walk {
    scratch: Scratch,
    data: Data,
    server: Option<Server>,
    target: Server,
    graph: GraphFake,
    /// Ids that answers gave, and what a shell has in its variables.
    names: BTreeMap<String, String>,
    token: String,
    _target_data: Data,
}

impl Walk {
    fn new(guide: &str) -> Self {
        let scratch = Scratch::new(&format!("guide-{guide}"));
        let stand_in = scratch.write("stand-in.toml", STAND_IN);
        for folder in ["mappings", "examples"] {
            fs::create_dir(scratch.path(folder)).unwrap();
            for file in fs::read_dir(root().join(folder)).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), Path::new(&scratch.path(folder)).join(file.file_name())).unwrap();
            }
        }
        let target_data = Data::new();
        let target = Server::start_by(&target_data.0, &["--config", &stand_in], &[]);
        Self {
            scratch,
            data: Data::new(),
            server: None,
            target,
            graph: GraphFake::start(),
            names: BTreeMap::new(),
            token: SCIM.to_owned(),
            _target_data: target_data,
        }
    }

    /// The server with the guide's configuration, started when it does not run.
    fn server(&mut self) -> &Server {
        let config = self.scratch.path("provisor.toml");
        self.server.get_or_insert_with(|| Server::start_by(&self.data.0, &["--config", &config], &[]))
    }

    /// A file that the guide says to write; a mapping among them is checked and tested.
    fn file(&self, name: &str, text: &str) {
        let target = format!("http://127.0.0.1:{}/scim/default/v2", self.target.port);
        let graph =
            format!("kind = \"graph\"\nurl = \"{}\"\nlogin_url = \"{}\"", self.graph.url(), self.graph.login_url());
        let text = text.replace(TARGET, &target).replace("kind = \"graph\"", &graph);
        let file = self.scratch.write(name, &text);
        if text.contains("[attributes]") {
            let commands = [&["check", "--strict", &file][..], &["test", &file]];
            for command in commands.iter().take(1 + usize::from(text.contains("[[tests]]"))) {
                let output = run(command, b"");
                assert_eq!(code(&output), 0, "{name}: {}", stdout(&output));
            }
        }
    }

    /// What a command prints, on both ways out.
    fn shell(&mut self, command: &str) -> String {
        let binary = Path::new(env!("CARGO_BIN_EXE_provisor")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = command.to_owned();
        for (name, id) in &self.names {
            command = command.replace(&format!("{{{name}}}"), id);
        }
        if command.contains(HERE) {
            command = command.replace(HERE, &format!("127.0.0.1:{}", self.server().port));
        } else if ["source", "token", "log", "sync"].iter().any(|word| command.contains(&format!("provisor {word} "))) {
            // These work on the data while no server has it open.
            self.server = None;
        }
        let output = Command::new("sh")
            .args(["-c", &format!("{{ {command}\n}} 2>&1")])
            .current_dir(self.scratch.path(""))
            .envs([("PATH", path.as_str()), ("NO_COLOR", "1"), ("TOKEN", &self.token), ("ADMIN", ADMIN)])
            .envs([("TARGET_TOKEN", SCIM), ("GRAPH_SECRET", SECRET)])
            .env("PROVISOR_SERVER_DATA", &self.data.0)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let made = Regex::new("prv1_[A-Za-z0-9_-]{30,}").unwrap();
        if let Some(token) = made.find(&text) {
            token.as_str().clone_into(&mut self.token);
        }
        text
    }

    /// A session: commands after `$ `, and what they print; `…` stands for what differs from run to run.
    fn session(&mut self, block: &str) {
        for part in format!("\n{block}").split("\n$ ").skip(1) {
            // A command may go on over lines that end with a backslash.
            let mut lines = part.lines();
            let mut command = String::new();
            for line in lines.by_ref() {
                command.push_str(line);
                command.push('\n');
                if !line.ends_with('\\') {
                    break;
                }
            }
            let wanted = lines.collect::<Vec<_>>().join("\n");
            let printed = self.shell(command.trim_end());
            let pattern = regex::escape(wanted.trim_end()).replace('…', "(?s:.*?)");
            let pattern = Regex::new(&format!("^{pattern}$")).unwrap();
            assert!(pattern.is_match(printed.trim_end()), "$ {command}{printed}\nis not what the guide has:\n{wanted}");
        }
    }

    /// A request as the other system sends it, and the answer: all that the guide shows of it must be there.
    fn exchange(&mut self, block: &str) {
        let (request, answer) = block.split_once("\nHTTP ").unwrap_or_else(|| panic!("no answer in {block}"));
        let (line, body) = request.split_once('\n').unwrap_or((request, ""));
        let (method, path) = line.split_once(' ').unwrap();
        let (status, wanted) = answer.split_once('\n').unwrap_or((answer, ""));
        let (mut path, mut body) = (path.replace(' ', "%20").replace('"', "%22"), body.to_owned());
        for (name, id) in &self.names {
            path = path.replace(&format!("{{{name}}}"), id);
            body = body.replace(&format!("{{{name}}}"), id);
        }
        if !body.trim().is_empty() {
            serde_json::from_str::<Value>(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        }
        let token = if path.starts_with("/api") { ADMIN } else { &self.token };
        let bearer = format!("Bearer {token}");
        let kind = if path.starts_with("/api") { "application/json" } else { "application/scim+json" };
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        let reply = self.server().send(method, &path, &headers, body.as_bytes());
        assert_eq!(reply.status.to_string(), status.trim(), "{line}: {}", reply.text());
        if !wanted.trim().is_empty() {
            let wanted = serde_json::from_str(wanted).unwrap_or_else(|error| panic!("{error}: {wanted}"));
            self.holds(&wanted, &reply.json(), line);
        }
    }

    /// Whether all of `wanted` is in the answer; `"{name}"` takes the text that stands there.
    fn holds(&mut self, wanted: &Value, found: &Value, place: &str) {
        match (wanted, found) {
            (Value::Object(wanted), Value::Object(found)) => {
                for (key, wanted) in wanted {
                    let found = found.get(key).unwrap_or(&Value::Null);
                    self.holds(wanted, found, &format!("{place} {key}"));
                }
            }
            (Value::Array(wanted), Value::Array(found)) => {
                assert_eq!(wanted.len(), found.len(), "{place}: {found:?}");
                for (wanted, found) in wanted.iter().zip(found) {
                    self.holds(wanted, found, place);
                }
            }
            (Value::String(wanted), Value::String(found)) if wanted.starts_with('{') => {
                let name = wanted.trim_matches(['{', '}']).to_owned();
                let known = self.names.entry(name).or_insert_with(|| found.clone());
                assert_eq!(known, found, "{place}");
            }
            (Value::String(wanted), Value::String(found)) if wanted.contains('…') => {
                let pattern = format!("^{}$", regex::escape(wanted).replace('…', "(?s:.*)"));
                assert!(Regex::new(&pattern).unwrap().is_match(found), "{place}: {found}");
            }
            _ => assert_eq!(wanted, found, "{place}"),
        }
    }

    /// Walks a page from top to bottom, and gives how many blocks were tried.
    fn page(&mut self, text: &str) -> usize {
        let blocks: Vec<(&str, &str)> =
            text.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect();
        for (kind, block) in &blocks {
            let name = block.lines().next().and_then(|line| line.strip_prefix("# ")).map(str::trim);
            match *kind {
                "toml" | "jsonl" => {
                    let name = name.unwrap_or_else(|| panic!("a file without `# name` on top: {block}"));
                    let text = if *kind == "toml" { block } else { block.split_once('\n').unwrap().1 };
                    self.file(name, text);
                }
                "text" => self.session(block),
                "http" => self.exchange(block),
                // What a person does beside: a server in a terminal of its own, tokens into variables.
                "sh" => {
                    for line in block.lines().filter(|line| !line.contains('…') && !line.is_empty()) {
                        if line.starts_with("provisor serve") {
                            self.server();
                        } else {
                            let printed = self.shell(&format!("set -e; {line}"));
                            assert!(!printed.contains("error"), "{line}: {printed}");
                        }
                    }
                }
                kind => panic!("what is a block of the kind {kind:?}?"),
            }
        }
        blocks.len()
    }
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn walk(guide: &str, blocks: usize) -> Walk {
    let mut walk = Walk::new(guide);
    let tried = walk.page(&page(&format!("docs/guides/{guide}.md")));
    assert!(tried >= blocks, "{guide}: only {tried} blocks");
    walk
}

#[test]
fn entra_inbound_is_walked() {
    walk("entra-inbound", 15);
}

#[test]
fn entra_outbound_is_walked() {
    let walk = walk("entra-outbound", 8);
    let user = walk.graph.user("ada@contoso.com").unwrap();
    assert_eq!(user["displayName"], "Ada Lovelace");
    assert_eq!(walk.graph.members(walk.graph.group("Engineering").unwrap()["id"].as_str().unwrap()).len(), 2);
}

#[test]
fn configcat_is_walked_and_gets_four_attributes_and_no_more() {
    let walk = walk("configcat", 8);
    let users = walk.target.scim("GET", "/Users?count=1000", None).json();
    let users = users["Resources"].as_array().unwrap().clone();
    assert!(!users.is_empty());
    for user in users {
        let keys: BTreeSet<&str> = user.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = ["active", "displayName", "externalId", "id", "meta", "schemas", "userName"];
        // `groups` comes of the memberships that the sync made.
        assert!(keys.iter().all(|key| wanted.contains(key) || *key == "groups"), "{user}");
    }
}

#[test]
fn safe_is_walked_and_gets_the_postal_code() {
    let walk = walk("safe", 8);
    let users = walk.target.scim("GET", "/Users?count=1000", None).json();
    let extension = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User";
    assert_eq!(users["Resources"][0][extension]["postalCode"], json!("00100"), "{users}");
    assert_eq!(walk.target.scim("GET", "/Groups", None).json()["totalResults"], 0);
}

#[test]
fn authn_sh_is_walked() {
    walk("authn-sh", 10);
}

#[test]
fn authentik_is_walked() {
    let walk = walk("authentik", 8);
    assert_eq!(walk.graph.users().len(), 2);
    let group = walk.graph.group("Quality").unwrap();
    assert_eq!(walk.graph.members(group["id"].as_str().unwrap()).len(), 2, "members are named by number");
}

/// The cells of a table's row, without the ticks around code.
fn cells(line: &str) -> Option<Vec<String>> {
    let row = line.trim().strip_prefix("| ")?.strip_suffix(" |")?;
    let cell = |cell: &str| cell.trim().trim_matches('`').replace("\\|", "|");
    // A bar inside a cell has a backslash before it.
    let row = row.replace("\\|", "\u{1}");
    Some(row.split(" | ").map(|text| cell(&text.replace('\u{1}', "|"))).collect())
}

#[test]
fn every_expression_of_authentik_has_the_value_that_the_table_says() {
    let text = page("docs/guides/authentik.md");
    let rows: Vec<Vec<String>> = text.lines().filter_map(cells).filter(|row| row.len() == 5).collect();
    let languages = ["entra", "liquid", "jinja", "rhai"];
    let rows: Vec<&Vec<String>> = rows.iter().filter(|row| languages.contains(&row[1].as_str())).collect();
    assert!(rows.len() >= 20, "only {} rows", rows.len());
    let lines: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(id, row)| {
            let input: Value = serde_json::from_str(&row[3]).unwrap_or_else(|error| panic!("{error}: {}", row[3]));
            json!({"id": id, "lang": row[1], "program": row[2], "input": input}).to_string()
        })
        .collect();
    let output = run(&["eval", "--jsonl"], lines.join("\n").as_bytes());
    let answers = json_lines(stdout(&output));
    assert_eq!(answers.len(), rows.len());
    for (row, answer) in rows.iter().zip(answers) {
        let found = answer.get("value").or_else(|| answer.get("ignore"));
        let wanted: Value = serde_json::from_str(&row[4]).unwrap_or_else(|error| panic!("{error}: {}", row[4]));
        assert_eq!(found, Some(&wanted), "{row:?}: {answer}");
    }
}

/// The pages that people read, from the root.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "llms.txt", "mappings/README.md", "benches/README.md"]
            .map(str::to_owned)
            .into();
    for folder in ["docs", "docs/guides"] {
        let files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().file_name());
        let names = files.map(|name| name.into_string().unwrap());
        pages.extend(
            names
                .filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"))
                .map(|name| format!("{folder}/{name}")),
        );
    }
    pages
}

/// The anchors of a page's headings, as they are made of their words.
fn anchors(text: &str) -> BTreeSet<String> {
    let outside = text.split("```").step_by(2);
    let headings = outside.flat_map(str::lines).filter_map(|line| line.strip_prefix('#'));
    let made = headings.map(|line| {
        let line = line.trim_start_matches('#').trim().to_lowercase();
        let kept = line.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    });
    made.collect()
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut broken = Vec::new();
    for path in pages() {
        let text = page(&path);
        // Links stand outside of blocks.
        let outside: String = text.split("```").step_by(2).collect();
        for found in link.captures_iter(&outside) {
            let to = &found[1];
            if to.starts_with("https://") {
                continue;
            }
            let (file, anchor) = to.split_once('#').unwrap_or((to, ""));
            let file =
                if file.is_empty() { root().join(&path) } else { root().join(&path).parent().unwrap().join(file) };
            let there =
                file.exists() && (anchor.is_empty() || anchors(&fs::read_to_string(&file).unwrap()).contains(anchor));
            if !there {
                broken.push(format!("{path}: {to}"));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n  {}", broken.join("\n  "));
}

#[test]
fn what_the_pages_count_and_list_is_all_there_is() {
    let listed = page("mappings/README.md");
    let files = fs::read_dir(root().join("mappings")).unwrap().map(|file| file.unwrap().file_name());
    let mappings: Vec<String> =
        files.map(|name| name.into_string().unwrap()).filter(|name| name != "README.md").collect();
    for mapping in &mappings {
        assert!(listed.contains(&format!("`{mapping}`")), "mappings/README.md does not list {mapping}");
    }
    let words = ["fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"];
    let count = format!("{} ready mappings", words[mappings.len() - 14]);
    assert!(page("README.md").contains(&count), "the README does not say {count:?}");
    // The page for machines has every page and every command.
    let machines = page("llms.txt");
    for path in pages().iter().filter(|path| path.starts_with("docs/")) {
        assert!(machines.contains(&format!("({path})")), "llms.txt does not link {path}");
    }
    let help = run(&["--help"], b"");
    let commands = stdout(&help).split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for command in commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        assert!(machines.contains(&format!("`provisor {command}")), "llms.txt does not name `provisor {command}`");
    }
    let index = page("docs/guides/README.md");
    for path in pages().iter().filter_map(|path| path.strip_prefix("docs/guides/")).filter(|path| *path != "README.md")
    {
        assert!(index.contains(&format!("({path})")), "docs/guides/README.md does not link {path}");
    }
}
