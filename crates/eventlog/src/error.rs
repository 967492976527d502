//! What can go wrong with an append, and how it leaves over HTTP.

use medusa_ledger::{Currency, Refusal};
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
    /// The books refused this operation before, for a reason that may have passed by now. It stays
    /// refused.
    #[error("this operation was refused before: {0}")]
    RefusedBefore(String),
    /// An event has more bytes than the log takes.
    #[error("an event of {0} bytes is too large for the log")]
    TooLarge(usize),
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
    /// It was told to end.
    #[error("the log was told to end")]
    Stopped,
    /// Another server took over since.
    #[error("another server took over as the log's writer")]
    Fenced,
    /// The stored bytes of the event at this position do not have the stored hash.
    #[error("event {0} was changed: its stored bytes do not have the hash that was sealed")]
    Changed(i64),
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
            AppendError::Ledger(refusal) => refused(&refusal),
            AppendError::RefusedBefore(code) => Self::new(
                409,
                "billing.id_refused",
                "refused before",
                format!(
                    "this Idempotency-Key was refused before with {code}, and stays refused; use a new key to try again"
                ),
            ),
            AppendError::TooLarge(bytes) => Self::new(
                413,
                "platform.event_too_large",
                "too large",
                format!(
                    "what is to be written has {bytes} bytes, more than an entry of the log may have; send less at once"
                ),
            ),
            AppendError::OperationReused => Self::key_reused(),
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

/// What a person can do about a refusal of the books.
fn refused(refusal: &Refusal) -> ApiError {
    let (status, title, detail) = match refusal {
        Refusal::Short { currency, has, due } => {
            let (has, due) = (currency.show(*has), currency.show(*due));
            let detail = match currency {
                Currency::Crd => format!(
                    "{due} credits are needed and {has} are available; get more credits first"
                ),
                Currency::Usd => format!("{due} USD are needed and {has} are available"),
            };
            (402, "not enough credits", detail)
        }
        Refusal::Closed(_) | Refusal::Frozen(_) => {
            (409, "account not open", format!("{refusal}; ask the people of this house why"))
        }
        Refusal::Over { .. } => (409, "more than was debited", refusal.to_string()),
        Refusal::PendingExists(_)
        | Refusal::PendingPosted(_)
        | Refusal::PendingVoided(_)
        | Refusal::PendingExpired(_)
        | Refusal::PendingNotDue(_) => (409, "already decided", refusal.to_string()),
        Refusal::PendingMissing(_) => (404, "no such reservation", refusal.to_string()),
        Refusal::Negative
        | Refusal::SameAccount(_)
        | Refusal::Currency(..)
        | Refusal::ExpiryPast(_)
        | Refusal::PendingExceeded { .. }
        | Refusal::Range(_) => (422, "amount refused", refusal.to_string()),
    };
    ApiError::new(status, refusal.code(), title, detail)
}

/// What is told instead of an event that somebody has changed.
fn changed(position: i64) -> ApiError {
    tracing::error!(position, "an event was asked for whose bytes do not have the sealed hash");
    let detail = format!(
        "the stored bytes of event {position} are not those that the log sealed, so they are not shown; keep the checkpoints and receipts that you have, and tell the operator"
    );
    ApiError::new(500, "log.event_changed", "the event was changed", detail)
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Database(source) => source.into(),
            LogError::Changed(position) => changed(position),
            other @ (LogError::Stopped | LogError::Fenced | LogError::Corrupt(_)) => {
                Self::internal(&other)
            }
        }
    }
}
