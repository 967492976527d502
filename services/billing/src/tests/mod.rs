//! The service over a real log and database.

mod http;
mod money;
mod world;
