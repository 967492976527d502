//! The task that writes batches: one at a time, over a connection of its own, while the next batch
//! is decided.

use std::sync::Arc;

use medusa_platform::supervise::supervise;
use sqlx::PgPool;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::commit::{self, CommitError, Written};
use crate::error::LogError;

/// Batches on their way, and what became of each.
pub(crate) struct Committer {
    orders: mpsc::Sender<(Written, oneshot::Sender<Result<(), CommitError>>)>,
}

impl Committer {
    /// Writing goes on in a task of its own, while the next batch is decided.
    pub(crate) fn start(pool: PgPool) -> (Self, CancellationToken) {
        let (orders, inbox) = mpsc::channel::<(Written, oneshot::Sender<_>)>(1);
        let (inbox, end) = (Arc::new(Mutex::new(inbox)), CancellationToken::new());
        supervise("eventlog.commit", end.clone(), move || {
            let (pool, inbox) = (pool.clone(), Arc::clone(&inbox));
            async move {
                let mut inbox = inbox.lock().await;
                let mut db = pool.acquire().await?;
                db.close_on_drop();
                while let Some((batch, waiter)) = inbox.recv().await {
                    let _gone = waiter.send(commit::commit(&mut db, batch).await);
                }
                Ok::<(), LogError>(())
            }
        });
        (Self { orders }, end)
    }

    pub(crate) async fn write(&self, batch: Written) -> oneshot::Receiver<Result<(), CommitError>> {
        let (waiter, written) = oneshot::channel();
        // Without the task the waiter is gone, which the receiver tells.
        let _lost = self.orders.send((batch, waiter)).await;
        written
    }
}
