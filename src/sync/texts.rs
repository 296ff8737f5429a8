//! [`Texts`]: texts that are put away and asked for a few times, mostly in the order in which they came. They stand one behind the
//! other in a file without a name; memory holds those that came last, and a piece of the others.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many bytes are held before they go to the file.
const RECENT: usize = 1 << 19;
/// So many are read together.
const PIECE: u64 = 1 << 14;

/// Texts by their places.
#[derive(Default)]
pub(super) struct Texts {
    inner: Mutex<Inner>,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Its first byte.
    pub(super) start: u64,
    /// How many bytes it has.
    pub(super) length: u32,
}

#[derive(Default)]
struct Inner {
    /// What is not in the file.
    recent: Vec<u8>,
    file: Option<File>,
    /// How many bytes are in the file: no text is in part.
    filed: u64,
    /// A piece of the file, and where it begins.
    held: (u64, Vec<u8>),
    /// There is no room for a file: all that come are held.
    holds_all: bool,
    /// Why texts cannot be had any more.
    lost: Option<String>,
}

impl Texts {
    /// Puts a text behind the last.
    pub(super) fn push(&mut self, text: &str) -> Span {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        if inner.recent.len() >= RECENT && !inner.holds_all && inner.file_all().is_err() {
            inner.holds_all = true;
        }
        let start = inner.filed + inner.recent.len() as u64;
        inner.recent.extend_from_slice(text.as_bytes());
        Span { start, length: u32::try_from(text.len()).unwrap_or(u32::MAX) }
    }

    /// A text; empty when it cannot be had any more ([`Texts::intact`]).
    pub(super) fn get(&self, span: Span) -> String {
        let mut inner = self.lock();
        let text = inner.bytes(span).and_then(|bytes| {
            let text = std::str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
            Ok(text.to_owned())
        });
        text.unwrap_or_else(|error| {
            let what = format!("what a run holds in a temporary file cannot be read: {error}");
            inner.lost.get_or_insert(what);
            String::new()
        })
    }

    /// That every text that was asked for was had.
    ///
    /// # Errors
    /// Why it was not: what was made of the answers must not be used.
    pub(super) fn intact(&self) -> Result<(), String> {
        self.lock().lost.clone().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What is held goes behind what is in the file.
    fn file_all(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(self.filed))?;
        file.write_all(&self.recent)?;
        self.filed += self.recent.len() as u64;
        self.recent.clear();
        Ok(())
    }

    fn bytes(&mut self, span: Span) -> io::Result<&[u8]> {
        let length = span.length as usize;
        let (start, bytes) = if span.start >= self.filed {
            (self.filed, &self.recent)
        } else {
            let (start, held) = &mut self.held;
            let end = span.start + u64::from(span.length);
            if span.start < *start || end > *start + held.len() as u64 {
                let wanted = PIECE.max(span.length.into()).min(self.filed - span.start);
                held.clear();
                *start = span.start;
                let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
                file.seek(SeekFrom::Start(span.start))?;
                file.take(wanted).read_to_end(held)?;
            }
            (*start, &*held)
        };
        let from = usize::try_from(span.start - start).map_err(|_| io::ErrorKind::InvalidData)?;
        let bytes = bytes.get(from..).and_then(|rest| rest.get(..length));
        bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(lengths: &[usize]) -> (Texts, Vec<(Span, String)>) {
        let mut texts = Texts::default();
        let wanted = lengths.iter().enumerate().map(|(number, length)| {
            let text = format!("{number} {}", "x".repeat(*length));
            (texts.push(&text), text)
        });
        let wanted = wanted.collect();
        (texts, wanted)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn texts_come_back_as_they_were_wherever_they_stand(
            lengths in proptest::collection::vec(prop_oneof![0..300_usize, 0..40_000_usize], 1..500),
            asked in proptest::collection::vec(any::<proptest::sample::Index>(), 0..300),
        ) {
            let (texts, wanted) = texts(&lengths);
            let all: usize = wanted.iter().map(|(_, text)| text.len()).sum();
            prop_assert_eq!(texts.lock().file.is_some(), texts.lock().filed > 0);
            prop_assert!(all <= 2 * RECENT || texts.lock().file.is_some());
            let asked = asked.iter().map(|one| one.index(wanted.len())).chain(0..wanted.len());
            for place in asked {
                let (span, text) = &wanted[place];
                prop_assert_eq!(&texts.get(*span), text);
            }
            prop_assert_eq!(texts.intact(), Ok(()));
        }
    }

    #[test]
    fn what_is_lost_is_told_and_without_room_all_is_held() {
        let (texts, wanted) = texts(&vec![1_000; 3_000]);
        texts.lock().file.as_ref().unwrap().set_len(0).unwrap();
        assert_eq!(texts.get(wanted[0].0), "");
        assert!(texts.intact().unwrap_err().contains("temporary file"));
        let (mut texts, _) = self::texts(&vec![1_000; 3_000]);
        texts.lock().file = Some(File::open("/dev/null").unwrap());
        let spans: Vec<Span> =
            (0..3_000).map(|number| texts.push(&format!("{number} {}", "y".repeat(1_000)))).collect();
        assert!(texts.lock().holds_all);
        assert!(spans.iter().enumerate().all(|(number, span)| texts.get(*span).starts_with(&format!("{number} "))));
    }
}
