//! Patterns, templates and the loop together, on the points where .NET differs from the engines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

use super::*;

const OUTPUT_LIMIT: usize = 1 << 20;

fn replace(pattern: &str, text: &str, with: &str) -> String {
    let pattern = Pattern::compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let template = Template::compile(with, &pattern);
    let mut out = String::new();
    match pattern.replace_all(text, &template, OUTPUT_LIMIT, &mut out) {
        Ok(true) => out,
        Ok(false) => {
            assert!(out.is_empty());
            text.to_owned()
        }
        Err(error) => panic!("{error}"),
    }
}

fn refusal(pattern: &str) -> PatternError {
    Pattern::compile(pattern).expect_err(pattern)
}

#[test]
fn empty_matches_count_after_a_match() {
    assert_eq!(replace(".*", "abc", "X"), "XX");
    assert_eq!(replace("x*", "xaxbx", "-"), "--a--b--");
    assert_eq!(replace("b|", "aéb", "-"), "-a-é--");
    assert_eq!(replace("\\Ga", "aaba", "X"), "XXba");
}

#[test]
fn ends_of_text() {
    assert_eq!(replace("$", "abc\n", "!"), "abc!\n!");
    assert_eq!(replace("c\\Z", "abc\n", "!"), "ab!\n");
    assert_eq!(replace("c\\z", "abc\n", "!"), "abc\n");
    assert_eq!(replace("c$", "abc\n\n", "!"), "abc\n\n");
    assert_eq!(replace("\\s+$", "abc \n", "-"), "abc-");
    assert_eq!(replace("(?m)$", "a\r\nb", "<"), "a\r<\nb<");
}

#[test]
fn groups_are_numbered_as_in_dotnet() {
    assert_eq!(replace("(?<a>x)(y)", "xy", "$1-$2-${a}"), "y-x-x");
    assert_eq!(replace("(?<2>x)(?<1>y)", "xy", "$1$2"), "yx");
    assert_eq!(replace("(?<a>x)(y)\\1\\2", "xyyx", "!"), "!");
    assert_eq!(replace("(?<n>a)|(?<n>b)", "ab", "<${n}>"), "<a><b>");
    assert_eq!(replace("(?<n>a)(?<n>b)?\\k<n>", "aa abb aba", "!"), "! ! aba");
    assert_eq!(replace("(?n)(a)(?<x>b)", "ab", "$1"), "b");
    assert_eq!(replace("(a)\\10", "a\u{8}", "!"), "!");
}

#[test]
fn classes() {
    assert_eq!(replace("[a-z-[aeiou]]", "hello", "*"), "*e**o");
    assert_eq!(replace("[a-z-[b-y-[m]]]", "abmz", "*"), "*b**");
    assert_eq!(replace("[&&~~[b-]", "a&b-~[]", "*"), "a*****]");
    assert_eq!(replace("[]a]", "]a", "*"), "**");
    assert_eq!(replace("[\\w-.]", "a-.,", "*"), "***,");
    assert_eq!(replace("[\\--a]", "-a,", "*"), "**,");
    assert_eq!(replace("(?i)[^k]", "kK\u{212A}x", "*"), "kK\u{212A}*");
    assert_eq!(replace("\\w", "ⓐ²é", "*"), "ⓐ²*");
    assert_eq!(replace("\\p{IsGreek}", "αἀ", "*"), "*ἀ");
}

#[test]
fn escapes_and_literals() {
    assert_eq!(replace("\\<user\\>", "<user>", "*"), "*");
    assert_eq!(replace("a{,3}{x}", "a{,3}{x}", "*"), "*");
    assert_eq!(replace("\\x41\\u0042\\103\\cI\\e", "ABC\t\u{1B}", "*"), "*");
    assert_eq!(replace("(?x) a [ ] # blank\n b", "a b", "*"), "*");
    assert_eq!(replace("a(?#comment)+(?i)b|c", "aaB C", "*"), "* *");
}

