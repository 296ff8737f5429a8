//! What is compiled at run time and kept for the next record: patterns and date formats that no compiler saw as constants.
//!
//! Each thread keeps the ones met last. A memo is no state that a program can see: it saves time and changes no value.

use std::cell::RefCell;
use std::sync::Arc;

use crate::dotnet::date::{FormatError, PrintFormat, ReadFormat};
use crate::dotnet::pattern::{Pattern, PatternError};

/// How many results of one kind a thread keeps.
const KEPT: usize = 64;

/// A source, and what came of it.
type Entry<T, E> = (Box<str>, Result<Arc<T>, E>);

/// The results met last, the latest at the end. Refusals are kept too: a pattern that cannot be compiled comes again.
struct Memo<T, E> {
    kept: Vec<Entry<T, E>>,
}

impl<T, E: Clone> Memo<T, E> {
    const fn new() -> Self {
        Self { kept: Vec::new() }
    }

    fn get(&mut self, source: &str, compile: impl FnOnce(&str) -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(at) = self.kept.iter().rposition(|(known, _)| **known == *source) {
            // Those that are used stay near the end, where the search begins.
            if at + 8 < self.kept.len() {
                let entry = self.kept.remove(at);
                let known = entry.1.clone();
                self.kept.push(entry);
                return known;
            }
            if let Some((_, known)) = self.kept.get(at) {
                return known.clone();
            }
        }
        let known = compile(source).map(Arc::new);
        if self.kept.len() == KEPT {
            drop(self.kept.remove(0));
        }
        self.kept.push((source.into(), known.clone()));
        known
    }
}

thread_local! {
    static PATTERNS: RefCell<Memo<Pattern, PatternError>> = const { RefCell::new(Memo::new()) };
    static READS: RefCell<Memo<ReadFormat, FormatError>> = const { RefCell::new(Memo::new()) };
    static PRINTS: RefCell<Memo<PrintFormat, FormatError>> = const { RefCell::new(Memo::new()) };
}

/// A pattern that is known only at run time. It takes less room than one of the mapping file.
pub fn pattern(source: &str) -> Result<Arc<Pattern>, PatternError> {
    PATTERNS.with_borrow_mut(|memo| memo.get(source, Pattern::compile_small))
}

/// An input format that is known only at run time.
pub fn read_format(source: &str) -> Result<Arc<ReadFormat>, FormatError> {
    READS.with_borrow_mut(|memo| memo.get(source, ReadFormat::compile))
}

/// An output format that is known only at run time.
pub fn print_format(source: &str) -> Result<Arc<PrintFormat>, FormatError> {
    PRINTS.with_borrow_mut(|memo| memo.get(source, PrintFormat::compile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_met_last_is_kept_and_the_rest_is_forgotten() {
        let first = pattern("a0").unwrap();
        assert!(Arc::ptr_eq(&first, &pattern("a0").unwrap()));
        for number in 1..=KEPT {
            pattern(&format!("a{number}")).unwrap();
        }
        assert!(!Arc::ptr_eq(&first, &pattern("a0").unwrap()));
        assert!(pattern("(").is_err() && pattern("(").is_err());
    }
}
