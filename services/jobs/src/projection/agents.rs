//! The read model of agents: what they did and earned, their standing, and what moved it. A batch
//! of events is folded by the domain's own rule, whatever its size.
#![expect(clippy::as_conversions, reason = "the query macros name a parameter's type with `as`")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use medusa_eventlog::StoredEvent;
use medusa_events::Fact;
use medusa_types::{AgentId, ChunkIndex, Credits, JobId, LeaseId, Timestamp};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{Mark, Standing, leases_told, marks};
use crate::store::agent;
use crate::store::earnings::quarter_of;

/// Events that count for or against agents, in the order of the log.
#[derive(Default)]
pub(super) struct Told(Vec<Arc<StoredEvent>>);

/// A line of an agent's history.
struct Line {
    agent: AgentId,
    position: i64,
    word: &'static str,
    place: Option<(JobId, ChunkIndex)>,
    at: Timestamp,
    after: Standing,
}

/// What one agent did in a batch.
#[derive(Default)]
struct Done {
    chunks: i64,
    earned: i64,
}

impl Done {
    /// Counts what was earned with so many chunks; rounds of a session are none.
    fn add(&mut self, amount: Credits, chunks: i64) {
        self.chunks = self.chunks.saturating_add(chunks);
        self.earned = self.earned.saturating_add(amount.micros());
    }
}

impl Told {
    /// Keeps the event if it says something about an agent.
    pub(super) fn take(&mut self, event: &Arc<StoredEvent>) {
        let fact = &event.envelope.fact;
        let alone = matches!(
            fact,
            Fact::ChunkSettled { .. }
                | Fact::RoundsSettled { .. }
                | Fact::EarningsForfeited { .. }
                | Fact::AgentReinstated { .. }
        );
        if alone || !leases_told(fact).is_empty() {
            self.0.push(Arc::clone(event));
        }
    }

    /// Writes what follows. The leases of the batch must be written before.
    pub(super) async fn write(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let told: Vec<LeaseId> =
            self.0.iter().flat_map(|event| leases_told(&event.envelope.fact)).collect();
        let agents = agents_of(db, &told).await?;
        let mut happened = Vec::new();
        let mut done: BTreeMap<AgentId, Done> = BTreeMap::new();
        let mut earned: BTreeMap<(AgentId, i32), Done> = BTreeMap::new();
        for event in &self.0 {
            let is_rounds = matches!(event.envelope.fact, Fact::RoundsSettled { .. });
            for (agent, mark) in marks(&event.envelope.fact, |lease| agents.get(&lease.0).copied())
            {
                if let Mark::Earned(amount) = mark {
                    let chunks = i64::from(!is_rounds);
                    done.entry(agent).or_default().add(amount, chunks);
                    let quarter = quarter_of(event.envelope.at);
                    earned.entry((agent, quarter)).or_default().add(amount, chunks);
                }
                happened.push((event, agent, mark));
            }
        }
        let ids: Vec<AgentId> = happened.iter().map(|(_, agent, _)| *agent).collect();
        let mut standings: BTreeMap<AgentId, (Standing, i64)> =
            agent::of(db, &ids).await?.into_iter().map(|(id, found)| (id, (found, 0))).collect();
        let mut lines = Vec::new();
        for (event, agent, mark) in happened {
            let envelope = &event.envelope;
            let (standing, position) = standings.entry(agent).or_default();
            standing.apply(mark, envelope.at);
            *position = envelope.position;
            if let Some(word) = mark.word() {
                let (position, at, after) = (envelope.position, envelope.at, *standing);
                let place = place(&envelope.fact);
                lines.push(Line { agent, position, word, place, at, after });
            }
        }
        count(db, &done).await?;
        count_quarters(db, &earned).await?;
        keep(db, &standings).await?;
        tell(db, &lines).await
    }
}

const fn place(fact: &Fact) -> Option<(JobId, ChunkIndex)> {
    match fact {
        Fact::LeaseEnded { job, chunk, .. }
        | Fact::AttemptReported { job, chunk, .. }
        | Fact::CopiesOutdone { job, chunk, .. }
        | Fact::ChunkVerified { job, chunk, .. } => Some((*job, *chunk)),
        _ => None,
    }
}

fn small(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

async fn agents_of(
    db: &mut PgConnection,
    leases: &[LeaseId],
) -> Result<HashMap<Uuid, AgentId>, sqlx::Error> {
    let ids: Vec<Uuid> = leases.iter().map(|lease| lease.0).collect();
    let rows = sqlx::query!("select lease_id, agent_id from lease where lease_id = any($1)", &ids)
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.lease_id, AgentId(row.agent_id))).collect())
}

