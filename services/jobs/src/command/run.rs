//! What a chunk's run was, completely, so that anybody who may see it can do it again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use medusa_api::{Attempt, BlobInfo, ChunkRun, Job as JobView, RunInput};
use medusa_eventlog::{first_of_kind, read_stream};
use medusa_events::Fact;
use medusa_platform::Principal;
use medusa_types::{AgentId, ChunkIndex, Fuel, JobId, Role, UserId};
use sqlx::PgConnection;

use super::Jobs;
use super::retention::kept;
use crate::domain::Tree;
use crate::error::JobsError;
use crate::order::{Asked, asked, clock_ms, limits, seed};
use crate::split::{Inputs, Resolved, Source};
use crate::store;

/// The event by which a machine says which key it signs with.
const KEY_SET: &str = "accounts.agent_key_set";

impl Jobs {
    /// Whether this event is the one in which a machine that worked for a person says which key it
    /// signs with: reports that were paid for are checked against it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_workers_key(
        &self,
        who: UserId,
        stream: &str,
        kind: &str,
    ) -> Result<bool, JobsError> {
        let agent = stream.strip_prefix("agent-").and_then(|id| id.parse::<AgentId>().ok());
        let Some(agent) = agent.filter(|_| kind == KEY_SET) else { return Ok(false) };
        let mut db = self.parts.log.pool().acquire().await?;
        Ok(store::record::has_worked_for(&mut db, agent, who).await?)
    }

    /// A job as its owner sees it, for its owner and for admins.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub async fn readable(&self, who: &Principal, id: JobId) -> Result<JobView, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let owner = store::record::owner(&mut db, id).await?;
        drop(db);
        let owner = owner.filter(|owner| *owner == who.user || who.has(Role::Admin));
        self.job(owner.ok_or(JobsError::Missing("job"))?, id).await
    }

    /// Everything that the run of a chunk depends on, and what came of it.
    ///
    /// # Errors
    /// [`JobsError::Missing`] for no such chunk, and for a job of somebody else.
    pub async fn chunk_run(
        &self,
        who: &Principal,
        id: JobId,
        chunk: ChunkIndex,
    ) -> Result<ChunkRun, JobsError> {
        let job = self.readable(who, id).await?;
        kept(&job)?;
        let mut db = self.parts.log.pool().acquire().await?;
        let accepted = store::record::accepted(&mut db, id, chunk.0).await?;
        let mut accepted = accepted.ok_or(JobsError::Missing("chunk"))?;
        let mut attempts = store::record::attempts(&mut db, id, chunk.0).await?;
        place_keys(&mut db, &mut attempts).await?;
        let index = i32::try_from(chunk.0).unwrap_or(i32::MAX);
        let stderr = store::attempt::of_chunks(&mut db, id, &[index]).await?;
        drop(db);
        let (job_limit, meter) = self.asked(id).await?;
        let agreed = attempts.iter().filter(|attempt| attempt.verified_position.is_some());
        if let Some(accepted) = &mut accepted {
            accepted.position =
                agreed.clone().filter_map(|attempt| attempt.verified_position).max();
        }
        // The server's own run, which decides where nobody agreed, has the limit of the job.
        let fuel = agreed.map(|attempt| attempt.fuel_limit).max().unwrap_or(job_limit);
        let (asked, chunks) = self.asked_of(&job, chunk).await?;
        let seed = seed(id, chunk.0);
        Ok(ChunkRun {
            job: id,
            chunk,
            env: asked.env(chunk.0, chunks, seed),
            program: asked.program,
            args: asked.args,
            seed,
            clock_ms: clock_ms(job.created_at),
            limits: limits(&job.spec, fuel),
            strict: job.spec.strict,
            meter,
            inputs: inputs(&asked.resolved).map(|(path, source)| described(path, source)).collect(),
            accepted,
            attempts,
            stderr: stderr.into_iter().next().map(|(_, text)| text).unwrap_or_default(),
        })
    }

    /// The module that a job runs.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when the job is somebody else's.
    pub(crate) async fn program_of(
        &self,
        who: &Principal,
        id: JobId,
    ) -> Result<BlobInfo, JobsError> {
        let sha256 = self.readable(who, id).await?.program;
        Ok(BlobInfo { sha256, size: self.parts.blobs.size(sha256).await? })
    }

    /// The module that the run of a chunk has: [`ChunkRun::program`].
    ///
    /// # Errors
    /// [`JobsError::Missing`] for no such chunk, and for a job of somebody else;
    /// [`JobsError::NotYet`] while what it puts together is not there.
    pub(crate) async fn program_of_chunk(
        &self,
        who: &Principal,
        id: JobId,
        chunk: ChunkIndex,
    ) -> Result<BlobInfo, JobsError> {
        let job = self.readable(who, id).await?;
        kept(&job)?;
        Ok(self.asked_of(&job, chunk).await?.0.program)
    }

    /// The bytes that a run reads at one place of [`ChunkRun::inputs`].
    ///
    /// # Errors
    /// [`JobsError::Missing`] when it reads nothing there.
    pub(crate) async fn chunk_input(
        &self,
        who: &Principal,
        (id, chunk): (JobId, ChunkIndex),
        place: usize,
    ) -> Result<Source, JobsError> {
        let job = self.readable(who, id).await?;
        kept(&job)?;
        let (asked, _) = self.asked_of(&job, chunk).await?;
        let found = inputs(&asked.resolved).nth(place).map(|(_, source)| source.clone());
        found.ok_or(JobsError::Missing("input"))
    }

    /// Fuel that one run of the job might use, and the meter that it was counted by.
    async fn asked(&self, id: JobId) -> Result<(Fuel, String), JobsError> {
        let first = read_stream(self.parts.log.pool(), &format!("job-{id}"), 0, 1).await?;
        match first.first().map(|event| &event.envelope.fact) {
            Some(Fact::JobSubmitted { fuel_limit, meter, .. }) => Ok((*fuel_limit, meter.clone())),
            _ => Err(JobsError::Missing("job")),
        }
    }

    /// What the run of a chunk is made of, and how many chunks the plan has.
    async fn asked_of(&self, job: &JobView, chunk: ChunkIndex) -> Result<(Asked, u32), JobsError> {
        if chunk.0 >= job.counts.total {
            return Err(JobsError::Missing("chunk"));
        }
        let mut db = self.parts.log.pool().acquire().await?;
        let found = store::submission::find(&mut db, job.id).await?;
        let plan = Arc::new(found.ok_or(JobsError::Missing("job"))?.plan);
        let chunks = u32::try_from(plan.count()).unwrap_or(u32::MAX);
        let mut below = Vec::new();
        if let (Some(by), true) = (&job.spec.merge_by, chunk.0 >= chunks) {
            let children = Tree::new(chunks, by.fan_in).children(chunk.0);
            let range = (children.start, children.end);
            let done = store::record::outputs(&mut db, job.id, range, i64::MAX).await?;
            if done.len() < children.len() {
                return Err(JobsError::NotYet("what this chunk puts together"));
            }
            below.extend(done.into_iter().map(|(_, output)| output));
        }
        drop(db);
        let size = self.parts.blobs.size(job.program).await?;
        let program = BlobInfo { sha256: job.program, size };
        let inputs = Inputs::new(self.parts.blobs.clone(), plan, job.input);
        let of = (&inputs, &self.parts.blobs);
        let asked = asked((&job.spec, &program), of, (chunk.0, &below)).await?;
        Ok((asked, chunks))
    }
}

