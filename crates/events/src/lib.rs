//! The facts of all services: one vocabulary, versioned, in the bytes that the log hashes.
//!
//! An event's bytes are written once, when the sequencer gives it its position, and never again.
//! Facts hold ids, hashes and numbers; what people wrote themselves stays in their service's
//! tables.
//! A field is only ever added, with a default; a change of meaning is a new type.

mod envelope;
mod fact;

pub use envelope::{DecodeError, Envelope, FORMAT};
pub use fact::{AttemptShare, EndState, Fact, FileRef};
