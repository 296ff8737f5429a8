//! What loops go over: a list whose items are counted as they are taken.

use std::sync::Arc;

use minijinja::Error;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};

use super::bridge::{bounded, turn};

/// A list whose items are counted as they are taken.
pub(super) fn each(value: &Jinja, raw: u64) -> Result<Jinja, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(value.clone());
    }
    let value = if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String) {
        bounded(value.clone())?
    } else {
        return Ok(value.clone());
    };
    let items = match value.downcast_object::<Vec<Jinja>>() {
        Some(items) => items,
        None => Arc::new(value.try_iter()?.collect()),
    };
    Ok(Jinja::from_object(Turns { items, raw }))
}

/// The items of a loop, and how many bytes of raw text each turn writes.
#[derive(Debug)]
struct Turns {
    items: Arc<Vec<Jinja>>,
    raw: u64,
}

impl Object for Turns {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let item = self.items.get(key.as_usize()?)?;
        Some(match turn(self.raw) {
            Ok(()) => item.clone(),
            Err(error) => Jinja::from(error),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }
}
