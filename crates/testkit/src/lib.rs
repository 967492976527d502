//! Throwaway databases for tests: a real Postgres and a real Redis, no mocks; and a bad network.
//!
//! One private pair of servers per checkout, in memory where the machine allows it, started by the
//! first test that needs it and shared by all processes of the run; each test gets a database of
//! its own, cloned from a migrated template in milliseconds. Databases of ended processes are
//! dropped by the next test. `medusa-testkit stop` ends the servers and removes everything.

mod database;
mod proxy;
mod servers;

pub use database::{TestDb, checked_database};
pub use proxy::{End, Proxy, Side, Way};
pub use servers::{OwnRedis, Servers};
