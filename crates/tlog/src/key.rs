//! The keys of logs: names, key ids, Ed25519 signatures over the text of a note (C2SP signed-note).

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::checkpoint::Checkpoint;
use crate::note::{KeyId, Note, NoteError, SignatureLine};
use crate::text::{encode_base64, parse_base64};
use crate::tree::{Hash, TreeHead};

/// Type of a key whose signatures cover the text of the note.
const ED25519: u8 = 1;
/// Type of a key whose signatures cover a time and the text of the note.
pub(crate) const COSIGNATURE: u8 = 4;

/// Whether a key can have this name: not empty, without white space and plus signs, as a signature
/// line and a verifier key are taken apart at those.
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    let apart = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(apart)
}

/// A public key with its name and type: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) name: String,
    pub(crate) id: KeyId,
    pub(crate) key: VerifyingKey,
    kind: u8,
}

impl PublicKey {
    pub(crate) fn new(name: String, kind: u8, key: VerifyingKey) -> Self {
        let digest = Sha256::new()
            .chain_update(&name)
            .chain_update([b'\n', kind])
            .chain_update(key.as_bytes())
            .finalize();
        let [a, b, c, d, ..] = Hash::from(digest);
        Self { name, id: [a, b, c, d], key, kind }
    }

    pub(crate) fn parse(text: &str, kind: u8) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::Key)?;
        let (id, key) = rest.split_once('+').ok_or(NoteError::Key)?;
        let typed = parse_base64(key).filter(|_| is_key_name(name)).ok_or(NoteError::Key)?;
        let (found, key) = typed.split_first().ok_or(NoteError::Key)?;
        if *found != kind {
            return Err(NoteError::Algorithm);
        }
        let key: [u8; 32] = key.try_into().map_err(|_| NoteError::KeyLength)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| NoteError::Key)?;
        let public = Self::new(name.to_owned(), kind, key);
        if public.id_text() == id { Ok(public) } else { Err(NoteError::KeyId) }
    }

    fn id_text(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id))
    }

    /// Whether a line claims to be of this key.
    pub(crate) fn claimed_by(&self, line: &SignatureLine) -> bool {
        line.name() == self.name && line.key_id() == self.id
    }

    /// Whether a line cannot tell the two apart, though they differ.
    pub(crate) fn ambiguous_with(&self, other: &Self) -> bool {
        self != other && self.name == other.name && self.id == other.id
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[self.kind], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, self.id_text(), encode_base64(&typed))
    }
}

/// The log's own key, which lives outside the database.
pub struct Signer {
    public: PublicKey,
    key: SigningKey,
}

impl Signer {
    /// A signer from its 32 secret bytes. A name that [`is_key_name`] refuses makes notes that
    /// nobody can open: check it where it is configured.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(secret);
        Self { public: PublicKey::new(name.into(), ED25519, key.verifying_key()), key }
    }

    /// The key that verifies what this signs.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier { public: self.public.clone() }
    }

    /// A checkpoint of this size and root as a signed note; its origin is the name of the key.
    #[must_use]
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let text = Checkpoint::new(&self.public.name, TreeHead { size, root }).text();
        format!("{text}\n{}\n", self.signature(&text))
    }

    /// The signature line under a text: to sign a note with a second key, say the next one.
    #[must_use]
    pub fn signature(&self, text: &str) -> SignatureLine {
        let signature = self.key.sign(text.as_bytes()).to_bytes().to_vec();
        SignatureLine::of(&self.public, signature)
    }
}

/// A log's public key with its name: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    pub(crate) public: PublicKey,
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.public.fmt(f)
    }
}

impl FromStr for Verifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        PublicKey::parse(text, ED25519).map(|public| Self { public })
    }
}

impl Verifier {
    /// The name of the key, which is the origin of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.public.name
    }

    /// Reads a note and checks this key's signature on it. Signatures of other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError`] says whether the text or the signature is wrong.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let note = Note::parse(note)?;
        let checkpoint = note.checkpoint()?;
        note.signed_by(std::slice::from_ref(self))?;
        // One key may sign for several logs; this one is asked about the log of its own name.
        if checkpoint.origin == self.public.name { Ok(checkpoint) } else { Err(NoteError::Origin) }
    }
}
