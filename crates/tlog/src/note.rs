//! Checkpoints as signed notes (C2SP signed-note and tlog-checkpoint): origin, size, root, a blank
//! line, and an Ed25519 signature line. Existing transparency-log tools read them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::tree::Hash;

const ED25519: u8 = 1;

/// Size and root of the tree at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why a note or a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a checkpoint.
    #[error("this is not a signed checkpoint")]
    Syntax,
    /// The text is not a verifier key.
    #[error("this is not a verifier key of the form name+hash+key")]
    Key,
    /// No signature of the key is on it, or it does not fit the text.
    #[error("the checkpoint is not signed by this key")]
    Signature,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next()?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let root = BASE64.decode(lines.next()?).ok()?.try_into().ok()?;
        (!origin.is_empty()).then_some(Self { origin, size, root })
    }
}

fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update(b"\n")
        .chain_update([ED25519])
        .chain_update(public)
        .finalize();
    let [a, b, c, d, ..] = Hash::from(digest);
    [a, b, c, d]
}

/// The log's own key, which lives outside the database.
pub struct Signer {
    name: String,
    key: SigningKey,
}

impl Signer {
    /// A signer from its 32 secret bytes.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: &[u8; 32]) -> Self {
        Self { name: name.into(), key: SigningKey::from_bytes(secret) }
    }

    /// The key that verifies what this signs.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// A checkpoint of this size and root as a signed note.
    #[must_use]
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let text = Checkpoint { origin: self.name.clone(), size, root }.text();
        let mut line = key_id(&self.name, self.key.verifying_key().as_bytes()).to_vec();
        line.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.name, BASE64.encode(line))
    }
}

/// A public key with its name: `name+hash+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: VerifyingKey,
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut typed = vec![ED25519];
        typed.extend_from_slice(self.key.as_bytes());
        let id = u32::from_be_bytes(key_id(&self.name, self.key.as_bytes()));
        write!(f, "{}+{id:08x}+{}", self.name, BASE64.encode(typed))
    }
}

impl std::str::FromStr for Verifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::Key)?;
        let (id, key) = rest.split_once('+').ok_or(NoteError::Key)?;
        let typed = BASE64.decode(key).map_err(|_| NoteError::Key)?;
        let Some((&ED25519, key)) = typed.split_first() else { return Err(NoteError::Key) };
        let key: [u8; 32] = key.try_into().map_err(|_| NoteError::Key)?;
        if u32::from_str_radix(id, 16) != Ok(u32::from_be_bytes(key_id(name, &key))) {
            return Err(NoteError::Key);
        }
        let key = VerifyingKey::from_bytes(&key).map_err(|_| NoteError::Key)?;
        Ok(Self { name: name.to_owned(), key })
    }
}

impl Verifier {
    /// Reads a note and checks this key's signature on it. Signatures of other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError`] says whether the text or the signature is wrong.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let (body, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Syntax)?;
        let text = format!("{body}\n");
        let checkpoint = Checkpoint::parse(&text).ok_or(NoteError::Syntax)?;
        let id = key_id(&self.name, self.key.as_bytes());
        let signed = signatures.lines().any(|line| {
            let Some((name, encoded)) =
                line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' '))
            else {
                return false;
            };
            let Ok(bytes) = BASE64.decode(encoded) else { return false };
            let Some((found, signature)) = bytes.split_first_chunk::<4>() else { return false };
            let Ok(signature) = Signature::from_slice(signature) else { return false };
            name == self.name
                && *found == id
                && self.key.verify_strict(text.as_bytes(), &signature).is_ok()
        });
        if signed && checkpoint.origin == self.name {
            Ok(checkpoint)
        } else {
            Err(NoteError::Signature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_verifier_key_reads_and_writes_back() {
        let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        assert_eq!(text.parse::<Verifier>().unwrap().to_string(), text);
        assert_eq!(text.replace("530d", "530e").parse::<Verifier>(), Err(NoteError::Key));
    }

    #[test]
    fn a_changed_checkpoint_is_refused() {
        let signer = Signer::new("medusa.test/log", &[7; 32]);
        let note = signer.sign(5, [9; 32]);
        let verifier = signer.verifier();
        let opened = verifier.open(&note).unwrap();
        assert_eq!((opened.size, opened.root), (5, [9; 32]));
        assert_eq!(verifier.open(&note.replace("\n5\n", "\n6\n")), Err(NoteError::Signature));
        let other = Signer::new("medusa.test/log", &[8; 32]).verifier();
        assert_eq!(other.open(&note), Err(NoteError::Signature));
        assert_eq!(verifier.open("nonsense"), Err(NoteError::Syntax));
    }
}
