//! `provisor fmt`: files under `tests/cases/fmt` and how they are laid out, and what must not change by it.

use std::fs;

use proptest::prelude::*;
use provisor::language::entra::{Outline, tidy};
use provisor::mapping::{Mapping, format};
use provisor::text::Source;

use crate::properties::tokens;
use crate::readme::blocks;
use crate::support::{Scratch, code, root, run, stderr, stdout};

fn laid_out(text: &str) -> String {
    format(&Source::new("m.toml", text)).unwrap_or_else(|found| panic!("{:?}", found.iter().collect::<Vec<_>>()))
}

/// What a compiled mapping says: each rule's target and program.
fn said(text: &str) -> Vec<(String, Option<String>)> {
    let mapping = Mapping::compile(&Source::new("m.toml", text)).mapping;
    let mapping = mapping.unwrap_or_else(|| panic!("{text}"));
    let canonical = |text: &str| Outline::parse(text).map_or(text.to_owned(), |outline| outline.to_string());
    mapping.rules().iter().map(|rule| (rule.target().to_owned(), rule.program_text().map(canonical))).collect()
}

#[test]
fn files_are_laid_out_as_in_the_picture() {
    for name in ["crowded", "kept"] {
        let text = fs::read_to_string(root().join(format!("tests/cases/fmt/{name}.toml"))).unwrap();
        let made = laid_out(&text);
        assert_eq!(laid_out(&made), made, "{name}: once is enough");
        assert_eq!(said(&made), said(&text), "{name}");
        if name == "kept" {
            assert_eq!(made, text);
        }
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("fmt-{name}"), made);
        });
        let windows = text.replace('\n', "\r\n");
        assert_eq!(laid_out(&windows), made.replace('\n', "\r\n"), "{name}: line ends stay");
    }
}

#[test]
fn what_ships_is_laid_out_right() {
    let check = run(&["fmt", "--check", "mappings"], b"");
    assert_eq!((code(&check), stdout(&check)), (0, ""), "{}", stderr(&check));
    for page in ["README", "docs/mapping-file", "docs/choosing-a-language", "docs/liquid", "docs/rhai", "docs/jinja"] {
        let text = fs::read_to_string(root().join(format!("{page}.md"))).unwrap();
        for block in
            blocks(&text, "toml").iter().filter(|block| block.starts_with("name ") && block.contains("[attributes]"))
        {
            assert_eq!(&laid_out(block), block, "{page}");
        }
    }
}

#[test]
fn a_check_writes_nothing_and_a_run_writes_what_it_showed() {
    let scratch = Scratch::new("fmt");
    let text = "name=\"m\"\nresource = \"User\"\n[attributes]\nuserName = 'tolower([mail])'\n";
    let file = scratch.write("m.toml", text);
    let check = run(&["fmt", "--check", &file], b"");
    assert_eq!(code(&check), 1);
    for part in ["-name=\"m\"\n+name = \"m\"\n", "+userName = 'ToLower([mail])'\n"] {
        assert!(stdout(&check).contains(part), "{}", stdout(&check));
    }
    assert!(stderr(&check).contains("1 mapping file: 1 would change"), "{}", stderr(&check));
    assert_eq!(scratch.read("m.toml"), text);

    let wanted = "name = \"m\"\nresource = \"User\"\n\n[attributes]\nuserName = 'ToLower([mail])'\n";
    let piped = run(&["fmt", "-"], text.as_bytes());
    assert_eq!((code(&piped), stdout(&piped)), (0, wanted));
    let written = run(&["fmt", &file], b"");
    assert_eq!((code(&written), stdout(&written)), (0, format!("{file}\n").as_str()));
    assert_eq!(scratch.read("m.toml"), wanted);
    assert_eq!(fs::read_dir(scratch.as_ref()).unwrap().count(), 1, "nothing is left beside");
    let again = run(&["fmt", "--check", &file], b"");
    assert_eq!((code(&again), stdout(&again)), (0, ""));

    let marked = scratch.write("b.toml", format!("\u{feff}{text}"));
    assert_eq!(code(&run(&["fmt", &marked], b"")), 0);
    assert_eq!(scratch.read("b.toml"), format!("\u{feff}{wanted}"));
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    let scratch = Scratch::new("fmt-left");
    for (text, part) in [
        ("name = \"m\nresource=1\n", "error[E0101]"),
        ("name=\"m\"\nresource=\"User\"\n[attributes]\nuserName='ToLower([mail]'\n", "error[E0201]"),
        ("name=\"m\"\nresource=\"User\"\n[attributes]\nuserName='[a] & [b]'\n", "error[E0206]"),
        ("{\"name\": \"m\", \"resource\": \"User\", \"attributes\": {\"userName\": \"[a]\"}}", "the mapping is JSON"),
    ] {
        let file = scratch.write("m.toml", text);
        let left = run(&["fmt", &file], b"");
        assert_eq!((code(&left), stdout(&left)), (1, ""), "{text}");
        assert!(stderr(&left).contains(part), "{text}: {}", stderr(&left));
        assert!(stderr(&left).contains("1 left alone"), "{}", stderr(&left));
        assert_eq!(scratch.read("m.toml"), text);
        let piped = run(&["fmt", "-"], text.as_bytes());
        assert_eq!((code(&piped), stdout(&piped)), (1, text), "what came in goes out");
    }
    // Another fault is no reason to leave the layout.
    let file = scratch.write("m.toml", "name=\"m\"\nresource=\"User\"\n[attributes]\nuserNam='Swich([mail])'\n");
    assert_eq!(code(&run(&["fmt", &file], b"")), 0);
    assert!(scratch.read("m.toml").contains("userNam = 'Swich([mail])'"));
    assert_eq!(code(&run(&["fmt", &scratch.path("none.toml")], b"")), 2);
}

