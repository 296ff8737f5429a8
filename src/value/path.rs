//! [`AttributePath`]: how `[name.givenName]` or `[emails[primary eq true].value]` finds its value in a record.
//!
//! The name as written is tried first, so an attribute whose own name has a dot is never shadowed; the parts follow.

use super::Value;

/// One step down into a complex or multi-valued attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into the attribute of that name.
    Key(Box<str>),
    /// To the value at an index, from 0.
    Index(usize),
    /// To the first value whose sub-attributes equal these texts.
    Where(Vec<(Box<str>, Box<str>)>),
}

/// A top-level attribute and the steps from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePath {
    /// The top-level attribute's name.
    pub root: Box<str>,
    /// The steps below it; none for a plain attribute.
    pub steps: Vec<Step>,
}

impl AttributePath {
    /// Every reading of `name`, the likeliest first: the name as it stands, then (for a schema URN) the URN and the
    /// attribute behind it, or the parts between the dots.
    pub fn readings(name: &str) -> Vec<AttributePath> {
        let mut readings = vec![AttributePath { root: name.into(), steps: Vec::new() }];
        if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
            if let Some((urn, rest)) = name.rsplit_once(':') {
                readings.extend(Self::below(urn, rest));
                // The old form with a dot behind the schema's last word: `…:2.0:User.department`.
                if let Some((word, below)) = rest.split_once('.') {
                    readings.extend(Self::below(&format!("{urn}:{word}"), below));
                }
            }
        } else if let Some(steps) = parse_steps(name)
            && let [Step::Key(root), rest @ ..] = steps.as_slice()
            && !rest.is_empty()
        {
            readings.push(AttributePath { root: root.clone(), steps: rest.to_vec() });
        }
        readings
    }

    fn below(root: &str, rest: &str) -> Option<AttributePath> {
        parse_steps(rest).map(|steps| AttributePath { root: root.into(), steps })
    }

    /// The value at the end of the steps, from the root's value.
    pub fn descend<'a>(&self, root: Value<'a>) -> Value<'a> {
        self.steps.iter().fold(root, |value, step| match (step, value) {
            (Step::Key(key), Value::Object(fields)) => {
                fields.iter().find(|(name, _)| **name == **key).map_or(Value::Absent, |(_, value)| *value)
            }
            (Step::Index(index), Value::List(items)) => items.get(*index).copied().unwrap_or_default(),
            (Step::Where(tests), Value::List(items)) => {
                items.iter().copied().find(|item| holds(*item, tests)).unwrap_or_default()
            }
            _ => Value::Absent,
        })
    }
}

fn holds(item: Value<'_>, tests: &[(Box<str>, Box<str>)]) -> bool {
    let Value::Object(fields) = item else { return false };
    tests.iter().all(|(key, wanted)| {
        fields.iter().find(|(name, _)| **name == **key).is_some_and(|(_, value)| match value {
            Value::Text(text) => text.eq_ignore_ascii_case(wanted),
            Value::Bool(flag) => wanted.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
            Value::Integer(number) => number.to_string() == **wanted,
            _ => false,
        })
    })
}

/// `a.b[0].c[type eq "work" and primary eq true].d`; `None` when the text is not of that form.
fn parse_steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, after) = rest.split_at_checked(end)?;
        if key.trim().is_empty() {
            return None;
        }
        steps.push(Step::Key(key.trim().into()));
        rest = after;
        while let Some(inside) = rest.strip_prefix('[') {
            let close = inside.find(']')?;
            let (selector, after) = inside.split_at_checked(close)?;
            steps.push(parse_selector(selector.trim())?);
            rest = after.get(1..)?;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(steps),
            None => return None,
        }
    }
}

fn parse_selector(text: &str) -> Option<Step> {
    if let Ok(index) = text.parse::<usize>() {
        return Some(Step::Index(index));
    }
    text.split(" and ")
        .map(|test| {
            let (key, value) = test.split_once(" eq ")?;
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            Some((key.trim().into(), value.into()))
        })
        .collect::<Option<Vec<_>>>()
        .map(Step::Where)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_itself_is_tried_first() {
        let readings = AttributePath::readings("name.givenName");
        assert_eq!(&*readings[0].root, "name.givenName");
        assert_eq!((&*readings[1].root, readings[1].steps.as_slice()), ("name", &[Step::Key("givenName".into())][..]));
    }

    #[test]
    fn a_urn_ends_at_its_last_colon_or_at_the_dot_behind_it() {
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        for text in [format!("{urn}:department"), format!("{urn}.department")] {
            let readings = AttributePath::readings(&text);
            assert!(readings.iter().any(|r| *r.root == *urn && r.steps == [Step::Key("department".into())]), "{text}");
        }
    }

    #[test]
    fn selectors_choose_an_element() {
        let work = [("type", Value::Text("work")), ("value", Value::Text("w@x"))];
        let home = [("primary", Value::Bool(true)), ("value", Value::Text("h@x"))];
        let list = [Value::Object(&work), Value::Object(&home)];
        for (text, wanted) in [
            ("emails[type eq \"work\"].value", "w@x"),
            ("emails[primary eq true].value", "h@x"),
            ("emails[1].value", "h@x"),
        ] {
            let reading = AttributePath::readings(text).pop().unwrap();
            assert_eq!(reading.descend(Value::List(&list)), Value::Text(wanted), "{text}");
        }
    }

    #[test]
    fn other_texts_are_plain_names() {
        for text in ["a..b", "a[", "a[]", ".a", "a]b[", "", "é"] {
            assert_eq!(AttributePath::readings(text).len(), 1, "{text}");
        }
    }
}
