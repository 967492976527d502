//! Why the log gives no proof, and how that leaves over HTTP.

use medusa_platform::ApiError;
use medusa_tlog::NoteError;

use crate::error::LogError;

/// Why an auditor does not get what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log is shorter.
    #[error("there is no event at this position")]
    Missing,
    /// The tree has no such tile, or none that is so wide.
    #[error("the log has {head} events, and its tree no such tile yet")]
    Tile {
        /// Events of the log.
        head: i64,
    },
    /// A proof is for sizes between these.
    #[error("no proof is made for the size {asked}; ask for one between {least} and {head}")]
    Size {
        /// What was asked for.
        asked: i64,
        /// The smallest that means something.
        least: i64,
        /// Events of the log.
        head: i64,
    },
    /// No page has so many items.
    #[error("`limit` is {asked}; give 1 to {most}")]
    Limit {
        /// What was asked for.
        asked: i64,
        /// Items of the largest page.
        most: i64,
    },
    /// The tiles are being written.
    #[error("the tiles are not written yet; try again in a moment")]
    Behind,
    /// The cursor is not one that a page gave.
    #[error("the cursor is not one that a page gave")]
    Cursor,
    /// The log is not the one that was signed before. Nothing is signed any more.
    #[error("the log is not the one that was signed before: {0}")]
    Changed(String),
    /// What a witness answered is not its cosignature of the checkpoint.
    #[error("the witness's answer is not its cosignature of this checkpoint")]
    Cosignature(#[source] NoteError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<sqlx::Error> for AuditError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}

impl AuditError {
    /// Items of a page as they were asked for; what no page can have is refused.
    pub(crate) const fn limit(asked: i64, most: i64) -> Result<i64, Self> {
        if asked >= 1 && asked <= most { Ok(asked) } else { Err(Self::Limit { asked, most }) }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Log(LogError::Corrupt(what.into()))
    }
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Missing => Self::not_found("event"),
            AuditError::Tile { .. } => {
                Self::new(404, "platform.not_found", "not found", error.to_string())
            }
            AuditError::Size { .. } | AuditError::Limit { .. } => {
                Self::new(400, "platform.query_refused", "bad query", error.to_string())
            }
            AuditError::Behind => Self::busy(1),
            AuditError::Cursor => Self::new(
                400,
                "platform.cursor_refused",
                "bad cursor",
                "give back the cursor `next` of the page before as it was",
            ),
            AuditError::Changed(why) => Self::new(
                500,
                "log.history_changed",
                "the log's history changed",
                format!(
                    "this server signs no checkpoint any more, because its log is not the one that it signed before ({why}); keep the checkpoints that you have, and tell the operator"
                ),
            ),
            AuditError::Cosignature(note) => Self::internal(&note),
            AuditError::Log(log) => log.into(),
        }
    }
}