/// Blanks as people leave them.
fn blanks() -> impl Strategy<Value = String> {
    "[ \t]{0,4}"
}

/// A mapping file of these expressions, untidily written.
fn file() -> impl Strategy<Value = String> {
    let expression = proptest::sample::select(
        &[
            "[a]",
            "ToLower( [ a ] )",
            "switch([a] ,,\"x\",\"it's\" , \"\\\"\",\"z\")",
            "IIF([a]=\"x\",[b],  [c])",
            "Join(\",\",\n  [a],\n\n  [b] )\n",
            "Replace([a], , \"\\\\s+\", , \" \", , )",
        ][..],
    );
    let target = proptest::sample::select(
        &["userName", "title", "name.givenName", "emails[type eq \"work\"].value", "nickName", "displayName"][..],
    );
    let rule = (target, expression, 0..4_u8, blanks(), blanks(), proptest::option::of("# [a-z ]{0,9}"));
    proptest::collection::vec(rule, 1..6).prop_map(|rules| {
        let mut text = String::from("name=\"m\"\nresource = 'User'\n  [attributes]\n\n\n");
        let mut seen = Vec::new();
        for (target, expression, way, before, behind, comment) in rules {
            if seen.contains(&target) {
                continue;
            }
            seen.push(target);
            let basic = serde_json::to_string(expression).unwrap();
            let literal = format!("'''{expression}'''");
            let value = match way {
                0 => basic,
                1 => literal,
                2 => format!("{{expr={basic},default=\"d\" }}"),
                _ => format!("{{ expr = {literal} , apply=\"create\"}}"),
            };
            let comment = comment.map_or(String::new(), |comment| format!(" {comment}"));
            text.push_str(&format!(
                "{before}{}{before}={behind}{value}{behind}{comment}\n{before}\n",
                serde_json::to_string(target).unwrap()
            ));
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn an_expression_keeps_its_meaning(text in tokens()) {
        if let Some(tidied) = tidy(&text) {
            prop_assert_eq!(Outline::parse(&tidied).unwrap().to_string(), Outline::parse(&text).unwrap().to_string());
            prop_assert_eq!(tidy(&tidied), Some(tidied.clone()));
        }
    }

    #[test]
    fn a_file_keeps_its_meaning_and_once_is_enough(text in file()) {
        let made = laid_out(&text);
        prop_assert_eq!(said(&made), said(&text));
        prop_assert_eq!(laid_out(&made), made.clone());
        prop_assert_eq!(made.matches('#').count(), text.matches('#').count());
        prop_assert!(made.lines().all(|line| line == line.trim_end()), "{}", made);
    }

    #[test]
    fn any_text_is_laid_out_or_left(text in "\\PC*") {
        if let Ok(made) = format(&Source::new("m.toml", text.as_str())) {
            prop_assert_eq!(format(&Source::new("m.toml", made.as_str())).unwrap(), made);
        }
    }
}
