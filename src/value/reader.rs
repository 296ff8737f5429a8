//! [`RecordReader`]: a JSON object to the slots of a [`Layout`], reading only what programs read.
//!
//! Attributes that nothing reads are skipped, not stored. Texts without escapes are borrowed from the line. Records of
//! one source list their attributes in one order, so each key is first compared with the one that followed last
//! time; only a key that breaks the order is looked up. `scan.rs` reads what records mostly are; the rest, and whatever is no
//! record, goes through `serde_json`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::scan::Scan;
use super::{Arena, Layout, MAX_LIST, Slot, Value};

/// Why a record could not be read.
#[derive(Debug)]
pub struct ReadError {
    /// What is wrong, without the position.
    pub message: String,
    /// Where in the text, in bytes from 0, when known.
    pub offset: Option<usize>,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

/// The most keys whose order is remembered; a record with thousands of keys is no model for the next one.
const MAX_ORDER: usize = 512;
/// How many keys may be missing in a row before the order is looked up anew.
const LOOK_AHEAD: usize = 4;

/// Reads records for one [`Layout`]; remembers the order of their keys. One per thread.
#[derive(Debug, Clone, Default)]
pub struct RecordReader {
    /// Every key met that has no escapes, in the order of the records.
    order: Vec<Known>,
}

/// A key met before.
#[derive(Debug, Clone)]
struct Known {
    /// The key as it is written, with the quote and the colon behind it.
    written: Box<str>,
    /// Where its value goes, if it is read.
    slot: Option<Slot>,
}

impl Known {
    fn key(&self) -> &str {
        self.written.strip_suffix("\":").unwrap_or_default()
    }
}

impl RecordReader {
    /// A reader that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The slots of one record given as a JSON object.
    pub fn read<'a>(&mut self, layout: &Layout, text: &'a str, arena: &'a Arena) -> Result<&'a [Value<'a>], ReadError> {
        let slots = arena.filled(layout.len(), Value::Absent);
        if layout.find_whole().is_none() {
            if Scan::new(text).record(self, layout, slots, arena).is_some() {
                layout.derive(slots);
                return Ok(slots);
            }
            slots.fill(Value::Absent);
        }
        self.read_by_serde(layout, text, slots, arena)
    }

    /// The long way, which has an answer for everything.
    fn read_by_serde<'a>(
        &mut self,
        layout: &Layout,
        text: &'a str,
        slots: &'a mut [Value<'a>],
        arena: &'a Arena,
    ) -> Result<&'a [Value<'a>], ReadError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        RecordSeed { reader: self, layout, arena, slots }
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .map_err(|error| read_error(text, &error))?;
        layout.derive(slots);
        Ok(slots)
    }

    /// The slot of the key that `text` begins with, and its length with the quote and the colon behind it, when it is the next
    /// of the order or comes a little further on; moves the cursor behind it.
    #[inline]
    pub(super) fn expected(&self, cursor: &mut usize, text: &[u8]) -> Option<(Option<Slot>, usize)> {
        let ahead = self.order.get(*cursor..)?.iter().take(LOOK_AHEAD);
        let (skipped, known) = ahead.enumerate().find(|(_, known)| text.starts_with(known.written.as_bytes()))?;
        *cursor += skipped + 1;
        Some((known.slot, known.written.len()))
    }

    /// The slot of `key`, expected at `cursor` of the order or a little further on; moves the cursor behind it.
    pub(super) fn slot(&mut self, layout: &Layout, cursor: &mut usize, key: &str) -> Option<Slot> {
        for ahead in *cursor..*cursor + LOOK_AHEAD {
            match self.order.get(ahead) {
                Some(known) if known.key() == key => {
                    *cursor = ahead + 1;
                    return known.slot;
                }
                Some(_) => {}
                None => break,
            }
        }
        let slot = layout.find(key);
        if let Some(known) = self.order.iter().position(|known| known.key() == key) {
            *cursor = known + 1;
        } else if self.order.len() < MAX_ORDER && !key.contains(|c: char| c < ' ' || c == '"' || c == '\\') {
            let written = [key, "\":"].concat().into();
            self.order.insert((*cursor).min(self.order.len()), Known { written, slot });
            *cursor += 1;
        }
        slot
    }
}

