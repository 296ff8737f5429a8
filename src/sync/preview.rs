//! What a sync would send for a payload, as far as it is known without asking the target: a creation, or a change of all that
//! the mapping writes; nothing, when the same was sent last.

use serde_json::{Value, json};

use super::Sync;
use super::part::wanted;
use super::planner::new_values;
use super::state::State;
use crate::mapping::Mapping;
use crate::target::{Kind, Object, Target, Write};

impl Sync {
    /// What the target would receive for a payload, as JSON: `sync`, `linked` (the id of its object there), `verb`, and
    /// `requests` with `method`, `url` and `body`. Managers and members are written later, by their ids there.
    pub fn preview(&self, mapping: &Mapping, kind: Kind, payload: Object, state: Option<&State>) -> Value {
        let wanted = wanted(mapping, payload);
        let linked = state.and_then(|state| state.target.as_deref());
        let same = linked.is_some() && state.and_then(|state| state.sent.as_deref()) == Some(wanted.digest.as_str());
        let (verb, requests) = match linked {
            Some(_) if same => ("none", Vec::new()),
            Some(id) => ("update", update(&self.target, mapping, kind, id, wanted.payload)),
            None => ("create", self.target.preview(&Write::Create { kind, payload: wanted.payload })),
        };
        json!({"sync": self.name(), "linked": linked, "verb": verb, "requests": requests})
    }
}

/// The requests of a change of everything that the mapping writes: what the target has already is known only to it.
fn update(target: &dyn Target, mapping: &Mapping, kind: Kind, id: &str, payload: Object) -> Vec<Value> {
    let changes = new_values(mapping, &payload);
    target.preview(&Write::Update { kind, id: id.to_owned(), changes, payload })
}
