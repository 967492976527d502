//! Following the log: the latest events come from memory, older ones from the database.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use sqlx::PgPool;
use tokio::sync::watch;

use crate::error::LogError;
use crate::read::{StoredEvent, read_events};

/// Events of one read from the database, or from memory without a wish for more.
const READ_MAX: usize = 1_000;
/// Events that stay in memory for readers that are close behind. A projection that rests for a
/// second under full load finds everything that came meanwhile.
const RECENT_EVENTS: usize = 32_768;

/// The latest events of the log, without a gap.
#[derive(Default)]
pub(crate) struct Latest(Mutex<VecDeque<Arc<StoredEvent>>>);

impl Latest {
    /// Takes the next events of the log.
    pub(crate) fn push(&self, events: Vec<Arc<StoredEvent>>) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.extend(events);
        let old = latest.len().saturating_sub(RECENT_EVENTS);
        let forgotten: Vec<_> = latest.drain(..old).collect();
        drop(latest);
        // They are let go of when nobody waits for the lock any more.
        drop(forgotten);
    }

    /// At most so many events after a position, in order; none when the first of them is not here.
    fn after(&self, position: i64, most: usize) -> Vec<Arc<StoredEvent>> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = latest.front().map_or(i64::MAX, |event| event.envelope.position);
        let skip = position.saturating_add(1).checked_sub(first);
        let skip = skip.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        latest.iter().skip(skip).take(most).cloned().collect()
    }
}

/// A reader with its position. Misses nothing and repeats nothing.
pub struct Tail {
    pool: PgPool,
    latest: Arc<Latest>,
    head: watch::Receiver<i64>,
    position: i64,
}

impl Tail {
    pub(crate) const fn new(
        pool: PgPool,
        latest: Arc<Latest>,
        head: watch::Receiver<i64>,
        position: i64,
    ) -> Self {
        Self { pool, latest, head, position }
    }

    /// The position of the last event that was given.
    #[must_use]
    pub const fn position(&self) -> i64 {
        self.position
    }

    /// The next events, at least one; waits for them.
    ///
    /// # Errors
    /// [`LogError`] when the database fails or the writer ended.
    pub async fn next(&mut self) -> Result<Vec<Arc<StoredEvent>>, LogError> {
        self.next_up_to(READ_MAX).await
    }

    /// The next events, at least one, and as many more as are there, up to about `most`.
    ///
    /// # Errors
    /// As [`Tail::next`].
    pub async fn next_many(&mut self, most: usize) -> Result<Vec<Arc<StoredEvent>>, LogError> {
        let mut events = self.next_up_to(most).await?;
        while events.len() < most && *self.head.borrow() > self.position {
            let more = most.saturating_sub(events.len());
            events.extend(self.next_up_to(more).await?);
        }
        Ok(events)
    }

    async fn next_up_to(&mut self, most: usize) -> Result<Vec<Arc<StoredEvent>>, LogError> {
        let position = self.position;
        self.head.wait_for(|head| *head > position).await.map_err(|_| LogError::Fenced)?;
        let mut events = self.latest.after(position, most);
        if events.is_empty() {
            let limit = i64::try_from(READ_MAX.min(most)).unwrap_or(i64::MAX);
            events = read_events(&self.pool, position, limit).await?;
        }
        let last = events.last().map(|event| event.envelope.position);
        self.position =
            last.ok_or_else(|| LogError::Corrupt(format!("event {position} has no successor")))?;
        Ok(events)
    }
}