async fn count(db: &mut PgConnection, done: &BTreeMap<AgentId, Done>) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = done.keys().map(|id| id.0).collect();
    let chunks: Vec<i64> = done.values().map(|done| done.chunks).collect();
    let earned: Vec<i64> = done.values().map(|done| done.earned).collect();
    sqlx::query!(
        "insert into agent_record (agent_id, chunks, earned)
         select * from unnest($1::uuid[], $2::bigint[], $3::bigint[])
         on conflict (agent_id) do update
         set chunks = agent_record.chunks + excluded.chunks,
             earned = agent_record.earned + excluded.earned",
        &ids,
        &chunks,
        &earned
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn count_quarters(
    db: &mut PgConnection,
    earned: &BTreeMap<(AgentId, i32), Done>,
) -> Result<(), sqlx::Error> {
    if earned.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = earned.keys().map(|(id, _)| id.0).collect();
    let quarters: Vec<i32> = earned.keys().map(|(_, quarter)| *quarter).collect();
    let chunks: Vec<i64> = earned.values().map(|done| done.chunks).collect();
    let sums: Vec<i64> = earned.values().map(|done| done.earned).collect();
    sqlx::query!(
        "insert into agent_earning (agent_id, quarter, chunks, earned)
         select * from unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bigint[])
         on conflict (agent_id, quarter) do update
         set chunks = agent_earning.chunks + excluded.chunks,
             earned = agent_earning.earned + excluded.earned",
        &ids,
        &quarters,
        &chunks,
        &sums
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn keep(
    db: &mut PgConnection,
    standings: &BTreeMap<AgentId, (Standing, i64)>,
) -> Result<(), sqlx::Error> {
    // An agent that nothing happened to was not asked for.
    let all = || standings.values().map(|(standing, _)| standing);
    let ids: Vec<Uuid> = standings.keys().map(|id| id.0).collect();
    let streaks: Vec<i32> = all().map(|s| small(s.streak)).collect();
    let scores: Vec<i32> = all().map(|s| small(s.score)).collect();
    let stakes: Vec<i64> = all().map(|s| s.stake.micros()).collect();
    let strikes: Vec<i32> = all().map(|s| small(s.strikes)).collect();
    let struck: Vec<Option<OffsetDateTime>> =
        all().map(|s| s.struck_at.map(Timestamp::to_utc)).collect();
    let allowances: Vec<i32> = all().map(|s| small(s.allowance)).collect();
    let failed: Vec<Option<OffsetDateTime>> =
        all().map(|s| s.failed_at.map(Timestamp::to_utc)).collect();
    let positions: Vec<i64> = standings.values().map(|(_, position)| *position).collect();
    sqlx::query!(
        "insert into agent_standing (agent_id, streak, score, stake, strikes, struck_at, allowance,
             failed_at, position)
         select * from unnest($1::uuid[], $2::integer[], $3::integer[], $4::bigint[],
             $5::integer[], $6::timestamptz[], $7::integer[], $8::timestamptz[], $9::bigint[])
         on conflict (agent_id) do update
         set streak = excluded.streak, score = excluded.score, stake = excluded.stake,
             strikes = excluded.strikes, struck_at = excluded.struck_at,
             allowance = excluded.allowance, failed_at = excluded.failed_at,
             position = excluded.position",
        &ids,
        &streaks,
        &scores,
        &stakes,
        &strikes,
        &struck as &[Option<OffsetDateTime>],
        &allowances,
        &failed as &[Option<OffsetDateTime>],
        &positions
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn tell(db: &mut PgConnection, lines: &[Line]) -> Result<(), sqlx::Error> {
    if lines.is_empty() {
        return Ok(());
    }
    let agents: Vec<Uuid> = lines.iter().map(|line| line.agent.0).collect();
    let positions: Vec<i64> = lines.iter().map(|line| line.position).collect();
    let words: Vec<String> = lines.iter().map(|line| line.word.to_owned()).collect();
    let jobs: Vec<Option<Uuid>> = lines.iter().map(|line| line.place.map(|p| p.0.0)).collect();
    let chunks: Vec<Option<i32>> =
        lines.iter().map(|line| line.place.map(|p| small(p.1.0))).collect();
    let times: Vec<OffsetDateTime> = lines.iter().map(|line| line.at.to_utc()).collect();
    let streaks: Vec<i32> = lines.iter().map(|line| small(line.after.streak)).collect();
    let scores: Vec<i32> = lines.iter().map(|line| small(line.after.score)).collect();
    sqlx::query!(
        "insert into agent_mark (agent_id, position, word, job_id, chunk, at, streak, score)
         select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::integer[],
             $6::timestamptz[], $7::integer[], $8::integer[])
         on conflict (agent_id, position) do nothing",
        &agents,
        &positions,
        &words,
        &jobs as &[Option<Uuid>],
        &chunks as &[Option<i32>],
        &times,
        &streaks,
        &scores
    )
    .execute(db)
    .await?;
    Ok(())
}