#[test]
fn surrogates_become_characters() {
    for pattern in [
        "[\\uD800-\\uDBFF][\\uDC00-\\uDFFF]",
        "\\p{Cs}\\p{Cs}",
        "\\uD83D\\uDE00",
        "\\uD83D[\\uDE00-\\uDE4F]",
        "[\\uD83D\\uDE00]",
    ] {
        assert_eq!(replace(pattern, "a😀b", "*"), "a*b", "{pattern}");
    }
    assert_eq!(replace("\\p{Cs}+", "a😀😀b", "*"), "a*b");
    assert_eq!(replace("[^\\uD800-\\uDFFF]", "a😀", "*"), "*😀");
    for pattern in ["\\uD83D", "\\p{Cs}", "[\\uD800-\\uDFFF]?", "[a\\uD83D]", "\\uD83D\\uDE00+"] {
        assert!(!refusal(pattern).dotnet_refuses, "{pattern}");
    }
}

#[test]
fn what_dotnet_refuses_is_refused_with_its_place() {
    for (pattern, span) in [
        ("a++", 2..3),
        ("a{2}{3}", 4..7),
        ("(?i)*", 4..5),
        ("a{3,1}", 1..6),
        ("[z-a]", 1..4),
        ("[a-\\d]", 1..5),
        ("[a", 0..2),
        ("x(?P<n>a)", 1..7),
        ("\\2(a)", 0..2),
        ("\\k<nope>", 0..8),
        ("\\p{Latin}", 0..9),
        ("\\pL", 0..3),
        ("\\R", 0..2),
        ("\\u{41}", 0..3),
        ("(?<1a>x)", 0..6),
        ("(a", 0..1),
        ("a)", 1..2),
        ("a\\", 1..2),
        ("(?#c", 0..4),
        ("[😀-🙏]", 1..10),
    ] {
        let error = refusal(pattern);
        assert!(error.dotnet_refuses, "{pattern}");
        assert_eq!(error.span, span, "{pattern}: {error}");
        assert!(error.help.is_some(), "{pattern}");
    }
    assert_eq!(refusal("[a-z]++").help.as_deref(), Some("there are no possessive quantifiers: write `(?>[a-z]+)`"));
}

#[test]
fn what_we_do_not_support_says_so() {
    for pattern in [
        "(?<a>x)(?<b-a>y)",
        "(?<a>x)?(?(a)b|c)",
        "(?(?=a)a|b)",
        "[[:alpha:]]",
        "a{100000}",
        "(?<=\\B[ab]+)c",
        "(?<=(?<n>a|ab))c",
        "(?<=(a)\\1)b",
        "(?:(?<n>a)|(?<n>b))+\\k<n>",
        &"(".repeat(101),
        &"a".repeat(10_001),
    ] {
        assert!(!refusal(pattern).dotnet_refuses, "{pattern}");
    }
}

#[test]
fn look_behind_and_the_rest_of_the_backtracking_engine() {
    assert_eq!(replace("(?<=(\\w+): )\\d+", "tax: 12", "[$1]"), "tax: [tax]");
    assert_eq!(replace("(?<=\\b\\w+)x", "abx cx x", "!"), "ab! c! x");
    assert_eq!(replace("(?=a)*(?<!^.*)x|^*b", "bx", "!"), "!x");
    assert_eq!(replace("(a)?(?(1)b|c)", "ab c", "X"), "X X");
    assert_eq!(replace("(?i)(é)\\1", "éÉ", "X"), "X");
    let pattern = Pattern::compile("(?<=(a|ab))c").unwrap();
    assert_eq!(Template::compile("$1", &pattern).lints().len(), 1);
    assert_eq!(Template::compile("$0", &pattern).lints().len(), 0);
}

