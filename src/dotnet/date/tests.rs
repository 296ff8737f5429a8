//! What reading takes and refuses, line by line of dotnet.md section 4, and that no text makes it panic.

use super::*;

fn now() -> Moment {
    parse_any("2023-06-15T10:20:30", None).unwrap()
}

fn read_with(format: &str, text: &str, styles: Styles) -> Result<String, String> {
    let moment = ReadFormat::compile(format).unwrap().read(text, &styles, now()).map_err(|error| error.message)?;
    let mut out = String::new();
    PrintFormat::compile("yyyy-MM-dd HH:mm:ss.FFFFFFFK").unwrap().print(moment, &mut out).unwrap();
    Ok(out.trim_end_matches(" 00:00:00").to_owned())
}

fn read(format: &str, text: &str) -> Result<String, String> {
    read_with(format, text, Styles::DEFAULT)
}

fn reads(cases: &[(&str, &str, &str)]) {
    for (format, text, wanted) in cases {
        assert_eq!(read(format, text).as_deref(), Ok(*wanted), "{format} of {text}");
    }
}

fn refuses(cases: &[(&str, &str)]) {
    for (format, text) in cases {
        assert!(read(format, text).is_err(), "{format} of {text}: {:?}", read(format, text));
    }
}

#[test]
fn digits() {
    reads(
        &[
            ("d/M/yyyy", "1/5/2024", "2024-05-01"),
            ("d/M/yyyy", "01/05/2024", "2024-05-01"),
            ("dMyyyy", "11122024", "2024-12-11"),
            ("yyyyMMddHHmmss", "20240501083009", "2024-05-01 08:30:09"),
            ("H:m:s d.M.yyyy", "8:5:9 1.5.2024", "2024-05-01 08:05:09"),
            ("yyy-MM-dd", "024-05-01", "0024-05-01"),
            ("yyyyy-MM-dd", "02024-05-01", "2024-05-01"),
            ("dd/MM/yyyy mmm", "01/05/2024 07", "2024-05-01 00:07:00"),
        ]
        .map(|(format, text, wanted)| (format, text, wanted.trim_end_matches('.'))),
    );
    refuses(&[
        ("dd/MM/yyyy", "1/05/2024"),
        ("dd/MM/yyyy", "01/5/2024"),
        ("yyyy", "24"),
        ("dMyyyy", "1122024"),
        ("yyyyy-MM-dd", "2024-05-01"),
        ("yyyy-MM-dd", "2024-05-1"),
        ("yyyy-MM-dd", "2024-05-010"),
        ("yyyy-MM-dd", "٢٠٢٤-05-01"),
        ("HH:mm", "8:30"),
        ("HH:mm", "24:00"),
        ("HH:mm", "23:60"),
        ("HH:mm:ss", "23:59:60"),
        ("yyyy-MM-dd", "2024-00-01"),
        ("yyyy-MM-dd", "2024-01-00"),
        ("yyyyyyyyyyyy", "999999999999"),
    ]);
}

#[test]
fn two_digit_years() {
    for (text, year) in [("00", "2000"), ("24", "2024"), ("29", "2029"), ("49", "2049"), ("50", "1950"), ("99", "1999")]
    {
        assert_eq!(read("d/M/yy", &format!("1/5/{text}")).unwrap(), format!("{year}-05-01"));
        assert_eq!(read("d/M/y", &format!("1/5/{text}")).unwrap(), format!("{year}-05-01"));
    }
    reads(&[("d/M/y", "1/5/4", "2004-05-01")]);
    refuses(&[("d/M/yy", "1/5/4"), ("d/M/yy", "1/5/2024")]);
}

