//! Texts that do not parse, with their errors; limits; and a long run of random texts.

use super::super::super::schema::ResourceSchema;
use super::super::super::target::resolve;
use super::*;

#[test]
fn errors_are_in_words() {
    let cases = [
        ("", "a path is expected, and there is nothing", ""),
        ("emails[type eq work].value", "the value work must stand in double quotes", "write \"work\""),
        ("emails[type eq 'work'].value", "text stands in double quotes", "write \"work\""),
        ("emails[type eq “work”].value", "the value “work” must stand in double quotes", "write \"work\""),
        ("emails[type = \"work\"].value", "`=` is not an operator", "write `eq`"),
        ("emails[type equals \"work\"].value", "`equals` is not an operator", "write `eq`"),
        ("emails[type xx \"work\"]", "`xx` is not an operator", "the operators are"),
        ("emails[type eq \"work].value", "a text in quotes is not closed", "add a `\"`"),
        ("emails[type eq \"work\"", "the text ends too early", "`]`"),
        ("emails[type eq]", "`eq` needs a value", ""),
        ("emails[type]", "`type` is not compared with anything", ""),
        ("emails[]", "nothing is between the brackets", "emails[0]"),
        ("emails[99999999999999999999]", "a position is 9999 at most", ""),
        ("emails[*].value", "`*` is not understood", "wildcard"),
        ("emails[a[b eq 1] pr]", "brackets cannot stand within brackets", ""),
        ("emails[type eq \"\\x\"]", "\"\\x\" is not a JSON string", ""),
        ("name.given.x", "a sub-attribute has no sub-attributes of its own", "name.given"),
        ("name.given[0]", "brackets come right after the attribute", "name[…]"),
        ("name.", "the text ends too early", "an attribute name"),
        ("naïve", "`ï` cannot be part of an attribute name", ""),
        ("1name", "`1` cannot stand here", "an attribute name"),
        ("name/given", "`/` is not part of a path", "dot"),
        ("user name", "`n` cannot stand here", "the end"),
        ("urn:x:2.0:User:", "an attribute name is missing", ""),
        ("urn:x:2.0:User:1a", "`1a` is not an attribute name", ""),
    ];
    for (text, message, help) in cases {
        let error = parse_path(text).unwrap_err();
        assert_eq!(error.message, message, "{text}");
        assert!(error.help.as_deref().unwrap_or_default().contains(help), "{text}: {error}");
        assert!(text.get(error.span.range()).is_some(), "{text}: {error:?}");
    }
    let cases = [
        ("not title pr", "`not` takes a filter in parentheses"),
        ("title pr and", "the text ends too early"),
        ("title", "`title` is not compared with anything"),
        ("(title pr", "the text ends too early"),
        ("title pr)", "`)` closes nothing"),
        ("a eq 1e999", "the number 1e999 is too large"),
        ("a eq and b pr", "`eq` needs a value"),
    ];
    for (text, message) in cases {
        let error = parse_filter(text).unwrap_err();
        assert_eq!(error.message, message, "{text}: {error}");
    }
}

#[test]
fn limits_hold() {
    let deep = |count: usize| format!("{}a pr{}", "(".repeat(count), ")".repeat(count));
    assert!(parse_filter(&deep(MAX_NESTING)).is_ok());
    assert!(parse_filter(&deep(MAX_NESTING + 1)).unwrap_err().message.contains("32 deep"));
    for text in [
        "(".repeat(4_000),
        "[".repeat(4_000),
        "a[".repeat(2_000),
        "not(".repeat(1_000),
        format!("a eq '\"' or {}a eq '\"'", "(".repeat(4_000)),
    ] {
        assert!(parse_filter(&text).is_err() && parse_path(&text).is_err() && json_steps(&text).is_err());
    }
    let nots = format!("{}a pr{}", "not (".repeat(MAX_NESTING), ")".repeat(MAX_NESTING));
    assert!(parse_filter(&nots).is_ok());
    assert!(parse_path(&"a".repeat(MAX_LENGTH)).is_ok());
    assert!(parse_path(&"a".repeat(MAX_LENGTH + 1)).unwrap_err().message.contains("4096 bytes"));
    let wide = ["a pr"; 500].join(" or ");
    assert!(parse_filter(&wide).is_ok());
}

#[test]
fn no_text_makes_it_panic() {
    const PIECES: &[&str] = &[
        "a", "emails", ".", "..", "[", "]", "(", ")", "\"", "\\", "\"x\"", "'", " ", "eq", " eq ", " pr", " and ",
        " or ", "not ", "not(", "true", "null", "-1", "1.5e9", "0", "99999", ":", "urn:", "2.0:", "User", "$ref", "é",
        "“", "\u{0}", "\n", "*", "/", "%", "=", "!=", "😀",
    ];
    let user = ResourceSchema::for_resource("User").unwrap_or_else(|| ResourceSchema::custom("User", "urn:u", []));
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..20_000 {
        let text = if round % 4 == 0 {
            let bytes: Vec<u8> = (0..next() % 40).map(|_| (next() >> 24) as u8).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        } else {
            (0..next() % 24).filter_map(|_| PIECES.get((next() >> 20) as usize % PIECES.len()).copied()).collect()
        };
        for error in [parse_path(&text).err(), parse_filter(&text).err(), json_steps(&text).err()].into_iter().flatten()
        {
            assert!(text.get(error.span.range()).is_some(), "{text:?}: {error:?}");
            assert!(!error.message.is_empty());
        }
        if let Ok(filter) = parse_filter_lenient(&text) {
            let printed = filter.to_string();
            assert_eq!(parse_filter(&printed).unwrap().to_string(), printed, "{text:?}");
        }
        if let Ok(path) = parse_path(&text) {
            if let Err(error) = resolve(&path, &user) {
                assert!(text.get(error.span.range()).is_some(), "{text:?}: {error:?}");
            }
            let printed = path.to_string();
            assert_eq!(parse_path(&printed).unwrap().to_string(), printed, "{text:?}");
        }
    }
}