#[test]
fn one_group_is_replaced_or_extracted() {
    let pattern = Pattern::compile("(?<user>\\w+)@(?<tag>x-)?").unwrap();
    let (user, tag) = (pattern.group("user").unwrap(), pattern.group("2").unwrap());
    assert_eq!(Some(tag), pattern.group("tag"));
    assert_eq!((pattern.group("3"), pattern.group("User")), (None, None));
    assert_eq!(pattern.group_names().collect::<Vec<_>>(), ["user", "tag"]);
    let mut out = String::new();
    assert_eq!(pattern.replace_group("a@x-b@", user, "$1", 99, &mut out), Ok(true));
    assert_eq!(out, "$1@x-b@".replace("x-b@", "x-$1@"));
    out.clear();
    assert_eq!(pattern.replace_group("a@b", tag, "!", 99, &mut out), Ok(false));
    assert!(out.is_empty());
    assert_eq!(pattern.extract("- ab@", user), Ok(Some("ab")));
    assert_eq!(pattern.extract("- ab@", tag), Ok(None));
    assert_eq!(pattern.extract("-", user), Ok(None));
}

#[test]
fn limits_end_a_run() {
    let pattern = Pattern::compile("(a*)*\\1$").unwrap();
    let text = format!("{}!", "a".repeat(40));
    assert_eq!(pattern.is_match(&text), Err(Runaway::Backtracking { limit: engine::BACKTRACK_LIMIT }));
    let pattern = Pattern::compile("a").unwrap();
    let template = Template::compile("$_", &pattern);
    let mut out = String::new();
    let run = pattern.replace_all(&"a".repeat(1_000), &template, 5_000, &mut out);
    assert_eq!(run, Err(Runaway::OutputTooLong { limit: 5_000 }));
    assert!(out.len() <= 5_000);
}

#[test]
fn empty_matches_are_lints_where_nothing_marks_the_place() {
    for (pattern, odd) in
        [("x*", true), ("", true), (".*$", true), ("^\\s*", false), ("$", false), ("\\b", false), ("(?<=a)", false)]
    {
        assert_eq!(!Pattern::compile(pattern).unwrap().lints().is_empty(), odd, "{pattern}");
    }
}

#[test]
fn patterns_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Pattern>();
    shared::<Template>();
}

/// A small generator of pseudo-random numbers, so that runs are alike.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn text(&mut self, letters: &[char], most: usize) -> String {
        (0..self.roll(most + 1)).map(|_| letters[self.roll(letters.len())]).collect()
    }
}

#[test]
fn shapes_find_what_the_engine_finds() {
    let letters: Vec<char> = "ab0 9sSkK\u{212A}ſé\u{85}\u{A0}あ👍\n@.:&\\tTpPmM".chars().collect();
    let mut dice = Dice(1);
    for pattern in [
        "[^A-Za-z0-9]",
        "\\D+",
        "[()\\s-]+",
        "\\s",
        "\\W",
        "(\\W)",
        "[^\\w]|_",
        "\\D+?",
        "a|b|é",
        "é",
        ".",
        "[\\s\\S]",
        "^0+",
        "^\\s+",
        "\\s+$",
        "\\w+$",
        "[^a]+$",
        "^\\s+|\\s+$",
        "\\d+$|^\\d+",
        "ab",
        "(?i)sk",
        "(?i)^smtp:",
        "^a@",
        "(?i)k$",
        "(?i)^[ks]",
        "@.*$",
        "\\.\\\\.*\\z",
        "^.*@",
        "^.*\\\\",
        "aa",
        "\\n+$",
        "[^\\n]",
        "(?i)@smp$",
        "\u{85}$",
        "\\w{2,3}",
        "\\w{2,3}?",
        "[a-z]{2,}",
        "^\\w{1,4}$",
        "^[^a]{0,3}$",
        "^\\D*$",
        "^.{2,5}\\z",
        "^[a-z]{2}",
        "^\\W{1,2}?",
        "[^a]{2,3}$",
        "\\s{1,2}?$",
        "(\\w{2,300})",
    ] {
        let fast = Pattern::compile(pattern).unwrap();
        let mut slow = Pattern::compile(pattern).unwrap();
        slow.shape = None;
        for template in ["", "-", "<$0>", "$`|$'"] {
            let template = Template::compile(template, &fast);
            for _ in 0..150 {
                let text = if pattern.starts_with("(?i)^smtp") {
                    format!("smtp:{}", dice.text(&letters, 5))
                } else {
                    dice.text(&letters, 12)
                };
                let (mut one, mut other) = (String::new(), String::new());
                let found = fast.replace_all(&text, &template, OUTPUT_LIMIT, &mut one);
                assert_eq!(found, slow.replace_all(&text, &template, OUTPUT_LIMIT, &mut other));
                assert_eq!(one, other, "{pattern} on {text:?}");
                assert_eq!(fast.is_match(&text), slow.is_match(&text));
            }
        }
    }
}

