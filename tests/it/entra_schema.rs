//! `provisor import entra` and `provisor export entra`: schemas under `tests/cases/entra_schema` and what becomes of them, and
//! the way there and back.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::readme::{blocks, session};
use crate::support::{Scratch, code, root, run, shared, stderr, stdout};

/// The schemas of ours, and those that stand beside the repository.
fn samples() -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(root().join("tests/cases/entra_schema")).unwrap().collect();
    files.extend(shared("conformance/entra").into_iter().flat_map(|folder| fs::read_dir(folder).unwrap()));
    let mut samples: Vec<(String, String)> = files
        .into_iter()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .filter(|(_, text)| text.contains("synchronizationRules"))
        .collect();
    samples.sort();
    assert!(samples.len() >= 3, "only {} schemas", samples.len());
    samples
}

/// The files that an import wrote, as its standard output names them.
fn files(output: &std::process::Output) -> Vec<String> {
    stdout(output).lines().map(str::to_owned).collect()
}

/// The schema itself, of a file that may be a list of templates.
fn schema(text: &str) -> Value {
    let json: Value = serde_json::from_str(text).unwrap();
    json["value"].as_array().map_or(json.clone(), |items| items[0]["schema"].clone())
}

#[test]
fn what_becomes_of_a_schema_is_as_in_the_picture() {
    for name in ["outbound", "inbound", "findings"] {
        let scratch = Scratch::new(&format!("entra-{name}"));
        let input = format!("tests/cases/entra_schema/{name}.json");
        let output = run(&["import", "entra", &input, "-o", &scratch.path("out")], b"");
        let folder = scratch.path("out");
        let mut picture = format!("exit {}\n{}\n{}", code(&output), stdout(&output), stderr(&output));
        for file in files(&output) {
            picture.push_str(&format!("\n=== {file}\n{}", fs::read_to_string(&file).unwrap()));
        }
        let picture = picture.replace(&folder, "out");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("import-entra-{name}"), picture);
        });
    }
}

#[test]
fn what_was_imported_is_laid_out_as_fmt_would() {
    for (name, text) in samples() {
        let scratch = Scratch::new(&format!("entra-fmt-{name}"));
        let output = run(&["import", "entra", &scratch.write("s.json", &text), "-o", &scratch.path("out")], b"");
        assert!(code(&output) < 2, "{name}: {}", stderr(&output));
        for file in files(&output) {
            let compiles = code(&run(&["check", &file], b"")) == 0;
            let formatted = run(&["fmt", "--check", &file], b"");
            assert!(!compiles || code(&formatted) == 0, "{name}: {}", stdout(&formatted));
        }
    }
}

#[test]
fn back_into_the_same_schema_nothing_changes() {
    for (name, text) in samples() {
        let scratch = Scratch::new(&format!("entra-into-{name}"));
        let mut base = schema(&text);
        let input = scratch.write("s.json", base.to_string());
        let output = run(&["import", "entra", &input, "-o", &scratch.path("out")], b"");
        if code(&output) == 1 {
            continue;
        }
        let back = run(&["export", "entra", &scratch.path("out"), "--into", &input], b"");
        assert_eq!(code(&back), 0, "{name}: {}", stderr(&back));
        let mut back: Value = serde_json::from_str(stdout(&back)).unwrap();
        // A second mapping for one target is no rule of the file: it goes, and that is told at the import.
        for mappings in base.pointer_mut("/synchronizationRules/0/objectMappings").unwrap().as_array_mut().unwrap() {
            let rules = mappings["attributeMappings"].as_array_mut().unwrap();
            rules.retain(|rule| rule["targetAttributeName"] != "Title");
            // What flows nothing has no place in the order of the file.
            rules.sort_by_key(|rule| rule["targetAttributeName"].to_string());
        }
        for mappings in back.pointer_mut("/synchronizationRules/0/objectMappings").unwrap().as_array_mut().unwrap() {
            mappings["attributeMappings"]
                .as_array_mut()
                .unwrap()
                .sort_by_key(|rule| rule["targetAttributeName"].to_string());
        }
        assert_eq!(back["synchronizationRules"], base["synchronizationRules"], "{name}");
    }
}

