//! Routes of ads. Handlers take [`crate::Ads`] as `web::Data`.

mod offers;
mod routes;

pub use routes::{configure, openapi};