#[test]
fn names() {
    reads(&[
        ("d MMM yyyy", "1 mAY 2024", "2024-05-01"),
        ("d MMMM yyyy", "1 September 2024", "2024-09-01"),
        ("dMMMyyyy", "1Sep2024", "2024-09-01"),
        ("ddd, d MMM yyyy", "WED, 1 May 2024", "2024-05-01"),
        ("dddd d/M/yyyy", "wednesday 1/5/2024", "2024-05-01"),
        ("gg yyyy", "A.D. 2024", "2024-01-01"),
        ("yyyy g", "2024 ad", "2024-01-01"),
        ("ddd yyyy-MM-ddzzz", "Wed 2024-05-01+10:00", "2024-04-30 14:00:00+00:00"),
    ]);
    refuses(&[
        ("d MMM yyyy", "1 Sept 2024"),
        ("d MMM yyyy", "1 September 2024"),
        ("d MMMM yyyy", "1 Sep 2024"),
        ("d MMM yyyy", "1 Mai 2024"),
        ("d MMM yyyy", "1 05 2024"),
        ("ddd, d MMM yyyy", "Thu, 1 May 2024"),
        ("ddd, d MMM yyyy", "Wednesday, 1 May 2024"),
        ("dddd d/M/yyyy", "Wed 1/5/2024"),
        ("gg yyyy", "B.C. 2024"),
    ]);
}

#[test]
fn fractions() {
    reads(&[
        ("s.f", "9.5", "2023-06-15 00:00:09.5"),
        ("s.fff", "9.120", "2023-06-15 00:00:09.12"),
        ("s.fffffff", "9.1234567", "2023-06-15 00:00:09.1234567"),
        ("s.FFF", "9.12", "2023-06-15 00:00:09.12"),
        ("s.FFF", "9.", "2023-06-15 00:00:09"),
        ("s.FFF", "9", "2023-06-15 00:00:09"),
        ("s.FFFK", "9Z", "2023-06-15 00:00:09Z"),
        ("sFFF", "9", "2023-06-15 00:00:09"),
        ("ssfff", "09123", "2023-06-15 00:00:09.123"),
    ]);
    refuses(&[
        ("s.f", "9"),
        ("s.f", "9."),
        ("s.f", "9.12"),
        ("s.fff", "9.12"),
        ("s.FFF", "9.1234"),
        ("s'.'FFF", "9"),
        ("s.ff.f", "9.12.3"),
        ("s,fff", "9.123"),
    ]);
}

#[test]
fn halves_of_the_day() {
    reads(&[
        ("h:mm tt", "12:30 AM", "2023-06-15 00:30:00"),
        ("h:mm tt", "12:30 pm", "2023-06-15 12:30:00"),
        ("h:mm tt", "8:30PM", "2023-06-15 20:30:00"),
        ("h:mmtt", "8:30Pm", "2023-06-15 20:30:00"),
        ("h:mm t", "8:30 P", "2023-06-15 20:30:00"),
        ("hh:mm tt", "00:30 PM", "2023-06-15 12:30:00"),
        ("hh:mm", "12:30", "2023-06-15 00:30:00"),
        ("hh:mm", "11:30", "2023-06-15 11:30:00"),
        ("HH:mm tt", "13:30 PM", "2023-06-15 13:30:00"),
        ("HH hh tt", "08 08 PM", "2023-06-15 20:00:00"),
        ("tt", "AM", "2023-06-15"),
        ("ttt h", "PM 1", "2023-06-15 13:00:00"),
    ]);
    refuses(&[
        ("h:mm tt", "13:30 PM"),
        ("hh:mm", "13:30"),
        ("hh:mm", "8:30"),
        ("h:mm tt", "8:30"),
        ("h:mm tt", "8:30 P"),
        ("h:mm t", "8:30 PM"),
        ("h:mm t", "8:30 p"),
        ("h:mm tt", "8:30 p.m."),
        ("HH:mm tt", "13:30 AM"),
        ("HH:mm tt", "01:30 PM"),
        ("HH hh", "13 01"),
        ("tt", "PM"),
        ("tt h tt", "AM 1 PM"),
    ]);
}

