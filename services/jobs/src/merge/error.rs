//! Why results cannot be put together.

use std::io;

use medusa_platform::blob::BlobError;

/// A merge that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The chunks' results do not fit the rule.
    #[error("{file} could not be put together: {why}")]
    Failed {
        /// The result file.
        file: String,
        /// What is wrong and where.
        why: String,
    },
    /// The object store failed.
    #[error("the object store failed during the merge")]
    Store(#[source] BlobError),
    /// Writing failed in another way.
    #[error("a result could not be written")]
    Write(#[source] io::Error),
    /// The blocking pool gave the work up.
    #[error("the merger was stopped")]
    Stopped(#[from] tokio::task::JoinError),
}

impl MergeError {
    /// The stable code, with a page in `docs/errors/`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "jobs.merge_failed",
            Self::Store(_) | Self::Write(_) | Self::Stopped(_) => "platform.internal",
        }
    }
}

/// What goes wrong inside one rule.
#[derive(Debug)]
pub(super) enum Fault {
    /// A chunk's piece does not fit.
    Chunk(usize, String),
    /// The pieces together do not.
    Whole(String),
    /// The result cannot be written, or the pieces cannot be read.
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<zip::result::ZipError> for Fault {
    fn from(error: zip::result::ZipError) -> Self {
        Self::Io(error.into())
    }
}

impl From<png::EncodingError> for Fault {
    fn from(error: png::EncodingError) -> Self {
        Self::Io(error.into())
    }
}

/// One chunk's piece for a rule: nothing where the program did not write the file.
pub(super) type Piece = Result<Option<Vec<u8>>, Fault>;
/// The pieces of all chunks, in chunk order.
pub(super) type Pieces<'a> = &'a mut dyn Iterator<Item = Piece>;
