//! Projections into Postgres: each reads the log by position and keeps its own position in the
//! same transaction as its tables, so that it can be stopped anywhere and repeats nothing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use crate::append::EventLog;
use crate::error::LogError;
use crate::read::StoredEvent;

/// A read model.
pub trait Projection: Send + Sync + 'static {
    /// Its name in the table of positions.
    const NAME: &'static str;
    /// The tables that it alone writes, by their bare names. Its statements must name them without
    /// a schema: a rebuild puts others in their place.
    const TABLES: &'static [&'static str];
    /// Events that are applied at a time, when so many wait.
    const SPAN: usize = 4_096;

    /// Applies events in order, inside the caller's transaction.
    fn apply(
        &self,
        db: &mut PgConnection,
        events: &[Arc<StoredEvent>],
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Drops what it remembers of its tables: somebody else has changed them.
    fn forget(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Rest between two steps, for each event of the step before: under load steps get longer, and
/// cost less for each event.
const REST: Duration = Duration::from_micros(100);
/// The least and the most rest.
const REST_MIN: Duration = Duration::from_millis(20);
const REST_MAX: Duration = Duration::from_millis(1_000);

/// How far a projection is.
#[derive(Clone, Debug)]
pub struct Progress {
    position: watch::Sender<i64>,
    /// Somebody waits: no rest now.
    urged: Arc<Notify>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { position: watch::Sender::new(0), urged: Arc::new(Notify::new()) }
    }
}

impl Progress {
    /// The last position that is applied.
    #[must_use]
    pub fn position(&self) -> i64 {
        *self.position.borrow()
    }

    fn set(&self, position: i64) {
        self.position.send_replace(position);
    }

    /// Rests after a step of so many events, until somebody waits.
    async fn rest(&self, events: usize) {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let rest = REST.saturating_mul(events).clamp(REST_MIN, REST_MAX);
        let _urged = tokio::time::timeout(rest, self.urged.notified()).await;
    }

    /// Waits until this position is applied; `false` when it took longer than 2 s, and the reader
    /// sees a slightly older state.
    pub async fn reached(&self, position: i64) -> bool {
        let mut at = self.position.subscribe();
        if *at.borrow() < position {
            self.urged.notify_one();
        }
        let wait = at.wait_for(|now| *now >= position);
        tokio::time::timeout(Duration::from_secs(2), wait).await.is_ok()
    }
}

/// Runs a projection for ever. When its position was changed by somebody else, as a rebuild does,
/// it goes on from there.
///
/// # Errors
/// [`LogError`]; start it again, it goes on where it was.
pub async fn project<P: Projection>(
    log: EventLog,
    projection: Arc<P>,
    progress: Progress,
) -> Result<(), LogError> {
    let pool = &log.own;
    let mut place = Place::stored::<P>(pool).await?;
    progress.set(place.position);
    let mut tail = log.tail(place.position);
    let mut db = pool.acquire().await?;
    // Cut off inside a transaction it is of no use to anybody.
    db.close_on_drop();
    loop {
        let events = tail.next_many(P::SPAN).await?;
        let mut tx = db.begin().await?;
        // What is lost with a crash is read from the log again.
        sqlx::query!("set local synchronous_commit = off").execute(&mut *tx).await?;
        // First of all, so that nobody who holds this row waits for a row of the tables.
        let taken = sqlx::query!(
            "update projection set position = $1
             where name = $2 and position = $3 and rebuilt_at is not distinct from $4",
            tail.position(),
            P::NAME,
            place.position,
            place.rebuilt_at
        )
        .execute(&mut *tx)
        .await?;
        if taken.rows_affected() == 0 {
            tx.rollback().await?;
            projection.forget().await;
            place = Place::stored::<P>(pool).await?;
            tail = log.tail(place.position);
        } else {
            projection.apply(&mut tx, &events).await?;
            tx.commit().await?;
            place.position = tail.position();
        }
        progress.set(place.position);
        if events.len() < P::SPAN {
            // Otherwise more is waiting than one step can take, and a rest would gather nothing.
            progress.rest(events.len()).await;
        }
    }
}

/// Where a projection stands. A rebuild changes it.
struct Place {
    position: i64,
    rebuilt_at: Option<OffsetDateTime>,
}

impl Place {
    async fn stored<P: Projection>(pool: &PgPool) -> Result<Self, LogError> {
        let place = sqlx::query_as!(
            Self,
            "insert into projection (name, position) values ($1, 0)
             on conflict (name) do update set position = projection.position
             returning position, rebuilt_at",
            P::NAME
        )
        .fetch_one(pool)
        .await?;
        Ok(place)
    }
}
