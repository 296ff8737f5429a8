//! Programs that try to take time, memory or what is not theirs. Each ends in a finding or a fault, soon.
//!
//! A case is a row: language, name, program, record, and the code that it ends with. Other languages add rows.

use std::time::Duration;

use provisor::function::Limits;
use provisor::language::Language;
use serde_json::{Value as Json, json};

use crate::programs::{Setting, ran};

/// An attack; `record` is made when it runs, for some are long.
struct Attack {
    language: Language,
    name: &'static str,
    program: String,
    record: Json,
    /// The code of the finding or fault; `""` when it may also end well.
    code: &'static str,
}

/// How long an attack may take in a release build. Builds for tests are slower, and machines are shared.
const MOST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 200 });
/// How much the whole process may grow by all attacks, in KiB.
const MOST_MEMORY: u64 = 256 * 1024;

fn rhai(name: &'static str, program: impl Into<String>, code: &'static str) -> Attack {
    Attack { language: Language::Rhai, name, program: program.into(), record: json!({}), code }
}

fn of(mut attack: Attack, record: Json) -> Attack {
    attack.record = record;
    attack
}

fn attacks() -> Vec<Attack> {
    [time_and_memory(), depth(), reach()].into_iter().flatten().collect()
}

/// Brackets and the like around a middle, so many times.
fn nested(open: &str, middle: &str, close: &str, depth: usize) -> String {
    format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
}

/// For time and memory.
fn time_and_memory() -> Vec<Attack> {
    vec![
        rhai("an endless loop", "loop { }", "E0706"),
        rhai("an endless while", "let x = 0; while true { x += 1; } x", "E0706"),
        rhai("a loop that catches its end", "loop { try { loop { } } catch { } }", "E0706"),
        rhai("a long range", "let x = 0; for i in 0..9223372036854775807 { x += 1; } x", "E0706"),
        rhai("a backward range", "for i in range(0, 9223372036854775807, 1) { } 1", "E0706"),
        rhai("text that doubles", "let s = \"aaaaaaaa\"; loop { s += s; }", "E0706"),
        rhai("text that doubles in a template", "let s = \"aaaaaaaa\"; loop { s = `${s}${s}`; }", "E0706"),
        rhai("text that pads", "let s = \"a\"; s.pad(9223372036854775807, \"b\"); s", "E0706"),
        rhai("text replaced by text", "let s = \"a\"; for i in 0..17 { s += s; } s.replace(\"a\", s); s", "E0706"),
        rhai("nothing replaced by text", "let s = \"a\"; for i in 0..17 { s += s; } s.replace(\"\", s); s", "E0706"),
        rhai(
            "a pattern replaced by text",
            "let s = \"a\"; for i in 0..17 { s += s; } replace_all(s, \"a\", s)",
            "E0706",
        ),
        rhai(
            "the table's replace by text",
            "let s = \"a\"; for i in 0..17 { s += s; } Replace(s, \"a\", (), (), s, (), ())",
            "E0706",
        ),
        rhai("a list that doubles", "let a = [1, 2, 3, 4]; loop { a += a; }", "E0706"),
        rhai("a list that pads", "let a = []; a.pad(9223372036854775807, 0); a", "E0706"),
        rhai(
            "a list that pads past what numbers hold",
            "let a = []; a.pad(4611686018427387904, [1, 2, 3]); a",
            "E0706",
        ),
        rhai("a list of long lists", "let b = []; b.pad(9000, 0); let a = []; loop { a.push(b); }", "E0706"),
        rhai(
            "a list of long texts",
            "let s = \"a\"; for i in 0..17 { s += s; } let a = []; loop { a.push(s); }",
            "E0706",
        ),
        rhai("a map that grows", "let m = #{}; let i = 0; loop { m[`k${i}`] = i; i += 1; }", "E0706"),
        rhai("closures that hold each other", "let f = || 0; loop { let g = f; f = || g; }", "E0201"),
        rhai("a program too long", "1;".repeat(40_000), "E0204"),
        rhai("a pattern that tries everything", "is_match(source.a, \"^(a+)+$\")", ""),
        of(
            rhai("a pattern that goes back", "is_match(source.a, \"^(a|aa)+\\\\1?!!$\")", "E0706"),
            json!({"a": format!("{}!", "a".repeat(200))}),
        ),
        of(
            rhai(
                "patterns that go back, caught",
                "loop { try { is_match(source.a, \"^(a|aa)+\\\\1?!!$\"); } catch { } }",
                "E0706",
            ),
            json!({"a": format!("{}!", "a".repeat(200))}),
        ),
        of(
            rhai(
                "the table's patterns that go back",
                "Replace(source.a, (), \"^(a|aa)+\\\\1?!!$\", (), \"x\", (), ())",
                "E0706",
            ),
            json!({"a": format!("{}!", "a".repeat(200))}),
        ),
        rhai("split", "let s = \"a\"; for i in 0..17 { s += s; } s.split(\"\")", "E0706"),
    ]
}

