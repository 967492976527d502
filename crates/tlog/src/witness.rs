//! A witness (C2SP tlog-witness) as a decision: it cosigns a checkpoint of a log that it knows if
//! that goes on from the last one that it cosigned. Whoever keeps its cosignatures sees it when a
//! log shows different people different histories.
//!
//! It never cosigns two checkpoints of a log of which the later one does not begin with the earlier
//! one, as long as each [`Cosigned`] is stored, guarded by its `old` size, before it is answered.

use std::collections::BTreeMap;

use crate::cosignature::{Cosigner, UnixSeconds};
use crate::key::Verifier;
use crate::note::{NoteError, told_apart};
use crate::proof::verify_consistency;
use crate::request::{AddCheckpoint, RequestError};
use crate::tree::TreeHead;

/// Why a checkpoint was not cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is not of the right form.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The log is not one of those that the witness knows.
    #[error("this witness does not know the log; ask its operator to add it")]
    UnknownOrigin,
    /// No key of the log has signed, or a signature does not fit.
    #[error("no known key of the log has signed the checkpoint")]
    Unsigned,
    /// The old size is larger than the checkpoint's.
    #[error("the old size is larger than the checkpoint's")]
    OldAboveNew,
    /// The witness knows another size.
    #[error("the last cosigned checkpoint has the size {known}; send the proof from there")]
    Conflict {
        /// The size of the last checkpoint that it cosigned.
        known: u64,
    },
    /// The proof does not lead from the known checkpoint to the new one.
    #[error("the proof does not lead from the old size to the checkpoint")]
    Proof,
    /// A second root for one size: the log has two histories.
    #[error("another root was cosigned for this size; the log shows two histories")]
    OtherRoot,
}

impl Refusal {
    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Request(_) | Self::OldAboveNew => 400,
            Self::Unsigned => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict { .. } => 409,
            Self::Proof | Self::OtherRoot => 422,
        }
    }

    /// The media type of the answer.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The body of the answer: for a conflict just the size, which programs read.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Conflict { known } => format!("{known}\n"),
            other => format!("{other}\n"),
        }
    }
}

/// A checkpoint that was cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The log.
    pub origin: String,
    /// The size that was known before. Store the head only while this still is the size known.
    pub old: u64,
    /// What is known from now on.
    pub head: TreeHead,
    /// The body of the answer: the signature line with its line feed.
    pub line: String,
}

/// The logs that a witness knows, and where each stands.
pub struct Witness {
    cosigner: Cosigner,
    logs: BTreeMap<String, Vec<Verifier>>,
    heads: BTreeMap<String, TreeHead>,
}

impl Witness {
    /// A witness that knows no log yet.
    #[must_use]
    pub const fn new(cosigner: Cosigner) -> Self {
        Self { cosigner, logs: BTreeMap::new(), heads: BTreeMap::new() }
    }

    /// Adds a key of a log. A log may have several.
    ///
    /// # Errors
    /// [`NoteError::Ambiguous`] when it cannot be told apart from another key of this log.
    pub fn trust(&mut self, origin: &str, key: Verifier) -> Result<(), NoteError> {
        let keys = self.logs.entry(origin.to_owned()).or_default();
        told_apart(keys.iter().chain([&key]).map(|key| &key.public))?;
        if !keys.contains(&key) {
            keys.push(key);
        }
        Ok(())
    }

    /// Puts back what was stored of a log.
    pub fn restore(&mut self, origin: &str, head: TreeHead) {
        self.heads.insert(origin.to_owned(), head);
    }

    /// The last head that was cosigned of a log; the empty tree's before the first.
    #[must_use]
    pub fn known(&self, origin: &str) -> TreeHead {
        self.heads.get(origin).copied().unwrap_or_else(TreeHead::empty)
    }

    /// Decides on the body of a request.
    ///
    /// # Errors
    /// [`Refusal`], which knows its status, media type and body.
    pub fn answer(&self, body: &[u8], now: UnixSeconds) -> Result<Cosigned, Refusal> {
        self.decide(&AddCheckpoint::parse(body)?, now)
    }

    /// Decides on a request. Changes nothing.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies, in the order of the protocol.
    pub fn decide(&self, request: &AddCheckpoint, now: UnixSeconds) -> Result<Cosigned, Refusal> {
        let checkpoint = request.note.checkpoint().map_err(RequestError::from)?;
        let keys = self.logs.get(&checkpoint.origin).ok_or(Refusal::UnknownOrigin)?;
        request.note.signed_by(keys).map_err(|_| Refusal::Unsigned)?;
        let (known, head) = (self.known(&checkpoint.origin), checkpoint.head());
        goes_on(request, &known, &head)?;
        let line = self.cosigner.cosign(&request.note, now).map_err(RequestError::from)?;
        let line = format!("{line}\n");
        Ok(Cosigned { origin: checkpoint.origin, old: known.size, head, line })
    }

    /// Remembers what was cosigned. A smaller head than the known one came late, and is left out.
    pub fn apply(&mut self, cosigned: &Cosigned) {
        if cosigned.head.size >= self.known(&cosigned.origin).size {
            self.restore(&cosigned.origin, cosigned.head);
        }
    }
}

/// Whether the request's proof leads from what is known to its checkpoint.
fn goes_on(request: &AddCheckpoint, known: &TreeHead, head: &TreeHead) -> Result<(), Refusal> {
    if request.old > head.size {
        return Err(Refusal::OldAboveNew);
    }
    if request.old != known.size {
        return Err(Refusal::Conflict { known: known.size });
    }
    if known.size == head.size && known.root != head.root {
        return Err(Refusal::OtherRoot);
    }
    let proven = match known.size {
        0 => request.proof.is_empty(),
        _ => verify_consistency(known, head, &request.proof),
    };
    if proven { Ok(()) } else { Err(Refusal::Proof) }
}
