//! A compiled format for printing.
//!
//! Source: .NET's custom format strings under the invariant culture. Fractions are cut, not rounded;
//! offsets are those of a machine at UTC.

use std::fmt::{self, Write as _};

use super::DateError;
use super::format::{FormatError, FormatLint, Part, Purpose, scan};
use super::lint;
use super::moment::{DAYS, Kind, Moment, month_name, short_name, twelve, write_number};

/// A .NET custom format (or `o`, `s`, `u`, `R`), compiled for printing.
#[derive(Debug, Clone)]
pub struct PrintFormat {
    steps: Vec<Step>,
    lints: Vec<FormatLint>,
}

#[derive(Debug, Clone)]
enum Step {
    Text(Box<str>),
    Field(Part),
}

impl PrintFormat {
    /// Compiles a format.
    ///
    /// # Errors
    /// What .NET refuses (an open quote, a final backslash or percent sign, eight `f`, a single character
    /// that is no standard format), and the standard formats whose text depends on the culture.
    pub fn compile(text: &str) -> Result<Self, FormatError> {
        let items = scan(text, Purpose::Print)?;
        let lints = lint::check(&items, text, Purpose::Print);
        let mut steps: Vec<Step> = Vec::with_capacity(items.len());
        let mut run = String::new();
        for item in items {
            match item.part {
                Part::Literal(letter) | Part::Escaped(letter) => run.push(letter),
                Part::Quoted(inside) => run.push_str(&inside),
                field => {
                    if !run.is_empty() {
                        steps.push(Step::Text(std::mem::take(&mut run).into()));
                    }
                    steps.push(Step::Field(field));
                }
            }
        }
        if !run.is_empty() {
            steps.push(Step::Text(run.into()));
        }
        Ok(Self { steps, lints })
    }

    /// What is probably meant otherwise.
    pub fn lints(&self) -> &[FormatLint] {
        &self.lints
    }

    /// Prints a moment.
    ///
    /// # Errors
    /// Only when the writer fails.
    pub fn print(&self, moment: Moment, out: &mut impl fmt::Write) -> Result<(), DateError> {
        let mut held = Held { out, point: false };
        let done = self.write(moment, &mut held).and_then(|()| held.flush());
        done.map_err(|fmt::Error| DateError::new("the date could not be written"))
    }

    fn write<W: fmt::Write>(&self, moment: Moment, out: &mut Held<'_, W>) -> fmt::Result {
        let (year, month, day) = moment.date();
        for step in &self.steps {
            match step {
                Step::Text(text) => out.write_str(text)?,
                Step::Field(part) => match *part {
                    Part::Year(count @ ..=2) => write_number(out, year % 100, count)?,
                    Part::Year(count) => write_number(out, year, count)?,
                    Part::Month(count) => write_number(out, month, count)?,
                    Part::MonthName { long: true } => out.write_str(month_name(month))?,
                    Part::MonthName { long: false } => out.write_str(short_name(month_name(month)))?,
                    Part::Day(count) => write_number(out, day, count)?,
                    ref other => write_rest(other, moment, out)?,
                },
            }
        }
        Ok(())
    }
}

/// The fields that need no calendar.
fn write_rest<W: fmt::Write>(part: &Part, moment: Moment, out: &mut Held<'_, W>) -> fmt::Result {
    match *part {
        Part::DayName { long } => {
            let name = DAYS.get(moment.weekday()).copied().unwrap_or_default();
            out.write_str(if long { name } else { short_name(name) })
        }
        Part::Era => out.write_str("A.D."),
        Part::Hour12(count) => write_number(out, twelve(moment.hour()), count),
        Part::Hour24(count) => write_number(out, moment.hour(), count),
        Part::Minute(count) => write_number(out, moment.minute(), count),
        Part::Second(count) => write_number(out, moment.second(), count),
        Part::Fraction(count) => write_number(out, cut(moment, count), count),
        Part::OptionalFraction(count) => {
            let (mut value, mut digits) = (cut(moment, count), count);
            while digits > 0 && value.is_multiple_of(10) {
                value /= 10;
                digits -= 1;
            }
            if digits == 0 {
                out.point = false;
                return Ok(());
            }
            write_number(out, value, digits)
        }
        Part::Mark { long } => out.write_str(match (moment.hour() < 12, long) {
            (true, true) => "AM",
            (true, false) => "A",
            (false, true) => "PM",
            (false, false) => "P",
        }),
        // Every value prints the offset of UTC: the machine's zone is UTC too.
        Part::Offset(1) => out.write_str("+0"),
        Part::Offset(2) => out.write_str("+00"),
        Part::Offset(_) => out.write_str("+00:00"),
        Part::Kind => out.write_str(match moment.kind() {
            Kind::Utc => "Z",
            Kind::Local => "+00:00",
            Kind::Unspecified => "",
        }),
        _ => Ok(()),
    }
}

