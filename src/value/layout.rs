//! [`Layout`]: the attributes that programs read, numbered, so that running never looks a name up.

use std::collections::HashMap;

use super::{AttributePath, Value};

/// The number of an attribute in a [`Layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u32);

impl Slot {
    /// The slot's place in a record's values.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which attributes are read, and where each one's value is put.
///
/// Top-level attributes take the slots that a reader fills; an attribute such as `name.givenName` takes a slot that is
/// derived from its root's after the record is read.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    names: Vec<Box<str>>,
    by_name: HashMap<Box<str>, Slot>,
    /// Per slot: whether a program reads it (a root may be there for a derived slot alone).
    wanted: Vec<bool>,
    derived: Vec<Derived>,
    whole: Option<Slot>,
}

#[derive(Debug, Clone)]
struct Derived {
    target: Slot,
    readings: Vec<(Slot, AttributePath)>,
}

impl Layout {
    /// The slot of the attribute called `name`, made when there is none yet.
    pub fn slot(&mut self, name: &str) -> Slot {
        let slot = self.root(name);
        if let Some(wanted) = self.wanted.get_mut(slot.index())
            && !*wanted
        {
            *wanted = true;
            let readings = AttributePath::readings(name);
            if readings.len() > 1 {
                let readings = readings.into_iter().skip(1).map(|path| (self.root(&path.root), path)).collect();
                self.derived.push(Derived { target: slot, readings });
            }
        }
        slot
    }

    /// The slot of the whole record, an object, for programs that choose an attribute while they run.
    pub fn whole(&mut self) -> Slot {
        let next = self.next();
        let slot = *self.whole.get_or_insert(next);
        if slot == next {
            self.names.push("the record".into());
            self.wanted.push(false);
        }
        slot
    }

    /// The slot of the whole record, when a program reads it.
    pub fn find_whole(&self) -> Option<Slot> {
        self.whole
    }

    fn root(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let slot = self.next();
        self.names.push(name.into());
        self.wanted.push(false);
        self.by_name.insert(name.into(), slot);
        slot
    }

    fn next(&self) -> Slot {
        Slot(u32::try_from(self.names.len()).unwrap_or(u32::MAX))
    }

    /// The slot of a top-level name as records spell it.
    pub fn find(&self, name: &str) -> Option<Slot> {
        self.by_name.get(name).copied()
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing is read.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The attribute's name as the program spells it.
    pub fn name(&self, slot: Slot) -> &str {
        self.names.get(slot.index()).map_or("", |name| name)
    }

    /// The names that programs read, in the order in which they were first met.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        self.names.iter().zip(&self.wanted).filter(|(_, wanted)| **wanted).map(|(name, _)| &**name)
    }

    /// Fills the derived slots from the roots'. A reader calls this once a record is read.
    pub fn derive(&self, slots: &mut [Value<'_>]) {
        for derived in &self.derived {
            if !matches!(slots.get(derived.target.index()), Some(Value::Absent)) {
                continue;
            }
            let found = derived.readings.iter().find_map(|(root, path)| {
                let root = slots.get(root.index()).copied().unwrap_or_default();
                (!matches!(root, Value::Absent)).then(|| path.descend(root))
            });
            if let (Some(slot), Some(value)) = (slots.get_mut(derived.target.index()), found) {
                *slot = value;
            }
        }
    }
}
