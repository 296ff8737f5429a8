//! Whether a service takes what a sync is to write: what it says of itself, whether it lets us in, its endpoints, and whether its
//! schemas have the attributes of the mapping.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ScimTarget;
use crate::target::attribute::field;
use crate::target::check::{Checked, Need};
use crate::target::{Kind, Object, TargetError};

/// What is done about a refused token.
const TOKEN: &str =
    "`token` or `oauth` of the target: a token of this service with the right to provision, that has not run out";

impl ScimTarget {
    /// See [`Target::check`](crate::target::Target::check).
    pub(super) async fn checked(&self, needs: &[Need]) -> Vec<Checked> {
        let mut checks = vec![self.check_config().await];
        for need in needs {
            let count = [("startIndex", "1".to_owned()), ("count", "1".to_owned())];
            let what = format!("reading {}", need.kind.endpoint());
            let read = self.get_at(need.kind.endpoint(), &count, "").await.and_then(|reply| reply.object());
            checks.push(match read {
                Ok(_) => Checked::found(what, "the service lets us in"),
                Err(TargetError::Missing { .. }) => {
                    let fix = match need.kind {
                        Kind::User => "`url` is the base, to which /Users is added",
                        Kind::Group => "`url` is the base; a service without groups is synced without `groups`",
                    };
                    Checked::missing(what, self.nowhere(need.kind).to_string(), fix)
                }
                // Some have no lists, and are asked for each record.
                Err(error @ TargetError::Rejected { .. }) => {
                    Checked::unknown(what, format!("it lists nothing, so each record is looked up: {error}"))
                }
                Err(error) => Checked::failed(&what, &error, TOKEN),
            });
        }
        checks.extend(self.check_schemas(needs).await);
        checks
    }

    async fn check_config(&self) -> Checked {
        let what = "ServiceProviderConfig";
        match self.config().await {
            Ok(Some(config)) => {
                let says = |name: &str| {
                    let part = field(&config, name).and_then(Value::as_object);
                    part.and_then(|part| field(part, "supported")).map_or("?".to_owned(), Value::to_string)
                };
                let said = format!("patch {}, bulk {}, filter {}", says("patch"), says("bulk"), says("filter"));
                Checked::found(what, said)
            }
            Ok(None) => {
                Checked::unknown(what, "there is none: the service is taken to have PATCH and filters, and no bulk")
            }
            Err(error) => Checked::failed(what, &error, TOKEN),
        }
    }

    async fn check_schemas(&self, needs: &[Need]) -> Vec<Checked> {
        let listed = match self.get_at("Schemas", &[], "").await.and_then(|reply| reply.json()) {
            Ok(Value::Array(schemas)) => schemas,
            Ok(answer) => answer.pointer("/Resources").and_then(Value::as_array).cloned().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        if listed.is_empty() {
            return vec![Checked::unknown("Schemas", "the service does not tell its schemas")];
        }
        let known = attributes(&listed);
        needs.iter().map(|need| schemas_of(need, &known)).collect()
    }
}

/// The attributes of schemas and whether they may be written, by the schema's URN, a colon, and name and part, in lower case.
fn attributes(schemas: &[Value]) -> BTreeMap<String, bool> {
    fn add(known: &mut BTreeMap<String, bool>, above: &str, attributes: Option<&Value>) {
        for attribute in attributes.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object) {
            let text =
                |name: &str| field(attribute, name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
            let path = format!("{above}{}", text("name"));
            known.insert(path.clone(), text("mutability") != "readonly");
            if path.matches('.').count() == above.matches('.').count() {
                add(known, &format!("{path}."), field(attribute, "subAttributes"));
            }
        }
    }
    let mut known = BTreeMap::new();
    for schema in schemas.iter().filter_map(Value::as_object) {
        let urn = id(schema).to_ascii_lowercase();
        known.insert(urn.clone(), true);
        add(&mut known, &format!("{urn}:"), field(schema, "attributes"));
    }
    known
}

fn id(schema: &Object) -> String {
    field(schema, "id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether the schemas have what a mapping writes.
fn schemas_of(need: &Need, known: &BTreeMap<String, bool>) -> Checked {
    let what = format!("the {} schema", need.kind.word());
    let core = format!("urn:ietf:params:scim:schemas:core:2.0:{}", need.kind.word());
    let mut lacking = Vec::new();
    for path in &need.paths {
        let full = full(path, &core);
        // Attributes of every resource stand in no schema (RFC 7643, 3.1).
        let common = ["externalid", "id", "schemas", "meta"]
            .iter()
            .any(|name| full == format!("{}:{name}", core.to_ascii_lowercase()));
        match known.get(&full) {
            Some(true) => {}
            _ if common => {}
            Some(false) => lacking.push(format!("{path} (read only)")),
            None => lacking.push(path.clone()),
        }
    }
    if lacking.is_empty() {
        return Checked::found(what, format!("has the {} attributes of the mapping", need.paths.len()));
    }
    let fix = "take these rules out of the mapping, or have the service define the attributes";
    Checked::missing(what, format!("lacks {}", lacking.join(", ")), fix)
}

/// A target of a mapping as schema URN, name and part: `emails[type eq "work"].value` is `…:user:emails.value`.
fn full(path: &str, core: &str) -> String {
    let bare = match (path.find('['), path.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}{}", path.get(..open).unwrap_or_default(), path.get(close + 1..).unwrap_or_default())
        }
        _ => path.to_owned(),
    };
    let full = if bare.to_ascii_lowercase().starts_with("urn:") { bare } else { format!("{core}:{bare}") };
    full.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::target::check::Verdict;

    #[test]
    fn what_the_schemas_lack_is_named() {
        let schemas = [
            json!({"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [{"name": "userName"},
                {"name": "emails", "subAttributes": [{"name": "value"}]}, {"name": "groups", "mutability": "readOnly"}]}),
            json!({"id": "urn:x:2.0:User", "attributes": [{"name": "manager", "subAttributes": [{"name": "value"}]}]}),
        ];
        let known = attributes(&schemas);
        let check = |paths: &[&str]| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            schemas_of(&Need { kind: Kind::User, paths, writes: true, members: false }, &known)
        };
        let fine = [
            "userName",
            "externalId",
            "emails[type eq \"work\"].value",
            "urn:x:2.0:User:manager.value",
            "urn:X:2.0:User:manager",
        ];
        assert_eq!(check(&fine).verdict, Verdict::Found);
        let lacking = check(&["userName", "title", "groups", "urn:x:2.0:User:floor"]);
        assert_eq!(lacking.outcome, "lacks title, groups (read only), urn:x:2.0:User:floor");
    }
}
