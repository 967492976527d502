//! Building a read model anew from the first event, while everything goes on.
//!
//! The events are applied to empty tables beside the live ones, by the projection's own code. Then
//! both are compared in one snapshot, which holds nobody up. Only when they differ is the
//! projection stopped for a moment, and its tables get what was built; who reads meanwhile sees
//! what was there before. A rebuild that is broken off leaves nothing behind.

use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::time::Instant;

use crate::error::LogError;
use crate::projector::Projection;
use crate::read::{check_leaf, read_events, stored_head};

/// Events that are applied at a time.
const SPAN_MAX: usize = 16_384;
/// How often it runs after the live tables; what is left then is applied in one snapshot.
const ROUNDS_MAX: u32 = 8;

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Somebody else does it at this moment.
    #[error("{0} is being rebuilt already; wait until that has ended")]
    Running(&'static str),
    /// The log could not be read, or the tables not be written.
    #[error("the read model could not be built")]
    Log(#[from] LogError),
}

impl From<sqlx::Error> for RebuildError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}

/// What a rebuild found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The projection.
    pub name: &'static str,
    /// The last event that was applied.
    pub position: i64,
    /// Things that came out different from before, and were put right: rows, or whole statements of
    /// an account.
    pub differences: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// Builds a projection anew up to where it stands, and puts right what differs. `progress` is told
/// how many events are applied, of how many.
///
/// # Errors
/// [`RebuildError`], also for an event that does not have its hash; then nothing has changed.
pub async fn rebuild<P: Projection>(
    pool: &PgPool,
    projection: &P,
    progress: impl FnMut(i64, i64) + Send,
) -> Result<Rebuilt, RebuildError> {
    let began = Instant::now();
    let mut db = connect::<P>(pool).await?;
    let mut copy = Copy::begin(projection, &mut db).await?;
    copy.follow(&mut db, progress).await?;
    let differences = match copy.compare(&mut db).await? {
        Some(0) => 0,
        Some(_) | None => copy.mend(&mut db).await?,
    };
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    sqlx::query!(
        "update projection set rebuilt_at = now(), rebuild_ms = $2, differences = $3
         where name = $1",
        P::NAME,
        i64::try_from(ms).unwrap_or(i64::MAX),
        differences
    )
    .execute(&mut db)
    .await?;
    close(db).await?;
    let differences = u64::try_from(differences).unwrap_or_default();
    Ok(Rebuilt { name: P::NAME, position: copy.position, differences, ms })
}

/// Builds a projection anew, and only counts what differs; none when it says that it stands where
/// it cannot.
///
/// # Errors
/// [`RebuildError`]
pub(crate) async fn differences<P: Projection>(
    pool: &PgPool,
    projection: &P,
) -> Result<Option<i64>, RebuildError> {
    let mut db = connect::<P>(pool).await?;
    let mut copy = Copy::begin(projection, &mut db).await?;
    copy.follow(&mut db, |_, _| ()).await?;
    let found = copy.compare(&mut db).await?;
    close(db).await?;
    Ok(found)
}

/// A connection of its own, because the tables that are made there hide the live ones: also from
/// statements that it knows already, so it has to forget them.
async fn connect<P: Projection>(pool: &PgPool) -> Result<PgConnection, RebuildError> {
    let mut db = pool.acquire().await?.detach();
    db.clear_cached_statements().await?;
    let mine = sqlx::query_scalar!(
        r#"select pg_try_advisory_lock(hashtextextended('rebuild:' || $1, 0)) as "mine!""#,
        P::NAME
    )
    .fetch_one(&mut db)
    .await?;
    if !mine {
        return Err(RebuildError::Running(P::NAME));
    }
    sqlx::query!(
        "insert into projection (name, position) values ($1, 0) on conflict (name) do nothing",
        P::NAME
    )
    .execute(&mut db)
    .await?;
    Ok(db)
}

/// The next rebuild must not have to wait until the server has noticed the end.
async fn close(mut db: PgConnection) -> Result<(), LogError> {
    sqlx::query!("select pg_advisory_unlock_all()").execute(&mut db).await?;
    Ok(db.close().await?)
}

/// What is being built, in temporary tables of one connection.
struct Copy<'a, P> {
    projection: &'a P,
    tables: Vec<String>,
    position: i64,
    /// After so many events the planner is told how large the tables are.
    analyze_at: i64,
}

