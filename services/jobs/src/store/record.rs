//! Reading what is left of a job's work: whose it is, its copies, its chunks' outputs, its figures.

use futures_util::TryStreamExt as _;
use medusa_api::{Accepted, Attempt, Quote};
use medusa_types::{AgentId, Credits, Fuel, JobId, LeaseId, Outcome, Sha256Hash, UserId};
use sqlx::PgConnection;

use super::{count, hash, job};
use crate::error::JobsError;

/// Who submitted a job.
pub(crate) async fn owner(db: &mut PgConnection, job: JobId) -> sqlx::Result<Option<UserId>> {
    let found = sqlx::query_scalar!("select owner_id from job where job_id = $1", job.0);
    Ok(found.fetch_optional(db).await?.map(UserId))
}

/// Whether an agent was given a chunk of one of this person's jobs.
pub(crate) async fn has_worked_for(
    db: &mut PgConnection,
    agent: AgentId,
    owner: UserId,
) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (
               select from job j join lease l on l.job_id = j.job_id
               where j.owner_id = $2 and l.agent_id = $1 and l.ended_position is not null
           ) as "found!""#,
        agent.0,
        owner.0
    );
    found.fetch_one(db).await
}

/// The quote that a job was made of.
pub(crate) async fn quote(db: &mut PgConnection, job: JobId) -> Result<Option<Quote>, JobsError> {
    let found = sqlx::query_scalar!("select quote from quote where job_id = $1", job.0);
    let found = found.fetch_optional(db).await?;
    Ok(found.map(serde_json::from_value).transpose()?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fuel(value: i64) -> Fuel {
    Fuel(u64::try_from(value).unwrap_or_default())
}

/// All copies of a chunk, oldest first; without the places of the keys in the log.
pub(crate) async fn attempts(
    db: &mut PgConnection,
    job: JobId,
    chunk: u32,
) -> Result<Vec<Attempt>, JobsError> {
    let rows = sqlx::query!(
        r#"select l.lease_id, l.agent_id, l.fuel_limit, l.outcome, l.output, l.fuel, l.paid,
                  l.granted_position, l.ended_position, l.verified_position,
                  s.public_key as "public_key?", s.signature as "signature?"
           from lease l left join attempt_signature s on s.lease_id = l.lease_id
           where l.job_id = $1 and l.chunk = $2 order by l.granted_position, l.lease_id"#,
        job.0,
        i32::try_from(chunk).unwrap_or(i32::MAX)
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Attempt {
                lease: LeaseId(row.lease_id),
                agent: AgentId(row.agent_id),
                fuel_limit: fuel(row.fuel_limit),
                outcome: row.outcome.map(serde_json::from_value).transpose()?,
                output: row.output.map(|bytes| hash(&bytes)),
                fuel: row.fuel.map(fuel),
                paid: row.paid.map(Credits::from_micros),
                leased_position: row.granted_position,
                ended_position: row.ended_position,
                verified_position: row.verified_position,
                public_key: row.public_key.as_deref().map(hex),
                signature: row.signature.as_deref().map(hex),
                key_position: None,
            })
        })
        .collect()
}

/// What was accepted of a chunk, without the place of the verdict in the log; nothing inside while
/// it is not decided; nothing at all when there is no such chunk.
pub(crate) async fn accepted(
    db: &mut PgConnection,
    job: JobId,
    chunk: u32,
) -> Result<Option<Option<Accepted>>, JobsError> {
    // A chunk that nobody has taken yet has no row.
    let row = sqlx::query!(
        r#"select c.verdict as "verdict?", c.outcome as "outcome?", c.output as "output?",
                  c.fuel as "fuel?"
           from job j left join chunk c on c.job_id = j.job_id and c.index = $2
           where j.job_id = $1 and j.chunks > $2"#,
        job.0,
        i32::try_from(chunk).unwrap_or(i32::MAX)
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (Some(outcome), Some(output), Some(used)) = (row.outcome, row.output, row.fuel) else {
        return Ok(Some(None));
    };
    let outcome: Outcome = serde_json::from_value(outcome)?;
    let verdict = row.verdict.as_deref().and_then(job::verdict);
    let (output, fuel) = (hash(&output), fuel(used));
    Ok(Some(Some(Accepted { verdict, outcome, output, fuel, position: None })))
}

/// How the copies of some chunks ended: chunk, copies that are reported, copies that ended without
/// a report.
pub(crate) async fn ended_copies(
    db: &mut PgConnection,
    job: JobId,
    chunks: &[i32],
) -> sqlx::Result<Vec<(u32, i64, i64)>> {
    let rows = sqlx::query!(
        r#"select chunk, count(output) as "reported!",
                  count(*) filter (where ended_position is not null and output is null) as "lost!"
           from lease where job_id = $1 and chunk = any($2) group by chunk"#,
        job.0,
        chunks
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (count(row.chunk), row.reported, row.lost)).collect())
}

/// Index and output of the first chunks that ended well, in chunk order, of those from an index on
/// up to but without another.
pub(crate) async fn outputs(
    db: &mut PgConnection,
    job: JobId,
    (from, to): (u32, u32),
    limit: i64,
) -> sqlx::Result<Vec<(u32, Sha256Hash)>> {
    let rows = sqlx::query!(
        r#"select index, output as "output!" from chunk
           where job_id = $1 and index >= $2 and index < $3 and output is not null
             and state in ('verified', 'unverified')
           order by index limit $4"#,
        job.0,
        i32::try_from(from).unwrap_or(i32::MAX),
        i32::try_from(to).unwrap_or(i32::MAX),
        limit
    )
    // Row by row: a row takes many times the room of what is kept of it.
    .fetch(db);
    rows.map_ok(|row| (count(row.index), hash(&row.output))).try_collect().await
}

/// Copies that were handed out, and the agreed fuel of one copy of all chunks.
pub(crate) async fn work(db: &mut PgConnection, job: JobId) -> sqlx::Result<(u64, Fuel)> {
    let row = sqlx::query!(
        r#"select coalesce(sum(attempts), 0)::bigint as "attempts!",
                  coalesce(sum(fuel), 0)::bigint as "fuel!"
           from chunk where job_id = $1"#,
        job.0
    )
    .fetch_one(db)
    .await?;
    Ok((u64::try_from(row.attempts).unwrap_or_default(), fuel(row.fuel)))
}

/// How the chunks of two jobs compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) equal: u32,
    pub(crate) different: u32,
    pub(crate) alone: u32,
    pub(crate) first_different: Option<u32>,
}

/// Compares the accepted outputs of two jobs chunk by chunk.
pub(crate) async fn compare(
    db: &mut PgConnection,
    left: JobId,
    right: JobId,
) -> sqlx::Result<Compared> {
    let row = sqlx::query!(
        r#"with l as (select index, output from chunk where job_id = $1 and output is not null),
                r as (select index, output from chunk where job_id = $2 and output is not null)
           select count(*) filter (where l.output = r.output) as "equal!",
                  count(*) filter (where l.output <> r.output) as "different!",
                  count(*) filter (where l.output is null or r.output is null) as "alone!",
                  min(l.index) filter (where l.output <> r.output) as first
           from l full join r on r.index = l.index"#,
        left.0,
        right.0
    )
    .fetch_one(db)
    .await?;
    let number = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Compared {
        equal: number(row.equal),
        different: number(row.different),
        alone: number(row.alone),
        first_different: row.first.map(count),
    })
}
