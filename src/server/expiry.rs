//! Until when a certificate is good: the one field of X.509 (RFC 5280, section 4.1.2.5) that the server tells its operator.

use crate::clock::Millis;
use crate::scim::compare::Timestamp;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, which holds the version.
const VERSION: u8 = 0xA0;

/// The end of a certificate in DER, in milliseconds since 1970; `None` when it does not read as a certificate.
pub(super) fn not_after(der: &[u8]) -> Option<Millis> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    if *rest.first()? == VERSION {
        (_, _, rest) = element(rest)?;
    }
    // The serial number, the algorithm, the issuer.
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (tag, validity, _) = element(rest)?;
    let (_, _, after) = element(validity).filter(|_| tag == SEQUENCE)?;
    let (tag, time, _) = element(after)?;
    millis(tag, std::str::from_utf8(time).ok()?)
}

/// The first element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // Four bytes of length are more than any certificate has.
        let count = usize::from(first & 0x7F);
        let (digits, rest) = rest.split_at_checked(count).filter(|_| (1..=4).contains(&count))?;
        (digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ`, whose years are 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn millis(tag: u8, text: &str) -> Option<Millis> {
    let (year, rest) = match tag {
        UTC_TIME => {
            let (short, rest) = text.split_at_checked(2)?;
            (format!("{}{short}", if short < "50" { "20" } else { "19" }), rest)
        }
        GENERALIZED_TIME => text.split_at_checked(4).map(|(year, rest)| (year.to_owned(), rest))?,
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2);
    let iso = format!("{year}-{}-{}T{}:{}:{}Z", part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    u64::try_from(Timestamp::parse(&iso)?.seconds).ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_read_in_both_forms() {
        for (date, millis) in [((2030, 1, 2), 1_893_542_400_000), ((2100, 1, 1), 4_102_444_800_000)] {
            let mut parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(date.0, date.1, date.2);
            let key = rcgen::KeyPair::generate().unwrap();
            let made = parameters.self_signed(&key).unwrap();
            assert_eq!(not_after(made.der()), Some(millis), "{date:?}");
            for end in 0..made.der().len().min(200) {
                assert_eq!(not_after(&made.der()[..end]), None, "cut at {end}");
            }
        }
        assert_eq!(not_after(b"\x30\x84\xff\xff\xff\xff"), None);
    }
}
