//! Signed notes (C2SP signed-note): a text, an empty line, and signature lines of any number of
//! keys. Existing transparency-log tools read them.
//!
//! A signature of a key that the reader does not know is ignored; one of a known key that does not
//! fit the text makes the whole note refused, whatever else stands on it.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::Checkpoint;
use crate::cosignature::{Cosignature, CosignerKey};
use crate::key::{PublicKey, Verifier, is_key_name};
use crate::text::{encode_base64, parse_base64};

/// Bytes of a note.
pub const NOTE_BYTES_MAX: usize = 1_000_000;
/// Signature lines of a note.
pub const SIGNATURES_MAX: usize = 100;

/// The first bytes of the hash over a key and its name, which tell keys of one name apart.
pub(crate) type KeyId = [u8; 4];

/// Why a note or a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a signed checkpoint.
    #[error("this is not a signed checkpoint")]
    Syntax,
    /// Longer than [`NOTE_BYTES_MAX`].
    #[error("the note is longer than 1000000 bytes")]
    TooLong,
    /// More than [`SIGNATURES_MAX`] signature lines.
    #[error("the note has more than 100 signatures; leave out those of unknown keys")]
    TooManySignatures,
    /// The text is not a key.
    #[error("this is not a verifier key of the form name+hash+key")]
    Key,
    /// The key is of another type.
    #[error("this key is of another type; logs have type 1 and witnesses type 4, both Ed25519")]
    Algorithm,
    /// The key is not 32 bytes.
    #[error("the key is not 32 bytes long; copy it whole")]
    KeyLength,
    /// The hash in the key is not the one over its name and bytes.
    #[error("the hash in the key does not fit its name and bytes; copy it whole")]
    KeyId,
    /// Two keys of one name and hash, or one key under two names.
    #[error("two of the keys cannot be told apart; leave one out")]
    Ambiguous,
    /// A signature of a known key does not fit.
    #[error("a signature does not fit: the checkpoint or the signature was changed")]
    Forged,
    /// No signature of a known key is on it.
    #[error("the checkpoint is not signed by this key")]
    Signature,
    /// It is of another log.
    #[error("the checkpoint is of another log than the key that signed it")]
    Origin,
    /// Too few witnesses have signed.
    #[error("{found} of the known witnesses have signed, but {wanted} are wanted")]
    Quorum {
        /// Witnesses that have signed.
        found: usize,
        /// Witnesses that the reader wants.
        wanted: usize,
    },
}

/// One signature: the name of a key, its id, and bytes whose meaning is the key's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    name: String,
    id: KeyId,
    bytes: Vec<u8>,
}

impl SignatureLine {
    pub(crate) fn of(key: &PublicKey, bytes: Vec<u8>) -> Self {
        Self { name: key.name.clone(), id: key.id, bytes }
    }

    /// The name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key.
    #[must_use]
    pub const fn key_id(&self) -> [u8; 4] {
        self.id
    }

    /// The signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn read(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let decoded = parse_base64(encoded).filter(|_| is_key_name(name))?;
        let (id, bytes) = decoded.split_first_chunk::<4>()?;
        (!bytes.is_empty()).then(|| Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_slice(), &self.bytes].concat();
        write!(f, "\u{2014} {} {}", self.name, encode_base64(&bytes))
    }
}

impl FromStr for SignatureLine {
    type Err = NoteError;

    /// Reads a line without its line feed.
    fn from_str(line: &str) -> Result<Self, NoteError> {
        Self::read(line).ok_or(NoteError::Syntax)
    }
}

