//! Whom a reader trusts: keys of the log, keys of witnesses, and how many witnesses are enough.

use crate::checkpoint::Checkpoint;
use crate::cosignature::{Cosignature, CosignerKey};
use crate::key::Verifier;
use crate::note::{Note, NoteError, told_apart};

/// Keys of one log (several while it changes from one to the next) and of witnesses.
#[derive(Clone, Debug)]
pub struct Trust {
    logs: Vec<Verifier>,
    witnesses: Vec<CosignerKey>,
    quorum: usize,
}

/// A checkpoint that its log and enough witnesses have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What they have signed.
    pub checkpoint: Checkpoint,
    /// The known witnesses that have signed, and when.
    pub cosignatures: Vec<Cosignature>,
}

impl Trust {
    /// Checkpoints need a signature of one of `logs` and of at least `quorum` of `witnesses`.
    ///
    /// # Errors
    /// [`NoteError::Ambiguous`] when two keys cannot be told apart, or two witnesses share a key
    /// and would count twice; [`NoteError::Quorum`] when there are fewer witnesses than wanted.
    pub fn new(
        logs: Vec<Verifier>,
        witnesses: Vec<CosignerKey>,
        quorum: usize,
    ) -> Result<Self, NoteError> {
        told_apart(logs.iter().map(|key| &key.public))?;
        let known = |at: usize, key: &CosignerKey| {
            witnesses.iter().take(at).any(|other| other.public.key == key.public.key)
        };
        if witnesses.iter().enumerate().any(|(at, key)| known(at, key)) {
            return Err(NoteError::Ambiguous);
        }
        told_apart(witnesses.iter().map(|key| &key.public))?;
        if witnesses.len() < quorum {
            return Err(NoteError::Quorum { found: witnesses.len(), wanted: quorum });
        }
        Ok(Self { logs, witnesses, quorum })
    }

    /// Checks all that is wanted of a note.
    ///
    /// # Errors
    /// [`NoteError`] says what is missing or wrong.
    pub fn open(&self, note: &Note) -> Result<Opened, NoteError> {
        let checkpoint = note.checkpoint()?;
        let signed = note.signed_by(&self.logs)?;
        // One key may sign for several logs; a log is asked for by the name of its key.
        if !signed.iter().any(|key| key.name() == checkpoint.origin) {
            return Err(NoteError::Origin);
        }
        let cosignatures = note.cosigned_by(&self.witnesses)?;
        if cosignatures.len() < self.quorum {
            let (found, wanted) = (cosignatures.len(), self.quorum);
            return Err(NoteError::Quorum { found, wanted });
        }
        Ok(Opened { checkpoint, cosignatures })
    }
}
