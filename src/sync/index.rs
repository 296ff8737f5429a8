//! [`Index`]: the numbers of things by their texts, without holding the texts a second time. Memory holds those that were noted
//! last; the others stand in a file without a name, in the order of the hashes of their texts, and of these memory holds less than a
//! tenth of a byte each. To look one up reads half a kilobyte.

use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::{DefaultHashBuilder, HashTable};

/// So many are held before they go to the file: as many as a table of 16,384 places takes.
const RECENT: usize = 14_336;
/// With many in the file, one of so many is held: the file is written anew each time.
const SHARE: usize = 32;
/// So many are read together.
const PIECE: usize = 64;
/// How many bytes an entry has in the file.
const WIDTH: usize = 8;
/// So many pieces are held.
const PIECES: usize = 128;
/// The number of what was forgotten and is in the file still.
const GONE: u32 = u32::MAX;

/// Numbers by text. Whose text is whose is said by who asks.
#[derive(Default)]
pub(super) struct Index {
    inner: Mutex<Inner>,
    hasher: DefaultHashBuilder,
    /// The number that was found last: who asks for many mostly goes by their numbers.
    last: AtomicU32,
    /// A number was forgotten, so that one may be found here alone, and not by its text.
    is_changed: bool,
}

/// A number with half of the hash of its text, so that neither a search nor growth asks for the texts of others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    half: u32,
    number: u32,
}

impl Entry {
    fn bytes(self) -> [u8; WIDTH] {
        (u64::from(self.half) | u64::from(self.number) << 32).to_le_bytes()
    }

    fn of(bytes: [u8; WIDTH]) -> Self {
        let both = u64::from_le_bytes(bytes);
        Self { half: both as u32, number: (both >> 32) as u32 }
    }
}

#[derive(Default)]
struct Inner {
    /// Those that are not in the file.
    recent: HashTable<Entry>,
    file: Option<File>,
    /// How many are in the file, with those that were forgotten.
    filed: usize,
    forgotten: usize,
    /// The half with which each piece of the file begins.
    begins: Vec<u32>,
    /// Pieces of the file by the rest of their numbers, with these.
    held: Vec<(usize, Vec<u8>)>,
    /// There is no room for another file: all that come are held.
    holds_all: bool,
    /// Why numbers cannot be had any more.
    lost: Option<String>,
}

impl Index {
    /// The number of a text; `None` also when it cannot be had any more ([`Index::intact`]).
    pub(super) fn find<T: Deref<Target = str>>(&self, text: &str, text_of: impl Fn(u32) -> T) -> Option<u32> {
        let is_it = |number: &u32| *text_of(*number) == *text;
        if !text.is_empty()
            && let Some(number) = self.likely().into_iter().flatten().find(is_it)
        {
            self.found(number);
            return Some(number);
        }
        let found = self.candidates(self.half(text)).into_iter().find(is_it);
        found.inspect(|number| self.found(*number))
    }

    /// The numbers that are mostly asked for next, whatever their texts are: the last once more, and the one behind it.
    pub(super) fn likely(&self) -> Option<[u32; 2]> {
        let last = self.last.load(Ordering::Relaxed);
        (!self.is_changed).then_some([last, last.wrapping_add(1)])
    }

    /// Notes which number was found.
    pub(super) fn found(&self, number: u32) {
        self.last.store(number, Ordering::Relaxed);
    }

    /// The numbers of what may be texts with this half of a hash.
    pub(super) fn candidates(&self, half: u32) -> Vec<u32> {
        let mut inner = self.lock();
        let recent = inner.recent.iter_hash(whole(half)).filter(|entry| entry.half == half);
        let mut numbers: Vec<u32> = recent.map(|entry| entry.number).collect();
        inner.filed(half, |entry| numbers.push(entry.number));
        numbers
    }

