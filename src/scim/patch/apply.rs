//! A compiled PATCH applied to a resource, all of it or nothing.

use serde_json::{Map, Value};

use super::{Action, Change, Choice, Patch, PatchOutcome, Step, is_immutable};
use crate::scim::compare::{is_empty, same_text};
use crate::scim::error::ScimError;
use crate::scim::peer::{Tolerance, Tolerances};
use crate::scim::place;
use crate::scim::resource::settle_schemas;
use crate::scim::schema::{Attribute, AttributeType};
use crate::scim::values::{Elements, is_primary, is_shelf};

type Fields = Map<String, Value>;

impl Patch<'_> {
    /// Applies the request to a resource whose names are spelled as the schema spells them. The members of a group are
    /// not touched: they are in [`Patch::members`].
    ///
    /// # Errors
    /// 400 `noTarget` when a filter in a path chooses nothing, `mutability` when an immutable attribute would change. The
    /// resource is then what it was before.
    pub fn apply(&self, resource: &mut Fields) -> Result<PatchOutcome, ScimError> {
        let mut draft = resource.clone();
        for step in &self.steps {
            step.run(&mut draft, self.tolerances)?;
        }
        for schema in &self.resource.extensions {
            if draft.get(schema.id.as_ref()).and_then(Value::as_object).is_some_and(Map::is_empty) {
                draft.shift_remove(schema.id.as_ref());
            }
        }
        if draft.contains_key("schemas") {
            settle_schemas(&mut draft, self.resource);
        }
        let mut outcome = PatchOutcome::default();
        for step in &self.steps {
            let (before, after) = (step.find(resource), step.find(&draft));
            if before == after {
                continue;
            }
            let name = place::full_name(step.urn, &step.attribute);
            if is_immutable(&step.attribute) && before.is_some_and(|before| !is_empty(before)) {
                return Err(ScimError::mutability(format!("`{name}` has a value, which cannot change any more")));
            }
            if !outcome.attributes.contains(&name) {
                outcome.attributes.push(name);
            }
        }
        outcome.changed = !outcome.attributes.is_empty();
        *resource = draft;
        Ok(outcome)
    }
}