/// A number, as the long way reads it; `None` when it is none.
pub(super) fn number<'a>(written: &'a str, arena: &'a Arena) -> Option<Value<'a>> {
    let mut deserializer = serde_json::Deserializer::from_str(written);
    let value = ValueSeed { arena }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok().map(|()| value)
}

fn read_error(text: &str, error: &serde_json::Error) -> ReadError {
    let message = error.to_string();
    // serde_json ends its message with the position; the caller knows a better one.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned();
    let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let offset = (error.line() > 0).then(|| (line_start + error.column().saturating_sub(1)).min(text.len()));
    ReadError { message, offset }
}

struct RecordSeed<'r, 'a> {
    reader: &'r mut RecordReader,
    layout: &'r Layout,
    arena: &'a Arena,
    slots: &'r mut [Value<'a>],
}

impl<'a> DeserializeSeed<'a> for RecordSeed<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for RecordSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record: a JSON object such as {\"mail\": \"ada@contoso.com\"}")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        if let Some(whole) = self.layout.find_whole() {
            return self.read_whole(whole, map);
        }
        let mut cursor = 0;
        while let Some(slot) =
            map.next_key_seed(KeySeed { reader: self.reader, layout: self.layout, cursor: &mut cursor })?
        {
            match slot.and_then(|slot| self.slots.get_mut(slot.index())) {
                Some(value) => *value = map.next_value_seed(ValueSeed { arena: self.arena })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> RecordSeed<'_, 'a> {
    /// Keeps every attribute, for programs that choose one while they run.
    fn read_whole<A: MapAccess<'a>>(self, whole: Slot, map: A) -> Result<(), A::Error> {
        let record = ValueSeed { arena: self.arena }.visit_map(map)?;
        if let Value::Object(fields) = record {
            for (key, value) in fields {
                if let Some(place) = self.layout.find(key).and_then(|slot| self.slots.get_mut(slot.index())) {
                    *place = *value;
                }
            }
        }
        if let Some(place) = self.slots.get_mut(whole.index()) {
            *place = record;
        }
        Ok(())
    }
}

struct KeySeed<'r> {
    reader: &'r mut RecordReader,
    layout: &'r Layout,
    cursor: &'r mut usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<Slot>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<Slot>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.reader.slot(self.layout, self.cursor, key))
    }
}

#[derive(Clone, Copy)]
struct ValueSeed<'a> {
    arena: &'a Arena,
}

impl<'a> DeserializeSeed<'a> for ValueSeed<'a> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for ValueSeed<'a> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value<'a>, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'a>, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'a>, E> {
        Ok(match i64::try_from(number) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Text(self.arena.text(&number.to_string())),
        })
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'a>, E> {
        Ok(Value::Decimal(number))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
        Ok(Value::Text(self.arena.text(text)))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Value<'a>, A::Error> {
        let mut list = self.arena.list(seq.size_hint().unwrap_or(4).min(64));
        while let Some(item) = seq.next_element_seed(self)? {
            if list.len() == MAX_LIST {
                return Err(A::Error::custom(format_args!("a list of more than {MAX_LIST} values")));
            }
            list.push(item);
        }
        Ok(Value::List(list.into_bump_slice()))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Value<'a>, A::Error> {
        let mut fields = self.arena.list(4);
        while let Some(key) = map.next_key_seed(TextSeed(self.arena))? {
            fields.push((key, map.next_value_seed(self)?));
        }
        Ok(Value::Object(fields.into_bump_slice()))
    }
}

struct TextSeed<'a>(&'a Arena);

