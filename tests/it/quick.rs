//! The short way of an expression gives what the tree gives: the same value, or the same fault at the same place.
//!
//! A trace takes the tree, a run takes the short way first, so the two are compared; and a whole mapping, which bears failures
//! without making them, with the traces of its rules.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use provisor::dotnet::date::parse_any;
use provisor::function::{Context, Env, Seed, TakenList};
use provisor::language::entra::{Expression, Surroundings};
use provisor::language::names::SourceNames;
use provisor::mapping::{Apply, Mapping, Outcome};
use provisor::text::Source;
use provisor::value::{Arena, Layout, RecordReader, Value};

/// Expressions that have a short way, each part of it at least once; `a`, `b` and `c` are attributes of any kind.
const EXPRESSIONS: &[&str] = &[
    "ToLower([a], )",
    r#"ToUpper([a], "de-DE")"#,
    r#"ToLower([a], "tr-TR")"#,
    "NormalizeDiacritics([a])",
    "StripSpaces(NormalizeDiacritics([a]))",
    "ToUpper(NormalizeDiacritics(Append([a], [b])), )",
    r#"ToLower(Replace(NormalizeDiacritics(Append(Left([a], 1), [b])), , "[^A-Za-z0-9]", , "", , ), )"#,
    r#"Replace(ToLower(NormalizeDiacritics([a]), ), , "[^a-z0-9]+", , "", , )"#,
    r#"Replace(ToLower([a], ), , "[^a-z]", , "", , )"#,
    r#"Replace(NormalizeDiacritics(Replace([a], "e", , , "", , )), , "[^\x00-\x7F]", , "", , )"#,
    r#"Replace([a], , "[^0-9+]", , "", , )"#,
    r#"Replace([a], , "[^A-Za-z]", , "-", , )"#,
    r#"Replace([a], , "[a-cé]", , "", , )"#,
    r#"Replace([a], "a", , , "b", , )"#,
    r#"Replace([a], , "(?i)^smtp:", , "", , )"#,
    r#"Replace([a], , "(?i)^kim", , "", , )"#,
    r#"Replace([a], , "^[abc]x", , "", , )"#,
    r#"Replace([a], , "^é", , "", , )"#,
    r#"Replace([a], , "\s+$", , "", , )"#,
    r#"Replace([a], , "(\w+)@(\w+)", , "$2", , )"#,
    r#"Replace(Item([c], 2), , "(?i)^smtp:", , "", , )"#,
    "Item([c], 1)",
    "Append(Item([c], 1), [a])",
    "ToLower(NormalizeDiacritics(Append([a], Item([c], 1))), )",
    r#"Append([a], "x")"#,
    "Append([a], [b])",
    r#"Append([a], Append([b], "y"))"#,
    r#"Join("-", [a], [b], "z", Left([c], 2))"#,
    r#"Join("", [a], ToLower([b], ))"#,
    "Left([a], 2)",
    "Mid([a], 2, 3)",
    r#"Coalesce([a], [b], "none")"#,
    r#"Coalesce([a], Join(" ", [b], [c]))"#,
    r#"IIF(IsPresent([a]), [b], Append("x ", [c]))"#,
    r#"IIF(IsNull([a]), "null", IIF(IsNullOrEmpty([a]), "empty", [b]))"#,
    "IIF(Not(IsNullOrEmpty([a])), , [b])",
    r#"IIF([a] = "True", 1, IgnoreAttributeFlow)"#,
    r#"IIF([a] <> "", [b], "same")"#,
    r#"Switch([a], [b], "True", "yes", "", "empty", "ab", Left([c], 1))"#,
    r#"Switch([a], , "False", "True")"#,
    r#"SelectUniqueValue([a], Append([a], "1"), [b])"#,
    "SelectUniqueValue(ToLower(NormalizeDiacritics(Left([a], 3)), ), Item([c], 1))",
];

/// Values of all kinds as JSON; nothing for an attribute that is not there.
fn value() -> impl Strategy<Value = Option<String>> {
    let text = prop_oneof![
        3 => "[a-cA-C0-9 +]{0,6}",
        2 => "[a-eéÉßøŁıİſK花\u{301}\u{344}ǿΰ👍 ]{0,6}",
        1 => proptest::sample::select(
            &["", "True", "False", "true", "SMTP:a@b", "smtp:É", "ſmtp:x", "smtp", "kim1", "Kim", "Kim", "cx", "taken", "e\u{301}x",
              "が\u{301}a", "a\u{a0}\u{2003}\n"][..],
        ).prop_map(str::to_owned),
        1 => (0_usize..3).prop_map(|more| "Äb".repeat(1364 + more)),
    ];
    let text = text.prop_map(|text| serde_json::Value::from(text).to_string());
    let single = prop_oneof![
        8 => text,
        2 => proptest::sample::select(&["null", "true", "false", "7", "1.5", "{\"x\":\"y\"}"][..]).prop_map(str::to_owned),
    ];
    prop_oneof![
        1 => Just(None),
        8 => single.clone().prop_map(Some),
        2 => proptest::collection::vec(single, 0..4).prop_map(|items| Some(format!("[{}]", items.join(",")))),
    ]
}

