//! Routes of sessions. Handlers take [`crate::Sessions`] as `web::Data`.

mod routes;
mod sessions;

pub use routes::{configure, openapi};
