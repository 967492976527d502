//! Why bytes are not an event.

use crate::FORMAT;

/// Characters of an unknown type that a message repeats.
const KIND_SHOWN: usize = 80;

/// Why bytes are not an event that this program knows.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They are not the JSON object that every event is.
    #[error("these bytes are not an event")]
    Envelope(#[source] serde_json::Error),
    /// They say that they are an event of another format.
    #[error("this event is of format {0}, and this program knows format {FORMAT}: use a newer one")]
    Format(u64),
    /// The fact has a type that is not in the vocabulary.
    #[error("this program does not know the type {0:?}: use a newer one")]
    Type(String),
    /// The fact does not have the fields of its type.
    #[error("these are not the data of {kind}")]
    Data {
        /// The fact's type.
        kind: String,
        /// What is wrong with its data.
        #[source]
        source: serde_json::Error,
    },
    /// They say the same as an event, but an event is written in one way only.
    #[error("this event of type {0} is not written in the canonical way")]
    NotCanonical(String),
}

impl DecodeError {
    /// Of an unknown type, which may be as long as the one who wrote it liked.
    pub(crate) fn unknown(kind: &str) -> Self {
        Self::Type(kind.chars().take(KIND_SHOWN).collect())
    }
}
