//! The rules of the house, read off the source text. What the compiler and clippy can hold is held there; here is the
//! rest: the order of the modules, the pure floors, the size and the opening of files, and what the repository promises.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use provisor::text::Code;

use crate::support::root;

/// A module uses only modules before it in this list. Names may move; the order may not.
const ORDER: &[&str] = &[
    "text",
    "dotnet",
    "value",
    "function",
    "language",
    "scim",
    "mapping",
    "clock",
    "store",
    "directory",
    "target",
    "sync",
    "config",
    "server",
    "cli",
];

/// The modules without IO, clock, randomness and environment; those come in as parameters.
const PURE: &[&str] = &["text", "dotnet", "value", "function", "language", "scim", "mapping"];

/// What a pure module may not name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::os",
    "SystemTime",
    "Instant::now",
    "getrandom",
    "io::stdin",
    "io::stdout",
    "io::stderr",
];

/// What is impure and still there: a clock that ends programs and that none of them can read.
const FENCES: &[(&str, &str)] = &[("src/function/budget.rs", "Instant::now")];

/// Lines after which a file is two files.
const MAX_LINES: usize = 700;

/// Files that are longer, and why.
const LONG: &[(&str, &str)] =
    &[("src/function/table.rs", "one table, a row per function; cut, it would be two tables")];

/// Codes that no case shows yet. A code leaves this list with its first case, and none joins it.
const WITHOUT_CASE: &[&str] = &["E0102", "E0709"];

/// A file of ours: its path from the root, its text, and its text without comments and the insides of literals.
struct File {
    path: String,
    text: String,
    code: String,
}

/// The Rust files below a directory.
fn rust_files(directory: &str) -> Vec<File> {
    let mut files: Vec<File> = files_below(&root().join(directory))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            File { path: from_root(&path), code: code_of(&text), text }
        })
        .collect();
    assert!(!files.is_empty(), "no Rust file below {directory}");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What a workspace of its own was built into, beside its manifest.
            let is_built = path.ends_with("target") && path.with_file_name("Cargo.toml").exists();
            if !is_built {
                files.extend(files_below(&path));
            }
        } else {
            files.push(path);
        }
    }
    files
}

fn from_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/")
}

/// Comments and literals.
static LITERAL: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(concat!(
        r#"(?s)//[^\n]*|/\*.*?\*/"#,
        r####"|\br###".*?"###|\br##".*?"##|\bb?r#".*?"#|\bb?r".*?""####,
        r#"|"(?:[^"\\]|\\.)*"|'(?:[^'\\\n]|\\[^\n]{1,10}?)'"#,
    ))
    .unwrap()
});

/// The text with comments and the insides of literals turned into blanks; lines and bytes stay where they are.
fn code_of(text: &str) -> String {
    let blank = |found: &regex::Captures| -> String {
        found[0].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
    };
    LITERAL.replace_all(text, blank).into_owned()
}

/// The code without its test modules, whose lines become empty.
fn without_tests(code: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = code.lines().peekable();
    while let Some(line) = lines.next() {
        let opens = line.trim() == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.trim_end().ends_with('{'));
        kept.push(line);
        if opens {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            kept.extend(lines.by_ref().take_while(|inner| inner.trim_end() != end).map(|_| ""));
            kept.push("");
        }
    }
    kept.join("\n")
}

/// The first folder or file below `src`, as a module's name; `None` for the two roots.
fn module_of(path: &str) -> Option<&str> {
    let module = path.strip_prefix("src/")?.split('/').next()?.trim_end_matches(".rs");
    (module != "lib" && module != "main").then_some(module)
}

/// Whether the file is nothing but tests.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text[..offset].matches('\n').count()
}

/// Where a word stands by itself, not as a part of a longer one.
fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let joins = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !joins(text[..*at].chars().next_back()) && !joins(text[at + word.len()..].chars().next()))
}

/// `path:line: what` for every place of a word.
fn places(path: &str, text: &str, word: &str) -> Vec<String> {
    words(text, word).map(|at| format!("{path}:{}: {word}", line_of(text, at))).collect()
}

