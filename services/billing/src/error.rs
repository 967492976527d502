//! Why billing refuses.

use medusa_eventlog::{AppendError, LogError};
use medusa_platform::ApiError;

/// A situation that a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// The cursor is not one that a page gave.
    #[error("the cursor is not one that a page gave")]
    Cursor,
    /// The log did not take it.
    #[error("the log did not take it")]
    Append(#[from] AppendError),
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] LogError),
    /// The balances could not be read.
    #[error("the balances could not be read")]
    Store(#[from] sqlx::Error),
}

impl From<BillingError> for ApiError {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::Cursor => Self::new(
                400,
                "platform.cursor_refused",
                "bad cursor",
                "give back the cursor `next` of the page before as it was",
            ),
            BillingError::Append(append) => append.into(),
            BillingError::Log(log) => log.into(),
            BillingError::Store(store) => store.into(),
        }
    }
}
