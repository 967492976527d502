//! What can go wrong with a call, sorted by what the caller can do about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use medusa_api::Problem;
use medusa_types::Sha256Hash;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused; its words and its stable code say why.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The address of the server cannot be used.
    #[error("{url:?} is not the address of a server, like http://127.0.0.1:7700")]
    Address {
        /// What was given.
        url: String,
    },
    /// No connection came about, so nothing was asked.
    #[error("could not reach {url}")]
    Connect {
        /// The server.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The connection failed on the way. Whether the request took effect is unknown.
    #[error("the connection to the server failed")]
    Transport(#[source] reqwest::Error),
    /// The server answered with something that this client does not understand.
    #[error("the server's answer is not understood: {0}")]
    Answer(String),
    /// The whole time for the call was used up.
    #[error("no answer within {} seconds", .0.as_secs())]
    Deadline(Duration),
    /// The bytes are not those that were asked for.
    #[error("the bytes have the digest {found}, but {expected} was expected")]
    Digest {
        /// What was asked for.
        expected: Sha256Hash,
        /// What came.
        found: Sha256Hash,
    },
    /// A file was changed while it was uploaded.
    #[error("the file was changed while it was uploaded; upload it again")]
    Changed,
    /// A download broke off.
    #[error("the download broke off after {received} of {expected} bytes")]
    Cut {
        /// Bytes that are there.
        received: u64,
        /// Bytes that there should be.
        expected: u64,
    },
    /// A file on this machine.
    #[error("could not use the file {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A live stream ended and could not be opened again.
    #[error("the live stream ended and did not come back")]
    StreamLost,
}

impl ClientError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// The server's problem document, if it refused.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The stable code of a refusal, like `billing.credits_short`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.problem().map(|problem| problem.code.as_str())
    }

    /// The HTTP status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|problem| problem.status)
    }
}
