//! The service over a real log and database.

mod adjust;
mod http;
mod live;
mod money;
mod world;
