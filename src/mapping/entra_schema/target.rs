//! Where an object mapping writes: a SCIM resource with its extensions, or objects without a schema of ours.

use std::fmt::Write as _;

use super::super::quote::toml_key;
use super::read::{Declared, ObjectMapping};
use crate::scim::{self, AttributeType, ResourceSchema, Step, json_target, parse_path};

/// The target of a file.
#[derive(Debug)]
pub(super) struct Target {
    /// `User`, `Group`, or the object's own name.
    pub(super) resource: String,
    scim: bool,
    /// Extensions that are not the enterprise one, by URN, with the attributes that rules write.
    extensions: Vec<(String, Vec<(String, String)>)>,
}

/// What a name of an object in a SCIM directory begins with.
const SCIM: &str = "urn:ietf:params:scim:";

impl Target {
    /// A target is SCIM when its object is called by a SCIM URN, or when more than half of its attributes are SCIM's.
    pub(super) fn of(of: &ObjectMapping<'_>) -> Result<Target, String> {
        let object = of.mapping.word("targetObjectName")?.unwrap_or("User");
        let short = object.rsplit(':').next().unwrap_or(object);
        let known = ["User", "Group"].into_iter().find(|known| known.eq_ignore_ascii_case(short));
        let mut target = Target { resource: known.unwrap_or(short).to_owned(), scim: false, extensions: Vec::new() };
        let Some(schema) = known.and_then(ResourceSchema::for_resource) else { return Ok(target) };
        let (mut fit, mut other) = (0, 0);
        for rule in of.mapping.list("attributeMappings")? {
            let name = rule.word("targetAttributeName")?.unwrap_or_default();
            if target.fits(name, &schema, &of.target_attributes) {
                fit += 1;
            } else {
                other += 1;
            }
        }
        target.scim = object.get(..SCIM.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCIM)) || fit > other;
        if !target.scim {
            target.extensions.clear();
        }
        Ok(target)
    }

    pub(super) fn is_scim(&self) -> bool {
        self.scim
    }

    /// Whether the schema takes the attribute, when need be with an extension of its own.
    fn fits(&mut self, name: &str, schema: &ResourceSchema, declared: &[Declared<'_>]) -> bool {
        let Ok(path) = parse_path(name) else { return false };
        if scim::resolve(&path, schema).is_ok() {
            return true;
        }
        let Some(urn) = path.urn.filter(|urn| schema.schema(urn).is_none()) else { return false };
        let declared = declared.iter().find(|declared| declared.name.eq_ignore_ascii_case(name));
        let kind = if path.sub.is_some() { "complex" } else { declared.map_or("string", kind) };
        let multi_valued = path.selector.is_some() || declared.is_some_and(|declared| declared.multi_valued);
        let written =
            if multi_valued { format!("{{ type = \"{kind}\", multiValued = true }}") } else { format!("\"{kind}\"") };
        let attributes = match self.extensions.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&urn)) {
            Some((_, attributes)) => attributes,
            None => {
                self.extensions.push((urn, Vec::new()));
                match self.extensions.last_mut() {
                    Some((_, attributes)) => attributes,
                    None => return false,
                }
            }
        };
        if !attributes.iter().any(|(known, _)| known.eq_ignore_ascii_case(&path.attribute)) {
            attributes.push((path.attribute, written));
        }
        true
    }

    /// The key of a rule for this attribute: as it is for SCIM, a JSON path else.
    pub(super) fn key(&self, name: &str) -> String {
        if self.scim {
            return name.to_owned();
        }
        let plain = name.chars().all(|letter| letter.is_alphanumeric() || "_-.$".contains(letter));
        if plain && json_target(name).is_ok() { name.to_owned() } else { serde_json::Value::from(name).to_string() }
    }

    /// The tables of the extensions.
    pub(super) fn extensions(&self, out: &mut String) {
        for (urn, attributes) in &self.extensions {
            let _ = writeln!(out, "\n[extensions.{}]", toml_key(urn));
            for (name, kind) in attributes {
                let _ = writeln!(out, "{} = {kind}", toml_key(name));
            }
        }
    }
}

/// The attribute that a rule's key means, the inverse of [`Target::key`].
pub(super) fn attribute_of(key: &str, json: bool) -> String {
    if json
        && let Ok(steps) = json_target(key)
        && let [Step::Key(name)] = steps.as_slice()
    {
        return name.clone();
    }
    key.to_owned()
}

/// A type of Graph as the mapping file calls it.
fn kind(declared: &Declared<'_>) -> &'static str {
    let kind = match declared.kind.to_ascii_lowercase().as_str() {
        "boolean" => AttributeType::Boolean,
        "integer" => AttributeType::Integer,
        "datetime" => AttributeType::DateTime,
        "reference" => AttributeType::Reference,
        "binary" => AttributeType::Binary,
        _ => AttributeType::String,
    };
    kind.as_str()
}
