//! Operations on the members of a group, compiled without looking at them.

use serde_json::Value;

use super::{Action, Choice, Compiler, Order, Place};
use crate::scim::error::ScimError;
use crate::scim::filter::{Check, Matcher, Node};
use crate::scim::members::{Member, MemberOp};
use crate::scim::path::Operator;
use crate::scim::peer::Tolerance;

impl<'s> Compiler<'s> {
    pub(super) fn on_members(
        &mut self,
        place: &Place<'s>,
        choice: Option<Choice>,
        order: Order<'_>,
    ) -> Result<(), ScimError> {
        if let Some(sub) = &place.sub {
            let message = format!("`members.{}` is immutable: remove the member and add another one", sub.name);
            return Err(ScimError::mutability(message));
        }
        let operation = match (order.action, choice) {
            (Action::Remove, Some(choice)) => removal(choice.matcher),
            (Action::Remove, None) => match order.value {
                // RFC 7644, section 3.5.2.2: the whole attribute, because nothing else is said at all.
                None => MemberOp::ReplaceAll(Vec::new()),
                Some(value) => MemberOp::Remove(self.named(place, value)?),
            },
            (Action::Add, Some(choice)) => MemberOp::Add(vec![self.chosen(choice, order.value)?]),
            (Action::Replace, Some(_)) => {
                let message = "a member cannot become another one: remove it and add the other";
                return Err(ScimError::mutability(message));
            }
            (Action::Add, None) => MemberOp::Add(self.members(place, order.value)?),
            (Action::Replace, None) => MemberOp::ReplaceAll(self.members(place, order.value)?),
        };
        self.members.push(operation);
        Ok(())
    }

    fn members(&mut self, place: &Place<'s>, value: Option<&Value>) -> Result<Vec<Member>, ScimError> {
        let Some(value) = value else {
            return Err(ScimError::invalid_value("the operation on `members` needs a `value`"));
        };
        let items = self.reader.list(&place.attribute, value, &"members")?;
        items.iter().map(Member::read).collect()
    }

    /// The ids of those whom a removal lists. One that lists nobody is refused: read as the RFC, it would mean all.
    fn named(&mut self, place: &Place<'s>, value: &Value) -> Result<Vec<String>, ScimError> {
        if !self.has(Tolerance::RemoveByValue) {
            let message = "`remove` takes no `value`: choose members with a filter, as in members[value eq \"…\"]";
            return Err(ScimError::invalid_value(message));
        }
        let members = self.members(place, Some(value))?;
        if members.is_empty() {
            return Err(ScimError::invalid_value("the removal from `members` lists nobody to remove"));
        }
        Ok(members.into_iter().map(|member| member.value).collect())
    }

    /// The member that an `add` describes by a filter.
    fn chosen(&mut self, choice: Choice, value: Option<&Value>) -> Result<Member, ScimError> {
        let Some(mut fields) = choice.constants.filter(|_| self.has(Tolerance::ElementOnAdd)) else {
            return Err(ScimError::no_target(format!("`{}` does not say who is to be added", choice.text)));
        };
        if let Some(Value::Object(more)) = value {
            fields.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        let element = Value::Object(fields);
        if !choice.matcher.matches_element(&element) {
            return Err(ScimError::no_target(format!("`{}` is not what the value is", choice.text)));
        }
        Member::read(&element)
    }
}

/// Ids when the filter is `value eq "…"`, one or several joined by `or`, else the filter.
fn removal(matcher: Matcher) -> MemberOp {
    let id = |node: &Node| match node {
        Node::Test(test) if test.attribute.as_deref() == Some("value") => match &test.check {
            Check::Text { operator: Operator::Equal, value, exact: true } => Some(value.clone()),
            _ => None,
        },
        _ => None,
    };
    let ids = match &matcher.node {
        Node::Or(parts) => parts.iter().map(id).collect::<Option<Vec<_>>>(),
        other => id(other).map(|id| vec![id]),
    };
    match ids {
        Some(ids) => MemberOp::Remove(ids),
        None => MemberOp::RemoveMatching(matcher),
    }
}