/// The first digits of the fraction of a second.
fn cut(moment: Moment, digits: usize) -> u32 {
    let drop = 7_u32.saturating_sub(digits as u32);
    moment.fraction() / 10_u32.pow(drop)
}

/// A writer that holds a final point back, since a fraction that prints nothing takes it away.
struct Held<'w, W: fmt::Write> {
    out: &'w mut W,
    point: bool,
}

impl<W: fmt::Write> Held<'_, W> {
    fn flush(&mut self) -> fmt::Result {
        if std::mem::take(&mut self.point) { self.out.write_str(".") } else { Ok(()) }
    }
}

impl<W: fmt::Write> fmt::Write for Held<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.is_empty() {
            return Ok(());
        }
        self.flush()?;
        match text.strip_suffix('.') {
            Some(before) => {
                self.point = true;
                self.out.write_str(before)
            }
            None => self.out.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_any;
    use super::*;

    fn show(format: &str, date: &str) -> String {
        let mut out = String::new();
        PrintFormat::compile(format).unwrap().print(parse_any(date, None).unwrap(), &mut out).unwrap();
        out
    }

    #[test]
    fn fields() {
        let date = "2024-05-01T08:05:09.0120000";
        for (format, text) in [
            ("%d", "1"),
            ("dd", "01"),
            ("ddd", "Wed"),
            ("dddd", "Wednesday"),
            ("dddddd", "Wednesday"),
            ("%M", "5"),
            ("MM", "05"),
            ("MMM", "May"),
            ("MMMM", "May"),
            ("%y", "24"),
            ("yy", "24"),
            ("yyy", "2024"),
            ("yyyy", "2024"),
            ("yyyyy", "02024"),
            ("%h", "8"),
            ("hh", "08"),
            ("hhh", "08"),
            ("%H", "8"),
            ("HHH", "08"),
            ("%m", "5"),
            ("mmm", "05"),
            ("%s", "9"),
            ("sss", "09"),
            ("%t", "A"),
            ("tt", "AM"),
            ("ttt", "AM"),
            ("%z", "+0"),
            ("zz", "+00"),
            ("zzz", "+00:00"),
            ("zzzz", "+00:00"),
            ("%K", "Z"),
            ("KK", "ZZ"),
            ("%g", "A.D."),
            ("gg yyyy", "A.D. 2024"),
            ("%f", "0"),
            ("ff", "01"),
            ("fff", "012"),
            ("fffffff", "0120000"),
            ("s.F", "9"),
            ("s.FF", "9.01"),
            ("s.FFFFFFF", "9.012"),
            ("s.fF", "9.0"),
            ("s.ffF", "9.01"),
            ("s'.'F", "9"),
            ("s.F.F", "9"),
            ("ggF", "A.D"),
            (". ", ". "),
            ("s.", "9."),
            ("%dd", "11"),
            ("%ddd", "101"),
            (r"yyyy'y'\y\\", r"2024yy\"),
            (r#"H'h'"'"\'"#, "8h''"),
            (r"'a\'b'", "a'b"),
            ("yyyy-mm-dd", "2024-05-01"),
            ("YYYY-MM-DD", "YYYY-05-DD"),
            ("Z GMT", "Z G5T"),
            ("'GMT'", "GMT"),
            ("yyyy年M月d日", "2024年5月1日"),
            ("👍", "👍"),
            ("o", "2024-05-01T08:05:09.0120000Z"),
            ("O", "2024-05-01T08:05:09.0120000Z"),
            ("s", "2024-05-01T08:05:09"),
            ("u", "2024-05-01 08:05:09Z"),
            ("R", "Wed, 01 May 2024 08:05:09 GMT"),
            ("r", "Wed, 01 May 2024 08:05:09 GMT"),
        ] {
            assert_eq!(show(format, date), text, "{format}");
        }
    }

    #[test]
    fn twelve_hours() {
        for (date, text) in [("00:30", "12:30 AM"), ("11:59", "11:59 AM"), ("12:00", "12:00 PM"), ("23:05", "11:05 PM")]
        {
            assert_eq!(show("h:mm tt", &format!("2024-05-01T{date}")), text);
        }
    }

    #[test]
    fn years_of_few_digits() {
        assert_eq!(show("yyyy yyy yy", "0007-01-01"), "0007 007 07");
        assert_eq!(show("%y", "2007-01-01"), "7");
        assert_eq!(show("yy", "2100-01-01"), "00");
        assert_eq!(show("yyyyyyyyyyyyyyyy", "2024-01-01"), "0000000000002024");
    }

    #[test]
    fn kinds() {
        let show = |kind| {
            let mut out = String::new();
            PrintFormat::compile("s K").unwrap().print(Moment::from_ticks(0, kind).unwrap(), &mut out).unwrap();
            out
        };
        assert_eq!(show(Kind::Unspecified), "0 ");
        assert_eq!(show(Kind::Local), "0 +00:00");
        assert_eq!(show(Kind::Utc), "0 Z");
    }
}
