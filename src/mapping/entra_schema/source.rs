//! `attributeMappingSource`: the tree of an expression as Graph keeps it, and the expression.
//!
//! Graph documents the text as equivalent to the tree. Where there is a text, it is taken; a tree alone is printed. The
//! keys of a tree's parameters are those of Microsoft's function reference; a parameter that is given again and again
//! (`key` and `value` of Switch) gets a number.

use serde_json::{Map, Value as Json, json};

use super::read::At;
use crate::function::{Repeat, Spec, lookup};
use crate::language::entra::{MAX_DEPTH, Outline};

/// What flows into a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flow {
    /// `source` is null: nothing but the default.
    Nothing,
    /// The same for all objects.
    Constant(String),
    /// An expression, or a lone `[attribute]`.
    Expression(String),
}

/// Keys of an older reference, which Graph's documentation still shows, as the present one calls them.
const OLD_KEYS: &[(&str, &str)] = &[("find", "oldvalue"), ("replacement", "replacementvalue")];

/// The operators that may stand as the name of a function with two parameters.
const OPERATORS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

/// Constants that are no texts: they tell what is to flow.
const FLOW_WORDS: [&str; 2] = ["IgnoreAttributeFlow", "IgnoreObjectFlow"];

/// What a mapping's `source` says.
pub(super) fn flow(source: Option<&At<'_>>) -> Result<Flow, String> {
    let Some(source) = source else { return Ok(Flow::Nothing) };
    if !source.json.is_object() {
        return Err(source.wrong("an object"));
    }
    let kind = source.word("type")?.unwrap_or("Attribute");
    let text = source.text("expression")?.filter(|text| !text.trim().is_empty());
    if kind.eq_ignore_ascii_case("constant") {
        let constant = match (source.text("name")?, text.map(Outline::parse)) {
            (Some(name), _) => name.to_owned(),
            (None, Some(Ok(Outline::Text(value) | Outline::Bare(value)))) => value,
            (None, _) => return Err(format!("{}.name is missing: the constant's value", source.path)),
        };
        return Ok(Flow::Constant(constant));
    }
    match text {
        Some(text) => Ok(Flow::Expression(text.to_owned())),
        None => Ok(Flow::Expression(tree(source, 0)?.to_string())),
    }
}

/// The outline of a tree without a text.
fn tree(source: &At<'_>, depth: usize) -> Result<Outline, String> {
    if depth > MAX_DEPTH {
        return Err(format!("{} nests deeper than {MAX_DEPTH} calls", source.path));
    }
    let kind = source.word("type")?.unwrap_or("Attribute");
    let name = source.text("name")?;
    match kind.to_ascii_lowercase().as_str() {
        "constant" => {
            let name = name.ok_or_else(|| format!("{}.name is missing: the constant's value", source.path))?;
            let word = source.text("expression")?.map(Outline::parse).and_then(Result::ok);
            Ok(match word {
                Some(Outline::Bare(word)) => Outline::Bare(word),
                _ if FLOW_WORDS.iter().any(|word| word.eq_ignore_ascii_case(name)) => Outline::Bare(name.to_owned()),
                _ => Outline::Text(name.to_owned()),
            })
        }
        "attribute" => match name.filter(|name| !name.is_empty()) {
            Some(name) => Ok(Outline::Attribute(name.to_owned())),
            None => Err(format!("{}.name is missing: the attribute", source.path)),
        },
        "function" => {
            let name = name
                .filter(|name| !name.is_empty())
                .ok_or_else(|| format!("{}.name is missing: the function", source.path))?;
            let mut given = Vec::new();
            for parameter in source.list("parameters")? {
                let value = match parameter.get("value") {
                    Some(value) => Some(tree(&value, depth + 1)?),
                    None => None,
                };
                given.push((parameter.text("key")?.unwrap_or_default().to_ascii_lowercase(), value));
            }
            if let Some(operator) = OPERATORS.into_iter().find(|operator| *operator == name) {
                let mut sides = given.into_iter().filter_map(|(_, value)| value);
                return match (sides.next(), sides.next(), sides.next()) {
                    (Some(left), Some(right), None) => {
                        Ok(Outline::Compare { operator, left: Box::new(left), right: Box::new(right) })
                    }
                    _ => Err(format!("{}.parameters: a comparison has two sides", source.path)),
                };
            }
            Ok(Outline::Call { name: name.to_owned(), arguments: placed(lookup(name), given) })
        }
        _ => Err(format!("{}.type is to be Attribute, Constant or Function", source.path)),
    }
}

