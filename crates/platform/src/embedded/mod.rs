//! Private Postgres and Redis servers: child processes that listen on unix sockets in private
//! directories, so that two checkouts never meet and no server of the machine is touched.
//!
//! A server outlives the process that started it when that one is killed; the next start of the
//! same directory adopts it and owns its end. As root the servers run under an account of lesser
//! rights. Everything here blocks for up to seconds: call it before a runtime starts, or from its
//! blocking pool. Two starts of one directory at once are for the caller to prevent (a file lock).

mod error;
mod place;
mod postgres;
mod process;
mod program;
mod redis;

pub use error::EmbeddedError;
pub use postgres::{Postgres, PostgresConfig};
pub use process::tail;
pub use redis::{Redis, RedisConfig};

#[cfg(test)]
mod tests;
