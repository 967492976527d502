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
    /// No chunk wrote the file that the rule merges.
    #[error(
        "{file} could not be put together: no chunk wrote /out/{from}; {}", instead(.wrote)
    )]
    Missing {
        /// The result file.
        file: String,
        /// The file that chunks should have written.
        from: String,
        /// Some of the files that chunks wrote instead.
        wrote: Vec<String>,
    },
    /// What sample chunks wrote does not fit the rule.
    #[error("{said}")]
    Misfit {
        /// The place of the rule in the job's description.
        rule: usize,
        /// No sample wrote the file that it merges.
        missing: bool,
        /// What does not fit, what was written, and what to do.
        said: String,
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
            Self::Failed { .. } | Self::Misfit { missing: false, .. } => "jobs.merge_failed",
            Self::Missing { .. } | Self::Misfit { missing: true, .. } => "jobs.merge_file_missing",
            Self::Store(_) | Self::Write(_) | Self::Stopped(_) => "platform.internal",
        }
    }

    /// Where the mistake is, as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> String {
        match self {
            Self::Misfit { rule, .. } => format!("/spec/merge/{rule}"),
            _ => "/merge".to_owned(),
        }
    }
}

/// What there is instead, and what to do.
pub(super) fn instead(names: &[String]) -> String {
    if names.is_empty() {
        return "they wrote no files at all: write it, or merge standard output (an empty name)"
            .to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!(
        "they wrote {}: name one of these, or standard output (an empty name)",
        names.join(", ")
    )
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

impl From<png::EncodingError> for Fault {
    fn from(error: png::EncodingError) -> Self {
        Self::Io(error.into())
    }
}

/// One chunk's piece for a rule: nothing where the program did not write the file.
pub(super) type Piece = Result<Option<Vec<u8>>, Fault>;
/// The pieces of all chunks, in chunk order.
pub(super) type Pieces<'a> = &'a mut dyn Iterator<Item = Piece>;