#[test]
fn zones() {
    reads(&[
        ("HH:mm z", "08:30 +2", "2023-06-15 06:30:00+00:00"),
        ("HH:mm z", "08:30 -02", "2023-06-15 10:30:00+00:00"),
        ("HH:mm zz", "08:30 +02", "2023-06-15 06:30:00+00:00"),
        ("HH:mm zzz", "08:30 +02:30", "2023-06-15 06:00:00+00:00"),
        ("HH:mm zzz", "08:30 +0230", "2023-06-15 06:00:00+00:00"),
        ("HH:mm zzz", "08:30 +2:30", "2023-06-15 06:00:00+00:00"),
        ("HH:mmK", "08:30-02:00", "2023-06-15 10:30:00+00:00"),
        ("HH:mmK", "08:30Z", "2023-06-15 08:30:00Z"),
        ("HH:mmK", "08:30", "2023-06-15 08:30:00"),
        ("HH:mm K", "08:30", "2023-06-15 08:30:00"),
        ("HH:mmZ", "08:30Z", "2023-06-15 08:30:00Z"),
        ("HH:mmZ", "08:30z", "2023-06-15 08:30:00Z"),
        ("HH:mm Z", "08:30 GMT", "2023-06-15 08:30:00Z"),
        ("HH:mm GMT", "08:30 GMT", "2023-06-15 08:30:00+00:00"),
        ("HH:mm'Z'", "08:30Z", "2023-06-15 08:30:00"),
        ("HH:mm\\Z", "08:30Z", "2023-06-15 08:30:00"),
        ("yyyy-MM-ddzzz", "2024-05-01+14:00", "2024-04-30 10:00:00+00:00"),
        ("yyyy-MM-ddzzz", "2024-05-01-14:00", "2024-05-01 14:00:00+00:00"),
        ("yyyy-MM-ddzzz", "0001-01-01+02:00", "0001-01-01 22:00:00+00:00"),
    ]);
    refuses(&[
        ("HH:mm z", "08:30 Z"),
        ("HH:mm zzz", "08:30 Z"),
        ("HH:mm zzz", "08:30 +02"),
        ("HH:mm zz", "08:30 +2"),
        ("HH:mm zzz", "08:30 02:00"),
        ("HH:mm zzz", "08:30 +02:60"),
        ("HH:mm zzz", "08:30 +14:01"),
        ("HH:mm zzz", "08:30 -15:00"),
        ("HH:mmK", "08:30z"),
        ("HH:mmZ", "08:30"),
        ("HH:mmZ", "08:30+00:00"),
        ("HH:mmZ", "08:30Zulu"),
        ("HH:mm GMT", "08:30 gmt"),
        ("HH:mmZzzz", "08:30Z+02:00"),
        ("yyyy-MM-dd HH:mmzzz", "9999-12-31 23:00-02:00"),
    ]);
}

#[test]
fn literals() {
    reads(&[
        ("yyyy-MM-ddTHH:mm", "2024-05-01T08:30", "2024-05-01 08:30:00"),
        ("yyyy'year'MM\"month\"", "2024year05month", "2024-05-01"),
        ("yyyy\\dMM", "2024d05", "2024-05-01"),
        ("yyyy''MM", "202405", "2024-05-01"),
        ("yyyy%M", "20245", "2024-05-01"),
        ("%M/yyyy", "5/2024", "2024-05-01"),
        ("yyyy年M月d日", "2024年5月1日", "2024-05-01"),
        ("yyyyMMddHHmmss.0Z", "20150123105347.0Z", "2015-01-23 10:53:47Z"),
        ("yyyy/yyyy", "2024/2024", "2024-01-01"),
        ("d dd/M/yyyy", "1 01/5/2024", "2024-05-01"),
        ("MM yyyyMMM", "05 2024May", "2024-05-01"),
    ]);
    refuses(&[
        ("yyyy-MM-ddTHH:mm", "2024-05-01t08:30"),
        ("yyyy/MM/dd", "2024-05-01"),
        ("HH:mm", "08.30"),
        ("YYYY-MM-dd", "2024-05-01"),
        ("yyyy/yyyy", "2024/2023"),
        ("d dd/M/yyyy", "1 02/5/2024"),
        ("yyyy-MM-dd", "2024-05-01x"),
        ("yyyy-MM-dd", ""),
        ("yyyy-MM-dd", "  "),
    ]);
}

