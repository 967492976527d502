//! Why jobs, programs and inputs are refused.

use medusa_api::SpecError;
use medusa_eventlog::{AppendError, LogError};
use medusa_platform::ApiError;
use medusa_platform::blob::BlobError;
use medusa_types::Credits;

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
    /// No runtime of this name is offered; those that are.
    #[error("there is no such runtime; there are: {0}")]
    RuntimeUnknown(String),
    /// The runtime does not take the script.
    #[error("the script was refused: {0}")]
    ScriptRefused(String),
    /// The operator's runtime cannot be offered.
    #[error("the runtime was refused: {0}")]
    RuntimeRefused(String),
    /// The module cannot be started.
    #[error("the module cannot be started: {0}")]
    NotStarted(String),
    /// This person's last sample still runs.
    #[error("another sample is running")]
    SampleRunning,
    /// The quote has ended.
    #[error("the quote has ended")]
    QuoteEnded,
    /// The budget does not allow one run, which may cost so much.
    #[error("the budget does not allow one run")]
    Budget(Credits),
    /// The job has ended already.
    #[error("the job has ended already")]
    Ended,
    /// The job cannot go on: that for which it paused is still so.
    #[error("the job cannot go on yet")]
    Stuck(medusa_api::PauseWhy),
    /// Nothing has failed that could be tried again.
    #[error("no chunk has failed")]
    NothingFailed,
    /// A budget is raised by more than nothing.
    #[error("not more than nothing")]
    Amount,
    /// Fuel is raised within limits.
    #[error("fuel is raised 1 to 100 times")]
    FuelTimes,
    /// The job has not ended.
    #[error("the job has not ended")]
    NotEnded,
    /// The job's input and results are deleted.
    #[error("input and results of the job are deleted")]
    FilesDeleted(medusa_api::FilesDeleted),
    /// There is no result of it yet.
    #[error("{0} has no result yet")]
    NotYet(&'static str),
    /// An upload of nothing.
    #[error("an upload has at least 1 byte")]
    UploadEmpty,
    /// A person has enough uploads that are not done.
    #[error("20 uploads are not done")]
    UploadsOpen,
    /// A part that begins where no part may begin.
    #[error("the part belongs to byte {0}")]
    UploadGap(u64),
    /// A part that is too small to be kept.
    #[error("{came} bytes came, and a part has {least} at least")]
    UploadSmall {
        /// Bytes that came.
        came: u64,
        /// Bytes that a part must have there.
        least: u64,
    },
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
        if let Some((status, code, title, detail)) = plain(&error) {
            return Self::new(status, code, title, detail);
        }
        if let Some((code, pointer, words)) = bad_number(&error) {
            return Self::field(code, pointer, words);
        }
        match error {
            JobsError::Missing(what) => Self::not_found(what),
            JobsError::Spec(fields) => spec_problem(&fields),
            JobsError::Budget(least) => Self::field(
                "jobs.budget",
                "/budget",
                &format!(
                    "one run may cost {least} credits: give at least that, or a new quote for smaller chunks"
                ),
            ),
            JobsError::Split(split) => match split.code() {
                "platform.internal" => Self::internal(&split),
                code => Self::field(code, split.pointer(), &split.to_string()),
            },
            JobsError::Merge(merge) => match merge.code() {
                "platform.internal" => Self::internal(&merge),
                code => Self::field(code, &merge.pointer(), &merge.to_string()),
            },
            JobsError::Sample(how) => Self::new(
                422,
                "jobs.sample_failed",
                "the program failed on a sample chunk",
                format!("nothing was charged; {how}"),
            ),
            JobsError::RuntimeUnknown(names) => runtime_unknown(&names),
            JobsError::ScriptRefused(why) => {
                Self::new(422, "program.script_refused", "the script was refused", why)
            }
            JobsError::RuntimeRefused(why) => {
                Self::new(422, "program.runtime_refused", "the runtime was refused", why)
            }
            JobsError::NotStarted(why) => Self::new(
                422,
                "program.not_started",
                "the program cannot be started",
                format!("in a dry run without input it could not even begin: {why}"),
            ),
            JobsError::SampleRunning => sample_running(),
            JobsError::Stuck(why) => stuck(why),
            JobsError::FilesDeleted(deleted) => Self::new(
                410,
                "jobs.files_deleted",
                "the files are deleted",
                format!(
                    "input and results of this job were {}; what the log says of it stays",
                    deleted.in_words()
                ),
            ),
            JobsError::NotYet(what) => not_yet(what),
            JobsError::UploadGap(received) => upload_gap(received),
            JobsError::UploadSmall { came, least } => upload_small(came, least),
            JobsError::KeyReused => Self::key_reused(),
            JobsError::Blob(blob) => blob_problem(&blob),
            JobsError::Append(append) => append.into(),
            JobsError::Elsewhere(problem) => problem,
            JobsError::Store(store) => store.into(),
            JobsError::Log(log) => log.into(),
            JobsError::Busy => Self::busy(1),
            error => Self::internal(&error),
        }
    }
}

