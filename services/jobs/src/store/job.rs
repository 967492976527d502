//! Reading jobs and agents as the projection keeps them.

use medusa_api::{Agent, AgentState, ChunkState, Cost, Counts, Job, JobState, PauseWhy, Verdict};
use medusa_types::{AgentId, Credits, JobId, Sha256Hash, Timestamp, UserId, Uuid};
use sqlx::PgConnection;

use super::{count, hash};
use crate::error::JobsError;
use crate::port::EnrolledAgent;

fn state(text: &str) -> JobState {
    match text {
        "paused" => JobState::Paused,
        "merging" => JobState::Merging,
        "done" => JobState::Done,
        "failed" => JobState::Failed,
        "cancelled" => JobState::Cancelled,
        _ => JobState::Running,
    }
}

/// The state of a chunk as its row has it.
pub(crate) fn chunk_state(text: &str) -> ChunkState {
    match text {
        "leased" => ChunkState::Leased,
        "verified" => ChunkState::Verified,
        "unverified" => ChunkState::Unverified,
        "failed" => ChunkState::Failed,
        _ => ChunkState::Waiting,
    }
}

/// Jobs of a person before a cursor, newest first; or one job by id.
pub(crate) async fn list(
    db: &mut PgConnection,
    owner: UserId,
    (only, before): (Option<JobId>, Option<JobId>),
    limit: i64,
) -> Result<Vec<Job>, JobsError> {
    let rows = sqlx::query!(
        r#"select j.job_id, j.program, j.input, j.state, j.code, j.chunks, j.waiting, j.leased,
                  j.verified, j.unverified, j.failed, j.held, j.spent, j.fee, j.released,
                  j.created_at, j.finished_at, j.results, j.position, j.paused,
                  s.program_name, s.spec, s.reason
           from job j join submission s on s.job_id = j.job_id
           where j.owner_id = $1 and ($2::uuid is null or j.job_id = $2)
             and ($3::uuid is null or j.job_id < $3)
           order by j.job_id desc limit $4"#,
        owner.0,
        only.map(|id| id.0),
        before.map(|id| id.0),
        limit
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Job {
                id: JobId(row.job_id),
                owner,
                program_name: row.program_name,
                program: hash(&row.program),
                input: row.input.map(|bytes| hash(&bytes)),
                spec: serde_json::from_value(row.spec)?,
                state: state(&row.state),
                paused: row
                    .paused
                    .filter(|_| row.state == "paused")
                    .as_deref()
                    .map(PauseWhy::of_word),
                reason: row.reason.or(row.code),
                waiting: None,
                counts: Counts {
                    total: count(row.chunks),
                    waiting: count(row.waiting),
                    leased: count(row.leased),
                    verified: count(row.verified),
                    unverified: count(row.unverified),
                    failed: count(row.failed),
                },
                cost: Cost {
                    held: Credits::from_micros(row.held),
                    spent: Credits::from_micros(row.spent),
                    fee: Credits::from_micros(row.fee),
                    released: Credits::from_micros(row.released),
                },
                created_at: Timestamp::from_utc(row.created_at),
                finished_at: row.finished_at.map(Timestamp::from_utc),
                results: serde_json::from_value(row.results)?,
                kept_until: None,
                files_deleted: None,
                position: row.position,
            })
        })
        .collect()
}

pub(super) fn verdict(text: &str) -> Option<Verdict> {
    match text {
        "agreed" => Some(Verdict::Agreed),
        "trusted" => Some(Verdict::Trusted),
        "refereed" => Some(Verdict::Refereed),
        "unverified" => Some(Verdict::Unverified),
        _ => None,
    }
}

/// Jobs that have not ended, by the log up to the projection's position.
pub(crate) async fn open(db: &mut PgConnection) -> sqlx::Result<Vec<JobId>> {
    let ids = sqlx::query_scalar!(
        "select job_id from job where state in ('running', 'paused', 'merging')"
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(JobId).collect())
}

/// What each machine has done so far. Its state and its record are filled in by who knows them.
pub(crate) async fn agents(
    db: &mut PgConnection,
    machines: Vec<EnrolledAgent>,
) -> sqlx::Result<Vec<Agent>> {
    let ids: Vec<Uuid> = machines.iter().map(|m| m.agent.0).collect();
    let rows = sqlx::query!(
        "select agent_id, chunks, earned from agent_record where agent_id = any($1)",
        &ids
    )
    .fetch_all(db)
    .await?;
    Ok(machines
        .into_iter()
        .map(|machine| {
            let row = rows.iter().find(|row| AgentId(row.agent_id) == machine.agent);
            Agent {
                id: machine.agent,
                name: machine.name,
                state: AgentState::Offline,
                enrolled_at: machine.enrolled_at,
                chunks: row.map_or(0, |r| u64::try_from(r.chunks).unwrap_or_default()),
                earned: Credits::from_micros(row.map_or(0, |r| r.earned)),
                streak: 0,
                score: 0,
                stake: Credits::ZERO,
                check_ppm: 0,
                quarantined_until: None,
                marks: Vec::new(),
                remote: machine.limits,
                now: None,
                public_key: machine.public_key.map(|key| Sha256Hash(key).to_string()),
            }
        })
        .collect())
}

/// Jobs, chunks and agents in numbers.
pub(crate) async fn totals(db: &mut PgConnection) -> sqlx::Result<crate::command::JobTotals> {
    let row = sqlx::query!(
        r#"select count(*) as "jobs!",
                  count(*) filter (where state in ('running', 'paused', 'merging')) as "running!",
                  coalesce(sum(verified + unverified), 0)::bigint as "chunks!",
                  (select count(*) from agent_record) as "agents!"
           from job"#
    )
    .fetch_one(db)
    .await?;
    let number = |n: i64| u64::try_from(n).unwrap_or_default();
    Ok(crate::command::JobTotals {
        agents_online: 0,
        agents: number(row.agents),
        jobs_running: number(row.running),
        jobs: number(row.jobs),
        chunks_verified: number(row.chunks),
    })
}
