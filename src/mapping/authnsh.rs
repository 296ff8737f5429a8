//! The authn.sh form of a mapping, made into a mapping file.
//!
//! ```json
//! { "mapping": { "groups[0].displayName": "{{ value | downcase }}.organization_role", "userName": "email_address" } }
//! ```
//!
//! A key is the source's path, which `value` holds; the value is a Liquid template with the target's path behind it, or the
//! target's path alone.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::quote::{one_line, toml_key, toml_text};
use crate::text::shorten;

/// What came of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// The mapping file.
    pub text: String,
    /// What the person should know: conflicts and how they were resolved.
    pub notes: Vec<String>,
}

/// One line of the form.
struct Entry<'j> {
    source: &'j str,
    /// `None` for the value as it is.
    template: Option<&'j str>,
    target: &'j str,
}

/// Makes a mapping file of users called `name` of the form's JSON; the error says what cannot be read and where.
pub fn import(name: &str, json: &Json) -> Result<Imported, String> {
    import_for(name, "User", json)
}

/// As [`import`], of another resource type.
pub fn import_for(name: &str, resource: &str, json: &Json) -> Result<Imported, String> {
    let Json::Object(fields) = json.get("mapping").unwrap_or(json) else {
        return Err("the file has no object \"mapping\" of source paths and targets".into());
    };
    let entries = entries(fields)?;
    let mut imported = Imported::default();
    let mut rules: Vec<(&str, Vec<&Entry<'_>>)> = Vec::new();
    for entry in &entries {
        match rules.iter_mut().find(|(target, _)| *target == entry.target) {
            Some((_, sources)) => sources.push(entry),
            None => rules.push((entry.target, vec![entry])),
        }
    }
    let out = &mut imported.text;
    let _ = write!(
        out,
        "# Imported from the authn.sh form.\n\nname     = {}\nresource = \"{resource}\"\n\n[target]\nkind = \"json\"\n\n[attributes]\n",
        toml_text(name)
    );
    for (target, sources) in &rules {
        let [first, others @ ..] = sources.as_slice() else { continue };
        let direct = sources.iter().all(|entry| entry.template.is_none());
        if !others.is_empty() {
            let all: Vec<String> = sources.iter().map(|entry| format!("`{}`", shorten(entry.source))).collect();
            let how = if direct {
                "the first that has a value is taken"
            } else {
                "the first written is taken, the others are left out"
            };
            imported.notes.push(format!("`{}` has several sources: {}; {how}", shorten(target), all.join(", ")));
            let _ = writeln!(out, "# Several sources, in the order of the form; {how}.");
            for entry in others.iter().filter(|_| !direct) {
                let _ = writeln!(
                    out,
                    "#   {}",
                    one_line(&format!("{}: {}", entry.source, entry.template.unwrap_or("(as it is)")))
                );
            }
        }
        let key = toml_key(target);
        let _ = match first.template {
            None if others.is_empty() => writeln!(out, "{key} = {}", toml_text(&format!("[{}]", first.source))),
            None if direct => {
                writeln!(out, "{key} = {}", toml_text(&first_of(sources)))
            }
            None => writeln!(out, "{key} = {}", toml_text(&format!("[{}]", first.source))),
            Some(template) => {
                writeln!(out, "{key} = {{ liquid = {}, value = {} }}", toml_text(template), toml_text(first.source))
            }
        };
    }
    Ok(imported)
}

/// The first source that has a value: `Coalesce` would stop at an empty text.
fn first_of(sources: &[&Entry<'_>]) -> String {
    match sources {
        [] => String::new(),
        [last] => format!("[{}]", last.source),
        [first, rest @ ..] => format!("IIF(IsNullOrEmpty([{0}]), {1}, [{0}])", first.source, first_of(rest)),
    }
}

fn entries(fields: &Map<String, Json>) -> Result<Vec<Entry<'_>>, String> {
    let mut entries = Vec::new();
    for (source, value) in fields {
        let at = || format!("{:?}", shorten(source));
        let Json::String(text) = value else {
            return Err(format!("{}: the target is to be a text such as \"email_address\"", at()));
        };
        if source.trim().is_empty() {
            return Err("a source path is empty".into());
        }
        if source.contains(['[', ']']) && source.matches('[').count() != source.matches(']').count() {
            return Err(format!("{}: a bracket of the source path is not closed", at()));
        }
        let entry = match text.rfind("}}") {
            None => Entry { source, template: None, target: text.trim() },
            Some(end) => {
                let (template, rest) = text.split_at_checked(end + 2).unwrap_or((text, ""));
                let target = rest.trim().strip_prefix('.').ok_or_else(|| {
                    format!("{}: behind the template stands the target, as in \"{{{{ value }}}}.email_address\"", at())
                })?;
                Entry { source, template: Some(template.trim()), target }
            }
        };
        if entry.target.is_empty() {
            return Err(format!("{}: the target is empty", at()));
        }
        entries.push(entry);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> String {
        import("m", &serde_json::from_str(json).unwrap()).map_or_else(|error| error, |imported| imported.text)
    }

    #[test]
    fn templates_keep_their_source_as_value() {
        let made = text(
            r#"{"mapping": {"groups[0].displayName": "{{ value | replace: \"a'b\", \"c\" }}.organization_role"}}"#,
        );
        assert!(made.contains(r#"organization_role = { liquid = "{{ value | replace: \"a'b\", \"c\" }}", value = 'groups[0].displayName' }"#), "{made}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (json, part) in [
            ("[]", "no object"),
            (r#"{"mapping": {"a": 1}}"#, "\"a\": the target is to be a text"),
            (r#"{"mapping": {"a": "{{ value }}"}}"#, "behind the template stands the target"),
            (r#"{"mapping": {"a[": "b"}}"#, "not closed"),
            (r#"{"mapping": {"a": " "}}"#, "the target is empty"),
        ] {
            assert!(text(json).contains(part), "{json}: {}", text(json));
        }
    }
}
