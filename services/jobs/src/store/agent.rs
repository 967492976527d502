//! Reading the records of agents as the projection keeps them.

use medusa_api::AgentMark;
use medusa_types::{AgentId, ChunkIndex, Credits, JobId, Timestamp, UserId, Uuid};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::count;
use crate::domain::Standing;

/// Lines of an agent's history that its owner is shown.
const MARKS_SHOWN: i64 = 20;

struct Row {
    agent_id: Uuid,
    streak: i32,
    score: i32,
    stake: i64,
    strikes: i32,
    struck_at: Option<OffsetDateTime>,
    allowance: i32,
    failed_at: Option<OffsetDateTime>,
    position: i64,
}

impl Row {
    fn standing(&self) -> (AgentId, Standing) {
        let standing = Standing {
            streak: count(self.streak),
            score: count(self.score),
            stake: Credits::from_micros(self.stake),
            strikes: count(self.strikes),
            struck_at: self.struck_at.map(Timestamp::from_utc),
            allowance: count(self.allowance),
            failed_at: self.failed_at.map(Timestamp::from_utc),
        };
        (AgentId(self.agent_id), standing)
    }
}

/// The standings of these agents; agents without one have that of a newcomer.
pub(crate) async fn of(
    db: &mut PgConnection,
    agents: &[AgentId],
) -> sqlx::Result<Vec<(AgentId, Standing)>> {
    let ids: Vec<Uuid> = agents.iter().map(|agent| agent.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select agent_id, streak, score, stake, strikes, struck_at, allowance, failed_at, position
         from agent_standing where agent_id = any($1)",
        &ids
    )
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(Row::standing).collect())
}

/// Standings that changed after a position of the log, and the last position among them.
pub(crate) async fn changed(
    db: &mut PgConnection,
    after: i64,
) -> sqlx::Result<(Vec<(AgentId, Standing)>, i64)> {
    let rows = sqlx::query_as!(
        Row,
        "select agent_id, streak, score, stake, strikes, struck_at, allowance, failed_at, position
         from agent_standing where position > $1 order by position",
        after
    )
    .fetch_all(db)
    .await?;
    let last = rows.last().map_or(after, |row| row.position);
    Ok((rows.iter().map(Row::standing).collect(), last))
}

/// Who was paid for an agent's work.
pub(crate) async fn lender(db: &mut PgConnection, agent: AgentId) -> sqlx::Result<Option<UserId>> {
    let found = sqlx::query_scalar!(
        "select lender_id from lease
         where agent_id = $1 and ended_position is not null and paid is not null limit 1",
        agent.0
    );
    Ok(found.fetch_optional(db).await?.map(UserId))
}

/// What last moved an agent's record, newest first.
pub(crate) async fn marks(db: &mut PgConnection, agent: AgentId) -> sqlx::Result<Vec<AgentMark>> {
    let rows = sqlx::query!(
        "select position, word, job_id, chunk, at, streak, score from agent_mark
         where agent_id = $1 order by position desc limit $2",
        agent.0,
        MARKS_SHOWN
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| AgentMark {
            position: row.position,
            word: row.word,
            job: row.job_id.map(JobId),
            chunk: row.chunk.map(|chunk| ChunkIndex(count(chunk))),
            at: Timestamp::from_utc(row.at),
            streak: count(row.streak),
            score: count(row.score),
        })
        .collect())
}
