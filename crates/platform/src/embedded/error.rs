//! Why a private server is not there. Every message says what to do or where to look.

use std::path::{Path, PathBuf};

/// A private server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Its program is not on this machine.
    #[error("found no {what}; {hint}")]
    Missing {
        /// The program, with the least version.
        what: &'static str,
        /// How to get it.
        hint: &'static str,
    },
    /// The data was written by another major version.
    #[error(
        "{path} holds data of PostgreSQL {major}, and no such server is installed",
        path = path.display()
    )]
    OtherMajor {
        /// The data directory.
        path: PathBuf,
        /// The version that wrote it.
        major: u32,
    },
    /// Root must not run Postgres, and there is nobody else to run it.
    #[error("running as root needs an account `postgres` or `nobody` to run the servers")]
    NoAccount,
    /// A directory that must be private is not.
    #[error(
        "{path} belongs to somebody else or is open to others; remove it and start again",
        path = path.display()
    )]
    NotPrivate {
        /// The directory.
        path: PathBuf,
    },
    /// A program ended when it should have begun.
    #[error("{program} ended at once; the end of {log}:\n{tail}", log = log.display())]
    Died {
        /// Its name.
        program: &'static str,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A program takes too long.
    #[error("{program} was not {what} after {seconds} s; see {log}", log = log.display())]
    Slow {
        /// Its name.
        program: &'static str,
        /// What it should have become.
        what: &'static str,
        /// How long it had.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// The operating system refused.
    #[error("could not {doing} {path}", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// Names what was tried when an operation on a path fails.
pub(super) fn on<E: Into<std::io::Error>>(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> EmbeddedError {
    move |source| EmbeddedError::Io { doing, path: path.to_owned(), source: source.into() }
}
