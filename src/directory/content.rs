//! [`Content`]: the body of an answer, in the pieces in which it is kept or read.

use bytes::Bytes;

use super::Rest;

/// The body of an answer, JSON as text: most of it is as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// Pieces that follow one another: what is kept is not copied for each answer.
    Pieces(Vec<Bytes>),
    /// A beginning, and what follows it, which is read while it is sent.
    Begun(Bytes, Rest),
}

impl Content {
    /// The text in one piece; `None` when the rest of it is still to be read.
    pub fn whole(self) -> Option<Bytes> {
        match self {
            Self::Whole(text) => Some(text),
            Self::Pieces(pieces) => Some(pieces.concat().into()),
            Self::Begun(..) => None,
        }
    }
}
