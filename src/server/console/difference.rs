//! Two texts line by line: what went, what came, and a few lines around.

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

/// Unchanged lines that are shown around a change.
const AROUND: usize = 3;

/// A line of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// `same`, `gone`, `come`, or `gap` for lines that are left out.
    pub(super) kind: &'static str,
    /// Its number in the old text.
    pub(super) old: Option<usize>,
    /// Its number in the new text.
    pub(super) new: Option<usize>,
    pub(super) text: String,
}

/// The difference of two texts; empty when they are the same.
pub(super) fn lines(old: &str, new: &str) -> Vec<Line> {
    let gap = || Line { kind: "gap", old: None, new: None, text: "…".to_owned() };
    // Without their ends: a last line is the same with and without one.
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let difference = TextDiff::from_slices(&old, &new);
    let (mut all, mut next): (Vec<Line>, usize) = (Vec::new(), 0);
    for group in difference.grouped_ops(AROUND) {
        for change in group.iter().flat_map(|operation| difference.iter_changes(operation)) {
            let kind = match change.tag() {
                ChangeTag::Equal => "same",
                ChangeTag::Delete => "gone",
                ChangeTag::Insert => "come",
            };
            let number = |index: Option<usize>| index.map(|index| index + 1);
            let line = Line {
                kind,
                old: number(change.old_index()),
                new: number(change.new_index()),
                text: change.value().to_owned(),
            };
            if line.old.is_some_and(|old| old > next + 1) {
                all.push(gap());
            }
            next = line.old.unwrap_or(next);
            all.push(line);
        }
    }
    if next < old.len() && !all.is_empty() {
        all.push(gap());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> String {
        let mark = |line: &Line| match line.kind {
            "gone" => format!("-{}", line.text),
            "come" => format!("+{}", line.text),
            _ => format!(" {}", line.text),
        };
        lines(old, new).iter().map(mark).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_went_and_what_came() {
        assert_eq!(told("a\nb\nc", "a\nb\nc"), "");
        assert_eq!(told("", "a"), "+a");
        assert_eq!(told("a\nb\nc", "a\nx\nc\nd"), " a\n-b\n+x\n c\n+d");
        assert_eq!(told("1\n2\n3\n4\n5\n6", "1\n2\n3\n4\n5\n6\n7"), " …\n 4\n 5\n 6\n+7");
    }
}
