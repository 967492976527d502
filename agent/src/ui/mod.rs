//! The local page: what the agent does, in words, with a switch.
//!
//! It listens on 127.0.0.1 alone, and still trusts nobody: other programs, other users of the
//! machine and every website that the owner visits can reach that address. So `gate` answers only
//! requests for the exact host, changes state only for a POST of exactly its own origin, and shows
//! the state only to a browser that was opened with the secret that the agent printed.

mod earnings;
mod forms;
mod gate;
mod gauge;
mod page;
mod plot;
mod routes;
mod serve;

pub(crate) use serve::serve;
