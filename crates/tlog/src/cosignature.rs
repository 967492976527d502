//! Cosignatures (C2SP tlog-cosignature, Ed25519): a witness says that at this time this was the
//! largest checkpoint of the log that it had seen, and that it goes on from all before.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey};

use crate::key::{COSIGNATURE, PublicKey};
use crate::note::{Note, NoteError, SignatureLine};

/// Seconds since 1970, at most 2^63 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// A time; `None` when it is larger than the format allows.
    #[must_use]
    pub fn new(seconds: u64) -> Option<Self> {
        i64::try_from(seconds).is_ok().then_some(Self(seconds))
    }

    /// The seconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Who has cosigned, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The name of the witness.
    pub name: String,
    /// When it says that it has signed.
    pub at: UnixSeconds,
}

/// What a cosignature covers. The name of the witness is not in it, so each witness needs a key of
/// its own.
fn message(text: &str, at: UnixSeconds) -> String {
    format!("cosignature/v1\ntime {}\n{text}", at.get())
}

/// The secret key of a witness.
pub struct Cosigner {
    public: PublicKey,
    key: SigningKey,
}

impl Cosigner {
    /// A cosigner from its 32 secret bytes, which no other key may share. The name is one that
    /// [`crate::is_key_name`] accepts.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(secret);
        Self { public: PublicKey::new(name.into(), COSIGNATURE, key.verifying_key()), key }
    }

    /// The key that verifies what this signs.
    #[must_use]
    pub fn key(&self) -> CosignerKey {
        CosignerKey { public: self.public.clone() }
    }

    /// The line to put under a checkpoint. Signs whatever it is given: [`crate::Witness`] decides
    /// what that is.
    ///
    /// # Errors
    /// [`NoteError::Syntax`] when the note is not a checkpoint.
    pub fn cosign(&self, note: &Note, at: UnixSeconds) -> Result<SignatureLine, NoteError> {
        note.checkpoint()?;
        let signature = self.key.sign(message(note.text(), at).as_bytes());
        let stamped = [at.get().to_be_bytes().as_slice(), &signature.to_bytes()].concat();
        Ok(SignatureLine::of(&self.public, stamped))
    }
}

/// The public key of a witness with its name: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignerKey {
    pub(crate) public: PublicKey,
}

impl CosignerKey {
    /// The name of the witness.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.public.name
    }

    /// That a line is this witness's signature under a text.
    pub(crate) fn verify(
        &self,
        text: &str,
        line: &SignatureLine,
    ) -> Result<Cosignature, NoteError> {
        let (time, signature) = line.bytes().split_first_chunk().ok_or(NoteError::Forged)?;
        let at = UnixSeconds::new(u64::from_be_bytes(*time)).ok_or(NoteError::Forged)?;
        if self.public.verifies(message(text, at).as_bytes(), signature) {
            Ok(Cosignature { name: self.public.name.clone(), at })
        } else {
            Err(NoteError::Forged)
        }
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.public.fmt(f)
    }
}

impl FromStr for CosignerKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        PublicKey::parse(text, COSIGNATURE).map(|public| Self { public })
    }
}