/// The stream of a machine's events in the log.
fn stream_of(agent: AgentId) -> String {
    format!("agent-{agent}")
}

/// Says of each attempt where the log has the key of its agent.
async fn place_keys(db: &mut PgConnection, attempts: &mut [Attempt]) -> Result<(), JobsError> {
    let streams: BTreeSet<_> = attempts.iter().map(|attempt| stream_of(attempt.agent)).collect();
    let streams: Vec<_> = streams.into_iter().collect();
    let found = first_of_kind(&mut *db, &streams, KEY_SET).await?;
    let found: HashMap<_, _> = found.into_iter().collect();
    for attempt in attempts {
        attempt.key_position = found.get(&stream_of(attempt.agent)).copied();
    }
    Ok(())
}

/// Standard input under the empty path, then the files.
fn inputs(resolved: &Resolved) -> impl Iterator<Item = (&str, &Source)> {
    let files = resolved.files.iter().map(|(path, source)| (path.as_str(), source));
    std::iter::once(("", &resolved.stdin)).chain(files)
}

fn described(path: &str, source: &Source) -> RunInput {
    let (size, sha256) = match source {
        Source::Bytes(bytes) => (u64::try_from(bytes.len()).unwrap_or(u64::MAX), None),
        Source::Headed { head, len, .. } => {
            (len.saturating_add(u64::try_from(head.len()).unwrap_or(u64::MAX)), None)
        }
        Source::Blob { sha256, size, offset, len } => {
            let whole = *offset == 0 && len == size;
            (*len, whole.then_some(*sha256))
        }
    };
    RunInput { path: path.to_owned(), size, sha256 }
}
