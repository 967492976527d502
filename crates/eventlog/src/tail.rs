//! Following the log: fresh batches come from memory, older ones and gaps from the database.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::{broadcast, watch};

use crate::append::Batch;
use crate::error::LogError;
use crate::read::{StoredEvent, read_events};

/// Events of one read from the database.
const READ_MAX: i64 = 1_000;

/// A reader with its position. Misses nothing and repeats nothing.
pub struct Tail {
    pool: PgPool,
    batches: broadcast::Receiver<Batch>,
    head: watch::Receiver<i64>,
    position: i64,
}

impl Tail {
    pub(crate) const fn new(
        pool: PgPool,
        batches: broadcast::Receiver<Batch>,
        head: watch::Receiver<i64>,
        position: i64,
    ) -> Self {
        Self { pool, batches, head, position }
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
        loop {
            let events = match self.batches.try_recv() {
                Ok(batch) => self.new_of(&batch).await?,
                Err(broadcast::error::TryRecvError::Lagged(_)) => self.read_on().await?,
                Err(broadcast::error::TryRecvError::Empty) => {
                    if *self.head.borrow_and_update() > self.position {
                        self.read_on().await?
                    } else {
                        self.wait().await?
                    }
                }
                Err(broadcast::error::TryRecvError::Closed) => return Err(LogError::Fenced),
            };
            if let Some(last) = events.last() {
                self.position = last.envelope.position;
                return Ok(events);
            }
        }
    }

    /// The next events, at least one, and as many more as are there, up to about `most`.
    ///
    /// # Errors
    /// As [`Tail::next`].
    pub async fn next_many(&mut self, most: usize) -> Result<Vec<Arc<StoredEvent>>, LogError> {
        let mut events = self.next().await?;
        while events.len() < most && *self.head.borrow() > self.position {
            events.extend(self.next().await?);
        }
        Ok(events)
    }

    async fn wait(&mut self) -> Result<Vec<Arc<StoredEvent>>, LogError> {
        match self.batches.recv().await {
            Ok(batch) => self.new_of(&batch).await,
            Err(broadcast::error::RecvError::Lagged(_)) => self.read_on().await,
            Err(broadcast::error::RecvError::Closed) => Err(LogError::Fenced),
        }
    }

    /// The new part of a batch; when something before it is missing, that from the database.
    async fn new_of(&self, batch: &Batch) -> Result<Vec<Arc<StoredEvent>>, LogError> {
        let first = batch.first().map_or(0, |event| event.envelope.position);
        if first > self.position.saturating_add(1) {
            return self.read_on().await;
        }
        Ok(batch.iter().filter(|e| e.envelope.position > self.position).cloned().collect())
    }

    async fn read_on(&self) -> Result<Vec<Arc<StoredEvent>>, LogError> {
        read_events(&self.pool, self.position, READ_MAX).await
    }
}
