//! What must be so of the log and of everything that is derived from it, checked all the time.
//!
//! A check looks at a span of the log and at the things that the span touches, in one snapshot, so
//! that it costs the same however long the log is. What was checked once is looked at again in
//! rounds, some of it each minute. What is broken stays noted until a check from the first event
//! finds it mended.

mod list;
mod order;
mod relations;
mod round;
mod run;
mod store;
mod tree;
mod watch;

pub use order::{begin, shown};
pub use run::check;
pub use store::status;
pub use watch::check_regularly;

/// What a rule came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Finding {
    /// Places that break it.
    bad: i64,
    /// The first position among them.
    first: Option<i64>,
    /// The first of them in words; without any, what there is to say.
    detail: String,
}

impl Finding {
    /// One more place.
    fn add(&mut self, position: Option<i64>, text: impl Into<String>) {
        self.merge(Self { bad: 1, first: position, detail: text.into() });
    }

    /// What was found elsewhere, later in the log.
    fn merge(&mut self, later: Self) {
        if self.bad == 0 || (self.first.is_none() && later.first.is_some()) {
            self.detail = later.detail;
        }
        self.bad = self.bad.saturating_add(later.bad);
        self.first = [self.first, later.first].into_iter().flatten().min();
    }
}

#[cfg(test)]
mod tests;
