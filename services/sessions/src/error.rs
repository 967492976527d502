//! Why sessions are refused, and how it leaves over HTTP.

use medusa_eventlog::{AppendError, LogError};
use medusa_platform::ApiError;
use medusa_types::Credits;

/// A situation that a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// There is no such session, or it is somebody else's.
    #[error("there is no such session")]
    Missing,
    /// The session has ended already.
    #[error("the session has ended already")]
    Ended,
    /// More shards than one session may have.
    #[error("the splitter makes {found} shards, and a session has at most {most}; cut less finely")]
    Shards {
        /// What the splitter makes.
        found: u32,
        /// What is allowed.
        most: u32,
    },
    /// More spares than shards.
    #[error("a session has at most as many spares as shards, which are {0}")]
    Spares(u32),
    /// The budget does not pay for the seats.
    #[error("the budget does not pay for the seats; they alone cost {0}")]
    Budget(Credits),
    /// Something else refused.
    #[error("refused")]
    Refused(#[source] Box<ApiError>),
    /// The log did not take the events.
    #[error("the log did not take the session")]
    Log(#[from] AppendError),
    /// The log could not be read.
    #[error("the log could not be read")]
    Read(#[from] LogError),
    /// The database failed.
    #[error("the sessions could not be read or written")]
    Store(#[from] sqlx::Error),
    /// What was stored cannot be read.
    #[error("a stored request cannot be read")]
    Stored(#[from] serde_json::Error),
    /// The data path could not be started.
    #[error("the data path could not be started")]
    Hub(#[from] std::io::Error),
}

impl From<ApiError> for SessionsError {
    fn from(error: ApiError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<SessionsError> for ApiError {
    fn from(error: SessionsError) -> Self {
        let text = error.to_string();
        match error {
            SessionsError::Missing => Self::not_found("session"),
            SessionsError::Ended => Self::new(409, "sessions.over", "the session is over", text),
            SessionsError::Shards { .. } | SessionsError::Spares(_) => {
                Self::new(422, "sessions.seats", "too many seats", text)
            }
            SessionsError::Budget(_) => Self::new(422, "sessions.budget", "budget too small", text),
            SessionsError::Refused(refusal) => *refusal,
            SessionsError::Log(source) => source.into(),
            SessionsError::Store(source) => source.into(),
            SessionsError::Read(source) => Self::internal(&source),
            SessionsError::Stored(source) => Self::internal(&source),
            SessionsError::Hub(source) => Self::internal(&source),
        }
    }
}
