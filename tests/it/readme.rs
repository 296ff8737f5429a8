//! The examples of the README and of docs are run as they stand: what is printed there must be what the program prints.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::server::{ADMIN, Data, SCIM, Server};
use crate::support::{Scratch, code, root, run, stdout};

/// The fenced blocks of a kind, in order.
pub(crate) fn blocks(text: &str, kind: &str) -> Vec<String> {
    text.split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix(&format!("{kind}\n")).map(str::to_owned))
        .collect()
}

/// Runs the commands of a block (`$ …`) in a directory and gives commands and output as a person would see them.
pub(crate) fn session(block: &str, directory: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_provisor")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let mut seen = String::new();
    for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let output = Command::new("sh")
            .args(["-c", &format!("{{ {command}; }} 2>&1")])
            .current_dir(directory)
            .env("PATH", &path)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        seen.push_str(&format!("$ {command}\n{}", String::from_utf8(output.stdout).unwrap()));
    }
    seen
}

#[test]
fn the_examples_are_what_the_program_prints() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mapping = blocks(&readme, "toml").remove(0);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(directory.join("mappings")).unwrap();
    fs::copy(root().join("mappings/hr-workday-ad.toml"), directory.join("mappings/hr-workday-ad.toml")).unwrap();
    // Line 17 has the date that the README's example trips over.
    let workers = fs::read_to_string(root().join("examples/workers.jsonl")).unwrap();
    let workers: Vec<String> = workers
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let mut worker: serde_json::Value = serde_json::from_str(line).unwrap();
            if index == 16 {
                worker["ContractEndDate"] = "31.12.2026".into();
            }
            worker.to_string()
        })
        .collect();
    fs::write(directory.join("workers.jsonl"), workers.join("\n")).unwrap();

    let sessions: Vec<String> = blocks(&readme, "text").into_iter().filter(|block| block.starts_with("$ ")).collect();
    assert_eq!(sessions.len(), 7, "languages, import, check, test, eval, diff, map");
    for (index, wanted) in sessions.iter().enumerate() {
        let file = if wanted.starts_with("$ provisor check") {
            mapping.replace("'Switch(", "'Swich(")
        } else {
            mapping.clone()
        };
        fs::write(directory.join("my-app.toml"), file).unwrap();
        assert_eq!(&session(wanted, &directory), wanted, "the README's example number {}", index + 1);
    }
}

#[test]
fn the_first_command_maps_the_shipped_people() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("payloads.jsonl");
    let output = crate::support::run(
        &["map", "mappings/entra-user.toml", "--in", "examples/users.jsonl", "--out", out.to_str().unwrap()],
        b"",
    );
    assert!(output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(told.trim()), "the README does not say {told:?}");
    assert_eq!(fs::read_to_string(out).unwrap().lines().count(), 1500);
}

/// The mapping files that stand whole in a page.
fn whole_files(page: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let whole = |block: &String| block.starts_with("name ") && block.contains("[attributes]");
    blocks(&text, "toml").into_iter().filter(whole).collect()
}

#[test]
fn every_mapping_file_in_the_docs_checks_and_passes_its_tests() {
    let scratch = Scratch::new("docs");
    for page in ["README", "docs/choosing-a-language", "docs/mapping-file", "docs/liquid", "docs/rhai", "docs/jinja"] {
        for (index, block) in whole_files(&format!("{page}.md")).iter().enumerate() {
            let file = scratch.write(&format!("{}-{}.toml", page.replace('/', "-"), index + 1), block);
            let check = run(&["check", "--strict", &file], b"");
            assert_eq!(code(&check), 0, "{}", stdout(&check));
            let test = run(&["test", &file], b"");
            assert_eq!(code(&test), 0, "{}", stdout(&test));
        }
    }
}

#[test]
fn the_five_tasks_are_solved_in_all_four_languages_alike() {
    let tasks = whole_files("docs/choosing-a-language.md");
    assert_eq!(tasks.len(), 5);
    let scratch = Scratch::new("tasks");
    for (index, task) in tasks.iter().enumerate() {
        let file = scratch.write("task.toml", task);
        let test = run(&["test", &file], b"");
        let count = stdout(&test).lines().filter(|line| line.starts_with("ok")).count();
        assert!(count >= 4, "task {}: only {count} tests", index + 1);
        // One payload for each record of the tests, in which the languages agree.
        let given = task.lines().filter_map(|line| line.strip_prefix("given")?.trim_start().strip_prefix('='));
        let records: Vec<String> = given.map(as_json).collect();
        assert_eq!(records.len(), count);
        let mapped = run(&["map", &file], records.join("\n").as_bytes());
        assert_eq!(code(&mapped), 0);
        for payload in crate::support::json_lines(stdout(&mapped)) {
            let values: Vec<_> = ["entra", "liquid", "jinja", "rhai"].map(|language| payload.get(language)).into();
            assert!(values.iter().all(|value| *value == values[0]), "task {}: {payload}", index + 1);
        }
    }
}