    /// Notes the number of a text that has none.
    pub(super) fn add(&mut self, number: u32, text: &str) {
        let half = self.half(text);
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner).add(Entry { half, number });
    }

    /// Forgets the number of a text.
    pub(super) fn remove(&mut self, number: u32, text: &str) {
        let half = self.half(text);
        self.is_changed = true;
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        match inner.recent.find_entry(whole(half), |known| known.number == number) {
            Ok(found) => drop(found.remove()),
            Err(_) => inner.forget(Entry { half, number }),
        }
    }

    /// The numbers of texts that may be the same, each time in their order.
    pub(super) fn alike(&mut self) -> Vec<Vec<u32>> {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (mut alike, mut half, mut numbers) = (Vec::new(), 0, Vec::new());
        let walked = inner.merged(|entry| {
            if entry.half != half {
                if numbers.len() > 1 {
                    alike.push(numbers.clone());
                }
                numbers.clear();
                half = entry.half;
            }
            numbers.push(entry.number);
            Ok(())
        });
        if let Err(error) = walked {
            lose(&mut inner.lost, &error);
        }
        if numbers.len() > 1 {
            alike.push(numbers);
        }
        alike
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let inner = self.lock();
        inner.recent.len() + inner.filed - inner.forgotten
    }

    /// Half of the hash of a text, the same for as long as there is this index.
    pub(super) fn half(&self, text: &str) -> u32 {
        self.hasher.hash_one(text) as u32
    }

    /// That every number that was asked for was had.
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
    fn add(&mut self, entry: Entry) {
        if self.recent.len() >= RECENT.max(self.filed / SHARE) && !self.holds_all && self.file_all().is_err() {
            self.holds_all = true;
        }
        self.recent.insert_unique(whole(entry.half), entry, |entry| whole(entry.half));
    }

    /// All into a new file, in their order.
    fn file_all(&mut self) -> io::Result<()> {
        let mut file = BufWriter::new(tempfile::tempfile()?);
        let (mut filed, mut begins) = (0, Vec::with_capacity(self.begins.len() + self.recent.len() / PIECE + 1));
        self.merged(|entry| {
            if filed % PIECE == 0 {
                begins.push(entry.half);
            }
            filed += 1;
            file.write_all(&entry.bytes())
        })?;
        self.file = Some(file.into_inner().map_err(io::IntoInnerError::into_error)?);
        (self.filed, self.begins, self.forgotten) = (filed, begins, 0);
        self.held.clear();
        self.recent.clear();
        Ok(())
    }

    /// Goes through all, those in the file and the others, in the order of halves and numbers.
    fn merged(&mut self, mut each: impl FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
        let mut recent: Vec<Entry> = self.recent.iter().copied().collect();
        recent.sort_unstable();
        let mut recent = recent.into_iter().peekable();
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(0))?;
            let mut file = BufReader::new(file);
            for _ in 0..self.filed {
                let mut bytes = [0; WIDTH];
                file.read_exact(&mut bytes)?;
                let entry = Entry::of(bytes);
                if entry.number != GONE {
                    while let Some(before) = recent.next_if(|recent| *recent < entry) {
                        each(before)?;
                    }
                    each(entry)?;
                }
            }
        }
        recent.try_for_each(each)
    }

    /// The entries of the file with a half.
    fn filed(&mut self, half: u32, mut each: impl FnMut(Entry)) {
        let first = self.begins.partition_point(|begin| *begin < half).saturating_sub(1);
        let end = self.begins.partition_point(|begin| *begin <= half);
        for number in first..end {
            let Some(piece) = self.piece(number) else { return };
            let entries = piece.chunks_exact(WIDTH).filter_map(|bytes| Some(Entry::of(*bytes.first_chunk()?)));
            entries.filter(|entry| entry.half == half && entry.number != GONE).for_each(&mut each);
        }
    }

    /// A piece of the file, read when it is not held; `None` when it cannot be had.
    fn piece(&mut self, number: usize) -> Option<&mut Vec<u8>> {
        if self.held.is_empty() {
            self.held.resize_with(PIECES, || (usize::MAX, Vec::new()));
        }
        let entries = self.filed.saturating_sub(number * PIECE).min(PIECE);
        let (holds, piece) = self.held.get_mut(number % PIECES)?;
        if *holds != number {
            *holds = usize::MAX;
            piece.resize(entries * WIDTH, 0);
            let read = self.file.as_mut().ok_or(io::ErrorKind::NotFound.into()).and_then(|file| {
                file.seek(SeekFrom::Start((number * PIECE * WIDTH) as u64))?;
                file.read_exact(piece)
            });
            if let Err(error) = read {
                lose(&mut self.lost, &error);
                return None;
            }
            *holds = number;
        }
        Some(piece)
    }

    /// Forgets one that is in the file.
    fn forget(&mut self, entry: Entry) {
        let first = self.begins.partition_point(|begin| *begin < entry.half).saturating_sub(1);
        let end = self.begins.partition_point(|begin| *begin <= entry.half);
        for number in first..end {
            let Some(piece) = self.piece(number) else { return };
            let mut entries = piece.chunks_exact_mut(WIDTH);
            let Some(place) = entries.position(|bytes| *bytes == entry.bytes()) else { continue };
            let gone = Entry { number: GONE, ..entry }.bytes();
            if let Some(bytes) = piece.get_mut(place * WIDTH..).and_then(|rest| rest.get_mut(..WIDTH)) {
                bytes.copy_from_slice(&gone);
            }
            let written = self.file.as_mut().ok_or(io::ErrorKind::NotFound.into()).and_then(|file| {
                file.seek(SeekFrom::Start(((number * PIECE + place) * WIDTH) as u64))?;
                file.write_all(&gone)
            });
            match written {
                Ok(()) => self.forgotten += 1,
                Err(error) => lose(&mut self.lost, &error),
            }
            return;
        }
    }
}

