//! The schema's JSON as parts with names. What is not as Graph documents it is told by its path in the JSON.

use serde_json::Value as Json;

/// A place in the JSON: the value and the path to it.
#[derive(Debug, Clone)]
pub(super) struct At<'j> {
    pub(super) json: &'j Json,
    pub(super) path: String,
}

/// An object mapping and the rule it stands in.
#[derive(Debug, Clone)]
pub(super) struct ObjectMapping<'j> {
    pub(super) rule: At<'j>,
    pub(super) mapping: At<'j>,
    /// The attributes of the source object, as the schema's directory lists them.
    pub(super) source_attributes: Vec<Declared<'j>>,
    pub(super) target_attributes: Vec<Declared<'j>>,
}

/// An attribute of a directory's object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared<'j> {
    pub(super) name: &'j str,
    /// `String`, `Boolean`, `Integer`, `Reference`, `Binary`, `DateTime`.
    pub(super) kind: &'j str,
    pub(super) multi_valued: bool,
}

impl<'j> At<'j> {
    pub(super) fn root(json: &'j Json) -> Self {
        Self { json, path: String::new() }
    }

    /// A member that is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<At<'j>> {
        let json = self.json.get(key).filter(|json| !json.is_null())?;
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Some(At { json, path })
    }

    /// A text; `None` when it is not there or null.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'j str>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(at) => at.json.as_str().map(Some).ok_or_else(|| at.wrong("a text")),
        }
    }

    /// A text that is not empty.
    pub(super) fn word(&self, key: &str) -> Result<Option<&'j str>, String> {
        Ok(self.text(key)?.filter(|text| !text.is_empty()))
    }

    /// True or false; `None` when it is not there or null.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(at) => at.json.as_bool().map(Some).ok_or_else(|| at.wrong("true or false")),
        }
    }

    /// A whole number; 0 when it is not there or null.
    pub(super) fn number(&self, key: &str) -> Result<i64, String> {
        match self.get(key) {
            None => Ok(0),
            Some(at) => at.json.as_i64().ok_or_else(|| at.wrong("a whole number")),
        }
    }

    /// The elements of a list; none when it is not there or null.
    pub(super) fn list(&self, key: &str) -> Result<Vec<At<'j>>, String> {
        let Some(at) = self.get(key) else { return Ok(Vec::new()) };
        let Json::Array(items) = at.json else { return Err(at.wrong("a list")) };
        Ok(items.iter().enumerate().map(|(index, json)| At { json, path: format!("{}[{index}]", at.path) }).collect())
    }

    /// What is wrong with this value.
    pub(super) fn wrong(&self, wanted: &str) -> String {
        let kind = match self.json {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a text",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        };
        let path = if self.path.is_empty() { "the file" } else { &self.path };
        format!("{path} is to be {wanted}, this is {kind}")
    }
}

/// The schemas of a file: one, that of a template, or those of a list of templates.
pub(super) fn schemas(json: &Json) -> Result<Vec<At<'_>>, String> {
    let root = At::root(json);
    if root.get("synchronizationRules").is_some() {
        return Ok(vec![root]);
    }
    if let Some(schema) = root.get("schema") {
        return Ok(vec![schema]);
    }
    let mut found = Vec::new();
    if matches!(root.json.get("value"), Some(Json::Array(_))) {
        for item in root.list("value")? {
            found.push(item.get("schema").unwrap_or(item));
        }
        found.retain(|schema| schema.get("synchronizationRules").is_some());
    }
    if found.is_empty() {
        return Err("the file has no \"synchronizationRules\": a provisioning schema is downloaded in the portal (\"Review your schema \
                    here\") or read from Graph (…/synchronization/jobs/{id}/schema)"
            .into());
    }
    Ok(found)
}

/// The object mappings of a schema, in its order.
pub(super) fn object_mappings<'j>(schema: &At<'j>) -> Result<Vec<ObjectMapping<'j>>, String> {
    let mut found = Vec::new();
    for rule in schema.list("synchronizationRules")? {
        for mapping in rule.list("objectMappings")? {
            let directory = |key: &str, object: &str| -> Result<Vec<Declared<'j>>, String> {
                attributes(schema, rule.text(key)?.unwrap_or_default(), mapping.text(object)?.unwrap_or_default())
            };
            found.push(ObjectMapping {
                source_attributes: directory("sourceDirectoryName", "sourceObjectName")?,
                target_attributes: directory("targetDirectoryName", "targetObjectName")?,
                rule: rule.clone(),
                mapping,
            });
        }
    }
    Ok(found)
}

/// The attributes of one object of one directory. A rule without a directory's name means the only one with such an object.
fn attributes<'j>(schema: &At<'j>, directory: &str, object: &str) -> Result<Vec<Declared<'j>>, String> {
    let mut found = Vec::new();
    for at in schema.list("directories")? {
        if !directory.is_empty() && at.text("name")?.is_some_and(|name| !name.eq_ignore_ascii_case(directory)) {
            continue;
        }
        for of in at.list("objects")? {
            if !of.text("name")?.is_some_and(|name| name.eq_ignore_ascii_case(object)) {
                continue;
            }
            for attribute in of.list("attributes")? {
                let Some(name) = attribute.word("name")? else { continue };
                found.push(Declared {
                    name,
                    kind: attribute.word("type")?.unwrap_or("String"),
                    multi_valued: attribute.flag("multivalued")?.unwrap_or_default(),
                });
            }
        }
    }
    Ok(found)
}
