//! The service against a real database and a real log, with a clock that tests turn.

mod http;
mod watch;
mod world;
