//! The typed client of the HTTP API: one method for each route of `/v1`.
//!
//! Guarantees: a request is repeated only where that cannot do anything twice (reads, uploads by
//! content, and writes that carry an idempotency key); no call waits longer than its deadline;
//! whatever is downloaded has the digest that was asked for, or it is not there. It keeps no
//! files of its own: where tokens live between runs is the caller's [`TokenStore`].

mod audit;
mod auth;
mod desk;
mod download;
mod error;
mod http;
mod live;
mod operator;
mod record;
mod retry;
mod routes;
mod session;
mod sse;
mod upload;
mod upload_parts;

#[cfg(test)]
mod tests;

pub use auth::{Session, TokenStore, now};
pub use error::ClientError;
pub use http::Client;
pub use live::Topic;
pub use operator::{post_as_operator, post_slowly_as_operator};
pub use retry::operation_id;
pub use session::{RoundAnswer, RoundError, Rounds};
pub use upload::digest_of_file;

use std::sync::Arc;

/// Told how many bytes of how many are through.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// A [`Progress`] for callers who do not want to know.
#[must_use]
pub fn no_progress() -> Progress {
    Arc::new(|_, _| {})
}

/// Makes ring the process's cryptography for TLS. Only the first call counts; [`Client::new`] calls
/// it too, so a program needs it only if it opens TLS connections before.
pub fn install_crypto() {
    // An error says that a provider is installed already, which is what is wanted.
    drop(rustls::crypto::ring::default_provider().install_default());
}
