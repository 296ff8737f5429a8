//! Mapping files as a schema: one of their own, or put into the schema that a job has.
//!
//! Into a job's schema, everything that is the same stays as it is, down to the trees that Graph made; ids, directories,
//! metadata and whatever a mapping file has no word for stay too. What no rule writes any more is taken out, and told.

use serde_json::{Value as Json, json};

use super::directory::{Used, declare, list};
use super::outgoing::{Outgoing, OutgoingRule};
use super::read::{At, ObjectMapping, object_mappings, schemas};
use super::source::{Flow, constant, flow, source_of};
use super::{Note, Notes, names, scope};
use crate::language::entra::Outline;
use crate::scim::Schema;

/// What came of an export.
#[derive(Debug)]
pub struct Exported {
    /// The `synchronizationSchema`.
    pub json: Json,
    /// What is to be known, with the mapping's name.
    pub notes: Vec<(String, Note)>,
}

/// Makes the schema of mapping files. `into` is a schema whose object mappings are replaced, with the word that names its target
/// where it names none (the file's name, as at the import).
///
/// # Errors
/// When `into` is no schema, or has no object mapping for a file.
pub fn export(files: &[Outgoing], into: Option<(&str, &Json)>) -> Result<Exported, String> {
    let mut notes = Vec::new();
    let mut json =
        into.map_or_else(|| json!({ "directories": [], "synchronizationRules": [] }), |(_, json)| json.clone());
    if let Some((stem, base)) = into {
        if base.get("synchronizationRules").is_none() {
            return Err("the schema of a job is wanted, an object with \"synchronizationRules\"".into());
        }
        let found = schemas(base)?.first().map(object_mappings).transpose()?.unwrap_or_default();
        let names = names(stem, &found)?;
        let mut taken: Vec<usize> = Vec::new();
        for file in files {
            let index = counterpart(file, &found, &names, &taken)?;
            taken.push(index);
            let Some(of) = found.get(index) else { continue };
            let mut told = Notes::default();
            replace(&mut json, file, of, &mut told)?;
            notes.extend(told.0.into_iter().map(|note| (file.name.clone(), note)));
        }
    } else {
        for file in files {
            let mut told = Notes::default();
            add(&mut json, file, &mut told)?;
            notes.extend(told.0.into_iter().map(|note| (file.name.clone(), note)));
        }
    }
    Ok(Exported { json, notes })
}

/// The object mapping that a file replaces: the one an import gives its name, else the only one with its resource.
fn counterpart(
    file: &Outgoing,
    found: &[ObjectMapping<'_>],
    names: &[String],
    taken: &[usize],
) -> Result<usize, String> {
    if let Some(index) = names.iter().position(|name| *name == file.name).filter(|index| !taken.contains(index)) {
        return Ok(index);
    }
    let resource = |of: &ObjectMapping<'_>| {
        let object = of.mapping.text("targetObjectName").ok().flatten().unwrap_or_default();
        object.rsplit(':').next().is_some_and(|short| short.eq_ignore_ascii_case(&file.resource))
    };
    let fitting: Vec<usize> = found.iter().enumerate().filter(|(_, of)| resource(of)).map(|(index, _)| index).collect();
    match fitting.as_slice() {
        [index] if !taken.contains(index) => Ok(*index),
        _ => Err(format!(
            "it is not clear which object mapping of the schema \"{}\" is to replace: call the mapping one of {}",
            file.name,
            names.join(", ")
        )),
    }
}

/// The names in a schema without a job's.
struct Names {
    source: &'static str,
    target: String,
    source_object: String,
    target_object: String,
}

impl Names {
    fn of(file: &Outgoing) -> Names {
        let target_object = match (&file.schema, file.resource.as_str()) {
            // Entra calls SCIM's users by the extension that its default mapping writes.
            (Some(schema), "User") => {
                schema.extensions.first().map_or(schema.core.id.to_string(), |extension| extension.id.to_string())
            }
            (Some(schema), _) => schema.core.id.to_string(),
            (None, resource) => resource.to_owned(),
        };
        Names {
            source: if file.from_entra { "Azure Active Directory" } else { "source" },
            target: if file.schema.is_some() { "customappsso".to_owned() } else { "target".to_owned() },
            source_object: if file.resource == "Group" { "Group".to_owned() } else { "User".to_owned() },
            target_object,
        }
    }
}