/// The arguments in their places: by key when each key is one of the function's parameters, else in the order given.
fn placed(spec: Option<&'static Spec>, given: Vec<(String, Option<Outline>)>) -> Vec<Option<Outline>> {
    let places: Option<Vec<usize>> =
        spec.and_then(|spec| given.iter().map(|(key, _)| place(spec, key)).collect::<Option<Vec<usize>>>());
    let distinct = |places: &[usize]| {
        let mut sorted = places.to_vec();
        sorted.sort_unstable();
        sorted.windows(2).all(|pair| pair.first() != pair.last())
    };
    match places.filter(|places| distinct(places)) {
        None => given.into_iter().map(|(_, value)| value).collect(),
        Some(places) => {
            let length = places.iter().max().map_or(0, |last| last + 1);
            let all = spec.filter(|spec| spec.name == "Replace").map_or(0, |spec| spec.params.len());
            let mut arguments = vec![None; length.max(all)];
            for (place, (_, value)) in places.into_iter().zip(given) {
                if let Some(slot) = arguments.get_mut(place) {
                    *slot = value;
                }
            }
            arguments
        }
    }
}

/// The most arguments that a key may ask for; a Switch of 10,000 characters has fewer.
const MAX_PLACE: usize = 5_000;

/// Where the argument with this key stands.
fn place(spec: &Spec, key: &str) -> Option<usize> {
    let named = |name: &str| spec.params.iter().position(|param| param.name.eq_ignore_ascii_case(name));
    let old = || named(OLD_KEYS.iter().find(|(old, _)| *old == key)?.1);
    if let Some(place) = named(key).or_else(old) {
        return Some(place);
    }
    let base = key.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number: usize = key.get(base.len()..)?.parse().ok().filter(|number| (1..=MAX_PLACE).contains(number))?;
    let place = named(base)?;
    let count = spec.params.len();
    match spec.repeat {
        Repeat::Last(_) if place + 1 == count => Some(place + number - 1),
        Repeat::LastPair if place + 2 >= count => Some(place + 2 * (number - 1)),
        _ => None,
    }
}

/// The key of the argument at `index`, the inverse of [`place`].
fn key(spec: Option<&Spec>, index: usize) -> String {
    let Some((spec, param)) = spec.and_then(|spec| Some((spec, spec.param(index)?))) else {
        return format!("argument{}", index + 1);
    };
    let count = spec.params.len();
    match spec.repeat {
        Repeat::Last(_) if index + 1 >= count => format!("{}{}", param.name, index + 2 - count),
        Repeat::LastPair if index + 2 >= count => format!("{}{}", param.name, (index + 2 - count) / 2 + 1),
        _ => param.name.to_owned(),
    }
}

/// The `source` of an expression: its text as it is written, and its tree.
pub(super) fn source_of(text: &str, outline: &Outline) -> Json {
    let mut json = node(outline);
    if let Json::Object(fields) = &mut json {
        fields.insert("expression".into(), text.into());
    }
    json
}

/// The `source` of a constant.
pub(super) fn constant(value: &str) -> Json {
    node(&Outline::Text(value.to_owned()))
}

fn node(outline: &Outline) -> Json {
    let (name, kind, parameters) = match outline {
        Outline::Attribute(name) => (name.as_str(), "Attribute", Vec::new()),
        // A number stands in quotes in Graph's own trees: its text is what counts.
        Outline::Text(value) | Outline::Bare(value) => {
            let expression = match outline {
                Outline::Bare(word) if word.parse::<f64>().is_err() => word.clone(),
                _ => Outline::Text(value.clone()).to_string(),
            };
            return object(&expression, value, "Constant", Vec::new());
        }
        Outline::Call { name, arguments } => {
            let spec = lookup(name);
            let given = arguments.iter().enumerate().filter_map(|(index, argument)| {
                Some(json!({ "key": key(spec, index), "value": node(argument.as_ref()?) }))
            });
            (spec.map_or(name.as_str(), |spec| spec.name), "Function", given.collect())
        }
        Outline::Compare { operator, left, right } => {
            let sides =
                vec![json!({ "key": "left", "value": node(left) }), json!({ "key": "right", "value": node(right) })];
            (*operator, "Function", sides)
        }
    };
    object(&outline.to_string(), name, kind, parameters)
}

