//! Moments of the log: times become positions, and positions times.

use std::collections::BTreeMap;

use medusa_types::Timestamp;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::error::LogError;

/// The end of the year 9999: calendars of computers end there.
const LAST_MICROS: i64 = 253_402_300_799_999_999;

/// A transaction in which everything is of one moment.
pub(super) async fn snapshot(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut db = pool.begin_with("begin isolation level repeatable read, read only").await?;
    // To compile a query over all accounts takes longer than to carry it out.
    sqlx::query!("set local jit = off").execute(&mut *db).await?;
    Ok(db)
}

/// How far the books are.
pub(super) async fn books(db: &mut PgConnection) -> sqlx::Result<i64> {
    let position = sqlx::query_scalar!("select position from projection where name = 'books'")
        .fetch_optional(db)
        .await?;
    Ok(position.unwrap_or_default())
}

/// The last event that is not later than this; 0 when all are. Times never run backwards in the
/// log, so that few events are looked at.
pub(super) async fn position_at(db: &mut PgConnection, at: Timestamp) -> sqlx::Result<i64> {
    let at = Timestamp::from_micros(at.micros().clamp(0, LAST_MICROS));
    sqlx::query_scalar!(
        r#"with recursive search (low, high) as (
               select 0::bigint, position from log_head
               union all
               select case when e.at <= $1 then e.position else s.low end,
                      case when e.at <= $1 then s.high else e.position - 1 end
               from search s join event e on e.position = (s.low + s.high + 1) / 2
               where s.low < s.high
           )
           select low as "low!" from search where low = high"#,
        at.to_utc()
    )
    .fetch_one(db)
    .await
}

/// The first position whose event is not earlier than this.
pub(super) async fn first_at(db: &mut PgConnection, at: Timestamp) -> sqlx::Result<i64> {
    let before = Timestamp::from_micros(at.micros().saturating_sub(1));
    Ok(position_at(db, before).await?.saturating_add(1))
}

/// An event's place in time and in its stream.
pub(super) struct Mark {
    pub(super) at: Timestamp,
    pub(super) kind: String,
    pub(super) stream: String,
}

/// The marks of these events; those that the log does not have are left out.
pub(super) async fn marks(
    db: &mut PgConnection,
    positions: &[i64],
) -> Result<BTreeMap<i64, Mark>, LogError> {
    let rows = sqlx::query!(
        "select position, at, type as kind, stream from event where position = any($1)",
        positions
    )
    .fetch_all(db)
    .await?;
    let mark = |at, kind, stream| Mark { at: Timestamp::from_utc(at), kind, stream };
    Ok(rows.into_iter().map(|r| (r.position, mark(r.at, r.kind, r.stream))).collect())
}