#[test]
fn missing_parts() {
    reads(&[
        ("yyyy", "2024", "2024-01-01"),
        ("MM/yyyy", "05/2024", "2024-05-01"),
        ("dd yyyy", "07 2024", "2024-01-07"),
        ("dd.MM.", "07.02.", "2023-02-07"),
        ("MMMM", "May", "2023-05-01"),
        ("dd", "07", "2023-01-07"),
        ("HH:mm", "08:30", "2023-06-15 08:30:00"),
        ("yyyy-mm-dd", "2024-05-01", "2024-01-01 00:05:00"),
    ]);
    refuses(&[("dd.MM.", "29.02.")]);
}

#[test]
fn white_space_and_styles() {
    let styles = |names: &str| Styles::parse(names).unwrap();
    let date = "yyyy-MM-dd";
    reads(&[
        (date, "\t 2024-05-01\u{a0}\r\n", "2024-05-01"),
        (" yyyy-MM-dd ", "2024-05-01", "2024-05-01"),
        ("' at 'yyyy", "at 2024", "2024-01-01"),
        ("yyyy' at '", "2024 at", "2024-01-01"),
        ("yyyy-MM-dd HH:mm", "2024-05-0108:30", "2024-05-01 08:30:00"),
    ]);
    refuses(&[(date, "2024 -05-01"), ("yyyy-MM-dd HH:mm", "2024-05-01  08:30"), (date, "2024-05- 01")]);
    for (names, text, fits) in [
        ("None", "2024-05-01", true),
        ("None", " 2024-05-01", false),
        ("None", "2024-05-01 ", false),
        ("AllowLeadingWhite", " 2024-05-01", true),
        ("AllowLeadingWhite", "2024-05-01 ", false),
        ("AllowTrailingWhite", "2024-05-01 ", true),
        ("AllowTrailingWhite", " 2024-05-01", false),
        ("AllowInnerWhite", "2024 - 05 - 01", true),
        ("AllowInnerWhite", "2024-05-01 ", false),
        ("AllowWhiteSpaces", "  2024 -05- 01 ", true),
        ("AllowWhiteSpaces", "2024-0 5-01", false),
        ("RoundtripKind", " 2024-05-01", false),
    ] {
        assert_eq!(read_with(date, text, styles(names)).is_ok(), fits, "{names} {text}");
    }
    let minutes = "yyyy-MM-dd HH:mm";
    assert!(read_with(minutes, "2024-05-01   08:30", styles("AllowInnerWhite")).is_ok());
    assert!(read_with(minutes, "2024-05-0108:30", styles("AllowInnerWhite")).is_ok());
    assert!(read_with(minutes, "2024-05-0108:30", styles("None")).is_err());
    assert!(read_with("yyyy' de 'MM", "2024de  05", styles("AllowInnerWhite")).is_ok());
}