impl Step<'_> {
    /// The attribute in a resource.
    fn find<'r>(&self, resource: &'r Fields) -> Option<&'r Value> {
        let fields = match self.urn {
            Some(urn) => resource.get(urn)?.as_object()?,
            None => resource,
        };
        fields.get(self.attribute.name.as_ref())
    }

    fn name(&self) -> String {
        let name = place::full_name(self.urn, &self.attribute);
        match &self.sub {
            Some(sub) => format!("{name}.{}", sub.name),
            None => name,
        }
    }

    fn run(&self, draft: &mut Fields, tolerances: Tolerances) -> Result<(), ScimError> {
        if let Change::Same(value) = &self.change {
            return match self.find(draft) {
                Some(known) if known == value => Ok(()),
                None if is_empty(value) => Ok(()),
                _ => Err(ScimError::mutability(format!("`{}` is read-only", self.name()))),
            };
        }
        let fields = match self.urn {
            None => draft,
            Some(urn) => match draft.entry(urn).or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(fields) => fields,
                _ => return Err(ScimError::status(500, format!("{urn} is stored as no object"))),
            },
        };
        let key = self.attribute.name.as_ref();
        if self.choice.is_some() || self.attribute.multi_valued {
            let mut items = match fields.get_mut(key).map(Value::take) {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(items)) => items,
                Some(one) => vec![one],
            };
            self.on_list(&mut items, tolerances)?;
            if items.is_empty() {
                if self.attribute.required {
                    let message = format!("`{}` is required and cannot be removed", self.name());
                    return Err(ScimError::mutability(message));
                }
                fields.shift_remove(key);
            } else {
                fields.insert(key.to_owned(), Value::Array(items));
            }
            return Ok(());
        }
        let Change::Set(value) = &self.change else { return Ok(()) };
        match &self.sub {
            None => set_whole(fields, &self.attribute, value.as_ref()),
            Some(sub) => {
                let mut parts = match fields.get_mut(key).map(Value::take) {
                    Some(Value::Object(parts)) => parts,
                    _ => Map::new(),
                };
                self.set_sub(&mut parts, sub, value.as_ref())?;
                // A complex value without what it needs is none: a manager without id.
                let broken = self.attribute.sub_attributes.iter().any(|part| {
                    part.required && part.kind != AttributeType::Reference && !parts.contains_key(part.name.as_ref())
                });
                if parts.is_empty() || broken && value.is_none() {
                    fields.shift_remove(key);
                } else if broken {
                    return Err(ScimError::invalid_value(format!("`{}` lacks what it requires", self.attribute.name)));
                } else {
                    fields.insert(key.to_owned(), Value::Object(parts));
                }
            }
        }
        Ok(())
    }

    fn set_sub(&self, parts: &mut Fields, sub: &Attribute, value: Option<&Value>) -> Result<(), ScimError> {
        let key = sub.name.as_ref();
        let known = parts.get(key);
        if is_immutable(sub) && known.is_some_and(|known| !is_empty(known) && Some(known) != value) {
            let message = format!("`{}` has a value, which cannot change any more", self.name());
            return Err(ScimError::mutability(message));
        }
        match value {
            Some(value) if sub.multi_valued && self.action == Action::Add => {
                let known = match parts.get_mut(key).map(Value::take) {
                    Some(Value::Array(items)) => items,
                    _ => Vec::new(),
                };
                let mut elements = Elements::of(sub, known);
                for item in value.as_array().into_iter().flatten() {
                    elements.add(item.clone());
                }
                parts.insert(key.to_owned(), Value::Array(elements.items));
            }
            Some(value) => {
                parts.insert(key.to_owned(), value.clone());
            }
            None => {
                parts.shift_remove(key);
            }
        }
        Ok(())
    }

    fn on_list(&self, items: &mut Vec<Value>, tolerances: Tolerances) -> Result<(), ScimError> {
        match (&self.choice, &self.sub, &self.change) {
            (Some(choice), sub, Change::Set(value)) => {
                self.on_chosen(items, choice, sub.as_deref(), value.as_ref(), tolerances)
            }
            (None, Some(sub), Change::Set(value)) => self.on_each(items, sub, value.as_ref()),
            (None, None, Change::List(more)) if self.action == Action::Add => {
                let mut elements = Elements::of(&self.attribute, std::mem::take(items));
                let mut primary = None;
                for item in more {
                    let at = elements.add(item.clone());
                    primary = if is_primary(item) { Some(at) } else { primary };
                }
                *items = elements.items;
                only_primary(items, primary);
                Ok(())
            }
            (None, None, Change::List(all)) => {
                items.clone_from(all);
                Ok(())
            }
            (None, None, Change::Drop(gone)) => {
                items.retain(|item| !gone.iter().any(|gone| is_meant(&self.attribute, item, gone)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The elements that a filter chooses.
    fn on_chosen(
        &self,
        items: &mut Vec<Value>,
        choice: &Choice,
        sub: Option<&Attribute>,
        value: Option<&Value>,
        tolerances: Tolerances,
    ) -> Result<(), ScimError> {
        let chosen: Vec<usize> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| choice.matcher.matches_element(item))
            .map(|(at, _)| at)
            .collect();
        if chosen.is_empty() {
            return match value {
                Some(value) => self.on_missing(items, choice, sub, value, tolerances),
                None if tolerances.has(Tolerance::RemoveOfNothing)
                    && (sub.is_some() || self.action != Action::Remove) =>
                {
                    Ok(())
                }
                None => Err(no_target(choice)),
            };
        }
        let Some(sub) = sub else {
            let Some(value) = value else {
                items.retain(|item| !choice.matcher.matches_element(item));
                return Ok(());
            };
            for at in &chosen {
                if let Some(item) = items.get_mut(*at) {
                    self.merge(item, value)?;
                }
            }
            only_primary(items, chosen.first().copied().filter(|_| is_primary(value)));
            return Ok(());
        };
        for at in &chosen {
            if let Some(item) = items.get_mut(*at) {
                self.set_part(item, sub, value)?;
            }
        }
        self.settle(items, sub, value, &chosen);
        Ok(())
    }

    /// The sub-attribute of every element, for there is no filter.
    fn on_each(&self, items: &mut Vec<Value>, sub: &Attribute, value: Option<&Value>) -> Result<(), ScimError> {
        match (value, items.len()) {
            (Some(_), 0) => items.push(Value::Object(Map::new())),
            (Some(_), 2..) => {
                let message = format!(
                    "`{}` does not say which element: write {}[type eq \"…\"].{}",
                    self.name(),
                    self.attribute.name,
                    sub.name
                );
                return Err(ScimError::invalid_path(message));
            }
            _ => {}
        }
        for item in items.iter_mut() {
            self.set_part(item, sub, value)?;
        }
        self.settle(items, sub, value, &[0]);
        Ok(())
    }

    /// The end of every change of parts: one primary, no shelves.
    fn settle(&self, items: &mut Vec<Value>, sub: &Attribute, value: Option<&Value>, chosen: &[usize]) {
        if sub.name == "primary" && value == Some(&Value::Bool(true)) {
            only_primary(items, chosen.first().copied());
        }
        if value.is_none() {
            items.retain(|item| !is_shelf(&self.attribute, item));
        }
    }

    /// The filter chose nothing: whether an element is made of what it says.
    fn on_missing(
        &self,
        items: &mut Vec<Value>,
        choice: &Choice,
        sub: Option<&Attribute>,
        value: &Value,
        tolerances: Tolerances,
    ) -> Result<(), ScimError> {
        let Some(constants) = &choice.constants else { return Err(no_target(choice)) };
        let made = match self.action {
            Action::Add => tolerances.has(Tolerance::ElementOnAdd),
            _ => {
                tolerances.has(Tolerance::ElementOnReplace)
                    && (self.entra || sub.is_some() && is_usual(&self.attribute, constants))
            }
        };
        if !made {
            return Err(no_target(choice));
        }
        let mut item = Value::Object(constants.clone());
        match sub {
            Some(sub) => self.set_part(&mut item, sub, Some(value))?,
            None => self.merge(&mut item, value)?,
        }
        // A value that contradicts the filter makes an element that the next request would not find.
        if !choice.matcher.matches_element(&item) {
            return Err(no_target(choice));
        }
        let primary = is_primary(&item).then_some(items.len());
        items.push(item);
        only_primary(items, primary);
        Ok(())
    }

    fn set_part(&self, item: &mut Value, sub: &Attribute, value: Option<&Value>) -> Result<(), ScimError> {
        match item {
            Value::Object(parts) => self.set_sub(parts, sub, value),
            _ => Err(ScimError::invalid_path(format!("the elements of `{}` have no parts", self.attribute.name))),
        }
    }

    /// The sub-attributes that the value has replace those of the element; the others stay (RFC 7644, section 3.5.2.3).
    fn merge(&self, item: &mut Value, value: &Value) -> Result<(), ScimError> {
        match (item, value) {
            (Value::Object(known), Value::Object(parts)) => {
                for (key, value) in parts {
                    match self.attribute.sub(key) {
                        Some(sub) => {
                            let replaced = Self { action: Action::Replace, ..self.clone() };
                            replaced.set_sub(known, sub, Some(value))?;
                        }
                        None => {
                            known.insert(key.clone(), value.clone());
                        }
                    }
                }
            }
            (item, value) => *item = value.clone(),
        }
        Ok(())
    }
}

/// Sets a single-valued attribute; a complex one keeps the parts that the value does not have.
fn set_whole(fields: &mut Fields, attribute: &Attribute, value: Option<&Value>) {
    let key = attribute.name.as_ref();
    match (value, fields.get_mut(key)) {
        (None, _) => {
            fields.shift_remove(key);
        }
        // Another manager has another `$ref` and another name.
        (Some(Value::Object(parts)), Some(Value::Object(known)))
            if attribute.kind == AttributeType::Complex
                && (!attribute.is_relation() || parts.get("value").is_none_or(|id| known.get("value") == Some(id))) =>
        {
            known.extend(parts.clone());
        }
        (Some(value), _) => {
            fields.insert(key.to_owned(), value.clone());
        }
    }
}

/// Makes the element at this place the only primary one (RFC 7644, section 3.5.2).
fn only_primary(items: &mut [Value], keep: Option<usize>) {
    let Some(keep) = keep else { return };
    for (at, item) in items.iter_mut().enumerate() {
        if at != keep
            && is_primary(item)
            && let Some(primary) = item.get_mut("primary")
        {
            *primary = Value::Bool(false);
        }
    }
}

/// Whether a filter is one that Entra's mappings have: a canonical type, or the primary element.
fn is_usual(attribute: &Attribute, constants: &Fields) -> bool {
    let canonical = |text: &str| {
        attribute.sub("type").is_some_and(|sub| sub.canonical_values.iter().any(|known| same_text(known, text, false)))
    };
    constants.len() == 1
        && constants.iter().all(|(key, value)| match value {
            Value::String(text) => key == "type" && canonical(text),
            Value::Bool(truth) => key == "primary" && *truth,
            _ => false,
        })
}

/// Whether a removal that lists this element means that one.
fn is_meant(attribute: &Attribute, item: &Value, listed: &Value) -> bool {
    let (Some(item), Some(listed)) = (item.as_object(), listed.as_object()) else {
        return match (item.as_str(), listed.as_str()) {
            (Some(a), Some(b)) => same_text(a, b, attribute.case_exact),
            _ => item == listed,
        };
    };
    let same = |key: &str, value: &Value| {
        let exact = attribute.sub(key).is_some_and(|sub| sub.case_exact) || key == "value" && attribute.is_relation();
        match (item.get(key), value) {
            (Some(Value::String(a)), Value::String(b)) => same_text(a, b, exact),
            (known, value) => known == Some(value),
        }
    };
    let by_value = listed.contains_key("value");
    listed
        .iter()
        .filter(|(key, _)| !by_value || matches!(key.as_str(), "value" | "type"))
        .all(|(key, value)| same(key, value))
}

fn no_target(choice: &Choice) -> ScimError {
    ScimError::no_target(format!("`{}` chooses nothing", choice.text))
}
