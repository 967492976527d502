//! What every service needs and none owns: clock and randomness seams, pools, the object store,
//! who is asking, problem answers, supervision, and private Postgres and Redis servers.
//!
//! A module enters here with two users. Nothing here knows a service.

pub mod auth;
pub mod blob;
mod blob_parts;
mod blob_trash;
pub mod clock;
pub mod embedded;
pub mod error;
mod idempotency;
pub mod live;
pub mod migrate;
pub mod position;
pub mod postgres;
pub mod random;
pub mod redis;
pub mod supervise;
pub mod ticket;

pub use auth::{AgentPrincipal, Authenticator, Principal, Via};
pub use blob::BlobStore;
pub use clock::Clock;
pub use error::ApiError;
pub use idempotency::idempotency_key;
pub use random::Random;
