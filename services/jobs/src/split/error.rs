//! Why an input cannot be split. Each variant is something that the consumer can act on, except the
//! last three, which are ours.

use std::io;

use medusa_platform::blob::BlobError;
use medusa_types::Sha256Hash;

use super::archive::ArchiveError;
use super::describe::grouped;
use super::plan::{CHUNK_BYTES_MAX, CHUNKS_MAX};

/// A split that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The splitter works on an input, and the job names none.
    #[error("this splitter needs an input: upload a file and name it in the job")]
    InputMissing,
    /// The named input is not in the object store.
    #[error("there is no upload {0}: upload the input again")]
    InputUnknown(Sha256Hash),
    /// There is nothing to compute on.
    #[error("the input is empty: upload a file with at least one byte")]
    InputEmpty,
    /// More chunks than a job may have.
    #[error("this would make more than {} chunks: make each chunk larger", grouped(CHUNKS_MAX))]
    TooManyChunks,
    /// A chunk that no agent could hold in memory.
    #[error(
        "chunk {chunk} would have {} bytes, and {} is the most: make each chunk smaller",
        grouped(*.bytes),
        grouped(CHUNK_BYTES_MAX)
    )]
    ChunkTooLarge {
        /// Its index.
        chunk: usize,
        /// Its length.
        bytes: u64,
    },
    /// The archive is damaged, dangerous or not one.
    #[error("the archive was refused: {0}")]
    Archive(ArchiveError),
    /// The picture is damaged, too large or not one.
    #[error("the picture was refused: {0}")]
    Picture(String),
    /// The table is damaged or not one.
    #[error("the table was refused: {0}")]
    Table(String),
    /// A line is no JSON.
    #[error("the JSON lines were refused: {0}")]
    JsonLines(String),
    /// The description of the parameter grid is none, or describes too much.
    #[error("the parameter grid was refused: {0}")]
    Grid(String),
    /// What a splitter of the consumer's own wrote is no chunks.
    #[error("what the splitter wrote was refused: {0}")]
    Splitter(String),
    /// A splitter of the consumer's own came to no good end.
    #[error("the splitter failed, and nothing was charged: {0}")]
    SplitterFailed(String),
    /// The plan has no such chunk.
    #[error("the job has no chunk {0}")]
    ChunkUnknown(u32),
    /// The object store failed.
    #[error("the object store failed during the split")]
    Store(#[source] BlobError),
    /// Reading failed in another way.
    #[error("the input could not be read")]
    Read(#[source] io::Error),
    /// The blocking pool gave the work up.
    #[error("the splitter was stopped")]
    Stopped(#[from] tokio::task::JoinError),
}

impl SplitError {
    /// The stable code, with a page in `docs/errors/`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InputMissing => "jobs.input_missing",
            Self::InputUnknown(_) => "jobs.input_unknown",
            Self::InputEmpty => "jobs.input_empty",
            Self::TooManyChunks => "jobs.too_many_chunks",
            Self::ChunkTooLarge { .. } => "jobs.chunk_too_large",
            Self::Archive(_) => "jobs.archive_refused",
            Self::Picture(_) => "jobs.picture_refused",
            Self::Table(_) => "jobs.table_refused",
            Self::JsonLines(_) => "jobs.jsonl_refused",
            Self::Grid(_) => "jobs.grid_refused",
            Self::Splitter(_) => "jobs.splitter_refused",
            Self::SplitterFailed(_) => "jobs.splitter_failed",
            Self::ChunkUnknown(_) => "jobs.chunk_unknown",
            Self::Store(_) | Self::Read(_) | Self::Stopped(_) => "platform.internal",
        }
    }

    /// JSON pointer of the request's field that it is about.
    #[must_use]
    pub const fn pointer(&self) -> &'static str {
        match self {
            Self::Splitter(_) | Self::SplitterFailed(_) => "/spec/split/program",
            _ => "/input",
        }
    }

    /// An error of the store while this blob was read.
    pub(crate) fn of_blob(hash: Sha256Hash) -> impl Fn(BlobError) -> Self {
        move |error| match error {
            BlobError::Missing => Self::InputUnknown(hash),
            other => Self::Store(other),
        }
    }
}