/// For depth: of calls, of values, of the text.
fn depth() -> Vec<Attack> {
    vec![
        rhai("a list in itself", "let a = [1]; loop { a = [a, a]; }", "E0706"),
        rhai("a list that nests", "let a = []; loop { a = [a]; }", "E0706"),
        rhai(
            "a list that nests in leaps",
            format!("let a = []; loop {{ a = {}; }}", nested("[", "a", "]", 9)),
            "E0706",
        ),
        rhai("a map that nests", "let m = #{}; loop { m = #{m: m}; }", "E0706"),
        rhai("many variables", (0..200).map(|number| format!("let v{number} = 1;\n")).collect::<String>(), "E0706"),
        rhai(
            "many long variables",
            format!(
                "let b = []; b.pad(9000, 0); {}",
                (0..120).map(|number| format!("let v{number} = b; v{number}.push(1);\n")).collect::<String>()
            ),
            "",
        ),
        rhai(
            "long variables on every level",
            "fn f(a, n) { let b = a; b.push(n); let c = a; c.push(n); f(b, n + 1) } let a = []; a.pad(9000, 0); f(a, 0)",
            "E0706",
        ),
        rhai("a function without end", "fn f(x) { f(x + 1) } f(0)", "E0706"),
        rhai("two functions without end", "fn f(x) { g(x) + 1 } fn g(x) { f(x) + 1 } f(0)", "E0706"),
        rhai(
            "a function in a sum without end",
            format!("fn f(x) {{ {} }} f(0)", nested("1 + (", "f(x + 1)", ")", 9)),
            "E0706",
        ),
        rhai(
            "a function in lists without end",
            format!("fn f(x) {{ {} }} f(0)", nested("[x].map(|y| ", "f(x + 1)", ")", 4)),
            "E0706",
        ),
        rhai("a list that nests by reduce", "let a = []; a.pad(9000, 0); a.reduce(|s, x| [s, x], [])", "E0706"),
        rhai("a list that nests in itself", "let a = [0]; loop { a[0] = a; }", "E0706"),
        rhai("a list that nests by a function", "fn f(x) { [x] } let a = 0; loop { a = f(a); }", "E0706"),
        rhai("a this that nests", "fn f() { loop { this = [this]; } } let a = 0; a.f()", "E0201"),
        rhai("a this that nests in a loop", "[0].for_each(|| loop { this = [{ this }]; })", "E0201"),
        rhai("closures that call functions without end", "fn f(x) { [x].map(|y| f(y)) } f(0)", "E0706"),
        rhai("closures in closures", "let n = 0; [1].map(|x| [1].map(|y| [1].map(|z| { loop { n += 1; } })))", "E0706"),
        rhai(
            "closures over closures",
            "let a = []; a.pad(9000, 0); let b = a; let c = a; let n = 0; a.for_each(|x| b.for_each(|y| c.for_each(|z| n += 1))); n",
            "E0706",
        ),
        rhai("a map of maps", "let a = []; a.pad(9000, 0); let b = a; a.map(|x| b.map(|y| x + y).len())", "E0706"),
        rhai("a closure that holds itself", "let f = 0; f = || f; f", "E0201"),
        rhai("a function that wraps closures", "fn w(g) { || g } let f = 0; loop { f = w(f); }", "E0201"),
        rhai("parentheses without end", nested("(", "1", ")", 5_000), "E0205"),
        rhai("lists without end", nested("[", "1", "]", 5_000), "E0205"),
        rhai("blocks without end", nested("{", "1", "}", 5_000), "E0205"),
        rhai("signs without end", format!("{}1", "-".repeat(20_000)), ""),
        rhai("a sum without end", format!("1{}", " + 1".repeat(15_000)), ""),
        rhai("conditions without end", format!("{}{{ 1 }}", "if true { 1 } else ".repeat(3_000)), ""),
        rhai("a chain without end", format!("source{}", ".a".repeat(20_000)), ""),
        rhai("patterns without end", "let i = 0; loop { is_match(\"a\", `a${i}`); i += 1; }", "E0706"),
        rhai(
            "sorting without end",
            "let a = []; for i in 0..9000 { a.push(i); } loop { a.sort(); a.reverse(); }",
            "E0706",
        ),
        rhai(
            "comparing without end",
            format!(
                "let a = []; a.pad({}, 0); let b = a; loop {{ a == b; }}",
                if cfg!(debug_assertions) { 900 } else { 9_000 }
            ),
            "E0706",
        ),
    ]
}

