//! The orders that this service accepts, behind one cheap handle.

mod compare;
mod control;
mod drain;
mod earnings;
mod files;
mod history;
mod machine;
mod merger;
mod output;
mod program;
mod report;
mod retention;
mod run;
mod runtime;
mod seating;
mod sizing;
mod splitter;
mod submit;
mod timeline;
mod trust;
mod upload;
mod view;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use files::ARCHIVE_CHUNKS_MAX;
pub use program::NewExample;
pub(crate) use report::Report;
pub use seating::{SeatTerms, Seating, SessionPlan};
pub(crate) use view::JobTotals;

use actix::Addr;
use medusa_api::BlobInfo;
use medusa_eventlog::{EventLog, Progress};
use medusa_platform::ticket::Tickets;
use medusa_platform::{BlobStore, Clock, Random};
use medusa_types::{JobId, UserId};
use tokio_util::sync::CancellationToken;

use crate::actor::{JobActor, JobContext, Keeper, Scheduler, SchedulerHandle};
use crate::config::JobsConfig;
use crate::error::JobsError;
use crate::order::Orders;
use crate::port::{Agents, Escrows, Runner};
use crate::split::Inputs;
use crate::start::{self, Folded};
use crate::store;
use crate::store::submission::Submission;

/// How long an upload waits for the turn of its owner, and how often it looks.
const TURN_WAIT_MAX: Duration = Duration::from_secs(20);
const TURN_PAUSE: Duration = Duration::from_millis(50);

/// What the service is made of.
pub struct JobsParts {
    /// Settings.
    pub config: JobsConfig,
    /// The log.
    pub log: EventLog,
    /// The object store.
    pub blobs: BlobStore,
    /// Billing.
    pub escrows: Arc<dyn Escrows>,
    /// The server's own sandbox.
    pub runner: Arc<dyn Runner>,
    /// Accounts' machines.
    pub agents: Arc<dyn Agents>,
    /// Tickets for agents.
    pub tickets: Arc<Tickets>,
    /// Time.
    pub clock: Clock,
    /// Ids.
    pub random: Random,
    /// How far the read model is.
    pub progress: Progress,
}

/// The jobs service. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    pub(crate) parts: Arc<JobsParts>,
    pub(crate) scheduler: SchedulerHandle,
    keeper: Addr<Keeper>,
    registry: Arc<std::sync::Mutex<std::collections::HashMap<JobId, Addr<JobActor>>>>,
    arbiter: actix::ArbiterHandle,
    /// Another process will serve the agents.
    pub(crate) leaving: CancellationToken,
    /// People whose sample chunk is running.
    sampling: Arc<std::sync::Mutex<std::collections::HashSet<UserId>>>,
    /// Held by who changes a machine, until the machine was told.
    steering: Arc<tokio::sync::Mutex<()>>,
}

impl Jobs {
    /// Starts the scheduler and the actors of all jobs that have not ended. Call it where an actix
    /// system runs.
    ///
    /// # Errors
    /// When the log or the read model cannot be read.
    pub async fn start(parts: JobsParts) -> Result<Self, JobsError> {
        let parts = Arc::new(parts);
        let arbiter = actix::Arbiter::new().handle();
        let (clock, grace) = (parts.clock.clone(), parts.config.agent_grace);
        let (rules, seed) = (parts.config.trust, parts.random.secret());
        let scheduler = actix::Actor::start_in_arbiter(&arbiter, move |_| {
            Scheduler::new(clock, grace, rules, seed)
        });
        let pool = parts.log.pool().clone();
        let keeper = actix::Actor::start_in_arbiter(&arbiter, move |_| Keeper::new(pool));
        let (registry, sampling, steering) = Default::default();
        let leaving = CancellationToken::new();
        let jobs =
            Self { parts, scheduler, keeper, registry, arbiter, leaving, sampling, steering };
        // The read model must know every job that the log knows.
        jobs.parts.progress.reached(jobs.parts.log.head()).await;
        let mut db = jobs.parts.log.pool().acquire().await?;
        let open = store::job::open(&mut db).await?;
        drop(db);
        jobs.announce_standings(-1).await?;
        for id in open {
            jobs.try_revive(id).await;
        }
        Ok(jobs)
    }