/// Adds an object mapping to a schema of our own.
fn add(json: &mut Json, file: &Outgoing, notes: &mut Notes) -> Result<(), String> {
    let names = Names::of(file);
    let mapping = json!({
        "attributeMappings": mappings(file, None, notes)?,
        "enabled": true,
        "flowTypes": "Add,Update,Delete",
        "metadata": [],
        "name": file.description.as_deref().unwrap_or(&file.name),
        "scope": scope::json(&file.groups),
        "sourceObjectName": names.source_object,
        "targetObjectName": names.target_object,
    });
    let Some(rules) = list(json, "synchronizationRules") else { return Ok(()) };
    let word = |rule: &Json, key: &str, wanted: &str| rule.get(key).is_some_and(|name| name == wanted);
    let same = |rule: &Json| {
        word(rule, "sourceDirectoryName", names.source) && word(rule, "targetDirectoryName", &names.target)
    };
    let index = rules.iter().position(same).unwrap_or(rules.len());
    if index == rules.len() {
        rules.push(json!({
            "editable": true,
            "metadata": [],
            "name": "USERGROUP_OUTBOUND_USERGROUP",
            "objectMappings": [],
            "priority": 1,
            "sourceDirectoryName": names.source,
            "targetDirectoryName": names.target,
        }));
    }
    rules
        .get_mut(index)
        .and_then(|rule| list(rule, "objectMappings"))
        .into_iter()
        .for_each(|items| items.push(mapping.clone()));
    let objects = [&names.source_object, &names.target_object].map(String::as_str);
    list_attributes(json, file, [names.source, &names.target], objects);
    Ok(())
}

/// Puts a file in the place of an object mapping.
fn replace(json: &mut Json, file: &Outgoing, of: &ObjectMapping<'_>, notes: &mut Notes) -> Result<(), String> {
    let attributes = mappings(file, Some(&of.mapping), notes)?;
    let before = scope::read(of.mapping.get("scope").as_ref(), &mut Notes::default())?;
    let Some(mapping) = json.pointer_mut(&pointer(&of.mapping.path)).filter(|mapping| mapping.is_object()) else {
        return Err(of.mapping.wrong("an object"));
    };
    set(mapping, "attributeMappings", attributes);
    if before != file.groups {
        set(mapping, "scope", scope::json(&file.groups));
    }
    let text = |at: &At<'_>, key: &str| at.text(key).map(|text| text.unwrap_or_default().to_owned());
    let directories = [text(&of.rule, "sourceDirectoryName")?, text(&of.rule, "targetDirectoryName")?];
    let objects = [text(&of.mapping, "sourceObjectName")?, text(&of.mapping, "targetObjectName")?];
    list_attributes(json, file, directories.each_ref().map(String::as_str), objects.each_ref().map(String::as_str));
    Ok(())
}

/// Writes a member of an object, in its place when it is there.
fn set(json: &mut Json, key: &str, value: impl Into<Json>) {
    if let Some(fields) = json.as_object_mut() {
        fields.insert(key.to_owned(), value.into());
    }
}

/// `a[0].b` as a JSON pointer.
fn pointer(path: &str) -> String {
    let steps = path.replace(']', "");
    steps.split(['.', '[']).fold(String::new(), |pointer, step| format!("{pointer}/{step}"))
}

/// Lists what the rules read and write in the directories.
fn list_attributes(json: &mut Json, file: &Outgoing, directories: [&str; 2], objects: [&str; 2]) {
    let [source, target] = directories;
    let [source_object, target_object] = objects;
    let mut read: Vec<&str> = file.attributes.iter().map(String::as_str).collect();
    read.extend(file.groups.iter().flatten().map(|clause| clause.attribute.as_str()));
    read.extend(file.rules.iter().filter_map(|rule| rule.outline.as_ref()).flat_map(Outline::attributes));
    let mut used: Vec<Used> = file.from_entra.then(|| Used::anchor("objectId")).into_iter().collect();
    used.extend(read.into_iter().map(Used::source));
    if !source.is_empty() {
        declare(json, source, source_object, source_object, &used);
    }
    let mut used: Vec<Used> = file.schema.is_some().then(|| Used::anchor("id")).into_iter().collect();
    used.extend(
        file.rules.iter().filter(|rule| rule.flow.is_some()).map(|rule| Used::target(&rule.key, file.schema.as_ref())),
    );
    // References lead to people; a group's directory calls them otherwise than itself.
    let people = match &file.schema {
        Some(schema) if file.resource != "User" => {
            let user = crate::scim::ResourceSchema::for_resource("User");
            let enterprise =
                |extensions: &[std::sync::Arc<Schema>]| extensions.first().map(|extension| extension.id.to_string());
            user.and_then(|user| enterprise(&user.extensions)).unwrap_or_else(|| schema.core.id.to_string())
        }
        _ => target_object.to_owned(),
    };
    if !target.is_empty() {
        declare(json, target, target_object, &people, &used);
    }
}

