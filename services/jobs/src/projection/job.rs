//! The read model of jobs, chunks and leases; that of agents is beside it. Applies a batch of
//! events with a few statements, whatever its size.
#![expect(clippy::as_conversions, reason = "the query macros name a parameter's type with `as`")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use medusa_eventlog::{Projection, StoredEvent};
use medusa_events::{EndState, Fact, FileRef};
use medusa_types::{JobId, LeaseId, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use super::agents::Told;
use super::chunk::{ChunkChange, ChunkRows, Verified, next_state, result_files};

/// The projection.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobsProjection;

impl Projection for JobsProjection {
    const NAME: &'static str = "jobs";
    const TABLES: &'static [&'static str] = &[
        "job",
        "chunk",
        "lease",
        "agent_record",
        "agent_earning",
        "agent_standing",
        "agent_mark",
        "job_files",
    ];

    async fn apply(
        &self,
        db: &mut PgConnection,
        events: &[Arc<StoredEvent>],
    ) -> Result<(), sqlx::Error> {
        // Jobs must stand before their chunks change; ends come after.
        for event in events {
            if let Fact::JobSubmitted { .. } = &event.envelope.fact {
                insert_job(db, event).await?;
            }
        }
        let mut told = Told::default();
        events.iter().for_each(|event| told.take(event));
        // What failed waits again after a retry: what came before it must stand by then.
        for part in events.split_inclusive(is_retry) {
            let mut batch = Batch::default();
            part.iter().for_each(|event| batch.take(event));
            batch.write(db).await?;
            if let Some(Fact::ChunksRetried { job, .. }) = part.last().map(|e| &e.envelope.fact) {
                retry_failed(db, *job).await?;
            }
        }
        told.write(db).await?;
        super::files::write(db, events).await
    }
}

fn is_retry(event: &Arc<StoredEvent>) -> bool {
    matches!(event.envelope.fact, Fact::ChunksRetried { .. })
}

/// Failed chunks wait again.
async fn retry_failed(db: &mut PgConnection, job: JobId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with again as (
             update chunk set state = 'waiting', verdict = null, outcome = null, output = null,
                 fuel = null
             where job_id = $1 and state = 'failed' returning 1
         )
         update job set waiting = waiting + n, failed = failed - n
         from (select count(*)::integer as n from again) as counted where job_id = $1",
        job.0
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn insert_job(db: &mut PgConnection, event: &StoredEvent) -> Result<(), sqlx::Error> {
    let Fact::JobSubmitted { job, owner, program, input, chunks, .. } = &event.envelope.fact else {
        return Ok(());
    };
    let count = i32::try_from(*chunks).unwrap_or(i32::MAX);
    let input = input.map(|hash| hash.0.to_vec());
    sqlx::query!(
        "insert into job (job_id, owner_id, program, input, state, chunks, waiting, leased, verified,
             unverified, failed, held, spent, fee, released, created_at, results, position)
         values ($1, $2, $3, $4, 'running', $5, $5, 0, 0, 0, 0, 0, 0, 0, 0, $6, '[]', $7)",
        job.0,
        owner.0,
        program.0.as_slice(),
        input,
        count,
        event.envelope.at.to_utc(),
        event.envelope.position
    )
    .execute(db)
    .await?;
    Ok(())
}