/// The modules that `crate::…` at the start of this text names: one, or those of a group in braces.
fn named_modules(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return vec![identifier(path)] };
    let (mut depth, mut start, mut modules) = (0_i32, true, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            letter if letter.is_whitespace() => {}
            _ if start => {
                modules.push(identifier(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    modules
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The uses of other modules in a file that go against the order.
fn uses_against_order(module: &str, file: &File) -> Vec<String> {
    let rank = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut found = Vec::new();
    for at in words(&file.code, "crate") {
        let Some(path) = file.code[at..].strip_prefix("crate::") else { continue };
        for named in named_modules(path) {
            let why = match rank(&named) {
                Some(other) if Some(other) <= rank(module) => continue,
                Some(_) => format!("`{module}` comes before `{named}`"),
                None => format!("`{named}` has no place in the order"),
            };
            let line = line_of(&file.code, at);
            let shown = file.text.lines().nth(line - 1).unwrap_or_default().trim();
            found.push(format!("{}:{line}: {shown}   ({why})", file.path));
        }
    }
    found
}

/// Fails with all findings, a line each.
fn none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}\n  {}", findings.join("\n  "));
}

#[test]
fn modules_use_only_those_before_them() {
    let mut found = Vec::new();
    for file in rust_files("src") {
        let Some(module) = module_of(&file.path) else { continue };
        if ORDER.contains(&module) {
            found.extend(uses_against_order(module, &file));
        } else {
            found.push(format!("{}: `{module}` has no place in the order", file.path));
        }
    }
    none(&found, &format!("a module uses only modules before it in: {}", ORDER.join(", ")));
}

#[test]
fn the_reader_of_uses_sees_groups_and_skips_comments() {
    let text = "use crate::{\n    text::{Code, Span},\n    cli,\n};\n// crate::server\nfn f() { crate::sync::g(\"crate::store\") }";
    let file = File { path: "src/x.rs".into(), text: text.into(), code: code_of(text) };
    let found: Vec<String> =
        uses_against_order("text", &file).iter().map(|line| line.split(':').nth(1).unwrap().to_owned()).collect();
    assert_eq!(found, ["1", "6"]);
    assert_eq!(named_modules("{ text::{Code, Span}, cli }"), ["text", "cli"]);
    let code =
        code_of(r###"let a = 'x'; let b: &'static str = r##"a "# // b"##; /* c */ let d = "e\"f"; let g = '\'';"###);
    assert_eq!(
        code.split_whitespace().collect::<Vec<_>>().join(" "),
        "let a = ; let b: &'static str = ; let d = ; let g = ;"
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    let files = ["src", "tests", "benches", "fuzz/fuzz_targets"].into_iter().flat_map(rust_files);
    let found: Vec<String> = files.filter(|file| !file.text.starts_with("//! ")).map(|file| file.path).collect();
    none(&found, "a file opens with `//!` and what it is for");
}

#[test]
fn no_file_is_too_long() {
    let mut found = Vec::new();
    for file in rust_files("src") {
        let lines = file.text.lines().count();
        let excused = LONG.iter().any(|(path, _)| *path == file.path);
        if lines > MAX_LINES && !excused {
            found.push(format!("{}: {lines} lines", file.path));
        } else if lines <= MAX_LINES && excused {
            found.push(format!("{}: {lines} lines, so it needs no excuse in LONG", file.path));
        }
    }
    none(&found, &format!("a file has at most {MAX_LINES} lines (only tables may have more, each excused in LONG)"));
}

#[test]
fn the_pure_floors_touch_nothing_outside() {
    let mut found = Vec::new();
    for file in rust_files("src") {
        if module_of(&file.path).is_some_and(|module| PURE.contains(&module)) && !is_test(&file.path) {
            let code = without_tests(&file.code);
            let excused = |word: &str| FENCES.contains(&(&*file.path, word));
            let named = IMPURE.iter().filter(|word| !excused(word));
            found.extend(named.flat_map(|word| places(&file.path, &code, word)));
            for at in words(&code, "std").filter(|at| code[*at..].starts_with("std::{")) {
                let named = named_modules(&code[at + "std::".len()..]).into_iter().map(|name| format!("std::{name}"));
                let impure = named.filter(|name| IMPURE.contains(&name.as_str()));
                found.extend(impure.map(|name| format!("{}:{}: {name}", file.path, line_of(&code, at))));
            }
        }
    }
    none(&found, "a pure module takes clock, randomness, environment and files as parameters");
}

#[test]
fn nothing_is_left_undone_or_unsafe() {
    let mut found = Vec::new();
    for file in ["src", "tests", "benches", "fuzz/fuzz_targets"].into_iter().flat_map(rust_files) {
        for word in ["unsafe", "todo!", "unimplemented!", "#[ignore"] {
            found.extend(places(&file.path, &file.code, word));
        }
        found.extend(places(&file.path, &file.text, concat!("FIX", "ME")));
    }
    none(&found, "no unsafe code, no unfinished code, no test that is not run");
}

/// The files that git tracks or would track; none outside of a checkout, where there is nothing to say about them.
fn tracked() -> Vec<PathBuf> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let listing = match listing {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        _ => String::new(),
    };
    listing.split('\0').filter(|path| !path.is_empty()).map(|path| root().join(path)).collect()
}

#[test]
fn no_file_names_the_host_of_a_package_registry() {
    // In pieces, so that this file does not name them itself.
    let hosts = [
        ["index.crates", "io"],
        ["static.crates", "io"],
        ["//crates", "io"],
        ["lib", "rs/crates"],
        ["pypi", "org"],
        ["pythonhosted", "org"],
        ["npmjs", "org"],
        ["npmjs", "com"],
        ["deb.debian", "org"],
        ["security.debian", "org"],
        ["proxy.golang", "org"],
        ["artifactory", "/"],
    ];
    let mut found = Vec::new();
    for path in tracked() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for [first, last] in hosts {
            let host = if last == "/" { format!("{first}{last}") } else { format!("{first}.{last}") };
            found.extend(text.find(&host).map(|at| format!("{}:{}", from_root(&path), line_of(&text, at))));
        }
    }
    none(&found, "packages are named by name alone, never with the host of a registry");
}

/// The texts of all case files.
fn case_texts() -> Vec<String> {
    let files = ["tests/cases", "tests/it/snapshots"].into_iter().flat_map(|folder| files_below(&root().join(folder)));
    files.filter_map(|path| fs::read_to_string(path).ok()).collect()
}

#[test]
fn what_the_differences_name_exists() {
    let Ok(text) = fs::read_to_string(root().join("docs/differences.md")) else { return };
    let cases = case_texts();
    let is_case = |name: &str| cases.iter().any(|text| text.contains(&format!("\"id\": \"{name}\"")));
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.trim_end().strip_suffix('|')) else { continue };
        let shown_in = row.rsplit('|').next().unwrap().trim();
        let names = shown_in.split(", ").map(|name| name.trim_matches('`')).filter(|name| *name != "shown in");
        let missing = names.filter(|name| name.is_empty() || !is_case(name) && !root().join(name).is_file());
        found.extend(missing.map(|name| format!("docs/differences.md:{}: {name:?}", index + 1)));
    }
    none(&found, "the last column of a difference names the cases (by id) or the files that show it");
}

#[test]
fn every_code_is_shown_by_a_case() {
    let texts = case_texts();
    let shown: BTreeSet<String> = Code::ALL
        .iter()
        .map(ToString::to_string)
        .filter(|code| texts.iter().any(|text| words(text, code).next().is_some()))
        .collect();
    let mut found = Vec::new();
    for code in Code::ALL {
        let name = code.to_string();
        match (shown.contains(&name), WITHOUT_CASE.contains(&name.as_str())) {
            (false, false) => found.push(format!("{name} ({code:?}) has no case: {}", code.meaning())),
            (true, true) => found.push(format!("{name} ({code:?}) has a case now: take it off WITHOUT_CASE")),
            _ => {}
        }
    }
    none(&found, "every code is shown by a file under tests/cases or tests/it/snapshots");
}