#[test]
fn the_usual_patterns_have_a_shape() {
    for pattern in [
        "[^A-Za-z0-9]",
        "\\D+",
        "(\\D)",
        "[()\\s-]+",
        "^0+",
        "\\s+$",
        "^\\s+|\\s+$",
        "&amp;",
        "(?i)^smtp:",
        "@contoso\\.com$",
        "(?i)@contoso\\.com$",
        "@.*$",
        "^.*\\\\",
        "[^\\w]|_",
        "\\.",
        "^00",
        "\\w{1,256}",
        "^.{1,256}$",
        "^\\w{0,64}$",
        "^\\w{1000}",
        "\\d{1,9}$",
    ] {
        assert!(Pattern::compile(pattern).unwrap().shape.is_some(), "{pattern}");
    }
}

#[test]
fn any_text_compiles_or_is_refused_within_its_bytes() {
    let letters: Vec<char> = "()[]{}?*+|^$.\\-,:=!<>'#&nkxuUDdwWsSpPLIbBGzZiamRK0123456789é😀 \n".chars().collect();
    let words: Vec<&str> = "(?<n> (?<= (?! (?: (?> (?(1) [^ [a- -[ ]] \\p{ \\p{L} \\k<n> \\1 {2,3} (?i) (?x) \\uD83D \\uDE00 ) | + $ \\b a"
        .split(' ')
        .collect();
    let mut dice = Dice(7);
    let mut compiled = 0;
    for round in 0..3_000 {
        let source: String = if round % 2 == 0 {
            dice.text(&letters, 12)
        } else {
            (0..dice.roll(8)).map(|_| words[dice.roll(words.len())]).collect()
        };
        match Pattern::compile(&source) {
            Ok(pattern) => {
                compiled += 1;
                assert!(pattern.line_feed.as_ref().is_none_or(|late| late.get().is_ok()), "{source:?}");
                let template = Template::compile(&dice.text(&letters, 6), &pattern);
                let text = dice.text(&letters, 10);
                let mut out = String::new();
                let _ = pattern.replace_all(&text, &template, OUTPUT_LIMIT, &mut out);
            }
            Err(error) => {
                assert!(source.get(error.span.clone()).is_some(), "{source:?}: {error:?}");
                assert!(!error.message.starts_with("the pattern is not supported"), "{source:?}: {error:?}");
            }
        }
    }
    assert!(compiled > 300, "{compiled}");
}

