//! Formats that .NET takes without complaint and that hardly anyone means.

use super::format::{FormatLint, Item, Part, Purpose};

/// What to tell about a format: months and minutes confused, letters of other systems, twelve-hour traps.
pub(super) fn check(items: &[Item], text: &str, purpose: Purpose) -> Vec<FormatLint> {
    let mut lints = Vec::new();
    // A standard format of one letter is spelled out by .NET itself.
    if text.chars().nth(1).is_none() {
        return lints;
    }
    let fields: Vec<&Item> = items.iter().filter(|item| is_field(&item.part)).collect();
    for (index, item) in fields.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| fields.get(index)).map(|item| &item.part);
        let after = fields.get(index + 1).map(|item| &item.part);
        let written = text.get(item.span.clone()).unwrap_or_default();
        match item.part {
            Part::Minute(_) if !is_clock(before) && !is_clock(after) && (is_date(before) || is_date(after)) => {
                lints.push(FormatLint {
                    message: format!("{written:?} is minutes, and stands where a month would"),
                    help: Some(format!("write {:?} for the month", written.to_uppercase())),
                    span: item.span.clone(),
                });
            }
            Part::Month(_) if is_hour(before) && !is_date(after) => lints.push(FormatLint {
                message: format!("{written:?} is the month, and stands where minutes would"),
                help: Some(format!("write {:?} for minutes", written.to_lowercase())),
                span: item.span.clone(),
            }),
            _ => {}
        }
    }
    foreign_letters(items, purpose, &mut lints);
    if let Some(at) = text.find("GMT").filter(|&at| purpose == Purpose::Print && splits(items, at)) {
        lints.push(FormatLint {
            message: "the M of GMT is printed as the month".to_owned(),
            help: Some("write 'GMT' in quotes".to_owned()),
            span: at..at + 3,
        });
    }
    twelve_hours(items, purpose, &mut lints);
    lints.sort_by_key(|lint| lint.span.start);
    lints
}

/// Whether the letter at this byte stands outside quotes.
fn splits(items: &[Item], at: usize) -> bool {
    items.iter().any(|item| item.span.start == at && item.part == Part::Literal('G'))
}

const fn is_field(part: &Part) -> bool {
    !matches!(part, Part::Literal(_) | Part::Escaped(_) | Part::Quoted(_) | Part::Zulu | Part::Gmt | Part::Mark { .. })
}

const fn is_date(part: Option<&Part>) -> bool {
    matches!(part, Some(Part::Year(_) | Part::Day(_) | Part::Month(_) | Part::MonthName { .. }))
}

const fn is_hour(part: Option<&Part>) -> bool {
    matches!(part, Some(Part::Hour12(_) | Part::Hour24(_)))
}

const fn is_clock(part: Option<&Part>) -> bool {
    is_hour(part) || matches!(part, Some(Part::Second(_)))
}

/// Runs of letters that mean something elsewhere (Java, SQL, moment.js) and nothing in .NET.
fn foreign_letters(items: &[Item], purpose: Purpose, lints: &mut Vec<FormatLint>) {
    let mut items = items.iter().peekable();
    let mut after_point = false;
    while let Some(item) = items.next() {
        let Part::Literal(letter) = item.part else {
            after_point = false;
            continue;
        };
        let meant = match letter {
            'Y' => "yyyy",
            'D' => "dd",
            'S' if after_point => "fff",
            'S' => "ss",
            'a' | 'A' => "tt",
            'E' => "ddd",
            'X' | 'x' => "zzz",
            _ => "",
        };
        after_point = letter == '.';
        if meant.is_empty() {
            continue;
        }
        let mut span = item.span.clone();
        while let Some(next) = items.next_if(|next| next.part == Part::Literal(letter)) {
            span.end = next.span.end;
        }
        let run = letter.to_string().repeat(span.len());
        let does = match purpose {
            Purpose::Read => "must stand in the text as it is",
            Purpose::Print => "is printed as it is",
        };
        lints.push(FormatLint {
            message: format!("{run:?} is no format letter and {does}"),
            help: Some(format!("write {meant}, or '{run}' in quotes for the letter itself")),
            span,
        });
    }
}

/// `hh` without `tt`, and `HH` with it.
fn twelve_hours(items: &[Item], purpose: Purpose, lints: &mut Vec<FormatLint>) {
    let find = |wanted: fn(&Part) -> bool| items.iter().find(|item| wanted(&item.part));
    let twelve = find(|part| matches!(part, Part::Hour12(_)));
    let full = find(|part| matches!(part, Part::Hour24(_)));
    let mark = find(|part| matches!(part, Part::Mark { .. }));
    match (twelve, full, mark) {
        (Some(hour), None, None) => lints.push(FormatLint {
            message: match purpose {
                Purpose::Read => "h without tt reads 12 as midnight and refuses hours above 12".to_owned(),
                Purpose::Print => "h without tt prints morning and evening alike".to_owned(),
            },
            help: Some("write HH for the 24-hour clock, or add tt".to_owned()),
            span: hour.span.clone(),
        }),
        (None, Some(hour), Some(_)) if purpose == Purpose::Read => lints.push(FormatLint {
            message: "H with tt refuses every hour on which the two disagree, such as 1:30 PM".to_owned(),
            help: Some("write h for the 12-hour clock".to_owned()),
            span: hour.span.clone(),
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::scan;
    use super::*;

    fn spans(text: &str, purpose: Purpose) -> Vec<&str> {
        let lints = check(&scan(text, purpose).unwrap(), text, purpose);
        lints.into_iter().map(|lint| text.get(lint.span).unwrap()).collect()
    }

    #[test]
    fn what_is_probably_meant_otherwise() {
        for (text, found) in [
            ("yyyy-mm-dd", vec!["mm"]),
            ("dd/mm/yyyy", vec!["mm"]),
            ("yyyymmdd", vec!["mm"]),
            ("HH:MM:ss", vec!["MM"]),
            ("yyyy-mm-dd HH:MM", vec!["mm", "MM"]),
            ("YYYY-MM-DD", vec!["YYYY", "DD"]),
            ("HH:mm:ss.SSS", vec!["SSS"]),
            ("hh:mm", vec!["hh"]),
            ("h:mm a", vec!["h", "a"]),
            ("EEE, d MMM yyyy", vec!["EEE"]),
        ] {
            assert_eq!(spans(text, Purpose::Read), found, "{text}");
            assert_eq!(spans(text, Purpose::Print), found, "{text}");
        }
        assert_eq!(spans("HH:mm tt", Purpose::Read), ["HH"]);
        assert_eq!(spans("HH:mm GMT", Purpose::Print), ["GMT"]);
        assert!(spans("HH:mm GMT", Purpose::Read).is_empty());
    }

    #[test]
    fn honest_formats_are_left_alone() {
        for text in [
            "yyyy-MM-dd",
            "yyyy-MM-ddTHH:mm:ssZ",
            "yyyyMMddHHmmss.fZ",
            "M/d/yyyy h:mm:ss tt",
            "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
            "HH:mm dd.MM.yyyy",
            "dd.MM. mm:ss",
            "'DAY' dd",
            "s",
            "R",
            "mm:ss",
            "HHmm",
            "HH MM-dd",
        ] {
            assert!(spans(text, Purpose::Read).is_empty(), "{text}");
            assert!(spans(text, Purpose::Print).is_empty(), "{text}");
        }
    }
}
