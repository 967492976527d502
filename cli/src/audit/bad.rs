//! What is wrong with a log, and where: the first thing that was found.

use std::fmt;

use serde::Serialize;

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Bad {
    /// The first position that is wrong, where there is one.
    pub(super) position: Option<u64>,
    /// The last position that may be the one: the same, unless it cannot be told exactly.
    pub(super) to: Option<u64>,
    /// What is wrong.
    pub(super) what: String,
    /// An event before it may be the first: only a log whose tiles are as they were signed tells.
    #[serde(skip)]
    pub(super) loose: bool,
}

impl Bad {
    /// Something that is wrong with the whole.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { position: None, to: None, what: what.into(), loose: false }
    }

    /// Something that is wrong with one event.
    pub(super) fn at(position: u64, what: impl Into<String>) -> Self {
        Self::among(position, position, what)
    }

    /// Something that shows at an event, and may have begun before it.
    pub(super) fn by(position: u64, what: impl Into<String>) -> Self {
        Self { loose: true, ..Self::at(position, what) }
    }

    /// The same for a log whose tiles are not as they were signed; up to `good` it is.
    pub(super) fn after(mut self, good: u64) -> Self {
        self.position = self.position.map(|from| from.min(good.saturating_add(1)));
        self
    }

    /// Something that is wrong with one of several events.
    pub(super) fn among(from: u64, to: u64, what: impl Into<String>) -> Self {
        Self { position: Some(from), to: Some(to), what: what.into(), loose: false }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.position, self.to) {
            (Some(from), Some(to)) if from < to => write!(f, "events {from} to {to}: ")?,
            (Some(position), _) => write!(f, "event {position}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.what)
    }
}