impl<'a> DeserializeSeed<'a> for TextSeed<'a> {
    type Value = &'a str;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<&'a str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for TextSeed<'a> {
    type Value = &'a str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<&'a str, E> {
        Ok(text)
    }

    fn visit_str<E>(self, text: &str) -> Result<&'a str, E> {
        Ok(self.0.text(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout() -> Layout {
        let mut layout = Layout::default();
        for name in ["a", "b", "name.given", "list", "é"] {
            layout.slot(name);
        }
        layout
    }

    /// Both ways, the short one with an order that it knows from `before`.
    fn compare(before: &str, text: &str) -> Result<(), TestCaseError> {
        let (layout, arena, mut reader) = (layout(), Arena::new(), RecordReader::new());
        let _ = reader.read(&layout, before, &arena);
        let short = arena.filled(layout.len(), Value::Absent);
        let ended = Scan::new(text).record(&mut reader, &layout, short, &arena).is_some();
        let long = arena.filled(layout.len(), Value::Absent);
        let long = RecordReader::new().read_by_serde(&layout, text, long, &arena);
        if ended {
            layout.derive(short);
            match long {
                // By their words: values are equal too that are not the same.
                Ok(long) => prop_assert_eq!(format!("{short:?}"), format!("{long:?}")),
                Err(error) => prop_assert!(false, "the short way takes {:?}, but: {}", text, error),
            }
        }
        let read = RecordReader::new().read(&layout, text, &arena);
        let again = arena.filled(layout.len(), Value::Absent);
        match (read, RecordReader::new().read_by_serde(&layout, text, again, &arena)) {
            (Ok(read), Ok(long)) => prop_assert_eq!(format!("{read:?}"), format!("{long:?}")),
            (Err(read), Err(long)) => prop_assert_eq!(format!("{read:?}"), format!("{long:?}")),
            (read, long) => prop_assert!(false, "{:?}: {:?}, {:?}", text, read, long),
        }
        Ok(())
    }

    fn json() -> impl Strategy<Value = String> {
        let blank = proptest::sample::select(&["", "", "", " ", "\n\t"][..]);
        let text = prop_oneof![
            3 => "[a-zé花👍 ]{0,20}",
            1 => proptest::sample::select(
                &["\\n", "\\\"", "\\u00e9", "\\ud83d\\udc4d", "\\ud83d", "\\x", "\u{1}", "tail\\", "{\"a\":1}"][..],
            ).prop_map(str::to_owned),
        ];
        let key =
            proptest::sample::select(&["a", "b", "c", "name", "list", "given", "é", "\\u0061", "x\\\"y", "emails"][..]);
        let text = text.prop_map(|text| format!("\"{text}\""));
        let leaf = prop_oneof![
            4 => text,
            2 => proptest::sample::select(
                &["null", "true", "false", "nul", "0", "-0", "7", "-12", "007", "1.5", "1e3", "-", "1.", "9223372036854775807",
                  "-9223372036854775808", "18446744073709551615", "99999999999999999999", "1E400", "+1", "", "é"][..],
            ).prop_map(str::to_owned),
        ];
        let value = leaf.prop_recursive(3, 24, 4, move |inner| {
            let fields = (key.clone(), blank.clone(), inner.clone());
            let field = fields.prop_map(|(key, blank, value)| format!("{blank}\"{key}\"{blank}:{blank}{value}{blank}"));
            prop_oneof![
                1 => proptest::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                2 => proptest::collection::vec(field, 0..6).prop_map(|fields| format!("{{{}}}", fields.join(","))),
            ]
        });
        value.prop_map(|value| if value.starts_with('{') { value } else { format!("{{\"a\":{value},\"é\":1}}") })
    }

    proptest! {
        #[test]
        fn both_ways_read_the_same(before in json(), text in json()) {
            compare(&before, &text)?;
            compare(&text, &text)?;
        }

        #[test]
        fn both_ways_refuse_the_same(text in json(), cut in 0_usize..200, put in "[\\x00-\\x7f]{0,2}") {
            let cut = text.floor_char_boundary(cut.min(text.len()));
            let rest = text.get(text.ceil_char_boundary((cut + 1).min(text.len()))..).unwrap_or_default();
            compare(&text, &format!("{}{put}{rest}", text.get(..cut).unwrap_or_default()))?;
            compare(&text, text.get(..cut).unwrap_or_default())?;
        }
    }
}