fn object(expression: &str, name: &str, kind: &str, parameters: Vec<Json>) -> Json {
    let mut fields = Map::new();
    fields.insert("expression".into(), expression.into());
    fields.insert("name".into(), name.into());
    fields.insert("type".into(), kind.into());
    fields.insert("parameters".into(), parameters.into());
    Json::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::TABLE;

    fn printed(source: &Json) -> String {
        match flow(Some(&At::root(source))) {
            Ok(Flow::Expression(text)) => text,
            Ok(other) => format!("{other:?}"),
            Err(error) => error,
        }
    }

    /// The tree without the texts.
    fn bare(json: &mut Json) {
        match json {
            Json::Object(fields) => {
                fields.remove("expression");
                fields.values_mut().for_each(bare);
            }
            Json::Array(items) => items.iter_mut().for_each(bare),
            _ => {}
        }
    }

    #[test]
    fn keys_and_places_are_inverse_for_every_function() {
        for spec in TABLE {
            let most = spec.most().unwrap_or(12);
            for index in 0..most {
                assert_eq!(
                    place(spec, &key(Some(spec), index).to_ascii_lowercase()),
                    Some(index),
                    "{} {index}",
                    spec.name
                );
            }
        }
    }

    #[test]
    fn a_tree_alone_gives_the_expression_of_every_example() {
        for example in TABLE.iter().flat_map(|spec| spec.examples) {
            let outline = Outline::parse(example.expression).unwrap();
            let mut json = source_of(example.expression, &outline);
            assert_eq!(printed(&json), example.expression);
            bare(&mut json);
            let again = Outline::parse(&printed(&json)).unwrap();
            assert_eq!(
                again,
                Outline::parse(&numbers_in_quotes(&outline).to_string()).unwrap(),
                "{}",
                example.expression
            );
        }
    }

    /// As a tree without texts has it: a number or word is a constant, and arguments left out at the end are not there.
    fn numbers_in_quotes(outline: &Outline) -> Outline {
        match outline {
            Outline::Bare(word) => Outline::Text(word.clone()),
            Outline::Call { name, arguments } => {
                let mut arguments: Vec<_> =
                    arguments.iter().map(|argument| argument.as_ref().map(numbers_in_quotes)).collect();
                while name != "Replace" && arguments.last().is_some_and(Option::is_none) {
                    arguments.pop();
                }
                Outline::Call { name: name.clone(), arguments }
            }
            Outline::Compare { operator, left, right } => Outline::Compare {
                operator,
                left: Box::new(numbers_in_quotes(left)),
                right: Box::new(numbers_in_quotes(right)),
            },
            other => other.clone(),
        }
    }

    #[test]
    fn what_a_tree_lacks_is_named() {
        for (json, part) in [
            (json!({"type": "Function"}), ".name is missing: the function"),
            (json!({"type": "Attribute", "name": ""}), ".name is missing: the attribute"),
            (json!({"type": "Macro", "name": "x"}), ".type is to be"),
            (json!({"type": "Function", "name": "=", "parameters": []}), "a comparison has two sides"),
            (json!({"type": "Function", "name": "Trim", "parameters": {}}), "parameters is to be a list"),
        ] {
            assert!(printed(&json).contains(part), "{json}: {}", printed(&json));
        }
        let old = json!({"type": "Function", "name": "replace", "parameters": [
            {"key": "source", "value": {"name": "a"}},
            {"key": "Find", "value": {"name": "-", "type": "Constant"}},
            {"key": "Replacement", "value": {"name": "_", "type": "Constant"}},
        ]});
        assert_eq!(printed(&old), r#"Replace([a], "-", , , "_", , )"#);
    }
}
