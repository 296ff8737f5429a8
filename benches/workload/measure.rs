//! Time, medians and the table.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// The middle value; the mean of the two middle ones for an even count.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Runs `pass` for about `budget` and gives the median time of one pass, in nanoseconds. The first pass warms up.
pub(crate) fn nanoseconds(budget: Duration, mut pass: impl FnMut()) -> f64 {
    pass();
    let mut passes = Vec::new();
    let begin = Instant::now();
    while passes.len() < 3 || begin.elapsed() < budget {
        let start = Instant::now();
        pass();
        passes.push(start.elapsed().as_nanos() as f64);
    }
    median(&passes)
}

/// What a ratio is to be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// One line of the table: a figure a round.
struct Line {
    group: &'static str,
    name: &'static str,
    goal: Option<Goal>,
    figures: Vec<f64>,
}

/// All figures of all rounds.
#[derive(Default)]
pub(crate) struct Table(Vec<Line>);

impl Table {
    /// Notes this round's figure.
    pub(crate) fn note(&mut self, group: &'static str, name: &'static str, figure: f64) {
        self.line(group, name).figures.push(figure);
    }

    /// Notes this round's figure, which is to reach a goal.
    pub(crate) fn judge(&mut self, group: &'static str, name: &'static str, goal: Goal, figure: f64) {
        let line = self.line(group, name);
        line.goal = Some(goal);
        line.figures.push(figure);
    }

    fn line(&mut self, group: &'static str, name: &'static str) -> &mut Line {
        let at = self.0.iter().position(|line| line.group == group && line.name == name).unwrap_or_else(|| {
            // Beside the lines of its group, if there are any.
            let at = self.0.iter().rposition(|line| line.group == group).map_or(self.0.len(), |last| last + 1);
            self.0.insert(at, Line { group, name, goal: None, figures: Vec::new() });
            at
        });
        &mut self.0[at]
    }

    /// Median, smallest and largest figure of each line, and whether the median reaches the goal.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        let mut group = "";
        for line in &self.0 {
            if line.group != group {
                group = line.group;
                let _ = writeln!(out, "\n{group:<42}{:>10}{:>10} .. {:<10}goal", "median", "min", "max");
            }
            let middle = median(&line.figures);
            let (least, most) =
                line.figures.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), figure| {
                    (least.min(*figure), most.max(*figure))
                });
            let goal = match line.goal {
                None => String::new(),
                Some(Goal::AtMost(bound)) => {
                    format!("<= {bound}  {}", if middle <= bound { "reached" } else { "MISSED" })
                }
                Some(Goal::AtLeast(bound)) => {
                    format!(">= {bound}  {}", if middle >= bound { "reached" } else { "MISSED" })
                }
            };
            let row =
                format!("  {:<40}{:>10}{:>10} .. {:<10}{goal}", line.name, shown(middle), shown(least), shown(most));
            let _ = writeln!(out, "{}", row.trim_end());
        }
        out
    }
}

/// Three or four digits that matter.
fn shown(figure: f64) -> String {
    if figure >= 100.0 {
        format!("{figure:.0}")
    } else if figure >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}
