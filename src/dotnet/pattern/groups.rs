//! The numbers and names of groups, counted as .NET counts them.
//!
//! Unnamed groups take 1, 2, 3 … in order, named ones the next free numbers after them, and `(?<7>…)` takes 7. One
//! number or name may stand at several places. The engines count parentheses from left to right, so each .NET group
//! (a slot) lists the engine groups that fill it.

/// What a first walk over the pattern saw, in order.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) unnamed: u32,
    pub(super) numbered: Vec<u32>,
    pub(super) named: Vec<String>,
}

/// One .NET group.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) number: u32,
    /// The name, or the number as text.
    pub(super) label: Box<str>,
    pub(super) named: bool,
    /// The engine groups that fill it.
    pub(super) engines: Vec<usize>,
}

/// All .NET groups of a pattern by rising number; the first is group 0, the whole match.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    pub(super) slots: Vec<Slot>,
}

impl Groups {
    /// Hands out the numbers.
    pub(super) fn number(seen: &Seen) -> Groups {
        let mut numbers: Vec<u32> = (0..=seen.unnamed).chain(seen.numbered.iter().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut groups = Groups::default();
        for &number in &numbers {
            let label = number.to_string().into();
            groups.slots.push(Slot { number, label, named: false, engines: Vec::new() });
        }
        let mut next = seen.unnamed.saturating_add(1);
        for name in &seen.named {
            if groups.by_name(name).is_some() {
                continue;
            }
            while numbers.binary_search(&next).is_ok() {
                next = next.saturating_add(1);
            }
            let label = name.as_str().into();
            groups.slots.push(Slot { number: next, label, named: true, engines: Vec::new() });
            next = next.saturating_add(1);
        }
        groups.slots.sort_by_key(|slot| slot.number);
        if let Some(whole) = groups.slots.first_mut() {
            whole.engines.push(0);
        }
        groups
    }

    /// The slot with this number.
    pub(super) fn by_number(&self, number: u32) -> Option<usize> {
        self.slots.binary_search_by_key(&number, |slot| slot.number).ok()
    }

    /// The slot with this name; numbers are no names.
    pub(super) fn by_name(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.named && *slot.label == *name)
    }

    /// The engine groups of a slot.
    pub(super) fn engines(&self, slot: usize) -> &[usize] {
        self.slots.get(slot).map_or(&[], |slot| &slot.engines)
    }

    /// The labels of all groups but group 0.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().skip(1).map(|slot| &*slot.label)
    }
}

/// Reads a number as .NET does: ASCII digits, up to `i32::MAX`.
pub(super) fn parse_number(digits: &str) -> Option<u32> {
    let number = digits.parse::<u32>().ok()?;
    i32::try_from(number).is_ok().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_groups_come_after_unnamed_and_skip_taken_numbers() {
        let seen = Seen { unnamed: 1, numbered: vec![2], named: vec!["a".into(), "b".into(), "a".into()] };
        let groups = Groups::number(&seen);
        let labels: Vec<_> = groups.slots.iter().map(|slot| (slot.number, &*slot.label)).collect();
        assert_eq!(labels, [(0, "0"), (1, "1"), (2, "2"), (3, "a"), (4, "b")]);
        assert_eq!(groups.by_name("2"), None);
        assert_eq!(groups.by_number(3), groups.by_name("a"));
    }
}
