//! The body of `add-checkpoint` (C2SP tlog-witness): the size that the witness knows, a consistency
//! proof from there, an empty line, and the new checkpoint.

use std::fmt;

use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::text::{hash_lines, parse_decimal, parse_hash};
use crate::tree::Hash;

/// Hashes of the proof.
pub const PROOF_LINES_MAX: usize = 63;
/// Bytes of a body: the note, and 46 bytes for each line before it.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 46 * (PROOF_LINES_MAX + 1);

/// Why a body was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Longer than [`REQUEST_BYTES_MAX`].
    #[error("the request is longer than {REQUEST_BYTES_MAX} bytes")]
    TooLong,
    /// Not UTF-8, or without an empty line before the checkpoint.
    #[error("write the old size, the proof, an empty line and the checkpoint, each line ended")]
    Shape,
    /// The first line is not the old size.
    #[error("the first line is not `old` and a size, like `old 0`")]
    OldSize,
    /// A line of the proof is not a hash.
    #[error("hash {0} of the proof is not 32 bytes in base64")]
    Hash(usize),
    /// More than [`PROOF_LINES_MAX`] hashes.
    #[error("the proof has more than {PROOF_LINES_MAX} hashes")]
    TooManyHashes,
    /// What follows is not a checkpoint.
    #[error("what follows the proof is not a checkpoint: {0}")]
    Note(#[from] NoteError),
}

/// A new checkpoint for a witness, with the proof that it goes on from the one it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the last checkpoint that the witness has cosigned; 0 if it has none.
    pub old: u64,
    /// The proof from there; empty from 0.
    pub proof: Vec<Hash>,
    /// The new checkpoint, signed by the log.
    pub note: Note,
}

impl AddCheckpoint {
    /// Reads a body.
    ///
    /// # Errors
    /// [`RequestError`] says which part is wrong.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLong);
        }
        let text = str::from_utf8(body).map_err(|_| RequestError::Shape)?;
        let (head, note) = text.split_once("\n\n").ok_or(RequestError::Shape)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_decimal);
        let old = old.ok_or(RequestError::OldSize)?;
        if lines.clone().count() > PROOF_LINES_MAX {
            return Err(RequestError::TooManyHashes);
        }
        let hashes = (1..).zip(lines);
        let proof = hashes
            .map(|(number, line)| parse_hash(line).ok_or(RequestError::Hash(number)))
            .collect::<Result<_, _>>()?;
        let note = Note::parse(note)?;
        note.checkpoint()?;
        Ok(Self { old, proof, note })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "old {}\n{}\n{}", self.old, hash_lines(&self.proof), self.note)
    }
}
