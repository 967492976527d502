//! The read models of sessions.

mod session;

pub use session::SessionsProjection;
