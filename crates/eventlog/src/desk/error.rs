//! Why the desk has no answer.

use medusa_platform::ApiError;

use crate::error::LogError;

/// A situation that whoever asks can act on.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no such thing.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The cursor is not one that a page gave.
    #[error("the cursor is not one that a page gave")]
    Cursor,
    /// What is asked for makes no sense; says what would.
    #[error("{0}")]
    Query(String),
    /// The books have not read so far yet. Try again.
    #[error("the books have not read the log up to there yet")]
    Behind,
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] LogError),
}

impl From<sqlx::Error> for DeskError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Missing(what) => Self::not_found(what),
            DeskError::Cursor => Self::new(
                400,
                "platform.cursor_refused",
                "bad cursor",
                "give back the cursor of another page as it was",
            ),
            DeskError::Query(words) => Self::new(400, "platform.query_refused", "bad query", words),
            DeskError::Behind => Self::busy(1),
            DeskError::Log(log) => log.into(),
        }
    }
}