#[test]
fn styles_and_kinds() {
    for (names, text, wanted) in [
        ("None", "08:30Z", "2023-06-15 08:30:00+00:00"),
        ("None", "08:30", "2023-06-15 08:30:00"),
        ("AdjustToUniversal", "08:30+02:00", "2023-06-15 06:30:00Z"),
        ("AdjustToUniversal", "08:30", "2023-06-15 08:30:00"),
        ("AssumeUniversal", "08:30", "2023-06-15 08:30:00+00:00"),
        ("AssumeLocal", "08:30", "2023-06-15 08:30:00+00:00"),
        ("AssumeUniversal,AdjustToUniversal", "08:30", "2023-06-15 08:30:00Z"),
        ("RoundtripKind", "08:30+02:00", "2023-06-15 06:30:00+00:00"),
        ("RoundtripKind", "08:30+00:00", "2023-06-15 08:30:00+00:00"),
        ("NoCurrentDateDefault", "08:30", "0001-01-01 08:30:00"),
    ] {
        assert_eq!(read_with("HH:mmK", text, Styles::parse(names).unwrap()).as_deref(), Ok(wanted), "{names} {text}");
    }
}

#[test]
fn standard_formats_read_back() {
    reads(&[
        ("o", "2024-05-01T08:30:00.1234567Z", "2024-05-01 08:30:00.1234567Z"),
        ("O", "2024-05-01T08:30:00.1234567", "2024-05-01 08:30:00.1234567"),
        ("s", "2024-05-01T08:30:00", "2024-05-01 08:30:00"),
        ("u", "2024-05-01 08:30:00Z", "2024-05-01 08:30:00"),
        ("R", "Wed, 01 May 2024 08:30:00 GMT", "2024-05-01 08:30:00"),
    ]);
    refuses(&[("o", "2024-05-01T08:30:00Z"), ("s", "2024-05-01"), ("R", "Thu, 01 May 2024 08:30:00 GMT")]);
}

#[test]
fn messages_name_the_text_and_the_reason() {
    let error = |format: &str, text: &str| {
        let error = ReadFormat::compile(format).unwrap().read(text, &Styles::DEFAULT, now()).unwrap_err();
        (error.message, error.help.unwrap_or_default())
    };
    assert_eq!(error("yyyy-MM-dd", "2023-02-29").0, "\"2023-02-29\" is not a date: February 2023 has 28 days");
    let (message, help) = error("M/d/yyyy hh:mm:ss tt", "1/2/2024 7:00:00 AM");
    assert!(message.ends_with("\"hh\" wants 2 digits at \"7:00:00 AM\""), "{message}");
    assert_eq!(help, "a single \"h\" reads one or two digits");
    assert!(error("ss.fff", "09.12").1.contains("FFF"));
    assert!(error("yyyy", &"é".repeat(500)).0.len() < 600);
}

fn cdate(text: &str) -> Result<String, String> {
    parse_any(text, None).map(print_general).map_err(|error| error.message)
}

