//! What people see of their jobs, chunks and machines.

use medusa_api::{
    Agent, AgentState, Chunk, ChunkPage, ChunkState, Job as JobView, JobPage, JobState,
};
use medusa_platform::Principal;
use medusa_types::{ChunkIndex, JobId, Sha256Hash, UserId};

use crate::actor::{Phases, SeenOf, Summary, WhyWaiting};
use crate::error::JobsError;
use crate::port::EnrolledAgent;
use crate::store;

use super::Jobs;
use super::retention::kept;
use super::waiting::{Ended, in_words};

/// Rows of one page.
const PAGE_MAX: i64 = 200;

impl Jobs {
    /// A result file: hash, length, media type.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when the job is somebody else's.
    pub(crate) async fn result(
        &self,
        user: UserId,
        job: JobId,
        name: &str,
    ) -> Result<(Sha256Hash, u64, String), JobsError> {
        let job = self.job(user, job).await?;
        kept(&job)?;
        let found = job.results.into_iter().find(|file| file.name == name);
        let file = found.ok_or(JobsError::Missing("result"))?;
        Ok((file.sha256, file.size, file.media_type))
    }

    /// A person's job.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub async fn job(&self, user: UserId, id: JobId) -> Result<JobView, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let mut found = store::job::list(&mut db, user, (Some(id), None), 1).await?;
        let keep_ms = self.parts.config.files_keep_ms;
        store::retention::show(&mut db, &mut found, keep_ms).await?;
        drop(db);
        let mut job = found.pop().ok_or(JobsError::Missing("job"))?;
        if let Some(why) = job.paused {
            job.waiting = Some(why.in_words().to_owned());
        } else if job.state == JobState::Running && job.counts.leased == 0 {
            let fleet = self.scheduler.send(Summary::of(user)).await?;
            let why = self.actor(id).await?.send(WhyWaiting).await?;
            job.waiting = Some(why.unwrap_or_else(|| fleet.in_words()));
        }
        Ok(job)
    }

    /// The plan of a job's chunks, as the JSON whose hash stands in the log.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub(crate) async fn plan(&self, who: &Principal, id: JobId) -> Result<Vec<u8>, JobsError> {
        self.readable(who, id).await?;
        let mut db = self.parts.log.pool().acquire().await?;
        store::submission::plan_json(&mut db, id).await?.ok_or(JobsError::Missing("plan"))
    }

    /// A person's jobs, newest first.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub async fn list(
        &self,
        user: UserId,
        limit: i64,
        after: Option<JobId>,
    ) -> Result<JobPage, JobsError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut db = self.parts.log.pool().acquire().await?;
        let mut items = store::job::list(&mut db, user, (None, after), limit).await?;
        let keep_ms = self.parts.config.files_keep_ms;
        store::retention::show(&mut db, &mut items, keep_ms).await?;
        let full = i64::try_from(items.len()).unwrap_or_default() == limit;
        let next = items.last().filter(|_| full).map(|job| job.id.to_string());
        Ok(JobPage { items, next })
    }

    /// Chunks of a person's job.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub async fn chunks(
        &self,
        user: UserId,
        id: JobId,
        state: Option<ChunkState>,
        (limit, from): (i64, ChunkIndex),
    ) -> Result<ChunkPage, JobsError> {
        let job = self.job(user, id).await?;
        let limit = limit.clamp(1, PAGE_MAX);
        let mut db = self.parts.log.pool().acquire().await?;
        let from = i32::try_from(from.0).unwrap_or(i32::MAX);
        let mut items = match state {
            Some(state) => store::chunk::in_state(&mut db, id, state, (from, limit)).await?,
            None => store::chunk::list(&mut db, id, from, limit).await?,
        };
        drop(db);
        if job.state == JobState::Running {
            self.explain(user, id, &mut items).await?;
        }
        let full = i64::try_from(items.len()).unwrap_or_default() == limit;
        let next = items.last().filter(|_| full).map(|c| c.index.0.saturating_add(1).to_string());
        Ok(ChunkPage { items, next })
    }

    /// Says of chunks that are not done why they are not.
    async fn explain(
        &self,
        user: UserId,
        id: JobId,
        chunks: &mut [Chunk],
    ) -> Result<(), JobsError> {
        let open =
            |chunk: &&mut Chunk| matches!(chunk.state, ChunkState::Waiting | ChunkState::Leased);
        let index = |chunk: &mut Chunk| i32::try_from(chunk.index.0).unwrap_or(i32::MAX);
        let indexes: Vec<i32> = chunks.iter_mut().filter(open).map(index).collect();
        if indexes.is_empty() {
            return Ok(());
        }
        let mut db = self.parts.log.pool().acquire().await?;
        let ended = store::record::ended_copies(&mut db, id, &indexes).await?;
        drop(db);
        let fleet = self.scheduler.send(Summary::of(user)).await?.in_words();
        let phases = self.actor(id).await?.send(Phases).await?;
        for chunk in chunks.iter_mut().filter(open) {
            let of_it = ended.iter().find(|(index, ..)| *index == chunk.index.0);
            let ended =
                of_it.map_or_else(Ended::default, |&(_, reported, lost)| Ended { reported, lost });
            let early = phases.get(&chunk.index.0).copied();
            chunk.waiting = in_words(chunk, ended, early, &fleet);
        }
        Ok(())
    }

    /// A person's machines.
    ///
    /// # Errors
    /// When accounts or the read model cannot be read.
    pub async fn agents(&self, user: UserId) -> Result<Vec<Agent>, JobsError> {
        let machines = self.parts.agents.of_owner(user).await?;
        self.seen(machines).await
    }

    /// Machines as their owner sees them.
    pub(super) async fn seen(&self, machines: Vec<EnrolledAgent>) -> Result<Vec<Agent>, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let mut agents = store::job::agents(&mut db, machines).await?;
        let fleet = self.scheduler.send(Summary::all()).await?;
        let ids = agents.iter().map(|agent| agent.id).collect();
        let mut seen = self.scheduler.send(SeenOf(ids)).await?;
        for agent in &mut agents {
            agent.now = seen.remove(&agent.id);
            agent.state = fleet.states.get(&agent.id).copied().unwrap_or(AgentState::Offline);
            self.show_standing(&mut db, agent).await?;
        }
        Ok(agents)
    }

    /// The place in figures; nothing in it is about one person.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub async fn totals(&self) -> Result<JobTotals, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let mut totals = store::job::totals(&mut db).await?;
        let fleet = self.scheduler.send(Summary::all()).await?;
        totals.agents_online = u64::from(fleet.connected);
        Ok(totals)
    }
}

/// The place in figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobTotals {
    /// Agents that are connected.
    pub agents_online: u64,
    /// Agents that ever were paid.
    pub agents: u64,
    /// Jobs that run.
    pub jobs_running: u64,
    /// Jobs that were ever submitted.
    pub jobs: u64,
    /// Chunks that were ever believed.
    pub chunks_verified: u64,
}