/// With the room of a record almost everything with `\\w` runs in loops; it must mean the same.
#[test]
fn loops_find_what_is_found_written_out() {
    let letters: Vec<char> = "abAB0 9_é.@\nあ".chars().collect();
    let mut dice = Dice(3);
    for pattern in [
        "(\\w{1,3})@(\\w+)\\.(\\w{2,})",
        "(\\w{2}|a\\w*?)(\\W|$)",
        "(?i)(é|\\p{L}){2,3}(\\d?)(\\w)",
        "(?:\\w{0,2}\\s?){1,4}$",
        "^(\\w{1,2})(?:\\w\\.){0,3}(\\W*)",
        "(?=\\w{2,3}@)(\\w)(\\p{L}?)",
        "(?<=[a-zé]{1,2}@)\\w{1,2}(.?)",
        "(\\w)(\\w)?\\W{1,2}?(\\1|$)",
        "([a-z]{1,2}\\w{2}){2,}|(\\W)(.{1,20})",
        "(a{2,3}|\\w\\w\\w)*b",
    ] {
        let wide = Pattern::compile(pattern).unwrap();
        let parsed = parse::parse(pattern).unwrap();
        let small = Pattern::of(pattern, parsed, 100_000).unwrap();
        assert!(matches!(small.plain, Engine::Backtracking(_)), "{pattern}");
        for template in ["<$1|$2|$3>", "-"] {
            let template = Template::compile(template, &wide);
            for _ in 0..300 {
                let text = dice.text(&letters, 12);
                let (mut one, mut other) = (String::new(), String::new());
                let found = wide.replace_all(&text, &template, OUTPUT_LIMIT, &mut one);
                assert_eq!(found, small.replace_all(&text, &template, OUTPUT_LIMIT, &mut other));
                assert_eq!(one, other, "{pattern} on {text:?}");
            }
        }
    }
}

#[test]
fn large_patterns_run_in_loops_or_are_refused() {
    for pattern in [
        "\\w{1,256}",
        "^.{1,256}$",
        "^(.{1,20}).*$",
        "\\p{L}{2,64}",
        "[^@]{1,64}@.{1,255}",
        "(a{1000}){1000}",
        "\\w{1000}",
        "^(\\w{1,64})@(\\w{1,64})\\.\\w{2,10}$",
        "(?=\\w{1,100})x",
    ] {
        assert!(Pattern::compile(pattern).is_ok(), "{pattern}");
    }
    for pattern in ["^[\\w.%+-]{1,64}@[\\w.-]{1,255}$", "\\w+@\\w+", "(\\p{L}+)\\s(\\w{1,100})"] {
        assert!(Pattern::compile_small(pattern).is_ok(), "{pattern}");
    }
    let error = refusal("x(?<=\\w{1,500}y)");
    assert_eq!((error.span, error.dotnet_refuses), (5..14, false));
    assert!(error.message.contains("`\\w{1,500}`"), "{}", error.message);
    assert!(!refusal("(?=x)(?:(?:a?){1000}){1000}").dotnet_refuses);
}

#[test]
fn a_call_has_one_allowance() {
    let pattern = Pattern::compile("(?:(a|a)*\\1c)|x").unwrap();
    let template = Template::compile("y", &pattern);
    let run = |text: &str| {
        let mut out = String::new();
        pattern.replace_all(text, &template, OUTPUT_LIMIT, &mut out).map(|_| out)
    };
    let bad = format!("{}x", "a".repeat(13));
    assert!(run(&bad).is_ok());
    assert!(matches!(run(&bad.repeat(1_000)), Err(Runaway::Backtracking { .. })));
    // Many searches that each do little are fine.
    let fine = "aax ".repeat(4_000);
    assert_eq!(run(&fine), Ok("aay ".repeat(4_000)));
    assert_eq!(replace("(?<=\\s)\\w", &"abcdefghij ".repeat(1_400), "-").len(), 15_400);
}

#[test]
fn whole_texts() {
    let whole = |pattern: &str, text: &str| Pattern::compile_whole(pattern).unwrap().is_match(text).unwrap();
    assert!(whole("[1-9][0-9]", "42") && !whole("[1-9][0-9]", "420"));
    assert!(whole("a|bc", "bc") && !whole("a|bc", "abc"));
    assert!(whole("(?x) a b # comment", "ab"));
    assert!(!whole("(?m)a", "a\nb") && !whole("a", "a\n") && whole("a\\n", "a\n"));
    assert!(whole("(?<=^)a(?=$)", "a"));
    assert_eq!(Pattern::compile_whole("a(b").unwrap_err().span, 1..2);
    assert_eq!(Pattern::compile_whole("a|b)").unwrap_err().span, 3..4);
}