impl<'a, P: Projection> Copy<'a, P> {
    async fn begin(projection: &'a P, db: &mut PgConnection) -> Result<Self, LogError> {
        let tables: Vec<String> = P::TABLES.iter().map(ToString::to_string).collect();
        sqlx::query!("select rebuild_begin($1)", &tables).execute(db).await?;
        Ok(Self { projection, tables, position: 0, analyze_at: 1_000 })
    }

    /// Applies everything up to where the live tables are, each span in a transaction of its own.
    async fn follow(
        &mut self,
        db: &mut PgConnection,
        mut progress: impl FnMut(i64, i64) + Send,
    ) -> Result<(), LogError> {
        for _ in 0..ROUNDS_MAX {
            let target = target::<P>(db).await?;
            progress(self.position, target);
            if self.position >= target {
                break;
            }
            self.apply_until(db, target, &mut progress).await?;
        }
        Ok(())
    }

    /// Compares in one snapshot; none when the live tables say that they stand where they cannot.
    async fn compare(&mut self, db: &mut PgConnection) -> Result<Option<i64>, LogError> {
        let mut tx = db.begin().await?;
        sqlx::query!("set transaction isolation level repeatable read").execute(&mut *tx).await?;
        let (live, head) = (live_position::<P>(&mut tx).await?, stored_head(&mut *tx).await?);
        let found = if (self.position..=head).contains(&live) {
            self.apply_until(&mut tx, live, &mut |_, _| ()).await?;
            Some(self.count(&mut tx).await?)
        } else {
            None
        };
        tx.commit().await?;
        Ok(found)
    }

    /// Stops the projection, compares again and puts right what differs.
    async fn mend(&mut self, db: &mut PgConnection) -> Result<i64, LogError> {
        let mut tx = db.begin().await?;
        sqlx::query!("select position from projection where name = $1 for update", P::NAME)
            .fetch_one(&mut *tx)
            .await?;
        let target = target::<P>(&mut tx).await?.max(self.position);
        self.apply_until(&mut tx, target, &mut |_, _| ()).await?;
        let differences = self.count(&mut tx).await?;
        sqlx::query!("select rebuild_mend($1)", &self.tables).execute(&mut *tx).await?;
        sqlx::query!("update projection set position = $2 where name = $1", P::NAME, self.position)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(differences)
    }

    async fn count(&self, db: &mut PgConnection) -> Result<i64, LogError> {
        let count = sqlx::query_scalar!(r#"select rebuild_compare($1) as "count!""#, &self.tables)
            .fetch_one(db)
            .await?;
        Ok(count)
    }

    async fn apply_until(
        &mut self,
        db: &mut PgConnection,
        target: i64,
        progress: &mut (impl FnMut(i64, i64) + Send),
    ) -> Result<(), LogError> {
        let most = i64::try_from(P::SPAN.min(SPAN_MAX)).unwrap_or(i64::MAX);
        while self.position < target {
            let limit = target.saturating_sub(self.position).min(most);
            let events = read_events(&mut *db, self.position, limit).await?;
            let last = events.last().map(|event| event.envelope.position);
            let Some(last) = last.filter(|last| *last <= target) else {
                let text = format!("event {} is missing", self.position.saturating_add(1));
                return Err(LogError::Corrupt(text));
            };
            // What is built from a changed event would look as if it were right.
            for event in &events {
                check_leaf(event.envelope.position, &event.body, &event.leaf.0)?;
            }
            let mut tx = db.begin().await?;
            self.projection.apply(&mut tx, &events).await?;
            if last >= self.analyze_at {
                self.analyze_at = last.saturating_mul(4);
                sqlx::query!("select rebuild_analyze($1)", &self.tables).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            self.position = last;
            progress(last, target);
        }
        Ok(())
    }
}

async fn live_position<P: Projection>(db: &mut PgConnection) -> Result<i64, LogError> {
    let position = sqlx::query_scalar!("select position from projection where name = $1", P::NAME)
        .fetch_optional(db)
        .await?;
    Ok(position.unwrap_or_default())
}

/// Where the live tables are; never beyond the log, whatever they say.
async fn target<P: Projection>(db: &mut PgConnection) -> Result<i64, LogError> {
    let head = stored_head(&mut *db).await?;
    Ok(live_position::<P>(db).await?.min(head))
}

#[cfg(test)]
#[path = "rebuild_tests.rs"]
mod tests;