fn lose(lost: &mut Option<String>, error: &io::Error) {
    lost.get_or_insert_with(|| format!("what a run holds in a temporary file cannot be read: {error}"));
}

/// A hash with its bits everywhere, as a table wants them: Fibonacci hashing.
fn whole(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// What an index is to say, and the texts by their numbers.
    #[derive(Default)]
    struct Wanted {
        numbers: HashMap<String, u32>,
        texts: Vec<String>,
    }

    impl Wanted {
        fn add(&mut self, index: &mut Index) {
            let text = format!("text {}", self.texts.len());
            index.add(self.texts.len() as u32, &text);
            self.numbers.insert(text.clone(), self.texts.len() as u32);
            self.texts.push(text);
        }

        fn found(&self, index: &Index, number: usize) -> Option<u32> {
            index.find(&self.texts[number], |number| self.texts.get(number as usize).map_or("", String::as_str))
        }

        fn is_all(&self, index: &Index) -> bool {
            let same = |(number, text): (usize, &String)| self.found(index, number) == self.numbers.get(text).copied();
            self.texts.iter().enumerate().rev().all(same) && index.len() == self.numbers.len()
        }
    }

    fn index(many: usize) -> (Index, Wanted) {
        let (mut index, mut wanted) = (Index::default(), Wanted::default());
        (0..many).for_each(|_| wanted.add(&mut index));
        (index, wanted)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn numbers_are_found_wherever_they_stand(
            many in prop_oneof![0..RECENT, RECENT..4 * RECENT],
            steps in proptest::collection::vec((any::<proptest::sample::Index>(), 0..3), 0..3_000),
        ) {
            let (mut index, mut wanted) = index(many);
            prop_assert_eq!(index.lock().file.is_some(), many > RECENT);
            for (place, step) in steps {
                let number = place.index(wanted.texts.len().max(1));
                match (step, wanted.texts.get(number)) {
                    (0, Some(text)) => {
                        wanted.numbers.remove(text);
                        index.remove(number as u32, text);
                        prop_assert_eq!(wanted.found(&index, number), None);
                    }
                    (1, Some(text)) => {
                        prop_assert_eq!(wanted.found(&index, number), wanted.numbers.get(text).copied());
                    }
                    _ => wanted.add(&mut index),
                }
            }
            prop_assert!(wanted.is_all(&index));
            let mut texts = index.alike();
            texts.retain(|alike| alike.len() < 2);
            prop_assert_eq!((texts, index.intact()), (Vec::new(), Ok(())));
        }
    }

    #[test]
    fn the_same_text_twice_is_alike_wherever_it_stands() {
        for many in [3, RECENT, 2 * RECENT] {
            let (mut index, wanted) = index(many);
            for again in [0, many / 2, many - 1] {
                index.add((many + again) as u32, &wanted.texts[again]);
            }
            let alike = index.alike();
            for again in [0, many / 2, many - 1] {
                let both = [again as u32, (many + again) as u32];
                assert!(alike.iter().any(|alike| both.iter().all(|one| alike.contains(one)) && alike.is_sorted()));
            }
            // Two texts of so few rarely have the same half of a hash.
            assert!((3..6).contains(&alike.len()), "{}", alike.len());
        }
    }

    #[test]
    fn what_is_lost_is_told() {
        let (index, wanted) = index(RECENT + 1);
        index.lock().file.as_ref().unwrap().set_len(0).unwrap();
        let found = (0..wanted.texts.len()).rev().filter(|number| wanted.found(&index, *number).is_some()).count();
        assert_eq!(found, 1);
        assert!(index.intact().unwrap_err().contains("temporary file"));
        let (mut index, _) = self::index(RECENT + 1);
        index.lock().file.as_ref().unwrap().set_len(0).unwrap();
        assert!(index.alike().is_empty() && index.intact().is_err());
    }

    #[test]
    fn without_room_for_a_file_all_are_held() {
        let (mut index, mut wanted) = index(RECENT + 1);
        // What it stands in can be read but not copied any more.
        index.lock().holds_all = true;
        (0..3 * RECENT).for_each(|_| wanted.add(&mut index));
        assert!(index.lock().recent.len() > 3 * RECENT && wanted.is_all(&index));
        index.remove(0, &wanted.texts[0]);
        assert_eq!((wanted.found(&index, 0), index.intact()), (None, Ok(())));
    }
}
