//! Reading what an agent earned: sums by the quarter of an hour, and its tasks one by one.

use medusa_api::{AgentTask, TaskState};
use medusa_types::{AgentId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome, Timestamp, Uuid};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::count;
use crate::error::JobsError;

/// A quarter of an hour in microseconds.
pub(crate) const QUARTER_MICROS: i64 = 15 * 60 * 1_000_000;

/// What was earned in one quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quarter {
    /// Its number since 1970.
    pub(crate) quarter: i32,
    pub(crate) chunks: u64,
    pub(crate) earned: Credits,
}

/// Tasks, and the lease that a further look begins before if there are more.
pub(crate) struct Tasks {
    pub(crate) items: Vec<AgentTask>,
    pub(crate) next: Option<LeaseId>,
}

/// The number of the quarter of an hour since 1970 that a time is in.
pub(crate) fn quarter_of(at: Timestamp) -> i32 {
    i32::try_from(at.micros().div_euclid(QUARTER_MICROS)).unwrap_or_default()
}

/// The quarters from one on in which an agent was paid, in their order.
pub(crate) async fn quarters(
    db: &mut PgConnection,
    agent: AgentId,
    from: i32,
) -> sqlx::Result<Vec<Quarter>> {
    let rows = sqlx::query!(
        "select quarter, chunks, earned from agent_earning
         where agent_id = $1 and quarter >= $2 order by quarter",
        agent.0,
        from
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Quarter {
            quarter: row.quarter,
            chunks: u64::try_from(row.chunks).unwrap_or_default(),
            earned: Credits::from_micros(row.earned),
        })
        .collect())
}

struct Row {
    lease_id: Uuid,
    job_id: Uuid,
    chunk: i32,
    outcome: Option<serde_json::Value>,
    fuel: Option<i64>,
    paid: Option<i64>,
    verified_position: Option<i64>,
    paid_position: Option<i64>,
    is_decided: bool,
    chunks: i32,
    job_name: String,
    leased_at: OffsetDateTime,
    ended_at: OffsetDateTime,
}

/// Tasks of an agent that have ended, newest first, of leases before one or of all.
pub(crate) async fn tasks(
    db: &mut PgConnection,
    agent: AgentId,
    before: Option<LeaseId>,
    limit: i64,
) -> Result<Tasks, JobsError> {
    let before = before.map_or(Uuid::max(), |lease| lease.0);
    // One more than is asked for tells whether there are more.
    let mut rows = found(&mut *db, agent, before, limit.saturating_add(1)).await?;
    let shown = usize::try_from(limit).unwrap_or_default();
    let has_more = rows.len() > shown;
    rows.truncate(shown);
    let next = rows.last().filter(|_| has_more).map(|row| LeaseId(row.lease_id));
    let items = rows.into_iter().map(task).collect::<Result<_, JobsError>>()?;
    Ok(Tasks { items, next })
}

/// Ids of leases sort by the time at which they were given. A chunk's payment stands in the log
/// right behind its verdict, with at most the count of what it moved between them.
async fn found(
    db: &mut PgConnection,
    agent: AgentId,
    before: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select l.lease_id, l.job_id, l.chunk, l.outcome, l.fuel, l.paid, l.verified_position,
                  p.position as "paid_position?", (c.verdict is not null) as "is_decided!",
                  j.chunks, coalesce(s.spec ->> 'name', '') as "job_name!",
                  g.at as leased_at, e.at as ended_at
           from (
               select lease_id, job_id, chunk, granted_position, ended_position, outcome, fuel,
                      paid, verified_position
               from lease
               where agent_id = $1 and ended_position is not null and lease_id < $2
               order by lease_id desc limit $3
           ) l
           join job j on j.job_id = l.job_id
           left join chunk c on c.job_id = l.job_id and c.index = l.chunk
           left join submission s on s.job_id = l.job_id
           join event g on g.position = l.granted_position
           join event e on e.position = l.ended_position
           left join lateral (
               select position from event
               where position in (l.verified_position + 1, l.verified_position + 2)
                 and type = 'billing.chunk_settled' and l.paid is not null
               order by position limit 1
           ) p on true
           order by l.lease_id desc"#,
        agent.0,
        before,
        limit
    )
    .fetch_all(db)
    .await
}

/// What agents were paid in all: chunks and credits.
pub(crate) async fn paid(
    db: &mut PgConnection,
    agents: &[AgentId],
) -> sqlx::Result<(u64, Credits)> {
    let ids: Vec<Uuid> = agents.iter().map(|agent| agent.0).collect();
    let row = sqlx::query!(
        r#"select coalesce(sum(chunks), 0)::bigint as "chunks!",
                  coalesce(sum(earned), 0)::bigint as "earned!"
           from agent_record where agent_id = any($1)"#,
        &ids
    )
    .fetch_one(db)
    .await?;
    Ok((u64::try_from(row.chunks).unwrap_or_default(), Credits::from_micros(row.earned)))
}

fn task(row: Row) -> Result<AgentTask, JobsError> {
    let outcome: Option<Outcome> = row.outcome.map(serde_json::from_value).transpose()?;
    let state = match (outcome, row.paid, row.verified_position) {
        (None, ..) => TaskState::Ended,
        (_, Some(paid), _) if paid > 0 => TaskState::Paid,
        (_, _, Some(_)) => TaskState::Verified,
        (Some(Outcome::AgentFault), ..) => TaskState::Fault,
        _ if row.is_decided => TaskState::Refused,
        _ => TaskState::Waiting,
    };
    Ok(AgentTask {
        lease: LeaseId(row.lease_id),
        job: JobId(row.job_id),
        job_name: row.job_name,
        chunk: ChunkIndex(count(row.chunk)),
        chunks: count(row.chunks),
        state,
        outcome,
        fuel: row.fuel.map(|fuel| Fuel(u64::try_from(fuel).unwrap_or_default())),
        paid: row.paid.map(Credits::from_micros),
        leased_at: Timestamp::from_utc(row.leased_at),
        ended_at: Timestamp::from_utc(row.ended_at),
        verified_position: row.verified_position,
        paid_position: row.paid_position,
    })
}
