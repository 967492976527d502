//! Projections into Postgres: each reads the log by position and keeps its own position in the
//! same transaction as its tables, so that it can be stopped anywhere and repeats nothing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::sync::watch;

use crate::append::EventLog;
use crate::error::LogError;
use crate::read::StoredEvent;

/// A read model.
pub trait Projection: Send + Sync + 'static {
    /// Its name in the table of positions.
    const NAME: &'static str;

    /// Applies events in order, inside the caller's transaction.
    fn apply(
        &self,
        db: &mut PgConnection,
        events: &[Arc<StoredEvent>],
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// How far a projection is.
#[derive(Clone, Debug)]
pub struct Progress(watch::Sender<i64>);

impl Default for Progress {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Progress {
    /// The last position that is applied.
    #[must_use]
    pub fn position(&self) -> i64 {
        *self.0.borrow()
    }

    /// Waits until this position is applied; `false` when it took longer than 2 s, and the reader
    /// sees a slightly older state.
    pub async fn reached(&self, position: i64) -> bool {
        let mut at = self.0.subscribe();
        let wait = at.wait_for(|now| *now >= position);
        tokio::time::timeout(Duration::from_secs(2), wait).await.is_ok()
    }
}

/// Runs a projection for ever.
///
/// # Errors
/// [`LogError`]; start it again, it goes on where it was.
pub async fn project<P: Projection>(
    log: EventLog,
    projection: Arc<P>,
    progress: Progress,
) -> Result<(), LogError> {
    let pool = log.pool();
    let start = sqlx::query_scalar!(
        "insert into projection (name, position) values ($1, 0)
         on conflict (name) do update set position = projection.position
         returning position",
        P::NAME
    )
    .fetch_one(pool)
    .await?;
    progress.0.send_replace(start);
    let mut tail = log.tail(start);
    loop {
        let events = tail.next().await?;
        let mut tx = pool.begin().await?;
        projection.apply(&mut tx, &events).await?;
        sqlx::query!(
            "update projection set position = $1 where name = $2",
            tail.position(),
            P::NAME
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        progress.0.send_replace(tail.position());
    }
}
