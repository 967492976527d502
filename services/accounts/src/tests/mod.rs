//! The service against a real database and a real log, with a clock that tests turn.

mod browser;
mod device;
mod http;
mod machines;
mod notices;
mod people;
mod tokens;
mod world;