/// Status, code, title and words of refusals that are always worded alike.
const fn plain(error: &JobsError) -> Option<(u16, &'static str, &'static str, &'static str)> {
    Some(match error {
        JobsError::QuoteEnded => (
            409,
            "jobs.quote_ended",
            "the quote has ended",
            "prices may have changed since; ask for a new quote",
        ),
        JobsError::Ended => (
            409,
            "jobs.ended",
            "the job has ended",
            "a job that has ended cannot be changed; submit it again if you need to",
        ),
        JobsError::NotEnded => (
            409,
            "jobs.not_ended",
            "the job has not ended",
            "its files are deleted when it has ended; cancel it, or wait for its end",
        ),
        JobsError::NothingFailed => (
            409,
            "jobs.nothing_failed",
            "no chunk has failed",
            "there is nothing to try again; chunks that wait or are computed need no retry",
        ),
        JobsError::UploadsOpen => (
            409,
            "jobs.uploads_open",
            "too many uploads",
            "20 of your uploads are not done; finish them, or wait until they are dropped",
        ),
        _ => return None,
    })
}

/// Code, place and words of numbers out of their limits.
const fn bad_number(error: &JobsError) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match error {
        JobsError::Amount => ("jobs.amount", "/add", "a budget is raised by more than nothing"),
        JobsError::FuelTimes => ("jobs.fuel_times", "/fuel_times", "fuel is raised 1 to 100 times"),
        JobsError::UploadEmpty => ("jobs.upload_empty", "/size", "an upload has at least 1 byte"),
        _ => return None,
    })
}

fn sample_running() -> ApiError {
    let detail =
        "the sample chunk of your last quote still runs; wait for it, half a minute at most";
    let mut problem = ApiError::new(429, "jobs.sample_running", "one sample at a time", detail);
    problem.0.retry_after = Some(5);
    problem
}

fn upload_gap(received: u64) -> ApiError {
    let detail = format!("bytes before this part are missing; go on at byte {received}");
    ApiError::new(409, "jobs.upload_gap", "no part begins here", detail)
}

fn upload_small(came: u64, least: u64) -> ApiError {
    let detail = format!(
        "{came} bytes came and none was kept; a part has at least {least} bytes here, or all up to \
         the next byte that is there"
    );
    ApiError::new(422, "jobs.upload_small", "the part is too small", detail)
}

fn runtime_unknown(names: &str) -> ApiError {
    let detail = match names {
        "" => "this server offers no runtime for scripts; its operator can add one".to_owned(),
        names => format!("there is no runtime of this name; there are: {names}"),
    };
    ApiError::field("program.runtime_unknown", "/runtime", &detail)
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

fn stuck(why: medusa_api::PauseWhy) -> ApiError {
    let (code, title) = match why {
        medusa_api::PauseWhy::ChunksFailed => ("jobs.chunks_failed", "only failed chunks are left"),
        _ => ("jobs.hold_spent", "the credits that were held are spent"),
    };
    ApiError::new(409, code, title, why.in_words())
}
