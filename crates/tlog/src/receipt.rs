//! Receipts (C2SP tlog-proof): that an entry stands at its place in a log, in one text that is
//! verified offline with the entry and the keys alone.

use std::fmt;

use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::proof::verify_inclusion;
use crate::text::{encode_base64, hash_lines, parse_base64, parse_decimal, parse_hash};
use crate::tree::Hash;
use crate::trust::{Opened, Trust};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Levels of the largest tree.
const PATH_LINES_MAX: usize = 64;
/// Bytes of a receipt: the note, and as much again for all before it.
pub const RECEIPT_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

/// Why a receipt was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Longer than [`RECEIPT_BYTES_MAX`].
    #[error("the receipt is longer than {RECEIPT_BYTES_MAX} bytes")]
    TooLong,
    /// The text is something else.
    #[error("this is not a receipt; one begins with the line {HEADER}")]
    Syntax,
    /// The path has more hashes than any tree has levels.
    #[error("the receipt has more than {PATH_LINES_MAX} hashes")]
    TooManyHashes,
    /// The checkpoint is not one, or not signed as wanted.
    #[error("the receipt's checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The path does not lead from the entry to the checkpoint.
    #[error("the entry is not at this place in the log: the entry or the receipt was changed")]
    Path,
}

/// The place of an entry, the path from there to the root, and the checkpoint with that root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The leaf, from 0.
    pub index: u64,
    /// The hashes beside the way to the root, from the leaf up.
    pub path: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub note: Note,
    /// Anything that the issuer added; no signature covers it.
    pub extra: Option<Vec<u8>>,
}

impl Receipt {
    /// Reads a receipt. Nothing is verified by that.
    ///
    /// # Errors
    /// [`ReceiptError`] when it is not of the right form.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLong);
        }
        let (head, note) = text.split_once("\n\n").ok_or(ReceiptError::Syntax)?;
        let rest = head.strip_prefix(HEADER).ok_or(ReceiptError::Syntax)?;
        let (extra, rest) = split_extra(rest).ok_or(ReceiptError::Syntax)?;
        let rest = rest.strip_prefix("\nindex ").ok_or(ReceiptError::Syntax)?;
        let mut lines = rest.split('\n');
        let index = lines.next().and_then(parse_decimal).ok_or(ReceiptError::Syntax)?;
        if lines.clone().count() > PATH_LINES_MAX {
            return Err(ReceiptError::TooManyHashes);
        }
        let path = lines.map(parse_hash).collect::<Option<_>>().ok_or(ReceiptError::Syntax)?;
        let note = Note::parse(note)?;
        note.checkpoint()?;
        Ok(Self { index, path, note, extra })
    }

    /// That the entry with this leaf hash is in the log, at the receipt's place, in the opinion of
    /// those who are trusted.
    ///
    /// # Errors
    /// [`ReceiptError::Note`] or [`ReceiptError::Path`].
    pub fn verify(&self, leaf: Hash, trust: &Trust) -> Result<Opened, ReceiptError> {
        let opened = trust.open(&self.note)?;
        let head = opened.checkpoint.head();
        if verify_inclusion(leaf, self.index, head.size, &self.path, &head.root) {
            Ok(opened)
        } else {
            Err(ReceiptError::Path)
        }
    }
}

/// The extra line, if there is one, and what follows it.
fn split_extra(rest: &str) -> Option<(Option<Vec<u8>>, &str)> {
    let Some(line) = rest.strip_prefix("\nextra ") else { return Some((None, rest)) };
    let (encoded, rest) = line.split_at_checked(line.find('\n')?)?;
    Some((Some(parse_base64(encoded)?), rest))
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", encode_base64(extra))?;
        }
        write!(f, "index {}\n{}\n{}", self.index, hash_lines(&self.path), self.note)
    }
}