#[test]
fn free_text_dates() {
    for (text, wanted) in [
        ("2024-05-01", "5/1/2024 12:00:00 AM"),
        ("2024-5-1", "5/1/2024 12:00:00 AM"),
        ("2024/5/1", "5/1/2024 12:00:00 AM"),
        ("5/1/2024", "5/1/2024 12:00:00 AM"),
        ("05-01-2024", "5/1/2024 12:00:00 AM"),
        ("5.1.2024", "5/1/2024 12:00:00 AM"),
        ("5/1/24", "5/1/2024 12:00:00 AM"),
        ("5/1/49", "5/1/2049 12:00:00 AM"),
        ("5/1/50", "5/1/1950 12:00:00 AM"),
        ("1-2-3", "1/2/2003 12:00:00 AM"),
        ("1/1/0001 12:00:00 AM", "1/1/0001 12:00:00 AM"),
        ("May 1, 2024", "5/1/2024 12:00:00 AM"),
        ("may 1 2024", "5/1/2024 12:00:00 AM"),
        ("1 May 2024", "5/1/2024 12:00:00 AM"),
        ("1-May-2024", "5/1/2024 12:00:00 AM"),
        ("01-MAY-24", "5/1/2024 12:00:00 AM"),
        ("1May2024", "5/1/2024 12:00:00 AM"),
        ("2024 May 1", "5/1/2024 12:00:00 AM"),
        ("September 30, 2024", "9/30/2024 12:00:00 AM"),
        ("Wednesday, May 1, 2024", "5/1/2024 12:00:00 AM"),
        ("May 2024", "5/1/2024 12:00:00 AM"),
        ("2024-05", "5/1/2024 12:00:00 AM"),
        ("5/2024", "5/1/2024 12:00:00 AM"),
        ("Wed, 01 May 2024 08:30:00 GMT", "5/1/2024 8:30:00 AM"),
        ("01 May 2024 08:30:00 +0200", "5/1/2024 6:30:00 AM"),
    ] {
        assert_eq!(cdate(text).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn free_text_times_and_zones() {
    for (text, wanted) in [
        ("2024-05-01T08:30", "5/1/2024 8:30:00 AM"),
        ("2024-05-01t08:30:09", "5/1/2024 8:30:09 AM"),
        ("2024-05-01T08:30:00.5Z", "5/1/2024 8:30:00 AM"),
        ("2024-05-01T08:30:00.123456789Z", "5/1/2024 8:30:00 AM"),
        ("2024-05-01T08:30:00.99999999Z", "5/1/2024 8:30:01 AM"),
        ("2024-05-01T08:30:00,5Z", "5/1/2024 8:30:00 AM"),
        ("2024-05-01T08:30Z", "5/1/2024 8:30:00 AM"),
        ("2024-05-01T08:30:00 +02:00", "5/1/2024 6:30:00 AM"),
        ("2024-05-01T08:30:00+14:00", "4/30/2024 6:30:00 PM"),
        ("2024/05/01T08:30:00", "5/1/2024 8:30:00 AM"),
        ("2024-05-01 8:30", "5/1/2024 8:30:00 AM"),
        ("2024-05-01 08:30:00-07", "5/1/2024 3:30:00 PM"),
        ("2024-05-01 08:30:00 -7:30", "5/1/2024 4:00:00 PM"),
        ("2024-05-01 08:30:00.25 -0700", "5/1/2024 3:30:00 PM"),
        ("2024-05-01Z", "5/1/2024 12:00:00 AM"),
        ("2024-05-01 Z", "5/1/2024 12:00:00 AM"),
        ("2024-05-01+0530", "4/30/2024 6:30:00 PM"),
        ("2024-05-01-08:00", "5/1/2024 8:00:00 AM"),
        ("5/1/2024 8:30 pm", "5/1/2024 8:30:00 PM"),
        ("5/1/2024 8:30PM", "5/1/2024 8:30:00 PM"),
        ("5/1/2024 12:30 AM", "5/1/2024 12:30:00 AM"),
        ("5/1/2024 0:30 PM", "5/1/2024 12:30:00 PM"),
        ("5/1/2024 20:30 PM", "5/1/2024 8:30:00 PM"),
        ("5/1/2024 8 PM", "5/1/2024 8:00:00 PM"),
        ("8:30 5/1/2024", "5/1/2024 8:30:00 AM"),
        ("May 1, 2024 8:30 AM", "5/1/2024 8:30:00 AM"),
        ("\u{a0}2024-05-01\t", "5/1/2024 12:00:00 AM"),
    ] {
        assert_eq!(cdate(text).as_deref(), Ok(wanted), "{text}");
    }
    assert_eq!(parse_any("2024-05-01", None).unwrap().kind(), Kind::Utc);
    let fraction = parse_any("2024-05-01T08:30:00.1234567", None).unwrap().fraction();
    assert_eq!(fraction, 1_234_567);
}

#[test]
fn free_text_refused() {
    for text in [
        "",
        " ",
        "not a date",
        "13/1/2024",
        "31.12.2024",
        "20240501",
        "20240501T083000Z",
        "20150123105347.0Z",
        "2024-W18",
        "2024-W18-3",
        "2024-122",
        "2024-05-01T24:00:00",
        "2024-05-01T08:60",
        "2024-05-01T08:30:60",
        "2024-05-01T8:30",
        "2024-05-01T08",
        "2024-05-01T08:30 AM",
        "2024-05-01T08:30:00 PST",
        "2024-05-01 08:30 CET",
        "2024-05-01 08:30 UTC",
        "2024-05-01 25:00",
        "2024-05-01 13:00 AM",
        "2024-05-01T08:30:00+14:01",
        "2024-05-01T08:30:00Z+02:00",
        "2024-05-01 08:30 GMT+2",
        "9999-12-31T23:00:00-02:00",
        "Thu, 01 May 2024",
        "1 Mai 2024",
        "1 Sept 2024",
        "2023-02-29",
        "2024-00-10",
        "0000-01-01",
        "10000-01-01",
        "2024-05-01-",
        "2024-05-01 2024-05-01",
        "8:30 9:30 5/1/2024",
        "5/1/2024 AM",
        "2024",
        "45000",
        "Monday",
        "May",
        "May 1",
        "1 May",
        "8:30",
        "5/1",
        "2024-05-01\0",
        "#2024-05-01#",
        "now",
    ] {
        assert!(cdate(text).is_err(), "{text}: {:?}", cdate(text));
    }
    let today = parse_any("2023-06-15", None).unwrap();
    let with_today = |text| print_general(parse_any(text, Some(today)).unwrap());
    assert_eq!(with_today("8:30 PM"), "6/15/2023 8:30:00 PM");
    assert_eq!(with_today("May 1"), "5/1/2023 12:00:00 AM");
    assert_eq!(with_today("5/1 8:30"), "5/1/2023 8:30:00 AM");
    assert!(parse_any("31.12.2024", None).unwrap_err().help.unwrap().contains("d.M.yyyy"));
}

/// A small generator of random numbers, so that the loops below repeat exactly.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn text(&mut self, parts: &[&str], most: usize) -> String {
        (0..self.roll(most)).map(|_| parts[self.roll(parts.len())]).collect()
    }
}

#[test]
fn no_text_makes_it_panic() {
    const FORMAT: [&str; 34] = [
        "y", "yy", "yyyy", "M", "MM", "MMM", "d", "dd", "ddd", "dddd", "H", "HH", "h", "m", "s", "f", "FFF", ".", "t",
        "tt", "z", "zzz", "K", "Z", "GMT", "'", "\"", "\\", "%", " ", "/", "T", "é", "👍",
    ];
    const TEXT: [&str; 33] = [
        "2024",
        "05",
        "1",
        "9999",
        "0001",
        "-",
        "/",
        ":",
        ".",
        ",",
        " ",
        "T",
        "Z",
        "+",
        "02:00",
        "14",
        "AM",
        "PM",
        "May",
        "September",
        "Wed",
        "GMT",
        "12",
        "99999999999999",
        "é",
        "👍",
        "\u{a0}",
        "t",
        "'",
        "0",
        "8:30",
        "#",
        "\0",
    ];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut read = 0;
    for _ in 0..20_000 {
        let (format, text) = (dice.text(&FORMAT, 9), dice.text(&TEXT, 9));
        if let Ok(moment) = parse_any(&text, Some(now())) {
            read += 1;
            let printed = print_general(moment);
            assert_eq!(cdate(&printed), Ok(printed));
        }
        let _ = parse_any(&format, None);
        let styles = [Styles::DEFAULT, Styles::UNIVERSAL, Styles::parse("None").unwrap()][dice.roll(3)];
        if let Ok(format) = ReadFormat::compile(&format) {
            let _ = format.read(&text, &styles, now());
        }
        if let Ok(print) = PrintFormat::compile(&format) {
            let mut out = String::new();
            print.print(now(), &mut out).unwrap();
            if let Ok(format) = ReadFormat::compile(&format) {
                let _ = format.read(&out, &styles, now());
            }
        }
        let _ = Styles::parse(&text);
    }
    assert!(read > 150, "{read}");
}
