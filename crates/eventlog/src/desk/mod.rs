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
    /// Address of Redis, and the kinds of live values that are told through it.
    live: Option<(String, Vec<&'static str>)>,
}

impl Desk {
    /// Over this log.
    #[must_use]
    pub const fn new(log: EventLog, clock: Clock) -> Self {
        Self { log, clock, live: None }
    }

    /// The same, with the live values of these kinds among the read models.
    #[must_use]
    pub fn with_live(mut self, redis_url: String, kinds: &[&'static str]) -> Self {
        self.live = Some((redis_url, kinds.to_vec()));
        self
    }
}

/// How many items a page has. What no page can have is refused: a reader that got fewer than it
/// asked for would take them for all.
fn limit(asked: Option<u32>, most: u32) -> Result<usize, DeskError> {
    let asked = asked.unwrap_or(PAGE);
    if (1..=most).contains(&asked) {
        return Ok(usize::try_from(asked).unwrap_or(1));
    }
    Err(DeskError::Query(format!("`limit` is {asked}; give 1 to {most}")))
}

#[cfg(test)]
mod tests;
