//! Sessions: a consumer's rounds of one program on agents that stay.
//!
//! Owns the streams `session-…`, the tables of its migration, and the data path: a thread on which
//! the sockets of clients and agents meet. Guarantees: a round never waits for the log, and what is
//! not in the log yet is bounded; every round is paid once, by exact fuel, and a session never
//! costs more than its hold; an agent that is lost is replaced, and answers stay the same to the
//! last bit. Other services are reached through [`port`].

mod command;
pub mod config;
pub mod domain;
pub mod error;
pub mod http;
mod hub;
mod keeper;
pub mod port;
pub mod projection;
mod store;

pub use command::{Sessions, SessionsParts};
pub use config::SessionsConfig;
pub use error::SessionsError;
