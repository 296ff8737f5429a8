//! The figures of all rounds as tables: each server's, and ours beside each peer's.

use std::fmt::Write as _;

use super::server::{Kind, Server};
use super::steps::{Course, Figure, STEPS};

/// The rounds of one server.
pub(crate) struct Row {
    pub(crate) server: Server,
    pub(crate) courses: Vec<Course>,
}

/// The middle value; the mean of the two middle ones for an even count.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

impl Row {
    fn median(&self, step: usize, of: impl Fn(&Figure) -> f64) -> Option<f64> {
        median(self.courses.iter().filter_map(|course| course.figures[step].as_ref().map(&of)).collect())
    }

    /// What a figure of ours is to this one's, a ratio a round.
    fn ratios(&self, ours: &Self, step: usize, of: impl Fn(&Figure, &Figure) -> f64) -> Vec<f64> {
        let pairs = ours.courses.iter().zip(&self.courses);
        let both = pairs.filter_map(|(ours, peer)| ours.figures[step].as_ref().zip(peer.figures[step].as_ref()));
        both.map(|(ours, peer)| of(ours, peer)).collect()
    }
}

/// All tables.
pub(crate) fn tables(rows: &[Row]) -> String {
    let mut out = String::new();
    let rate = |figure: &Figure| figure.rate;
    table(&mut out, "requests/s", rows, |row, step| row.median(step, rate).map(shown));
    table(&mut out, "ms, the middle / the slowest of a hundred", rows, |row, step| {
        let middle = row.median(step, |figure| figure.middle)?;
        Some(format!("{} / {}", shown(middle), shown(row.median(step, |figure| figure.slowest)?)))
    });
    let work = |figure: &Figure| figure.work;
    table(&mut out, "us of the server's processor", rows, |row, step| row.median(step, work).map(shown));
    let drove = |figure: &Figure| figure.drove;
    table(&mut out, "us of the driver's processor", rows, |row, step| row.median(step, drove).map(shown));
    let size = |figure: &Figure| figure.size;
    table(&mut out, "bytes of an answer", rows, |row, step| row.median(step, size).map(shown));
    if let Some((ours, peers)) = rows.split_first()
        && ours.server.kind == Kind::Ours
        && !peers.is_empty()
    {
        ratios(&mut out, ours, peers);
        table(&mut out, "processor of the peer / of provisor", peers, |peer, step| {
            median(peer.ratios(ours, step, |ours, peer| peer.work / ours.work)).map(shown)
        });
    }
    out.push('\n');
    for row in rows {
        let resident = median(row.courses.iter().map(|course| course.resident as f64).collect()).unwrap_or_default();
        let _ = writeln!(out, "{}: {resident:.0} MiB resident at the end; {}", row.server.name, row.server.note);
        for note in row.courses.first().into_iter().flat_map(|course| &course.notes) {
            let _ = writeln!(out, "  {note}");
        }
    }
    out
}

fn table(out: &mut String, title: &str, rows: &[Row], cell: impl Fn(&Row, usize) -> Option<String>) {
    let _ = write!(out, "\n{title:<42}");
    for row in rows {
        let _ = write!(out, "{:>17}", row.server.name);
    }
    out.push('\n');
    for (step, (name, _)) in STEPS.iter().enumerate() {
        let _ = write!(out, "  {name:<40}");
        for row in rows {
            let _ = write!(out, "{:>17}", cell(row, step).unwrap_or_else(|| "-".to_owned()));
        }
        out.push('\n');
    }
}

/// How many times as many requests a second ours answers: within a round; the median, the smallest and the largest are shown.
fn ratios(out: &mut String, ours: &Row, peers: &[Row]) {
    let several = ours.courses.len() > 1;
    let width = if several { 26 } else { 17 };
    let _ = write!(out, "\n{:<42}", "provisor / peer");
    for peer in peers {
        let _ = write!(out, "{:>width$}", peer.server.name);
    }
    let _ = writeln!(out, "   goal");
    for (step, (name, goal)) in STEPS.iter().enumerate() {
        let _ = write!(out, "  {name:<40}");
        let (mut least, mut ahead) = (None::<f64>, None::<f64>);
        for peer in peers {
            let found = peer.ratios(ours, step, |ours, peer| ours.rate / peer.rate);
            let Some(middle) = median(found.clone()) else {
                let _ = write!(out, "{:>width$}", "-");
                continue;
            };
            let bound = |pick: fn(f64, f64) -> f64| found.iter().copied().reduce(pick).unwrap_or(middle);
            let spread = format!(" ({} .. {})", shown(bound(f64::min)), shown(bound(f64::max)));
            let cell = shown(middle) + if several { &spread } else { "" };
            let _ = write!(out, "{cell:>width$}");
            let worst = if peer.server.kind == Kind::Rust { &mut ahead } else { &mut least };
            *worst = Some(worst.map_or(middle, |worst| worst.min(middle)));
        }
        let verdict = |found: f64, goal: f64| if found >= goal { "reached" } else { "MISSED" };
        let mut goals = Vec::new();
        goals.extend(least.map(|least| format!(">= {goal} of scripts: {}", verdict(least, *goal))));
        goals.extend(ahead.map(|ahead| format!(">= 1 of Rust: {}", verdict(ahead, 1.0))));
        let _ = writeln!(out, "   {}", goals.join(", "));
    }
}

/// Three digits that matter, and no fractions of what is large.
fn shown(figure: f64) -> String {
    if figure >= 100.0 {
        format!("{figure:.0}")
    } else if figure >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}
