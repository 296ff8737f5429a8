//! [`Rows`]: small rows of one width, by number, of which memory holds the ones used last. The others stand in a file without a
//! name, so that a run over many takes little more memory than one over few.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many rows come and go together.
const BLOCK: usize = 64;
/// So many of these are held: no file is made for 16,384 rows.
const HELD: usize = 256;

/// A row, and how it stands in a file.
pub(super) trait Row: Copy + Default {
    /// How many bytes it has there.
    const WIDTH: usize;

    /// Writes it behind what is there: [`Row::WIDTH`] bytes.
    fn write(&self, bytes: &mut Vec<u8>);

    /// The row in so many bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// Rows by number.
#[derive(Default)]
pub(super) struct Rows<R> {
    inner: Mutex<Inner<R>>,
}

#[derive(Default)]
struct Inner<R> {
    len: usize,
    held: Vec<Block<R>>,
    /// Which of the held blocks is which block; [`GONE`] for one that is in the file.
    places: Vec<u32>,
    /// Which of the held is looked at next for one that may go.
    hand: usize,
    file: Option<File>,
    /// There is no room for a file: all are held.
    holds_all: bool,
    /// Why rows cannot be had any more.
    lost: Option<String>,
}

struct Block<R> {
    number: u32,
    rows: Vec<R>,
    /// It is not in the file as it is.
    is_changed: bool,
    /// It was asked for since it was last looked at.
    is_used: bool,
}

/// The place of a block that is in the file.
const GONE: u32 = u32::MAX;

impl<R: Row> Rows<R> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().len
    }

    /// A row; the default of what is none, or cannot be had any more ([`Rows::intact`]).
    pub(super) fn get(&self, number: usize) -> R {
        let mut inner = self.lock();
        if number >= inner.len {
            return R::default();
        }
        let row = inner.block(number / BLOCK).and_then(|block| block.rows.get(number % BLOCK));
        row.copied().unwrap_or_default()
    }

    /// Puts a row in the place of one.
    pub(super) fn set(&mut self, number: usize, row: R) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = inner.block(number / BLOCK)
            && let Some(place) = block.rows.get_mut(number % BLOCK)
        {
            *place = row;
            block.is_changed = true;
        }
    }

    /// Puts a row behind the last.
    pub(super) fn push(&mut self, row: R) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        if inner.len.is_multiple_of(BLOCK) {
            let number = inner.places.len();
            inner.places.push(GONE);
            inner.hold(number, Vec::with_capacity(BLOCK));
        }
        if let Some(block) = inner.block(inner.len / BLOCK) {
            block.rows.push(row);
            block.is_changed = true;
        }
        inner.len += 1;
    }

    /// That every row that was asked for was had.
    ///
    /// # Errors
    /// Why it was not: what was made of the answers must not be used.
    pub(super) fn intact(&self) -> Result<(), String> {
        self.lock().lost.clone().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<R>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Row> Inner<R> {
    /// A block, read when it is not held; `None` when it cannot be had.
    fn block(&mut self, number: usize) -> Option<&mut Block<R>> {
        let place = match *self.places.get(number)? {
            GONE => {
                let rows = match self.load(number) {
                    Ok(rows) => rows,
                    Err(error) => {
                        let what = format!("what a run holds in a temporary file cannot be read: {error}");
                        self.lost.get_or_insert(what);
                        return None;
                    }
                };
                self.hold(number, rows)
            }
            place => place as usize,
        };
        let block = self.held.get_mut(place)?;
        block.is_used = true;
        Some(block)
    }

    /// Holds a block, in the place of one that was not used for long when there are many; its place.
    fn hold(&mut self, number: usize, rows: Vec<R>) -> usize {
        // What was read is not changed; what is new will be.
        let block = Block { number: number as u32, rows, is_changed: false, is_used: true };
        let place = match self.free() {
            Some(place) => place,
            None => self.held.len(),
        };
        match self.held.get_mut(place) {
            Some(old) => *old = block,
            None => self.held.push(block),
        }
        if let Some(known) = self.places.get_mut(number) {
            *known = place as u32;
        }
        place
    }

    /// The place of a block that goes to the file; `None` when one more can be held, or none can go.
    fn free(&mut self) -> Option<usize> {
        if self.held.len() < HELD || self.holds_all {
            return None;
        }
        // All have been looked at once after one round, and are unused after it.
        for _ in 0..=self.held.len() {
            let place = self.hand;
            self.hand = (place + 1) % self.held.len();
            let block = self.held.get_mut(place)?;
            if std::mem::take(&mut block.is_used) {
                continue;
            }
            let number = block.number;
            if block.is_changed && self.store(place).is_err() {
                self.holds_all = true;
                return None;
            }
            if let Some(known) = self.places.get_mut(number as usize) {
                *known = GONE;
            }
            return Some(place);
        }
        None
    }

    fn store(&mut self, place: usize) -> io::Result<()> {
        let Some(block) = self.held.get(place) else { return Ok(()) };
        let mut bytes = Vec::with_capacity(BLOCK * R::WIDTH);
        for row in &block.rows {
            row.write(&mut bytes);
        }
        let start = start::<R>(block.number as usize);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(start))?;
        file.write_all(&bytes)
    }

    fn load(&mut self, number: usize) -> io::Result<Vec<R>> {
        let rows = self.len.saturating_sub(number * BLOCK).min(BLOCK);
        let mut bytes = vec![0; rows * R::WIDTH];
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        file.seek(SeekFrom::Start(start::<R>(number)))?;
        file.read_exact(&mut bytes)?;
        let rows: Option<Vec<R>> = bytes.chunks_exact(R::WIDTH).map(R::read).collect();
        rows.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Where a block begins in the file.
fn start<R: Row>(block: usize) -> u64 {
    (block * BLOCK * R::WIDTH) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, Default, PartialEq)]
    struct Pair(u64, u8);

    impl Row for Pair {
        const WIDTH: usize = 9;

        fn write(&self, bytes: &mut Vec<u8>) {
            bytes.extend(self.0.to_ne_bytes());
            bytes.push(self.1);
        }

        fn read(bytes: &[u8]) -> Option<Self> {
            let (number, rest) = bytes.split_first_chunk()?;
            Some(Self(u64::from_ne_bytes(*number), *rest.first()?))
        }
    }

    fn rows(many: usize) -> (Rows<Pair>, Vec<Pair>) {
        let (mut rows, mut wanted) = (Rows::default(), Vec::new());
        for number in 0..many {
            let pair = Pair(number as u64 * 7, number as u8);
            rows.push(pair);
            wanted.push(pair);
        }
        (rows, wanted)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn rows_are_what_was_put_last_wherever_they_stand(
            extra in 0..3 * BLOCK,
            steps in proptest::collection::vec((any::<proptest::sample::Index>(), any::<Option<u8>>()), 0..3_000),
        ) {
            let many = 2 * HELD * BLOCK + extra;
            let (mut rows, mut wanted) = rows(many);
            prop_assert!(rows.lock().file.is_some() && rows.lock().held.len() == HELD);
            for (place, put) in steps {
                let place = place.index(many);
                if let Some(put) = put {
                    rows.set(place, Pair(1, put));
                    wanted[place] = Pair(1, put);
                }
                prop_assert_eq!(rows.get(place), wanted[place]);
            }
            let all: Vec<Pair> = (0..rows.len()).map(|number| rows.get(number)).collect();
            prop_assert_eq!(all, wanted);
            prop_assert_eq!(rows.get(many), Pair::default());
            prop_assert_eq!(rows.intact(), Ok(()));
        }
    }

    #[test]
    fn few_rows_need_no_file_and_what_is_lost_is_told() {
        let (rows, wanted) = rows(HELD * BLOCK);
        assert_eq!(rows.get(wanted.len() - 1), wanted[wanted.len() - 1]);
        assert!(rows.lock().file.is_none());
        let (rows, _) = self::rows(HELD * BLOCK + 1);
        rows.lock().file.as_ref().unwrap().set_len(0).unwrap();
        let lost = (0..rows.len()).filter(|number| rows.get(*number) == Pair::default()).count();
        assert!(lost >= BLOCK, "{lost}");
        assert!(rows.intact().unwrap_err().contains("temporary file"));
    }

    #[test]
    fn without_room_for_a_file_all_are_held() {
        let (mut rows, mut wanted) = rows(HELD * BLOCK);
        rows.lock().file = Some(File::open("/dev/null").unwrap());
        for number in 0..(2 * BLOCK as u64) {
            rows.push(Pair(number, 1));
            wanted.push(Pair(number, 1));
        }
        assert!(rows.lock().holds_all);
        let all: Vec<Pair> = (0..rows.len()).map(|number| rows.get(number)).collect();
        assert_eq!((all, rows.intact()), (wanted, Ok(())));
    }
}
