//! App role assignments: Entra's `[appRoleAssignments]` to what a SCIM target's `roles` takes.

use crate::text::Code;
use crate::value::{Value, to_json};

use super::{Context, Fallible, Fault};

/// The assignments of the first argument: complex values, or their JSON as text.
fn assignments<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Vec<Value<'a>>> {
    match context.argument(arguments, 0) {
        Value::List(items) => Ok(items.to_vec()),
        value if value.is_empty() => Ok(Vec::new()),
        value @ (Value::Object(_) | Value::Text(_)) => Ok(vec![value]),
        other => Err(Fault::new(Code::Conversion, format!("{} is not a role assignment", other.describe())).at(0)),
    }
}

fn field<'a>(assignment: Value<'a>, name: &str) -> Option<&'a str> {
    let Value::Object(fields) = assignment else { return None };
    fields.iter().find(|(key, _)| *key == name).and_then(|(_, value)| match value {
        Value::Text(text) if !text.is_empty() => Some(*text),
        _ => None,
    })
}

/// The role's display name; a text is the name itself.
fn role_name<'a>(assignment: Value<'a>) -> Option<&'a str> {
    match assignment {
        Value::Text(text) => Some(text).filter(|text| !text.is_empty()),
        _ => field(assignment, "displayName").or_else(|| field(assignment, "value")),
    }
}

/// `SingleAppRoleAssignment([appRoleAssignments])`: the first role's name.
pub(super) fn single<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let first = assignments(context, arguments)?.first().copied();
    Ok(first.and_then(role_name).map_or(Value::Null, Value::Text))
}

/// `AppRoleAssignments([appRoleAssignments])`: the names of the roles.
pub(super) fn names<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let mut list = context.arena.list(4);
    list.extend(assignments(context, arguments)?.into_iter().filter_map(role_name).map(Value::Text));
    Ok(if list.is_empty() { Value::Null } else { Value::List(list.into_bump_slice()) })
}

/// `AppRoleAssignmentsComplex` and `AssertiveAppRoleAssignmentsComplex`: one complex value a role, none of them primary.
pub(super) fn complex<'a>(context: &Context<'a>, arguments: &[Value<'a>]) -> Fallible<Value<'a>> {
    let mut list = context.arena.list(4);
    for assignment in assignments(context, arguments)? {
        let Some(name) = role_name(assignment) else {
            let shown = to_json(assignment).to_string();
            return Err(Fault::new(Code::Conversion, format!("{shown} has neither displayName nor value")).at(0));
        };
        let value = field(assignment, "value").unwrap_or(name);
        list.push(Value::Object(context.arena.slice(&[
            ("primary", Value::Bool(false)),
            ("type", Value::Text("WindowsAzureActiveDirectoryRole")),
            ("display", Value::Text(name)),
            ("value", Value::Text(value)),
        ])));
    }
    Ok(if list.is_empty() { Value::Null } else { Value::List(list.into_bump_slice()) })
}
