//! Numbers as .NET reads and prints them under the invariant culture.

/// Reads a whole number: blanks around it, a sign, digits, `&H` hexadecimal, and a fraction of zeros (`7.0`).
pub fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix("&H").or_else(|| text.strip_prefix("&h")) {
        return i64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with(['+', '-']));
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(number);
    }
    let (whole, fraction) = text.split_once('.')?;
    (!fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0')).then(|| whole.parse().ok()).flatten()
}

/// A number's text as .NET's `Double.ToString()` prints it: shortest digits, `1E+16` from 10^15 digits up, `1E-05` below.
pub fn decimal_text(number: f64) -> String {
    let magnitude = number.abs();
    if number.is_finite() && magnitude != 0.0 && !(1e-5..1e15).contains(&magnitude) {
        let text = format!("{number:E}");
        let (digits, exponent) = text.split_once('E').unwrap_or((text.as_str(), "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}E{sign}{:02}", exponent.abs());
    }
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_entra_expressions_write_them() {
        for (text, number) in
            [("7", Some(7)), ("-10", Some(-10)), ("&HF", Some(15)), (" 8 ", Some(8)), ("7.0", Some(7))]
        {
            assert_eq!(parse_integer(text), number, "{text}");
        }
        for text in ["", "x", "7.5", "&H", "&H-1", "1e3", "99999999999999999999"] {
            assert_eq!(parse_integer(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_print_as_dotnet_prints_them() {
        for (number, text) in
            [(1.5, "1.5"), (1e20, "1E+20"), (2.0, "2"), (1e-7, "1E-07"), (0.001, "0.001"), (-0.5, "-0.5")]
        {
            assert_eq!(decimal_text(number), text);
        }
    }
}