/// A mapping file without its header and comments.
fn said(file: &str) -> String {
    let text = fs::read_to_string(file).unwrap();
    let from = text.find("\n[scope]").or(text.find("\n[attributes]")).unwrap();
    text[from..]
        .lines()
        .filter(|line| !line.starts_with('#') && *line != "[target]" && *line != "kind = \"json\"")
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_schema_of_our_own_comes_back_as_the_same_rules() {
    for (name, text) in samples() {
        let scratch = Scratch::new(&format!("entra-own-{name}"));
        let output = run(&["import", "entra", &scratch.write("s.json", &text), "-o", &scratch.path("out")], b"");
        if code(&output) == 1 {
            continue;
        }
        for (index, file) in files(&output).iter().enumerate() {
            let exported = run(&["export", "entra", file], b"");
            assert_eq!(code(&exported), 0, "{name}: {}", stderr(&exported));
            let again = scratch.write("again.json", stdout(&exported));
            let folder = scratch.path(&format!("again-{index}"));
            let back = run(&["import", "entra", &again, "-o", &folder], b"");
            assert_eq!(code(&back), 0, "{name}: {}", stderr(&back));
            assert_eq!(said(&files(&back)[0]), said(file), "{name}");
        }
    }
}

#[test]
fn shipped_mappings_map_alike_after_the_way_there_and_back() {
    for (mapping, records) in [("entra-user", "users"), ("entra-group", "groups"), ("configcat-user", "users")] {
        let scratch = Scratch::new(&format!("entra-shipped-{mapping}"));
        let file = format!("mappings/{mapping}.toml");
        let exported = run(&["export", "entra", &file], b"");
        assert_eq!(code(&exported), 0, "{}", stderr(&exported));
        let imported =
            run(&["import", "entra", &scratch.write("s.json", stdout(&exported)), "-o", &scratch.path("out")], b"");
        assert_eq!(code(&imported), 0, "{}", stderr(&imported));
        let records = fs::read_to_string(root().join(format!("examples/{records}.jsonl"))).unwrap();
        let map = |file: &str| stdout(&run(&["map", file], records.as_bytes())).to_owned();
        assert!(map(&file).lines().count() > 30);
        assert_eq!(map(&files(&imported)[0]), map(&file), "{mapping}");
    }
}

#[test]
fn a_changed_rule_alone_changes_the_schema() {
    let scratch = Scratch::new("entra-changed");
    let input = "tests/cases/entra_schema/outbound.json";
    let output = run(&["import", "entra", input, "-o", &scratch.path("out")], b"");
    let user = files(&output).into_iter().find(|file| file.ends_with("customappsso-user.toml")).unwrap();
    let text = fs::read_to_string(&user).unwrap();
    let text = text.replace("'[mail]'", "'ToLower([mail])'").replace("userType = { const = \"Member\" }\n", "");
    let text = text.replace("value = \"Sales\"", "value = \"Sales and more\"") + "profileUrl = '[homepage]'\n";
    fs::write(&user, text.replace("\"deskNumber\"", "\"deskNumber\", \"homepage\"")).unwrap();
    let back = run(&["export", "entra", &user, "--into", input], b"");
    assert_eq!(code(&back), 0, "{}", stderr(&back));
    assert!(stderr(&back).contains("customappsso-user: userType: taken out: no rule writes it"), "{}", stderr(&back));
    let back: Value = serde_json::from_str(stdout(&back)).unwrap();
    let base: Value = serde_json::from_str(&fs::read_to_string(root().join(input)).unwrap()).unwrap();
    let at = "/synchronizationRules/0/objectMappings";
    assert_eq!(back.pointer(&format!("{at}/0")), base.pointer(&format!("{at}/0")), "the group");
    let rules = |json: &Value| json.pointer(&format!("{at}/1/attributeMappings")).unwrap().as_array().unwrap().clone();
    let rule =
        |json: &Value, target: &str| rules(json).iter().find(|rule| rule["targetAttributeName"] == target).cloned();
    assert_eq!(rule(&back, "userName"), rule(&base, "userName"));
    assert_eq!(rule(&back, "userType"), None);
    let mail = rule(&back, "emails[type eq \"work\"].value").unwrap();
    assert_eq!(
        mail["source"],
        json!({
            "expression": "ToLower([mail])", "name": "ToLower", "type": "Function",
            "parameters": [{ "key": "source", "value": { "expression": "[mail]", "name": "mail", "type": "Attribute", "parameters": [] } }],
        })
    );
    assert_eq!(rule(&back, "profileUrl").unwrap()["flowBehavior"], "FlowWhenChanged");
    let groups = back.pointer(&format!("{at}/1/scope/groups")).unwrap();
    assert_eq!(groups[0]["clauses"][1]["targetOperand"]["values"], json!(["Sales and more"]));
    let listed = |directory: usize, name: &str| {
        let attributes = back.pointer(&format!("/directories/{directory}/objects/0/attributes")).unwrap();
        attributes.as_array().unwrap().iter().any(|attribute| attribute["name"] == name)
    };
    assert!(listed(0, "homepage") && listed(1, "profileUrl"));
}

#[test]
fn what_entra_cannot_hold_is_refused_with_its_place() {
    let scratch = Scratch::new("entra-refused");
    let file = scratch.write(
        "m.toml",
        "name = \"m\"\nresource = \"User\"\n[target]\nempty = \"send\"\n[env]\nmacros = { Domain = \"x.example\" }\n[attributes]\n\
         userName = { expr = '[mail]', match = 1, required = true }\n\
         title = { liquid = '{{ jobTitle }}', on_error = \"skip\" }\n\
         active = { const = true }\n\
         nickName = 'Join(\"@\", [mail], %Domain%)'\n\
         emails = { const = [{ value = \"a@x.example\" }] }\n\
         [script]\nrhai = '#{}'\n",
    );
    let refused = run(&["export", "entra", &file], b"");
    assert_eq!((code(&refused), stdout(&refused)), (1, ""));
    let told = stderr(&refused).replace(&file, "m.toml");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("export-entra-refused", told);
    });
    let lossy = run(&["export", "entra", &file, "--lossy"], b"");
    assert_eq!(code(&lossy), 0, "{}", stderr(&lossy));
    assert!(stderr(&lossy).contains("warning"), "{}", stderr(&lossy));
    let json: Value = serde_json::from_str(stdout(&lossy)).unwrap();
    let rules = json.pointer("/synchronizationRules/0/objectMappings/0/attributeMappings").unwrap().as_array().unwrap();
    let targets: Vec<&Value> = rules.iter().map(|rule| &rule["targetAttributeName"]).collect();
    assert_eq!(targets, ["userName", "active", "nickName"]);
    assert_eq!(rules[1]["source"]["name"], "True");

    let broken = scratch.write("b.toml", "name = \"b\"\nresource = \"User\"\n[attributes]\nuserName = 'Swich([a])'\n");
    let refused = run(&["export", "entra", &broken, "--lossy"], b"");
    assert_eq!((code(&refused), stdout(&refused)), (1, ""));
    assert!(stderr(&refused).contains("did you mean `Switch`?"), "{}", stderr(&refused));
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_is_written_over() {
    let scratch = Scratch::new("entra-bad");
    let rule = |rule: &str| {
        format!("{{\"synchronizationRules\": [{{\"objectMappings\": [{{\"attributeMappings\": [{rule}]}}]}}]}}")
    };
    let cases = [
        ("{}".to_owned(), "no \"synchronizationRules\""),
        ("[".to_owned(), "a JSON object is to stand here, this is an array"),
        ("{\"synchronizationRules\": {}}".to_owned(), "synchronizationRules is to be a list, this is an object"),
        ("{\"synchronizationRules\": []}".to_owned(), "has no object mappings"),
        (rule("{}"), "synchronizationRules[0].objectMappings[0].attributeMappings[0].targetAttributeName is missing"),
        (
            rule("{\"targetAttributeName\": 1}"),
            "attributeMappings[0].targetAttributeName is to be a text, this is a number",
        ),
        (
            rule("{\"targetAttributeName\": \"a\", \"source\": {\"type\": \"Function\"}}"),
            "source.name is missing: the function",
        ),
        (rule("{\"targetAttributeName\": \"a\", \"source\": \"[a]\"}"), "source is to be an object, this is a text"),
    ];
    for (text, part) in cases {
        let file = scratch.write("s.json", &text);
        let output = run(&["import", "entra", &file, "-o", &scratch.path("out")], b"");
        assert_eq!(code(&output), 2, "{text}");
        assert!(stderr(&output).contains(part), "{text}: {}", stderr(&output));
        assert!(!Path::new(&scratch.path("out")).exists() || fs::read_dir(scratch.path("out")).unwrap().count() == 0);
    }
    let input = "tests/cases/entra_schema/outbound.json";
    let folder = scratch.path("there");
    fs::create_dir(&folder).unwrap();
    fs::write(format!("{folder}/customappsso-user.toml"), "mine").unwrap();
    let output = run(&["import", "entra", input, "-o", &folder], b"");
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("customappsso-user.toml: File exists; --force writes over it"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "all or none");
    assert_eq!(code(&run(&["import", "entra", input, "-o", &folder, "--force"], b"")), 0);

    let other = scratch
        .write("m.toml", "name = \"m\"\nresource = \"Device\"\n[target]\nkind = \"json\"\n[attributes]\na = '[a]'\n");
    let output = run(&["export", "entra", &other, "--into", input], b"");
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    assert!(
        stderr(&output).contains("call the mapping one of customappsso-group, customappsso-user"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_page_s_example_is_what_the_program_prints() {
    let page = fs::read_to_string(root().join("docs/entra-schema.md")).unwrap();
    let scratch = Scratch::new("entra-page");
    scratch.write("schema.json", blocks(&page, "json").remove(0));
    let shown = blocks(&page, "text");
    assert!(shown.len() >= 3);
    for (index, block) in shown.iter().enumerate() {
        assert_eq!(&session(block, scratch.as_ref()), block);
        if index == 0 {
            assert_eq!(scratch.read("acme/acme-user.toml"), blocks(&page, "toml").remove(0));
        }
    }
}