/// A flat inline table of TOML as JSON: the keys in quotes, and a colon for the sign.
fn as_json(table: &str) -> String {
    let key = regex::Regex::new(r"([{,]\s*)(\w+)\s*=\s*").unwrap();
    key.replace_all(table.trim(), "$1\"$2\": ").into_owned()
}

/// The block of shell commands in which this stands.
fn shell(text: &str, holding: &str) -> String {
    blocks(text, "sh").into_iter().find(|block| block.contains(holding)).unwrap()
}

/// Runs shell commands, and gives what they print; one that fails is told.
pub(crate) fn bash(script: &str, directory: &Path, variables: &[(&str, &str)]) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_provisor")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-euc", script])
        .current_dir(directory)
        .env("PATH", path)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn the_walk_with_curl_works_as_printed() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let data = Data::new();
    let server = Server::start(&data.0);
    let walk = shell(&readme, "scim() {")
        .replace("prv1_…", SCIM)
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", server.port));
    // Each command's answer on a line; `ID` in the commands is the id that the first one gives.
    let (first, rest) = walk.split_once("scim -G").unwrap();
    let made: Value = serde_json::from_str(bash(first, root(), &[]).trim()).unwrap();
    assert_eq!(made["userName"], "ada@contoso.example");
    let (functions, _) = first.split_once("scim $URL").unwrap();
    let rest = format!("scim -G{rest}").replace("ID", made["id"].as_str().unwrap());
    let printed = bash(&format!("{functions}{rest}"), root(), &[]);
    let answers: Vec<&str> = printed.lines().collect();
    let [found, shut, group, gone] = answers.as_slice() else { panic!("{printed}") };
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(json(found)["totalResults"], 1);
    assert_eq!(json(shut)["active"], false);
    assert_eq!(json(group)["members"][0]["value"], made["id"]);
    assert_eq!(*gone, "", "a deletion has no body");
    assert_eq!(server.scim("GET", "/Users", None).json()["totalResults"], 0);
}

#[test]
fn every_request_of_the_api_page_works_as_printed() {
    let page = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let data = Data::new();
    let variables = [("PROVISOR_SECRET_APP", "a-secret-of-the-target")];
    let server = Server::start_with(&data.0, &variables);
    let user = server.user("ada@contoso.example");
    let token = server.api("POST", "/tokens", &[], "{\"label\": \"old\", \"role\": \"read\"}").json();
    let requests = blocks(&page, "sh").into_iter().filter(|block| block.contains("api "));
    let script = requests.collect::<Vec<_>>().join("\n").replace("prv1_…", ADMIN);
    let script = script.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", server.port));
    let scratch = Scratch::new("api-page");
    let directory = scratch.path("");
    let variables = [("USER", user.as_str()), ("TOKEN", token["id"].as_str().unwrap())];
    let printed = bash(&script, Path::new(&directory), &variables);
    for part in ["\"slug\":\"default\"", "+title = \"[title]\"", "\"revision\":3", "\"notes\":[]", "number,time,source"]
    {
        assert!(printed.contains(part), "{part:?} is not in {printed}");
    }
    assert!(!printed.contains("a-secret-of-the-target"));
    assert!(scratch.read("backup.jsonl").lines().count() > 3);
}

#[test]
fn the_walk_of_the_sync_works_as_printed() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let data = Data::new();
    let server = Server::start(&data.0);
    let scratch = Scratch::new("sync-walk");
    let config = blocks(&readme, "toml").into_iter().find(|block| block.contains("[[sync]]")).unwrap();
    let config = config
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", server.port))
        .replace("mappings/", &format!("{}/mappings/", root().display()))
        .replace("examples/users.jsonl", "users.jsonl");
    let file = scratch.write("demo.toml", &config);
    let people = fs::read_to_string(root().join("examples/users.jsonl")).unwrap();
    scratch.write("users.jsonl", people.lines().take(40).collect::<Vec<_>>().join("\n"));
    let directory = Path::new(&file).parent().unwrap();
    let printed = bash(&shell(&readme, "sync plan demo"), directory, &[("TOKEN", SCIM)]);
    assert!(printed.contains("40 create") && printed.contains("demo complete: 40 created"), "{printed}");
    assert!(printed.contains("demo: 40 users and 0 groups linked"), "{printed}");
    assert_eq!(server.scim("GET", "/Users?count=0", None).json()["totalResults"], 40);
    // One of them on demand, step by step.
    let first: Value = serde_json::from_str(people.lines().next().unwrap()).unwrap();
    let id = first["objectId"].as_str().unwrap();
    let again = format!("provisor sync run demo --config demo.toml --user {id}");
    let printed = bash(&again, directory, &[("TOKEN", SCIM)]);
    for step in
        ["1 connection", "2 import", "3 scope", "4 match", "5 action", "it is linked to", "nothing was to be done"]
    {
        assert!(printed.contains(step), "{step:?} is not in {printed}");
    }
    let nobody = format!("{again}x --json");
    let printed: Value = serde_json::from_str(bash(&nobody, directory, &[("TOKEN", SCIM)]).trim()).unwrap();
    assert_eq!(printed["steps"][1]["outcome"], "there is no such record (any more)", "{printed}");
    assert_eq!(printed["report"]["calls"], 0);
}
