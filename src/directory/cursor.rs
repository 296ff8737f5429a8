//! Cursors of pages (RFC 9865): sealed, so that a client can neither read nor make one, and bound to one question.
//!
//! A cursor holds the digest of its question, the count, the place where the page ended, and when it was made, under a
//! key that the store keeps. So any process on that store goes on with it, also after a restart, and none keeps a list
//! of cursors. The key is worth little: who has it can skip through lists that their token lets them read anyway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

use super::query::{DEFAULT_PAGE, MAX_PAGE};
use super::{Call, Directory, failed};
use crate::clock::Millis;
use crate::scim::discovery::ResourceType;
use crate::scim::error::ScimError;
use crate::scim::list::{CURSOR_TIMEOUT, Query};
use crate::store::{Operation, StoreError, Table, Transaction, When};

/// The record of the key.
const KEY: &[u8] = b"cursor-key";
/// Bytes of a nonce: so many that random ones do not meet.
const NONCE: usize = 24;
/// Bytes of the digest of a question that a cursor carries.
const DIGEST: usize = 16;

/// The pages of one question.
pub(super) struct Pages {
    cipher: XChaCha20Poly1305,
    digest: [u8; DIGEST],
    now: Millis,
    /// How many results each page has.
    pub(super) count: u64,
    /// Where the page before ended; `None` on the first page.
    pub(super) place: Option<Vec<u8>>,
}

impl Directory {
    /// The page that a query with a cursor asks for, of one kind or of all.
    ///
    /// # Errors
    /// 400 `invalidCursor` when the cursor is not ours or belongs to another question, `invalidCount` when it was made for
    /// another count, `expiredCursor` after [`CURSOR_TIMEOUT`] seconds.
    pub(super) async fn pages(
        &self,
        call: &Call<'_>,
        kind: Option<&ResourceType>,
        query: &Query,
        cursor: &str,
    ) -> Result<Pages, ScimError> {
        let key = self.cursor_key().await.map_err(|error| failed(&error))?;
        let cipher = XChaCha20Poly1305::new(&Key::from(key));
        let (digest, now) = (digest(call, kind, query), self.now());
        let asked = query.count.map(|count| count.min(MAX_PAGE));
        if cursor.is_empty() {
            return Ok(Pages { cipher, digest, now, count: asked.unwrap_or(DEFAULT_PAGE), place: None });
        }
        let opened = open(&cipher, cursor).ok_or_else(|| {
            ScimError::invalid_cursor("the cursor is none of ours: send the `nextCursor` of the page before, unchanged")
        })?;
        if opened.digest != digest {
            return Err(ScimError::invalid_cursor("the cursor belongs to another query: begin with an empty `cursor`"));
        }
        if let Some(asked) = asked.filter(|asked| *asked != opened.count) {
            let message = format!("the cursor is one of pages of {}, not of {asked}", opened.count);
            return Err(ScimError::invalid_count(message));
        }
        if now > opened.made.saturating_add(CURSOR_TIMEOUT * 1_000) {
            let message = format!("the cursor is older than {CURSOR_TIMEOUT} seconds: begin with an empty `cursor`");
            return Err(ScimError::expired_cursor(message));
        }
        Ok(Pages { cipher, digest, now, count: opened.count, place: Some(opened.place) })
    }

    /// The key, which the first to need it makes.
    async fn cursor_key(&self) -> Result<[u8; 32], StoreError> {
        let made = self.cursor_key.get_or_try_init(|| async {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(|error| StoreError::Io(format!("no randomness: {error}")))?;
            let operation =
                Operation::Put { table: Table::Settings, key: KEY.to_vec(), value: key.to_vec(), when: When::Absent };
            match self.store.record(Table::Settings, KEY).await? {
                Some(known) => known_key(&known),
                None => match self.store.commit(Transaction::new("").with(operation)).await {
                    Ok(_) => Ok(key),
                    // Another process was faster.
                    Err(StoreError::Changed { .. }) => {
                        known_key(&self.store.record(Table::Settings, KEY).await?.unwrap_or_default())
                    }
                    Err(error) => Err(error),
                },
            }
        });
        made.await.copied()
    }
}

fn known_key(known: &[u8]) -> Result<[u8; 32], StoreError> {
    known.try_into().map_err(|_| StoreError::Io("the key of cursors in the store is none".to_owned()))
}

impl Pages {
    /// The cursor of the page after this one, which begins behind `place`.
    pub(super) fn next(&self, place: &[u8]) -> Result<String, ScimError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| ScimError::status(500, "the machine gives no randomness"))?;
        let plain = [&self.digest[..], &self.count.to_be_bytes(), &self.now.to_be_bytes(), place].concat();
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), plain.as_slice());
        let sealed = sealed.map_err(|_| ScimError::status(500, "a cursor cannot be sealed"))?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }
}

/// What a cursor holds.
struct Opened {
    digest: [u8; DIGEST],
    count: u64,
    made: Millis,
    place: Vec<u8>,
}

fn open(cipher: &XChaCha20Poly1305, cursor: &str) -> Option<Opened> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
    let plain = cipher.decrypt(&XNonce::from(*nonce), sealed).ok()?;
    let (digest, rest) = plain.split_first_chunk::<DIGEST>()?;
    let (count, rest) = rest.split_first_chunk::<8>()?;
    let (made, place) = rest.split_first_chunk::<8>()?;
    Some(Opened {
        digest: *digest,
        count: u64::from_be_bytes(*count),
        made: u64::from_be_bytes(*made),
        place: place.to_vec(),
    })
}

/// What a question is: of which source and kind, and everything of the query but its count and cursor.
fn digest(call: &Call<'_>, kind: Option<&ResourceType>, query: &Query) -> [u8; DIGEST] {
    let mut hasher = Sha256::new();
    let mut part = |text: Option<&str>| {
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        hasher.update(length.to_be_bytes());
        hasher.update(text.unwrap_or_default());
    };
    part(Some(&call.source.slug));
    part(kind.map(ResourceType::name));
    part(Some(if query.descending { "descending" } else { "ascending" }));
    for text in [&query.filter, &query.sort_by, &query.attributes, &query.excluded_attributes] {
        part(text.as_deref());
    }
    let mut out = [0; DIGEST];
    out.iter_mut().zip(hasher.finalize()).for_each(|(place, byte)| *place = byte);
    out
}
