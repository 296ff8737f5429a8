//! The workload: made-up people, the mapping, the two hand-written floors, Provisor, and the means to measure them.

pub(crate) mod engine;
pub(crate) mod growth;
pub(crate) mod json;
pub(crate) mod measure;
pub(crate) mod people;
pub(crate) mod process;
pub(crate) mod typed;
pub(crate) mod value;

/// The mapping as Provisor reads it.
pub(crate) const MAPPING: &str = include_str!("mapping.toml");

/// The schemas of every payload.
pub(crate) const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The nicknames that nobody can have any more; the same as `[env] taken` of the mapping.
pub(crate) const TAKEN: [&str; 16] = [
    "admin",
    "root",
    "info",
    "support",
    "sales",
    "jsmith",
    "mmiller",
    "dlee",
    "ajones",
    "sbrown",
    "chelp",
    "postmaster",
    "osmith",
    "emoore",
    "pmuller",
    "abjork",
];

/// The lines of JSONL. Every row has to look whether its input is UTF-8; the line feeds are found at the same speed for all.
pub(crate) fn lines(input: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)?;
        let line = str::from_utf8(&rest[..end]).expect("UTF-8");
        rest = &rest[end + 1..];
        Some(line)
    })
}

/// The letters that `NormalizeDiacritics` spells out: they have no decomposition.
pub(crate) fn spelled(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'Æ' => "AE",
        'ø' => "oe",
        'Ø' => "OE",
        'ł' => "l",
        'Ł' => "L",
        'ı' => "i",
        _ => return None,
    })
}
