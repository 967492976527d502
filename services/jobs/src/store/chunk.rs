//! Reading chunks as the projection keeps them. One that nobody has taken yet has no row: it waits.

use std::collections::BTreeMap;

use medusa_api::{Chunk, ChunkState};
use medusa_types::{ChunkIndex, Credits, Fuel, JobId};
use serde_json::Value;
use sqlx::PgConnection;

use super::job::{chunk_state, verdict};
use super::{attempt, count, hash};
use crate::error::JobsError;

/// A chunk's columns, also of one without a row.
struct Row {
    index: i32,
    state: String,
    attempts: i32,
    price: i64,
    verdict: Option<String>,
    outcome: Option<Value>,
    output: Option<Vec<u8>>,
    fuel: Option<i64>,
}

/// At most `limit` chunks of a job from an index on.
pub(crate) async fn list(
    db: &mut PgConnection,
    job: JobId,
    from: i32,
    limit: i64,
) -> Result<Vec<Chunk>, JobsError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select g.index as "index!", coalesce(c.state, 'waiting') as "state!",
                  coalesce(c.attempts, 0) as "attempts!", coalesce(c.price, 0) as "price!",
                  c.verdict as "verdict?", c.outcome as "outcome?", c.output as "output?",
                  c.fuel as "fuel?"
           from job j
           cross join lateral
               generate_series($2::integer, least($2::bigint + $3, j.chunks)::integer - 1)
               as g (index)
           left join chunk c on c.job_id = j.job_id and c.index = g.index
           where j.job_id = $1 order by g.index"#,
        job.0,
        from,
        limit
    )
    .fetch_all(&mut *db)
    .await?;
    with_stderr(db, job, rows).await
}

/// The same, only those in one state.
pub(crate) async fn in_state(
    db: &mut PgConnection,
    job: JobId,
    state: ChunkState,
    (from, limit): (i32, i64),
) -> Result<Vec<Chunk>, JobsError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select g.index as "index!", $4 as "state!", coalesce(c.attempts, 0) as "attempts!",
                  coalesce(c.price, 0) as "price!", c.verdict as "verdict?",
                  c.outcome as "outcome?", c.output as "output?", c.fuel as "fuel?"
           from (
               select index from chunk where job_id = $1 and state = $4 and index >= $2
               union all
               select n from job j cross join lateral generate_series($2, j.chunks - 1) as n
               where j.job_id = $1 and $4 = 'waiting'
                   and not exists (select from chunk where job_id = $1 and index = n)
               order by 1 limit $3
           ) as g (index)
           left join chunk c on c.job_id = $1 and c.index = g.index
           order by g.index"#,
        job.0,
        from,
        limit,
        state.as_str()
    )
    .fetch_all(&mut *db)
    .await?;
    with_stderr(db, job, rows).await
}

async fn with_stderr(
    db: &mut PgConnection,
    job: JobId,
    rows: Vec<Row>,
) -> Result<Vec<Chunk>, JobsError> {
    let indexes: Vec<i32> = rows.iter().map(|row| row.index).collect();
    let mut stderr: BTreeMap<i32, String> =
        attempt::of_chunks(db, job, &indexes).await?.into_iter().collect();
    let rows = rows.into_iter();
    rows.map(|row| {
        Ok(Chunk {
            index: ChunkIndex(count(row.index)),
            state: chunk_state(&row.state),
            attempts: count(row.attempts),
            verdict: row.verdict.as_deref().and_then(verdict),
            outcome: row.outcome.map(serde_json::from_value).transpose()?,
            output: row.output.map(|bytes| hash(&bytes)),
            fuel: row.fuel.map(|fuel| Fuel(u64::try_from(fuel).unwrap_or_default())),
            price: Credits::from_micros(row.price),
            stderr: stderr.remove(&row.index).unwrap_or_default(),
            waiting: None,
        })
    })
    .collect()
}
