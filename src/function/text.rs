//! Text functions. Positions and lengths count UTF-16 units, as .NET does.

use crate::dotnet::{casing, diacritics, utf16};
use crate::text::Code;
use crate::value::Value;

use super::{Context, Fallible, Fault};

/// `Append(source, suffix)`.
pub(super) fn append<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let source = context.text(arguments, 0)?;
    let suffix = context.text(arguments, 1)?.unwrap_or_default();
    let Some(source) = source else { return Ok(Value::Null) };
    if suffix.is_empty() {
        return Ok(Value::Text(source));
    }
    if source.is_empty() {
        return Ok(Value::Text(suffix));
    }
    let mut out = context.arena.builder(source.len() + suffix.len());
    out.push_str(source);
    out.push_str(suffix);
    context.built(out)
}

/// `Join(separator, source, …)`: null and empty sources are passed over, lists are opened.
pub(super) fn join<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let separator = context.text(arguments, 0)?.unwrap_or_default();
    let sources = arguments.get(1..).unwrap_or_default();
    let mut first = "";
    let mut out: Option<crate::value::TextBuilder<'a>> = None;
    let mut add = |piece: &'a str| -> Fallible<()> {
        if piece.is_empty() {
            return Ok(());
        }
        // One piece alone is borrowed; the first two open the builder.
        match &mut out {
            None if first.is_empty() => first = piece,
            None => {
                let mut text = context.arena.builder(first.len() + separator.len() + piece.len());
                text.push_str(first);
                text.push_str(separator);
                text.push_str(piece);
                out = Some(text);
            }
            Some(text) => {
                if text.len() > context.env.limits.output {
                    return Err(context.too_long());
                }
                text.push_str(separator);
                text.push_str(piece);
            }
        }
        Ok(())
    };
    for (index, source) in sources.iter().enumerate() {
        match source {
            Value::Text(text) => add(text)?,
            Value::List(items) => {
                for item in *items {
                    let piece = context.text_of(*item).map_err(|fault| fault.at(index + 1))?;
                    add(piece.unwrap_or_default())?;
                }
            }
            other => {
                let piece = context.text_of(*other).map_err(|fault| fault.at(index + 1))?;
                add(piece.unwrap_or_default())?;
            }
        }
    }
    match out {
        Some(text) => context.built(text),
        None => Ok(Value::Text(first)),
    }
}

/// `Left(source, count)`.
pub(super) fn left<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Text("")) };
    let count = context.number(arguments, 1)?;
    Ok(Value::Text(match usize::try_from(count) {
        Ok(count) => utf16::left(source, count),
        Err(_) => source,
    }))
}

/// `Mid(source, start, length)`.
pub(super) fn mid<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Text("")) };
    let (start, length) = (context.number(arguments, 1)?, context.number(arguments, 2)?);
    Ok(Value::Text(match (usize::try_from(start), usize::try_from(length)) {
        (Ok(start @ 1..), Ok(length)) => utf16::mid(source, start - 1, length),
        _ => source,
    }))
}

/// `Len(source)`.
pub(super) fn len<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let source = context.text(arguments, 0)?.unwrap_or_default();
    Ok(Value::Integer(utf16::len(source) as i64))
}

/// `Word(source, number, delimiters)`: every character of the delimiters separates, a run of them once.
pub(super) fn word<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Text("")) };
    let number = context.number(arguments, 1)?;
    let delimiters = context.text(arguments, 2)?.unwrap_or_default();
    let Some(index) = number.checked_sub(1).and_then(|index| usize::try_from(index).ok()) else {
        return Ok(Value::Text(""));
    };
    let mut words = source.split(|character| delimiters.contains(character)).filter(|word| !word.is_empty());
    Ok(Value::Text(words.nth(index).unwrap_or_default()))
}

/// `ToLower(source, culture?)`.
pub(super) fn to_lower<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let culture = culture(context, arguments)?;
    if culture != casing::Culture::Turkic && source.is_ascii() {
        // Every byte is looked at, and so many at once.
        if source.bytes().fold(0, |any, byte| any | u8::from(byte.is_ascii_uppercase())) == 0 {
            return Ok(Value::Text(source));
        }
        let mut out = context.arena.builder(source.len());
        out.push_str(source);
        out.make_ascii_lowercase();
        return context.built(out);
    }
    if casing::is_lower_already(source, culture) {
        return Ok(Value::Text(source));
    }
    let mut out = context.arena.builder(source.len());
    let _ = casing::lower(source, culture, &mut out);
    context.built(out)
}

