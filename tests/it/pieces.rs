//! `map` cuts its input into pieces for its threads: however the lines lie in them, every record comes out once, in order, as
//! the record of its line.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Scratch, code, json_lines, run, stderr, stdout};

/// The random value hangs on the number of the line: a record that is counted wrongly shows.
const MAPPING: &str = r#"name = "pieces"
resource = "User"

[attributes]
userName = { expr = '[u]', match = 1 }
title = 'Guid()'
"#;
const ENV: &str = r#"{"seed": 7, "now": "2026-01-01T00:00:00Z"}"#;

/// What `map` reads and writes at a time, in bytes. Another size harms no test; it only makes some borders less sharp.
const PIECE: usize = 256 * 1024;

/// A line is that many bytes long, its line feed included; 1 is an empty line.
struct Shape {
    name: &'static str,
    widths: &'static [usize],
    lines: usize,
    end: &'static str,
    /// Whether the last line has an end too.
    closed: bool,
    mark: bool,
    /// Each line with a number that this divides is no record.
    bad: Option<usize>,
}

impl Shape {
    const PLAIN: Self =
        Self { name: "plain", widths: &[64], lines: 10_000, end: "\n", closed: true, mark: false, bad: None };

    /// The input; with `short`, the same records in as few bytes as they need.
    fn input(&self, short: bool) -> String {
        let mut text = String::from(if self.mark && !short { "\u{feff}" } else { "" });
        let widths = self.widths.iter().cycle();
        for (number, width) in (1..=self.lines).zip(widths) {
            if self.is_bad(number) {
                text.push_str("{\"u\": ");
            } else if *width > 1 {
                let _ = write!(text, r#"{{"u": "n{number}", "x": ""#);
                let used = format!(r#"{{"u": "n{number}", "x": ""}}"#).len() + self.end.len();
                text.extend(std::iter::repeat_n('x', if short { 0 } else { width.saturating_sub(used) }));
                text.push_str("\"}");
            }
            if number < self.lines || self.closed {
                text.push_str(self.end);
            }
        }
        text
    }

    fn is_bad(&self, number: usize) -> bool {
        self.bad.is_some_and(|bad| number.is_multiple_of(bad))
    }

    /// The user names that come out.
    fn names(&self) -> Vec<String> {
        let widths = self.widths.iter().cycle();
        let lines = (1..=self.lines).zip(widths).filter(|(number, width)| **width > 1 && !self.is_bad(*number));
        lines.map(|(number, _)| format!("n{number}")).collect()
    }
}

const SHAPES: &[Shape] = &[
    Shape { name: "line feeds on the border of pieces", ..Shape::PLAIN },
    Shape { name: "line feeds on no border", widths: &[61, 67, 71, 300, 4099], lines: 1_000, ..Shape::PLAIN },
    Shape { name: "no end of the last line", widths: &[97], lines: 9_001, closed: false, ..Shape::PLAIN },
    Shape { name: "a mark, and carriage returns", widths: &[64, 2, 130], end: "\r\n", mark: true, ..Shape::PLAIN },
    Shape { name: "lines of just a piece", widths: &[PIECE, 64, PIECE - 1, PIECE + 1], lines: 9, ..Shape::PLAIN },
    Shape { name: "a mark before a line of just a piece", widths: &[PIECE, 64], lines: 3, mark: true, ..Shape::PLAIN },
    Shape {
        name: "lines of many pieces, no end of the last",
        widths: &[40, 3 * PIECE + 17, 40, 40, PIECE / 2, 9 * PIECE, 2 * PIECE],
        lines: 14,
        closed: false,
        ..Shape::PLAIN
    },
    Shape { name: "more empty lines than a piece has bytes", widths: &[64, 1, 1, 1, 1], lines: 40_000, ..Shape::PLAIN },
    Shape { name: "nothing but empty lines", widths: &[1], lines: PIECE + 3, ..Shape::PLAIN },
    Shape { name: "lines that are no records", widths: &[64, 1, 900], lines: 2_000, bad: Some(150), ..Shape::PLAIN },
];

#[test]
fn every_record_comes_out_once_and_in_order_however_lines_lie_in_pieces() {
    let scratch = Scratch::new("pieces");
    let mapping = scratch.write("pieces.toml", MAPPING);
    let map = |arguments: &[&str], input: &[u8]| {
        let always = ["map", &mapping, "--env", ENV, "--on-error", "collect", "--format", "concise"];
        run(&[&always, arguments].concat(), input)
    };
    for shape in SHAPES {
        let name = shape.name;
        let wanted = map(&["--jobs", "1"], shape.input(true).as_bytes());
        let made: Vec<Value> = json_lines(stdout(&wanted));
        let names: Vec<&str> = made.iter().filter_map(|payload| payload["userName"].as_str()).collect();
        assert_eq!(names, shape.names(), "{name}");

        let input = shape.input(false);
        let file = scratch.write("input.jsonl", &input);
        let file = ["--in", &file];
        for (jobs, from) in [("1", &[][..]), ("2", &file[..]), ("5", &[][..])] {
            let output = map(&[&["--jobs", jobs], from].concat(), input.as_bytes());
            assert_eq!(code(&output), i32::from(shape.bad.is_some()), "{name}, --jobs {jobs}: {}", stderr(&output));
            assert!(output.stdout == wanted.stdout, "{name}, --jobs {jobs}: other payloads");
            let told = stderr(&output).replace(file[1], "<stdin>");
            assert_eq!(told, stderr(&wanted), "{name}, --jobs {jobs}");
        }
        if let Some(bad) = shape.bad {
            let told = (1..=shape.lines / bad).map(|number| format!("<stdin>:{}:", number * bad));
            let lines: Vec<&str> = stderr(&wanted).lines().collect();
            for (told, line) in told.zip(lines) {
                assert!(line.contains(&told), "{name}: {line}, not {told}");
            }
        }
    }
}

#[test]
fn a_line_that_is_too_long_is_told_in_its_place_and_costs_only_itself() {
    let scratch = Scratch::new("pieces-long");
    let mapping = scratch.write("pieces.toml", MAPPING);
    let record = |name: &str| format!("{{\"u\": \"{name}\"}}\n");
    let long = format!("{{\"u\": \"{}\"}}\n", "x".repeat(16 * 1024 * 1024));
    let input = [record("a").as_str(), "\n", &long, &record("b"), &long, &record("c").repeat(30_000)].concat();
    let arguments = ["map", &mapping, "--env", ENV, "--on-error", "collect", "--format", "concise", "--jobs"];
    let one = run(&[&arguments[..], &["1"]].concat(), input.as_bytes());
    let four = run(&[&arguments[..], &["4"]].concat(), input.as_bytes());
    assert!(one.stdout == four.stdout && one.stderr == four.stderr, "{}\n{}", stderr(&one), stderr(&four));
    assert_eq!((code(&one), stdout(&one).lines().count()), (1, 30_002));
    let told: Vec<&str> = stderr(&one).lines().collect();
    assert!(told[0].contains("<stdin>:3:1") && told[1].contains("<stdin>:5:1"), "{told:?}");
}
