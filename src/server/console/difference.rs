//! Two texts line by line: what went, what came, and a few lines around.

use serde::Serialize;

/// Unchanged lines that are shown around a change.
const AROUND: usize = 3;
/// The most cells of the table of common lines; past them the middle is shown as gone and come.
const CELLS: usize = 4_000_000;

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
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let first = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let rest = a.len().min(b.len()) - first;
    let last = a.iter().rev().zip(b.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let middle_a = a.get(first..a.len() - last).unwrap_or_default();
    let middle_b = b.get(first..b.len() - last).unwrap_or_default();
    if middle_a.is_empty() && middle_b.is_empty() {
        return Vec::new();
    }
    let mut all: Vec<Line> = Vec::new();
    let same = |old: usize, new: usize, text: &str| Line {
        kind: "same",
        old: Some(old + 1),
        new: Some(new + 1),
        text: text.to_owned(),
    };
    all.extend(a.iter().take(first).enumerate().map(|(at, text)| same(at, at, text)));
    let (mut i, mut j) = (0, 0);
    for (x, y) in common(middle_a, middle_b).into_iter().chain([(middle_a.len(), middle_b.len())]) {
        for text in middle_a.get(i..x).unwrap_or_default() {
            all.push(Line { kind: "gone", old: Some(first + i + 1), new: None, text: (*text).to_owned() });
            i += 1;
        }
        for text in middle_b.get(j..y).unwrap_or_default() {
            all.push(Line { kind: "come", old: None, new: Some(first + j + 1), text: (*text).to_owned() });
            j += 1;
        }
        if let Some(text) = middle_a.get(x) {
            all.push(same(first + x, first + y, text));
            (i, j) = (x + 1, y + 1);
        }
    }
    let (tail_a, tail_b) = (a.len() - last, b.len() - last);
    all.extend(a.iter().skip(tail_a).enumerate().map(|(at, text)| same(tail_a + at, tail_b + at, text)));
    folded(all)
}

/// The places of the longest common lines, rising.
fn common(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    if (a.len() + 1).saturating_mul(width) > CELLS {
        return Vec::new();
    }
    // How many lines the rests from here on have in common.
    let mut table = vec![0_u32; (a.len() + 1) * width];
    let at = |table: &[u32], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or_default();
    for (i, left) in a.iter().enumerate().rev() {
        for (j, right) in b.iter().enumerate().rev() {
            let best = if left == right {
                at(&table, i + 1, j + 1) + 1
            } else {
                at(&table, i + 1, j).max(at(&table, i, j + 1))
            };
            if let Some(cell) = table.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while let (Some(left), Some(right)) = (a.get(i), b.get(j)) {
        if left == right {
            found.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(&table, i + 1, j) >= at(&table, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

/// Leaves out what is far from every change.
fn folded(all: Vec<Line>) -> Vec<Line> {
    let changed: Vec<usize> =
        all.iter().enumerate().filter(|(_, line)| line.kind != "same").map(|(at, _)| at).collect();
    let is_near = |at: usize| {
        let next = changed.partition_point(|place| *place < at);
        let near = |place: Option<&usize>| place.is_some_and(|place| place.abs_diff(at) <= AROUND);
        near(changed.get(next)) || near(next.checked_sub(1).and_then(|before| changed.get(before)))
    };
    let mut out: Vec<Line> = Vec::new();
    for (at, line) in all.into_iter().enumerate() {
        if is_near(at) {
            out.push(line);
        } else if out.last().is_none_or(|last| last.kind != "gap") {
            out.push(Line { kind: "gap", old: None, new: None, text: "…".to_owned() });
        }
    }
    out
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