/// `ToUpper(source, culture?)`.
pub(super) fn to_upper<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let culture = culture(context, arguments)?;
    if culture != casing::Culture::Turkic && source.is_ascii() {
        if source.bytes().fold(0, |any, byte| any | u8::from(byte.is_ascii_lowercase())) == 0 {
            return Ok(Value::Text(source));
        }
        let mut out = context.arena.builder(source.len());
        out.push_str(source);
        out.make_ascii_uppercase();
        return context.built(out);
    }
    if casing::is_upper_already(source, culture) {
        return Ok(Value::Text(source));
    }
    let mut out = context.arena.builder(source.len());
    let _ = casing::upper(source, culture, &mut out);
    context.built(out)
}

fn culture<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<casing::Culture> {
    match context.text(arguments, 1)? {
        None | Some("") => Ok(casing::Culture::Invariant),
        Some(name) => casing::Culture::parse(name).ok_or_else(|| {
            Fault::new(Code::BadArgument, format!("{name:?} is not the name of a culture"))
                .at(1)
                .help("write a name such as \"en-US\" or \"tr-TR\", or leave the argument out")
        }),
    }
}

/// `PCase(source, separators?)`.
pub(super) fn pcase<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let mut out = context.arena.builder(source.len());
    // Writing to the arena does not fail.
    let _ = match context.text(arguments, 1)? {
        None | Some("") => casing::title_case(source, &mut out),
        Some(separators) => casing::title_case_with(source, separators, &mut out),
    };
    context.built(out)
}

/// `NormalizeDiacritics(source)`.
pub(super) fn normalize_diacritics<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    if source.is_ascii() {
        return Ok(Value::Text(source));
    }
    let mut out = context.arena.builder(source.len() + 4);
    let _ = diacritics::strip_diacritics(source, &mut out);
    context.built(out)
}

/// `StripSpaces(source)`: U+0020 alone.
pub(super) fn strip_spaces<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    if !source.contains(' ') {
        return Ok(Value::Text(source));
    }
    let mut out = context.arena.builder(source.len());
    source.split(' ').for_each(|piece| out.push_str(piece));
    context.built(out)
}

/// `Trim(source)`: white space at both ends, of each value when there are several.
pub(super) fn trim<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    match context.argument(arguments, 0) {
        Value::List(items) if items.len() != 1 => {
            let mut list = context.arena.list(items.len());
            for item in items {
                list.push(trimmed(context, *item)?);
            }
            Ok(Value::List(list.into_bump_slice()))
        }
        single => trimmed(context, single),
    }
}

fn trimmed<'a>(context: &Context<'a>, value: Value<'a>) -> Fallible<Value<'a>> {
    let text = context.text_of(value).map_err(|fault| fault.at(0))?;
    Ok(text.map_or(Value::Null, |text| Value::Text(text.trim())))
}

/// `InStr(source, find, start?, compare?)`.
pub(super) fn in_str<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let source = context.text(arguments, 0)?.unwrap_or_default();
    let find = context.text(arguments, 1)?.unwrap_or_default();
    let start = context.integer(arguments, 2)?.unwrap_or(1);
    let Some(from) = start.checked_sub(1).and_then(|from| usize::try_from(from).ok()) else {
        return Err(Fault::new(Code::BadArgument, format!("{start} is not a position: the first one is 1")).at(2));
    };
    let ignore_case = match context.text(arguments, 3)? {
        None | Some("" | "0") => false,
        Some("1") => true,
        Some(word) if word.eq_ignore_ascii_case("vbBinaryCompare") => false,
        Some(word) if word.eq_ignore_ascii_case("vbTextCompare") => true,
        Some(word) => {
            return Err(Fault::new(Code::BadArgument, format!("{word:?} is not a way to compare"))
                .at(3)
                .help("write vbTextCompare or vbBinaryCompare"));
        }
    };
    let found = utf16::find(source, find, from, ignore_case).map_or(0, |at| at as i64 + 1);
    Ok(Value::Integer(found))
}

/// `Split(source, delimiter)`: blanks around the items go, empty items stay.
pub(super) fn split<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let Some(source) = context.text(arguments, 0)? else { return Ok(Value::Null) };
    let delimiter = context.text(arguments, 1)?.unwrap_or_default();
    let mut list = context.arena.list(4);
    if delimiter.is_empty() {
        list.push(Value::Text(source));
    } else {
        for item in source.split(delimiter) {
            context.check_list(list.len() + 1)?;
            list.push(Value::Text(item.trim_matches(' ')));
        }
        context.check_memory()?;
    }
    Ok(Value::List(list.into_bump_slice()))
}