    async fn revive(&self, id: JobId) -> Result<(), JobsError> {
        let Some(mut folded) = start::fold(&self.parts.log, id).await? else {
            return Ok(());
        };
        if folded.job.ended().is_some() {
            return Ok(());
        }
        let mut db = self.parts.log.pool().acquire().await?;
        let Some(submission) = store::submission::find(&mut db, id).await? else {
            tracing::error!(job = %id, "a job without its submission cannot go on");
            return Ok(());
        };
        start::revive(&mut folded.job, self.parts.clock.now());
        let program_bytes = self.parts.blobs.size(folded.job.submitted().program).await?;
        tracing::info!(job = %id, "a job goes on");
        self.start_actor(folded, submission, program_bytes);
        Ok(())
    }

    /// One job that cannot go on must not keep the others from it.
    async fn try_revive(&self, id: JobId) {
        if let Err(error) = self.revive(id).await {
            tracing::error!(job = %id, %error, "a job cannot go on yet");
        }
    }

    fn start_actor(&self, folded: Folded, submission: Submission, program_bytes: u64) {
        let Folded { job, at, version } = folded;
        let id = job.submitted().id;
        let parts = &self.parts;
        let agreed = job.submitted().plan;
        let sound = submission.plan_hash.is_none_or(|hash| hash == agreed);
        let plan = Arc::new(submission.plan);
        let orders = Orders {
            job: id,
            spec: submission.spec.clone(),
            chunks: job.submitted().leaves(),
            program: BlobInfo { sha256: job.submitted().program, size: program_bytes },
            submitted_at: at,
            inputs: Inputs::new(parts.blobs.clone(), Arc::clone(&plan), job.submitted().input),
            blobs: parts.blobs.clone(),
            tickets: Arc::clone(&parts.tickets),
        };
        let context = JobContext {
            log: parts.log.clone(),
            blobs: parts.blobs.clone(),
            escrows: Arc::clone(&parts.escrows),
            runner: Arc::clone(&parts.runner),
            scheduler: self.scheduler.clone(),
            keeper: self.keeper.clone(),
            clock: parts.clock.clone(),
            random: parts.random.clone(),
            rules: parts.config.trust,
        };
        let spec = submission.spec;
        // Looked up and started under one lock: a job never has two actors.
        let mut registry = self.lock_registry();
        registry.retain(|_, addr| addr.connected());
        registry.entry(id).or_insert_with(|| {
            actix::Actor::start_in_arbiter(&self.arbiter, move |_| {
                JobActor::new(context, orders, (plan, sound), spec, (job, version))
            })
        });
    }

    fn lock_registry(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::HashMap<JobId, Addr<JobActor>>> {
        // A map of addresses is whole even when a holder panicked.
        self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes the one place that a person has for a sample; it is given back by dropping it.
    fn take_sample_turn(&self, user: UserId) -> Result<SampleTurn, JobsError> {
        let mut sampling = self.sampling.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !sampling.insert(user) {
            return Err(JobsError::SampleRunning);
        }
        Ok(SampleTurn { jobs: self.clone(), user })
    }

    /// The same, when it is free: several uploads of one person take their turns.
    async fn wait_for_sample_turn(&self, user: UserId) -> Result<SampleTurn, JobsError> {
        let began = tokio::time::Instant::now();
        loop {
            match self.take_sample_turn(user) {
                Err(JobsError::SampleRunning) if began.elapsed() < TURN_WAIT_MAX => {
                    tokio::time::sleep(TURN_PAUSE).await;
                }
                turn => return turn,
            }
        }
    }

    /// A job's actor, started again from the log when it died of a panic.
    async fn actor(&self, id: JobId) -> Result<Addr<JobActor>, JobsError> {
        for _ in 0..2 {
            let found = self.lock_registry().get(&id).cloned();
            if let Some(addr) = found.filter(Addr::connected) {
                return Ok(addr);
            }
            self.revive(id).await?;
        }
        Err(JobsError::Ended)
    }

    /// Starts actors of open jobs that have none: after a panic.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub async fn revive_lost(&self) -> Result<(), JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        for id in store::job::open(&mut db).await? {
            let alive = self.lock_registry().get(&id).is_some_and(Addr::connected);
            if !alive {
                self.try_revive(id).await;
            }
        }
        store::quote::sweep(&mut db, self.parts.clock.now().plus_ms(-86_400_000)).await?;
        Ok(())
    }

    /// Where the actors run.
    pub(crate) fn arbiter(&self) -> actix::ArbiterHandle {
        self.arbiter.clone()
    }
}

/// A person's place for one running sample.
struct SampleTurn {
    jobs: Jobs,
    user: UserId,
}

impl Drop for SampleTurn {
    fn drop(&mut self) {
        let sampling = self.jobs.sampling.lock();
        sampling.unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.user);
    }
}
