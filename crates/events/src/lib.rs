//! Every fact of every service, the envelope around it, and the bytes that are hashed.
//!
//! Services read each other's facts here without depending on each other. The bytes that are
//! stored are the bytes that are hashed: nothing is ever written again from a parsed form. What was
//! once stored is read for ever: see `history`. Schemas, samples and the rules of the bytes are in
//! `docs/events/` and `samples/`, and the tests compare them with the code.

// First, because its macros are used below it.
#[macro_use]
mod vocabulary;

mod doubt;
mod envelope;
mod error;
mod fact;
mod history;
mod read;
mod wire;

#[cfg(test)]
mod tests;

pub use envelope::{Envelope, FORMAT};
pub use error::DecodeError;
pub use fact::{AttemptShare, EndState, Fact, FileRef, SeatShare};
pub use history::{HISTORY, Upcaster};