#[derive(Default)]
struct JobChange {
    held: i64,
    spent: i64,
    fee: i64,
    released: i64,
    waiting: i32,
    leased: i32,
    verified: i32,
    unverified: i32,
    failed: i32,
    merging: bool,
    /// Why it is paused from now on; or that it is not.
    paused: Option<Option<String>>,
    ended: Option<(&'static str, Option<String>, Timestamp, Vec<FileRef>)>,
    position: i64,
}

struct LeaseRow {
    id: Uuid,
    job: Uuid,
    chunk: i32,
    agent: Uuid,
    lender: Uuid,
    epoch: i64,
    fuel_limit: i64,
    position: i64,
    expires_at: Timestamp,
}

#[derive(Default)]
struct LeaseEnd {
    position: i64,
    outcome: Option<serde_json::Value>,
    output: Option<Vec<u8>>,
    fuel: Option<i64>,
}

/// What a batch changes, summed up.
#[derive(Default)]
struct Batch {
    leases: Vec<LeaseRow>,
    ends: BTreeMap<LeaseId, LeaseEnd>,
    verified: BTreeMap<LeaseId, i64>,
    paid: BTreeMap<LeaseId, i64>,
    chunks: BTreeMap<(JobId, i32), ChunkChange>,
    jobs: BTreeMap<JobId, JobChange>,
}

fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn index(chunk: medusa_types::ChunkIndex) -> i32 {
    i32::try_from(chunk.0).unwrap_or(i32::MAX)
}

impl Batch {
    fn chunk(&mut self, job: JobId, chunk: medusa_types::ChunkIndex) -> &mut ChunkChange {
        self.chunks.entry((job, index(chunk))).or_default()
    }

    fn job(&mut self, job: JobId, position: i64) -> &mut JobChange {
        let change = self.jobs.entry(job).or_default();
        change.position = position;
        change
    }

    fn take(&mut self, event: &StoredEvent) {
        let position = event.envelope.position;
        match &event.envelope.fact {
            Fact::EscrowHeld { job, amount, .. } | Fact::EscrowRaised { job, amount, .. } => {
                let change = self.job(*job, position);
                change.held = change.held.saturating_add(amount.micros());
            }
            Fact::EscrowReleased { job, .. } => {
                let returned: i64 = event
                    .envelope
                    .postings
                    .iter()
                    .map(|posting| posting.1.units().max(0))
                    .fold(0, i64::saturating_add);
                let change = self.job(*job, position);
                change.released = change.released.saturating_add(returned);
            }
            Fact::JobPaused { job, why } => {
                self.job(*job, position).paused = Some(Some(why.clone()));
            }
            Fact::JobResumed { job } => self.job(*job, position).paused = Some(None),
            Fact::ChunksRetried { job, .. } => drop(self.job(*job, position)),
            Fact::MergeStarted { job } => self.job(*job, position).merging = true,
            Fact::JobEnded { job, state, code, results, .. } => {
                let state = match state {
                    EndState::Done => "done",
                    EndState::Failed => "failed",
                    EndState::Cancelled => "cancelled",
                };
                let ended = (state, code.clone(), event.envelope.at, results.clone());
                self.job(*job, position).ended = Some(ended);
            }
            fact => self.take_chunk(fact, position),
        }
    }

    fn take_chunk(&mut self, fact: &Fact, position: i64) {
        match fact {
            Fact::ChunkLeased {
                job,
                chunk,
                lease,
                agent,
                lender,
                epoch,
                fuel_limit,
                expires_at,
            } => {
                self.job(*job, position);
                let change = self.chunk(*job, *chunk);
                change.live = change.live.saturating_add(1);
                change.attempts = change.attempts.saturating_add(1);
                let row = LeaseRow {
                    id: lease.0,
                    job: job.0,
                    chunk: index(*chunk),
                    agent: agent.0,
                    lender: lender.0,
                    epoch: int(*epoch),
                    fuel_limit: int(fuel_limit.0),
                    position,
                    expires_at: *expires_at,
                };
                self.leases.push(row);
            }
            Fact::LeaseEnded { job, chunk, lease, .. } => {
                self.job(*job, position);
                let change = self.chunk(*job, *chunk);
                change.live = change.live.saturating_sub(1);
                self.ends.insert(*lease, LeaseEnd { position, ..LeaseEnd::default() });
            }
            Fact::AttemptReported { job, chunk, lease, outcome, output, fuel, .. } => {
                self.job(*job, position);
                let change = self.chunk(*job, *chunk);
                change.live = change.live.saturating_sub(1);
                let end = LeaseEnd {
                    position,
                    outcome: serde_json::to_value(outcome).ok(),
                    output: Some(output.0.to_vec()),
                    fuel: Some(int(fuel.0)),
                };
                self.ends.insert(*lease, end);
            }
            fact => self.take_verdict(fact, position),
        }
    }