/// A text with the signatures under it, none of them checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// A note with its first signature.
    ///
    /// # Errors
    /// [`NoteError::Syntax`] when the text does not end in a line feed or has control characters,
    /// or the signer has no proper name; [`NoteError::TooLong`].
    pub fn new(text: &str, signature: SignatureLine) -> Result<Self, NoteError> {
        Self { text: text.to_owned(), signatures: vec![signature] }.checked()
    }

    /// Reads a note. Nothing is verified by that.
    ///
    /// # Errors
    /// [`NoteError::Syntax`], [`NoteError::TooLong`] or [`NoteError::TooManySignatures`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        // The text may itself have empty lines, so the last one is what separates.
        let (body, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Syntax)?;
        let signatures = signature_lines(lines)?;
        if signatures.is_empty() {
            return Err(NoteError::Syntax);
        }
        Self { text: format!("{body}\n"), signatures }.checked()
    }

    fn checked(self) -> Result<Self, NoteError> {
        let control = self.text.contains(|c: char| c < ' ' && c != '\n');
        let named = self.signatures.iter().all(|line| is_key_name(&line.name));
        if control || !named || !self.text.ends_with('\n') {
            return Err(NoteError::Syntax);
        }
        if self.signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        if self.to_string().len() > NOTE_BYTES_MAX { Err(NoteError::TooLong) } else { Ok(self) }
    }

    /// What is signed; ends in a line feed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures in their order.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// The checkpoint that the text is.
    ///
    /// # Errors
    /// [`NoteError::Syntax`] when the text is something else.
    pub fn checkpoint(&self) -> Result<Checkpoint, NoteError> {
        Checkpoint::parse(&self.text)
    }

    /// The same note with one more signature.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`] or [`NoteError::TooLong`].
    pub fn with(mut self, signature: SignatureLine) -> Result<Self, NoteError> {
        self.signatures.push(signature);
        self.checked()
    }

    /// Which of these keys have signed, in their order; at least one.
    ///
    /// # Errors
    /// [`NoteError::Ambiguous`], [`NoteError::Forged`], or [`NoteError::Signature`] when none has.
    pub fn signed_by<'k>(&self, keys: &'k [Verifier]) -> Result<Vec<&'k Verifier>, NoteError> {
        told_apart(keys.iter().map(|key| &key.public))?;
        let mut signed = Vec::new();
        for key in keys {
            let mut lines = self.signatures.iter().filter(|line| key.public.claimed_by(line));
            let Some(first) = lines.next() else { continue };
            let fits =
                |line: &SignatureLine| key.public.verifies(self.text.as_bytes(), line.bytes());
            if !fits(first) || !lines.all(fits) {
                return Err(NoteError::Forged);
            }
            signed.push(key);
        }
        if signed.is_empty() { Err(NoteError::Signature) } else { Ok(signed) }
    }

    /// The newest cosignature of each of these witnesses that is on the note, in their order.
    ///
    /// # Errors
    /// [`NoteError::Ambiguous`] or [`NoteError::Forged`].
    pub fn cosigned_by(&self, keys: &[CosignerKey]) -> Result<Vec<Cosignature>, NoteError> {
        told_apart(keys.iter().map(|key| &key.public))?;
        let newest = |key: &CosignerKey| -> Result<Option<Cosignature>, NoteError> {
            let lines = self.signatures.iter().filter(|line| key.public.claimed_by(line));
            let all: Vec<_> =
                lines.map(|line| key.verify(&self.text, line)).collect::<Result<_, _>>()?;
            Ok(all.into_iter().max_by_key(|cosignature| cosignature.at))
        };
        keys.iter().filter_map(|key| newest(key).transpose()).collect()
    }

    /// The same note with the cosignatures of known witnesses out of the answer of one, which is
    /// signature lines. A newer one takes the place of an older one of the same witness; lines of
    /// unknown keys are left out.
    ///
    /// # Errors
    /// [`NoteError`] when the answer is not of this form, or a line of a known witness does not
    /// fit this note.
    pub fn merge(mut self, answer: &str, keys: &[CosignerKey]) -> Result<Self, NoteError> {
        told_apart(keys.iter().map(|key| &key.public))?;
        for line in signature_lines(answer)? {
            let Some(key) = keys.iter().find(|key| key.public.claimed_by(&line)) else { continue };
            let at = key.verify(&self.text, &line)?.at;
            let own = |line: &SignatureLine| key.public.claimed_by(line);
            let kept = self.signatures.iter_mut().find(|kept| own(kept));
            match kept {
                Some(kept) if key.verify(&self.text, kept).is_ok_and(|kept| kept.at >= at) => {}
                Some(kept) => *kept = line,
                None => self.signatures.push(line),
            }
        }
        self.checked()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Lines that each end in a line feed; the number of them is checked before any is decoded.
fn signature_lines(lines: &str) -> Result<Vec<SignatureLine>, NoteError> {
    if lines.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong);
    }
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let lines = lines.strip_suffix('\n').ok_or(NoteError::Syntax)?;
    if lines.split('\n').count() > SIGNATURES_MAX {
        return Err(NoteError::TooManySignatures);
    }
    lines.split('\n').map(str::parse).collect()
}

/// That a signature line belongs to at most one of the keys.
pub(crate) fn told_apart<'k>(
    keys: impl Iterator<Item = &'k PublicKey> + Clone,
) -> Result<(), NoteError> {
    let ambiguous = |key: &PublicKey| keys.clone().any(|other| key.ambiguous_with(other));
    if keys.clone().any(ambiguous) { Err(NoteError::Ambiguous) } else { Ok(()) }
}
