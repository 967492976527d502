//! What can go wrong with an append, and how it leaves over HTTP.

use medusa_ledger::Refusal;
use medusa_platform::ApiError;

/// Why an append did not (or may not have) happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The ledger refused the moves. Nothing changed.
    #[error("the ledger refused")]
    Ledger(#[source] Refusal),
    /// The same operation was used before for another request. Nothing changed.
    #[error("this operation was used before for another request")]
    OperationReused,
    /// The stream is not where the caller believed. Nothing changed.
    #[error("the stream {stream} is at version {found}")]
    Version {
        /// The stream.
        stream: String,
        /// Where it is.
        found: i64,
    },
    /// The queue is full. Nothing changed; try again.
    #[error("the log is busy")]
    Busy,
    /// The answer got lost: it may have happened. Try again with the same operation.
    #[error("it is not known whether the event was written; try again with the same operation")]
    Unknown,
}

/// The log cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another server process writes.
    #[error("another server writes this log; stop it first")]
    Taken,
    /// Another server took over since.
    #[error("another server took over as the log's writer")]
    Fenced,
    /// The stored state contradicts itself.
    #[error("the log's stored state contradicts itself: {0}")]
    Corrupt(String),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Ledger(Refusal::Short { has, due }) => Self::new(
                402,
                "billing.credits_short",
                "not enough credits",
                format!("{due} credits are needed and {has} are available; get more credits first"),
            ),
            AppendError::Ledger(refusal) => {
                Self::new(422, "billing.amount_refused", "amount refused", refusal.to_string())
            }
            AppendError::OperationReused => Self::new(
                422,
                "platform.key_reused",
                "idempotency key used before",
                "this Idempotency-Key belongs to another request; use a new key for a new request",
            ),
            AppendError::Version { .. } => Self::new(
                409,
                "platform.conflict",
                "changed meanwhile",
                "somebody changed this at the same time; look at it again and repeat",
            ),
            AppendError::Busy | AppendError::Unknown => Self::busy(1),
        }
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Database(source) => source.into(),
            other @ (LogError::Taken | LogError::Fenced | LogError::Corrupt(_)) => {
                Self::internal(&other)
            }
        }
    }
}