/// The attribute mappings of a file, those of `base` kept where they say the same.
fn mappings(file: &Outgoing, base: Option<&At<'_>>, notes: &mut Notes) -> Result<Vec<Json>, String> {
    let there = base.map(|base| base.list("attributeMappings")).transpose()?.unwrap_or_default();
    let target = |at: &At<'_>| at.text("targetAttributeName").ok().flatten().unwrap_or_default().to_owned();
    let mut made = Vec::new();
    for rule in &file.rules {
        let before = there.iter().find(|at| target(at).eq_ignore_ascii_case(&rule.target));
        match (&rule.flow, before) {
            (Some(_), before) => made.push(mapping(rule, before, notes)?),
            (None, Some(before)) => made.push(before.json.clone()),
            (None, None) => {}
        }
    }
    for at in &there {
        let name = target(at);
        if file.rules.iter().any(|rule| rule.target.eq_ignore_ascii_case(&name)) {
            continue;
        }
        if at.get("source").is_none() && at.word("defaultValue")?.is_none() {
            made.push(at.json.clone());
        } else {
            notes.tell(&name, "taken out: no rule writes it");
        }
    }
    Ok(made)
}

/// A rule as an attribute mapping.
fn mapping(rule: &OutgoingRule, before: Option<&At<'_>>, notes: &mut Notes) -> Result<Json, String> {
    let mut json = before.map_or_else(
        || {
            json!({
                "defaultValue": null,
                "exportMissingReferences": false,
                "flowBehavior": "FlowWhenChanged",
                "flowType": "Always",
                "matchingPriority": 0,
                "source": null,
                "targetAttributeName": rule.target,
            })
        },
        |at| at.json.clone(),
    );
    let same_flow = match before {
        None => false,
        Some(before) => {
            let flow = flow(before.get("source").as_ref())?;
            let default = before.word("defaultValue")?;
            // A default alone comes as a constant for new objects.
            if let (Flow::Nothing, Some(default), Some(Flow::Constant(value)), true, 0) =
                (&flow, default, &rule.flow, rule.create, rule.matching)
                && default == value
                && rule.default.is_none()
            {
                return Ok(json);
            }
            same(&flow, rule)
        }
    };
    let default = before.map(|before| before.word("defaultValue")).transpose()?.flatten();
    // A constant's own default is never used, and an import leaves it out.
    let idle =
        matches!(&rule.flow, Some(Flow::Constant(value)) if !value.is_empty()) && rule.default.is_none() && same_flow;
    if default != rule.default.as_deref().filter(|text| !text.is_empty()) && !idle {
        set(&mut json, "defaultValue", rule.default.clone());
    }
    let matching = before.map(|before| before.number("matchingPriority")).transpose()?.unwrap_or_default();
    if matching != i64::from(rule.matching) {
        set(&mut json, "matchingPriority", rule.matching);
    }
    let created = json.get("flowType").is_some_and(|kind| kind == "ObjectAddOnly");
    if created != rule.create {
        set(&mut json, "flowType", if rule.create { "ObjectAddOnly" } else { "Always" });
    }
    if !same_flow {
        let source = match (&rule.flow, &rule.outline) {
            (Some(Flow::Constant(value)), _) => constant(value),
            (Some(Flow::Expression(text)), Some(outline)) => {
                if outline.compares() {
                    notes.tell(&rule.target, "Graph does not document how its trees hold a comparison; let its parseExpression make the source");
                }
                source_of(text.trim(), outline)
            }
            _ => Json::Null,
        };
        set(&mut json, "source", source);
    }
    Ok(json)
}

/// Whether a source says what the rule says, however it is spaced.
fn same(flow: &Flow, rule: &OutgoingRule) -> bool {
    match (flow, &rule.flow) {
        (Flow::Expression(one), Some(Flow::Expression(other))) => {
            one == other
                || matches!((Outline::parse(one), &rule.outline), (Ok(one), Some(other)) if one.to_string() == other.to_string())
        }
        (one, Some(other)) => one == other,
        (_, None) => false,
    }
}