    fn take_verdict(&mut self, fact: &Fact, position: i64) {
        match fact {
            Fact::ChunkVerified { job, chunk, verdict, outcome, output, fuel, right, .. } => {
                self.job(*job, position);
                self.verified.extend(right.iter().map(|lease| (*lease, position)));
                self.chunk(*job, *chunk).verified = Some(Verified {
                    verdict: verdict.clone(),
                    outcome: *outcome,
                    output: output.0.to_vec(),
                    fuel: int(fuel.0),
                });
            }
            Fact::ChunkSettled { job, chunk, price, fee, shares, .. } => {
                let of_chunk = self.chunk(*job, *chunk);
                of_chunk.price = of_chunk.price.saturating_add(price.micros());
                let change = self.job(*job, position);
                change.spent = change.spent.saturating_add(price.micros());
                change.fee = change.fee.saturating_add(fee.micros());
                for share in shares {
                    self.paid.insert(share.lease, share.amount.micros());
                }
            }
            _ => {}
        }
    }

    async fn write(mut self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.insert_leases(db).await?;
        self.end_leases(db).await?;
        self.pay_leases(db).await?;
        self.update_chunks(db).await?;
        self.update_jobs(db).await
    }

    async fn insert_leases(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.leases.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = self.leases.iter().map(|l| l.id).collect();
        let jobs: Vec<Uuid> = self.leases.iter().map(|l| l.job).collect();
        let chunks: Vec<i32> = self.leases.iter().map(|l| l.chunk).collect();
        let agents: Vec<Uuid> = self.leases.iter().map(|l| l.agent).collect();
        let lenders: Vec<Uuid> = self.leases.iter().map(|l| l.lender).collect();
        let epochs: Vec<i64> = self.leases.iter().map(|l| l.epoch).collect();
        let limits: Vec<i64> = self.leases.iter().map(|l| l.fuel_limit).collect();
        let positions: Vec<i64> = self.leases.iter().map(|l| l.position).collect();
        let ends: Vec<_> = self.leases.iter().map(|l| l.expires_at.to_utc()).collect();
        sqlx::query!(
            "insert into lease (lease_id, job_id, chunk, agent_id, lender_id, epoch, fuel_limit,
                 granted_position, expires_at)
             select * from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::uuid[],
                 $6::bigint[], $7::bigint[], $8::bigint[], $9::timestamptz[])",
            &ids,
            &jobs,
            &chunks,
            &agents,
            &lenders,
            &epochs,
            &limits,
            &positions,
            &ends
        )
        .execute(db)
        .await?;
        Ok(())
    }

    async fn end_leases(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.ends.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = self.ends.keys().map(|id| id.0).collect();
        let positions: Vec<i64> = self.ends.values().map(|e| e.position).collect();
        let outcomes: Vec<Option<serde_json::Value>> =
            self.ends.values().map(|e| e.outcome.clone()).collect();
        let outputs: Vec<Option<Vec<u8>>> = self.ends.values().map(|e| e.output.clone()).collect();
        let fuels: Vec<Option<i64>> = self.ends.values().map(|e| e.fuel).collect();
        sqlx::query!(
            "update lease set ended_position = e.position, outcome = e.outcome, output = e.output,
                 fuel = e.fuel
             from unnest($1::uuid[], $2::bigint[], $3::jsonb[], $4::bytea[], $5::bigint[])
                 as e (id, position, outcome, output, fuel)
             where lease.lease_id = e.id",
            &ids,
            &positions,
            &outcomes as &[Option<serde_json::Value>],
            &outputs as &[Option<Vec<u8>>],
            &fuels as &[Option<i64>]
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// A chain can be cut by the end of a batch: verdict and payment are written as they come.
    async fn pay_leases(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let leases: BTreeSet<LeaseId> =
            self.verified.keys().chain(self.paid.keys()).copied().collect();
        if leases.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = leases.iter().map(|id| id.0).collect();
        let positions: Vec<Option<i64>> =
            leases.iter().map(|id| self.verified.get(id).copied()).collect();
        let paid: Vec<Option<i64>> = leases.iter().map(|id| self.paid.get(id).copied()).collect();
        sqlx::query!(
            "update lease set verified_position = coalesce(v.position, lease.verified_position),
                 paid = coalesce(v.paid, lease.paid)
             from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as v (id, position, paid)
             where lease.lease_id = v.id",
            &ids,
            &positions as &[Option<i64>],
            &paid as &[Option<i64>]
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// Writes chunks and counts, for their jobs, what moved from one state to another. A chunk gets
    /// its row with its first event: until then it waits.
    async fn update_chunks(&mut self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.chunks.is_empty() {
            return Ok(());
        }
        let jobs: Vec<Uuid> = self.chunks.keys().map(|(job, _)| job.0).collect();
        let indexes: Vec<i32> = self.chunks.keys().map(|(_, index)| *index).collect();
        let old = sqlx::query!(
            r#"select c.job_id, c.index, c.state, c.live from chunk c
               join unnest($1::uuid[], $2::integer[]) as k (job_id, index)
                 on k.job_id = c.job_id and k.index = c.index"#,
            &jobs,
            &indexes
        )
        .fetch_all(&mut *db)
        .await?;
        let old: BTreeMap<(JobId, i32), (String, i32)> =
            old.into_iter().map(|r| ((JobId(r.job_id), r.index), (r.state, r.live))).collect();
        let mut rows = ChunkRows::default();
        for (key, change) in &self.chunks {
            let (before, live) = old.get(key).map_or(("waiting", 0), |(s, live)| (s, *live));
            let live = live.saturating_add(change.live).max(0);
            let state = next_state(before, live, change.verified.as_ref());
            let counts = self.jobs.entry(key.0).or_default();
            counts.count(before, -1);
            counts.count(state, 1);
            rows.push(*key, state, live, change);
        }
        rows.write(db).await
    }

    async fn update_jobs(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        for (job, change) in &self.jobs {
            let results: Option<serde_json::Value> = change
                .ended
                .as_ref()
                .and_then(|(_, _, _, files)| serde_json::to_value(result_files(files)).ok());
            let state = change.ended.as_ref().map(|(state, ..)| *state);
            let state = state.or(change.merging.then_some("merging"));
            let paused = change.paused.as_ref();
            let state = state.or(paused.map(|why| why.as_ref().map_or("running", |_| "paused")));
            let paused = change.paused.clone().flatten();
            let code = change.ended.as_ref().and_then(|(_, code, ..)| code.clone());
            let finished = change.ended.as_ref().map(|(_, _, at, _)| at.to_utc());
            sqlx::query!(
                "update job set held = held + $2, spent = spent + $3, fee = fee + $4,
                     released = released + $5, waiting = waiting + $6, leased = leased + $7,
                     verified = verified + $8, unverified = unverified + $9, failed = failed + $10,
                     state = coalesce($11, state), code = coalesce($12, code),
                     finished_at = coalesce($13, finished_at), results = coalesce($14, results),
                     paused = coalesce($16, paused), position = $15
                 where job_id = $1",
                job.0,
                change.held,
                change.spent,
                change.fee,
                change.released,
                change.waiting,
                change.leased,
                change.verified,
                change.unverified,
                change.failed,
                state,
                code,
                finished,
                results,
                change.position,
                paused
            )
            .execute(&mut *db)
            .await?;
        }
        Ok(())
    }
}

impl JobChange {
    fn count(&mut self, state: &str, by: i32) {
        let slot = match state {
            "leased" => &mut self.leased,
            "verified" => &mut self.verified,
            "unverified" => &mut self.unverified,
            "failed" => &mut self.failed,
            _ => &mut self.waiting,
        };
        *slot = slot.saturating_add(by);
    }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