/// For what is not theirs, and past the end of numbers.
fn reach() -> Vec<Attack> {
    vec![
        rhai("eval", "eval(\"1\")", "E0201"),
        rhai("import", "import \"std\" as s; 1", "E0201"),
        rhai("import of a file", "import \"/etc/passwd\" as s; 1", "E0201"),
        rhai("sleep", "sleep(10)", "E0301"),
        rhai("the clock", "timestamp()", "E0301"),
        rhai("a file", "open(\"/etc/passwd\")", "E0301"),
        rhai("the environment", "env(\"HOME\")", "E0301"),
        rhai("the engine", "engine::limits()", "E0201"),
        rhai("numbers past their end", "let a = 9223372036854775807; a + 1", "E0702"),
        rhai("a power past its end", "let a = 10; a ** 1000", "E0702"),
        rhai("the smallest number by minus one", "let a = -9223372036854775807 - 1; a / -1", "E0702"),
        rhai("a shift past its end", "let a = 1; a << 9999", ""),
        rhai("an index past its end", "let a = [1]; a[-9223372036854775808]", "E07"),
        rhai("a part past its end", "\"abc\".sub_string(-9223372036854775807, 9223372036854775807)", ""),
    ]
}

/// The most memory that this process has held so far, in KiB; none where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

#[test]
fn every_attack_ends_soon_in_a_finding_or_a_fault() {
    let mut complaints = Vec::new();
    let before = peak();
    for attack in attacks() {
        let ran = ran(attack.language, &attack.program, &attack.record, &Setting::new());
        let code = ran.answer["error"]["code"].as_str().unwrap_or_default();
        let name = format!("{} ({})", attack.name, attack.language.word());
        if std::env::var("SHOW_ATTACKS").is_ok() {
            println!(
                "{:>8.2?} {:>6} KiB {name}: {}",
                ran.time,
                ran.memory / 1024,
                provisor::text::shorten(&ran.answer.to_string())
            );
        }
        if !code.starts_with(attack.code) || code.is_empty() && !attack.code.is_empty() {
            complaints.push(format!(
                "{name} should end with {}: {}",
                attack.code,
                provisor::text::shorten(&ran.answer.to_string())
            ));
        }
        if ran.time > MOST {
            complaints.push(format!("{name} takes {:?}", ran.time));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after - before < MOST_MEMORY, "the attacks took {} KiB", after - before);
    }
}

#[test]
fn what_goes_deep_fits_on_a_thread_s_stack() {
    // With the most that a mapping file may ask for, on the two megabytes that threads have.
    let deep = ["nest", "without end", "in itself", "every level"];
    let attacks = attacks().into_iter().filter(|attack| deep.iter().any(|word| attack.name.contains(word)));
    let slow = ["sorting", "comparing", "patterns", "closures in"];
    for attack in attacks.filter(|attack| !slow.iter().any(|word| attack.name.contains(word))) {
        if std::env::var("SHOW_ATTACKS").is_ok() {
            println!("deep: {}", attack.name);
        }
        let run = move || {
            let mut setting = Setting::new();
            setting.limits = Limits::MOST;
            ran(attack.language, &attack.program, &attack.record, &setting);
        };
        std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap().join().unwrap();
    }
}

#[test]
fn print_reaches_no_standard_output() {
    // The harness catches what `print!` writes, so the test of a process is in the command line's own; here it is enough
    // that the lines are where traces look for them.
    let ran = ran(Language::Rhai, "print(\"a line\"); debug(1); 1", &json!({}), &Setting::new());
    assert!(ran.trace.iter().any(|line| line.ends_with("= \"a line\"")), "{:?}", ran.trace);
}
