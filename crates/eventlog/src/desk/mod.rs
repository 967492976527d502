//! Reading the books and the log as people look at them: trial balances and statements as of any
//! moment, accounts, events by filter. Reads only; an answer is of one moment, and says which.

mod accounts;
mod error;
mod events;
mod fetch;
mod lines;
mod moment;
mod place;
mod projections;
mod source;
mod statement;
mod trial;

use medusa_platform::Clock;

use crate::append::EventLog;

pub use error::DeskError;
pub use fetch::events_at;
pub use lines::{Line, lines_after, lines_before};
pub use place::{Place, PlaceError};

/// Items of a page when nobody says how many.
const PAGE: u32 = 50;

/// The desk. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    log: EventLog,
    clock: Clock,
}

impl Desk {
    /// Over this log.
    #[must_use]
    pub const fn new(log: EventLog, clock: Clock) -> Self {
        Self { log, clock }
    }
}

/// How many items a page has.
fn limit(asked: Option<u32>, most: u32) -> usize {
    usize::try_from(asked.unwrap_or(PAGE).clamp(1, most)).unwrap_or(1)
}

#[cfg(test)]
mod tests;