/// Each expression, compiled once.
static COMPILED: LazyLock<Vec<(&str, Expression, Layout)>> = LazyLock::new(|| {
    let (names, macros) = (SourceNames::open(), BTreeMap::new());
    let compile = |text: &&'static str| {
        let mut layout = Layout::default();
        let surroundings = Surroundings { source: &names, macros: &macros, direct: true };
        let (expression, found) = Expression::compile(text, &mut layout, &surroundings);
        (*text, expression.unwrap_or_else(|| panic!("{text}: {found:?}")), layout)
    };
    EXPRESSIONS.iter().map(compile).collect()
});

/// All of them as rules of one mapping that bears every failure. Twice, so that there are more than fit into a word of bits.
static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
    let mut file = "name = 'm'\nresource = 'x'\n[target]\nkind = 'json'\n[attributes]\n".to_owned();
    for (number, text) in EXPRESSIONS.iter().chain(EXPRESSIONS).enumerate() {
        let apply = if text.starts_with("SelectUniqueValue") { "create" } else { "always" };
        file += &format!("r{number} = {{ expr = '{text}', on_error = 'null', apply = '{apply}' }}\n");
    }
    let compiled = Mapping::compile(&Source::new("m.toml", &file));
    compiled.mapping.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
});

fn env() -> Env {
    let mut env = Env::new(parse_any("2026-01-01", None).unwrap(), Seed::from_number(7));
    env.taken = std::sync::Arc::new(["taken", "a", "ab", "b1"].iter().collect::<TakenList>());
    env
}

fn compare(expression: &Expression, layout: &Layout, record: &str) -> Result<(), TestCaseError> {
    let (arena, env) = (Arena::new(), env());
    let context = Context::new(&arena, &env, 0);
    let slots = RecordReader::new().read(layout, record, &arena).unwrap();
    let mut value = Value::Absent;
    let ran = expression.run(slots, &context, &mut value).map(|()| value);
    let (traced, _) = expression.trace(slots, &context);
    prop_assert_eq!(format!("{ran:?}"), format!("{traced:?}"), "{}", record);
    Ok(())
}

/// What the rules make and which of them fail, by applying the mapping and by tracing its rules.
fn compare_whole(record: &str) -> Result<(), TestCaseError> {
    let (arena, env) = (Arena::new(), env());
    let context = Context::new(&arena, &env, 0);
    let slots = RecordReader::new().read(MAPPING.layout(), record, &arena).unwrap();
    let Outcome::Payload(payload) = MAPPING.apply(slots, &context, Apply::Create) else {
        return Err(TestCaseError::fail("no payload"));
    };
    let failures = payload.failures(slots, &context);
    prop_assert_eq!(payload.borne(), failures.len(), "{}", record);
    let mut failures = failures.iter().peekable();
    for (number, (_, expression, layout)) in COMPILED.iter().chain(COMPILED.iter()).enumerate() {
        let slots = RecordReader::new().read(layout, record, &arena).unwrap();
        let made = match expression.trace(slots, &context).0 {
            Ok(value) => value,
            Err(fault) => {
                let failure = failures.next_if(|failure| failure.rule == Some(number));
                let told = failure.map(|failure| format!("{:?}", failure.fault));
                prop_assert_eq!(told, Some(format!("{fault:?}")), "rule {} of {}", number, record);
                Value::Null
            }
        };
        let nothing = |value: Value<'_>| matches!(value, Value::Absent | Value::Null);
        let value = payload.values()[number];
        prop_assert!(value == made || nothing(value) && nothing(made), "rule {}: {:?}, {:?}", number, value, made);
    }
    prop_assert!(failures.next().is_none());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_short_way_is_the_tree_s(values in [value(), value(), value()]) {
        let fields = ["a", "b", "c"].iter().zip(&values);
        let fields: Vec<String> =
            fields.filter_map(|(name, value)| value.as_ref().map(|value| format!("\"{name}\":{value}"))).collect();
        let record = format!("{{{}}}", fields.join(","));
        for (text, expression, layout) in COMPILED.iter() {
            compare(expression, layout, &record).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        }
        compare_whole(&record)?;
    }
}
