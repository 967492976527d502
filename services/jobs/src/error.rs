//! Why jobs, programs and inputs are refused.

use medusa_api::SpecError;
use medusa_eventlog::{AppendError, LogError};
use medusa_platform::ApiError;
use medusa_platform::blob::BlobError;

use crate::merge::MergeError;
use crate::split::SplitError;

/// A situation that a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// There is no such thing, or it is somebody else's.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The spec has fields out of their limits.
    #[error("the job's description was refused")]
    Spec(Vec<SpecError>),
    /// The input cannot be split so.
    #[error("the input cannot be split like this")]
    Split(#[source] SplitError),
    /// The results cannot be put together so.
    #[error("the results cannot be merged like this")]
    Merge(#[source] MergeError),
    /// The sample chunk failed.
    #[error("the program failed on a sample chunk: {0}")]
    Sample(String),
    /// This person's last sample still runs.
    #[error("another sample is running")]
    SampleRunning,
    /// The quote has ended.
    #[error("the quote has ended")]
    QuoteEnded,
    /// The job has ended already.
    #[error("the job has ended already")]
    Ended,
    /// There is no result of it yet.
    #[error("{0} has no result yet")]
    NotYet(&'static str),
    /// An upload of nothing.
    #[error("an upload has at least 1 byte")]
    UploadEmpty,
    /// A person has enough uploads that are not done.
    #[error("20 uploads are not done")]
    UploadsOpen,
    /// A part came before the one that precedes it.
    #[error("the next part begins at byte {0}")]
    UploadGap(u64),
    /// Another request had the key.
    #[error("the Idempotency-Key was used for another request")]
    KeyReused,
    /// A blob was refused.
    #[error("the blob was refused")]
    Blob(#[source] BlobError),
    /// The log did not take it.
    #[error("the log did not take it")]
    Append(#[source] AppendError),
    /// Something else answered with a problem.
    #[error("refused elsewhere")]
    Elsewhere(#[source] ApiError),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
    /// The log failed.
    #[error("the log failed")]
    Log(#[from] LogError),
    /// Stored data does not have its shape.
    #[error("stored data is malformed")]
    Shape(#[from] serde_json::Error),
    /// An actor is gone or has too much to do.
    #[error("too busy")]
    Busy,
}

macro_rules! from {
    ($($source:ty => $variant:ident),*) => {$(
        impl From<$source> for JobsError {
            fn from(source: $source) -> Self { Self::$variant(source) }
        }
    )*};
}
from!(SplitError => Split, MergeError => Merge, BlobError => Blob, AppendError => Append, ApiError => Elsewhere);

impl From<actix::MailboxError> for JobsError {
    fn from(_: actix::MailboxError) -> Self {
        Self::Busy
    }
}

impl From<JobsError> for ApiError {
    fn from(error: JobsError) -> Self {
        match error {
            JobsError::Missing(what) => Self::not_found(what),
            JobsError::Spec(fields) => spec_problem(&fields),
            JobsError::Split(split) => match split.code() {
                "platform.internal" => Self::internal(&split),
                code => Self::field(code, "/input", &split.to_string()),
            },
            JobsError::Merge(merge) => match merge.code() {
                "platform.internal" => Self::internal(&merge),
                code => Self::field(code, "/merge", &merge.to_string()),
            },
            JobsError::Sample(how) => Self::new(
                422,
                "jobs.sample_failed",
                "the program failed on a sample chunk",
                format!("nothing was charged; {how}"),
            ),
            JobsError::SampleRunning => {
                let mut problem = Self::new(
                    429,
                    "jobs.sample_running",
                    "one sample at a time",
                    "the sample chunk of your last quote still runs; wait for it, half a minute at most",
                );
                problem.0.retry_after = Some(5);
                problem
            }
            JobsError::QuoteEnded => Self::new(
                409,
                "jobs.quote_ended",
                "the quote has ended",
                "prices may have changed since; ask for a new quote",
            ),
            JobsError::Ended => Self::new(
                409,
                "jobs.ended",
                "the job has ended",
                "a job that has ended cannot be changed; submit it again if you need to",
            ),
            JobsError::NotYet(what) => not_yet(what),
            JobsError::UploadEmpty => {
                Self::field("jobs.upload_empty", "/size", "an upload has at least 1 byte")
            }
            JobsError::UploadsOpen => Self::new(
                409,
                "jobs.uploads_open",
                "too many uploads",
                "20 of your uploads are not done; finish them, or wait until they are dropped",
            ),
            JobsError::UploadGap(received) => Self::new(
                409,
                "jobs.upload_gap",
                "bytes before this part are missing",
                format!("the next part begins at byte {received}; go on there"),
            ),
            JobsError::KeyReused => Self::key_reused(),
            JobsError::Blob(blob) => blob_problem(&blob),
            JobsError::Append(append) => append.into(),
            JobsError::Elsewhere(problem) => problem,
            JobsError::Store(store) => store.into(),
            JobsError::Log(log) => log.into(),
            error @ JobsError::Shape(_) => Self::internal(&error),
            JobsError::Busy => Self::busy(1),
        }
    }
}

fn not_yet(what: &str) -> ApiError {
    let detail = format!("{what} has no result yet; ask again when a chunk of it is done");
    ApiError::new(409, "jobs.not_yet", "no result yet", detail)
}

fn spec_problem(fields: &[SpecError]) -> ApiError {
    let first = fields.first().map_or("", |f| f.message);
    let mut problem = ApiError::field("jobs.spec_refused", "/spec", first);
    problem.0.errors = fields
        .iter()
        .map(|f| medusa_api::FieldProblem {
            pointer: format!("/spec{}", f.pointer),
            message: f.message.to_owned(),
        })
        .collect();
    problem
}

fn blob_problem(error: &BlobError) -> ApiError {
    let text = error.to_string();
    match error {
        BlobError::Cut => ApiError::new(
            400,
            "blob.cut",
            "the upload was cut short",
            "the connection ended before the announced length; nothing was kept, send it again",
        ),
        BlobError::TooLarge(_) => ApiError::new(413, "blob.too_large", "too large", text),
        BlobError::Digest { .. } => ApiError::new(
            422,
            "blob.digest_mismatch",
            "the bytes are not the announced ones",
            format!("{text}; nothing was kept, send it again"),
        ),
        BlobError::Missing => ApiError::not_found("blob"),
        BlobError::Store(_) => ApiError::internal(error),
    }
}
