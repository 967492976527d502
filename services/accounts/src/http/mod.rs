//! Routes of accounts. Handlers take [`crate::Accounts`] as `web::Data`.

mod device;
mod notices;
mod people;
mod routes;

pub use routes::{configure, openapi};
